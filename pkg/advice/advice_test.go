package advice_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/advice"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/permission"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// ago is a moment before now.
func ago(d time.Duration) time.Time { return now.Add(-d) }

const (
	day  = advice.Day
	tick = time.Millisecond
)

func catalogue(t *testing.T) *permission.Catalogue {
	t.Helper()

	var ps []permission.Permission
	for _, name := range []string{"messages:write", "messages:read", "licenses:manage"} {
		ps = append(ps, permission.Permission{
			Name:        name,
			Title:       name,
			Description: name,
			Routes: []permission.Route{{
				API:    "*",
				Method: "GET",
				Path:   "/" + strings.ReplaceAll(name, ":", "/"),
			}},
		})
	}

	c, err := permission.NewCatalogue(ps)
	if err != nil {
		t.Fatal(err)
	}

	return c
}

// quiet are the facts of a key on which there is no advice: limited, with an end, two years old, in
// use all the time, with a secret of last year.
func quiet(t *testing.T) advice.Facts {
	t.Helper()
	return advice.Facts{
		Key: &apikey.Key{
			ID:          "k",
			Profile:     apikey.Profile{Name: "Key"},
			Environment: apikey.Production,
			Enabled:     true,
			Permissions: []string{"messages:read", "messages:write"},
			CreatedAt:   ago(730 * day),
			ExpiresAt:   now.Add(day),
			Quota:       &apikey.Quota{Limit: 1, Period: "day"},
		},
		Catalogue:   catalogue(t),
		Now:         now,
		KeptSince:   ago(400 * day),
		SecretSince: ago(300 * day),
		LastUsed:    now,
		Used:        map[string]time.Time{"messages:read": now, "messages:write": now},
	}
}

// found is what tests compare of an item.
type found struct {
	Code     advice.Code
	Severity advice.Severity
	About    string // the permission, or the window
	Body     any
}

func of(f advice.Facts) []found {
	var out []found
	for _, i := range advice.Of(f) {
		about := i.Evidence.Permission
		if i.Evidence.Window > 0 {
			about = strings.TrimSpace(about + " " + i.Evidence.Window.String())
		}

		out = append(out, found{i.Code, i.Severity, about, i.Change.Body})
	}

	return out
}

// fields is a body.
func fields(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}

	return m
}

var (
	disabled = fields("enabled", false)
	onlyRead = fields("permissions", []string{"messages:read"})
	hourly   = func(n int64) map[string]any {
		return fields("rateLimits", []map[string]any{{
			"name":   "hourly",
			"limit":  n,
			"window": "1h",
		}})
	}
	narrowed = func(names ...string) map[string]any {
		return fields("allPermissions", false, "permissions", names)
	}
	unused30  = found{advice.UnusedPermission, advice.Low, "messages:write 720h0m0s", onlyRead}
	unused90  = found{advice.UnusedPermission, advice.Medium, "messages:write 2160h0m0s", onlyRead}
	idle      = found{advice.Idle, advice.Medium, "2160h0m0s", disabled}
	never     = found{advice.NeverUsed, advice.Medium, "720h0m0s", disabled}
	everybody = []string{"messages:write", "messages:read", "licenses:manage"}
)

