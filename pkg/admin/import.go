package admin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store"
)

// maxImport is how many keys one call may import.
const maxImport = 1000

// ImportKey is the input for a key of another system.
type ImportKey struct {
	KeyFields

	Hash api.Hash
}

// CheckImport checks the number of keys in a call. Error: *Error.
func CheckImport(n int) error {
	if n > maxImport {
		return Refuse(api.CodeTooLarge, fmt.Sprintf("A call imports at most 1,000 keys, but this "+
			"one has %d: make several calls.", n))
	}

	return nil
}

// importing is a key of the call in which no fault was found so far.
type importing struct {
	index     int
	key       *apikey.Key
	algorithm apikey.Algorithm
	digest    []byte
	current   *pepper.Pepper // hashes the secret for storage
	first     string         // the id that the secret leads to
	rival     string         // the key's id if another organization imported the secret first
}

// become sets the key's id, and the stored hash of its secret, which depends on the id.
func (k *importing) become(id string) {
	k.key.ID, k.key.Hint = id, apikey.ForeignHint(k.algorithm, id)
	k.key.Secret = apikey.Verifier{
		Hash:   k.current.HashForeign(k.key.Environment, id, k.algorithm, k.digest),
		Pepper: k.current.Version(),
		Scheme: k.algorithm,
	}
}

// importation is an import in progress.
type importation struct {
	*core

	r        *Request
	answer   api.Imported
	progress progress
	wrote    bool // whether this call has committed a transaction
	// ends when no further transaction should begin
	work context.Context //nolint:containedctx // a deadline inside of the call's, and nothing else
}

func (i *importation) fail(index int, code api.Code, detail string) {
	i.answer.Failed = append(i.answer.Failed, api.ImportFailure{
		Index:  index,
		Code:   code,
		Detail: detail,
	})
}

// ImportKeys imports keys. A fault in one fails only that one. Keys that the caller may not grant
// fail the call before anything is written. If the call ends early, whole keys were written, and a
// repeated call continues from there; with the same Idempotency-Key it answers as if it had been
// one call.
func (s *KeyService) ImportKeys(
	ctx context.Context, r *Request, asked []ImportKey,
) (api.Imported, error) {
	if r.call.Organization == apikey.OperatorOrganization {
		return api.Imported{}, Refuse(api.CodePermissionDenied,
			"Operator keys cannot be imported: create one instead.")
	}

	return idempotent(ctx, s.core, r, func(r *Request) (got attempt[api.Imported], err error) {
		i := &importation{
			core:     s.core,
			r:        r,
			answer:   api.Imported{Failed: []api.ImportFailure{}, EffectiveBy: api.Time{Time: r.now}},
			progress: progress{done: map[string]bool{}},
			work:     ctx,
		}

		if end, limited := ctx.Deadline(); limited {
			work, cancel := context.WithDeadline(ctx, end.Add(-importReserve))
			defer cancel()

			i.work = work
		}

		// Read what earlier calls did first, so that their keys are not reported as duplicates.
		if err := i.follow(ctx); err != nil {
			return got, err
		}

		keys, err := i.valid(ctx, asked)
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
		return attempt[api.Imported]{
			answer: i.answer,
			alone:  true, // each step checked the caller; this only stores the answer
		}, nil
	})
}

// valid returns the valid keys of a call, and fails the others.
func (i *importation) valid(ctx context.Context, asked []ImportKey) ([]importing, error) {
	missing, err := i.missingCustomers(ctx, asked)
	if err != nil {
		return nil, err
	}

	var keys []importing
	for index := range asked {
		entry, f := &asked[index], &validator{}
		one := importing{
			index:     index,
			key:       entry.key(f, i.r),
			algorithm: apikey.Algorithm(entry.Hash.Algorithm),
		}

		one.digest = f.digest(one.algorithm, entry.Hash)
		for at, id := range one.key.Customers {
			if missing[id] {
				f.add(fmt.Sprintf("body.customers[%d]", at), "this customer does not exist", id)
			}
		}

		if len(f.fields) > 0 {
			// one reason is enough: the entry fails as a whole
			first := f.fields[0]
			i.fail(index, api.CodeValidation, first.Location[len("body."):]+": "+first.Message)
			continue
		}

		keys = append(keys, one)
	}

	return keys, nil
}

