package adminapi

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/meter"
	"github.com/bitting-keys/bitting/pkg/store"
)

const (
	// maxReport is the largest body of a report, in bytes.
	maxReport = 8 << 10
	// leakAnswered is when a report is answered, counted from its arrival, whatever it was of. It is longer than the work usually takes.
	leakAnswered = 500 * time.Millisecond
	// reportsEach is how many reports may come from an address each minute.
	reportsEach = 20
	// longestAddress is the longest address of a page that is kept.
	longestAddress = 2000
)

func (a *API) registerLeaks() {
	registerOpen(a, operation{id: "reportLeak", group: GroupRevocation, method: http.MethodPost, path: "/v1/leaks", status: http.StatusAccepted, maxBody: maxReport,
		summary: "Report a secret that was found in the open",
		about: "Anybody may: who has the secret could use it, too. The answer is the same whatever the secret is or was. One of a key of ours is revoked as " +
			"compromised, or flagged where all that it opens may be published; the old secret of a rotation ends, and its key goes on."}, a.reportLeak)
	registerOpen(a, operation{id: "reportGitHubLeaks", group: GroupRevocation, method: http.MethodPost, path: "/v1/leaks/github", status: http.StatusAccepted, raw: githubMessage(),
		summary: "Report secrets that GitHub's secret scanning found", about: "For GitHub, by its partner program's protocol; nobody else can sign such a message."}, a.reportGitHubLeaks)
}

type leakBody struct {
	Secret string  `json:"secret" minLength:"1" doc:"The whole secret, as it was found"`
	URL    *string `json:"url" required:"false" maxLength:"2000" doc:"Where it was found: http or https"`
	Note   *string `json:"note" required:"false" maxLength:"500" doc:"For the key's history; no secrets here"`
}

type leakInput struct {
	Body leakBody
}

// Resolve implements huma.Resolver. The faults quote nothing: whatever stands in a report may be a secret.
func (in *leakInput) Resolve(huma.Context) []error {
	f := &faults{}
	if text := value(in.Body.URL); text != "" && webAddress(text) == nil {
		f.add("body.url", "expected an address that starts with https:// or http://", nil)
	}
	return f.errors
}

// webAddress reads the address of a page; nil where it is none.
func webAddress(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil || len(text) > longestAddress || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return nil
	}
	return u
}

// taken is the answer to whatever was reported.
type taken struct{ Body struct{} }

// reportLeak answers at a fixed time after the report came. How long the work took would tell whether there is such a key.
func (a *API) reportLeak(ctx context.Context, in *leakInput) (*taken, error) {
	answered := a.now().Add(leakAnswered)
	err := a.limitReports(ctx)
	if err == nil {
		err = a.expose(ctx, leak{secret: in.Body.Secret, url: value(in.Body.URL), note: value(in.Body.Note), source: "report"})
		a.wait(ctx, answered.Sub(a.now()))
	}
	if err != nil {
		return nil, err
	}
	return &taken{}, nil
}

// limitReports keeps an address from trying secrets out, and from costing much. It looks at no secret, so it may answer at once.
func (a *API) limitReports(ctx context.Context) error {
	address, _ := netip.ParseAddr(originOf(ctx).sourceIP)
	limit := meter.Policy{Version: 1, Limits: []apikey.RateLimit{{Name: "reports", Limit: reportsEach, Window: time.Minute}}}
	allowance, err := a.limits.Take(ctx, meter.AddressSubject(address), limit)
	if err != nil {
		return fmt.Errorf("%w: limit of reports: %w", store.ErrUnavailable, err)
	}
	if allowance.Outcome != check.Allowed {
		p := rateLimited.with("There are too many reports from your address: try again later.")
		p.retryAfter = strconv.Itoa(int(math.Ceil(allowance.RetryAfter.Seconds())))
		return p
	}
	return nil
}
