// Package adminauthorizer is the authorizer of the admin API, whose callers are keys or people who are
// signed in.
package adminauthorizer

import (
	"github.com/bitting-keys/bitting/pkg/authorizer"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/identity/oidc"
)

// Function returns the Lambda function. It is a build of its own, so that the authorizer of an API
// brings nothing for signing in.
func Function(d *boot.Deployment) *authorizer.Authorizer {
	if d.OIDCIssuer == "" {
		return authorizer.Function(d, nil)
	}

	return authorizer.Function(d, oidc.New(oidc.Config{
		Issuer:   d.OIDCIssuer,
		Audience: d.OIDCAudience,
		Now:      d.Now,
	}))
}
