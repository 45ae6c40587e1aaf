package main_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// pagesOf is an API that has many keys, of a kilobyte each. It calls last before the last page.
func pagesOf(keys int, last func()) http.HandlerFunc {
	text := strings.Repeat("x", 1000)

	return func(w http.ResponseWriter, r *http.Request) {
		from, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
		size, _ := strconv.Atoi(r.URL.Query().Get("limit"))

		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"items": [`)

		to := min(from+size, keys)
		for i := from; i < to; i++ {
			separator := ","
			if i == from {
				separator = ""
			}

			_, _ = fmt.Fprintf(w, `%s{"id": "%016d", "name": "Key %d", "status": "active", "description": "%s"}`,
				separator, i, i, text)
		}

		cursor := `"` + strconv.Itoa(to) + `"`
		if to == keys {
			cursor = "null"

			last()
		}

		_, _ = fmt.Fprintf(w, `], "nextCursor": %s}`, cursor)
	}
}

// TestListsInSteadyMemory lists 100,000 keys of 100 MB in the formats that could gather them: the
// process never holds a large part.
func TestListsInSteadyMemory(t *testing.T) {
	t.Parallel()

	peak := func(keys int, format string) int64 {
		t.Helper()

		started := make(chan int, 1)
		status := make(chan string, 1)

		server := httptest.NewServer(pagesOf(keys, func() {
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", <-started))
			status <- string(text)
		}))
		defer server.Close()

		c := command(context.Background(), "keys", "list", "--all", "-o", format, "--url", server.URL, "-O",
			"acme")
		c.Env = append(os.Environ(), "BITTING_KEY=x", "GOGC=25", "GODEBUG=madvdontneed=1")
		lines := &counter{}
		c.Stdout = lines

		err := c.Start()
		if err == nil {
			started <- c.Process.Pid
			err = c.Wait()
		}

		if err != nil || lines.n < keys {
			t.Fatalf("%s: %v, %d lines of %d keys", format, err, lines.n, keys)
		}

		found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindStringSubmatch(<-status)
		if found == nil {
			t.Skip("this system does not say how much memory a process has had")
		}

		kib, _ := strconv.ParseInt(found[1], 10, 64) // digits
		return kib / 1024
	}

	for _, format := range []string{"json", "csv", "table"} {
		few, many := peak(2000, format), peak(100_000, format)
		t.Logf("%s: %d MiB at most of 2,000 keys, %d MiB of 100,000", format, few, many)

		if many > few+50 {
			t.Errorf("%s: %d MiB at most of 2,000 keys, %d MiB of 100,000", format, few, many)
		}
	}
}

// counter counts lines.
type counter struct{ n int }

func (c *counter) Write(text []byte) (int, error) {
	c.n += strings.Count(string(text), "\n")
	return len(text), nil
}
