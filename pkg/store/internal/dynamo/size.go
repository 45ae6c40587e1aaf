package dynamo

import "fmt"

// DynamoDB's limits, and the smaller ones that keep items well below them.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const (
	// MaxItem is the most bytes in an item, including attribute names.
	MaxItem = 400 << 10
	// maxTransaction is the most bytes in the items of a transaction together.
	maxTransaction = 4 << 20
	// Roomy is the size that items are kept below if there is a choice.
	Roomy = 300 << 10
)

// fits returns an error if an item or the whole transaction is too large, before anything is sent.
// Errors: ErrTooLarge.
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

// Size returns an upper bound of the bytes that DynamoDB counts for an item, close to the number.
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

// The overhead of an element of a list or a map, and of a list or a map.
const (
	Nested     = 1
	Collection = 3
)

// valueSize returns the bytes of a value.
func valueSize(v Value) int {
	switch v.kind {
	case KindText, KindBinary:
		return len(v.text)
	case KindNumber:
		return min(MaxNumber, len(v.text)/2+3)
	case KindMap:
		n := Collection
		for name, element := range v.item {
			n += Nested + len(name) + valueSize(element)
		}

		return n
	case KindList:
		n := Collection
		for _, element := range v.list {
			n += Nested + valueSize(element)
		}

		return n
	default: // true, false and null
		return 1
	}
}
