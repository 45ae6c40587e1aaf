package store

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

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
