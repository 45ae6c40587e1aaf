package apply

import (
	"context"
	"errors"
	"strings"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/client"
)

// Mark is in the user agent of what is done by a file. By it, [Plan.Blame] knows its own changes in the
// history.
const Mark = "(apply)"

// pages is how many pages of an organization's history are read, newest first.
const pages = 5

// Blame finds which differences somebody made since: a field that had the file's value before somebody
// changed it otherwise than by a file. They are drift, and the others changes of the file. It reads a
// few pages of the organization's history; who may not read it gets changes only.
func (p *Plan) Blame(ctx context.Context, c *client.Client) error {
	type field struct{ kind, id, name string }

	open := map[field][]*Change{}
	for i := range p.Items {
		item := &p.Items[i]
		for j := range item.Changes {
			if item.Action == Update && (item.Kind == "key" || item.Kind == "organization" ||
				item.Kind == "customer") {
				f := field{item.Kind, item.ID, item.Changes[j].Field}
				open[f] = append(open[f], &item.Changes[j])
			}
		}
	}

	query := api.ListHistory{List: api.List{Limit: pageSize}}
	for range pages {
		if len(open) == 0 {
			break
		}

		page, err := c.ListHistoryPage(ctx, p.Organization, query)
		if errors.Is(err, client.ErrPermissionDenied) {
			return nil
		}

		if err != nil {
			return err
		}

		for _, e := range page.Items {
			for _, change := range e.Changes {
				for name, before := range was(change) {
					f := field{e.Object.Type, e.Object.ID, name}
					for _, difference := range open[f] {
						if !strings.HasSuffix(e.UserAgent, Mark) && same(name, before, difference.After) {
							difference.Drift = &Drift{By: e.Actor, At: e.At}
						}
					}

					delete(open, f) // the latest change of the field says it
				}
			}
		}

		if page.NextCursor == nil {
			break
		}

		query.Cursor = *page.NextCursor
	}

	p.settle()
	return nil
}

// was returns the values that a change changed, by the names that plans have.
func was(c api.FieldChange) map[string]any {
	before, settings := c.Before.(map[string]any)
	after, _ := c.After.(map[string]any)

	if c.Field == "revocation" {
		return map[string]any{"revoked": c.Before != nil}
	}

	if !settings || c.Field != "settings" {
		return map[string]any{c.Field: c.Before}
	}

	old, now := map[string]any{}, map[string]any{}
	flatten(old, "settings.", before)
	flatten(now, "settings.", after)

	for name, value := range old {
		if same(name, value, now[name]) {
			delete(old, name) // another setting was changed
		}
	}

	return old
}

// settle calls an item drift where all of it is.
func (p *Plan) settle() {
	for i := range p.Items {
		item := &p.Items[i]
		drifted := item.Action == Update && len(item.Changes) > 0 && item.Secret == ""

		for _, c := range item.Changes {
			drifted = drifted && c.Drift != nil
		}

		if drifted {
			item.Action = Differs
		}
	}
}
