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
	// maxLeaked is how many secrets a report may contain.
	maxLeaked = 32
	// leakAnswered is when a report is answered, counted from its arrival, regardless of its
	// content. It is longer than the work usually takes. A report with more secrets than are
	// processed at once takes a multiple of it.
	leakAnswered = 500 * time.Millisecond
	// reportsEach is how many reports an address may send each minute.
	reportsEach = 20
	// maxAddress is the longest URL that is stored.
	maxAddress = 2000
)

// CheckReport checks a report of a leak. The errors quote nothing, since any part of a report may
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

// webAddress parses the URL of a page; nil if it is invalid.
func webAddress(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil || len(text) > maxAddress || u.Scheme != "https" && u.Scheme != "http" ||
		u.Host == "" {
		return nil
	}

	return u
}

// leaked returns the secrets in a report: those of our form anywhere in its texts; or, if there are
// none, what may be another system's secret. They are recognised by their form alone.
func (s *LeakService) leaked(in api.ReportLeak) []string {
	ours := s.brand.Secrets(in.Secret + "\n" + in.URL + "\n" + in.Note)
	if len(ours) > 0 {
		return ours
	}

	return unwrapped(in.Secret)
}

// unwrapped returns the secrets of another system that a text may be, without what commonly
// surrounds one: white space, the name of a header, Bearer, a variable's name, quotes, brackets.
// They are few, since each costs reads.
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

// ReportLeak revokes or flags the keys whose secrets are in a report that CheckReport accepted.
// Anybody may report. It returns at a fixed time after the report arrived: the duration of the work
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

// exposeAll processes each secret of a report.
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

// limitReports keeps an address from trying out secrets, and from causing much work. It looks at no
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

// exposuresAtOnce is how many secrets are processed concurrently.
const exposuresAtOnce = 8

// GitHubMessage is a message of GitHub's secret scanning: its body, and its signature with the
// key's id.
type GitHubMessage struct {
	Key, Signature string
	Body           []byte
}

// ReportGitHubLeaks processes a message of GitHub's secret scanning. Matches are independent of
// each other. If some fail, so does the message, and it may be sent again: what was done stays
// done.
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
