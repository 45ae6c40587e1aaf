package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/client"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/permission"
)

// world is what the check of a call depends on besides the key.
type world struct {
	checker *check.Checker
	now     time.Time
}

// newWorld returns the check of calls by a catalogue and settings: the one that decides real calls.
func newWorld(permissions []api.Permission, s api.Settings) (*world, error) {
	settings := &organization.RuntimeSettings{
		LegacyKeysAccepted: s.LegacyKeysAccepted,
		SampleRequests:     s.SampleRequests,
	}
	for _, text := range s.AllowedAddresses {
		p, ok := prefix(text)
		if !ok {
			return nil, fmt.Errorf("allowedAddresses: %q is no network", text)
		}

		settings.AllowedAddresses = append(settings.AllowedAddresses, p)
	}

	w := &world{now: time.Now()}
	still := func() time.Time { return w.now } // nothing becomes old
	w.checker = &check.Checker{
		Catalogue: check.NewCatalogue(func(context.Context) ([]permission.Permission, int64, error) {
			return admin.PermissionsOf(permissions), 1, nil
		}, still),
		Settings: check.NewSettingsCache(source{settings}, still),
		Now:      still,
	}
	return w, nil
}

type source struct{ settings *organization.RuntimeSettings }

// RuntimeSettings implements check.SettingsSource.
func (s source) RuntimeSettings(
	context.Context, apikey.Environment, string,
) (*organization.RuntimeSettings, error) {
	return s.settings, nil
}

// admits reports whether a key may make a call at a time, apart from limits: what was left of them then
// is not known.
func (w *world) admits(ctx context.Context, k api.Key, c check.Call, at time.Time) (bool, error) {
	e := w.checker.Explain(ctx, record(k), apikey.Environment(k.Environment), c, at)
	if e.Outcome == check.Unavailable {
		return false, e.Err
	}

	return e.Outcome == check.Allowed, nil
}

// record returns what the check looks at of a key.
func record(k api.Key) *apikey.Key {
	out := &apikey.Key{
		ID:             k.ID,
		OrganizationID: k.OrganizationID,
		Environment:    apikey.Environment(k.Environment),
		Enabled:        k.Enabled,
		Permissions:    k.Permissions,
		AllPermissions: k.AllPermissions,
		Legacy:         k.Legacy,
		Customers:      k.Customers,
	}
	if k.NotBefore != nil {
		out.NotBefore = k.NotBefore.Time
	}

	if k.ExpiresAt != nil {
		out.ExpiresAt = k.ExpiresAt.Time
	}

	if k.Revocation != nil {
		out.Revocation = &apikey.Revocation{At: k.Revocation.At.Time}
	}

	if k.DeletedAt != nil {
		out.DeletedAt = k.DeletedAt.Time
	}

	for _, text := range k.AllowedAddresses {
		if p, ok := prefix(text); ok {
			out.AllowedAddresses = append(out.AllowedAddresses, p)
		}
	}

	return out
}

const (
	// window is how long the API keeps recorded calls.
	window = 7 * 24 * time.Hour
	// maxTried is of how many keys the calls are tried on a change that is about all of them: the ones
	// that were used last.
	maxTried = 100
	// readers is how many keys' calls are read at once.
	readers = 8
)

// trial is a change that is tried on the recorded calls of keys.
type trial struct {
	item   *Item
	keys   []api.Key
	world  *world                // afterwards
	after  func(api.Key) api.Key // the key afterwards
	sample float64
	// alone returns the world in which nothing else changes, where the world is of several changes that
	// are made at once; nil where it is of one
	alone func() (*world, error)
}

// Preview adds to each change that may refuse calls how many of those that were recorded in the last 7
// days it would have refused. It reads the calls of the keys that the change is about, a page of each;
// of those that were not used it reads nothing.
func (p *Plan) Preview(ctx context.Context, c *client.Client) error {
	trials, err := p.trials()
	if err != nil {
		return err
	}

	before, err := newWorld(p.state.Permissions, p.state.Organization.Settings)
	if err != nil {
		return err
	}

	needed := map[string]bool{}
	for _, t := range trials {
		for _, k := range t.keys {
			needed[k.ID] = true
		}
	}

	calls, err := p.calls(ctx, c, slices.Sorted(maps.Keys(needed)))
	if err != nil {
		return err
	}

	catalogue := map[*world]*api.Preview{}
	for _, t := range trials {
		preview := catalogue[t.world]
		if preview == nil {
			if preview, err = t.run(ctx, before, calls); err != nil {
				return err
			}
		}

		if t.alone != nil {
			catalogue[t.world] = preview

			if preview.Refused > 0 {
				if t.world, err = t.alone(); err != nil {
					return err
				}

				if preview, err = t.run(ctx, before, calls); err != nil {
					return err
				}
			}
		}

		t.item.Preview = preview
	}

	return nil
}

