package main_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/bitting-keys/bitting/cmd/bitting/apply"
	"github.com/bitting-keys/bitting/cmd/bitting/cloud"
	wire "github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/client"
	"github.com/bitting-keys/bitting/pkg/local"
)

// TestApply applies files to a bitting local of its own, since the permission catalogue is all
// organizations'.
func TestApply(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir())

	runScripts(t, p, "apply")
	t.Run("page", func(t *testing.T) { testApplyPage(t, p) })
	t.Run("organizations", func(t *testing.T) {
		t.Run("every field", func(t *testing.T) { testEveryField(t, p) })
		t.Run("few requests", func(t *testing.T) { testFewRequests(t, p) })
		t.Run("lost answers", func(t *testing.T) { testLostAnswers(t, p) })
		t.Run("created again", func(t *testing.T) { testCreatedAgain(t, p) })
		t.Run("interrupted", func(t *testing.T) { testInterrupted(t, p) })
		t.Run("refused calls", func(t *testing.T) { testRefusedCalls(t, p) })
	})
}

// testApplyPage runs the commands of docs/apply.md.
func testApplyPage(t *testing.T, p *process) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "apply.md"))
	if err != nil {
		t.Fatal(err)
	}

	var file string
	var commands, printed []string

	for _, match := range block.FindAllStringSubmatch(string(text), -1) {
		switch {
		case match[1] == "sh":
			commands = append(commands, match[3])
		case match[2] == "bitting.yaml":
			file = match[3]
		default:
			printed = append(printed, match[3])
		}
	}

	if len(commands) != 3 || len(printed) != 2 {
		t.Fatalf("%d blocks of commands, %d of what they print", len(commands), len(printed))
	}

	dir := t.TempDir()
	script := "set -eu\n" + commands[0] + "cat > bitting.yaml <<'END'\n" + file + "END\n" + commands[1] +
		"ls -l website.key\n" + commands[2] + "bitting apply -f bitting.yaml --yes\n"
	c := exec.CommandContext(t.Context(), "bash", "-c", script)
	c.Dir = dir
	c.Env = append(os.Environ(), "PATH="+filepath.Dir(binary)+string(os.PathListSeparator)+
		os.Getenv("PATH"), "BITTING_DATA="+p.data, "BITTING_URL=")

	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	drift, _, _ := strings.Cut(printed[1], "2027-")
	for _, want := range []string{printed[0], "-rw-------", drift, "exit code 6", "Applied in"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}

	secret, err := os.ReadFile(filepath.Join(dir, "website.key"))
	if err != nil || strings.Contains(string(out), strings.TrimSpace(string(secret))) {
		t.Errorf("the secret is shown, or is not there: %v", err)
	}
}

// The workflow that users copy is YAML with the commands and flags that there are.
func TestWorkflowExample(t *testing.T) {
	t.Parallel()

	text, err := os.ReadFile(filepath.Join("..", "..", "examples", "github-actions", "bitting.yml"))
	if err != nil {
		t.Fatal(err)
	}

	var workflow struct {
		Jobs map[string]struct {
			Steps []struct {
				Run string `yaml:"run"`
			} `yaml:"steps"`
		} `yaml:"jobs"`
	}
	if err := yaml.Unmarshal(text, &workflow); err != nil {
		t.Fatal(err)
	}

	found := map[string]int{}
	command := regexp.MustCompile(`(?m)^\s*bitting ([a-z]+)([^>|]*)`)
	flag := regexp.MustCompile(`--?[a-z][a-z-]*`)

	for job, of := range workflow.Jobs {
		for _, step := range of.Steps {
			for _, match := range command.FindAllStringSubmatch(step.Run, -1) {
				found[job]++

				code, help, _ := run(t, match[1], "--help")
				if code != 0 {
					t.Errorf("%s: there is no bitting %s", job, match[1])
				}

				for _, f := range flag.FindAllString(match[2], -1) {
					if !regexp.MustCompile(`(?m)^ .*` + f + `[, ]`).MatchString(help) {
						t.Errorf("%s: bitting %s has no %s", job, match[1], f)
					}
				}
			}
		}
	}

	if diff := cmp.Diff(map[string]int{"plan": 1, "apply": 1}, found); diff != "" {
		t.Errorf("commands of the jobs (-want +got):\n%s", diff)
	}
}

// organization makes an organization and returns a client that may do all there.
func organization(t *testing.T, p *process, change ...func(*client.Config)) (*client.Client, string) {
	t.Helper()
	c := p.Operator().API(t, change...)

	made, err := c.CreateOrganization(t.Context(), wire.CreateOrganization{
		Name: t.Name(), FirstAdmin: "alice@acme.test",
	})
	if err != nil {
		t.Fatal(err)
	}

	p.Keep(*made.Secret)
	return c, made.Organization.ID
}

