// Command load calls an API of a running `bitting local` over and over, by as many connections as
// it is told, and prints how many calls a second were answered and how late. Every answer is
// checked: the run fails on the first wrong one.
//
//	bitting local --profile fast --data /tmp/bitting &
//	go run ./bench/load -data /tmp/bitting
//
// It speaks HTTP/1.1 in one fixed form, since on the same machine what it costs itself is taken from
// what it measures: a call is one write, and about one read.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bitting-keys/bitting/pkg/local"
)

type options struct {
	data        string
	environment string
	path        string
	key         string
	status      int
	has         string
	connections int
	warmUp      time.Duration
	duration    time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.data, "data", ".bitting", "folder of the data of a running bitting local")
	flag.StringVar(&o.environment, "environment", "production", "whose API is called")
	flag.StringVar(&o.path, "path", "/messages/42", "path below the environment")
	flag.StringVar(&o.key, "key", "", "secret to send; the demo's key of the environment if empty")
	flag.IntVar(&o.status, "status", 200, "status that every answer must have")
	flag.StringVar(&o.has, "has", `"keyId"`, "text that every body must have")
	flag.IntVar(&o.connections, "connections", 16, "calls at the same time")
	flag.DurationVar(&o.warmUp, "warm-up", 2*time.Second, "time at the beginning that does not count")
	flag.DurationVar(&o.duration, "duration", 10*time.Second, "time that counts")
	flag.Parse()

	if err := o.run(context.Background(), os.Stdout); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// run calls until the time is over, and prints what came of it.
func (o options) run(ctx context.Context, out io.Writer) error {
	machine, err := local.ReadRunning(o.data)
	if err != nil {
		return err
	}

	if o.key == "" {
		o.key = machine.Keys[o.environment]
	}

	base, err := url.Parse(machine.URL)
	if err != nil {
		return err
	}

	request := fmt.Appendf(nil, "GET /%s%s HTTP/1.1\r\nHost: %s\r\nX-Api-Key: %s\r\nUser-Agent: load\r\n\r\n",
		o.environment, o.path, base.Host, o.key)

	ctx, cancel := context.WithTimeout(ctx, o.warmUp+o.duration)
	defer cancel()

	counted := time.Now().Add(o.warmUp)
	took := make([][]time.Duration, o.connections)
	faults := make([]error, o.connections)

	var all sync.WaitGroup
	for i := range o.connections {
		all.Go(func() {
			took[i], faults[i] = o.connection(ctx, base.Host, request, counted)
			if faults[i] != nil {
				cancel()
			}
		})
	}

	all.Wait()

	if err := errors.Join(faults...); err != nil {
		return err
	}

	every := slices.Concat(took...)
	if len(every) == 0 {
		return errors.New("no call was answered")
	}

	slices.Sort(every)

	part := func(p float64) time.Duration {
		return every[int(p*float64(len(every)-1))].Round(10 * time.Microsecond)
	}
	_, err = fmt.Fprintf(out, "%.0f calls/s, p50 %v, p99 %v, longest %v, %d calls, all answered as "+
		"expected\n",
		float64(len(every))/o.duration.Seconds(), part(0.5), part(0.99), part(1), len(every))
	return err
}

// connection calls by one connection until ctx ends, and returns how long each call took that ended
// after counted.
func (o options) connection(
	ctx context.Context, address string, request []byte, counted time.Time,
) (took []time.Duration, err error) {
	var dialer net.Dialer

	c, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}

	defer func() { _ = c.Close() }() // nothing is left to be sent

	in := bufio.NewReader(c)
	for ctx.Err() == nil {
		begun := time.Now()

		if _, err := c.Write(request); err != nil {
			return took, err
		}

		status, body, err := readAnswer(in)
		if err != nil {
			return took, err
		}

		if status != o.status || !bytes.Contains(body, []byte(o.has)) {
			return took, fmt.Errorf("an answer was %d: %.300s", status, body)
		}

		if now := time.Now(); now.After(counted) {
			took = append(took, now.Sub(begun))
		}
	}

	return took, nil
}

// readAnswer reads a response whose length is in its header.
func readAnswer(in *bufio.Reader) (status int, body []byte, err error) {
	length := -1
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}

		text := strings.TrimRight(string(line), "\r\n")

		name, value, _ := strings.Cut(text, ":")
		switch {
		case first:
			_, rest, _ := strings.Cut(text, " ")
			if status, err = strconv.Atoi(rest[:min(3, len(rest))]); err != nil {
				return 0, nil, fmt.Errorf("no status line: %q", text)
			}

			continue
		case text != "" && strings.EqualFold(name, "Content-Length"):
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return 0, nil, err
			}

			continue
		case text != "":
			continue
		}

		if length < 0 {
			return 0, nil, errors.New("an answer does not say its length")
		}

		body = make([]byte, length)
		_, err = io.ReadFull(in, body)
		return status, body, err
	}
}
