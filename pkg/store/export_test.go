package store

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// MostItem is the most bytes that DynamoDB takes of an item.
const MostItem = maxItem

// ItemSize is how many bytes DynamoDB counts of an item.
func ItemSize(item map[string]types.AttributeValue) int { return itemSize(item) }

// Pauses makes the tables wait as a test says, before they ask again.
func (t *Tables) Pauses(sleep func(ctx context.Context, d time.Duration) error) { t.sleep = sleep }
