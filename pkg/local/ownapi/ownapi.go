// Package ownapi runs the APIs of anybody's template on this machine, behind authorizers that it is
// given for each environment.
//
// It promises:
//
//   - A call is answered as API Gateway would answer it, or it is 501 with the reason, the line of
//     the template and what to do.
//   - A change of the template, of a file that it includes or of a built function is taken up while
//     it runs. What cannot be read changes nothing.
//   - Functions that are replaced end after the calls that they answer.
//
// Functions run as processes if they are built for it, or are invoked by Lambda's HTTP API at another
// address, as of `sam local start-lambda`. A backend answers in place of all functions.
package ownapi

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/localgateway"
)

// Config says what to run.
type Config struct {
	File       string            // the template
	Parameters map[string]string // its parameters' values
	Backend    *url.URL          // nil: functions answer
	Lambda     *url.URL          // where functions are invoked that do not run here; nil for nowhere

	// Authorizers are called in place of authorizers of other stacks, by environment: the first
	// segment of a call's path.
	Authorizers map[string]lambda.Handler
	// PlanKey is the value of a usage plan's key that comes from another stack.
	PlanKey string

	AccessLog func(localgateway.AccessRecord) // nil for none
	Output    io.Writer                       // of functions; nil discards it
	Logger    *slog.Logger                    // nil logs nothing
	Say       func(text string)               // tells a person what changed; nil for nobody
	Every     time.Duration                   // how often to look for changes; 0 means half a second
}

// HeaderPrefix begins the names of the headers that tell a backend who calls.
const HeaderPrefix = "X-Bitting-"

// APIs are the running APIs of a template. They are an http.Handler of paths such as
// /production/items; of a template with several APIs, /production/<name>/items.
type APIs struct {
	config Config

	mu      sync.Mutex
	current *generation
	stop    context.CancelFunc
	ended   chan struct{}
}

// Start reads the template and watches it until Close. The template must have an API with a route
// that can be answered.
func Start(ctx context.Context, config Config) (*APIs, error) {
	if config.Say == nil {
		config.Say = func(string) {}
	}

	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}

	config.Every = cmp.Or(config.Every, time.Second/2)

	g, err := load(config)
	if err != nil {
		return nil, err
	}

	ctx, cancel := context.WithCancel(ctx)
	a := &APIs{config: config, current: g, stop: cancel, ended: make(chan struct{})}

	go a.watch(ctx)

	return a, nil
}

// Mounts returns where the APIs are, by the path after the environment: "" or "/name".
func (a *APIs) Mounts() []string {
	g := a.take()
	defer a.release(g)
	return slices.Sorted(maps.Keys(g.mounts))
}

// Notes returns what is not answered as in AWS, each with its line.
func (a *APIs) Notes() []string {
	g := a.take()
	defer a.release(g)
	return g.notes
}

// Close ends the watch, and the functions once no call needs them.
func (a *APIs) Close() error {
	a.stop()
	<-a.ended
	a.replace(nil)
	return nil
}

// ServeHTTP answers a call of any environment.
func (a *APIs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g := a.take()
	defer a.release(g)

	if g == nil {
		http.Error(w, "stopping", http.StatusServiceUnavailable)
		return
	}

	g.ServeHTTP(w, r)
}

// take returns the current generation, which stays until it is released.
func (a *APIs) take() *generation {
	a.mu.Lock()
	defer a.mu.Unlock()

	if a.current != nil {
		a.current.users++
	}

	return a.current
}

func (a *APIs) release(g *generation) {
	if g == nil {
		return
	}

	a.mu.Lock()
	g.users--
	unused := g.users == 0 && g != a.current
	a.mu.Unlock()

	if unused {
		g.close()
	}
}

func (a *APIs) replace(next *generation) {
	a.mu.Lock()
	before := a.current
	a.current = next
	unused := before.users == 0
	a.mu.Unlock()

	if unused {
		before.close()
	}
}

// watch takes up changes. A change is taken up once nothing has changed for a whole turn: builds and
// editors write in steps.
func (a *APIs) watch(ctx context.Context) {
	defer close(a.ended)

	tick := time.NewTicker(a.config.Every)
	defer tick.Stop()

	a.mu.Lock()
	loaded, files := a.current.stamp, a.current.files
	a.mu.Unlock()

	last := loaded
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}

		now := stamp(files)
		if settled := now == last; !settled || now == loaded {
			last = now
			continue
		}

		loaded = now

		g, err := load(a.config)
		if err != nil {
			a.config.Say(fmt.Sprintf("%v\nWhat ran before goes on.", err))
			continue
		}

		loaded, files = g.stamp, g.files
		last = loaded

		a.replace(g)
		a.config.Say(strings.Join(append([]string{"Took up what changed in " + a.config.File + "."},
			g.notes...), "\n"))
	}
}
