package advice

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// Of returns the advice on a key, the most important first. There is none on a key that is not
// active, since it opens nothing.
func Of(f Facts) []Item {
	if f.Key.Status(f.Now) != apikey.Active {
		return nil
	}

	idle := f.idle()

	items := slices.Concat(f.all(), idle, f.unused(), f.retired(), f.expiry(), f.limit())
	if len(idle) == 0 {
		// a key that should be disabled needs no new secret
		items = append(items, f.rotation()...)
	}

	rank := []Severity{High, Medium, Low}
	slices.SortStableFunc(items, func(a, b Item) int {
		return slices.Index(rank, a.Severity) - slices.Index(rank, b.Severity)
	})
	return items
}

// all finds keys that hold all permissions. The change names those that were used; if none were,
// all that exist, so that the key keeps working and gets no further ones.
func (f *Facts) all() []Item {
	if !f.Key.AllPermissions {
		return nil
	}

	code := AllPermissions

	what := "The key holds all permissions, including those added later."
	if f.Key.Legacy {
		code = Legacy
		what = "The key was imported from another system and holds all permissions, " +
			"including those added later."
	}

	window := f.window(UnusedWindow)
	used := f.usedIn(window)
	names := used

	does := "The change leaves it the permissions that it used in the last " + words(window) + ": " +
		strings.Join(used, ", ") + "."
	if len(used) == 0 {
		names = f.Catalogue.DataPlane()
		does = "It is not known to have used any permission in the last " + words(window) +
			", so the change names all current permissions: the key gets no new ones, and its " +
			"use will show which it needs."
	}

	return []Item{{
		Code:     code,
		Severity: High,
		Detail:   what + " " + does,
		Evidence: Evidence{
			ObservedSince: f.ObservedSince(),
			Window:        window,
			Used:          used,
			LastUsed:      f.lastUse(),
		},
		Change: Change{Update, map[string]any{
			"allPermissions": false,
			"permissions":    slices.Concat(f.admin(), names),
		}},
	}}
}

// admin returns the key's permissions of the admin API, which no advice removes: a call of the
// admin API may need one without being counted for it.
func (f *Facts) admin() []string {
	return slices.DeleteFunc(slices.Clone(f.Key.Permissions), func(p string) bool {
		return !f.Catalogue.IsAdmin(p)
	})
}

// idle finds keys that were never used, or are no longer.
func (f *Facts) idle() []Item {
	item := Item{
		Code:     Idle,
		Severity: Medium,
		Evidence: Evidence{
			ObservedSince: f.ObservedSince(),
			Window:        f.window(LongWindow),
			LastUsed:      f.lastUse(),
		},
	}
	if item.Evidence.LastUsed.IsZero() {
		item.Code = NeverUsed
		item.Evidence.Window = f.window(UnusedWindow)
	}

	window := item.Evidence.Window
	// use before the window may be unknown
	if !f.observed(f.ObservedSince(), window) || f.usedWithin(f.LastUsed, window) ||
		f.usesAny(window) {
		return nil
	}

	item.Detail = "The key was last used at " + apikey.FormatTime(item.Evidence.LastUsed) +
		", more than " + words(window) + " ago."
	if item.Code == NeverUsed {
		item.Detail = "No use of the key is known since " +
			apikey.FormatTime(item.Evidence.ObservedSince) + "."
	}

	item.Detail += " The change disables it; enabling it again restores it unchanged."
	item.Change = Change{Update, map[string]any{"enabled": false}}
	return []Item{item}
}

// unused finds permissions that the key does not use, while it uses others: a key without any use
// tells nothing about its permissions. All items of a key have the same change, which keeps what
// none of them names, so that applying one does not restore what another removed.
func (f *Facts) unused() []Item {
	if f.Key.AllPermissions {
		return nil
	}

	windows := []time.Duration{LongWindow, UnusedWindow}
	if f.Window > 0 {
		windows = []time.Duration{f.Window}
	}

	var items []Item

	remaining := []string{}
	for _, p := range f.Key.Permissions {
		if _, known := f.Catalogue.Lookup(p); !known {
			continue // removed from the catalogue: it opens nothing, and a change must not name it
		}

		window, unused := f.unusedFor(p, windows)
		if !unused {
			remaining = append(remaining, p)
			continue
		}

		item := Item{
			Code:     UnusedPermission,
			Severity: Low,
			Evidence: Evidence{
				ObservedSince: latest(f.ObservedSince(), f.Granted[p]),
				Window:        window,
				Permission:    p,
				Used:          f.usedIn(window),
				LastUsed:      f.Used[p],
			},
		}
		if window >= LongWindow {
			item.Severity = Medium
		}

		items = append(items, item)
	}

	for i := range items {
		e := items[i].Evidence
		items[i].Detail = fmt.Sprintf("The key has not used %s in the last %s, while it used %s. "+
			"The change leaves it %s.",
			e.Permission, words(e.Window), strings.Join(e.Used, ", "),
			strings.Join(remaining, ", "))
		items[i].Change = Change{Update, map[string]any{"permissions": remaining}}
	}

	return items
}

