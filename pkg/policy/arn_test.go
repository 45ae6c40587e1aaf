package policy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/policy"
)

func TestParseARN(t *testing.T) {
	t.Parallel()
	at := func(stage, method, path string) policy.ARN {
		return policy.ARN{
			Partition: "aws",
			Region:    "us-east-1",
			Account:   "123456789012",
			API:       "abc123",
			Stage:     stage,
			Method:    method,
			Path:      path,
		}
	}
	const api = "arn:aws:execute-api:us-east-1:123456789012:abc123/"
	long := strings.Repeat("x", policy.MaxARN-len(api+"prod/GET/"))

	tests := map[string]struct {
		arn  string
		want policy.ARN // the zero ARN means an error
	}{
		"root":          {api + "prod/GET/", at("prod", "GET", "/")},
		"path":          {api + "prod/POST/a/b/", at("prod", "POST", "/a/b/")},
		"default stage": {api + "$default/GET/a", at("$default", "GET", "/a")},
		"colons in the path": {
			api + "prod/GET/a:b:c/d:GET/x", at("prod", "GET", "/a:b:c/d:GET/x"),
		},
		"slashes in the path": {api + "prod/GET//a//", at("prod", "GET", "//a//")},
		"an ARN in the path": {
			api + "prod/GET/" + api + "prod/DELETE/x", at("prod", "GET", "/"+api+"prod/DELETE/x"),
		},
		"glob in the path": {api + "prod/GET/*?", at("prod", "GET", "/*?")},
		"other partition": {"arn:aws-us-gov:execute-api:r:1:a/s/GET/", policy.ARN{
			Partition: "aws-us-gov",
			Region:    "r",
			Account:   "1",
			API:       "a",
			Stage:     "s",
			Method:    "GET",
			Path:      "/",
		}},
		"longest":                   {api + "prod/GET/" + long, at("prod", "GET", "/"+long)},
		"too long":                  {api + "prod/GET/" + long + "x", policy.ARN{}},
		"empty":                     {"", policy.ARN{}},
		"no path":                   {api + "prod/GET", policy.ARN{}},
		"a WebSocket's handshake":   {api + "prod/$connect", at("prod", "", "/$connect")},
		"a WebSocket's message":     {api + "prod/$default", policy.ARN{}},
		"a WebSocket without stage": {api + "/$connect", policy.ARN{}},
		"a path like a handshake":   {api + "prod/GET/$connect", at("prod", "GET", "/$connect")},
		"no stage":                  {api + "/GET/", policy.ARN{}},
		"another service": {
			"arn:aws:lambda:us-east-1:123456789012:abc123/prod/GET/",
			policy.ARN{},
		},
		"not an ARN": {
			"ARN:aws:execute-api:us-east-1:123456789012:abc123/prod/GET/",
			policy.ARN{},
		},
		"glob as region":    {"arn:aws:execute-api:*:123456789012:abc123/prod/GET/", policy.ARN{}},
		"glob as stage":     {api + "*/GET/", policy.ARN{}},
		"glob as method":    {api + "prod/*/", policy.ARN{}},
		"variable as stage": {api + "${x}/GET/", policy.ARN{}},
		"too few colons":    {"arn:aws:execute-api:us-east-1:abc123/prod/GET/", policy.ARN{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got, err := policy.ParseARN(tt.arn)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}

			if refused := tt.want == (policy.ARN{}); refused != errors.Is(err, policy.ErrARN) {
				t.Errorf("error %v", err)
			}

			if err == nil && got.String() != tt.arn {
				t.Errorf("written again: %s", got)
			}
		})
	}
}

func FuzzParseARN(f *testing.F) {
	f.Add("arn:aws:execute-api:us-east-1:123456789012:abc123/prod/GET/a:b//c")
	f.Add("arn:aws:execute-api:::/$/GET/")
	f.Add("arn:aws:execute-api:r:1:a/$default/GET/*?${x}")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := policy.ParseARN(s)
		if err != nil {
			if a != (policy.ARN{}) || !errors.Is(err, policy.ErrARN) {
				t.Errorf("%q: %+v, %v", s, a, err)
			}

			return
		}

		if a.String() != s || len(s) > policy.MaxARN {
			t.Errorf("%q is read as %q", s, a)
		}

		if prefix := strings.TrimSuffix(s, a.Path); strings.ContainsAny(prefix, "*?{}\\ ") ||
			strings.Count(prefix, ":") != 5 || strings.Count(prefix, "/") != 2 {
			t.Errorf("%q: what patterns start with is %q", s, prefix)
		}
	})
}
