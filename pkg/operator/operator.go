// Package operator makes the first operator key of a deployment, which no other key can make. The
// right to do so is IAM's right to write the table.
//
// It promises:
//
//   - A deployment is bootstrapped once, however many callers try at the same time, unless one says
//     again.
//   - The key expires after a day unless its secret is replaced.
//
// It does not print the secret; its caller does so, once.
package operator

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store"
)

// ErrBootstrapped says that the deployment has had its first operator key.
var ErrBootstrapped = errors.New("this deployment already had its first operator key: create others " +
	"with an operator key, in the organization _operators; if none works any more, pass --again")

// Life is how long the first operator key works, unless it is rotated or regenerated.
const Life = 24 * time.Hour

// Permissions returns those of an operator key: every permission of the admin API.
func Permissions() []string {
	return []string{
		"keys:read", "keys:write", "keys:rotate", "keys:revoke", "usage:read", "history:read",
		"members:write", "organization:write", "permissions:write",
	}
}

// Config is the deployment that gets an operator key. All fields must be set.
type Config struct {
	Brand   apikey.Brand
	Store   *store.Store
	Keyring *pepper.Keyring
	Now     func() time.Time
}

// First makes the first operator key, which ends after Life unless it gets a new secret, and the
// peppers of all environments. Errors: ErrBootstrapped, store.ErrUnavailable.
func First(ctx context.Context, c Config) (apikey.Secret, error) {
	secret, err := create(ctx, c, "First operator", Life, c.Store.Bootstrapped(c.Now()))
	if errors.Is(err, store.ErrBootstrapped) {
		return apikey.Secret{}, ErrBootstrapped
	}

	return secret, err
}

// Again makes another operator key, as First does, whether there was one or not. Errors:
// store.ErrUnavailable.
func Again(ctx context.Context, c Config) (apikey.Secret, error) {
	return create(ctx, c, "Operator by IAM", Life)
}

// Local makes an operator key of a deployment on a developer's own machine. It may be called again
// whenever the data are lost, and the key does not expire.
func Local(ctx context.Context, c Config) (apikey.Secret, error) {
	return create(ctx, c, "Local operator", 0)
}

// create makes an operator key in one transaction with other writes. A positive life makes the key
// expire.
func create(
	ctx context.Context, c Config, name string, life time.Duration, with ...store.Write,
) (apikey.Secret, error) {
	// Authorizers can only read peppers, so each environment must have one.
	for _, env := range apikey.Environments() {
		if _, err := c.Keyring.Ensure(ctx, env); err != nil {
			return apikey.Secret{}, fmt.Errorf("%w: pepper of %s: %w",
				store.ErrUnavailable, env, err)
		}
	}

	id, err := apikey.NewID(rand.Reader)
	if err != nil {
		return apikey.Secret{}, err
	}

	current, err := c.Keyring.Current(ctx, apikey.Production)
	if err != nil {
		return apikey.Secret{}, fmt.Errorf("%w: pepper: %w", store.ErrUnavailable, err)
	}

	secret, issued, err := current.Issue(c.Brand, rand.Reader, apikey.Production, id)
	if err != nil {
		return apikey.Secret{}, err
	}

	now := c.Now()
	by := apikey.Actor{Type: apikey.ActorSystem, ID: "bootstrap"}

	k := &apikey.Key{
		ID:             id,
		OrganizationID: apikey.OperatorOrganization,
		Profile:        apikey.Profile{Name: name},
		Environment:    apikey.Production,
		Ownership:      apikey.Organization,
		Owner:          by,
		CreatedBy:      by,
		Enabled:        true,
		Permissions:    Permissions(),
		Grantable:      apikey.GrantCatalogue,
		Secret:         issued.Verifier,
		Hint:           issued.Hint,
		Version:        1,
		CreatedAt:      now,
		UpdatedAt:      now,
	}
	if life > 0 {
		k.Provisional = true
		k.ExpiresAt = now.Add(life)
	}

	entry := history.Entry{
		ID:             id,
		At:             now,
		Action:         history.KeyCreated,
		OrganizationID: k.OrganizationID,
		Actor:          by,
		Object:         history.Object{Type: "key", ID: id, Name: k.Name},
		Changes:        []history.FieldChange{{Field: "permissions", After: Permissions()}},
	}
	// with comes first: if several conditions fail, its error counts
	return secret, c.Store.Commit(ctx,
		append(with, c.Store.PutKey(ctx, k, 0), c.Store.Append(entry))...)
}
