package usage_test

import (
	"runtime"
	"strings"
	"testing"
	"unsafe"
	"weak"

	"github.com/bitting-keys/bitting/pkg/check"
)

// Texts of a call are parts of a whole event, with the secret that was sent. A recorder keeps some of
// them for hours, and must keep none of the rest.
func TestKeepsNothingOfAnEvent(t *testing.T) {
	t.Parallel()
	s, c := newShelf(1), newClock()
	r := newRecorder(s, c)

	record := func(outcome check.Outcome) weak.Pointer[byte] {
		event := strings.Repeat("an-event-with-a-secret ", 100)
		call := aCall(c.Now(), event[3:8])
		call.Outcome = outcome
		call.SampleRate = 1
		call.API, call.Customer, call.Route = event[:2], event[9:13], event[14:22]
		call.RequestID, call.Method, call.Path = event[30:40], event[50:53], event[60:70]
		call.UserAgent = event[100:]
		r.Record(call)
		return weak.Make(unsafe.StringData(event))
	}

	for _, outcome := range []check.Outcome{check.Allowed, check.Inactive, check.WrongSecret} {
		if kept := record(outcome); !gone(kept) {
			t.Errorf("%s: an event is kept", outcome)
		}
	}

	runtime.KeepAlive(r)
}

// gone reports whether nothing refers to a text any more.
func gone(kept weak.Pointer[byte]) bool {
	for range 3 {
		if runtime.GC(); kept.Value() == nil {
			return true
		}
	}

	return false
}
