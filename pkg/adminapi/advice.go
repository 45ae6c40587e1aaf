package adminapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/advice"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/hot"
)

func (a *API) registerAdvice() {
	const about = "Each item comes with the change that mends it, as a call to send as it " +
		"stands, and with what that change would have refused of the recorded calls of the last " +
		"7 days. " +
		"Nothing is called unused for a window longer than it was observed."
	register(a, operation{
		id:      organization.KeyAdvice,
		group:   GroupUsage,
		method:  http.MethodGet,
		path:    keyPath + "/advice",
		summary: "Advise how a key could be narrower",
		about:   about,
	}, a.keyAdvice)
	register(a, operation{
		id:      organization.ListAdvice,
		group:   GroupUsage,
		method:  http.MethodGet,
		path:    "/v1/organizations/{org}/advice",
		summary: "Advise on the keys that you see",
		about: about + " Active keys, newest first; limit counts keys, and a page may be " +
			"short, with a cursor to go on.",
	}, a.listAdvice)
}

// AdviceWindow is how long something has to be unused.
type AdviceWindow struct {
	Window string `query:"window" minLength:"1" maxLength:"20" example:"30d" doc:"How long something has to be unused, from 1s to 400d; absent: 30d, and 90d for keys that were used before"`

	window time.Duration // made by Resolve; 0 where it is absent
}

// Resolve implements huma.Resolver.
func (in *AdviceWindow) Resolve(ctx huma.Context) []error {
	u := ctx.URL()
	if !u.Query().Has("window") {
		return nil
	}

	f := &validator{}
	in.window = f.duration("query.window", in.Window, time.Second, hot.UsageRetention)
	return f.errors
}

type keyAdviceInput struct {
	KeyPath
	AdviceWindow
}

type keyAdviceOutput struct{ Body api.KeyAdvice }

func (a *API) keyAdvice(
	ctx context.Context, s *request, in *keyAdviceInput,
) (*keyAdviceOutput, error) {
	facts, err := a.facts(ctx, s, in.window, s.key)
	if err != nil {
		return nil, err
	}

	items, err := a.adviceItems(ctx, s, facts[0], requestsOfKey)
	if err != nil {
		return nil, err
	}

	return &keyAdviceOutput{api.KeyAdvice{
		ObservedSince: api.Time{Time: facts[0].ObservedSince().UTC()},
		Items:         append([]api.AdviceItem{}, items...),
	}}, nil
}

type listAdviceInput struct {
	OrganizationPath
	Page
	AdviceWindow
}

type listAdviceOutput struct{ Body api.AdvicePage }

const (
	// adviceChunk is how many keys are advised on at once.
	adviceChunk = 10
	// adviceTime is when a page ends, however many keys are on it: well before the function does.
	adviceTime = 5 * time.Second
)

func (a *API) listAdvice(
	ctx context.Context, s *request, in *listAdviceInput,
) (*listAdviceOutput, error) {
	filter := store.Filter{Status: apikey.Active, Viewer: viewer(s)}
	query := scope{
		List:         "advice",
		Organization: in.Org,
		Object:       in.window.String(),
		Filter:       filter,
	}

	after, err := a.readCursor(ctx, query, in.Cursor)
	if err != nil {
		return nil, err
	}

	page := api.AdvicePage{
		ObservedSince: api.Time{
			Time: later(s.organization.CreatedAt, s.now.Add(-hot.UsageRetention)).UTC(),
		},
		Items: []api.AdviceItem{},
	}

	end := s.now.Add(adviceTime)
	for keys := 0; ; {
		chunk, next, err := a.store.Keys(ctx, in.Org, filter, after,
			min(adviceChunk, in.Limit-keys), s.now)
		if err != nil {
			return nil, err
		}

		items, err := a.adviceOn(ctx, s, in.window, chunk)
		if err != nil {
			return nil, err
		}

		page.Items = append(page.Items, items...)

		keys, after = keys+len(chunk), next
		if after == "" || keys >= in.Limit || a.now().After(end) {
			break
		}
	}

	page.NextCursor, err = a.nextCursor(ctx, query, after)
	return &listAdviceOutput{page}, err
}

// later is the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}

	return b
}

// viewAdvice makes the shape of an item.
func viewAdvice(k *apikey.Key, i advice.Item, p *api.Preview) api.AdviceItem {
	out := api.AdviceItem{
		Code:     string(i.Code),
		Severity: string(i.Severity),
		KeyID:    k.ID,
		KeyName:  k.Name,
		Detail:   i.Detail,
		Change:   viewChange(k, i.Change),
		Preview:  p,
		Evidence: api.AdviceEvidence{
			ObservedSince: orNull(i.Evidence.ObservedSince.UTC()),
			Permission:    i.Evidence.Permission,
			Used:          i.Evidence.Used,
			LastUsedAt:    orNull(i.Evidence.LastUsed.UTC()),
			SecretSince:   orNull(i.Evidence.Since.UTC()),
		},
	}
	if i.Evidence.Window > 0 {
		out.Evidence.Window = formatDuration(i.Evidence.Window)
	}

	if i.Code == advice.NoLimit || i.Code == advice.RetiredSecretUsed {
		out.Evidence.Calls = &i.Evidence.Calls
	}

	return out
}

// viewChange makes the call of a change.
func viewChange(k *apikey.Key, c advice.Change) api.AdviceChange {
	path := "/v1/organizations/" + k.OrganizationID + "/keys/" + k.ID
	switch c.Action {
	case advice.Rotate:
		return api.AdviceChange{Method: http.MethodPost, Path: path + "/rotate", Body: c.Body}
	case advice.Look:
		return api.AdviceChange{Method: http.MethodGet, Path: path + "/requests"}
	default:
		return api.AdviceChange{Method: http.MethodPatch, Path: path, Body: c.Body}
	}
}
