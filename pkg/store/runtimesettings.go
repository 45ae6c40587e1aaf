package store

import (
	"context"
	"net/netip"
	"strconv"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// runtimeSettingsItem is the row of an organization's runtime settings in one environment.
type runtimeSettingsItem struct {
	OrganizationID     string   `dynamodbav:"organizationId"`
	Version            int64    `dynamodbav:"version"`
	DeletedAt          string   `dynamodbav:"deletedAt,omitempty"`
	LegacyKeysAccepted bool     `dynamodbav:"legacyKeysAccepted,omitempty"`
	AllowedAddresses   []string `dynamodbav:"allowedAddresses,omitempty"`
	// a decimal as text: DynamoDB may return a number in another spelling
	SampleRequests string `dynamodbav:"sampleRequests"`
}

// PutRuntimeSettings writes an organization's settings that apply to the calls of its keys: a row
// for each environment, under that environment's seal. It belongs to the transaction of every
// change of the organization's settings and of its deletion. Failure: organization.ErrStale.
func (s *Store) PutRuntimeSettings(ctx context.Context, o *organization.Organization) []Write {
	settings, err := o.RuntimeSettings()
	if err != nil {
		return []Write{{err: err}}
	}

	var writes []Write
	for _, env := range apikey.Environments() {
		item, err := s.encodeRuntimeSettings(ctx, env, settings)
		w := fresh(item, err, organization.ErrStale)
		w.row.Condition = dynamo.IsNew.Or(dynamo.Below("version", settings.Version))
		writes = append(writes, w)
	}

	return writes
}

func (s *Store) encodeRuntimeSettings(
	ctx context.Context, env apikey.Environment, settings *organization.RuntimeSettings,
) (dynamo.Item, error) {
	p, err := s.ring.Ensure(ctx, env)
	if err != nil {
		return nil, dynamo.Unavailable("pepper", err)
	}

	row := runtimeSettingsItem{
		OrganizationID:     settings.OrganizationID,
		Version:            settings.Version,
		DeletedAt:          dynamo.FormatTime(settings.DeletedAt),
		LegacyKeysAccepted: settings.LegacyKeysAccepted,
		SampleRequests:     strconv.FormatFloat(settings.SampleRequests, 'g', -1, 64),
	}
	for _, network := range settings.AllowedAddresses {
		row.AllowedAddresses = append(row.AllowedAddresses, network.String())
	}

	return sealed(p, runtimeSettingsRow(env, settings.OrganizationID), row)
}

// RuntimeSettings reads the settings of an organization in an environment, strongly consistent, and
// checks their seal. Every organization has some, so a missing row is ErrDamaged. Errors:
// ErrDamaged, ErrUnavailable.
func (s *Store) RuntimeSettings(
	ctx context.Context, env apikey.Environment, org string,
) (*organization.RuntimeSettings, error) {
	what := "the runtime settings of " + org + " in " + string(env)

	item, err := s.get(ctx, runtimeSettingsRow(env, org))
	if err != nil {
		return nil, err
	}

	if item == nil {
		return nil, dynamo.Damaged(what+" is missing", nil)
	}

	var row runtimeSettingsItem
	if err := s.unseal(ctx, env, item, runtimeSettingsRow(env, org), &row, what); err != nil {
		return nil, err
	}

	return row.settings(what)
}

func (row *runtimeSettingsItem) settings(what string) (*organization.RuntimeSettings, error) {
	out := &organization.RuntimeSettings{
		OrganizationID:     row.OrganizationID,
		Version:            row.Version,
		LegacyKeysAccepted: row.LegacyKeysAccepted,
	}

	var err error
	if out.DeletedAt, err = dynamo.ParseTime(row.DeletedAt); err != nil {
		return nil, dynamo.Damaged(what, err)
	}

	if out.SampleRequests, err = strconv.ParseFloat(row.SampleRequests, 64); err != nil {
		return nil, dynamo.Damaged(what, err)
	}

	for _, text := range row.AllowedAddresses {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, dynamo.Damaged(what, err)
		}

		out.AllowedAddresses = append(out.AllowedAddresses, network)
	}

	return out, nil
}
