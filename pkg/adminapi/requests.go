package adminapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/usage"
)

func (a *API) registerRequests() {
	register(a, operation{
		id:      organization.KeyRequests,
		group:   GroupUsage,
		method:  http.MethodGet,
		path:    keyPath + "/requests",
		summary: "List a key's last calls",
		about: "Newest first, of the last 7 days. Refusals are all kept, up to one a second of a " +
			"key and instance after the first ten, and for wrong secrets one in ten seconds " +
			"after the first three; " +
			"of the allowed calls a sample, by the organization's sampleRequests. omitted counts " +
			"what was left out before. Never a body, a header or a secret.",
	}, a.keyRequests)
	register(a, operation{
		id:      organization.GetRequest,
		group:   GroupUsage,
		method:  http.MethodGet,
		path:    "/v1/organizations/{org}/requests/{requestId}",
		summary: "Show a call",
		about:   "By the requestId of its answer, where the call was kept.",
	}, a.getRequest)
}

func viewRequest(r usage.Request) api.Request {
	return api.Request{
		RequestID:   r.ID,
		At:          api.Time{Time: r.At},
		Method:      r.Method,
		Route:       r.Route,
		Path:        r.Path,
		Status:      r.Outcome.Status(),
		Outcome:     string(r.Outcome),
		Permission:  r.Permission,
		SourceIP:    r.SourceIP,
		UserAgent:   r.UserAgent,
		LatencyMs:   r.LatencyMs,
		Environment: string(r.Environment),
		OldSecret:   r.OldSecret,
		Omitted:     r.Omitted,
		KeyID:       r.KeyID,
		KeyVersion:  r.KeyVersion,
		API:         r.API,
	}
}

type keyRequestsInput struct {
	KeyPath
	Page
}

type requestPage api.Page[api.Request]

type keyRequestsOutput struct{ Body requestPage }

func (a *API) keyRequests(
	ctx context.Context, s *request, in *keyRequestsInput,
) (*keyRequestsOutput, error) {
	query := scope{List: "requests", Organization: in.Org, Object: s.key.ID}

	after, err := a.readCursor(ctx, query, in.Cursor)
	if err != nil {
		return nil, err
	}

	requests, next, err := a.hot.Requests(ctx,
		s.key.Environment, s.key.ID, after, in.Limit, s.now)
	if err != nil {
		return nil, err
	}

	out := &keyRequestsOutput{}

	out.Body.Items = make([]api.Request, 0, len(requests))
	for _, r := range requests {
		out.Body.Items = append(out.Body.Items, viewRequest(r))
	}

	out.Body.NextCursor, err = a.nextCursor(ctx, query, next)
	return out, err
}

type requestInput struct {
	OrganizationPath
	RequestID string `path:"requestId" maxLength:"128"`
}

type requestOutput struct{ Body api.RecordedRequest }

func (a *API) getRequest(
	ctx context.Context, s *request, in *requestInput,
) (*requestOutput, error) {
	r, _, err := a.recorded(ctx, s, in.Org, in.RequestID)
	if err != nil {
		return nil, err
	}

	out := &requestOutput{api.RecordedRequest{Request: viewRequest(r)}}
	if r.Outcome != check.Allowed && r.Outcome != check.Unavailable {
		out.Body.Steps = viewSteps(check.Recorded(r.Outcome, r.Permission))
	}

	return out, nil
}

// recorded finds a call that was kept, and its key. It is nobody's who may not see the key.
func (a *API) recorded(
	ctx context.Context, s *request, org, id string,
) (usage.Request, *apikey.Key, error) {
	hidden := notFound.with("There is no such call, or it was not kept.")

	r, found, err := a.hot.Request(ctx, id, s.now)
	switch {
	case err != nil:
		return r, nil, err
	case !found:
		return r, nil, hidden
	}

	k, err := a.visibleKey(ctx, org, r.KeyID)
	switch {
	case errors.Is(err, apikey.ErrNotFound):
		return r, nil, hidden
	case err != nil:
		return r, nil, err
	case !s.caller.SeesKey(k):
		return r, nil, hidden
	}

	return r, k, nil
}
