package template_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

// TestPublicInputs reads the inputs of SAM's own translator tests, and compares the routes, the
// authorizers and the preflights of those that are read with SAM's recorded output. SAM_INPUTS is
// the folder tests/translator of a checkout of aws/serverless-application-model, whose files are
// not part of this project. It prints how many are read, and why others are not.
func TestPublicInputs(t *testing.T) {
	t.Parallel()

	folder := os.Getenv("SAM_INPUTS")
	if folder == "" {
		t.Skip("SAM_INPUTS is not set")
	}

	files, err := filepath.Glob(filepath.Join(folder, "input", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no inputs in %s: %v", folder, err)
	}

	var equal, withAPI, refused, inputs int

	reasons := map[string][]string{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")

		output, err := os.ReadFile(filepath.Join(folder, "output", name+".json"))
		if strings.HasPrefix(name, "error_") || err != nil {
			continue // SAM refuses these
		}

		inputs++

		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}

		if !regexp.MustCompile(`(?m)^Transform:`).Match(source) { // their test adds it
			source = append(source, "\nTransform: AWS::Serverless-2016-10-31\n"...)
		}

		parameters := undefaulted(t, source)

		ours, err := template.ReadAPIs(source, parameters, filepath.Join(folder, "input"))
		if err != nil {
			refused++

			var fault *template.Error
			if !errors.As(err, &fault) {
				t.Errorf("%s: %v", name, err)
				continue
			}

			reason := anyName.ReplaceAllString(fault.Message, "…")
			reasons[reason] = append(reasons[reason], name)

			continue
		}

		sams, read := gatewaysOfSAM(t, name, output, parameters), gatewaysOfOurs(ours)
		forgetTargets(ours, sams)
		maps.DeleteFunc(read, func(id string, _ gateway) bool { return sams[id].untouched })
		maps.DeleteFunc(sams, func(_ string, a gateway) bool { return a.untouched })

		if diff := cmp.Diff(sams, read, cmp.AllowUnexported(gateway{})); diff != "" {
			t.Errorf("%s: -SAM +ours\n%s", name, diff)
			continue
		}

		equal++

		if len(read) > 0 {
			withAPI++
		}
	}

	t.Logf("%d inputs: %d read as SAM reads them (%d with an API), %d refused, %d read otherwise",
		inputs, equal, withAPI, refused, inputs-equal-refused)

	for _, reason := range slices.SortedFunc(maps.Keys(reasons), func(a, b string) int {
		return len(reasons[b]) - len(reasons[a])
	}) {
		t.Logf("%3d %s: %s", len(reasons[reason]), reason,
			strings.Join(reasons[reason][:min(4, len(reasons[reason]))], ", "))
	}
}

// anyName is what differs between refusals for the same reason.
var anyName = regexp.MustCompile(`^[\w.$-]+(\[\d+\])?: |event \S+ |"[^"]*"`)

// undefaulted gives a value to each parameter that has no default.
func undefaulted(t *testing.T, source []byte) map[string]string {
	t.Helper()

	var declared struct {
		Parameters map[string]struct {
			Type          string   `yaml:"Type"`
			Default       any      `yaml:"Default"`
			AllowedValues []string `yaml:"AllowedValues"`
		} `yaml:"Parameters"`
	}
	if err := yaml.Unmarshal(source, &declared); err != nil {
		t.Fatal(err)
	}

	values := map[string]string{}
	for name, p := range declared.Parameters {
		switch {
		case p.Default != nil:
		case len(p.AllowedValues) > 0:
			values[name] = p.AllowedValues[0]
		case p.Type == "Number":
			values[name] = "1"
		default:
			values[name] = "some"
		}
	}

	return values
}

// gateway is what is compared of an API.
type gateway struct {
	Routes      map[string]route
	Authorizers map[string]authorizer
	CORS        map[string]any

	untouched bool // CloudFormation's own resource, which SAM does not translate
}

// forgetTargets removes the functions of those routes from SAM's reading of which ours says that
// their integration is not understood.
func forgetTargets(ours *template.Template, sams map[string]gateway) {
	for id, a := range ours.APIs {
		for _, r := range a.Routes {
			if read, ok := sams[id].Routes[r.Method+" "+r.Path]; ok && r.Function == "" {
				read.Function = ""
				sams[id].Routes[r.Method+" "+r.Path] = read
			}
		}
	}
}

func gatewaysOfOurs(tmpl *template.Template) map[string]gateway {
	out := map[string]gateway{}
	for id, a := range tmpl.APIs {
		read := apiOfOurs(a)
		for name, one := range read.Authorizers {
			sources := strings.Split(one.Sources, ",")
			slices.Sort(sources)
			one.Sources = strings.Join(sources, ",")
			read.Authorizers[name] = one
		}

		out[id] = gateway{Routes: read.Routes, Authorizers: read.Authorizers, CORS: read.CORS}
	}

	return out
}

func gatewaysOfSAM(
	t *testing.T, name string, output []byte, parameters map[string]string,
) map[string]gateway {
	t.Helper()

	tr := &translation{values: parameters}
	if err := json.Unmarshal(output, tr); err != nil {
		t.Fatalf("%s: %v", name, err)
	}

	tr.decide(t)

	out := map[string]gateway{}
	for id, resource := range tr.Resources {
		switch {
		case resource.Properties["ProtocolType"] == "WEBSOCKET":
		case resource.Type == "AWS::ApiGateway::RestApi", resource.Type == "AWS::ApiGatewayV2::Api":
			a := apiOfSAM(t, tr, id, resource.Properties)
			for name, read := range a.Authorizers {
				// their recorded lists are sorted
				sources := strings.Split(read.Sources, ",")
				slices.Sort(sources)
				read.Sources = strings.Join(sources, ",")
				a.Authorizers[name] = read

				if read.Type != "token" && read.Type != "request" {
					a.Authorizers[name] = authorizer{} // of another kind, of which we know the name
				}
			}

			out[id] = gateway{
				Routes:      a.Routes,
				Authorizers: a.Authorizers,
				CORS:        a.CORS,
				untouched:   resource.Properties["Body"] == nil,
			}
		}
	}

	return out
}
