package boot

import (
	"context"
	"log/slog"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// timestamp is where Lambda looks for the time of a line.
const timestamp = "timestamp"

// stamped writes the times of lines as all others are written: slog cuts zeros off at the end, so
// that its own would not sort as text.
type stamped struct{ slog.Handler }

// Handle implements slog.Handler.
func (h stamped) Handle(ctx context.Context, r slog.Record) error {
	at := r.Time
	r = r.Clone()
	r.Time = time.Time{} // which no handler writes
	r.AddAttrs(slog.String(timestamp, apikey.FormatTime(at)))
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h stamped) WithAttrs(attrs []slog.Attr) slog.Handler {
	return stamped{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h stamped) WithGroup(name string) slog.Handler { return stamped{h.Handler.WithGroup(name)} }

// Stamp is slog's ReplaceAttr for a handler of one's own, to the same end.
func Stamp(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
		return slog.String(a.Key, apikey.FormatTime(a.Value.Time()))
	}

	return a
}
