package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// times are those of all processors since the machine started, in the kernel's ticks.
type times struct{ all, stolen uint64 }

// processorTimes reads them. On a virtual machine, others on the same host take some: while that is
// much, latencies say nothing of a program.
func processorTimes() (times, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return times{}, err
	}

	return parseTimes(string(text))
}

// parseTimes reads the first line of /proc/stat: proc_stat(5).
func parseTimes(text string) (t times, err error) {
	line, _, _ := strings.Cut(text, "\n")

	// user, nice, system, idle, iowait, irq, softirq, steal; what guests took is in the first two
	const steal = 8

	fields := strings.Fields(line)
	if len(fields) <= steal || fields[0] != "cpu" {
		return times{}, fmt.Errorf("/proc/stat begins with %q", line)
	}

	for _, field := range fields[1 : steal+1] {
		n, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return times{}, fmt.Errorf("/proc/stat begins with %q", line)
		}

		t.all += n
		t.stolen = n
	}

	return t, nil
}

// stolenSince returns the share that others took from an earlier time on, in percent.
func (t times) stolenSince(earlier times) float64 {
	if t.all == earlier.all {
		return 0
	}

	return 100 * float64(t.stolen-earlier.stolen) / float64(t.all-earlier.all)
}
