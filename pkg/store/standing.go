package store

import (
	"context"
	"net/netip"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
)

// standingItem is the row of an organization's standing in one environment.
type standingItem struct {
	PK                 string   `dynamodbav:"pk"`
	SK                 string   `dynamodbav:"sk"`
	OrganizationID     string   `dynamodbav:"organizationId"`
	Version            int64    `dynamodbav:"version"`
	DeletedAt          string   `dynamodbav:"deletedAt,omitempty"`
	LegacyKeysAccepted bool     `dynamodbav:"legacyKeysAccepted,omitempty"`
	AllowedAddresses   []string `dynamodbav:"allowedAddresses,omitempty"`
	// a decimal; DynamoDB may return a number otherwise than it was sent
	SampleRequests string `dynamodbav:"sampleRequests"`
}

// PutStanding writes what of an organization bears on the calls of its keys: a row for each
// environment, under that environment's seal. It belongs into the transaction of every change of
// the organization's settings and of its deletion. Failure: organization.ErrStale.
func (s *Store) PutStanding(ctx context.Context, o *organization.Organization) []Write {
	standing, err := o.Standing()
	if err != nil {
		return []Write{{err: err}}
	}

	var writes []Write
	for _, env := range apikey.Environments() {
		item, err := s.encodeStanding(ctx, env, standing)
		writes = append(writes, Write{
			item:      item,
			err:       err,
			condition: isNew + " OR #version < :version",
			failure:   organization.ErrStale,
			names:     map[string]string{"#version": "version"},
			values:    map[string]types.AttributeValue{":version": number(standing.Version)},
		})
	}

	return writes
}

func (s *Store) encodeStanding(
	ctx context.Context, env apikey.Environment, standing *organization.Standing,
) (map[string]types.AttributeValue, error) {
	p, err := s.ring.Ensure(ctx, env)
	if err != nil {
		return nil, unavailable("pepper", err)
	}

	row := standingItem{
		PK:                 standingPartition(env, standing.OrganizationID),
		SK:                 standingSort,
		OrganizationID:     standing.OrganizationID,
		Version:            standing.Version,
		DeletedAt:          formatTime(standing.DeletedAt),
		LegacyKeysAccepted: standing.LegacyKeysAccepted,
		SampleRequests:     strconv.FormatFloat(standing.SampleRequests, 'g', -1, 64),
	}
	for _, network := range standing.AllowedAddresses {
		row.AllowedAddresses = append(row.AllowedAddresses, network.String())
	}

	return sealed(p, row)
}

// Standing reads the standing of an organization in an environment, strongly consistent, and checks
// its seal. Every organization has one, so a missing row is ErrDamaged. Errors: ErrDamaged,
// ErrUnavailable.
func (s *Store) Standing(
	ctx context.Context, env apikey.Environment, org string,
) (*organization.Standing, error) {
	what := "the standing of " + org + " in " + string(env)

	item, err := s.get(ctx, standingPartition(env, org), standingSort)
	if err != nil {
		return nil, err
	}

	if item == nil {
		return nil, damaged(what+" is missing", nil)
	}

	var row standingItem
	if err := unseal(ctx, s.ring, env, item, place{
		standingPartition(env, org), standingSort,
	}, &row, what); err != nil {
		return nil, err
	}

	return row.standing(what)
}

func (row *standingItem) standing(what string) (*organization.Standing, error) {
	out := &organization.Standing{
		OrganizationID:     row.OrganizationID,
		Version:            row.Version,
		LegacyKeysAccepted: row.LegacyKeysAccepted,
	}

	var err error
	if out.DeletedAt, err = parseTime(row.DeletedAt); err != nil {
		return nil, damaged(what, err)
	}

	if out.SampleRequests, err = strconv.ParseFloat(row.SampleRequests, 64); err != nil {
		return nil, damaged(what, err)
	}

	for _, text := range row.AllowedAddresses {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, damaged(what, err)
		}

		out.AllowedAddresses = append(out.AllowedAddresses, network)
	}

	return out, nil
}
