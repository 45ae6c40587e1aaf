// Command soak runs a `bitting local` of its own under load for long, and says whether it stood it.
//
// With -mode soak it calls at half of the maximum while keys are made, rotated and revoked: no
// answer may be wrong, memory may not grow, and the 99th percentile must stay. With -mode overload
// it calls at three times the maximum: answers must stay right, whatever is refused must be 503 with
// Retry-After, and five seconds after the load all must be well again.
//
// It needs Linux, and says nothing about AWS: the gateway, the functions and the stand-in for
// DynamoDB share one machine with it.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

// options are the flags.
type options struct {
	mode    string
	bitting string // the binary
	profile string
	lasts   time.Duration
	rate    float64 // calls a second; 0 finds the maximum first
	workers int     // calls under way at once
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	var o options

	flag.StringVar(&o.mode, "mode", "soak", "soak or overload")
	flag.StringVar(&o.bitting, "bitting", "bin/bitting", "the program to run")
	flag.StringVar(&o.profile, "profile", "strict", "strict, fast or cached")
	flag.DurationVar(&o.lasts, "for", 0, "how long; 30m for a soak and 10m for an overload by default")
	flag.Float64Var(&o.rate, "rate", 0, "calls a second; 0 takes half or three times of the maximum")
	flag.IntVar(&o.workers, "workers", 2000, "most calls under way at once")
	flag.Parse()

	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to be stopped
	}
}

// run starts a deployment, loads it, and returns what it did not stand.
func run(ctx context.Context, o options) (err error) {
	d, err := startDeployment(ctx, o.bitting, o.profile)
	if err != nil {
		return err
	}

	defer func() { err = errors.Join(err, d.stop()) }()

	keys, err := d.makeKeys(ctx)
	if err != nil {
		return err
	}

	l := newLoad(d.url, keys, o.workers, os.Stdout)
	most := o.rate

	if most == 0 {
		if most, err = l.maximum(ctx); err != nil {
			return err
		}

		l.say("the maximum is %.0f calls a second", most)
	}

	switch o.mode {
	case "soak":
		rate := most
		if o.rate == 0 {
			rate /= 2
		}

		return soak(ctx, d, l, rate, cmp.Or(o.lasts, 30*time.Minute))
	case "overload":
		rate := most
		if o.rate == 0 {
			rate *= 3
		}

		return overload(ctx, d, l, rate, cmp.Or(o.lasts, 10*time.Minute))
	default:
		return fmt.Errorf("-mode is %q, and not soak or overload", o.mode)
	}
}
