package adminapi

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/sync/errgroup"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/limit"
	"github.com/bitting-keys/bitting/pkg/store"
)

const (
	// maxReport is the largest body of a report, in bytes.
	maxReport = 8 << 10
	// maxLeaked is how many secrets a report may hold.
	maxLeaked = 32
	// leakAnswered is when a report is answered, counted from its arrival, whatever it was of. It
	// is longer than the work usually takes. One that holds more than are worked on at once takes
	// as many times that.
	leakAnswered = 500 * time.Millisecond
	// reportsEach is how many reports may come from an address each minute.
	reportsEach = 20
	// maxAddress is the longest address of a page that is kept.
	maxAddress = 2000
)

func (a *API) registerLeaks() {
	registerOpen(a, operation{
		id:      "reportLeak",
		group:   GroupRevocation,
		method:  http.MethodPost,
		path:    "/v1/leaks",
		status:  http.StatusAccepted,
		maxBody: maxReport,
		summary: "Report a secret that was found in the open",
		about: "Anybody may: who has the secret could use it, too. The answer is the same " +
			"whatever the secret is or was. One of a key of ours is revoked as " +
			"compromised, or flagged where all that it opens may be published; the old secret of " +
			"a rotation ends, and its key goes on.",
	}, a.reportLeak)
	registerOpen(a, operation{
		id:      "reportGitHubLeaks",
		group:   GroupRevocation,
		method:  http.MethodPost,
		path:    "/v1/leaks/github",
		status:  http.StatusAccepted,
		raw:     githubMessage(),
		summary: "Report secrets that GitHub's secret scanning found",
		about: "For GitHub, by its partner program's protocol; nobody else can sign such a " +
			"message.",
	}, a.reportGitHubLeaks)
}

type leakBody struct {
	Secret string  `json:"secret" minLength:"1" doc:"The whole secret, or a text with secrets: all of ours in it are taken, at most 32, and another system's if it stands by itself"`
	URL    *string `json:"url" required:"false" maxLength:"2000" doc:"Where it was found: http or https"`
	Note   *string `json:"note" required:"false" maxLength:"500" doc:"For the key's history; no secrets here"`
}

type leakInput struct {
	Body leakBody
}

// Resolve implements huma.Resolver. The faults quote nothing: whatever stands in a report may be a
// secret.
func (in *leakInput) Resolve(ctx huma.Context) []error {
	f := &validator{}
	if len(apiOf(ctx.Context()).leaked(in.Body)) > maxLeaked {
		f.add("body.secret",
			fmt.Sprintf("expected at most %d secrets: send several reports", maxLeaked), nil)
	}

	if text := value(in.Body.URL); text != "" && webAddress(text) == nil {
		f.add("body.url", "expected an address that starts with https:// or http://", nil)
	}

	return f.errors
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
func (a *API) leaked(b leakBody) []string {
	ours := a.brand.Secrets(b.Secret + "\n" + value(b.URL) + "\n" + value(b.Note))
	if len(ours) > 0 {
		return ours
	}

	return unwrapped(b.Secret)
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

// exposeAll does what a report asks for of each of its secrets.
func (a *API) exposeAll(ctx context.Context, b leakBody, source string) error {
	var all errgroup.Group
	all.SetLimit(exposuresAtOnce)

	for _, secret := range a.leaked(b) {
		all.Go(func() error {
			return a.expose(ctx, leak{
				secret: secret,
				url:    value(b.URL),
				note:   value(b.Note),
				source: source,
			})
		})
	}

	return all.Wait()
}

// taken is the answer to whatever was reported.
type taken struct{ Body struct{} }

// reportLeak answers at a fixed time after the report came. How long the work took would tell
// whether there is such a key.
func (a *API) reportLeak(ctx context.Context, in *leakInput) (*taken, error) {
	rounds := max(1, (len(a.leaked(in.Body))+exposuresAtOnce-1)/exposuresAtOnce)
	answered := a.now().Add(time.Duration(rounds) * leakAnswered)

	err := a.limitReports(ctx)
	if err == nil {
		err = a.exposeAll(ctx, in.Body, "report")
		a.wait(ctx, answered.Sub(a.now()))
	}

	if err != nil {
		return nil, err
	}

	return &taken{}, nil
}

// limitReports keeps an address from trying secrets out, and from costing much. It looks at no
// secret, so it may answer at once.
func (a *API) limitReports(ctx context.Context) error {
	address, _ := netip.ParseAddr(gatewayContextOf(ctx).sourceIP)
	policy := limit.Policy{
		Version: 1,
		Limits:  []apikey.RateLimit{{Name: "reports", Limit: reportsEach, Window: time.Minute}},
	}

	allowance, err := a.limits.Spend(ctx, limit.AddressSubject(address), policy)
	if err != nil {
		return fmt.Errorf("%w: limit of reports: %w", store.ErrUnavailable, err)
	}

	if allowance.Verdict != limit.Admitted {
		p := rateLimited.with("There are too many reports from your address: try again later.")
		p.retryAfter = strconv.Itoa(int(math.Ceil(allowance.RetryAfter.Seconds())))
		return p
	}

	return nil
}
