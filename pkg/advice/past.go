package advice

import (
	"slices"
	"time"

	"github.com/bitting-keys/bitting/pkg/history"
)

// Recall takes a change of the key into the facts: the permissions that it gave, and whether it
// made the key usable again. Changes may come in any order. What the key was made with has no
// before.
func (f *Facts) Recall(e history.Entry) {
	changed := map[string]history.FieldChange{}
	for _, c := range e.Changes {
		changed[c.Field] = c
	}

	if again(changed, e.At) {
		f.UsableSince = latest(f.UsableSince, e.At)
	}

	permissions := changed["permissions"]
	// it held what it was given by name
	if permissions.Before == nil || changed["allPermissions"].Before == true {
		return
	}

	before := names(permissions.Before)
	for _, p := range names(permissions.After) {
		if !slices.Contains(before, p) {
			f.grant(p, e.At)
		}
	}
}

func (f *Facts) grant(p string, at time.Time) {
	if f.Granted == nil {
		f.Granted = map[string]time.Time{}
	}

	f.Granted[p] = latest(f.Granted[p], at)
}

// again reports whether a change ended what kept the key from being used: that it was disabled,
// revoked or expired.
func again(changed map[string]history.FieldChange, at time.Time) bool {
	enabled, revoked := changed["enabled"], changed["revocation"]
	if enabled.Before == false && enabled.After == true ||
		revoked.Before != nil && revoked.After == nil {
		return true
	}

	text, _ := changed["expiresAt"].Before.(string)
	end, err := time.Parse(time.RFC3339, text)
	return err == nil && !end.After(at)
}

// names reads a list of texts as history keeps it.
func names(value any) []string {
	list, _ := value.([]any)

	var out []string
	for _, element := range list {
		if name, ok := element.(string); ok {
			out = append(out, name)
		}
	}

	return out
}
