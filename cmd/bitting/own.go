package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bitting-keys/bitting/pkg/local"
)

// ownFlags are the flags of `bitting local` for APIs of one's own.
type ownFlags struct {
	template, backend, lambda string
	parameters                []string
}

func (o *ownFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&o.template, "template", "",
		"a SAM or CloudFormation template with your own APIs, in place of the demo's")
	flags.StringVar(&o.backend, "backend", "",
		"address of a server that answers in place of the template's functions")
	flags.StringVar(&o.lambda, "lambda", "",
		"address at which functions are invoked that are not built, such as that of sam local start-lambda")
	flags.StringArrayVar(&o.parameters, "parameter", nil,
		"value of a parameter of the template, as NAME=VALUE; may be repeated")
}

// read returns the options that the flags mean, nil for none.
func (o *ownFlags) read() (*local.Own, error) {
	if o.template == "" {
		if o.backend != "" || o.lambda != "" || len(o.parameters) > 0 {
			return nil, errors.New("--backend, --lambda and --parameter go with --template")
		}

		return nil, nil
	}

	if o.backend != "" && o.lambda != "" {
		return nil, errors.New("--backend and --lambda exclude each other: either a server answers, or " +
			"functions do")
	}

	own := &local.Own{Template: o.template, Parameters: map[string]string{}}

	var err error
	if own.Backend, err = address("backend", o.backend); err != nil {
		return nil, err
	}

	if own.Lambda, err = address("lambda", o.lambda); err != nil {
		return nil, err
	}

	for _, p := range o.parameters {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--parameter %s: expected NAME=VALUE", p)
		}

		own.Parameters[name] = value
	}

	return own, nil
}
