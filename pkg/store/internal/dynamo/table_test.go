package dynamo_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// busy leaves every item of a batch for later, and counts how often it is asked.
type busy struct {
	dynamo.Client
	asked int
}

// BatchGetItem implements dynamo.Client.
func (b *busy) BatchGetItem(
	_ context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options),
) (*dynamodb.BatchGetItemOutput, error) {
	b.asked++
	return &dynamodb.BatchGetItemOutput{UnprocessedKeys: in.RequestItems}, nil
}

// Before what was left is asked for again some time passes, longer each time: who asks at once is
// what keeps DynamoDB from answering. A caller who has gone away is not waited for.
func TestUnprocessedRowsAreNotAskedForAtOnce(t *testing.T) {
	t.Parallel()

	var pauses []time.Duration

	client := &busy{}
	table := dynamo.NewTable(client, "core")
	table.Pause = func(_ context.Context, d time.Duration) error {
		pauses = append(pauses, d)
		return nil
	}

	keys := []dynamo.Key{dynamo.At("a", "key"), dynamo.At("b", "key")}
	if _, err := table.BatchGet(t.Context(), keys); !errors.Is(err, dynamo.ErrUnavailable) {
		t.Error(err)
	}

	if client.asked != len(pauses)+1 || len(pauses) < 3 {
		t.Errorf("asked %d times, with the pauses %v", client.asked, pauses)
	}

	for i, d := range pauses {
		if longest := 20 * time.Millisecond << i; d < longest/2 || d > longest {
			t.Errorf("pause %d of %v", i, d)
		}
	}

	client.asked = 0
	table.Pause = func(context.Context, time.Duration) error { return context.Canceled }

	if _, err := table.BatchGet(t.Context(), keys); !errors.Is(err, dynamo.ErrUnavailable) ||
		client.asked != 1 {
		t.Errorf("asked %d times for nobody, %v", client.asked, err)
	}
}
