package adminapi

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store"
)

// scope is the query that a cursor belongs to.
type scope struct {
	List         string
	Organization string
	Object       string       // of a history; "" for all
	Filter       store.Filter // of keys
	// likewise, as it was sent: a duration stays the same query from page to page
	UnusedSince string
	Requests    api.RequestFilter `json:",omitzero"`
	History     api.HistoryFilter `json:",omitzero"`
}

func (q scope) bytes() ([]byte, error) { return json.Marshal(q) }

// writeCursor seals a position of a list, so that it says nothing, cannot be made up and fits no
// other query.
func (a *API) writeCursor(ctx context.Context, q scope, position string) (string, error) {
	p, err := a.keyring.Current(ctx, apikey.Production)
	if err != nil {
		return "", fmt.Errorf("%w: pepper: %w", store.ErrUnavailable, err)
	}

	query, err := q.bytes()
	if err != nil {
		return "", err
	}

	sealed, err := p.Encrypt(rand.Reader, "cursor", []byte(position), query)
	if err != nil {
		return "", err
	}

	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// nextCursor is the cursor of a position; nil where the list ends.
func (a *API) nextCursor(ctx context.Context, q scope, position string) (*string, error) {
	if position == "" {
		return nil, nil
	}

	cursor, err := a.writeCursor(ctx, q, position)
	return &cursor, err
}

// readCursor returns the position in a cursor; "" for none.
func (a *API) readCursor(ctx context.Context, q scope, cursor string) (string, error) {
	if cursor == "" {
		return "", nil
	}

	wrong := admin.Refuse(api.CodeMalformed,
		"The cursor does not belong to this list: start again without it.",
		api.FieldError{
			Location: "query.cursor",
			Message:  "expected the nextCursor of a page with the same filters",
		})

	sealed, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", wrong
	}

	query, err := q.bytes()
	if err != nil {
		return "", err
	}

	position, err := a.keyring.Decrypt(ctx, apikey.Production, "cursor", sealed, query)
	switch {
	case errors.Is(err, pepper.ErrForged):
		return "", wrong
	case err != nil:
		return "", fmt.Errorf("%w: pepper: %w", store.ErrUnavailable, err)
	}

	return string(position), nil
}
