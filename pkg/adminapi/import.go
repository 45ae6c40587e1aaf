package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/pepper"
)

// Bounds of a call that imports keys. A thousand keys by sha512 with names of a hundred letters are
// some 400 KiB.
const (
	maxImport     = 1000
	maxImportBody = 1 << 20
)

func (a *API) registerImport() {
	register(a, operation{
		id:      organization.ImportKeys,
		group:   GroupKeys,
		method:  http.MethodPost,
		path:    keysPath + "/import",
		summary: "Import keys of another system",
		about: "By the hash of each secret, which goes on to work as it is sent today. At most " +
			"1,000 keys a call. A hash that the organization has already in its environment " +
			"fails as " +
			"a duplicate, so a repeated call imports nothing twice. A call that runs out of time is " +
			"503: sent again with its Idempotency-Key, it goes on and answers as if it had been one. " +
			"Keys without permissions get " +
			"all of them, and are marked as legacy.",
		maxBody: maxImportBody,
	}, a.importKeys)
}

type hashInput struct {
	Algorithm string  `json:"algorithm" enum:"sha256,sha512" doc:"How the other system hashed the secret itself, without a salt"`
	Encoding  *string `json:"encoding" required:"false" enum:"hex,base64" doc:"Of either alphabet, padded or not; told by the value's length where it is absent"`
	Value     string  `json:"value" minLength:"1" maxLength:"200"`
}

type importEntry struct {
	Name        string    `json:"name" maxLength:"100"`
	Environment string    `json:"environment" enum:"production,staging,development"`
	Hash        hashInput `json:"hash"`
	KeyFields
}

type importInput struct {
	Org string `path:"org"`
	IdempotencyHeader
	Body struct {
		Keys []importEntry `json:"keys" nullable:"false" minItems:"1" doc:"At most 1,000"`
	}
	RawBody []byte
}

// Resolve implements huma.Resolver.
func (in *importInput) Resolve(huma.Context) []error {
	if n := len(in.Body.Keys); n > maxImport {
		return []error{
			tooLarge.with(fmt.Sprintf("A call imports at most 1,000 keys, and this one has %d: "+
				"make several calls.", n)),
		}
	}

	return nil
}

// importing is a key of the call that nothing was found wrong with so far.
type importing struct {
	index     int
	key       *apikey.Key
	algorithm apikey.Algorithm
	digest    []byte
	current   *pepper.Pepper // of what is kept of the secret
	first     string         // the id that the secret leads to
	rival     string         // the key's, where the other is another organization's
}

// become gives the key its id, and with it what is kept of its secret.
func (k *importing) become(id string) {
	k.key.ID, k.key.Hint = id, apikey.ForeignHint(k.algorithm, id)
	k.key.Secret = apikey.Verifier{
		Hash:   k.current.HashForeign(k.key.Environment, id, k.algorithm, k.digest),
		Pepper: k.current.Version(),
		Scheme: k.algorithm,
	}
}

// importation is an import under way.
type importation struct {
	*API
	s        *request
	answer   api.Imported
	progress progress
	wrote    bool // a transaction, in this call
	// ends when it is to begin no other transaction
	work context.Context //nolint:containedctx // a deadline inside of the call's, and nothing else
}

func (i *importation) fail(index int, k problemType, detail string) {
	i.answer.Failed = append(i.answer.Failed, api.ImportFailure{
		Index:  index,
		Code:   k.code,
		Detail: detail,
	})
}

// importKeys brings keys in. What is wrong with one fails that one. What the caller may not hand
// out fails the call before anything is written. What stops it in the middle leaves whole keys, and
// the repeated call goes on from there; with the same Idempotency-Key it answers as if it had been
// one call.
func (a *API) importKeys(
	ctx context.Context, s *request, in *importInput,
) (*posted[api.Imported], error) {
	if in.Org == apikey.OperatorOrganization {
		return nil, denied.with("An operator's secret is made here and never brought from " +
			"elsewhere.")
	}

	return idempotent(ctx, a, s, func(s *request) (got attempt[posted[api.Imported]], err error) {
		i := &importation{
			API:      a,
			s:        s,
			answer:   api.Imported{Failed: []api.ImportFailure{}, EffectiveBy: api.Time{Time: s.now}},
			progress: progress{done: map[string]bool{}},
			work:     ctx,
		}

		if end, limited := ctx.Deadline(); limited {
			work, cancel := context.WithDeadline(ctx, end.Add(-importReserve))
			defer cancel()

			i.work = work
		}

		if err := i.follow(ctx); err != nil {
			return got, err
		}

		keys, err := i.valid(ctx, in)
		if err != nil {
			return got, err
		}

		if err := i.within(keys); err != nil {
			return got, err
		}

		for _, env := range apikey.Environments() {
			of := slices.DeleteFunc(slices.Clone(keys), func(k importing) bool {
				return k.key.Environment != env
			})
			if err := i.bring(ctx, env, of); err != nil {
				return got, err
			}
		}

		slices.SortFunc(i.answer.Failed, func(x, y api.ImportFailure) int { return x.Index - y.Index })
		return attempt[posted[api.Imported]]{
			answer: posted[api.Imported]{Status: http.StatusOK, Body: i.answer},
			alone:  true, // each step asked, and is done: this keeps the answer
		}, nil
	})
}

