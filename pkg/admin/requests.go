package admin

import (
	"context"
	"errors"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/usage"
)

func viewRequest(one usage.Request) api.Request {
	return api.Request{
		RequestID:   one.ID,
		At:          api.Time{Time: one.At},
		Method:      one.Method,
		Route:       one.Route,
		Path:        one.Path,
		Status:      one.Outcome.Status(),
		Outcome:     string(one.Outcome),
		Permission:  one.Permission,
		SourceIP:    one.SourceIP,
		UserAgent:   one.UserAgent,
		LatencyMs:   one.LatencyMs,
		Environment: string(one.Environment),
		OldSecret:   one.OldSecret,
		Omitted:     one.Omitted,
		KeyID:       one.KeyID,
		KeyVersion:  one.KeyVersion,
		API:         one.API,
	}
}

// KeyRequests returns the last calls of the request's key after a position, newest first, and the
// position of the next page: "" at the end.
func (s *ReportService) KeyRequests(
	ctx context.Context, r *Request, after string, limit int,
) (shown []api.Request, next string, err error) {
	requests, next, err := s.hot.Requests(ctx, r.key.Environment, r.key.ID, after, limit, r.now)
	return viewAll(requests, viewRequest), next, err
}

// RecordedRequest returns a call by its id, if it was recorded.
func (s *ReportService) RecordedRequest(
	ctx context.Context, r *Request, id string,
) (api.RecordedRequest, error) {
	one, _, err := s.recorded(ctx, r, id)
	if err != nil {
		return api.RecordedRequest{}, err
	}

	out := api.RecordedRequest{Request: viewRequest(one)}
	if one.Outcome != check.Allowed && one.Outcome != check.Unavailable {
		out.Steps = viewSteps(check.Recorded(one.Outcome, one.Permission))
	}

	return out, nil
}

// recorded finds a recorded call and its key. A call whose key the caller may not see is not found.
func (s *ReportService) recorded(
	ctx context.Context, r *Request, id string,
) (usage.Request, *apikey.Key, error) {
	hidden := Refuse(api.CodeNotFound, "There is no such call, or it was not kept.")

	one, found, err := s.hot.Request(ctx, id, r.now)
	switch {
	case err != nil:
		return one, nil, err
	case !found:
		return one, nil, hidden
	}

	k, err := s.visibleKey(ctx, r.call.Organization, one.KeyID)
	switch {
	case errors.Is(err, apikey.ErrNotFound):
		return one, nil, hidden
	case err != nil:
		return one, nil, err
	case !r.caller.SeesKey(k):
		return one, nil, hidden
	}

	return one, k, nil
}