func TestAdvice(t *testing.T) {
	t.Parallel()
	type facts = advice.Facts
	lastUsed := func(at time.Time) func(*facts) { // of the whole key
		return func(f *facts) { f.LastUsed, f.Used = at, nil }
	}
	// messages:write was last used in the hour that ended then; the zero time: never
	write := func(end time.Time) func(*facts) {
		return func(f *facts) {
			if delete(f.Used, "messages:write"); !end.IsZero() {
				f.Used["messages:write"] = end.Add(-time.Hour)
			}
		}
	}
	window := func(w time.Duration) func(*facts) { return func(f *facts) { f.Window = w } }
	created := func(at time.Time) func(*facts) { return func(f *facts) { f.Key.CreatedAt = at } }
	key := func(change func(*apikey.Key)) func(*facts) { return func(f *facts) { change(f.Key) } }
	granted := func(at time.Time) func(*facts) {
		return func(f *facts) { f.Granted = map[string]time.Time{"messages:write": at} }
	}
	usable := func(at time.Time) func(*facts) { return func(f *facts) { f.UsableSince = at } }
	kept := func(at time.Time) func(*facts) { return func(f *facts) { f.KeptSince = at } }
	all := key(func(k *apikey.Key) { k.AllPermissions, k.Permissions = true, nil })
	endless := key(func(k *apikey.Key) { k.ExpiresAt = time.Time{} })
	longest := func(d time.Duration) func(*facts) { return func(f *facts) { f.LongestLife = d } }
	unlimited := key(func(k *apikey.Key) { k.Quota = nil })

	busiest := func(n int64) func(*facts) { return func(f *facts) { f.BusiestHour = n } }
	for _, test := range []struct {
		name   string
		change []func(*facts)
		want   []found
	}{
		{"nothing", nil, nil},

		{"a permission used within 30 days", []func(*facts){write(ago(30*day - tick))}, nil},
		{
			"a permission unused for 30 days",
			[]func(*facts){write(ago(30 * day))},
			[]found{unused30},
		},
		{
			"a permission unused for almost 90 days",
			[]func(*facts){write(ago(90*day - tick))},
			[]found{unused30},
		},
		{
			"a permission unused for 90 days",
			[]func(*facts){write(ago(90 * day))},
			[]found{unused90},
		},
		{"a permission never used", []func(*facts){write(time.Time{})}, []found{unused90}},
		{
			"a permission unused, of a new key",
			[]func(*facts){write(time.Time{}), created(ago(30*day - tick))},
			nil,
		},
		{
			"a permission unused, of a key of 30 days",
			[]func(*facts){write(time.Time{}), created(ago(30 * day))},
			[]found{unused30},
		},
		{
			"a permission unused, of a key of 90 days",
			[]func(*facts){write(time.Time{}), created(ago(90 * day))},
			[]found{unused90},
		},
		{
			"a permission unused, granted late",
			[]func(*facts){write(time.Time{}), granted(ago(30*day - tick))},
			nil,
		},
		{
			"a permission unused, granted in time",
			[]func(*facts){write(time.Time{}), granted(ago(30 * day))},
			[]found{unused30},
		},
		{
			"a permission unused, of a key disabled until lately",
			[]func(*facts){write(time.Time{}), usable(ago(30*day - tick))},
			nil,
		},
		{
			"a permission unused, of a key enabled in time",
			[]func(*facts){write(time.Time{}), usable(ago(30 * day))},
			[]found{unused30},
		},
		{
			"a permission unused, of a key that began lately",
			[]func(*facts){write(time.Time{}), key(func(k *apikey.Key) {
				k.NotBefore = ago(30*day - tick)
			})},
			nil,
		},
		{
			"a permission unused, as far as is known",
			[]func(*facts){write(time.Time{}), kept(ago(30*day - tick))},
			nil,
		},
		{
			"a permission unused, and that is known",
			[]func(*facts){write(time.Time{}), kept(ago(30 * day))},
			[]found{unused30},
		},
		{
			"a permission unused for what was asked",
			[]func(*facts){write(ago(time.Hour)), window(time.Hour)},
			[]found{{advice.UnusedPermission, advice.Low, "messages:write 1h0m0s", onlyRead}},
		},
		{
			"a permission used within what was asked",
			[]func(*facts){write(ago(time.Hour - tick)), window(time.Hour)},
			nil,
		},
		{
			"a permission unused for longer than was asked",
			[]func(*facts){write(ago(40 * day)), window(60 * day)},
			nil,
		},
		{"permissions of a key that used none", []func(*facts){lastUsed(ago(40 * day))}, nil},
		{"a permission that only was used long ago", []func(*facts){func(f *facts) {
			f.Used = map[string]time.Time{"messages:read": ago(40 * day)}
			f.LastUsed = ago(40 * day)
		}}, []found{unused90}},
		{"a permission that may have been used", []func(*facts){write(time.Time{}), func(f *facts) {
			f.Used["*"] = ago(30*day + time.Hour - tick)
		}}, nil},
		{
			"a permission that may have been used long ago",
			[]func(*facts){write(time.Time{}), func(f *facts) {
				f.Used["*"] = ago(30*day + time.Hour)
			}},
			[]found{unused30},
		},
		{"a permission of the admin API", []func(*facts){key(func(k *apikey.Key) {
			k.Permissions = []string{"messages:read", "keys:read"}
		})}, nil},
		{
			"a permission that is no more",
			[]func(*facts){write(time.Time{}), key(func(k *apikey.Key) {
				k.Permissions = append(k.Permissions, "old:read")
			})},
			[]found{unused90},
		},
		{"two permissions unused", []func(*facts){write(time.Time{}), key(func(k *apikey.Key) {
			k.Permissions = append(k.Permissions, "licenses:manage", "keys:read")
		})}, []found{
			{
				advice.UnusedPermission, advice.Medium, "messages:write 2160h0m0s",
				fields("permissions", []string{"messages:read", "keys:read"}),
			},
			{
				advice.UnusedPermission, advice.Medium, "licenses:manage 2160h0m0s",
				fields("permissions", []string{"messages:read", "keys:read"}),
			},
		}},

		{"never used", []func(*facts){lastUsed(time.Time{})}, []found{never}},
		{
			"never used, new",
			[]func(*facts){lastUsed(time.Time{}), created(ago(30*day - tick))},
			nil,
		},
		{
			"never used, of 30 days",
			[]func(*facts){lastUsed(time.Time{}), created(ago(30 * day))},
			[]found{never},
		},
		{
			"never used, restored lately",
			[]func(*facts){lastUsed(time.Time{}), usable(ago(30*day - tick))},
			nil,
		},
		{
			"never used, as far as is known",
			[]func(*facts){lastUsed(time.Time{}), kept(ago(30*day - tick))},
			nil,
		},
		{"never used, not begun", []func(*facts){lastUsed(time.Time{}), key(func(k *apikey.Key) {
			k.NotBefore = now.Add(tick)
		})}, nil},
		{
			"never used for what was asked",
			[]func(*facts){lastUsed(time.Time{}), created(ago(time.Second)), window(time.Second)},
			[]found{{advice.NeverUsed, advice.Medium, "1s", disabled}},
		},
		{"never used, and only the count of it is known", []func(*facts){func(f *facts) {
			f.LastUsed = time.Time{}
		}}, nil},
		{"not idle for 90 days", []func(*facts){lastUsed(ago(90*day - tick))}, nil},
		{"idle for 90 days", []func(*facts){lastUsed(ago(90 * day))}, []found{idle}},
		{
			"idle, restored lately",
			[]func(*facts){lastUsed(ago(100 * day)), usable(ago(90*day - tick))},
			nil,
		},
		{
			"idle for what was asked",
			[]func(*facts){lastUsed(ago(time.Hour)), window(time.Hour)},
			[]found{{advice.Idle, advice.Medium, "1h0m0s", disabled}},
		},
		{"idle by one record, in use by the other", []func(*facts){func(f *facts) {
			f.LastUsed = ago(200 * day)
		}}, nil},

		{
			"all permissions",
			[]func(*facts){all},
			[]found{
				{
					advice.AllPermissions, advice.High, "720h0m0s",
					narrowed("messages:write", "messages:read"),
				},
			},
		},
		{
			"all permissions, of which one is used",
			[]func(*facts){all, write(ago(30 * day))},
			[]found{{advice.AllPermissions, advice.High, "720h0m0s", narrowed("messages:read")}},
		},
		{
			"all permissions, of which none is used",
			[]func(*facts){all, lastUsed(now)},
			[]found{{advice.AllPermissions, advice.High, "720h0m0s", narrowed(everybody...)}},
		},
		{
			"all permissions, of which any may be used",
			[]func(*facts){all, lastUsed(now), func(f *facts) {
				f.Used = map[string]time.Time{
					"*": now,
				}
			}},
			[]found{{advice.AllPermissions, advice.High, "720h0m0s", narrowed(everybody...)}},
		},
		{
			"all permissions, and some of the admin API",
			[]func(*facts){all, key(func(k *apikey.Key) {
				k.Permissions = []string{"keys:read", "licenses:manage"}
			})},
			[]found{
				{
					advice.AllPermissions, advice.High, "720h0m0s",
					narrowed("keys:read", "messages:write", "messages:read"),
				},
			},
		},
		{
			"all permissions of a key of another system",
			[]func(*facts){all, key(func(k *apikey.Key) {
				k.Legacy = true
			})},
			[]found{
				{
					advice.Legacy, advice.High, "720h0m0s",
					narrowed("messages:write", "messages:read"),
				},
			},
		},
		{"some permissions of a key of another system", []func(*facts){key(func(k *apikey.Key) {
			k.Legacy = true
		})}, nil},

		{
			"no end",
			[]func(*facts){endless},
			[]found{{advice.NoExpiry, advice.Low, "", fields("expiresIn", "365d")}},
		},
		{"no end, not begun", []func(*facts){endless, key(func(k *apikey.Key) {
			k.NotBefore = now.Add(400 * day)
		})}, nil},
		{
			"no end, though lives are short",
			[]func(*facts){endless, longest(800 * day)},
			[]found{
				{advice.NoExpiry, advice.Low, "", fields("expiresAt", "2027-02-02T12:00:00.000Z")},
			},
		},
		{
			"no end, though lives are long",
			[]func(*facts){endless, longest(1095 * day)},
			[]found{{advice.NoExpiry, advice.Low, "", fields("expiresIn", "365d")}},
		},
		{
			"no end, and older than lives are",
			[]func(*facts){endless, longest(731 * day)},
			[]found{{advice.NoExpiry, advice.Low, "", disabled}},
		},

		{
			"no limit",
			[]func(*facts){unlimited},
			[]found{{advice.NoLimit, advice.Low, "", hourly(1000)}},
		},
		{
			"no limit, busy",
			[]func(*facts){unlimited, busiest(50_001)},
			[]found{{advice.NoLimit, advice.Low, "", hourly(110_000)}},
		},
		{
			"no limit, exactly",
			[]func(*facts){unlimited, busiest(50_000)},
			[]found{{advice.NoLimit, advice.Low, "", hourly(100_000)}},
		},
		{
			"no limit, beyond all limits",
			[]func(*facts){unlimited, busiest(600_000_000)},
			[]found{{advice.NoLimit, advice.Low, "", hourly(1_000_000_000)}},
		},
		{"no limit, where none is enforced", []func(*facts){unlimited, func(f *facts) {
			f.LimitsOff = true
		}}, nil},
		{"a rate limit", []func(*facts){unlimited, key(func(k *apikey.Key) {
			k.RateLimits = []apikey.RateLimit{{
				Name:   "a",
				Limit:  1,
				Window: time.Second,
			}}
		})}, nil},

		{"a secret of almost a year", []func(*facts){func(f *facts) {
			f.SecretSince = ago(365*day - tick)
		}}, nil},
		{"a secret of a year", []func(*facts){func(f *facts) {
			f.SecretSince = ago(365 * day)
		}}, []found{{advice.RotationOverdue, advice.Medium, "", fields("overlap", "7d")}}},
		{"a retired secret is sent", []func(*facts){func(f *facts) {
			f.RetiredCalls = 3
			f.RetiredAt = ago(day)
		}}, []found{{advice.RetiredSecretUsed, advice.Medium, "720h0m0s", map[string]any(nil)}}},

		{
			"everything at once",
			[]func(*facts){all, unlimited, endless, lastUsed(now), func(f *facts) {
				f.SecretSince = ago(365 * day)
			}},
			[]found{
				{advice.AllPermissions, advice.High, "720h0m0s", narrowed(everybody...)},
				{advice.RotationOverdue, advice.Medium, "", fields("overlap", "7d")},
				{
					advice.NoExpiry, advice.Low, "", fields("expiresIn", "365d"),
				},
				{advice.NoLimit, advice.Low, "", hourly(1000)},
			},
		},
		{
			"an old secret of a key that is not used",
			[]func(*facts){lastUsed(time.Time{}), func(f *facts) {
				f.SecretSince = ago(365 * day)
			}},
			[]found{never},
		},
		{
			"everything at once, disabled",
			[]func(*facts){all, unlimited, endless, lastUsed(time.Time{}), key(func(k *apikey.Key) {
				k.Enabled = false
			})},
			nil,
		},
		{
			"everything at once, revoked",
			[]func(*facts){all, unlimited, endless, lastUsed(time.Time{}), key(func(k *apikey.Key) {
				k.Revocation = &apikey.Revocation{}
			})},
			nil,
		},
		{
			"everything at once, expired",
			[]func(*facts){all, unlimited, lastUsed(time.Time{}), key(func(k *apikey.Key) {
				k.ExpiresAt = now
			})},
			nil,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()

			f := quiet(t)
			for _, change := range test.change {
				change(&f)
			}

			if diff := cmp.Diff(test.want, of(f)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What is told says what it rests on: since when it is known, and what was used instead.
func TestEvidence(t *testing.T) {
	t.Parallel()
	f := quiet(t)
	f.Used = map[string]time.Time{
		"messages:read": now,
	}
	f.Granted = map[string]time.Time{
		"messages:write": ago(40 * day),
	}

	items := advice.Of(f)
	if len(items) != 1 {
		t.Fatalf("%+v", items)
	}

	want := advice.Evidence{
		ObservedSince: ago(40 * day),
		Window:        30 * day,
		Permission:    "messages:write",
		Used:          []string{"messages:read"},
	}
	if diff := cmp.Diff(want, items[0].Evidence); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	detail := "The key has not used messages:write in the last 30 days, while it used " +
		"messages:read. The change leaves it messages:read."
	if items[0].Detail != detail {
		t.Errorf("%q", items[0].Detail)
	}

	if got := f.ObservedSince(); !got.Equal(ago(400 * day)) {
		t.Errorf("observed since %s", got)
	}
}

// Every code is advice on some key, and says so in whole sentences.
func TestEveryCodeIsExplained(t *testing.T) {
	t.Parallel()
	f := quiet(t)
	f.Key.Quota = nil
	f.Key.ExpiresAt = time.Time{}
	f.SecretSince = ago(400 * day)
	f.RetiredCalls = 1
	f.RetiredAt = now

	cases := []advice.Facts{f, f, f, f, f}
	for i := range cases {
		cases[i].Key = f.Key.Clone()
	}

	cases[0].Used = map[string]time.Time{"messages:read": now}
	cases[1].Used = nil
	cases[1].LastUsed = time.Time{}
	cases[2].Used = nil
	cases[2].LastUsed = ago(100 * day)
	cases[3].Key.AllPermissions = true
	cases[4].Key.AllPermissions = true
	cases[4].Key.Legacy = true

	var codes []advice.Code
	for _, c := range cases {
		for _, i := range advice.Of(c) {
			if strings.Count(i.Detail, ". ") == 0 || !strings.HasSuffix(i.Detail, ".") ||
				strings.Contains(i.Detail, "0001") {
				t.Errorf("%s: %q", i.Code, i.Detail)
			}

			if i.Change.Action == "" || i.Change.Action != advice.Look && len(i.Change.Body) == 0 {
				t.Errorf("%s: no change", i.Code)
			}

			codes = append(codes, i.Code)
		}
	}

	slices.Sort(codes)

	want := []advice.Code{
		advice.AllPermissions, advice.Idle, advice.Legacy, advice.NeverUsed, advice.NoExpiry,
		advice.NoLimit, advice.RetiredSecretUsed, advice.RotationOverdue, advice.UnusedPermission,
	}
	if diff := cmp.Diff(want, slices.Compact(codes)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