// valid makes the keys of a call, and fails those with something wrong.
func (i *importation) valid(ctx context.Context, in *importInput) ([]importing, error) {
	missing, err := i.missingCustomers(ctx, in.Body.Keys)
	if err != nil {
		return nil, err
	}

	var raw []json.RawMessage
	if err := json.Unmarshal(fieldOf(in.RawBody, "keys"), &raw); err != nil {
		return nil, fmt.Errorf("decode keys: %w", err) // huma decoded them before
	}

	var keys []importing
	for index := range in.Body.Keys {
		entry, f := &in.Body.Keys[index], &validator{}
		one := importing{
			index:     index,
			key:       entry.key(f, i.s, fieldsOf(raw[index])),
			algorithm: apikey.Algorithm(entry.Hash.Algorithm),
		}

		one.digest = f.digest(one.algorithm, entry.Hash)
		for at, id := range one.key.Customers {
			if missing[id] {
				f.add(fmt.Sprintf("body.customers[%d]", at), "there is no such customer", id)
			}
		}

		if len(f.errors) > 0 {
			i.fail(index, validation, f.first())
			continue
		}

		keys = append(keys, one)
	}

	return keys, nil
}

// key makes the key that an entry asks for. Without permissions it holds all, as it did where it
// comes from as far as anybody knows, and is a legacy key.
func (e *importEntry) key(f *validator, s *request, present map[string]bool) *apikey.Key {
	k := &apikey.Key{
		OrganizationID: s.organization.ID,
		Environment:    apikey.Environment(e.Environment),
		Ownership:      apikey.Organization,
		Owner:          s.caller.Actor(),
		CreatedBy:      s.caller.Actor(),
		Enabled:        true,
		CreatedAt:      s.now,
		UpdatedAt:      s.now,
		Version:        1,
	}
	k.Name = f.name("body.name", e.Name)
	e.apply(f, s, k, present)

	if e.Permissions == nil && e.AllPermissions == nil {
		k.AllPermissions = true
	}

	k.Legacy = k.AllPermissions
	if k.ExpiresAt.IsZero() {
		k.ExpiresAt = defaultEnd(s, k)
	}

	f.rules(s, nil, k)
	return k
}

// digest reads the hash of a secret, which no fault repeats.
func (f *validator) digest(a apikey.Algorithm, h hashInput) []byte {
	digest, err := a.ParseDigest(h.Value)

	isHex := len(h.Value) == 2*a.Size()
	if err != nil || h.Encoding != nil && (*h.Encoding == "hex") != isHex {
		f.add("body.hash.value",
			fmt.Sprintf("expected a %s digest: %d bytes in hexadecimal digits or base64, as "+
				"encoding says", a, a.Size()), nil)
	}

	return digest
}

// first tells the first fault, in words.
func (f *validator) first() string {
	for _, err := range f.errors {
		var d huma.ErrorDetailer
		if errors.As(err, &d) {
			detail := d.ErrorDetail()
			return detail.Location[len("body."):] + ": " + detail.Message
		}
	}

	return ""
}

// missingCustomers asks once for every customer that some entry names.
func (i *importation) missingCustomers(
	ctx context.Context, entries []importEntry,
) (map[string]bool, error) {
	var named []string

	f := &validator{}
	for _, e := range entries {
		// those that are no ids are faults of their entries
		named = append(named, f.customers(e.Customers)...)
	}

	slices.Sort(named)

	missing := map[string]bool{}
	for chunk := range slices.Chunk(slices.Compact(named), 100) {
		of, err := i.store.MissingCustomers(ctx, i.s.organization.ID, chunk)
		if err != nil {
			return nil, err
		}

		for _, id := range of {
			missing[id] = true
		}
	}

	return missing, nil
}

// toldExcesses bounds how much of an escalation is told.
const toldExcesses = 100

// within is the rule that nobody hands out more than they hold, for all keys of the call.
func (i *importation) within(keys []importing) error {
	var all []organization.Escalation
	for _, k := range keys {
		for _, e := range i.s.caller.Escalations(i.s.catalogue, i.s.organization, nil, k.key) {
			if e.Field = fmt.Sprintf("keys[%d].%s", k.index, e.Field); len(all) < toldExcesses {
				all = append(all, e)
			}
		}
	}

	if len(all) == 0 {
		return nil
	}

	return beyond(all)
}
