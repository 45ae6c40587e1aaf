package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/bitting-keys/bitting/cmd/bitting/output"
	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/protect"
)

// protection is the flags of `bitting protect`.
type protection struct {
	shared    *options
	out       *output.Printer // made by run
	catalogue string
	api       string
	names     []string
	profile   string
	keyLimits string
	check     bool
	write     bool
	options   protect.Options
}

func newProtect(o *options) *cobra.Command {
	p := protection{shared: o}
	c := &cobra.Command{
		Use:   "protect FILE...",
		Short: "Put the authorizer on an API of your own, or find what is missing",
		Args:  cobra.MinimumNArgs(1),
		Long: "Reads a SAM or CloudFormation template, what `cdk synth` wrote, or an OpenAPI document, " +
			"and prints as a diff what puts\n" +
			"the authorizer on its APIs: the authorizer itself, gateway responses, usage plan, stage " +
			"variable, open preflights. It\n" +
			"changes the file only with --write. With --check it prints the traps instead, with line " +
			"and mend, and ends with 1\n" +
			"if there is one. A catalogue, from a file or from the API, lets it find routes without a " +
			"permission too.",
		Example: "  bitting protect template.yaml --name orders | git apply\n" +
			"  bitting protect template.yaml --name orders --keyless 'GET /health' --write\n" +
			"  bitting protect --check template.yaml --data .bitting",
		RunE: func(c *cobra.Command, args []string) error { return p.run(c, args) },
	}
	f := c.Flags()
	f.BoolVar(&p.check, "check", false, "print traps instead of a diff")
	f.BoolVar(&p.write, "write", false, "change the files instead of printing a diff")
	f.StringVar(&p.api, "api", "", "look only at APIs of this kind: rest or http; an OpenAPI document "+
		"is taken for it")
	f.StringArrayVar(&p.names, "name", nil, "name of the API in the permission catalogue, or "+
		"LogicalId=name; may be repeated (default: made of the logical id)")
	f.StringArrayVar(&p.options.Keyless, "keyless", nil, "route that needs no key, such as "+
		"'GET /health'; may be repeated")
	f.StringVar(&p.options.Stack, "stack", "bitting", "name of Bitting's stack")
	f.StringVar(&p.options.Environment, "environment", "production",
		"environment whose keys open the API: production, staging or development")
	f.StringVar(&p.profile, "profile", "strict", "the deployment's revocation profile: strict, fast "+
		"or cached")
	f.StringVar(&p.keyLimits, "key-limits", "enforced", "the deployment's parameter KeyLimits: "+
		"enforced or off")
	f.BoolVar(&p.options.KeepImplicit, "keep-implicit", false, "leave an implicit REST API implicit; "+
		"it then cannot answer 429")
	f.StringVar(&p.options.Docs, "docs-url", protect.DefaultDocs, "page that explains the codes of "+
		"refusals, to which a code is appended")
	f.StringVar(&p.catalogue, "catalogue", "", "with --check: file with the permission catalogue")
	c.MarkFlagsMutuallyExclusive("check", "write")
	return c
}

func (p *protection) run(c *cobra.Command, files []string) (err error) {
	if p.out, err = p.shared.printer(c); err != nil {
		return err
	}

	if err := p.read(); err != nil {
		return usage(err)
	}

	documents := make([]*protect.Document, len(files))
	texts := make([][]byte, len(files))

	for i, file := range files {
		text, err := os.ReadFile(file) //nolint:gosec // the file that was named
		if err != nil {
			return readError(err)
		}

		texts[i] = text
		if documents[i], err = protect.Read(text); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}

	if err := protect.Unknown(documents, p.options); err != nil {
		return usage(err)
	}

	if p.check {
		return p.runCheck(c, files, documents)
	}

	for i, file := range files {
		text, notes, err := documents[i].Protect(p.options)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}

		tell(c.ErrOrStderr(), file, notes)

		if err := p.print(c, file, texts[i], text); err != nil {
			return err
		}
	}

	return nil
}

// read turns the flags into options.
func (p *protection) read() error {
	if err := cmp.Or(
		oneOf("profile", p.profile, "strict", "fast", "cached"),
		oneOf("key-limits", p.keyLimits, "enforced", "off"),
		oneOf("environment", p.options.Environment, "production", "staging", "development"),
	); err != nil {
		return err
	}

	if p.api != "" {
		if err := oneOf("api", p.api, "rest", "http"); err != nil {
			return err
		}
	}

	p.options.Kind = protect.Kind(p.api)
	p.options.Cached = p.profile == "cached"
	p.options.NoLimits = p.keyLimits == "off"
	p.options.Names = map[string]string{}

	for _, text := range p.names {
		id, name, ok := strings.Cut(text, "=")
		if !ok {
			id, name = "", text
		}

		if !permission.ValidAPI(name) {
			return fmt.Errorf("--name %s: expected at most 32 lower-case letters, digits and hyphens, "+
				"beginning with a letter", shown(name))
		}

		p.options.Names[id] = name
	}

	switch {
	case p.out.Format != output.Table && p.out.Format != output.JSON:
		return fmt.Errorf("--output %s: expected table or json", p.out.Format)
	case p.catalogue != "" && !p.check:
		return errors.New("--catalogue goes with --check")
	}

	return nil
}

// print prints a file's diff, or changes the file.
func (p *protection) print(c *cobra.Command, file string, old []byte, text string) error {
	if string(old) == text {
		tell(c.ErrOrStderr(), file, []string{"nothing is missing"})
		return nil
	}

	if !p.write {
		name := filepath.ToSlash(strings.TrimPrefix(filepath.Clean(file), "/"))
		return printDiff(p.out, diff.Diff("a/"+name, old, "b/"+name, []byte(text)))
	}

	if err := replaceFile(file, []byte(text)); err != nil {
		return err
	}

	tell(c.ErrOrStderr(), file, []string{"changed"})
	return nil
}

// replaceFile writes a file anew, whole or not at all. A link stays one, and the mode stays.
func replaceFile(name string, text []byte) error {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}

	return renameio.WriteFile(name, text, 0o600, renameio.WithTempDir(filepath.Dir(name)))
}

// printDiff prints a unified diff, in colours at a terminal.
func printDiff(p *output.Printer, text []byte) error {
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "diff ") {
			continue // git takes it for a header of its own
		}

		body, end := strings.CutSuffix(line, "\n")

		switch {
		case strings.HasPrefix(line, "--- "), strings.HasPrefix(line, "+++ "):
			body = p.Paint(output.Bold, body)
		case strings.HasPrefix(line, "-"):
			body = p.Paint(output.Bad, body)
		case strings.HasPrefix(line, "+"):
			body = p.Paint(output.Good, body)
		}

		if end {
			body += "\n"
		}

		if _, err := io.WriteString(p.Out, body); err != nil {
			return err
		}
	}

	return nil
}

// tell prints notes on a file.
func tell(to io.Writer, file string, notes []string) {
	for _, note := range notes {
		_, _ = fmt.Fprintf(to, "%s: %s\n", file, note)
	}
}

// found is a finding with its file, as --json prints it.
type found struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Code    string `json:"code"`
	Message string `json:"message"`
	Mend    string `json:"mend"`
}

func (p *protection) runCheck(c *cobra.Command, files []string, documents []*protect.Document) error {
	permissions, known, err := p.permissions(c)
	if err != nil {
		return err
	}

	all := []found{}

	for i, file := range files {
		o := p.options
		o.Answers429 = protect.Answers429(filepath.Dir(file))

		findings, notes, err := documents[i].Check(o)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}

		tell(c.ErrOrStderr(), file, notes)

		if known {
			findings = append(findings, documents[i].Compare(o, permissions)...)
		}

		for _, f := range findings {
			all = append(all, found{file, f.Line, f.Code, f.Message, f.Mend})
		}
	}

	slices.SortStableFunc(all, func(a, b found) int {
		if a.File != b.File {
			return slices.Index(files, a.File) - slices.Index(files, b.File)
		}

		return a.Line - b.Line
	})

	if !known {
		_, _ = fmt.Fprintln(c.ErrOrStderr(), "routes were not compared with a permission catalogue: "+
			"--catalogue, --url or --data names one")
	}

	if err := p.printFindings(all); err != nil || len(all) == 0 {
		return err
	}

	return fmt.Errorf("%d found; each line above says where, and how to mend it", len(all))
}

func (p *protection) printFindings(all []found) error {
	if p.out.Format == output.JSON {
		encoder := json.NewEncoder(p.out.Out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(map[string][]found{"findings": all})
	}

	for _, f := range all {
		place := p.out.Paint(output.Bold, fmt.Sprintf("%s:%d:", f.File, f.Line))
		if _, err := fmt.Fprintf(p.out.Out, "%s %s [%s]\n    %s\n", place, f.Message, f.Code,
			f.Mend); err != nil {
			return err
		}
	}

	return nil
}

// permissions returns the catalogue to compare with, if one is named.
func (p *protection) permissions(c *cobra.Command) (ps []permission.Permission, known bool, err error) {
	switch {
	case p.catalogue != "":
		text, err := os.ReadFile(p.catalogue)
		if err != nil {
			return nil, false, readError(err)
		}

		ps, err = readCatalogue(text)
		if err != nil {
			return nil, false, fmt.Errorf("%s: %w", p.catalogue, err)
		}

		return ps, true, nil
	case p.shared.account.Data != "", p.shared.account.URL != "", getenv("BITTING_DATA") != "",
		getenv("BITTING_URL") != "":
		s, err := p.shared.open(c)
		if err != nil {
			return nil, false, err
		}

		catalogue, err := s.GetPermissions(c.Context())
		return admin.PermissionsOf(catalogue.Permissions), err == nil, err
	default:
		return nil, false, nil
	}
}

// readError gives the exit code of a file that is not there.
func readError(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return &exitError{err, exitNotFound}
	}

	return err
}
