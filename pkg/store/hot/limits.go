package hot

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/limit"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// tatPrefix starts the attribute of a limit's theoretical arrival time; its name follows. Each
// limit has an attribute of its own, so that one update expression can add to several.
const tatPrefix = "tat#"

// limitsItem is the state of limits without the TATs. The policy is in the same item as the numbers
// that it explains, so that one condition decides whether they can be added to.
type limitsItem struct {
	Policy    string           `dynamodbav:"policy"`
	Version   int64            `dynamodbav:"version"`
	Since     int64            `dynamodbav:"since"`
	Period    string           `dynamodbav:"period,omitempty"`
	Used      int64            `dynamodbav:"used"`
	DebtUntil int64            `dynamodbav:"debtUntil,omitempty"`
	DebtEach  int64            `dynamodbav:"debtEach,omitempty"`
	Spent     map[string]int64 `dynamodbav:"spent,omitempty"`
	Returns   int64            `dynamodbav:"returns,omitempty"`
	PurgeAt   int64            `dynamodbav:"purgeAt"`
}

func encodeLimits(s limit.Subject, state *limit.State) (dynamo.Item, error) {
	item, err := attributevalue.MarshalMap(limitsItem{
		Policy:    state.Policy,
		Version:   state.Version,
		Since:     state.Since,
		Period:    state.Period,
		Used:      state.Used,
		DebtUntil: state.Debt.Until,
		DebtEach:  state.Debt.Each,
		Spent:     state.Spent,
		Returns:   state.Returns,
		PurgeAt:   state.PurgeAt,
	})
	if err != nil {
		return nil, fmt.Errorf("store: encode limits: %w", err)
	}

	item = limitsRow(s).Of(item)
	for name, tat := range state.TAT {
		item[tatPrefix+name] = dynamo.Number(tat)
	}

	return item, nil
}

// decodeLimits returns nil if there is no item.
func decodeLimits(item dynamo.Item) (*limit.State, error) {
	if len(item) == 0 {
		return nil, nil
	}

	var row limitsItem
	if err := attributevalue.UnmarshalMap(item, &row); err != nil {
		return nil, dynamo.Damaged("limits", err)
	}

	state := &limit.State{
		Policy:  row.Policy,
		Version: row.Version,
		Since:   row.Since,
		TAT:     map[string]int64{},
		Period:  row.Period,
		Used:    row.Used,
		Debt:    limit.Debt{Until: row.DebtUntil, Each: row.DebtEach},
		Spent:   row.Spent,
		Returns: row.Returns,
		PurgeAt: row.PurgeAt,
	}
	for attribute, value := range item {
		name, ok := strings.CutPrefix(attribute, tatPrefix)
		if !ok {
			continue
		}

		var tat int64
		if err := attributevalue.Unmarshal(value, &tat); err != nil {
			return nil, dynamo.Damaged("limits: "+attribute, err)
		}

		state.TAT[name] = tat
	}

	return state, nil
}

// ReadLimits implements limit.Store. Errors: ErrDamaged, ErrUnavailable.
func (t *Table) ReadLimits(ctx context.Context, s limit.Subject) (*limit.State, error) {
	item, err := t.rows.Get(ctx, limitsRow(s))
	if err != nil {
		return nil, err
	}

	return decodeLimits(item)
}

// terms collects the parts of a conditional update, and numbers its names and values. It replaces
// the SDK's builder, which makes four times as many objects, since each check with limits waits for
// it.
type terms struct {
	conditions, sets, adds []string
	names                  map[string]string
	values                 dynamo.Item
}

func (e *terms) name(attribute string) string {
	name := "#" + strconv.Itoa(len(e.names))
	e.names[name] = attribute
	return name
}

func (e *terms) value(v types.AttributeValue) string {
	name := ":" + strconv.Itoa(len(e.values))
	e.values[name] = v
	return name
}

func (e *terms) number(n int64) string  { return e.value(dynamo.Number(n)) }
func (e *terms) text(s string) string   { return e.value(dynamo.Text(s)) }
func (e *terms) when(condition string)  { e.conditions = append(e.conditions, condition) }
func (e *terms) set(name, value string) { e.sets = append(e.sets, name+" = "+value) }
func (e *terms) add(name, value string) { e.adds = append(e.adds, name+" "+value) }

