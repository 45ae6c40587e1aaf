package local

import (
	"context"
	"fmt"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/local/ownapi"
)

// startOwn serves the APIs of the user's template behind our authorizers.
func (m *machine) startOwn(ctx context.Context) (*ownapi.APIs, error) {
	config := ownapi.Config{
		File:        m.options.Own.Template,
		Parameters:  m.options.Own.Parameters,
		Backend:     m.options.Own.Backend,
		Lambda:      m.options.Own.Lambda,
		Authorizers: map[string]lambda.Handler{},
		AccessLog:   m.logs.writer(),
		Output:      m.log,
		Logger:      m.logger,
		Say:         func(text string) { _, _ = fmt.Fprintln(m.options.Out, text) },
	}

	for _, environment := range apikey.Environments() {
		for id, f := range m.template.Functions {
			if f.CodeURI == "authorizer" && f.Environment["BITTING_ENVIRONMENT"] == string(environment) {
				config.Authorizers[string(environment)] = m.functions[id]
				config.PlanKey = f.Environment["BITTING_ADMIT_KEY"]
			}
		}
	}

	return ownapi.Start(ctx, config)
}
