package adminapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/boot/full"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/proxy"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// life is what counts of a key, as if one thing happened after the other. Secrets are numbered; 0
// is none.
type life struct {
	enabled, revoked bool
	current, old     int
	version          int64
	described        int
}

// deed is something that somebody did to the key, or tried.
type deed struct {
	what   string
	secret int // for a check, the one that is sent; for what makes a secret, the one that is made
}

// stops reports whether the deed takes a right away, so that nobody else's changes may be a reason
// to refuse it.
func (d deed) stops() bool {
	return d.what == "revoke" || d.what == "disable" || d.what == "rotation/finish"
}

// heard is what they were told. What got no answer was done, or was not.
type heard struct {
	status  int // 0 for no answer
	code    string
	allowed bool
	version int64
}

// next is the life after a deed that is done, and the answer to it.
func (l life) next(d deed) (life, heard) {
	before, ok := l, heard{status: http.StatusOK}

	refused := func(code string) (life, heard) {
		return before, heard{
			status: http.StatusConflict,
			code:   code,
		}
	}
	switch d.what {
	case "check":
		ok.allowed = l.enabled && !l.revoked && (d.secret == l.current || d.secret == l.old)
		return l, ok
	case "rotate":
		if !l.enabled || l.revoked {
			return refused("not_active")
		}

		if l.old != 0 {
			return refused("rotation_running")
		}

		l.current, l.old = d.secret, l.current
	case "rotation/finish":
		if l.old == 0 {
			return refused("no_rotation")
		}

		l.old = 0
	case "regenerate":
		l.current = d.secret
		l.old = 0
		l.revoked = false
	case "revoke":
		l.revoked = true
	case "restore":
		l.revoked = false
	case "describe":
		l.described++
	case "enable":
		l.enabled = true
	case "disable":
		l.enabled = false
	}

	if l != before {
		l.version++
	}

	ok.version = l.version
	return l, ok
}

// model is the sequential specification.
func model() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{life{enabled: true, current: 1, version: 1}} },
		Step: func(state, input, output any) []any {
			before := state.(life)
			d := input.(deed)
			got := output.(heard)

			after, want := before.next(d)
			switch {
			case got.status == 0:
				return []any{before, after}
			case !d.stops() && got.status == http.StatusConflict &&
				got.code == "conflict", // others kept getting in the way
				!d.stops() && got.status == http.StatusTooManyRequests:
				return []any{before}
			case got != want:
				return nil
			}

			return []any{after}
		},
		DescribeOperation: func(input, output any) string {
			return fmt.Sprintf("%+v -> %+v", input, output)
		},
	}
	return m.ToModel()
}

// player does deeds to one key, over a connection that fails now and then.
type player struct {
	check     *check.Checker
	functions map[adminapi.Group]*proxy.Function
	admin     string
	key       *apikey.Key
}

// unreliable loses some answers, some of them each time that the call is repeated.
func unreliable(seed uint64) func(storetest.Request) storetest.Fault {
	random, streak := rand.New(rand.NewPCG(seed, 2)), 0
	var mu sync.Mutex
	return func(storetest.Request) storetest.Fault {
		mu.Lock()
		defer mu.Unlock()

		if streak > 0 {
			streak--
			return storetest.DropAnswer
		}

		switch n := random.IntN(200); {
		case n < 1:
			streak = storetest.Attempts - 1
			return storetest.DropAnswer
		case n < 10:
			return storetest.DropAnswer
		case n < 20:
			return storetest.Throttled
		default:
			return storetest.None
		}
	}
}

