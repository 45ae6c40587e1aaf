package admin

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/limit"
	"github.com/bitting-keys/bitting/pkg/secretscan"
	"github.com/bitting-keys/bitting/pkg/store"
)

const (
	// maxLeaked is how many secrets a report may hold.
	maxLeaked = 32
	// leakAnswered is when a report is answered, counted from its arrival, regardless of its
	// content. It is longer than the work usually takes. One that holds more than are worked on at
	// once takes as many times that.
	leakAnswered = 500 * time.Millisecond
	// reportsEach is how many reports may come from an address each minute.
	reportsEach = 20
	// maxAddress is the longest address of a page that is kept.
	maxAddress = 2000
)

// CheckReport checks a report of a leak. The faults quote nothing: whatever stands in a report may
// be a secret. Error: *InvalidError.
func (s *LeakService) CheckReport(in api.ReportLeak) error {
	f := &validator{}
	if len(s.leaked(in)) > maxLeaked {
		f.add("body.secret",
			fmt.Sprintf("expected at most %d secrets: send several reports", maxLeaked), nil)
	}

	if in.URL != "" && webAddress(in.URL) == nil {
		f.add("body.url", "expected an address that starts with https:// or http://", nil)
	}

	return f.err()
}

// webAddress reads the address of a page; nil where it is none.
func webAddress(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil || len(text) > maxAddress || u.Scheme != "https" && u.Scheme != "http" ||
		u.Host == "" {
		return nil
	}

	return u
}

// leaked are the secrets that a report may be of: those of our form in all that it says, wherever
// they stand; or, where there is none, what is left of the text as another system's secret. They
// are told by their form alone.
func (s *LeakService) leaked(in api.ReportLeak) []string {
	ours := s.brand.Secrets(in.Secret + "\n" + in.URL + "\n" + in.Note)
	if len(ours) > 0 {
		return ours
	}

	return unwrapped(in.Secret)
}

// unwrapped are the secrets of another system that a text may be, with what commonly stands around
// one taken off: white space, the name of a header, Bearer, a variable's name, quotes, brackets.
// They are few: each costs reads.
func unwrapped(text string) []string {
	words := strings.Fields(text)
	if len(words) == 0 {
		return nil
	}

	const around = "\"'`,;<>()[]{}"
	last := words[len(words)-1]
	bare := strings.Trim(last, around)
	_, assigned, _ := strings.Cut(bare, "=")
	_, named, _ := strings.Cut(bare, ":")

	var out []string
	for _, form := range []string{
		strings.TrimSpace(text), last, bare, strings.Trim(assigned, around),
		strings.Trim(named, around),
	} {
		if apikey.Foreign(form) && !slices.Contains(out, form) {
			out = append(out, form)
		}
	}

	return out
}

// ReportLeak revokes or flags the keys whose secrets a report holds, as CheckReport let it through.
// Anybody may report. It returns at a fixed time after the report came: how long the work took
// would reveal whether such a key exists.
func (s *LeakService) ReportLeak(ctx context.Context, from Origin, in api.ReportLeak) error {
	rounds := max(1, (len(s.leaked(in))+exposuresAtOnce-1)/exposuresAtOnce)
	answered := s.now().Add(time.Duration(rounds) * leakAnswered)

	if err := s.limitReports(ctx, from); err != nil {
		return err
	}

	err := s.exposeAll(ctx, from, in, "report")
	s.wait(ctx, answered.Sub(s.now()))
	return err
}

// exposeAll does what a report asks for of each of its secrets.
func (s *LeakService) exposeAll(
	ctx context.Context, from Origin, in api.ReportLeak, source string,
) error {
	var all errgroup.Group
	all.SetLimit(exposuresAtOnce)

	for _, secret := range s.leaked(in) {
		all.Go(func() error {
			return s.expose(ctx, leak{
				secret: secret,
				url:    in.URL,
				note:   in.Note,
				source: source,
				origin: from,
			})
		})
	}

	return all.Wait()
}

// limitReports keeps an address from trying secrets out, and from costing much. It looks at no
// secret, so it may answer at once.
func (s *LeakService) limitReports(ctx context.Context, from Origin) error {
	address, _ := netip.ParseAddr(from.SourceIP)
	policy := limit.Policy{
		Version: 1,
		Limits:  []apikey.RateLimit{{Name: "reports", Limit: reportsEach, Window: time.Minute}},
	}

	allowance, err := s.limits.Spend(ctx, limit.AddressSubject(address), policy)
	if err != nil {
		return fmt.Errorf("%w: limit of reports: %w", store.ErrUnavailable, err)
	}

	if allowance.Verdict != limit.Admitted {
		e := Refuse(api.CodeRateLimited,
			"Too many reports came from your address: try again later.")
		e.RetryAfter = allowance.RetryAfter
		return e
	}

	return nil
}

// exposuresAtOnce is how many matches of a message are worked on at once.
const exposuresAtOnce = 8

// GitHubMessage is a message of GitHub's secret scanning: its bytes, and who signed them how.
type GitHubMessage struct {
	Key, Signature string
	Body           []byte
}

// ReportGitHubLeaks takes a message of GitHub's. Each match is worked on by itself; where some
// could not be, the message is refused, and may be sent again: what was done already stays as it
// is.
func (s *LeakService) ReportGitHubLeaks(ctx context.Context, from Origin, m GitHubMessage) error {
	if err := s.github.Verify(ctx, m.Key, m.Signature, m.Body); err != nil {
		return err
	}

	matches, err := secretscan.Matches(m.Body)
	if err != nil {
		return err
	}

	var all errgroup.Group
	all.SetLimit(exposuresAtOnce)

	for _, m := range matches {
		all.Go(func() error {
			return s.exposeAll(ctx, from, api.ReportLeak{Secret: m.Token, URL: m.URL}, "github")
		})
	}

	return all.Wait()
}
