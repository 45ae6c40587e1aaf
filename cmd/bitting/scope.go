package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/client"
)

// key finds the key that an argument means: by its id, by a name that only one key has, or for "-"
// by a secret on standard input.
func (s *session) key(ctx context.Context, org, argument string) (string, error) {
	if argument == "-" {
		return idOfSecret(ctx, s.command.InOrStdin())
	}

	if id, ok := secretID(argument); ok {
		return "", usage(fmt.Errorf("that is a secret, which others on this machine can now see "+
			"in the list of processes, and your shell in its history: use its id, %s", id))
	}

	if apikey.ValidID(argument) {
		return argument, nil
	}

	var found []api.Key
	for k, err := range s.ListKeys(ctx, org, api.ListKeys{
		KeyFilter: api.KeyFilter{Status: "all", Text: argument},
	}) {
		if err != nil {
			return "", err
		}

		if k.Name == argument && k.DeletedAt == nil {
			found = append(found, k)
		}
	}

	switch len(found) {
	case 0:
		return "", &client.Error{Operation: "listKeys", Problem: api.Problem{
			Status: 404,
			Code:   api.CodeNotFound,
			Title:  "Not found",
			Detail: fmt.Sprintf("No key of %s has the id or the name %q.", org, argument),
		}}
	case 1:
		return found[0].ID, nil
	}

	ids := make([]string, 0, len(found))
	for _, k := range found {
		ids = append(ids, fmt.Sprintf("%s (%s)", k.ID, k.Environment))
	}

	return "", usage(fmt.Errorf("%d keys have the name %q: use the id of one, %s",
		len(found), argument, strings.Join(ids, ", ")))
}

// onKey makes the body of a command whose first argument is a KEY.
func (o *options) onKey(
	work func(ctx context.Context, s *session, org, key string) error,
) func(*cobra.Command, []string) error {
	return o.inOrganization(func(ctx context.Context, s *session, org string, args []string) error {
		key, err := s.key(ctx, org, args[0])
		if err != nil {
			return err
		}

		return work(ctx, s, org, key)
	})
}

// inOrganization makes the body of a command that is about an organization.
func (o *options) inOrganization(
	work func(ctx context.Context, s *session, org string, args []string) error,
) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		s, err := o.open(c)
		if err != nil {
			return err
		}

		org, err := s.org()
		if err != nil {
			return err
		}

		err = work(c.Context(), s, org, args)
		if err == nil && s.hint != "" {
			s.say("%s", s.hint)
		}

		return err
	}
}
