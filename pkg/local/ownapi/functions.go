package ownapi

import (
	"debug/elf"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
	"go.yaml.in/yaml/v3"

	"github.com/bitting-keys/bitting/pkg/localgateway/runtimeapi"
	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

// instancesEach is the maximum number of processes of a function.
const instancesEach = 4

// functions are what the routes and authorizers of a template invoke, by logical id.
type functions struct {
	handlers  map[string]lambda.Handler
	processes []*runtimeapi.Function
	faults    map[string]*template.Error // why one cannot be invoked here
	files     []string                   // that decide it
}

// newFunctions finds out how each function that a template's APIs invoke runs here. Nothing is
// started before a function is invoked.
func newFunctions(config Config, t *template.Template) *functions {
	f := &functions{handlers: map[string]lambda.Handler{}, faults: map[string]*template.Error{}}
	folder := filepath.Dir(config.File)
	built := filepath.Join(folder, ".aws-sam", "build")
	f.files = append(f.files, filepath.Join(built, "template.yaml"))
	moved := builtFolders(filepath.Join(built, "template.yaml"))

	for _, id := range invoked(t) {
		function, ours := t.Functions[id]

		// sam build gives functions of one code one folder
		places := []string{filepath.Join(built, id), filepath.Join(built, moved[id])}
		if function.CodeURI != "" && !strings.Contains(function.CodeURI, "://") {
			places = append(places, filepath.Join(folder, filepath.FromSlash(function.CodeURI)))
		}

		bootstrap := f.bootstrap(places)
		fault := cannotRun(function, bootstrap)

		switch {
		case ours && fault == nil:
			process := runtimeapi.New(runtimeapi.Config{
				Name:        id,
				Bootstrap:   bootstrap,
				ARN:         function.ARN,
				Environment: function.Environment,
				Timeout:     function.Timeout,
				MemoryMB:    function.MemoryMB,
				Instances:   instancesEach,
				Output:      config.Output,
				Logger:      config.Logger,
			})
			f.processes = append(f.processes, process)
			f.handlers[id] = process
		case config.Lambda != nil:
			f.handlers[id] = remote{config.Lambda, id}
		case ours:
			f.faults[id] = fault
		default:
			f.faults[id] = &template.Error{
				Message: id + " is no function of the template: --lambda URL says where to invoke it, " +
					"--backend URL what answers for it",
			}
		}
	}

	return f
}

// invoked returns the functions that a template's APIs invoke, sorted.
func invoked(t *template.Template) []string {
	ids := map[string]bool{}
	for _, a := range t.APIs {
		for _, r := range a.Routes {
			ids[r.Function] = true
		}

		for _, x := range a.Authorizers {
			ids[x.Function] = true
		}
	}

	delete(ids, "")
	delete(ids, template.Outside)
	return slices.Sorted(maps.Keys(ids))
}

// bootstrap returns the first bootstrap in the folders, "" if there is none.
func (f *functions) bootstrap(folders []string) string {
	found := ""
	for _, folder := range slices.Compact(folders) {
		path := filepath.Join(folder, "bootstrap")
		f.files = append(f.files, path)

		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && found == "" {
			found = path
		}
	}

	return found
}

// builtFolders returns the folders in which a template that sam build wrote has functions' code.
func builtFolders(file string) map[string]string {
	var t struct {
		Resources map[string]struct {
			Properties struct {
				CodeURI yaml.Node `yaml:"CodeUri"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}

	source, err := os.ReadFile(file) //nolint:gosec // beside the template that the user named
	if err != nil || yaml.Unmarshal(source, &t) != nil {
		return nil // it was not built, or is being built
	}

	folders := map[string]string{}
	for id, r := range t.Resources {
		folders[id] = filepath.FromSlash(r.Properties.CodeURI.Value)
	}

	return folders
}

// cannotRun returns why a function cannot run from its bootstrap, and what to do.
func cannotRun(f template.Function, bootstrap string) *template.Error {
	const instead = ", or say where it is invoked (--lambda URL) or what answers for it (--backend URL)"

	if bootstrap == "" {
		return &template.Error{
			Line: f.Line,
			Message: f.ID + " is not built, or has no bootstrap: run `sam build` for a runtime such " +
				"as provided.al2023" + instead,
		}
	}

	if f.Unserved != nil {
		return &template.Error{Line: f.Unserved.Line, Message: f.Unserved.Message + instead}
	}

	if made := madeFor(bootstrap); made != "" && made != runtime.GOOS+"/"+runtime.GOARCH {
		return &template.Error{
			Line: f.Line,
			Message: fmt.Sprintf("%s is built for %s, and this machine is %s/%s: build it for this one "+
				"(Architectures)%s", f.ID, made, runtime.GOOS, runtime.GOARCH, instead),
		}
	}

	return nil
}

// madeFor returns the platform of a Linux binary as Go names it; "" for what is none, such as a
// script.
func madeFor(path string) string {
	file, err := elf.Open(path)
	if err != nil {
		return ""
	}

	defer func() { _ = file.Close() }() // it was only read

	architectures := map[elf.Machine]string{elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64"}
	return "linux/" + architectures[file.Machine]
}
