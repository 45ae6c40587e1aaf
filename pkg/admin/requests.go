package admin

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

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

// anyRefusal is what a filter calls every outcome but allowed.
const anyRefusal = "refused"

// CheckRequestFilter checks which calls are requested. Error: *InvalidError.
func CheckRequestFilter(in api.RequestFilter) error {
	f := &validator{}
	if in.Outcome != "" && !slices.Contains(RequestOutcomes(), in.Outcome) {
		f.add("query.outcome", "expected refused, or an outcome such as permission_denied", in.Outcome)
	}

	return f.err()
}

// RequestOutcomes are the outcomes that a filter of calls knows.
func RequestOutcomes() []string {
	out := []string{anyRefusal}
	for _, one := range check.Outcomes() {
		out = append(out, string(one))
	}

	return out
}

// KeyRequests returns the last calls of the request's key that match, after a position, newest
// first, and the position of the next page: "" at the end.
func (s *ReportService) KeyRequests(
	ctx context.Context, r *Request, asked api.RequestFilter, after string, limit int,
) ([]api.Request, string, error) {
	read := func(after string, limit int) ([]api.Request, string, error) {
		all, next, err := s.hot.Requests(ctx, r.key.Environment, r.key.ID, after, limit, r.now)
		return viewAll(all, viewRequest), next, err
	}
	if asked == (api.RequestFilter{}) {
		return read(after, limit)
	}

	return matching(after, limit, read, func(one api.Request) bool {
		route := one.Method + " " + cmp.Or(one.Route, one.Path)
		outcome := asked.Outcome == "" || one.Outcome == asked.Outcome ||
			asked.Outcome == anyRefusal && one.Outcome != string(check.Allowed)

		return outcome && (asked.Route == "" || route == asked.Route) &&
			(strings.Contains(one.RequestID, asked.Text) || strings.Contains(one.SourceIP, asked.Text))
	})
}

// mostRounds is how many pages of a list are read for one page of what matches.
const mostRounds = 3

// matching returns a page of what matches in a list that has no index for it, and the position after
// the last item that was looked at: "" at the end. The page is short, even empty, where few match,
// since what is read for it is bounded.
func matching[T any](
	after string, limit int, read func(after string, limit int) ([]T, string, error),
	matches func(T) bool,
) (page []T, next string, err error) {
	next = after
	for range mostRounds {
		var items []T
		if items, next, err = read(next, limit-len(page)); err != nil {
			return nil, "", err
		}

		for _, item := range items {
			if matches(item) {
				page = append(page, item)
			}
		}

		if next == "" || len(page) == limit {
			break
		}
	}

	return page, next, nil
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
