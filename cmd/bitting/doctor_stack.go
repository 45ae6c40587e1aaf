package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/cmd/bitting/cloud"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot/full"
	"github.com/bitting-keys/bitting/pkg/limit"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store"
)

// stack looks at a deployment in AWS, with the rights of the credentials that are found.
func (d *doctor) stack(ctx context.Context, f cloud.Flags) {
	found, err := f.Describe(ctx)
	if err != nil {
		d.add("stack", problem, remedyOf(err), "%s", err)
		return
	}

	mend := "aws cloudformation describe-stack-events --stack-name " + found.Name

	switch status := found.Status; {
	case strings.HasSuffix(status, "_IN_PROGRESS"):
		d.add("stack", warning, mend, "%s is being changed: %s", found.Name, status)
	case strings.Contains(status, "FAILED") || strings.Contains(status, "ROLLBACK"):
		d.add("stack", problem, mend, "the last change of %s failed: %s", found.Name, status)
	default:
		d.add("stack", healthy, "", "%s is %s", found.Name, status)
	}

	d.roles(ctx, f)

	reach := deployed{aws: f}

	loaded, env, err := reach.load(ctx, scanTimeout)
	if err != nil {
		d.add("tables", problem, remedyOf(err), "%s", err)
		return
	}

	stored := store.NewPeppers(full.DynamoDB(env), loaded.CoreTable)
	if d.tables(ctx, loaded, stored) && d.peppers(ctx, loaded, stored, found.Name) {
		d.upkeep(ctx, stored, found.Name)
	}
}

// roles asks whether the functions may still do what the template lets them, and no more.
func (d *doctor) roles(ctx context.Context, f cloud.Flags) {
	found, err := f.Roles(ctx)

	switch {
	case errors.Is(err, cloud.ErrRefused):
		d.add("roles", skipped, "", "these credentials may not look at them: %s", err)
	case err != nil:
		d.add("roles", problem, remedyOf(err), "%s", err)
	case len(found.Changed) > 0:
		d.add("roles", problem, "aws cloudformation describe-stack-resource-drifts --stack-name "+f.Stack,
			"somebody changed what functions may do: %s", strings.Join(found.Changed, ", "))
	default:
		d.add("roles", healthy, "", "%d roles and policies are as the template says", found.Looked)
	}
}

// tables reads a row of each table. That it is there is not needed.
func (d *doctor) tables(ctx context.Context, loaded *full.Deployment, stored *store.Peppers) bool {
	_, err := stored.Peppers(ctx, apikey.Production)
	table := loaded.CoreTable

	if err == nil {
		table = loaded.HotTable
		_, err = loaded.Hot.ReadLimits(ctx, limit.Subject{
			Environment: apikey.Production,
			KeyID:       "doctor",
		})
	}

	if err != nil {
		d.add("tables", problem, "aws dynamodb describe-table --table-name "+table,
			"%s cannot be read with these credentials: %s", table, err)
		return false
	}

	d.add("tables", healthy, "", "%s and %s can be read", loaded.CoreTable, loaded.HotTable)
	return true
}

// peppers looks whether each environment has a pepper, and whether KMS unwraps it.
func (d *doctor) peppers(
	ctx context.Context, loaded *full.Deployment, stored *store.Peppers, stack string,
) bool {
	for _, env := range apikey.Environments() {
		_, err := loaded.Keyring.Current(ctx, env)

		switch {
		case errors.Is(err, pepper.ErrNotFound):
			d.add("peppers", problem, "bitting bootstrap --stack "+stack,
				"%s has none: the deployment has had no first operator key", env)
			return false
		case err != nil:
			d.add("peppers", problem, "aws kms describe-key --key-id "+loaded.KMSKey,
				"that of %s cannot be unwrapped with these credentials: %s", env, err)
			return false
		}
	}

	d.add("peppers", healthy, "", "each environment has one, and the key unwraps it")
	return true
}

// late is when upkeep's pass over the table, which it makes each day, is overdue.
const late = 3 * 24 * time.Hour

// upkeep looks at its latest pass over the table. It makes one only while there is something to be
// resealed: while an environment has several versions of its pepper.
func (d *doctor) upkeep(ctx context.Context, stored *store.Peppers, stack string) {
	// CloudFormation names the log group
	mend := `aws logs tail --since 1h "$(aws cloudformation describe-stack-resource --stack-name ` +
		stack + ` --logical-resource-id UpkeepLogs --output text --query ` +
		`StackResourceDetail.PhysicalResourceId)"`

	due, err := rotatedAt(ctx, stored)
	if err == nil && due.IsZero() {
		d.add("upkeep", skipped, "", "it shows once a pepper is rotated: nothing has to be resealed")
		return
	}

	pass, failed := stored.Pass(ctx)
	if err = cmp.Or(err, failed); err != nil {
		d.add("upkeep", problem, mend, "its state cannot be read: %s", err)
		return
	}

	if ended := pass.Finished(); ended != nil {
		due = ended.EndedAt

		if ended.Unread > 0 {
			d.add("rows", warning, "bitting pepper status --stack "+stack,
				"%d rows cannot be read, or their seals are broken", ended.Unread)
		}
	}

	if time.Since(due) > late {
		d.add("upkeep", problem, mend, "no pass over the table has ended since %s",
			due.UTC().Format(time.RFC3339))
		return
	}

	d.add("upkeep", healthy, "", "the last pass or rotation was on %s", due.UTC().Format(time.RFC3339))
}

// rotatedAt returns when the last pepper was rotated of which an older version is still there.
func rotatedAt(ctx context.Context, stored *store.Peppers) (at time.Time, err error) {
	for _, env := range apikey.Environments() {
		versions, err := stored.Peppers(ctx, env)
		if err != nil {
			return at, err
		}

		versions = slices.DeleteFunc(versions, func(w pepper.Wrapped) bool {
			return !w.RetiredAt.IsZero()
		})
		if len(versions) < 2 {
			continue
		}

		for _, w := range versions {
			if w.CreatedAt.After(at) {
				at = w.CreatedAt
			}
		}
	}

	return at, nil
}
