package advice

import (
	"slices"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// Day is 24 hours: windows know no calendar.
const Day = 24 * time.Hour

// How long something has to be unused until it is named, where nobody says.
const (
	UnusedWindow = 30 * Day // a permission, or a key that was never used
	// a permission that is worth more than a remark, and a key that was used once
	LongWindow = 90 * Day
)

// MaxSecretAge is how old a secret may become.
const MaxSecretAge = 365 * Day

// Facts is what is known of a key at a moment.
type Facts struct {
	Key       *apikey.Key
	Catalogue *permission.Catalogue
	Now       time.Time
	Window    time.Duration // how long something has to be unused; 0 for each rule's own

	// KeptSince is from when on everything is known: use and changes before it may be forgotten.
	KeptSince time.Time
	// UsableSince is when the key last came back from being disabled, revoked or expired; zero
	// where it never did.
	UsableSince time.Time
	// Granted is when the key got permissions that it was not made with.
	Granted map[string]time.Time
	// SecretSince is when the secret was made.
	SecretSince time.Time
	// LongestLife is how long the organization lets keys of this environment live; 0 where there is
	// no limit.
	LongestLife time.Duration
	// LimitsOff tells that the deployment enforces no limits, and so takes none.
	LimitsOff bool

	// LastUsed is when the key was last used for an allowed call; zero where it never was.
	LastUsed time.Time
	// Used is the beginning of the last hour in which each permission was used. It counts as used
	// in all of that hour.
	Used map[string]time.Time
	// BusiestHour is the most calls in one hour that are known.
	BusiestHour int64
	// RetiredCalls is how many calls in the window came with a secret that the key once had, the
	// last of them in the hour from RetiredAt.
	RetiredCalls int64
	RetiredAt    time.Time
}

// ObservedSince is from when on the key could be used and its use is known.
func (f *Facts) ObservedSince() time.Time {
	return latest(f.Key.CreatedAt, f.Key.NotBefore, f.UsableSince, f.KeptSince)
}

// window is the one that was asked for, or a rule's own.
func (f *Facts) window(own time.Duration) time.Duration {
	if f.Window > 0 {
		return f.Window
	}

	return own
}

// observed reports whether something that began at a moment was observed for the whole of a window.
func (f *Facts) observed(since time.Time, window time.Duration) bool {
	return !since.After(f.Now.Add(-window))
}

// usedWithin reports whether a last use lies in a window. The zero time is no use.
func (f *Facts) usedWithin(last time.Time, window time.Duration) bool {
	return !last.IsZero() && last.After(f.Now.Add(-window))
}

// uses reports whether a permission was used in a window, or may have been: some calls are counted
// without telling their permissions apart.
func (f *Facts) uses(p string, window time.Duration) bool {
	for _, name := range []string{p, usage.Others} {
		if hour, ever := f.Used[name]; ever && f.usedWithin(hour.Add(time.Hour), window) {
			return true
		}
	}

	return false
}

// lastUse is the last use of the key, whichever record of it is the newer.
func (f *Facts) lastUse() time.Time {
	last := f.LastUsed
	for _, hour := range f.Used {
		last = latest(last, hour)
	}

	return last
}

// usedIn are the permissions of the data plane that were used in a window, in the catalogue's
// order.
func (f *Facts) usedIn(window time.Duration) []string {
	return slices.DeleteFunc(f.Catalogue.DataPlane(), func(p string) bool {
		return !f.uses(p, window)
	})
}

func latest(times ...time.Time) time.Time {
	return slices.MaxFunc(times, time.Time.Compare)
}
