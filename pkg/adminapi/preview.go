package adminapi

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/bitting-keys/bitting/pkg/advice"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// trial tries changes of a key on its recorded calls.
type trial struct {
	*API
	session *request
	key     *apikey.Key
	since   time.Time
	calls   []recorded
	known   map[string]*api.Preview // by the change's body: several items may have the same
}

// recorded is a recorded call that was allowed.
type recorded struct {
	usage.Request
	call  check.Call
	route string
	now   bool // whether the key as it is would be allowed it again
}

// trial reads the last calls of a key, at most so many. What the key as it is would not be allowed
// either is no change's doing.
func (a *API) trial(ctx context.Context, s *request, k *apikey.Key, most int) (*trial, error) {
	t := &trial{
		API:     a,
		session: s,
		key:     k,
		since:   later(k.CreatedAt, s.now.Add(-usage.RequestLife)),
		known:   map[string]*api.Preview{},
	}

	after := ""
	for read := 0; ; {
		page, next, err := a.hot.Requests(ctx, k.Environment, k.ID, after, most-read, s.now)
		if err != nil {
			return nil, err
		}

		for _, r := range page {
			if r.Outcome != check.Allowed {
				continue
			}

			c := recorded{
				Request: r,
				call:    check.Call{API: r.API, Method: r.Method, Path: r.Path},
				route:   r.Method + " " + r.Route,
			}

			c.call.SourceIP, _ = netip.ParseAddr(r.SourceIP) // "" is an address that is not known
			if c.now, err = t.allows(ctx, k, c); err != nil {
				return nil, err
			}

			t.calls = append(t.calls, c)
		}

		read, after = read+len(page), next
		if after == "" {
			return t, nil
		}

		if read >= most {
			t.since = page[len(page)-1].At
			return t, nil
		}
	}
}

// allows asks the one check what it would say of a recorded call with a key, but for limits: what
// was left of them then is not known, and what is left now says nothing of then. A limit that is
// advised refuses nothing that was counted, since it is twice the busiest hour.
func (t *trial) allows(ctx context.Context, k *apikey.Key, c recorded) (bool, error) {
	if check.Limited(k) {
		k = k.Clone()
		k.RateLimits = nil
		k.Quota = nil
	}

	e := t.checker.Explain(ctx, k, c.Environment, c.call, c.At)
	if e.Outcome == check.Unavailable {
		return false, fmt.Errorf("%w: %w", store.ErrUnavailable, e.Err)
	}

	return e.Outcome == check.Allowed, nil
}

// preview tries a change. There is none of a change that changes nothing.
func (t *trial) preview(ctx context.Context, c advice.Change) (*api.Preview, error) {
	if c.Action == advice.Look {
		return nil, nil
	}

	body, err := json.Marshal(c.Body)
	if err != nil {
		return nil, err
	}

	if p := t.known[string(body)]; p != nil {
		return p, nil
	}

	changed := t.key
	if c.Action == advice.Update {
		if changed, err = t.changed(body); err != nil {
			return nil, err
		}
	}

	p := &api.Preview{
		Since:          api.Time{Time: t.since.UTC()},
		SampleRequests: t.session.organization.Settings.SampleRequests,
		ByRoute:        []api.RoutePreview{},
	}

	routes := map[string]*api.RoutePreview{}
	for _, call := range t.calls {
		allowed, err := t.allows(ctx, changed, call)
		if err != nil {
			return nil, err
		}

		r := routes[call.route]
		if r == nil {
			r = &api.RoutePreview{Route: call.route}
			routes[call.route] = r
		}

		p.Recorded = p.Recorded + 1

		r.Calls = r.Calls + 1
		if call.now && !allowed {
			p.Refused = p.Refused + 1
			r.Refused = r.Refused + 1
		}
	}

	for _, r := range routes {
		p.ByRoute = append(p.ByRoute, *r)
	}

	slices.SortFunc(p.ByRoute, func(a, b api.RoutePreview) int {
		return cmp.Or(b.Refused-a.Refused, b.Calls-a.Calls, cmp.Compare(a.Route, b.Route))
	})
	t.known[string(body)] = p
	return p, nil
}

// changed is the key as a PATCH with the body would make it, by what takes such a PATCH.
func (t *trial) changed(body []byte) (*apikey.Key, error) {
	in := updateKeyInput{RawBody: body}
	if err := json.Unmarshal(body, &in.Body); err != nil {
		return nil, fmt.Errorf("advise a change: %w", err)
	}

	k, f := t.key.Clone(), &validator{}
	in.apply(f, t.session, k)
	f.rules(t.session, t.key, k)

	if len(f.errors) > 0 {
		return nil, fmt.Errorf("advise a change that would be refused: %w", f.errors[0])
	}

	return k, nil
}
