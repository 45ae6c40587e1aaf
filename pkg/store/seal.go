package store

import (
	"context"
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// administration is the environment whose pepper seals the rows that belong to no environment:
// organizations, members, customers, jobs and receipts.
const administration = apikey.Production

// sealed encodes a row for a place, and seals it.
func sealed(p *pepper.Pepper, at dynamo.Key, row any) (dynamo.Item, error) {
	item, err := attributevalue.MarshalMap(row)
	if err != nil {
		return nil, fmt.Errorf("store: encode %T: %w", row, err)
	}

	if err := putSeal(p, at.Of(item)); err != nil {
		return nil, fmt.Errorf("store: seal %T: %w", row, err)
	}

	return item, nil
}

// putSeal seals an item, and replaces its previous seal.
func putSeal(p *pepper.Pepper, item dynamo.Item) error {
	item[sealPepperAttribute] = dynamo.Number(int64(p.Version()))

	text, err := canonical(item)
	if err != nil {
		return err
	}

	item[sealAttribute] = &types.AttributeValueMemberB{Value: p.Seal(text)}
	return nil
}

// sealWrites seals the items of writes that asked for it.
func (s *Store) sealWrites(ctx context.Context, writes []Write) error {
	for _, w := range writes {
		if !w.sealed {
			continue
		}

		p, err := s.ring.Ensure(ctx, administration)
		if err != nil {
			return dynamo.Unavailable("pepper", err)
		}

		if err := putSeal(p, w.row.Item); err != nil {
			return fmt.Errorf("store: seal: %w", err)
		}
	}

	return nil
}

// unseal checks an item, and only then decodes it into a row.
func (s *Store) unseal(
	ctx context.Context, env apikey.Environment, item dynamo.Item, at dynamo.Key, row any,
	what string,
) error {
	if err := s.genuine(ctx, env, item, at, what); err != nil {
		return err
	}

	if err := attributevalue.UnmarshalMap(item, row); err != nil {
		return dynamo.Damaged(what, err)
	}

	return nil
}

// genuine checks that the store wrote an item for this place: the seal covers the item's keys, and
// those must be the ones that were read. Errors: ErrDamaged; ErrUnavailable if the pepper is
// unavailable.
func (s *Store) genuine(
	ctx context.Context, env apikey.Environment, item dynamo.Item, at dynamo.Key, what string,
) error {
	version, ok := item[sealPepperAttribute].(*types.AttributeValueMemberN)

	seal, has := item[sealAttribute].(*types.AttributeValueMemberB)
	if !ok || !has {
		return dynamo.Damaged(what+" has no seal", nil)
	}

	n, err := strconv.Atoi(version.Value)
	if err != nil {
		return dynamo.Damaged(what, err)
	}

	// An unknown version is damage, not an outage: a forged row could name any.
	p, err := s.ring.Version(ctx, env, n)
	switch {
	case errors.Is(err, pepper.ErrNotFound):
		return dynamo.Damaged(what, err)
	case err != nil:
		return dynamo.Unavailable("pepper", err)
	}

	text, err := canonical(item)
	if err != nil {
		return dynamo.Damaged(what, err)
	}

	if !hmac.Equal(p.Seal(text), seal.Value) {
		return dynamo.Damaged("the seal of "+what+" is broken", nil)
	}

	if dynamo.KeyOf(item) != at {
		return dynamo.Damaged(what+" stands in the wrong place", nil)
	}

	return nil
}

// object reads an item that MarshalJSONTags encoded and Commit sealed, strongly consistent. It
// returns missing if there is none.
func object[T any](
	ctx context.Context, s *Store, at dynamo.Key, what string, missing error,
) (*T, error) {
	item, err := s.get(ctx, at)
	if err != nil {
		return nil, err
	}

	if item == nil {
		return nil, missing
	}

	return decode[T](ctx, s, item, at, what)
}

// decode checks the seal of an item that MarshalJSONTags encoded, and only then decodes it.
func decode[T any](
	ctx context.Context, s *Store, item dynamo.Item, at dynamo.Key, what string,
) (*T, error) {
	if err := s.genuine(ctx, administration, item, at, what); err != nil {
		return nil, err
	}

	out := new(T)
	if err := dynamo.UnmarshalJSONTags(item, out); err != nil {
		return nil, dynamo.Damaged(what, err)
	}

	return out, nil
}

// decodeAll decodes the items of a list, all of one partition. A damaged one is logged and left
// out: it must not hide all others. left is its error.
func decodeAll[T any](
	ctx context.Context, s *Store, items []dynamo.Item, partition, what string,
) (out []T, left, err error) {
	for _, item := range items {
		row, err := decode[T](ctx, s, item, dynamo.At(partition, dynamo.KeyOf(item).Sort), what)
		switch {
		case errors.Is(err, ErrDamaged):
			s.logger.ErrorContext(ctx, "a damaged row is left out of a list",
				"row", what, "error", err)
			left = err
		case err != nil:
			return nil, nil, err
		default:
			out = append(out, *row)
		}
	}

	return out, left, nil
}

// canonical returns a unique encoding of an item: all attributes but the seal and the pace, sorted
// by name, each name and value prefixed with its length. An attribute that is added, changed or
// removed breaks the seal.
func canonical(item dynamo.Item) ([]byte, error) {
	out := make([]byte, 0, 1536) // a usual key row, so that a check allocates once
	return appendMap(out, item, sealAttribute, paceAttribute)
}

func appendMap(out []byte, m dynamo.Item, without ...string) ([]byte, error) {
	names := make([]string, 0, len(m))
	for name := range maps.Keys(m) {
		if !slices.Contains(without, name) {
			names = append(names, name)
		}
	}

	slices.Sort(names)
	out = appendLength(append(out, 'M'), len(names))

	var err error
	for _, name := range names {
		out = appendText(out, 'K', name)
		if out, err = appendValue(out, m[name]); err != nil {
			return nil, fmt.Errorf("attribute %s: %w", name, err)
		}
	}

	return out, nil
}

func appendValue(out []byte, value types.AttributeValue) ([]byte, error) {
	switch v := value.(type) {
	case *types.AttributeValueMemberS:
		return appendText(out, 'S', v.Value), nil
	case *types.AttributeValueMemberN:
		return appendNumber(out, v.Value)
	case *types.AttributeValueMemberB:
		return append(appendLength(append(out, 'B'), len(v.Value)), v.Value...), nil
	case *types.AttributeValueMemberBOOL:
		if v.Value {
			return append(out, 'T'), nil
		}

		return append(out, 'F'), nil
	case *types.AttributeValueMemberNULL:
		return append(out, '0'), nil
	case *types.AttributeValueMemberM:
		return appendMap(out, v.Value)
	case *types.AttributeValueMemberL:
		out = appendLength(append(out, 'L'), len(v.Value))

		var err error
		for _, element := range v.Value {
			if out, err = appendValue(out, element); err != nil {
				return nil, err
			}
		}

		return out, nil
	default: // sets come back in any order, and are never written
		return nil, fmt.Errorf("a %T has no canonical form", value)
	}
}

// appendNumber appends a whole number as it is spelled, since DynamoDB keeps that, and any other
// number by its value: 0.10 and 1E-1 are equal.
func appendNumber(out []byte, number string) ([]byte, error) {
	if !strings.ContainsAny(number, ".eE") {
		return appendText(out, 'N', number), nil
	}

	value, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return nil, err
	}

	return appendText(out, 'N', strconv.FormatFloat(value, 'e', -1, 64)), nil
}

func appendText(out []byte, kind byte, text string) []byte {
	return append(appendLength(append(out, kind), len(text)), text...)
}

func appendLength(out []byte, n int) []byte { return binary.AppendUvarint(out, uint64(n)) }