func (y yard) player(t *testing.T, seed uint64, admin, key *apikey.Key) *player {
	t.Helper()
	p := y.Restart()
	// so that no pepper has to be read over the bad connection
	for _, env := range []apikey.Environment{apikey.Production} {
		if _, err := p.Keyring.Current(t.Context(), env); err != nil {
			t.Fatal(err)
		}
	}

	p.Traffic.Inject(unreliable(seed))
	c := &check.Checker{
		Brand:        storetest.Brand,
		Environments: []apikey.Environment{apikey.Production},
		Keys:         p.Store,
		FirstUses:    p.Hot,
		Peppers:      p.Keyring,
		Catalogue:    check.NewCatalogue(y.Store.CatalogueReader(apikey.Production), y.Clock.Now),
		Settings:     check.NewSettingsCache(y.Store, y.Clock.Now),
		Now:          y.Clock.Now,
	}
	d := &full.Deployment{
		Deployment: &boot.Deployment{
			Configuration: boot.Configuration{Brand: storetest.Brand, Profile: "strict"},
			Keyring:       p.Keyring,
			Checker:       c,
			Catalogue:     c.Catalogue,
			Logger:        y.Log.Logger(),
			// a change every while, so that only who changes without end is refused
			Now: func() time.Time {
				y.Clock.Advance(50 * time.Millisecond)
				return y.Clock.Now()
			},
		},
		Store: p.Store,
		Hot:   p.Hot,
	}

	out := &player{
		check:     c,
		functions: map[adminapi.Group]*proxy.Function{},
		admin:     admin.ID,
		key:       key,
	}
	for _, g := range []adminapi.Group{
		adminapi.GroupKeys, adminapi.GroupRotation, adminapi.GroupRevocation,
	} {
		out.functions[g] = adminapi.Function(d, g)
	}

	return out
}

// do does a deed, and returns what was told and the secret that was made.
func (p *player) do(ctx context.Context, d deed, secret string) (heard, string, error) {
	if d.what == "check" {
		v := p.check.Check(ctx, check.Headers{
			APIKey: []string{secret},
		}, check.Call{
			API:      "demo",
			Method:   "GET",
			Path:     "/messages",
			SourceIP: netip.MustParseAddr("192.0.2.1"),
		})
		if v.Outcome == check.Unavailable {
			return heard{}, "", nil
		}

		return heard{status: http.StatusOK, allowed: v.Outcome == check.Allowed}, "", nil
	}

	group := map[string]adminapi.Group{
		"rotate":          adminapi.GroupRotation,
		"rotation/finish": adminapi.GroupRotation,
		"regenerate":      adminapi.GroupRotation,
		"revoke":          adminapi.GroupRevocation,
		"restore":         adminapi.GroupRevocation,
	}[d.what]
	method := http.MethodPost
	path := "/v1/organizations/acme/keys/" + p.key.ID + "/" + d.what

	body := "{}"
	switch d.what {
	case "enable", "disable":
		group = adminapi.GroupKeys
		method = http.MethodPatch
		path = "/v1/organizations/acme/keys/" + p.key.ID
		body = fmt.Sprintf(`{"enabled": %v}`, d.what == "enable")
	case "describe":
		group = adminapi.GroupKeys
		method = http.MethodPatch
		path = "/v1/organizations/acme/keys/" + p.key.ID
		body = fmt.Sprintf(`{"description": "%d"}`, rand.Uint64())
	}

	event, err := json.Marshal(map[string]any{
		"httpMethod": method,
		"path":       path,
		"headers":    map[string]any{"Content-Type": "application/json"},
		"body":       body,
		"requestContext": map[string]any{
			"requestId":  "r",
			"authorizer": map[string]any{"keyId": p.admin, "environment": "production"},
			"identity":   map[string]any{"sourceIp": "192.0.2.1"},
		},
	})
	if err != nil {
		return heard{}, "", err
	}

	text, err := p.functions[group].Invoke(ctx, event)
	if err != nil {
		return heard{}, "", err
	}

	var got struct {
		StatusCode int
		Body       string
	}
	var shown struct {
		Code    string
		Version int64
		Secret  string
		Key     struct{ Version int64 }
	}

	if err := json.Unmarshal(text, &got); err != nil {
		return heard{}, "", err
	}

	if err := json.Unmarshal([]byte(got.Body), &shown); err != nil {
		return heard{}, "", err
	}

	if got.StatusCode == http.StatusServiceUnavailable {
		return heard{}, "", nil
	}

	return heard{
		status:  got.StatusCode,
		code:    shown.Code,
		version: max(shown.Version, shown.Key.Version),
	}, shown.Secret, nil
}

// record is the history of what several people did to one key at once.
type record struct {
	mu      sync.Mutex
	secrets []string // by number, from 1 on; "" for one that nobody was told
	history []porcupine.Operation
	start   time.Time
}