// key makes the key that an entry describes. Without permissions it holds all, as presumably in its
// system of origin, and is a legacy key.
func (e *ImportKey) key(f *validator, r *Request) *apikey.Key {
	k := &apikey.Key{
		OrganizationID: r.organization.ID,
		Environment:    apikey.Environment(e.Environment.Value),
		Ownership:      apikey.Organization,
		Owner:          r.caller.Actor(),
		CreatedBy:      r.caller.Actor(),
		Enabled:        true,
		CreatedAt:      r.now,
		UpdatedAt:      r.now,
		Version:        1,
	}
	e.name(f, k)
	e.apply(f, r, k)

	if !given(e.Permissions) && !given(e.AllPermissions) {
		k.AllPermissions = true
	}

	k.Legacy = k.AllPermissions
	if k.ExpiresAt.IsZero() {
		k.ExpiresAt = defaultEnd(r, k)
	}

	f.rules(r, nil, k)
	return k
}

// digest reads the hash of a secret. Its fault does not repeat the value.
func (f *validator) digest(a apikey.Algorithm, h api.Hash) []byte {
	digest, err := a.ParseDigest(h.Value)

	isHex := len(h.Value) == 2*a.Size()
	if err != nil || h.Encoding != "" && (h.Encoding == "hex") != isHex {
		f.add("body.hash.value",
			fmt.Sprintf("expected a %s digest: %d bytes in hexadecimal digits or base64, as "+
				"encoding says", a, a.Size()), nil)
	}

	return digest
}

// missingCustomers looks up every customer that the entries name, once.
func (i *importation) missingCustomers(
	ctx context.Context, entries []ImportKey,
) (map[string]bool, error) {
	var named []string

	f := &validator{}
	for _, e := range entries {
		// invalid ids are reported with their entries
		named = append(named, f.customers(e.Customers.Value)...)
	}

	slices.Sort(named)

	missing := map[string]bool{}
	for chunk := range slices.Chunk(slices.Compact(named), 100) {
		of, err := i.store.MissingCustomers(ctx, i.r.organization.ID, chunk)
		if err != nil {
			return nil, err
		}

		for _, id := range of {
			missing[id] = true
		}
	}

	return missing, nil
}

// toldExcesses is how many escalations are reported.
const toldExcesses = 100

// within checks that the caller holds what all keys of the call would get.
func (i *importation) within(keys []importing) error {
	var all []organization.Escalation
	for _, k := range keys {
		for _, e := range i.r.caller.Escalations(i.r.catalogue, i.r.organization, nil, k.key) {
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

// importReserve is how long before its deadline an import stops starting transactions, so that the
// last one and the answer are in time.
const importReserve = 3 * time.Second

// progress records what an import has done so far, in this call and in earlier ones with the same
// Idempotency-Key and body that were cut short. Each transaction leaves a receipt with the ids of
// its keys; their names are numbered.
type progress struct {
	steps int             // number of receipts
	done  map[string]bool // ids of keys
}

// step returns the receipt of the next transaction, which makes keys with these ids.
func (p *progress) step(call store.Receipt, ids []string) (store.Receipt, error) {
	answer, err := json.Marshal(ids)
	if err != nil {
		return store.Receipt{}, fmt.Errorf("encode progress: %w", err)
	}

	call.ID = p.next(call)
	call.Answer = answer
	return call, nil
}

// next returns the id of the next transaction's receipt.
func (p *progress) next(call store.Receipt) string {
	name := sha256.Sum256(fmt.Appendf(nil, "import|%s|%d", call.ID, p.steps))
	return hex.EncodeToString(name[:])
}

// follow reads the progress since it was last called. Without an Idempotency-Key there is none.
// Errors: *Error if an earlier call had another body; those of the store.
func (i *importation) follow(ctx context.Context) error {
	for i.r.receipt != nil {
		step, err := i.store.Receipt(ctx, i.progress.next(*i.r.receipt), i.r.now)
		if err != nil || step == nil {
			return err
		}

		if !bytes.Equal(step.Body, i.r.receipt.Body) {
			return errOtherBody()
		}

		var ids []string
		if err := json.Unmarshal(step.Answer, &ids); err != nil {
			return fmt.Errorf("decode progress: %w", err)
		}

		for _, id := range ids {
			i.progress.done[id] = true
		}

		i.progress.steps++
	}

	return nil
}

// made reports whether this import made a key before, and counts it if so.
func (i *importation) made(k importing) bool {
	if !i.progress.done[k.first] && !i.progress.done[k.rival] {
		return false
	}

	i.answer.Imported++
	return true
}

// unfinished returns the error of an import that ran out of time after some of its keys.
func (i *importation) unfinished() *Error {
	detail := fmt.Sprintf("There was no time for all keys: %d are imported so far. ",
		i.answer.Imported)
	if i.r.receipt == nil {
		return Refuse(api.CodeUnavailable,
			detail+"Send the call again: it resumes, and reports these as "+
				"duplicates. With an Idempotency-Key, a repeated call reports them as imported.")
	}

	return Refuse(api.CodeUnavailable,
		detail+"Send the call again with the same Idempotency-Key until it is "+
			"done: it resumes, and reports these as imported.")
}