// unusedFor returns the first of the windows in which the permission was held but not used, while
// others were.
func (f *Facts) unusedFor(p string, windows []time.Duration) (time.Duration, bool) {
	if f.Catalogue.IsAdmin(p) {
		return 0, false
	}

	since := latest(f.ObservedSince(), f.Granted[p])
	for _, w := range windows {
		if f.observed(since, w) && !f.uses(p, w) && f.usesSome(w) {
			return w, true
		}
	}

	return 0, false
}

// usesSome reports whether the key used a permission that it holds in a window.
func (f *Facts) usesSome(window time.Duration) bool {
	return slices.ContainsFunc(f.Key.Permissions, func(p string) bool { return f.uses(p, window) })
}

// usesAny does the same for permissions that it once held.
func (f *Facts) usesAny(window time.Duration) bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(f.Used)), func(p string) bool {
		return f.uses(p, window)
	})
}

// rotation finds old secrets.
func (f *Facts) rotation() []Item {
	if f.Now.Sub(f.SecretSince) < MaxSecretAge {
		return nil
	}

	return []Item{{
		Code:     RotationOverdue,
		Severity: Medium,
		Detail: fmt.Sprintf("The secret is from %s: more than %s old. The change creates a new "+
			"one, and lets the old one work for 7 more days.", apikey.FormatTime(f.SecretSince),
			words(MaxSecretAge)),
		Evidence: Evidence{Since: f.SecretSince, LastUsed: f.lastUse()},
		Change:   Change{Rotate, map[string]any{"overlap": "7d"}},
	}}
}

// retired finds secrets that have ended and are still sent.
func (f *Facts) retired() []Item {
	if f.RetiredCalls == 0 {
		return nil
	}

	window := f.window(UnusedWindow)
	return []Item{{
		Code:     RetiredSecretUsed,
		Severity: Medium,
		Detail: fmt.Sprintf("In the last %s, %s came with a secret that has ended, the last in "+
			"the hour from %s. They are refused: the caller needs the new secret. The change shows "+
			"these calls.",
			words(window), plural(f.RetiredCalls, "call"), apikey.FormatTime(f.RetiredAt)),
		Evidence: Evidence{
			ObservedSince: f.KeptSince,
			Window:        window,
			Calls:         f.RetiredCalls,
			LastUsed:      f.RetiredAt,
		},
		Change: Change{Action: Look},
	}}
}

// life is how long a key without an end may live after the change.
const life = 365 * Day

// expiry finds keys without an end. It skips a key that has not started, since its start may come
// after the end that it would get.
func (f *Facts) expiry() []Item {
	if !f.Key.ExpiresAt.IsZero() || !f.Key.Started(f.Now) {
		return nil
	}

	item := Item{
		Code:     NoExpiry,
		Severity: Low,
		Detail: "The key never expires. The change lets it work for " + words(life) +
			" more; you can extend that later.",
		Evidence: Evidence{LastUsed: f.lastUse()},
		Change:   Change{Update, map[string]any{"expiresIn": "365d"}},
	}
	if last := f.Key.CreatedAt.Add(f.LongestLife); f.LongestLife > 0 &&
		last.Before(f.Now.Add(life)) {
		item.Detail = fmt.Sprintf("The key never expires, and the organization lets keys of %s "+
			"live for %s. The change makes it expire then.", f.Key.Environment, words(f.LongestLife))
		item.Change.Body = map[string]any{"expiresAt": apikey.FormatTime(last)}
		// the end has passed, or leaves no time to apply the change
		if !last.After(f.Now.Add(Day)) {
			item.Detail = fmt.Sprintf("The key never expires, and is older than the %s that the "+
				"organization lets keys of %s live. The change disables it: create its "+
				"replacement first.",
				words(f.LongestLife), f.Key.Environment)
			item.Change.Body = map[string]any{"enabled": false}
		}
	}

	return []Item{item}
}

// leastLimit is the lowest limit per hour that is advised, since a key may have been hardly used so
// far.
const leastLimit = 1000

// limit finds keys without limits. Twice the busiest hour refuses nothing that was observed: any
// hour overlaps two counted ones at most.
func (f *Facts) limit() []Item {
	if f.LimitsOff || len(f.Key.RateLimits) > 0 || f.Key.Quota != nil {
		return nil
	}

	most := roundUp(max(leastLimit, 2*f.BusiestHour))
	return []Item{{
		Code:     NoLimit,
		Severity: Low,
		Detail: fmt.Sprintf("The key has no rate limit and no quota. Calls in its busiest "+
			"hour: %d; the change allows %d.", f.BusiestHour, most),
		Evidence: Evidence{ObservedSince: f.ObservedSince(), Calls: f.BusiestHour},
		Change: Change{Update, map[string]any{
			"rateLimits": []map[string]any{{"name": "hourly", "limit": most, "window": "1h"}},
		}},
	}}
}

// highestLimit is the highest limit that a key can have.
const highestLimit = 1_000_000_000

// roundUp rounds a number up to two significant digits.
func roundUp(n int64) int64 {
	unit := int64(1)
	for n/unit >= 100 {
		unit *= 10
	}

	return min((n+unit-1)/unit*unit, highestLimit)
}

// words formats a duration in words.
func words(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{Day, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if d%u.unit == 0 {
			return plural(int64(d/u.unit), u.name)
		}
	}

	return plural(int64(d/time.Second), "second")
}

func plural(n int64, name string) string {
	if n == 1 {
		return "1 " + name
	}

	return fmt.Sprintf("%d %ss", n, name)
}
