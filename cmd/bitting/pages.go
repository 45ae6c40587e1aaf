package main

import (
	"errors"
	"iter"

	"github.com/spf13/cobra"

	"github.com/bitting-keys/bitting/pkg/api"
)

// pages are the flags of lists.
type pages struct {
	limit int
	all   bool
}

func (p *pages) flags(c *cobra.Command) {
	c.Flags().IntVar(&p.limit, "limit", 50, "how many to list")
	c.Flags().BoolVar(&p.all, "all", false, "list all")
	c.MarkFlagsMutuallyExclusive("limit", "all")
}

// size is that of a page to ask for.
func (p *pages) size() int {
	if p.all {
		return maxPage
	}

	return min(p.limit, maxPage)
}

// maxPage is the largest page that the API gives.
const maxPage = 200

// first ends a list after as many as were asked for. It says on standard error if there are more, and
// if there are none.
func first[T any](s *session, p pages, items iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		n := 0
		counted := p.all && !s.out.Terminal() // else the list itself shows how far it is

		defer s.live.Draw("")

		for item, err := range items {
			if err == nil && !p.all && n == p.limit {
				s.hint = "There are more: --all lists all."
				return
			}

			if n++; counted && n%maxPage == 0 {
				s.progress(n, 0, "listed")
			}

			if !yield(item, err) {
				return
			}
		}

		if n == 0 {
			s.say("There are none.")
		}
	}
}

func (p *pages) check() error {
	if p.limit < 1 {
		return usage(errors.New("--limit: expected a number of at least 1"))
	}

	return nil
}

// filterFlags are those of a list of keys and of a bulk change.
func filterFlags(c *cobra.Command, f *api.KeyFilter) {
	flags := c.Flags()
	flags.StringVar(&f.Status, "status", "", "active, inactive, expired or all (default active)")
	flags.StringVar(&f.Environment, "environment", "", "production, staging or development")
	flags.StringVar(&f.Ownership, "ownership", "", "personal or organization")
	flags.StringVar(&f.Owner, "owner", "", "id of the owner")
	flags.StringVar(&f.Customer, "customer", "", "customer that keys are scoped to")
	flags.StringVar(&f.Permission, "permission", "", "permission that keys hold")
	flags.StringVar(&f.Tag, "tag", "", "tag that keys have")
	flags.StringVar(&f.Text, "search", "", "part of the name, the id or the hint")
	flags.StringVar(&f.UnusedSince, "unused-since", "", "a time, or a duration such as 90d")
}
