package admin

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
	*core

	checker *check.Checker
	request *Request
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
	now   bool // whether the unchanged key would be allowed it again
}

// trial reads the last calls of a key, up to most. A call that the unchanged key would be refused
// too is not counted against a change.
func (s *ReportService) trial(
	ctx context.Context, r *Request, k *apikey.Key, most int,
) (*trial, error) {
	t := &trial{
		core:    s.core,
		checker: s.checker,
		request: r,
		key:     k,
		since:   later(k.CreatedAt, r.now.Add(-usage.RequestLife)),
		known:   map[string]*api.Preview{},
	}

	after := ""
	for read := 0; ; {
		page, next, err := s.hot.Requests(ctx, k.Environment, k.ID, after, most-read, r.now)
		if err != nil {
			return nil, err
		}

		for _, one := range page {
			if one.Outcome != check.Allowed {
				continue
			}

			c := recorded{
				Request: one,
				call:    check.Call{API: one.API, Method: one.Method, Path: one.Path},
				route:   one.Method + " " + one.Route,
			}

			c.call.SourceIP, _ = netip.ParseAddr(one.SourceIP) // "" becomes an unknown address
			if c.now, err = t.allows(ctx, k, c); err != nil {
				return nil, err
			}

			t.calls = append(t.calls, c)
		}

		read, after = read+len(page), next
		if after == "" {
			return t, nil
		}

		// The preview covers only the time since the oldest call that was read.
		if read >= most {
			t.since = page[len(page)-1].At
			return t, nil
		}
	}
}

// allows reports whether the check would allow a recorded call with a key, apart from limits: what
// was left of them at that time is unknown. A limit that is advised refuses nothing that was
// counted, since it is twice the busiest hour.
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

// preview tries a change on the recorded calls. It returns nil for advice without a change.
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
		SampleRequests: t.request.organization.Settings.SampleRequests,
		ByRoute:        []api.RoutePreview{},
	}

	routes := map[string]*api.RoutePreview{}
	for _, call := range t.calls {
		allowed, err := t.allows(ctx, changed, call)
		if err != nil {
			return nil, err
		}

		one := routes[call.route]
		if one == nil {
			one = &api.RoutePreview{Route: call.route}
			routes[call.route] = one
		}

		p.Recorded = p.Recorded + 1

		one.Calls = one.Calls + 1
		// what is refused already is not this change's doing
		if call.now && !allowed {
			p.Refused = p.Refused + 1
			one.Refused = one.Refused + 1
		}
	}

	for _, one := range routes {
		p.ByRoute = append(p.ByRoute, *one)
	}

	slices.SortFunc(p.ByRoute, func(s, b api.RoutePreview) int {
		return cmp.Or(b.Refused-s.Refused, b.Calls-s.Calls, cmp.Compare(s.Route, b.Route))
	})
	t.known[string(body)] = p
	return p, nil
}

// changed returns the key after a change, made by the code that makes real ones.
func (t *trial) changed(body []byte) (*apikey.Key, error) {
	var in KeyFields
	if err := json.Unmarshal(body, &in.UpdateKey); err != nil {
		return nil, fmt.Errorf("advise a change: %w", err)
	}

	k, f := t.key.Clone(), &validator{}
	in.change(f, t.request, t.key, k)

	if err := f.err(); err != nil {
		return nil, fmt.Errorf("advise a change that would be refused: %w", err)
	}

	return k, nil
}
