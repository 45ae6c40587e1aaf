package hot

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/bitting-keys/bitting/pkg/limit"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// tatPrefix starts the attribute of a limit's theoretical arrival time; its name follows. Each
// limit has an attribute of its own, so that one update expression can add to several.
const tatPrefix = "tat#"

// encodeLimits encodes the state of limits. The policy is in the same item as the numbers that it
// explains, so that one condition decides whether they can be added to.
func encodeLimits(s limit.Subject, state *limit.State) dynamo.Item {
	item := limitsRow(s).Item()
	item["policy"] = dynamo.Text(state.Policy)
	item["version"] = dynamo.Number(state.Version)
	item["since"] = dynamo.Number(state.Since)
	item.PutText("period", state.Period)
	item["used"] = dynamo.Number(state.Used)
	item.PutInt("debtUntil", state.Debt.Until)
	item.PutInt("debtEach", state.Debt.Each)
	item.PutNumbers("spent", state.Spent)
	item.PutInt("returns", state.Returns)
	item[dynamo.PurgeAttribute] = dynamo.Number(state.PurgeAt)

	for name, tat := range state.TAT {
		item[tatPrefix+name] = dynamo.Number(tat)
	}

	return item
}

// decodeLimits returns nil if there is no item.
func decodeLimits(item dynamo.Item) (*limit.State, error) {
	if len(item) == 0 {
		return nil, nil
	}

	f := dynamo.Read(item)

	state := &limit.State{
		Policy:  f.Text("policy"),
		Version: f.Int("version"),
		Since:   f.Int("since"),
		TAT:     map[string]int64{},
		Period:  f.Text("period"),
		Used:    f.Int("used"),
		Debt:    limit.Debt{Until: f.Int("debtUntil"), Each: f.Int("debtEach")},
		Spent:   f.Numbers("spent"),
		Returns: f.Int("returns"),
		PurgeAt: f.Int(dynamo.PurgeAttribute),
	}
	for attribute := range item {
		if name, ok := strings.CutPrefix(attribute, tatPrefix); ok {
			state.TAT[name] = f.Int(attribute)
		}
	}

	if err := f.Err(); err != nil {
		return nil, dynamo.Damaged("limits", err)
	}

	return state, nil
}

// ReadLimits implements limit.Store. Errors: ErrDamaged, ErrUnavailable.
func (m *Meter) ReadLimits(ctx context.Context, s limit.Subject) (*limit.State, error) {
	item, err := m.rows.Get(ctx, limitsRow(s))
	if err != nil {
		return nil, err
	}

	return decodeLimits(item)
}

// ChargeLimits implements limit.Store. Errors: limit.ErrThrottled, ErrDamaged, ErrUnavailable.
func (m *Meter) ChargeLimits(
	ctx context.Context, s limit.Subject, c limit.Charge,
) (*limit.State, bool, error) {
	conditions := []dynamo.Condition{}
	when := func(c dynamo.Condition) { conditions = append(conditions, c) }
	update := dynamo.Update{}

	for _, l := range c.Limits {
		attribute := tatPrefix + l.Name
		if l.Full {
			when(dynamo.Below(dynamo.Number(l.Low), attribute))
			update = update.Set(dynamo.Number(l.By), attribute)
			continue
		}

		when(dynamo.Between(dynamo.Number(l.Low), dynamo.Number(l.High), attribute))
		update = update.Add(l.By, attribute)
	}

	if q := c.Quota; q != nil {
		period := dynamo.Text(q.Period)
		if q.Begins {
			when(dynamo.Below(period, "period"))
			update = update.Set(period, "period").Set(dynamo.Number(q.Calls), "used")
		} else {
			when(dynamo.Is(period, "period"))
			when(dynamo.AtMost(dynamo.Number(q.Most), "used"))
			update = update.Add(q.Calls, "used")
		}
	}

	if c.Return.Of != limit.Nothing {
		returns := dynamo.Is(dynamo.Number(c.Return.Times), "returns")
		if c.Return.Times == 0 { // the attribute is absent until the first return
			returns = dynamo.Absent("returns").Or(returns)
		}

		when(returns)

		if c.Return.Of == limit.Only {
			update = update.Add(1, "returns")
		}
	}

	update = update.Set(dynamo.Number(c.PurgeAt), dynamo.PurgeAttribute)

	item, err := m.rows.UpdateAndGet(ctx, limitsRow(s), update,
		dynamo.Is(dynamo.Text(c.Policy), "policy").And(conditions...), "limits")
	return charged(item, err)
}

// ReplaceLimits implements limit.Store. The stored state must equal was in everything that counts:
// an equal number of another period does not match. Errors: limit.ErrThrottled, ErrDamaged,
// ErrUnavailable.
func (m *Meter) ReplaceLimits(
	ctx context.Context, s limit.Subject, was, next *limit.State,
) (*limit.State, bool, error) {
	item, err := m.rows.PutOrGet(ctx, encodeLimits(s, next), sameLimits(was), "limits")
	if err == nil {
		return next, true, nil
	}

	return charged(item, err)
}

// sameLimits returns the condition that the stored state is this one; that there is none if it is
// nil.
func sameLimits(was *limit.State) dynamo.Condition {
	if was == nil {
		return dynamo.IsNew
	}

	period := dynamo.Absent("period")
	if was.Period != "" {
		period = dynamo.Is(dynamo.Text(was.Period), "period")
	}

	same := []dynamo.Condition{
		dynamo.Is(dynamo.Number(was.Since), "since"),
		period,
		dynamo.Is(dynamo.Number(was.Used), "used"),
	}
	for name, tat := range was.TAT {
		same = append(same, dynamo.Is(dynamo.Number(tat), tatPrefix+name))
	}

	return dynamo.Is(dynamo.Text(was.Policy), "policy").And(same...)
}

// charged returns the state after a write of limits; the current one, and false, if its condition
// did not hold.
func charged(item dynamo.Item, err error) (*limit.State, bool, error) {
	switch {
	case errors.Is(err, dynamo.ErrCondition):
		state, err := decodeLimits(item)
		return state, false, err
	case dynamo.Throttled(err):
		return nil, false, fmt.Errorf("%w: %w", limit.ErrThrottled, err)
	case err != nil:
		return nil, false, err
	}

	state, err := decodeLimits(item)
	return state, err == nil, err
}
