package dynamo_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// busy leaves every item of a batch unprocessed.
type busy struct {
	dynamo.Client
	asked int
}

func (b *busy) BatchGet(
	_ context.Context, _ string, keys []dynamo.Key,
) ([]dynamo.Item, []dynamo.Key, error) {
	b.asked++
	return nil, keys, nil
}

func TestUnprocessedRowsAreNotAskedForAtOnce(t *testing.T) {
	t.Parallel()

	var pauses []time.Duration

	client := &busy{}
	table := dynamo.NewRows(client, "core")
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
