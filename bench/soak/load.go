package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// load calls a deployment.
type load struct {
	url     string
	keys    []caller
	workers int
	http    *http.Client
	out     io.Writer

	mu     sync.Mutex
	answer tally
}

// tally is what calls came to.
type tally struct {
	status map[int]int // 0 for none
	took   []time.Duration
	wrong  []string // the first of them, and how many
	wrongs int
	missed int // calls that were not made, since too many were under way
}

// patience is how long a call waits: as long as API Gateway.
const patience = 29 * time.Second

// say writes a line. If nobody reads it, the work goes on all the same.
func (l *load) say(format string, values ...any) {
	_, _ = fmt.Fprintf(l.out, format+"\n", values...)
}

func newLoad(url string, keys []caller, workers int, out io.Writer) *load {
	return &load{
		url:     url,
		keys:    keys,
		workers: workers,
		out:     out,
		answer:  tally{status: map[int]int{}},
		http: &http.Client{
			Timeout: patience,
			Transport: &http.Transport{
				MaxIdleConnsPerHost: workers,
				MaxConnsPerHost:     workers,
			},
		},
	}
}

// call makes one call and notes its answer.
func (l *load) call(ctx context.Context, c caller) {
	began := time.Now()
	got, retry, err := l.get(ctx, c.secret)
	took := time.Since(began)

	if ctx.Err() != nil {
		return
	}

	wrong := ""

	switch {
	case err != nil:
		wrong = err.Error()
	case got == http.StatusServiceUnavailable && retry != "":
	case got == http.StatusServiceUnavailable:
		wrong = "503 without Retry-After"
	case got == http.StatusTooManyRequests && c.limited:
	case got != c.want:
		wrong = fmt.Sprintf("%d in place of %d", got, c.want)
	}

	l.mu.Lock()
	defer l.mu.Unlock()

	l.answer.status[got]++
	l.answer.took = append(l.answer.took, took)

	if wrong != "" {
		if l.answer.wrongs++; len(l.answer.wrong) < 3 {
			l.answer.wrong = append(l.answer.wrong, wrong)
		}
	}
}

// get calls with a key, and returns the status and Retry-After.
func (l *load) get(ctx context.Context, secret string) (status int, retry string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url+"/production/messages", nil)
	if err != nil {
		return 0, "", err
	}

	r.Header.Set("X-Api-Key", secret)

	response, err := l.http.Do(r)
	if err != nil {
		return 0, "", err
	}

	_, err = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()

	return response.StatusCode, response.Header.Get("Retry-After"), err
}

// since returns what calls came to since it was called last.
func (l *load) since() tally {
	l.mu.Lock()
	defer l.mu.Unlock()

	out := l.answer
	l.answer = tally{status: map[int]int{}}

	return out
}

// percentile is of the times of a tally.
func (t tally) percentile(p float64) time.Duration {
	if len(t.took) == 0 {
		return 0
	}

	slices.Sort(t.took)

	return t.took[int(p*float64(len(t.took)-1))]
}

// closedWorkers is how many call at once when the maximum is found.
const closedWorkers = 16

// maximum finds how many calls a second are answered if each caller waits for its answer.
func (l *load) maximum(ctx context.Context) (float64, error) {
	measure := func(lasts time.Duration) float64 {
		ctx, cancel := context.WithTimeout(ctx, lasts)
		defer cancel()

		var all sync.WaitGroup

		began := time.Now()

		for range closedWorkers {
			all.Go(func() {
				for ctx.Err() == nil {
					l.call(ctx, l.keys[rand.IntN(len(l.keys))]) //nolint:gosec // no secret
				}
			})
		}

		all.Wait()

		return float64(len(l.since().took)) / time.Since(began).Seconds()
	}

	measure(3 * time.Second) // it gets warm

	most := measure(10 * time.Second)
	if most == 0 {
		return 0, fmt.Errorf("%s answers nothing", l.url)
	}

	return most, ctx.Err()
}

// at calls at a rate until ctx ends, whether or not answers come, but for what is more than the
// workers can have under way.
func (l *load) at(ctx context.Context, rate float64) {
	var (
		all   sync.WaitGroup
		under atomic.Int64
	)

	began := time.Now()

	for n := 0; ctx.Err() == nil; n++ {
		due := began.Add(time.Duration(float64(n) / rate * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(wait):
			}
		}

		if under.Load() >= int64(l.workers) {
			l.mu.Lock()
			l.answer.missed++
			l.mu.Unlock()

			continue
		}

		under.Add(1)

		all.Go(func() {
			defer under.Add(-1)

			l.call(context.WithoutCancel(ctx), l.keys[rand.IntN(len(l.keys))]) //nolint:gosec // no secret
		})
	}

	all.Wait()
}
