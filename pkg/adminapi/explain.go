package adminapi

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/policy"
)

func (a *API) registerExplain() {
	register(a, operation{
		id:      organization.ExplainKey,
		group:   GroupUsage,
		method:  http.MethodPost,
		path:    keyPath + "/explain",
		summary: "Explain what a call with the key would get",
		about: "The check itself, step by step, for a call that nobody makes: it counts for " +
			"nothing.",
	}, a.explainKey)
}

type explainBody struct {
	Method      string     `json:"method" minLength:"1" maxLength:"20" example:"GET"`
	Path        string     `json:"path" minLength:"1" maxLength:"2000" example:"/customers/42" doc:"As it is sent, without the stage and the query"`
	API         *string    `json:"api" required:"false" maxLength:"100" doc:"The API's name in the catalogue's routes; the deployment's own where it is absent"`
	SourceIP    *string    `json:"sourceIp" required:"false" maxLength:"64" doc:"The caller's address; unknown where it is absent, which refuses a key that is bound to addresses"`
	Environment *string    `json:"environment" required:"false" enum:"production,staging,development" doc:"The endpoint's; the key's own where it is absent"`
	At          *time.Time `json:"at" required:"false" doc:"When; now where it is absent"`
}

// methods are those that API Gateway passes on.
var methods = []string{
	http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	http.MethodHead, http.MethodOptions,
}

type explainInput struct {
	KeyPath
	Body explainBody

	source netip.Addr // made by Resolve
}

// Resolve implements huma.Resolver.
func (in *explainInput) Resolve(huma.Context) []error {
	f := &validator{}
	switch path := in.Body.Path; {
	case !strings.HasPrefix(path, "/"):
		f.add("body.path", "expected a path that starts with /", path)
	case strings.ContainsAny(path, "?#"):
		// which may hold a secret
		f.add("body.path", "expected a path alone, without the query", nil)
	}

	if !slices.Contains(methods, strings.ToUpper(in.Body.Method)) {
		f.add("body.method", "expected one of "+strings.Join(methods, ", "), in.Body.Method)
	}

	if text := value(in.Body.SourceIP); text != "" {
		var err error
		if in.source, err = netip.ParseAddr(text); err != nil {
			f.add("body.sourceIp", "expected an address such as 203.0.113.7 or 2001:db8::1", text)
		}
	}

	return f.errors
}

type explainOutput struct{ Body api.Explanation }

func (a *API) explainKey(
	ctx context.Context, s *request, in *explainInput,
) (*explainOutput, error) {
	b := in.Body

	call := check.Call{
		API:      a.explained,
		Method:   strings.ToUpper(b.Method),
		Path:     b.Path,
		SourceIP: in.source,
	}
	if b.API != nil {
		call.API = *b.API
	}

	env, at := s.key.Environment, s.now
	if b.Environment != nil {
		env = apikey.Environment(*b.Environment)
	}

	if b.At != nil {
		at = moment(b.At)
	}

	call.ARN = usualARN(call, env)
	e := a.checker.Explain(ctx, s.key, env, call, at)
	return &explainOutput{api.Explanation{
		Allowed:            e.Outcome == check.Allowed,
		Outcome:            string(e.Outcome),
		Status:             e.Outcome.Status(),
		Steps:              viewSteps(e.Steps),
		RequiredPermission: e.Required,
	}}, nil
}

// usualARN stands for API Gateway's name of a call that is explained, which is not known here: it
// is as long as such names are.
func usualARN(call check.Call, env apikey.Environment) policy.ARN {
	return policy.ARN{
		Partition: "aws",
		Region:    "us-east-1",
		Account:   "123456789012",
		API:       "1234567890",
		Stage:     string(env),
		Method:    call.Method,
		Path:      call.Path,
	}
}

func viewSteps(steps []check.Step) []api.Step {
	out := make([]api.Step, 0, len(steps))
	for _, s := range steps {
		out = append(out, api.Step(s))
	}

	return out
}