func stateOf(t *testing.T, c *client.Client, org string) apply.State {
	t.Helper()

	s, err := apply.ReadState(t.Context(), c, org, true, nil)
	if err != nil {
		t.Fatal(err)
	}

	return s
}

func exported(t *testing.T, s apply.State) string {
	t.Helper()

	text, _, err := apply.Export(s)
	if err != nil {
		t.Fatal(err)
	}

	return string(text)
}

// planned plans a file, whose relative paths are in a folder.
func planned(t *testing.T, c *client.Client, org, text, dir string) *apply.Plan {
	t.Helper()

	d, err := apply.Read([]byte(text), filepath.Join(dir, "bitting.yaml"))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}

	plan, err := apply.New(d, stateOf(t, c, org), apply.Options{Waits: waits, Prune: true})
	if err != nil {
		t.Fatal(err)
	}

	return plan
}

func file(s *apply.Secret) apply.Place { return apply.NewSecretFile(s.File, cloud.Reserved) }

func waits(s *apply.Secret) (bool, error) { return file(s).Waits(context.Background()) }

// executor takes steps without waiting.
func executor(c *client.Client) apply.Executor {
	return apply.Executor{
		Client:   c,
		Operator: c,
		Places:   func(s *apply.Secret) (apply.Place, error) { return file(s), nil },
		Sleep:    func(context.Context, time.Duration) error { return nil },
		Progress: func(int, int, string) {},
	}
}

func everyLimit() []wire.RateLimit {
	return []wire.RateLimit{
		{Name: "m", Limit: 10, Window: "60s"}, {Name: "d", Limit: 9, Window: "1d", Burst: 3},
	}
}

// everyField is a key with each field that an API's caller can set.
func everyField() wire.CreateKey {
	no := false
	at := time.Now().UTC()
	return wire.CreateKey{
		Name:        "Every: field # ☃",
		Environment: "production",
		KeySettings: wire.KeySettings{
			Description:      "off",
			Enabled:          &no,
			Permissions:      []string{"messages:read", "customers:read"},
			AllPermissions:   true,
			Grantable:        "catalogue",
			Customers:        []string{"hooli", "initech"},
			RateLimits:       everyLimit(),
			Quota:            &wire.Quota{Limit: 10, Period: "month"},
			AllowedAddresses: []string{"192.0.2.1", "2001:db8::/32"},
			NotBefore:        at,
			ExpiresAt:        at.Add(24 * time.Hour),
			Metadata:         map[string]string{"no": "~", "1": "0x1"},
			Tags:             []string{"b", "a"},
		},
	}
}

// What exists, and what becomes of it by random changes, is exported and does not differ; the first
// export, applied, takes the changes back.
func testEveryField(t *testing.T, p *process) {
	_, org := organization(t, p)
	ctx := t.Context()

	token, err := local.Token(p.data, "alice@acme.test") // no key may grant all permissions
	if err != nil {
		t.Fatal(err)
	}

	c := p.SignedIn(token).API(t)
	must := func(what any, err error) {
		t.Helper()

		if err != nil {
			t.Fatal(what, err)
		}
	}

	for _, id := range []string{"hooli", "initech"} {
		must(c.CreateCustomer(ctx, org, wire.CreateCustomer{
			ID: id, Name: "The " + id, Metadata: map[string]string{"yes": "null"},
		}))
	}

	must(c.PutMember(ctx, org, "Bob@acme.test", wire.PutMember{
		Role: "member", Grants: []string{"manage_others_keys"},
	}))
	must(c.UpdateOrganization(ctx, org, wire.UpdateOrganization{
		Name: wire.Set("Örg: 1"),
		Settings: wire.UpdateSettings{
			OrganizationKeysBy: wire.Set("members"),
			PersonalKeysBy:     wire.Set("nobody"),
			MemberPermissions:  wire.Set([]string{"metrics:read"}),
			DefaultPermissions: wire.Set([]string{}),
			LongestLife:        wire.UpdateLongestLife{Staging: wire.Set("2w"), Production: wire.Set("365d")},
			LegacyKeysAccepted: wire.Set(false),
			AllowedAddresses:   wire.Set([]string{"10.0.0.0/8", "127.0.0.1"}),
			SampleRequests:     wire.Set(0.25),
		},
	}))

	body := everyField()
	first, err := c.CreateKey(ctx, org, body)
	must(first, err)
	p.Keep(*first.Secret)
	body.Name = "Twice"

	for range 2 {
		made, err := c.CreateKey(ctx, org, body)
		must(made, err)
		p.Keep(*made.Secret)
	}

	must(c.RevokeKey(ctx, org, first.Key.ID, wire.RevokeKey{Reason: "a: reason"}))

	text := exported(t, stateOf(t, c, org))
	same := func() {
		t.Helper()
		now := stateOf(t, c, org)

		if plan := planned(t, c, org, exported(t, now), t.TempDir()); len(plan.Items) > 0 {
			t.Fatalf("the export differs: %+v\n%s", plan.Items, exported(t, now))
		}
	}
	same()

	rapid.Check(t, func(r *rapid.T) {
		if rapid.IntRange(0, 9).Draw(r, "one of ten") > 0 { // each takes some requests
			return
		}

		changeAny(r, c, org, first.Key.ID)
		same()
	})

	plan := planned(t, c, org, text, t.TempDir())
	if err := plan.Apply(ctx, executor(c)); err != nil {
		t.Fatal(err)
	}

	// not compared as texts: what is a set may stand in another order
	if plan := planned(t, c, org, text, t.TempDir()); len(plan.Items) > 0 {
		t.Errorf("the first export is not what is there now: %+v", plan.Items)
	}
}

