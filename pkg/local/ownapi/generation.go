package ownapi

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/bitting-keys/bitting/pkg/localgateway"
	"github.com/bitting-keys/bitting/pkg/localgateway/runtimeapi"
	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

// generation is the template and its functions as they were at one time.
type generation struct {
	// mounts are the APIs by the path after the environment, and of each the environments' gateways.
	mounts    map[string]map[string]http.Handler
	processes []*runtimeapi.Function
	notes     []string

	files []string // what it was made of, also where one is missing
	stamp string   // of the files, before they were read

	users int // guarded by APIs.mu
}

// errNoAPI means that there is nothing to serve.
var errNoAPI = errors.New("it declares no REST API and no HTTP API")

// load reads the template and finds its functions.
func load(config Config) (*generation, error) {
	// Only reading them says which files count. What changes after their stamp is noticed.
	for files := []string{config.File}; ; {
		g := &generation{
			mounts: map[string]map[string]http.Handler{},
			files:  files,
			stamp:  stamp(files),
		}

		source, err := os.ReadFile(config.File)
		if err != nil {
			return nil, err
		}

		t, err := template.ReadAPIs(source, config.Parameters, filepath.Dir(config.File))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", config.File, err)
		}

		f := newFunctions(config, t)
		if files = slices.Concat([]string{config.File}, t.Files, f.files); !slices.Equal(files, g.files) {
			continue
		}

		g.processes = f.processes
		if err := g.build(config, t, f); err != nil {
			return nil, fmt.Errorf("%s: %w", config.File, err)
		}

		return g, nil
	}
}

// build makes the gateways.
func (g *generation) build(config Config, t *template.Template, f *functions) error {
	if len(t.APIs) == 0 {
		return errNoAPI
	}

	for _, p := range t.Passed {
		g.notes = append(g.notes, "Not served: "+p.Error())
	}

	answered := 0
	for _, id := range slices.Sorted(maps.Keys(t.APIs)) {
		a := t.APIs[id]
		a.Routes = slices.Clone(a.Routes)

		for i, r := range a.Routes {
			// an authorizer that cannot be invoked must not let a call through, and needs a reason
			a.Routes[i].Guard = cmp.Or(r.Guard, f.faults[a.Authorizers[r.Authorizer].Function])
			a.Routes[i].Target = cmp.Or(r.Target, f.faults[r.Function])

			fault := a.Routes[i].Guard
			if config.Backend == nil {
				fault = cmp.Or(fault, a.Routes[i].Target)
			}

			if fault == nil {
				answered++
				continue
			}

			g.notes = append(g.notes, fmt.Sprintf("Not answered: %s %s: %v", r.Method, r.Path, fault))
		}

		keys := [][]string{a.APIKeys}
		for _, stage := range a.Stages {
			keys = append(keys, stage.APIKeys)
		}

		for _, of := range keys {
			for i, key := range of {
				if key == template.Outside {
					of[i] = config.PlanKey
				}
			}
		}

		t.APIs[id] = a
	}

	if answered == 0 {
		return fmt.Errorf("none of its routes can be answered here\n%s", strings.Join(g.notes, "\n"))
	}

	for id := range t.APIs {
		if err := g.mount(config, t, id, f); err != nil {
			return err
		}
	}

	return nil
}

// mount makes an API's gateways, one for each environment.
func (g *generation) mount(
	config Config, t *template.Template, id string, f *functions,
) error {
	path := ""
	if len(t.APIs) > 1 {
		path = "/" + cmp.Or(t.APIs[id].StageVariables["bittingApi"], id)
	}

	if g.mounts[path] != nil {
		return fmt.Errorf("the stage variable bittingApi calls two of its APIs %s", path[1:])
	}

	g.mounts[path] = map[string]http.Handler{}
	for environment, authorizer := range config.Authorizers {
		handlers := maps.Clone(f.handlers)
		handlers[template.Outside] = authorizer

		c := localgateway.Config{
			Template:  inStage(t, id, environment),
			API:       id,
			Functions: handlers,
			Logger:    config.Logger,
			AccessLog: config.AccessLog,
		}
		if config.Backend != nil {
			c.Backend = &localgateway.Backend{URL: config.Backend, HeaderPrefix: HeaderPrefix}
		}

		gateway, err := localgateway.New(c)
		if err != nil {
			return err
		}

		g.mounts[path][environment] = http.StripPrefix("/"+environment+path, gateway)
	}

	return nil
}

// inStage returns the template with the API in the stage that has the environment's name, if there is
// one beside its first.
func inStage(t *template.Template, id, environment string) *template.Template {
	a := t.APIs[id]

	stage, ok := a.Stages[environment]
	if !ok {
		return t
	}

	a.Stage, a.StageVariables, a.APIKeys = environment, stage.Variables, stage.APIKeys

	out := *t
	out.APIs = maps.Clone(t.APIs)
	out.APIs[id] = a
	return &out
}

// ServeHTTP finds the gateway by the first segments of the path, as sent.
func (g *generation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	environment, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")

	api := g.mounts[""]
	if api == nil {
		name, _, _ := strings.Cut(rest, "/")
		api = g.mounts["/"+name]
	}

	if gateway := api[environment]; gateway != nil {
		gateway.ServeHTTP(w, r)
		return
	}

	http.Error(w, "There is no such API. There are: "+
		strings.Join(slices.Sorted(maps.Keys(g.mounts)), ", "), http.StatusNotFound)
}

func (g *generation) close() {
	var wait sync.WaitGroup
	for _, f := range g.processes {
		wait.Go(func() { _ = f.Close() }) // it never fails
	}

	wait.Wait()
}

// stamp changes when one of the files does.
func stamp(files []string) string {
	var b strings.Builder
	for _, name := range files {
		if info, err := os.Stat(name); err == nil {
			fmt.Fprintf(&b, "%s %d %d\n", name, info.Size(), info.ModTime().UnixNano())
		} else {
			fmt.Fprintf(&b, "%s is missing\n", name)
		}
	}

	return b.String()
}
