package advice

import (
	"slices"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// Day is 24 hours: windows ignore the calendar.
const Day = 24 * time.Hour

// How long something must be unused by default before it is reported.
const (
	UnusedWindow = 30 * Day // a permission, or a key that was never used
	// a permission that rates a higher severity, and a key that was used before
	LongWindow = 90 * Day
)

// MaxSecretAge is the age from which on a secret should be replaced.
const MaxSecretAge = 365 * Day

// Facts are the facts about a key at a time.
type Facts struct {
	Key       *apikey.Key
	Catalogue *permission.Catalogue
	Now       time.Time
	Window    time.Duration // how long something must be unused; 0 for each rule's default

	// KeptSince is since when everything is known: earlier use and changes may be forgotten.
	KeptSince time.Time
	// UsableSince is when the key last ceased to be disabled, revoked or expired; zero if it never
	// was.
	UsableSince time.Time
	// Granted is when the key got permissions that it did not have from the start.
	Granted map[string]time.Time
	// SecretSince is when the secret was made.
	SecretSince time.Time
	// LongestLife is how long the organization lets keys of this environment live; 0 if there is no
	// limit.
	LongestLife time.Duration
	// LimitsOff means that the deployment does not enforce limits, and refuses new ones.
	LimitsOff bool

	// LastUsed is when the key was last used for an allowed call; zero if never.
	LastUsed time.Time
	// Used is the beginning of the last hour in which each permission was used. The whole hour
	// counts as use.
	Used map[string]time.Time
	// BusiestHour is the highest known number of calls in one hour.
	BusiestHour int64
	// RetiredCalls is how many calls in the window had a secret that has ended, the last of them in
	// the hour from RetiredAt.
	RetiredCalls int64
	RetiredAt    time.Time
}

// ObservedSince returns since when the key could be used and its use is known.
func (f *Facts) ObservedSince() time.Time {
	return latest(f.Key.CreatedAt, f.Key.NotBefore, f.UsableSince, f.KeptSince)
}

// window returns the requested window, or a rule's default.
func (f *Facts) window(own time.Duration) time.Duration {
	if f.Window > 0 {
		return f.Window
	}

	return own
}

// observed reports whether something that began at since was observed for a whole window.
func (f *Facts) observed(since time.Time, window time.Duration) bool {
	return !since.After(f.Now.Add(-window))
}

// usedWithin reports whether a last use is within a window. The zero time is no use.
func (f *Facts) usedWithin(last time.Time, window time.Duration) bool {
	return !last.IsZero() && last.After(f.Now.Add(-window))
}

// uses reports whether a permission was used in a window, or may have been: some calls are counted
// without their permission.
func (f *Facts) uses(p string, window time.Duration) bool {
	for _, name := range []string{p, usage.Others} {
		if hour, ever := f.Used[name]; ever && f.usedWithin(hour.Add(time.Hour), window) {
			return true
		}
	}

	return false
}

// lastUse returns the last use of the key, from the newer of its two records.
func (f *Facts) lastUse() time.Time {
	last := f.LastUsed
	for _, hour := range f.Used {
		last = latest(last, hour)
	}

	return last
}

// usedIn returns the data-plane permissions that were used in a window, in the catalogue's order.
func (f *Facts) usedIn(window time.Duration) []string {
	return slices.DeleteFunc(f.Catalogue.DataPlane(), func(p string) bool {
		return !f.uses(p, window)
	})
}

func latest(times ...time.Time) time.Time {
	return slices.MaxFunc(times, time.Time.Compare)
}