// changeAny makes a random change.
func changeAny(r *rapid.T, c *client.Client, org, key string) {
	ctx := context.Background()
	some := func(name string, of ...string) []string {
		return rapid.SliceOfDistinct(rapid.SampledFrom(of), rapid.ID).Draw(r, name)
	}

	update := wire.UpdateKey{
		Description:      wire.Set(rapid.SampledFrom([]string{"", "a\nb", "é"}).Draw(r, "description")),
		Enabled:          wire.Set(rapid.Bool().Draw(r, "enabled")),
		Permissions:      wire.Set(some("permissions", "messages:read", "metrics:read", "keys:read")),
		AllPermissions:   wire.Set(rapid.Bool().Draw(r, "all")),
		Customers:        wire.Set(some("customers", "hooli", "initech")),
		AllowedAddresses: wire.Set(some("addresses", "::1", "10.0.0.0/8", "192.0.2.7")),
		Tags:             wire.Set(some("tags", "x", "on", "1_000")),
		Metadata:         wire.Null[map[string]string](),
	}
	if rapid.Bool().Draw(r, "limits") {
		update.RateLimits = wire.Null[[]wire.RateLimit]()
		update.Quota = wire.Set(wire.Quota{Limit: rapid.Int64Range(1, 1e12).Draw(r, "limit"), Period: "day"})
	}

	_, err := c.UpdateKey(ctx, org, key, update)
	if err == nil {
		_, err = c.UpdateOrganization(ctx, org, wire.UpdateOrganization{Settings: wire.UpdateSettings{
			DefaultPermissions: wire.Null[[]string](),
			SampleRequests:     wire.Set(float64(rapid.IntRange(0, 1000).Draw(r, "sample")) / 1000),
			LongestLife: wire.UpdateLongestLife{
				Production: wire.Set(rapid.SampledFrom([]string{"365d", "1y", "400d"}).Draw(r, "life")),
			},
		}})
	}

	if err != nil {
		r.Fatal(err)
	}
}

// counting counts requests.
type counting struct {
	http.RoundTripper

	requests atomic.Int64
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.requests.Add(1)
	return c.RoundTripper.RoundTrip(r)
}

// intercept puts something between a client and the API.
func intercept(with func(http.RoundTripper) http.RoundTripper) func(*client.Config) {
	return func(c *client.Config) {
		c.HTTPClient = &http.Client{Transport: with(c.HTTPClient.Transport)}
	}
}

