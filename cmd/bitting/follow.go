package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"time"

	"github.com/spf13/cobra"

	"github.com/bitting-keys/bitting/cmd/bitting/output"
	"github.com/bitting-keys/bitting/pkg/client"
)

// watching are the flags of what can be watched.
type watching struct {
	on    bool
	every time.Duration
}

// fastest is the shortest time between two looks, each of which is a call of the API.
const fastest = time.Second

func (w *watching) flags(c *cobra.Command) {
	c.Flags().BoolVarP(&w.on, "watch", "w", false, "look again and again, until Ctrl-C")
	c.Flags().DurationVar(&w.every, "interval", 3*time.Second,
		"with --watch: how long between two looks, at least 1s")
}

func (w *watching) check(s *session) error {
	switch {
	case !w.on && s.command.Flags().Changed("interval"):
		return usage(errors.New("--interval goes with --watch"))
	case w.every < fastest:
		return usage(fmt.Errorf("--interval %v: expected at least %v", w.every, fastest))
	case !w.on || s.out.Format == output.JSONL:
		return nil
	case s.out.Format != output.Table || output.NewLive(s.out.Out, getenv) == nil:
		return usage(errors.New("--watch draws a table on a terminal; for programs, --output jsonl writes " +
			"a line for each change"))
	}

	return nil
}

// watch shows what look finds, again and again until it is over. To programs it writes an object a
// line, when it is another one.
func watch[T any](
	ctx context.Context, s *session, w watching,
	look func(context.Context) (T, error), show func(*session, T) error, over func(T) bool,
) error {
	pace := pace{first: w.every, longest: w.every}

	if s.out.Format == output.JSONL {
		var last any

		return poll(ctx, s, pace, look, func(at T) (bool, error) {
			if reflect.DeepEqual(last, any(at)) {
				return over(at), nil
			}

			last = at
			return over(at), json.NewEncoder(s.out.Out).Encode(at)
		})
	}

	live := output.NewLive(s.out.Out, getenv)
	if s.live != nil { // what is said meanwhile stands above
		live = s.live
		live.On(s.out.Out.(*os.File)) // a terminal is one
	}

	return poll(ctx, s, pace, look, func(at T) (bool, error) {
		frame, err := s.out.Frame(func(p *output.Printer) error {
			framed := *s
			framed.out = p
			return show(&framed, at)
		})
		live.Draw(frame)
		return over(at), err
	})
}

// pace is how long to wait between looks: at first, and at last.
type pace struct{ first, longest time.Duration }

// patient is the pace of waiting for what may be over soon.
func patient() pace { return pace{first: 200 * time.Millisecond, longest: 5 * time.Second} }

// longestOutage is for how long nothing has to answer until what waits for it gives up.
const longestOutage = 5 * time.Minute

// poll looks again and again until seen says that it is over. If there is no answer after the first
// one, it says so and goes on for a while.
func poll[T any](
	ctx context.Context, s *session, p pace, look func(context.Context) (T, error),
	seen func(T) (over bool, err error),
) error {
	var since time.Time // of an outage

	for first, wait := true, p.first; ; wait = min(2*wait, p.longest) {
		at, err := look(ctx)

		after := wait

		switch {
		case ctx.Err() != nil:
			return errInterrupted
		case err == nil:
			if !since.IsZero() {
				since = time.Time{}
				s.say("It answers again.")
			}

			if over, err := seen(at); over || err != nil {
				return err
			}
		case first || exitCode(err) != exitUnavailable:
			return err
		default:
			var refused *client.Error
			if errors.As(err, &refused) {
				after = max(wait, refused.RetryAfter)
			}

			if since.IsZero() {
				since = time.Now()
				s.say("No answer, so this goes on as soon as there is one: %s", s.out.Text(err.Error()))
			}

			if time.Since(since)+after > longestOutage {
				return err
			}
		}

		first = false

		select {
		case <-ctx.Done():
			return errInterrupted
		case <-time.After(after):
		}
	}
}

// progress draws how far something is, at a terminal. It reports whether somebody sees that.
func (s *session) progress(done, total int, what string) bool {
	if s.live == nil {
		return false
	}

	s.live.Draw(output.Bar(done, total) + " " + output.Visible(what))
	return true
}
