package store

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Bounds of DynamoDB, and what is left of them here so that no item comes near.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const (
	// maxItem is the most bytes that an item may have, names of attributes included.
	maxItem = 400 << 10
	// maxTransaction is the most bytes that the items of a transaction may have together.
	maxTransaction = 4 << 20
	// roomy is how large an item is made where there is a choice.
	roomy = 300 << 10
)

// fits finds the item of a transaction that is too large, before anything is sent. Errors:
// ErrTooLarge.
func fits(writes []Write) error {
	sum := 0
	for _, w := range writes {
		n := itemSize(w.item)
		if sum += n; n > maxItem || sum > maxTransaction {
			at := placeOf(w.item)
			return fmt.Errorf("%w: %s %s: %d bytes, %d in all", ErrTooLarge, at.partition, at.sort,
				n, sum)
		}
	}

	return nil
}

// itemSize is how many bytes DynamoDB counts of an item, or a few more.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
func itemSize(item map[string]types.AttributeValue) int {
	n := 0
	for name, value := range item {
		n += len(name) + valueSize(value)
	}

	return n
}

// maxNumber is the most bytes of a number: one for two digits, of which there are at most 38, and
// two more.
const maxNumber = 21

// nested is what an element of a list or a map costs beside its own bytes, and a list or a map
// beside its elements.
const (
	nested     = 1
	collection = 3
)

func valueSize(value types.AttributeValue) int {
	switch v := value.(type) {
	case *types.AttributeValueMemberS:
		return len(v.Value)
	case *types.AttributeValueMemberN:
		return min(maxNumber, len(v.Value)/2+3)
	case *types.AttributeValueMemberB:
		return len(v.Value)
	case *types.AttributeValueMemberM:
		n := collection
		for name, element := range v.Value {
			n += nested + len(name) + valueSize(element)
		}

		return n
	case *types.AttributeValueMemberL:
		n := collection
		for _, element := range v.Value {
			n += nested + valueSize(element)
		}

		return n
	default: // true, false and null; sets are never written
		return 1
	}
}
