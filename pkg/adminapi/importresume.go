package adminapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/bitting-keys/bitting/pkg/store"
)

// importReserve is how long before the end of its time an import begins no transaction any more:
// the last one ends in time, and so does the answer.
const importReserve = 3 * time.Second

// progress is what an import has done so far, in this call and in earlier ones with the same
// Idempotency-Key and body that were cut short. Each transaction leaves a receipt of the keys that
// it made, in one row after the other.
type progress struct {
	steps int             // receipts
	done  map[string]bool // ids of keys
}

// step is the receipt of the next transaction, which makes keys with these ids.
func (p *progress) step(call store.Receipt, ids []string) (store.Receipt, error) {
	answer, err := json.Marshal(ids)
	if err != nil {
		return store.Receipt{}, fmt.Errorf("encode progress: %w", err)
	}

	call.ID = p.next(call)
	call.Status = http.StatusAccepted
	call.Answer = answer
	return call, nil
}

// next names the receipt of the next transaction of a call.
func (p *progress) next(call store.Receipt) string {
	name := sha256.Sum256(fmt.Appendf(nil, "import|%s|%d", call.ID, p.steps))
	return hex.EncodeToString(name[:])
}

// follow reads what was done since it last looked. Without an Idempotency-Key nobody knows. Errors:
// a problem, where the call had another body before; those of the store.
func (i *importation) follow(ctx context.Context) error {
	for i.s.receipt != nil {
		step, err := i.store.Receipt(ctx, i.progress.next(*i.s.receipt), i.s.now)
		if err != nil || step == nil {
			return err
		}

		if !bytes.Equal(step.Body, i.s.receipt.Body) {
			return errOtherBody()
		}

		var ids []string
		if err := json.Unmarshal(step.Answer, &ids); err != nil {
			return fmt.Errorf("decode progress: %w", err)
		}

		for _, id := range ids {
			i.progress.done[id] = true
		}

		i.progress.steps++
	}

	return nil
}

// made reports whether this import made a key, and counts it.
func (i *importation) made(k importing) bool {
	if !i.progress.done[k.first] && !i.progress.done[k.rival] {
		return false
	}

	i.answer.Imported++
	return true
}

// unfinished is the answer of an import that ran out of time with some of its keys made.
func (i *importation) unfinished() *Problem {
	detail := fmt.Sprintf("There was no time for all: %d keys are imported so far. ",
		i.answer.Imported)
	if i.s.receipt == nil {
		return unavailable.with(detail + "Send the call again, which goes on from there and tells " +
			"these as duplicates; with an Idempotency-Key, a repeated call tells them as imported.")
	}

	return unavailable.with(detail + "Send the call again with the same Idempotency-Key, until it " +
		"is done: it goes on from there, and tells these as imported.")
}
