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

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/pepper"
)

// sealed makes the item of a row and seals it.
func sealed(p *pepper.Pepper, row any) (map[string]types.AttributeValue, error) {
	item, err := attributevalue.MarshalMap(row)
	if err != nil {
		return nil, fmt.Errorf("store: encode %T: %w", row, err)
	}
	item[sealPepperAttribute] = number(int64(p.Version()))
	text, err := canonical(item)
	if err != nil {
		return nil, fmt.Errorf("store: seal %T: %w", row, err)
	}
	item[sealAttribute] = &types.AttributeValueMemberB{Value: p.Seal(text)}
	return item, nil
}

// unseal checks the seal of an item, and only then reads it into a row. Every fault is ErrDamaged; a pepper that cannot be had is ErrUnavailable. The seal
// covers the item's place too: one that was moved is damaged.
func unseal(ctx context.Context, ring *pepper.Keyring, env apikey.Environment, item map[string]types.AttributeValue, row any, what string) error {
	version, ok := item[sealPepperAttribute].(*types.AttributeValueMemberN)
	seal, has := item[sealAttribute].(*types.AttributeValueMemberB)
	if !ok || !has {
		return damaged(what+" has no seal", nil)
	}
	n, err := strconv.Atoi(version.Value)
	if err != nil {
		return damaged(what, err)
	}
	p, err := ring.Version(ctx, env, n)
	switch {
	case errors.Is(err, pepper.ErrNotFound):
		return damaged(what, err)
	case err != nil:
		return unavailable("pepper", err)
	}
	text, err := canonical(item)
	if err != nil {
		return damaged(what, err)
	}
	if !hmac.Equal(p.Seal(text), seal.Value) {
		return damaged("the seal of "+what+" is broken", nil)
	}
	if err := attributevalue.UnmarshalMap(item, row); err != nil {
		return damaged(what, err)
	}
	return nil
}

// canonical is one byte string per item: every attribute but the seal, in the order of their names, each name and value with its length
// before it, so that no two items share one. It covers whatever stands in the row; an attribute that somebody adds breaks the seal as well as
// one that is changed or taken away.
func canonical(item map[string]types.AttributeValue) ([]byte, error) {
	out := make([]byte, 0, 1536) // a usual key row, so that a check allocates once
	return appendMap(out, item, sealAttribute)
}

func appendMap(out []byte, m map[string]types.AttributeValue, without string) ([]byte, error) {
	names := make([]string, 0, len(m))
	for name := range maps.Keys(m) {
		if name != without {
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
		return appendText(out, 'N', v.Value), nil // only whole numbers are written, which DynamoDB returns as they were sent
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
		return appendMap(out, v.Value, "")
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

func appendText(out []byte, kind byte, text string) []byte {
	return append(appendLength(append(out, kind), len(text)), text...)
}

func appendLength(out []byte, n int) []byte { return binary.AppendUvarint(out, uint64(n)) }
