package admin

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/policy"
)

// methods are those that API Gateway passes on.
var methods = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}

// Explain is a call to explain; nil fields are absent.
type Explain struct {
	Method, Path               string
	API, SourceIP, Environment *string
	At                         api.Patch[time.Time]

	source netip.Addr // made by CheckExplain
}

// CheckExplain reads a call to explain. Error: *InvalidError.
func CheckExplain(in *Explain) error {
	f := &validator{}
	switch {
	case !strings.HasPrefix(in.Path, "/"):
		f.add("body.path", "expected a path that starts with /", in.Path)
	case strings.ContainsAny(in.Path, "?#"):
		// a query may hold a secret
		f.add("body.path", "expected a path alone, without the query", nil)
	}

	if !slices.Contains(methods, strings.ToUpper(in.Method)) {
		f.add("body.method", "expected one of "+strings.Join(methods, ", "), in.Method)
	}

	if in.SourceIP != nil && *in.SourceIP != "" {
		var err error
		if in.source, err = netip.ParseAddr(*in.SourceIP); err != nil {
			f.add("body.sourceIp", "expected an address such as 203.0.113.7 or 2001:db8::1",
				*in.SourceIP)
		}
	}

	return f.err()
}

// Explain explains step by step what a call with the request's key would get, as read by
// CheckExplain.
func (s *ReportService) Explain(ctx context.Context, r *Request, in *Explain) api.Explanation {
	call := check.Call{
		API:      s.explained,
		Method:   strings.ToUpper(in.Method),
		Path:     in.Path,
		SourceIP: in.source,
	}
	if in.API != nil {
		call.API = *in.API
	}

	env, at := r.key.Environment, r.now
	if in.Environment != nil {
		env = apikey.Environment(*in.Environment)
	}

	if given(in.At) {
		at = moment(in.At)
	}

	call.ARN = usualARN(call, env)
	e := s.checker.Explain(ctx, r.key, env, call, at)
	return api.Explanation{
		Allowed:            e.Outcome == check.Allowed,
		Outcome:            string(e.Outcome),
		Status:             e.Outcome.Status(),
		Steps:              viewSteps(e.Steps),
		RequiredPermission: e.Required,
	}
}

// usualARN returns an ARN as long as the call's real one, which is unknown here.
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
	for _, step := range steps {
		out = append(out, api.Step(step))
	}

	return out
}
