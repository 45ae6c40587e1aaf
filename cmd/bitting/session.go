package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/bitting-keys/bitting/cmd/bitting/account"
	"github.com/bitting-keys/bitting/cmd/bitting/output"
	"github.com/bitting-keys/bitting/pkg/client"
	"github.com/bitting-keys/bitting/pkg/local"
)

// options are the flags that all commands that call the API have.
type options struct {
	account  account.Flags
	format   string
	json     bool
	absolute bool
	quiet    bool
	yes      bool

	mark string // what the user agent says of the command; "" for nothing
}

// userAgent is how this program calls itself, behind its name.
func (o *options) userAgent() string { return strings.TrimSpace(version() + " " + o.mark) }

func (o *options) flags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&o.account.URL, "url", "", "address of the admin API (BITTING_URL)")
	f.StringVar(&o.account.Data, "data", "", "use the bitting local that runs on this folder (BITTING_DATA)")
	f.StringVar(&o.account.Profile, "profile", "", "use this profile (BITTING_PROFILE)")
	f.StringVarP(&o.account.Organization, "organization", "O", "",
		"organization to work in (BITTING_ORGANIZATION)")
	f.StringVar(&o.account.KeyFile, "key-file", "",
		"file with the admin key to use, - for standard input (else BITTING_KEY)")
	o.account.AWS.Add(f)
	f.StringVar(&o.account.As, "as", "", "with local data: be this person of the demo")
	f.StringVarP(&o.format, "output", "o", string(output.Table),
		"format: table, json, jsonl, csv or id")
	f.BoolVar(&o.json, "json", false, "the same as --output json")
	f.BoolVar(&o.absolute, "absolute-times", false, "show times in full on a terminal, too")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "write no progress and no hints")
	f.BoolVarP(&o.yes, "yes", "y", false, "ask nothing")
	_ = root.RegisterFlagCompletionFunc("output", func(
		*cobra.Command, []string, string,
	) ([]string, cobra.ShellCompDirective) {
		return []string{"table", "json", "jsonl", "csv", "id"}, cobra.ShellCompDirectiveNoFileComp
	})
}

// session is what a command works with that calls the API.
type session struct {
	*client.Client
	out *output.Printer

	account *account.Account
	command *cobra.Command
	options *options
	live    *output.Live // where progress is drawn; nil for nowhere
	hint    string       // what is said below the data
}

// getenv reads the user's environment, which for the command line is what flags are for others.
func getenv(name string) string { return os.Getenv(name) } //nolint:forbidigo // see above

// printer returns the printer of a command's data.
func (o *options) printer(c *cobra.Command) (*output.Printer, error) {
	if o.json {
		o.format = string(output.JSON)
	}

	p, err := output.NewPrinter(c.OutOrStdout(), output.Format(o.format), getenv)
	if err != nil {
		return nil, usage(err)
	}

	p.Absolute = o.absolute
	return p, nil
}

// open finds the deployment that a command is for.
func (o *options) open(c *cobra.Command) (*session, error) {
	p, err := o.printer(c)
	if err != nil {
		return nil, err
	}

	a, err := account.Find(c.Context(), o.account, getenv)
	if err != nil {
		return nil, accountError(err)
	}

	s := &session{out: p, account: a, command: c, options: o}
	if !o.quiet {
		s.live = output.NewLive(c.ErrOrStderr(), getenv)
	}

	a.Transport = s.transport()
	s.Client, err = a.Client(o.userAgent())
	return s, err
}

// accountError returns the error of an account that was not found with its exit code: that of what
// did not answer, or else the command line's.
func accountError(err error) error {
	switch {
	case errors.Is(err, local.ErrNotRunning):
		return &exitError{err, exitUnavailable}
	case exitCode(err) != exitFailed:
		return err
	default:
		return usage(err)
	}
}

// patience is how long a person waits without a word.
const patience = 3 * time.Second

// transport returns one that tells a person at a terminal when the API does not answer; nil for the
// default one.
func (s *session) transport() http.RoundTripper {
	if s.options.quiet || !isTerminal(s.command.ErrOrStderr()) {
		return nil
	}

	return account.Patient{After: patience, Say: s.say}
}

// org returns the organization that the command is about.
func (s *session) org() (string, error) {
	if s.account.Organization == "" {
		return "", usage(errors.New("which organization? Pass --organization, or set " +
			"BITTING_ORGANIZATION"))
	}

	return s.account.Organization, nil
}

// isTerminal reports whether a reader or a writer is a terminal.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// readAll reads all of what is at most a number of bytes long, or what is too long by one byte more.
// It ends with an interrupt, which the reading of a terminal does not.
func readAll(ctx context.Context, in io.Reader, limit int64) ([]byte, error) {
	type result struct {
		text []byte
		err  error
	}

	read := make(chan result, 1)
	go func() {
		text, err := io.ReadAll(io.LimitReader(in, limit+1))
		read <- result{text, err}
	}()

	select {
	case <-ctx.Done():
		return nil, errInterrupted
	case r := <-read:
		return r.text, r.err
	}
}

// say writes a word to people: to standard error, unless they want none.
func (s *session) say(format string, args ...any) {
	switch {
	case s.options.quiet:
	case s.live != nil:
		s.live.Above(fmt.Sprintf(format, args...))
	default:
		_, _ = fmt.Fprintf(s.command.ErrOrStderr(), format+"\n", args...)
	}
}

// confirm asks whether to do something that is hard to take back. Where nobody can be asked, it is
// an error that names --yes.
func (s *session) confirm(question string) error {
	if s.options.yes {
		return nil
	}

	in := s.command.InOrStdin()
	if !isTerminal(in) {
		return usage(fmt.Errorf("%s Pass --yes to do it without being asked", question))
	}

	_, _ = fmt.Fprintf(s.command.ErrOrStderr(), "%s [y/N] ", question)

	answers := make(chan string, 1)
	go func() { // nothing ends the reading of a terminal but an answer
		answer, _ := bufio.NewReader(in).ReadString('\n') // without an end of line, it is no yes
		answers <- strings.ToLower(answer)
	}()

	select {
	case <-s.command.Context().Done():
		return errInterrupted
	case answer := <-answers:
		if answer != "y\n" && answer != "yes\n" {
			return errors.New("nothing was changed")
		}

		return nil
	}
}

// version returns the version of this program: of its module, or of its commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}

	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}

	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(12, len(s.Value))]
		}
	}

	return "devel"
}
