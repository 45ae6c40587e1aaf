package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// recovery is how soon after an overload all must be well.
const recovery = 5 * time.Second

// overload calls at a rate that is too much, and then sees how soon it is over.
func overload(ctx context.Context, d *deployment, l *load, rate float64, lasts time.Duration) error {
	loaded, cancel := context.WithTimeout(ctx, lasts)
	defer cancel()

	over := make(chan struct{})

	go func() {
		defer close(over)

		l.at(loaded, rate)
	}()

	tick := time.NewTicker(lasts / parts)
	defer tick.Stop()

	var (
		failed []error
		wrongs int
	)

	for loaded.Err() == nil {
		select {
		case <-loaded.Done():
			continue
		case <-tick.C:
		}

		t := l.since()

		memory, err := d.memory()
		if err != nil {
			return err
		}

		if t.wrongs > 0 {
			wrongs += t.wrongs
			failed = append(failed, errors.New(t.wrong[0]))
		}

		l.say("%s: %v, p50 %.0f ms, p99 %.0f ms, %.0f MiB, %d wrong %v, %d not made",
			time.Now().UTC().Format(time.TimeOnly), t.status, ms(t.percentile(0.5)),
			ms(t.percentile(0.99)), memory, t.wrongs, t.wrong, t.missed)
	}

	if err := ctx.Err(); err != nil {
		return err
	}

	took, err := l.well(ctx)
	<-over

	t := l.since()
	if t.wrongs > 0 {
		wrongs += t.wrongs
		failed = append(failed, errors.New(t.wrong[0]))
	}

	l.say("well again after %v; %v afterwards, %d wrong %v", took.Round(time.Millisecond),
		t.status, t.wrongs, t.wrong)

	if took > recovery {
		err = errors.Join(err, fmt.Errorf("it took %v to be well again", took))
	}

	if wrongs > 0 {
		err = errors.Join(err, fmt.Errorf("%d answers were wrong", wrongs), failed[0])
	}

	return err
}

// quick is how long an answer takes at most where all is well.
const quick = time.Second

// well calls until twenty calls in a row are right and quick, and returns when the first of them
// began.
func (l *load) well(ctx context.Context) (time.Duration, error) {
	began := time.Now()

	for right, first := 0, time.Duration(0); ; {
		if right == 0 {
			first = time.Since(began)
		}

		c, called := l.keys[right], time.Now()

		err := l.expect(ctx, c.secret, c.want)
		if right++; err != nil || time.Since(called) > quick {
			right = 0
		}

		switch {
		case right == 20:
			return first, nil
		case time.Since(began) > time.Minute:
			return time.Minute, errors.Join(errors.New("it is not well after a minute"), err)
		case ctx.Err() != nil:
			return 0, ctx.Err()
		}
	}
}
