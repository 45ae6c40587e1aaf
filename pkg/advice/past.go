package advice

import (
	"slices"
	"time"

	"github.com/bitting-keys/bitting/pkg/history"
)

// Recall adds a change of the key to the facts: the permissions that it gave, and whether it made
// the key usable again. Changes may come in any order. The entry of a new key has no values before.
func (f *Facts) Recall(e history.Entry) {
	changed := map[string]history.FieldChange{}
	for _, c := range e.Changes {
		changed[c.Field] = c
	}

	if again(changed, e.At) {
		f.UsableSince = latest(f.UsableSince, e.At)
	}

	permissions := changed["permissions"]
	// with all permissions, it already held what the change names
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

// again reports whether a change made the key usable again, after it was disabled, revoked or
// expired.
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

// names decodes a list of strings from the history.
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
