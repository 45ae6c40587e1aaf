package main

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/local"
	"github.com/bitting-keys/bitting/pkg/local/localtest"
	"github.com/bitting-keys/bitting/pkg/store"
)

// deployed starts a `bitting local` in a folder, until the test ends.
func deployed(t *testing.T) (data string) {
	t.Helper()

	data = t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)

	go func() {
		ended <- local.Run(ctx, local.Options{
			Listen:  "127.0.0.1:0",
			Data:    data,
			Profile: "strict",
			API:     "rest",
			Command: "bitting",
			Out:     t.Output(),
		})
	}()

	t.Cleanup(func() {
		cancel()

		if err := <-ended; err != nil {
			t.Error(err)
		}
	})

	m, err := localtest.Wait(t.Context(), data, ended)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(m.Close)

	return data
}

// A run that was cut off goes on, another one adds nothing, and the keys are right.
func TestCrowdGoesOnWhereItWas(t *testing.T) {
	t.Parallel()

	data := deployed(t)

	fill := func(ctx context.Context, keys string, rounds int) (string, error) {
		var out bytes.Buffer

		err := run(ctx, []string{
			"-data", data, "-each", "200", "-keys", keys, "-rounds", strconv.Itoa(rounds),
		}, &out)

		return out.String(), err
	}

	cut, cancel := context.WithCancel(t.Context())
	cancel()

	if _, err := fill(cut, "600", 0); !errors.Is(err, context.Canceled) {
		t.Fatalf("a run that is cut off ends with %v", err)
	}

	for _, keys := range []string{"130", "600", "600"} {
		if _, err := fill(t.Context(), keys, 0); err != nil {
			t.Fatal(err)
		}
	}

	out, err := fill(t.Context(), "600", 20) // it checks calls with the keys
	if err != nil {
		t.Fatal(err)
	}

	if !strings.Contains(out, "| 600 | a check |") {
		t.Errorf("no measurement in\n%s", out)
	}

	running, err := local.ReadRunning(data)
	if err != nil {
		t.Fatal(err)
	}

	d, err := connect(filepath.Clean(data), running.DynamoDB)
	if err != nil {
		t.Fatal(err)
	}

	for org, want := range map[string]int{
		"crowd-200-00000": 200, "crowd-200-00001": 200, "crowd-200-00002": 200, "crowd-200-00003": 0,
	} {
		found := map[string]*apikey.Key{}

		for after, more := "", true; more; more = after != "" {
			page, next, err := d.Store.Keys(t.Context(), org, store.Filter{}, after, store.MaxPage, d.Now())
			if err != nil {
				t.Fatal(err)
			}

			for _, k := range page {
				found[k.ID] = k
			}

			after = next
		}

		if len(found) != want {
			t.Errorf("%s has %d keys, want %d", org, len(found), want)
		}
	}
}
