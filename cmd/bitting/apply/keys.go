package apply

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/bitting-keys/bitting/cmd/bitting/cloud"
	"github.com/bitting-keys/bitting/pkg/api"
)

// personal is the ownership of keys that no file is about.
const personal = "personal"

// label names a key for people.
func label(name, environment string) string { return fmt.Sprintf("key %s (%s)", name, environment) }

func (p *planner) planKeys() {
	named := map[[2]string][]api.Key{}
	for _, k := range p.state.Keys {
		if k.Ownership != personal {
			id := [2]string{k.Environment, k.Name}
			named[id] = append(named[id], k)
		}
	}

	entries := make([]entry, len(p.document.Keys))
	for i := range entries {
		e := &entries[i]
		e.path, e.want = fmt.Sprintf("keys[%d]", i), &p.document.Keys[i]
		e.key, e.exists, e.ok = p.meant(e.path, e.want, named[[2]string{e.want.Environment, e.want.Name}])

		if e.ok && !e.exists {
			p.newPlace(e.want)
		}
	}

	p.look(entries)

	meant := map[string]string{} // the places in the file, by the keys' ids
	for _, e := range entries {
		other, twice := meant[e.key.ID]

		switch {
		case !e.ok:
		case !e.exists:
			p.newKey(e.path, e.want)
		case twice:
			p.fail(e.path, "it is the key of %s", other)
		default:
			meant[e.key.ID] = e.path
			p.oldKey(e.path, e.key, e.want)
		}
	}

	p.pruneKeys(meant)
}

// entry is one of the file, with the key that it is about, if that exists.
type entry struct {
	path       string
	want       *Key
	key        api.Key
	exists, ok bool
}

// look is what was found at the place of a secret.
type look struct {
	waits bool
	err   error
}

// looks is at how many places is looked at once: AWS takes some tens of calls a second.
const looks = 8

// look looks at the places that the plan depends on: of keys that are new, and of those whose secret
// may never have arrived.
func (p *planner) look(entries []entry) {
	found := make([]look, len(entries))

	var all errgroup.Group
	all.SetLimit(looks)

	for i, e := range entries {
		if e.ok && e.want.Secret != nil && (!e.exists || unused(e.key)) {
			all.Go(func() error {
				found[i].waits, found[i].err = p.options.Waits(e.want.Secret)
				return nil
			})
		}
	}

	_ = all.Wait() // each error is its entry's

	p.places = map[*Key]look{}
	for i, e := range entries {
		p.places[e.want] = found[i]
	}
}

// unused reports whether nobody can tell whether the secret of a key arrived.
func unused(k api.Key) bool { return k.LastUsed == nil && k.Revocation == nil }

// meant finds the key that an entry of the file is about.
func (p *planner) meant(path string, want *Key, named []api.Key) (k api.Key, exists, ok bool) {
	if want.ID != "" {
		k, exists = p.keys[want.ID]
		switch {
		case !exists:
			p.fail(path, "no key has the id %s: leave the id out to create a key", want.ID)
		case k.Ownership == personal:
			p.fail(path, "%s is the personal key of %s: files are about the organization's keys", k.ID,
				k.Owner.Email)
		case k.Environment != want.Environment:
			p.fail(path, "the key is for %s, and stays that for life: create another", k.Environment)
		default:
			return k, true, true
		}

		return k, exists, false
	}

	switch len(named) {
	case 0:
		return k, false, true
	case 1:
		return named[0], true, true
	}

	ids := make([]string, 0, len(named))
	for _, k := range named {
		ids = append(ids, k.ID)
	}

	p.fail(path, "%d keys have the name %q in %s: say which is meant, with id: and one of %s, or give the "+
		"others other names", len(named), want.Name, want.Environment, strings.Join(ids, ", "))
	return k, true, false
}

// newPlace says where the secret of a new key goes, if the file does not.
func (p *planner) newPlace(want *Key) {
	if want.Secret == nil && p.options.SecretDir != "" {
		name := strings.Map(func(r rune) rune {
			if strings.ContainsRune(`/\:`, r) || r < ' ' {
				return '-'
			}

			return r
		}, want.Name)
		want.Secret = &Secret{
			File: filepath.Join(p.options.SecretDir, want.Environment+"-"+name+".key"),
		}
	}
}

