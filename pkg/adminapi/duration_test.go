package adminapi_test

import (
	"fmt"
	"net/http"
	"testing"
)

// Durations have weeks and years too, and one that is too long is told how long it may be.
func TestDurations(t *testing.T) {
	t.Parallel()
	o := newTenant(t)

	made := func(field, text string) (int, string) {
		t.Helper()

		fields := map[string]any{"name": "A key", "environment": "staging", field: text}
		if field == "window" {
			delete(fields, field)
			fields["rateLimits"] = []any{map[string]any{"name": "a", "limit": 5, "window": text}}
		}

		a := o.admin.Call(t, http.MethodPost, o.keys, fields)
		if a.Status != http.StatusUnprocessableEntity {
			return a.Status, ""
		}

		return a.Status, a.Refused(t, 422, "validation").Errors[0].Message
	}
	for _, text := range []string{
		"90s", "1m", "24h", "30d", "1w", "52w", "1y", "100y", "5200w", "36500d", "0000000000001d",
	} {
		if status, message := made("expiresIn", text); status != http.StatusCreated {
			t.Errorf("expiresIn %s: %d %s", text, status, message)
		}
	}

	const form = "expected a duration such as 30s, 1m, 24h, 30d, 2w or 1y"
	for field, tests := range map[string]map[string]string{
		"expiresIn": {
			"":                         form,
			"d":                        form,
			"1":                        form,
			"1M":                       form,
			"1W":                       form,
			"-1d":                      form,
			"+1d":                      form,
			"1 d":                      form,
			"1.5h":                     form,
			"１d":                       form,
			"1d1h":                     form,
			"0y":                       "expected at least 1s",
			"101y":                     "expected at most 100y",
			"36501d":                   "expected at most 100y",
			"99999999999999999999999y": "expected at most 100y",
		},
		"window": {
			"5w":                      "expected at most 30d",
			"1y":                      "expected at most 30d",
			"9999999999999999999999s": "expected at most 30d",
			"0s":                      "expected at least 1s",
			"x":                       form,
		},
	} {
		for text, want := range tests {
			if status, message := made(field, text); status != http.StatusUnprocessableEntity ||
				message != want {
				t.Errorf("%s %q: %d %q, want %q", field, text, status, message, want)
			}
		}
	}

	path := o.keys + "/" + o.first.Key.ID
	for query, want := range map[string]string{
		"2y":   "expected at most 400d",
		"58w":  "expected at most 400d",
		"0d":   "expected at least 1s",
		"year": form,
	} {
		p := o.admin.Call(t, http.MethodGet, path+"/advice?window="+query, nil).Refused(t,
			http.StatusBadRequest, "malformed")
		if p.Errors[0].Message != want {
			t.Errorf("advice of %s: %+v", query, p.Errors)
		}
	}

	o.admin.Call(t, http.MethodGet, path+"/advice?window=1y", nil).Want(t, http.StatusOK)

	if p := o.admin.Call(t, http.MethodPost, path+"/rotate", `{"overlap": "5w"}`).Refused(t, 422,
		"validation"); p.Errors[0].Message != "expected at most 30d" {
		t.Errorf("%+v", p.Errors)
	}

	var key struct {
		Key struct{ RateLimits []struct{ Window string } }
	}
	o.admin.Call(t, http.MethodPost, o.keys,
		body(`"rateLimits": [{"name": "a", "limit": 5, "window": "2w"}]`)).Want(t,
		http.StatusCreated).Into(t, &key)

	if got := fmt.Sprint(key.Key.RateLimits); got != "[{14d}]" {
		t.Errorf("a window of 2w is shown as %s", got)
	}
}
