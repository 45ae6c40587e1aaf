package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
)

// sample is what was seen in a part of the time.
type sample struct {
	memory float64
	p99    time.Duration
}

// parts is how many samples are taken.
const parts = 20

// soak calls at a rate while keys are administered.
func soak(ctx context.Context, d *deployment, l *load, rate float64, lasts time.Duration) error {
	before, err := processorTimes()
	if err != nil {
		return err
	}

	ctx, cancel := context.WithTimeout(ctx, lasts)
	defer cancel()

	var (
		all      sync.WaitGroup
		changed  int
		failures []error
		samples  []sample
	)

	all.Go(func() { l.at(ctx, rate) })
	all.Go(func() { changed, failures = administer(ctx, d, l) })

	tick := time.NewTicker(lasts / parts)
	defer tick.Stop()

	wrong := 0

	for len(samples) < parts-1 {
		select {
		case <-ctx.Done():
			all.Wait()

			return ctx.Err()
		case <-tick.C:
		}

		t := l.since()

		memory, err := d.memory()
		if err != nil {
			return err
		}

		now, err := processorTimes()
		if err != nil {
			return err
		}

		wrong += t.wrongs + t.status[http.StatusServiceUnavailable] + t.missed
		samples = append(samples, sample{memory, t.percentile(0.99)})
		l.say("%s: %v, p50 %.1f ms, p99 %.1f ms, %.0f MiB, %d wrong %v, %d not made, %.0f %% of the "+
			"processors taken by other machines", time.Now().UTC().Format(time.TimeOnly), t.status,
			ms(t.percentile(0.5)), ms(t.percentile(0.99)), memory, t.wrongs, t.wrong, t.missed,
			now.stolenSince(before))

		before = now
	}

	cancel()
	all.Wait()
	l.say("%d rounds of administration", changed)

	return errors.Join(append(failures, l.judge(samples, wrong))...)
}

// judge compares the last quarter with the second: the first is for getting warm.
func (l *load) judge(samples []sample, wrong int) error {
	var failed []error
	if wrong > 0 {
		failed = append(failed, fmt.Errorf("%d calls went wrong", wrong))
	}

	quarter := len(samples) / 4
	median := func(of func(sample) float64, part []sample) float64 {
		values := make([]float64, 0, len(part))
		for _, s := range part {
			values = append(values, of(s))
		}

		slices.Sort(values)

		return values[len(values)/2]
	}

	for _, c := range []struct {
		name string
		of   func(sample) float64
		most float64
	}{
		{"memory in MiB", func(s sample) float64 { return s.memory }, 1.2},
		{"the 99th percentile in ms", func(s sample) float64 { return ms(s.p99) }, 1.5},
	} {
		before := median(c.of, samples[quarter:2*quarter])
		after := median(c.of, samples[3*quarter:])
		l.say("%s was %.1f, and is %.1f", c.name, before, after)

		if after > c.most*before {
			failed = append(failed, fmt.Errorf("%s grew from %.1f to %.1f", c.name, before, after))
		}
	}

	return errors.Join(failed...)
}

// administer makes, rotates and revokes a key in turn, lists and explains, and sees that the change
// is in effect, until ctx ends.
func administer(ctx context.Context, d *deployment, l *load) (rounds int, failed []error) {
	for ctx.Err() == nil && len(failed) < 10 {
		if err := round(ctx, d, l); err != nil && ctx.Err() == nil {
			failed = append(failed, err)
		}

		rounds++

		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}

	return rounds, failed
}

func round(ctx context.Context, d *deployment, l *load) error {
	id, secret, err := d.makeKey(ctx, "Round", false)
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}

	if err := l.expect(ctx, secret, http.StatusOK); err != nil {
		return fmt.Errorf("a new key: %w", err)
	}

	rotated, err := d.admin.RotateKey(ctx, d.org, id, api.RotateKey{Overlap: "1h"})
	if err != nil {
		return fmt.Errorf("rotate: %w", err)
	}

	for _, s := range []string{secret, *rotated.Secret} {
		if err := l.expect(ctx, s, http.StatusOK); err != nil {
			return fmt.Errorf("a rotated key: %w", err)
		}
	}

	if _, err := d.admin.ListKeysPage(ctx, d.org, api.ListKeys{}); err != nil {
		return fmt.Errorf("list: %w", err)
	}

	if _, err := d.admin.ExplainKey(ctx, d.org, id, api.ExplainKey{
		Method: http.MethodGet, Path: "/messages",
	}); err != nil {
		return fmt.Errorf("explain: %w", err)
	}

	if _, err := d.admin.RevokeKey(ctx, d.org, id, api.RevokeKey{Reason: "soak"}); err != nil {
		return fmt.Errorf("revoke: %w", err)
	}

	if err := l.expect(ctx, *rotated.Secret, http.StatusUnauthorized); err != nil {
		return fmt.Errorf("a revoked key: %w", err)
	}

	return nil
}

// expect calls with a key, and returns an error unless the answer has the status.
func (l *load) expect(ctx context.Context, secret string, want int) error {
	got, _, err := l.get(ctx, secret)
	if err == nil && got != want {
		err = fmt.Errorf("%d in place of %d", got, want)
	}

	return err
}

func ms(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }
