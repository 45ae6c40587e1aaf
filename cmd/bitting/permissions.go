package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/bitting-keys/bitting/cmd/bitting/output"
	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/client"
	"github.com/bitting-keys/bitting/pkg/derive"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/protect"
)

func newPermissions(o *options) *cobra.Command {
	return group(&cobra.Command{
		Use:   "permissions",
		Short: "List the permission catalogue, fill it, and see how it differs from a document",
		Long:  "Works with the permission catalogue of a deployment. Changing it takes an operator key.",
		Example: "  bitting permissions list\n" +
			"  bitting permissions import openapi.yaml --api orders --data .bitting",
	}, newPermissionsList(o), newPermissionsImport(o))
}

func newPermissionsList(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the permissions that keys can hold",
		Args:    cobra.NoArgs,
		Example: "  bitting permissions list\n  bitting permissions list --output id",
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := o.open(c)
			if err != nil {
				return err
			}

			catalogue, err := s.GetPermissions(c.Context())
			if err != nil {
				return err
			}

			return output.List(s.out, permissionColumns(),
				func(p api.Permission) string { return p.Name }, items(catalogue.Permissions))
		},
	}
}

func permissionColumns() []output.Column[api.Permission] {
	return []output.Column[api.Permission]{
		{Name: "name", Of: func(p api.Permission) any { return p.Name }},
		{Name: "title", Of: func(p api.Permission) any { return p.Title }, Wide: true},
		{Name: "default", Of: func(p api.Permission) any { return p.Default }},
		{Name: "publishable", Of: func(p api.Permission) any { return p.Publishable }},
		{Name: "builtIn", Of: func(p api.Permission) any { return p.BuiltIn }},
		{Name: "routes", Of: func(p api.Permission) any {
			routes := make([]string, len(p.Routes))
			for i, r := range p.Routes {
				routes[i] = r.API + " " + r.Method + " " + r.Path
			}

			return strings.Join(routes, ", ")
		}, Wide: true},
	}
}

// importing is the flags of `bitting permissions import`.
type importing struct {
	shared   *options
	api      string
	only     []string
	template bool
	check    bool
	print    bool
	force    bool
	edited   bool // the file is a catalogue: its words are somebody's
}

func newPermissionsImport(o *options) *cobra.Command {
	i := importing{shared: o}
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Make permissions of an OpenAPI document or a template",
		Args:  cobra.ExactArgs(1),
		Long: "Reads an OpenAPI 3.0 or 3.1 document, with --template a SAM or CloudFormation template, " +
			"or a catalogue that --print\n" +
			"printed, and prints how the API's part of the permission catalogue would change. With --yes " +
			"it changes the catalogue;\n" +
			"with --check it changes nothing, and ends with 6 where there is a difference.\n" +
			"\n" +
			"An operation's permission is what its x-permission names, else the scopes of its security " +
			"requirements, else its first\n" +
			"tag with read, write or delete. Titles, descriptions and marks of permissions that exist " +
			"stay as they are. A\n" +
			"catalogue has at most 200 permissions, 2,000 routes, and 300 paths of an API.",
		Example: "  bitting permissions import openapi.yaml --api orders --data .bitting\n" +
			"  bitting permissions import openapi.yaml --api orders --print > orders.json\n" +
			"  BITTING_KEY=... bitting permissions import orders.json --api orders --url " +
			"https://admin.example.com --yes",
		RunE: func(c *cobra.Command, args []string) error { return i.run(c, args[0]) },
	}
	f := c.Flags()
	f.StringVar(&i.api, "api", "", "name of the API in the catalogue")
	f.BoolVar(&i.template, "template", false, "FILE is a SAM or CloudFormation template")
	f.StringArrayVar(&i.only, "only", nil, "take only paths below this one; may be repeated")
	f.BoolVar(&i.print, "print", false, "print the proposed permissions as JSON, to be edited")
	f.BoolVar(&i.check, "check", false, "change nothing, and end with 6 if there is a difference")
	f.BoolVar(&i.force, "force", false, "remove permissions even if keys hold them")
	_ = c.MarkFlagRequired("api") // there is such a flag
	c.MarkFlagsMutuallyExclusive("print", "check")
	return c
}

func (i *importing) run(c *cobra.Command, file string) error {
	if !permission.ValidAPI(i.api) {
		return usage(fmt.Errorf("--api %s: expected at most 32 lower-case letters, digits and hyphens, "+
			"beginning with a letter", shown(i.api)))
	}

	switch yes := i.shared.yes; {
	case i.force && !yes:
		return usage(errors.New("--force goes with --yes"))
	case yes && (i.print || i.check):
		return usage(errors.New("--yes goes without --print and --check, which change nothing"))
	}

	text, err := os.ReadFile(file) //nolint:gosec // the file that was named
	if err != nil {
		return readError(err)
	}

	proposed, notes, err := i.propose(text, file)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}

	tell(c.ErrOrStderr(), file, notes)

	if len(proposed) == 0 {
		return fmt.Errorf("%s: there is no operation in it that needs a permission", file)
	}

	if i.print {
		if err := derive.Valid(proposed); err != nil { // still to be edited
			_, _ = fmt.Fprintf(c.ErrOrStderr(), "the catalogue will not take it as it is:\n  %v\n", err)
		}

		encoder := json.NewEncoder(c.OutOrStdout())
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(map[string]any{"permissions": proposed})
	}

	return i.change(c, file, proposed)
}

// change compares the catalogue with the proposal, and changes it if asked to.
func (i *importing) change(c *cobra.Command, file string, proposed []permission.Permission) error {
	s, err := i.shared.open(c)
	if err != nil {
		return err
	}

	operator, err := s.account.Operator(version())
	if err != nil {
		return err
	}

	var etag string

	catalogue, err := operator.GetPermissions(c.Context(), client.ETag(&etag))
	if err != nil {
		return err
	}

	current := admin.PermissionsOf(catalogue.Permissions)
	next := derive.Merge(current, i.api, proposed, i.edited)
	before, after := derive.Text(current), derive.Text(next)

	if bytes.Equal(before, after) {
		_, _ = fmt.Fprintf(c.ErrOrStderr(), "the catalogue already is as %s says\n", file)
		return nil
	}

	if err := printDiff(s.out, diff.Diff("a/catalogue", before, "b/catalogue", after)); err != nil {
		return err
	}

	for _, name := range widened(current, next, i.api) {
		_, _ = fmt.Fprintf(c.ErrOrStderr(), "keys that hold %s for another API get its routes of %s "+
			"too; to keep them apart, give it another name: --print, then edit\n", name, i.api)
	}

	if err := derive.Valid(next); err != nil {
		return fmt.Errorf("the catalogue cannot take it:\n  %w", err)
	}

	switch {
	case i.check:
		return &exitError{
			fmt.Errorf("the catalogue differs from %s: --yes instead of --check changes it", file), exitDrift,
		}
	case !i.shared.yes:
		_, _ = fmt.Fprintln(c.ErrOrStderr(), "nothing is changed yet: --yes changes it")
		return nil
	}

	options := []client.Option{client.IfMatch(etag)}
	if i.force {
		options = append(options, client.Force())
	}

	_, err = operator.PutPermissions(c.Context(), admin.ViewCatalogue(next), options...)

	switch {
	case errors.Is(err, client.ErrInUse):
		s.say("--force removes it all the same.")
		return err
	case err != nil:
		return err
	}

	_, _ = fmt.Fprintln(c.ErrOrStderr(), "the catalogue is changed; it takes effect within 10 seconds")
	return nil
}

// widened returns the permissions that opened routes of other APIs alone, and now open some of this
// one.
func widened(before, after []permission.Permission, api string) (names []string) {
	own := func(r permission.Route) bool { return r.API == api }

	for _, p := range after {
		i := slices.IndexFunc(before, func(q permission.Permission) bool { return q.Name == p.Name })
		if i >= 0 && len(before[i].Routes) > 0 && !slices.ContainsFunc(before[i].Routes, own) &&
			slices.ContainsFunc(p.Routes, own) {
			names = append(names, p.Name)
		}
	}

	return names
}

// propose makes permissions of a file.
func (i *importing) propose(text []byte, file string) (
	proposed []permission.Permission, notes []string, err error,
) {
	if i.template {
		document, err := protect.Read(text)
		if err != nil {
			return nil, nil, err
		}

		operations, notes, err := operationsOf(document, i.api)
		if err != nil {
			return nil, nil, err
		}

		proposed, more := derive.Propose(&derive.Document{Operations: i.selected(operations)}, i.api)
		return proposed, append(notes, more...), nil
	}

	if proposed, err := readCatalogue(text); err == nil {
		i.edited = true
		return i.own(proposed), nil, nil
	} else if errors.Is(err, errCatalogue) {
		return nil, nil, err
	}

	document, err := derive.ReadOpenAPI(text, filepath.Dir(file))
	if err != nil {
		return nil, nil, err
	}

	document.Operations = i.selected(document.Operations)
	proposed, notes = derive.Propose(document, i.api)
	return proposed, notes, nil
}

// operationsOf returns the routes of a template's API that want a key.
func operationsOf(document *protect.Document, api string) (
	operations []derive.Operation, notes []string, err error,
) {
	routes, notes, err := document.Keyed(api)
	if err != nil {
		return nil, nil, err
	}

	for _, r := range routes {
		operations = append(operations, derive.Operation{Method: r.Method, Path: r.Path, Line: r.Line})
	}

	return operations, notes, nil
}

// selected returns the operations below the paths that are wanted.
func (i *importing) selected(operations []derive.Operation) []derive.Operation {
	if len(i.only) == 0 {
		return operations
	}

	return slices.DeleteFunc(operations, func(o derive.Operation) bool {
		return !slices.ContainsFunc(i.only, func(prefix string) bool {
			prefix = strings.TrimRight(prefix, "/")
			return o.Path == prefix || strings.HasPrefix(o.Path, prefix+"/")
		})
	})
}

// own returns the API's part of a catalogue.
func (i *importing) own(permissions []permission.Permission) (own []permission.Permission) {
	for _, p := range permissions {
		p.Routes = slices.DeleteFunc(p.Routes, func(r permission.Route) bool { return r.API != i.api })
		if len(p.Routes) > 0 {
			own = append(own, p)
		}
	}

	return own
}

// errCatalogue is a file that is a catalogue, but not a good one.
var errCatalogue = errors.New("the catalogue cannot be read")

// readCatalogue reads a catalogue as GET /v1/permissions answers it.
func readCatalogue(text []byte) ([]permission.Permission, error) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil || fields["permissions"] == nil {
		return nil, errors.New(`it is not a catalogue: {"permissions": [...]}`)
	}

	var catalogue struct {
		Permissions []permission.Permission `json:"permissions"`
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()

	if err := decoder.Decode(&catalogue); err != nil {
		return nil, fmt.Errorf("%w: %w", errCatalogue, err)
	}

	return catalogue.Permissions, nil
}
