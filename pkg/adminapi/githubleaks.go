package adminapi

import (
	"context"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/sync/errgroup"

	"github.com/bitting-keys/bitting/pkg/secretscan"
)

// exposuresAtOnce is how many matches of a message are worked on at once.
const exposuresAtOnce = 8

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

// reportGitHubLeaks takes a message of GitHub's. Each match is worked on by itself; where some
// could not be, the message is refused, and may be sent again: what was done already stays as it
// is.
func (a *API) reportGitHubLeaks(ctx context.Context, in *githubInput) (*taken, error) {
	if err := a.github.Verify(ctx, in.Identifier, in.Signature, in.RawBody); err != nil {
		return nil, err
	}

	matches, err := secretscan.Matches(in.RawBody)
	if err != nil {
		return nil, err
	}

	var all errgroup.Group
	all.SetLimit(exposuresAtOnce)

	for _, m := range matches {
		all.Go(func() error {
			return a.exposeAll(ctx, leakBody{
				Secret: m.Token,
				URL:    &m.URL,
			}, "github")
		})
	}

	if err := all.Wait(); err != nil {
		return nil, err
	}

	return &taken{}, nil
}