// ChargeLimits implements limit.Store. Errors: limit.ErrThrottled, ErrDamaged, ErrUnavailable.
func (t *Table) ChargeLimits(
	ctx context.Context, s limit.Subject, c limit.Charge,
) (*limit.State, bool, error) {
	e := &terms{names: map[string]string{}, values: dynamo.Item{}}
	e.when(e.name("policy") + " = " + e.text(c.Policy))

	for _, l := range c.Limits {
		name := e.name(tatPrefix + l.Name)
		if l.Full {
			e.when(name + " < " + e.number(l.Low))
			e.set(name, e.number(l.By))
			continue
		}

		e.when(name + " BETWEEN " + e.number(l.Low) + " AND " + e.number(l.High))
		e.add(name, e.number(l.By))
	}

	if q := c.Quota; q != nil {
		period, used := e.name("period"), e.name("used")
		if q.Begins {
			e.when(period + " < " + e.text(q.Period))
			e.set(period, e.text(q.Period))
			e.set(used, e.number(q.Calls))
		} else {
			e.when(period + " = " + e.text(q.Period))
			e.when(used + " <= " + e.number(q.Most))
			e.add(used, e.number(q.Calls))
		}
	}

	if c.Return.Of != limit.Nothing {
		returns := e.name("returns")

		none := "" // the attribute is absent until the first return
		if c.Return.Times == 0 {
			none = "attribute_not_exists(" + returns + ") OR "
		}

		e.when("(" + none + returns + " = " + e.number(c.Return.Times) + ")")

		if c.Return.Of == limit.Only {
			e.add(returns, e.number(1))
		}
	}

	e.set(e.name("purgeAt"), e.number(c.PurgeAt))

	update := "SET " + strings.Join(e.sets, ", ")
	if len(e.adds) > 0 {
		update += " ADD " + strings.Join(e.adds, ", ")
	}

	condition := strings.Join(e.conditions, " AND ")

	out, err := t.rows.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                           &t.rows.Name,
		Key:                                 limitsRow(s).Item(),
		UpdateExpression:                    &update,
		ConditionExpression:                 &condition,
		ExpressionAttributeNames:            e.names,
		ExpressionAttributeValues:           e.values,
		ReturnValues:                        types.ReturnValueAllNew,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if err != nil {
		return refusedCharge(err)
	}

	state, err := decodeLimits(out.Attributes)
	return state, err == nil, err
}

// ReplaceLimits implements limit.Store. The stored state must equal was in everything that counts:
// an equal number of another period does not match. Errors: limit.ErrThrottled, ErrDamaged,
// ErrUnavailable.
func (t *Table) ReplaceLimits(
	ctx context.Context, s limit.Subject, was, next *limit.State,
) (*limit.State, bool, error) {
	item, err := encodeLimits(s, next)
	if err != nil {
		return nil, false, err
	}

	e := &terms{names: map[string]string{}, values: dynamo.Item{}}
	if was == nil {
		e.when("attribute_not_exists(" + e.name(dynamo.PartitionAttribute) + ")")
	} else {
		e.when(e.name("policy") + " = " + e.text(was.Policy))
		e.when(e.name("since") + " = " + e.number(was.Since))

		if was.Period == "" {
			e.when("attribute_not_exists(" + e.name("period") + ")")
		} else {
			e.when(e.name("period") + " = " + e.text(was.Period))
		}

		e.when(e.name("used") + " = " + e.number(was.Used))

		for name, tat := range was.TAT {
			e.when(e.name(tatPrefix+name) + " = " + e.number(tat))
		}
	}

	condition := strings.Join(e.conditions, " AND ")

	in := &dynamodb.PutItemInput{
		TableName:                           &t.rows.Name,
		Item:                                item,
		ConditionExpression:                 &condition,
		ExpressionAttributeNames:            e.names,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	if len(e.values) > 0 { // DynamoDB refuses an empty map
		in.ExpressionAttributeValues = e.values
	}

	if _, err := t.rows.PutItem(ctx, in); err != nil {
		return refusedCharge(err)
	}

	return next, true, nil
}

// refusedCharge returns the current state if a write failed because its condition did not hold, and
// an error for every other failure.
func refusedCharge(err error) (*limit.State, bool, error) {
	var failed *types.ConditionalCheckFailedException
	if errors.As(err, &failed) {
		state, err := decodeLimits(failed.Item)
		return state, false, err
	}

	if throttled(err) {
		return nil, false, fmt.Errorf("%w: %w", limit.ErrThrottled, dynamo.Unavailable("limits", err))
	}

	return nil, false, dynamo.Unavailable("limits", err)
}

// throttled reports whether DynamoDB was asked for more than its capacity, after the SDK's retries.
func throttled(err error) bool {
	var throughput *types.ProvisionedThroughputExceededException
	var requests *types.RequestLimitExceeded
	var throttling *types.ThrottlingException
	return errors.As(err, &throughput) || errors.As(err, &requests) || errors.As(err, &throttling)
}
