package adminapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
)

// maxReport is the largest body of a report, in bytes.
const maxReport = 8 << 10

func (a *API) registerLeaks() {
	registerOpen(a, operation{
		id:      "reportLeak",
		group:   GroupRevocation,
		method:  http.MethodPost,
		path:    "/v1/leaks",
		status:  http.StatusAccepted,
		maxBody: maxReport,
		summary: "Report a secret that was found in public",
		about: "Open to everybody, since anybody who has the secret could also use it. The " +
			"response is the same for every secret. A key whose secret is reported is revoked as " +
			"compromised, or only flagged if all of its permissions are publishable. The old " +
			"secret of a rotation ends, and its key keeps working.",
	}, a.reportLeak)
	registerOpen(a, operation{
		id:      "reportGitHubLeaks",
		group:   GroupRevocation,
		method:  http.MethodPost,
		path:    "/v1/leaks/github",
		status:  http.StatusAccepted,
		raw:     githubMessage(),
		summary: "Report secrets that GitHub's secret scanning found",
		about: "For GitHub, by the protocol of its partner program: the message must have " +
			"GitHub's signature.",
	}, a.reportGitHubLeaks)
}

type leakBody struct {
	Secret string            `json:"secret" minLength:"1" doc:"The whole secret, or a text that contains secrets: Bitting finds all of its own, at most 32, and another system's if it stands alone"`
	URL    api.Patch[string] `json:"url,omitzero" maxLength:"2000" doc:"Where it was found: http or https"`
	Note   api.Patch[string] `json:"note,omitzero" maxLength:"500" doc:"For the key's history; must not contain secrets"`
}

type leakInput struct {
	Body leakBody

	report api.ReportLeak // made by Resolve
}

// Resolve implements huma.Resolver.
func (in *leakInput) Resolve(ctx huma.Context) []error {
	in.report = api.ReportLeak{
		Secret: in.Body.Secret,
		URL:    in.Body.URL.Value,
		Note:   in.Body.Note.Value,
	}
	return resolved(ctx, apiOf(ctx.Context()).admin.CheckReport(in.report))
}

// taken is the answer to whatever was reported.
type taken struct{ Body struct{} }

func (a *API) reportLeak(ctx context.Context, in *leakInput) (*taken, error) {
	return &taken{}, a.admin.ReportLeak(ctx, gatewayContextOf(ctx).Origin, in.report)
}

type githubInput struct {
	Identifier string `header:"Github-Public-Key-Identifier" doc:"Which of GitHub's keys signed the message"`
	Signature  string `header:"Github-Public-Key-Signature" doc:"ECDSA on P-256 with SHA-256 over the bytes of the body, in ASN.1, in base64"`
	RawBody    []byte `contentType:"application/json"`
}

// githubMessage is what GitHub documents of a message. What comes is checked match by match, once
// its signature is.
func githubMessage() *huma.Schema {
	text := func(about string) *huma.Schema {
		return &huma.Schema{
			Type:        huma.TypeString,
			Description: about,
		}
	}
	return &huma.Schema{
		Type: huma.TypeArray,
		Items: &huma.Schema{
			Type: huma.TypeObject,
			Properties: map[string]*huma.Schema{
				"token":  text("What was found"),
				"type":   text("The name of the pattern that found it"),
				"url":    text("Where; may be empty"),
				"source": text("In what, such as content or commit"),
			},
		},
	}
}

func (a *API) reportGitHubLeaks(ctx context.Context, in *githubInput) (*taken, error) {
	return &taken{}, a.admin.ReportGitHubLeaks(ctx, gatewayContextOf(ctx).Origin,
		admin.GitHubMessage{Key: in.Identifier, Signature: in.Signature, Body: in.RawBody})
}