// A plan reads pages, and of keys nothing unless they change and were used.
func testFewRequests(t *testing.T, p *process) {
	count := &counting{}
	c, org := organization(t, p, intercept(func(next http.RoundTripper) http.RoundTripper {
		count.RoundTripper = next
		return count
	}))

	const keys = 450

	var all []wire.ImportKey
	for i := range keys {
		all = append(all, wire.ImportKey{
			Name:        fmt.Sprintf("Key %d", i),
			Environment: "production",
			Hash:        wire.Hash{Algorithm: "sha256", Value: fmt.Sprintf("%064x", i+1)},
			KeySettings: wire.KeySettings{Permissions: []string{"messages:read"}},
		})
	}

	done, err := c.ImportKeys(t.Context(), org, wire.ImportKeys{Keys: all})
	if err != nil || done.Imported != keys {
		t.Fatal(done, err)
	}

	text := strings.ReplaceAll(exported(t, stateOf(t, c, org)), "description: \"\"", "description: changed")
	count.requests.Store(0)

	begun := time.Now()

	plan := planned(t, c, org, text, t.TempDir())
	if err := errors.Join(plan.Preview(t.Context(), c), plan.Blame(t.Context(), c)); err != nil {
		t.Fatal(err)
	}

	// three pages of keys, two of customers and members, the organization, the catalogue, whoami, and at
	// most five pages of history
	t.Logf("%d items by %d requests in %s", len(plan.Items), count.requests.Load(), time.Since(begun))

	if n := count.requests.Load(); len(plan.Items) < keys || n > 13 {
		t.Errorf("%d items, %d requests", len(plan.Items), n)
	}
}

// dropping loses the answers to the creation of keys, after the API has made them.
type dropping struct {
	http.RoundTripper

	drop atomic.Int64 // how many
}

var errLost = errors.New("the answer was lost")

func (d *dropping) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := d.RoundTripper.RoundTrip(r)
	if err == nil && r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/keys") &&
		d.drop.Add(-1) >= 0 {
		return nil, errors.Join(errLost, response.Body.Close())
	}

	return response, err
}

const website = "keys:\n- {name: Website, environment: production, permissions: ['messages:read'], " +
	"secret: {file: website.key}}\n- {name: Default key, environment: production}\n"

// After a lost answer, whether the client repeats the request or somebody the command, there is one key,
// and its file has a secret that works.
func testLostAnswers(t *testing.T, p *process) {
	for _, attempts := range []int{1, 4} {
		t.Run(fmt.Sprint(attempts), func(t *testing.T) { testLostAnswer(t, p, attempts) })
	}
}

func testLostAnswer(t *testing.T, p *process, attempts int) {
	d := &dropping{}
	c, org := organization(t, p, intercept(func(next http.RoundTripper) http.RoundTripper {
		d.RoundTripper = next
		return d
	}), func(config *client.Config) { config.Attempts = attempts })
	dir := t.TempDir()

	d.drop.Store(1)

	if err := planned(t, c, org, website, dir).Apply(t.Context(), executor(c)); err == nil {
		t.Fatal("it is applied, although the secret was lost")
	}

	again := planned(t, c, org, website, dir)
	if !again.Takes(apply.RegenerateKey) || again.Takes(apply.CreateKey) {
		t.Errorf("%d attempts: %+v", attempts, again.Steps)
	}

	if err := again.Apply(t.Context(), executor(c)); err != nil {
		t.Fatal(err)
	}

	opens(t, p, filepath.Join(dir, "website.key"), "Website")

	if n := named(t, c, org, "Website"); n != 1 {
		t.Errorf("%d attempts: %d keys", attempts, n)
	}
}

// named returns how many keys have a name.
func named(t *testing.T, c *client.Client, org, name string) (n int) {
	t.Helper()

	for _, k := range stateOf(t, c, org).Keys {
		if k.Name == name {
			n++
		}
	}

	return n
}

// opens fails unless a file has a secret of the key.
func opens(t *testing.T, p *process, file, name string) {
	t.Helper()

	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}

	secret := strings.TrimSpace(string(text))
	p.Keep(secret)

	me, err := p.As(secret).API(t).Whoami(t.Context())
	if err != nil || me.Name != name {
		t.Errorf("%s: %v, %v", name, me, err)
	}
}

