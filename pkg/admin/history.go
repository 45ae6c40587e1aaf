package admin

import (
	"context"
	"slices"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/history"
)

// KeyHistory returns the history of the request's key after a position, newest first, and the
// position of the next page: "" at the end.
func (s *ReportService) KeyHistory(
	ctx context.Context, r *Request, after string, limit int,
) (shown []api.Entry, next string, err error) {
	entries, next, err := s.store.History(ctx, r.call.Organization, "key", r.key.ID, after, limit)
	return viewAll(entries, viewEntry), next, err
}

// CheckHistoryFilter checks which entries are requested. Error: *InvalidError.
func CheckHistoryFilter(in api.HistoryFilter) error {
	f := &validator{}
	if in.Action != "" && !slices.Contains(history.Actions(), in.Action) {
		f.add("query.action", "expected an action such as key.created", in.Action)
	}

	return f.err()
}

// History does the same for the matching entries of all objects of the request's organization.
func (s *ReportService) History(
	ctx context.Context, r *Request, asked api.HistoryFilter, after string, limit int,
) ([]api.Entry, string, error) {
	read := func(after string, limit int) ([]api.Entry, string, error) {
		entries, next, err := s.store.OrganizationHistory(ctx, r.call.Organization, after, limit)
		return viewAll(entries, viewEntry), next, err
	}
	if asked == (api.HistoryFilter{}) {
		return read(after, limit)
	}

	return matching(after, limit, read, func(e api.Entry) bool {
		return (asked.Actor == "" || e.Actor.ID == asked.Actor) &&
			(asked.Action == "" || e.Action == asked.Action) &&
			(asked.Object == "" || e.Object.ID == asked.Object)
	})
}

func viewEntry(e history.Entry) api.Entry {
	return api.Entry{
		ID:             e.ID,
		At:             api.Time{Time: e.At},
		Action:         e.Action,
		OrganizationID: e.OrganizationID,
		Actor:          viewActor(e.Actor),
		SourceIP:       e.SourceIP,
		UserAgent:      e.UserAgent,
		Object:         api.Object(e.Object),
		Changes: viewAll(e.Changes, func(c history.FieldChange) api.FieldChange {
			return api.FieldChange(c)
		}),
		Reason:    e.Reason,
		RequestID: e.RequestID,
	}
}