func (p *planner) newKey(path string, want *Key) {
	if want.Secret == nil {
		p.fail(path, "the key is new, and nothing says where its secret goes: add secret: {file: …}, "+
			"{ssm: …} or {secretsManager: …}, or pass --secret-dir")
		return
	}

	if err := p.places[want].err; err != nil {
		p.fail(path, "its secret cannot go to %s: %w", want.Secret, err)
	}

	fields, err := values(want.UpdateKey)
	p.try(err)

	fields["name"], fields["environment"], fields["ownership"] = want.Name, want.Environment, "organization"
	for name, value := range fields {
		if value == nil {
			delete(fields, name) // in a new key, null is the same as nothing
		}
	}

	create, err := decode[api.CreateKey](fields)
	p.try(err)

	changes, err := differences(struct{}{}, want.UpdateKey)
	p.try(err)
	p.Items = append(p.Items, Item{
		Action:      Add,
		Kind:        "key",
		Name:        want.Name,
		Environment: want.Environment,
		Changes:     changes,
		Secret:      want.Secret.String(),
	})

	if want.Revoked != nil && *want.Revoked {
		p.fail(path, "there is no such key to be revoked: leave it out")
	}

	p.known(path, want)
	p.open = append(p.open, Step{
		Op:     CreateKey,
		Title:  "create " + label(want.Name, want.Environment),
		Body:   create,
		Secret: want.Secret,
	})
}

// known reports permissions that the catalogue will not have.
func (p *planner) known(path string, want *Key) {
	names := make([]string, 0, len(p.permissions.after))
	for name := range p.permissions.after {
		names = append(names, name)
	}

	for _, name := range want.Permissions.Value {
		if _, ok := p.permissions.after[name]; !ok {
			p.fail(path, "there is no permission %s%s", name, suggest(name, names))
		}
	}
}

func (p *planner) oldKey(path string, k api.Key, want *Key) {
	if want.Name != k.Name {
		want.UpdateKey.Name = api.Set(want.Name)
	}

	changes, err := differences(k, want.UpdateKey)
	p.try(err)

	after, err := changed(k, changes)
	p.try(err)

	after.Legacy = k.Legacy && after.AllPermissions
	p.keys[k.ID] = after
	item := Item{
		Action:      Update,
		Kind:        "key",
		Name:        want.Name,
		Environment: k.Environment,
		ID:          k.ID,
		Changes:     changes,
	}

	if slices.ContainsFunc(changes, func(c Change) bool { return c.Field == "permissions" }) {
		p.known(path, want)
	}

	p.keySteps(k, after, changes)
	item.Changes = append(item.Changes, p.revocation(k, want)...)

	if p.lost(k, want) {
		item.Secret = want.Secret.String()
		p.open = append(p.open, Step{
			Op:     RegenerateKey,
			ID:     k.ID,
			Title:  "regenerate " + label(k.Name, k.Environment) + ", whose secret never arrived",
			Secret: want.Secret,
		})
	}

	if len(item.Changes) > 0 || item.Secret != "" {
		p.Items = append(p.Items, item)
	}
}

// lost reports whether a key was created for the file and its secret never arrived: its place waits,
// and nobody has used it.
func (p *planner) lost(k api.Key, want *Key) bool {
	found := p.places[want]
	if err := found.err; err != nil && !errors.Is(err, cloud.ErrExists) {
		p.Notes = append(p.Notes, fmt.Sprintf("whether the secret of %s arrived is not known: %v",
			label(k.Name, k.Environment), err))
	}

	return found.waits
}