// recent is the number of one of the last secrets that somebody was told: 0 for the last.
func (r *record) recent(n int) int {
	last := 1
	for i, secret := range slices.Backward(r.secrets) {
		if secret == "" {
			continue
		}

		if last = i + 1; n == 0 {
			break
		}

		n--
	}

	return last
}

func (r *record) play(
	ctx context.Context, client int, p *player, random *rand.Rand, deeds []string, n int,
) error {
	for range n {
		d := deed{what: deeds[random.IntN(len(deeds))]}
		r.mu.Lock()

		var sent string
		switch d.what {
		case "check":
			d.secret = r.recent(random.IntN(4))
			sent = r.secrets[d.secret-1]
		case "rotate", "regenerate":
			r.secrets = append(r.secrets, "")
			d.secret = len(r.secrets)
		}

		r.mu.Unlock()
		op := porcupine.Operation{ClientId: client, Input: d, Call: int64(time.Since(r.start))}

		got, secret, err := p.do(ctx, d, sent)
		if err != nil {
			return err
		}

		if op.Output, op.Return = got, int64(time.Since(r.start)); got.status == 0 {
			op.Return = int64(time.Hour) // it may be done yet
		}

		r.mu.Lock()
		if secret != "" {
			r.secrets[d.secret-1] = secret
		}

		if d.what != "check" || got.status != 0 { // a check that got no answer says nothing
			r.history = append(r.history, op)
		}

		r.mu.Unlock()
	}

	return nil
}

// However many change and use a key at once, and whatever answers get lost, it is as if one had
// come after the other.
func TestLifeOfAKeyIsLinearizable(t *testing.T) {
	t.Parallel()

	var unanswered, refusals int
	for range 6 {
		seed := uint64(time.Now().UnixNano())
		y := newYard(t, "acme")
		y.MustCatalogue(t, permission.Permission{
			Name:   "messages:read",
			Title:  "Read",
			Routes: []permission.Route{{API: "*", Method: "GET", Path: "/messages"}},
		})
		admin, _ := y.MustKey(t, func(k *apikey.Key) {
			k.Permissions = []string{"keys:write", "keys:rotate", "keys:revoke", "messages:read"}
		})
		k, secret := y.MustKey(t, nil)
		r := &record{secrets: []string{secret.Reveal()}, start: time.Now()}

		var all sync.WaitGroup
		for client := range 6 {
			deeds := []string{
				"rotate", "rotation/finish", "regenerate", "revoke", "restore", "enable", "disable",
			}

			n := 12
			if client == 5 { // somebody who changes the key without end
				deeds, n = []string{"describe"}, 60
			}

			if client%2 == 0 {
				deeds, n = []string{"check"}, 40
			}

			p := y.player(t, seed+uint64(client), admin, k)
			all.Go(func() {
				if err := r.play(t.Context(), client, p,
					rand.New(rand.NewPCG(seed, uint64(client))), deeds, n); err != nil {
					t.Error(err)
				}
			})
		}

		all.Wait()

		for _, op := range r.history {
			switch got := op.Output.(heard); {
			case got.status == 0:
				unanswered++
			case got.status == http.StatusTooManyRequests && !op.Input.(deed).stops():
			case got.status != http.StatusOK && got.status != http.StatusConflict:
				t.Fatalf("seed %d: %+v -> %+v", seed, op.Input, got)
			case got.status == http.StatusConflict ||
				op.Input.(deed).what == "check" && !got.allowed:
				refusals++
			}
		}

		if result := porcupine.CheckOperationsTimeout(model(), r.history,
			10*time.Second); result == porcupine.Illegal {
			for _, op := range r.history {
				t.Logf("%d %d-%d %+v -> %+v", op.ClientId, op.Call, op.Return, op.Input, op.Output)
			}

			t.Fatalf("seed %d: no order of these explains what was told", seed)
		} else if result == porcupine.Unknown {
			t.Logf("seed %d: too much was left open to tell", seed)
		}
	}

	t.Logf("%d without an answer, %d refusals", unanswered, refusals)
}
