package boot

import (
	"context"
	"log/slog"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// timestamp is the attribute that Lambda reads the time of a line from.
const timestamp = "timestamp"

// stamped formats the times of lines as all others: slog cuts off trailing zeros, so its own would
// not sort as text.
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

// Stamp formats the time in the same way, as slog's ReplaceAttr of another handler.
func Stamp(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
		return slog.String(a.Key, apikey.FormatTime(a.Value.Time()))
	}

	return a
}