// keySteps changes a key in one step; in two where it loses and gains, and what all keys share changes
// as well.
func (p *planner) keySteps(before, after api.Key, changes []Change) {
	if len(changes) == 0 {
		return
	}

	// the fields of a key that are the file's
	fields := func(k api.Key) any {
		return struct {
			Enabled          bool            `json:"enabled"`
			Permissions      []string        `json:"permissions"`
			AllPermissions   bool            `json:"allPermissions"`
			Grantable        string          `json:"grantable"`
			Customers        []string        `json:"customers"`
			RateLimits       []api.RateLimit `json:"rateLimits"`
			Quota            *api.Quota      `json:"quota"`
			AllowedAddresses []string        `json:"allowedAddresses"`
			NotBefore        *api.Time       `json:"notBefore"`
			ExpiresAt        *api.Time       `json:"expiresAt"`
		}{
			k.Enabled, k.Permissions, k.AllPermissions, k.Grantable, k.Customers, k.RateLimits, k.Quota,
			k.AllowedAddresses, k.NotBefore, k.ExpiresAt,
		}
	}

	m := meetKey(before, after, p.permissions)
	narrow, err := differences(before, fields(m))
	p.try(err)
	rest, err := differences(m, fields(after))
	p.try(err)

	name := label(before.Name, before.Environment)
	switch {
	case len(narrow) == 0:
		p.open = append(p.open, p.update("change "+name, before.ID, changes))
	case len(rest) == 0:
		p.close = append(p.close, p.update("change "+name, before.ID, changes))
	case !p.catalogue && !p.runtime:
		p.open = append(p.open, p.update("change "+name, before.ID, changes))
	default:
		p.close = append(p.close, p.update("narrow "+name, before.ID, narrow))
		// what no longer differs from the key before differs from the one between
		whole := slices.Clone(changes)
		for _, c := range rest {
			if !slices.ContainsFunc(whole, func(w Change) bool { return w.Field == c.Field }) {
				whole = append(whole, c)
			}
		}

		p.open = append(p.open, p.update("change "+name, before.ID, whole))
	}
}

func (p *planner) update(title, id string, changes []Change) Step {
	update, err := body[api.UpdateKey](changes)
	p.try(err)
	return Step{Op: UpdateKey, ID: id, Title: title, Body: update}
}

// revocation revokes first, and restores last.
func (p *planner) revocation(k api.Key, want *Key) []Change {
	name := label(k.Name, k.Environment)
	revoked := k.Revocation != nil

	switch {
	case want.Revoked == nil && revoked:
		p.Notes = append(p.Notes, fmt.Sprintf("%s is revoked, and stays that: bitting keys restore, or "+
			"revoked: false, brings it back", name))
		return nil
	case want.Revoked == nil || *want.Revoked == revoked:
		return nil
	case revoked && k.Revocation.Compromised:
		p.Notes = append(p.Notes, name+" is compromised: only bitting keys regenerate brings it back")
		return nil
	case revoked:
		p.open = append(p.open, Step{Op: RestoreKey, ID: k.ID, Title: "restore " + name})
	default:
		p.close = append([]Step{{
			Op:    RevokeKey,
			ID:    k.ID,
			Title: "revoke " + name,
			Body:  api.RevokeKey{Reason: "bitting apply"},
		}}, p.close...)
	}

	return []Change{{Field: "revoked", Before: revoked, After: !revoked}}
}

// pruneKeys removes the organization's keys that the file does not mention, but not the one in use.
func (p *planner) pruneKeys(meant map[string]string) {
	if !p.options.Prune || p.document.Keys == nil {
		return
	}

	for _, k := range p.state.Keys {
		if _, mentioned := meant[k.ID]; mentioned || k.Ownership == personal {
			continue
		}

		if k.ID == p.state.Self {
			p.Notes = append(p.Notes, label(k.Name, k.Environment)+" is the one that applies this, and stays")
			continue
		}

		delete(p.keys, k.ID)
		p.Items = append(p.Items, Item{
			Action:      Remove,
			Kind:        "key",
			Name:        k.Name,
			Environment: k.Environment,
			ID:          k.ID,
		})
		p.close = append(p.close, Step{
			Op:    DeleteKey,
			ID:    k.ID,
			Title: "remove " + label(k.Name, k.Environment),
		})
	}
}

// held finds what would be removed and is in use afterwards.
func (p *planner) held() {
	for _, item := range p.Items {
		if item.Action != Remove || item.Kind != "permission" && item.Kind != "customer" {
			continue
		}

		for _, k := range p.state.Keys {
			after, exists := p.keys[k.ID]

			names := after.Permissions
			if item.Kind == "customer" {
				names = after.Customers
			}

			if exists && slices.Contains(names, item.Name) {
				p.try(fmt.Errorf("%s: the %s %s would be removed, and %s has it: take it from the key first",
					p.document.name, item.Kind, item.Name, label(k.Name, k.Environment)))
			}
		}
	}
}