// A key that was deleted, or renamed, is created again within a day, although the API still has the
// answer to the first creation.
func testCreatedAgain(t *testing.T, p *process) {
	c, org := organization(t, p)

	for range 3 {
		dir := t.TempDir()
		if err := planned(t, c, org, website, dir).Apply(t.Context(), executor(c)); err != nil {
			t.Fatal(err)
		}

		opens(t, p, filepath.Join(dir, "website.key"), "Website")

		for _, k := range stateOf(t, c, org).Keys {
			if k.Name == "Website" {
				if err := c.DeleteKey(t.Context(), org, k.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// An interrupt at any step, also within the creation of a key, leaves something that a repetition
// finishes, and no secret is lost.
func testInterrupted(t *testing.T, p *process) {
	interrupt := func() {}
	c, org := organization(t, p, intercept(func(next http.RoundTripper) http.RoundTripper {
		return during(func(r *http.Request) (*http.Response, error) {
			if r.Method != http.MethodGet {
				interrupt()
			}

			return next.RoundTrip(r)
		})
	}))
	dir := t.TempDir()
	text := "organization: {settings: {personalKeysBy: admins}}\ncustomers: [{id: hooli, name: Hooli}]\n" +
		"members: [{email: alice@acme.test}, {email: bob@acme.test, role: viewer}]\n" + website

	steps := len(planned(t, c, org, text, dir).Steps)
	for left := steps; left > 0; left-- {
		plan := planned(t, c, org, text, dir)
		if len(plan.Steps) != left {
			t.Fatalf("%d steps are left, want %d: %+v", len(plan.Steps), left, plan.Steps)
		}

		ctx, cancel := context.WithCancel(t.Context())
		interrupt = cancel

		err := plan.Apply(ctx, executor(c))
		if left > 1 && !errors.Is(err, apply.ErrInterrupted) || left == 1 && err != nil {
			t.Fatalf("%d left: %v", left, err)
		}

		cancel()
	}

	interrupt = func() {}

	opens(t, p, filepath.Join(dir, "website.key"), "Website")

	if plan := planned(t, c, org, text, dir); len(plan.Items) > 0 || steps < 4 {
		t.Errorf("%d steps, and still %+v", steps, plan.Items)
	}
}

type during func(*http.Request) (*http.Response, error)

func (d during) RoundTrip(r *http.Request) (*http.Response, error) { return d(r) }

// What changes would have refused of recorded calls is counted by the check of real calls: for a key,
// for the catalogue and for settings, and nothing for what opens.
func testRefusedCalls(t *testing.T, p *process) {
	c, org := organization(t, p)

	one := 1.0
	if _, err := c.UpdateOrganization(t.Context(), org, wire.UpdateOrganization{
		Settings: wire.UpdateSettings{SampleRequests: wire.Set(one)},
	}); err != nil {
		t.Fatal(err)
	}

	made, err := c.CreateKey(t.Context(), org, wire.CreateKey{
		Name: "Caller", Environment: "production", KeySettings: wire.KeySettings{
			Permissions: []string{"messages:read", "metrics:read"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}

	p.Keep(*made.Secret)
	eventually(t, "two calls are recorded", func() bool {
		for _, path := range []string{"/production/metrics", "/production/messages"} {
			p.As(*made.Secret).Call(t, http.MethodGet, path, nil)
		}

		page, err := c.KeyRequestsPage(t.Context(), org, made.Key.ID, wire.KeyRequests{})
		k, read := c.GetKey(t.Context(), org, made.Key.ID)
		return errors.Join(err, read) == nil && k.LastUsed != nil && slices.ContainsFunc(page.Items,
			func(r wire.Request) bool { return r.Route == "/metrics" }) && len(page.Items) > 3
	})

	text := exported(t, stateOf(t, c, org))

	for _, change := range []struct{ kind, before, after string }{
		{"key", "['messages:read', 'metrics:read']", "['messages:read']"},
		{"permission", "method: GET, path: /metrics}", "method: PUT, path: /metrics}"},
		{"organization", "allowedAddresses: []\n    sample", "allowedAddresses: [192.0.2.1]\n    sample"},
		{"", "['messages:read', 'metrics:read']", "['messages:read', 'metrics:read', 'licenses:manage']"},
	} {
		changed := strings.Replace(text, change.before, change.after, 1)
		if changed == text {
			t.Fatalf("%q is not in\n%s", change.before, text)
		}

		plan := planned(t, c, org, changed, t.TempDir())
		if err := plan.Preview(t.Context(), c); err != nil {
			t.Fatal(err)
		}

		for _, item := range plan.Items {
			refuses := item.Preview != nil && item.Preview.Refused > 0
			if refuses != (change.kind != "") || change.kind != "" && item.Kind != change.kind {
				t.Errorf("%s: %s %s: %+v", change.after, item.Kind, item.Name, item.Preview)
			}
		}

		if len(plan.Items) != 1 {
			t.Errorf("%s: %+v", change.after, plan.Items)
		}
	}
}

// A file that is too long is refused before anybody is asked: its beginning may be a file as well.
func TestFilesThatAreTooLong(t *testing.T) {
	t.Parallel()

	name := filepath.Join(t.TempDir(), "long.yaml")
	if err := os.WriteFile(name, append([]byte("keys: []\n#"), make([]byte, 64<<20)...),
		0o600); err != nil {
		t.Fatal(err)
	}

	if code, _, faults := run(t, "apply", "-f", name, "--url", "http://127.0.0.1:1"); code != 2 ||
		!strings.Contains(faults, "is longer than 64 MiB") {
		t.Errorf("exit code %d, %s", code, faults)
	}
}
