package dynamo

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Bounds of DynamoDB, and what is left of them here so that no item comes near.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const (
	// MaxItem is the most bytes that an item may have, names of attributes included.
	MaxItem = 400 << 10
	// maxTransaction is the most bytes that the items of a transaction may have together.
	maxTransaction = 4 << 20
	// Roomy is how large an item is made where there is a choice.
	Roomy = 300 << 10
)

// fits finds the item of a transaction that is too large, before anything is sent. Errors:
// ErrTooLarge.
func fits(writes []Write) error {
	sum := 0
	for _, w := range writes {
		n := Size(w.Item)
		if sum += n; n > MaxItem || sum > maxTransaction {
			at := KeyOf(w.Item)
			return fmt.Errorf("%w: %s %s: %d bytes, %d in all", ErrTooLarge, at.Partition, at.Sort,
				n, sum)
		}
	}

	return nil
}

// Size is how many bytes DynamoDB counts of an item, or a few more.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
func Size(item Item) int {
	n := 0
	for name, value := range item {
		n += len(name) + valueSize(value)
	}

	return n
}

// MaxNumber is the most bytes of a number: one for two digits, of which there are at most 38, and
// two more.
const MaxNumber = 21

// What an element of a list or a map costs besides its own bytes, and a list or a map besides its
// elements.
const (
	Nested     = 1
	Collection = 3
)

func valueSize(value types.AttributeValue) int {
	switch v := value.(type) {
	case *types.AttributeValueMemberS:
		return len(v.Value)
	case *types.AttributeValueMemberN:
		return min(MaxNumber, len(v.Value)/2+3)
	case *types.AttributeValueMemberB:
		return len(v.Value)
	case *types.AttributeValueMemberM:
		n := Collection
		for name, element := range v.Value {
			n += Nested + len(name) + valueSize(element)
		}

		return n
	case *types.AttributeValueMemberL:
		n := Collection
		for _, element := range v.Value {
			n += Nested + valueSize(element)
		}

		return n
	default: // true, false and null; sets are never written
		return 1
	}
}
