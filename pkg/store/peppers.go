package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// Peppers reads and writes the wrapped peppers in the table core, and counts what needs them:
// everything that can be read without a pepper. It implements pepper.Rows.
type Peppers struct{ core *dynamo.Table }

// NewPeppers returns the peppers in the table core, given the table's name.
func NewPeppers(client Client, core string) *Peppers {
	return &Peppers{dynamo.NewTable(client, core)}
}

const pepperPrefix = "v"

type pepperItem struct {
	Ciphertext []byte `dynamodbav:"ciphertext,omitempty"` // absent if it is retired
	CreatedAt  string `dynamodbav:"createdAt"`
	RetiredAt  string `dynamodbav:"retiredAt,omitempty"`
}

// Peppers implements pepper.Rows.
func (p *Peppers) Peppers(ctx context.Context, env apikey.Environment) ([]pepper.Wrapped, error) {
	item, err := p.core.Get(ctx, ringRow(env))
	if err != nil {
		return nil, err
	}

	var out []pepper.Wrapped
	for name, value := range item {
		if name == dynamo.PartitionAttribute || name == dynamo.SortAttribute {
			continue
		}

		version, err := strconv.Atoi(strings.TrimPrefix(name, pepperPrefix))
		if err != nil || name != pepperPrefix+strconv.Itoa(version) {
			return nil, dynamo.Damaged("pepper: attribute "+name, err)
		}

		var row pepperItem
		if err := attributevalue.Unmarshal(value, &row); err != nil {
			return nil, dynamo.Damaged("pepper", err)
		}

		times := dynamo.Times{}

		w := pepper.Wrapped{
			Version:    version,
			Ciphertext: row.Ciphertext,
			CreatedAt:  times.Read(row.CreatedAt),
			RetiredAt:  times.Read(row.RetiredAt),
		}
		if times.Err != nil {
			return nil, dynamo.Damaged("pepper", times.Err)
		}

		out = append(out, w)
	}

	return out, nil
}

// AddPepper implements pepper.Rows. Each version is an attribute of its own, so two processes that
// make the same version cannot both win.
func (p *Peppers) AddPepper(ctx context.Context, env apikey.Environment, w pepper.Wrapped) error {
	name := expression.Name(pepperPrefix + strconv.Itoa(w.Version))

	err := p.core.Update(ctx, ringRow(env), expression.Set(name, expression.Value(pepperItem{
		Ciphertext: w.Ciphertext,
		CreatedAt:  dynamo.FormatTime(w.CreatedAt),
	})), name.AttributeNotExists(), "add pepper")
	if errors.Is(err, dynamo.ErrCondition) {
		return pepper.ErrExists
	}

	return err
}

// ErrPeppersStale is returned if the peppers have changed meanwhile.
var ErrPeppersStale = fmt.Errorf("store: the peppers: %w", apikey.ErrStale)

// Retire removes a wrapped pepper for good and leaves a note of it, so that its number is not used
// again. It requires a newer version. The caller must know that nothing needs the old one. Errors:
// ErrPeppersStale, ErrUnavailable.
func (p *Peppers) Retire(
	ctx context.Context, env apikey.Environment, version, newer int, at time.Time,
) error {
	if newer <= version {
		return ErrPeppersStale
	}

	of := func(version int, part string) expression.NameBuilder {
		return expression.Name(pepperPrefix + strconv.Itoa(version) + "." + part)
	}

	err := p.core.Update(ctx, ringRow(env),
		expression.Set(of(version, "retiredAt"), expression.Value(dynamo.FormatTime(at))).
			Remove(of(version, "ciphertext")),
		of(version, "ciphertext").AttributeExists().
			And(of(newer, "ciphertext").AttributeExists()),
		"retire pepper")
	if errors.Is(err, dynamo.ErrCondition) {
		return ErrPeppersStale
	}

	return err
}