// calls returns the last allowed calls of keys, a page of each. Who may not see them gets none, and a
// note in the plan.
func (p *Plan) calls(
	ctx context.Context, c *client.Client, keys []string,
) (map[string][]api.Request, error) {
	read := make([][]api.Request, len(keys))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)

	for i, key := range keys {
		group.Go(func() error {
			page, err := c.KeyRequestsPage(ctx, p.Organization, key, api.KeyRequests{
				List: api.List{Limit: pageSize},
			})
			read[i] = page.Items
			return err
		})
	}

	err := group.Wait()
	if errors.Is(err, client.ErrPermissionDenied) {
		p.Notes = append(p.Notes, "what was called is not shown to you: nothing is said of refused calls")
		return nil, nil
	}

	out := map[string][]api.Request{}
	for i, key := range keys {
		out[key] = read[i]
	}

	return out, err
}

// trials returns what is to be tried.
func (p *Plan) trials() (trials []trial, err error) {
	settings := p.state.Organization.Settings

	same, err := newWorld(p.state.Permissions, settings)
	if err != nil {
		return nil, err
	}

	next := byName(p.next)
	keep := func(k api.Key) api.Key { return k }

	whole, err := newWorld(p.next, settings)
	if err != nil {
		return nil, err
	}

	for i := range p.Items {
		item := &p.Items[i]
		t := trial{
			item:   item,
			keys:   p.used(maxTried),
			world:  same,
			after:  keep,
			sample: settings.SampleRequests,
		}

		switch {
		case item.Kind == "key" && item.Action != Add:
			t.keys = slices.DeleteFunc(p.used(len(p.state.Keys)), func(k api.Key) bool {
				return k.ID != item.ID
			})
			t.after = p.afterwards
		case item.Kind == "organization" && restricting(item.Changes):
			after, err := changed(p.state.Organization, item.Changes)
			if err != nil {
				return nil, err
			}

			t.world, err = newWorld(p.state.Permissions, after.Settings)
			if err != nil {
				return nil, err
			}
		case item.Kind == "permission":
			t.world = whole
			t.alone = func() (*world, error) { return p.oneChanged(item.Name, next, settings) }
		default:
			continue
		}

		if len(t.keys) > 0 {
			trials = append(trials, t)
		}
	}

	return trials, nil
}

// oneChanged returns the world in which one permission alone is as the plan has it; where that is no
// catalogue, all of them are.
func (p *Plan) oneChanged(
	name string, next map[string]api.Permission, s api.Settings,
) (*world, error) {
	permissions := slices.DeleteFunc(slices.Clone(p.state.Permissions), func(q api.Permission) bool {
		return q.Name == name
	})
	if q, ok := next[name]; ok {
		permissions = slices.Insert(permissions, 0, q)
	}

	if _, err := permission.NewCatalogue(admin.PermissionsOf(permissions)); err != nil {
		permissions = p.next
	}

	return newWorld(permissions, s)
}

// afterwards returns a key as the plan leaves it.
func (p *Plan) afterwards(k api.Key) api.Key {
	after, stays := p.keys[k.ID]
	if !stays {
		after = k
		after.Enabled = false
	}

	if slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Op == RevokeKey && s.ID == k.ID }) {
		after.Enabled = false
	}

	return after
}

// used returns the keys that were used in the window, the last ones first.
func (p *Plan) used(most int) (out []api.Key) {
	since := time.Now().Add(-window)
	for _, k := range p.state.Keys {
		if k.LastUsed != nil && k.LastUsed.At.After(since) {
			out = append(out, k)
		}
	}

	slices.SortFunc(out, func(a, b api.Key) int {
		return cmp.Or(b.LastUsed.At.Compare(a.LastUsed.At.Time), cmp.Compare(a.ID, b.ID))
	})
	return out[:min(most, len(out))]
}

// run counts the recorded calls that the unchanged key would be allowed, and the changed one not.
func (t trial) run(
	ctx context.Context, before *world, calls map[string][]api.Request,
) (*api.Preview, error) {
	out := &api.Preview{
		Since:          api.Time{Time: time.Now().Add(-window).UTC()},
		SampleRequests: t.sample,
		ByRoute:        []api.RoutePreview{},
	}
	routes := map[string]*api.RoutePreview{}

	for _, k := range t.keys {
		after := t.after(k)

		for _, r := range calls[k.ID] {
			if r.Outcome != string(check.Allowed) {
				continue
			}

			call := check.Call{API: r.API, Method: r.Method, Path: r.Path}
			call.SourceIP, _ = netip.ParseAddr(r.SourceIP) // "" is an unknown address

			was, err := before.admits(ctx, k, call, r.At.Time)
			if err != nil {
				return nil, err
			}

			is, err := t.world.admits(ctx, after, call, r.At.Time)
			if err != nil {
				return nil, err
			}

			name := r.Method + " " + r.Route
			if routes[name] == nil {
				routes[name] = &api.RoutePreview{Route: name}
			}

			out.Recorded++
			routes[name].Calls++

			if was && !is {
				out.Refused++
				routes[name].Refused++
			}
		}
	}

	for _, one := range routes {
		out.ByRoute = append(out.ByRoute, *one)
	}

	slices.SortFunc(out.ByRoute, func(a, b api.RoutePreview) int {
		return cmp.Or(b.Refused-a.Refused, b.Calls-a.Calls, cmp.Compare(a.Route, b.Route))
	})
	return out, nil
}
