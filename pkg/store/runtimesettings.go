package store

import (
	"context"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/store/internal/sealed"
)

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
		item, err := s.seal(ctx, env, sealed.RuntimeSettingsRow(env, settings.OrganizationID),
			sealed.EncodeRuntimeSettings(settings))
		w := fresh(item, err, organization.ErrStale)
		w.row.Condition = dynamo.IsNew.Or(dynamo.Below(dynamo.Number(settings.Version), "version"))
		writes = append(writes, w)
	}

	return writes
}
