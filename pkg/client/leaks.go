package client

import (
	"context"
	"net/http"

	"github.com/bitting-keys/bitting/pkg/api"
)

// ReportLeak reports a secret that was found in public. The answer does not reveal the result.
func (c *Client) ReportLeak(ctx context.Context, body api.ReportLeak) error {
	_, err := send[none](ctx, c, "reportLeak", http.MethodPost, []string{"leaks"}, body)
	return err
}

// ReportGitHubLeaks forwards a message of GitHub's secret scanning, unchanged, with the headers
// that sign it: Github-Public-Key-Identifier and Github-Public-Key-Signature.
func (c *Client) ReportGitHubLeaks(
	ctx context.Context, identifier, signature string, message []byte,
) error {
	call := newCall("reportGitHubLeaks", http.MethodPost, []string{"leaks", "github"}, []Option{
		header("Github-Public-Key-Identifier", identifier),
		header("Github-Public-Key-Signature", signature),
	})
	call.body = message
	_, err := do[none](ctx, c, call)
	return err
}
