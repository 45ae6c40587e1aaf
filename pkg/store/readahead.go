package store

import (
	"context"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/store/internal/sealed"
)

// Ahead lists rows that are about to be read. Zero fields list none.
type Ahead struct {
	Catalogue    bool
	Environment  apikey.Environment // of Key
	Key          string             // the id of a key whose environment is known
	FindKey      string             // the id of a key whose environment is unknown
	Organization string             // its id
	Member       string             // the e-mail of a member of Organization
}

// ReadAhead reads rows in one strongly consistent call, in place of one call each. With the
// returned context, the first read of each of them is answered from memory; any other read asks the
// table. Error: ErrUnavailable.
func (s *Store) ReadAhead(ctx context.Context, a Ahead) (context.Context, error) {
	var rows []dynamo.Key
	if a.Catalogue {
		rows = append(rows, sealed.CatalogueRow())
	}

	for _, env := range apikey.Environments() {
		if a.FindKey != "" {
			rows = append(rows, sealed.KeyRow(env, a.FindKey))
		}
	}

	// DynamoDB refuses to read a row twice in one call
	if a.Key != "" && a.Key != a.FindKey {
		rows = append(rows, sealed.KeyRow(a.Environment, a.Key))
	}

	if a.Organization != "" {
		rows = append(rows, organizationRow(a.Organization))
	}

	if a.Organization != "" && a.Member != "" {
		rows = append(rows, memberRow(a.Organization, a.Member))
	}

	return s.core.ReadAhead(ctx, rows)
}
