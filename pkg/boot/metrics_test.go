package boot_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/limit"
	"github.com/bitting-keys/bitting/pkg/localgateway/runtimeapi"
	"github.com/bitting-keys/bitting/pkg/metric"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// sums returns the sums of all lines by metric.
func sums(t *testing.T, lines string) map[string]int64 {
	t.Helper()

	out := map[string]int64{}
	for line := range strings.Lines(lines) {
		var members map[string]json.RawMessage
		if err := json.Unmarshal([]byte(line), &members); err != nil || members["_aws"] == nil {
			continue // a log line
		}

		for _, f := range metric.Table() {
			var n int64
			if json.Unmarshal(members[f.Name], &n) == nil && n != 0 {
				out[f.Name] += n
			}
		}
	}

	return out
}

// What a deployment's parts ask of others is counted, and what fails of it.
func TestWhatPartsAskForIsCounted(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	kit.MustCatalogue(t)
	k, _ := kit.MustKey(t, func(k *apikey.Key) {
		k.RateLimits = []apikey.RateLimit{{Name: "minute", Limit: 60_000, Window: time.Minute}}
	})

	var out bytes.Buffer

	set := metric.New(metric.Config{Now: kit.Clock.Now, Out: &out})
	p := kit.Restart()
	half := func() float64 { return 0.5 }

	for name, step := range map[string]struct {
		broken bool
		do     func(ctx context.Context) error
		want   map[string]int64
	}{
		"a lease": {false, func(ctx context.Context) error {
			l := limit.New(boot.CountedLimits(p.Hot, set), kit.Clock.Now, half)
			_, err := l.Spend(ctx, limit.KeySubject(k), limit.PolicyOf(k))
			return err
		}, map[string]int64{"LimitLeases": 1}},
		"calls that are given back": {false, func(ctx context.Context) error {
			l := limit.New(boot.CountedLimits(p.Hot, set), kit.Clock.Now, half)
			for range 100 {
				if _, err := l.Spend(ctx, limit.KeySubject(k), limit.PolicyOf(k)); err != nil {
					return err
				}
			}

			set.Flush()
			p.Traffic.Reset()
			err := l.Release(ctx)

			if p.Traffic.Count("UpdateItem") != 1 {
				t.Error("nothing was given back")
			}

			return err
		}, map[string]int64{}},
		"a lease that fails": {true, func(ctx context.Context) error {
			l := limit.New(boot.CountedLimits(p.Hot, set), kit.Clock.Now, half)
			_, err := l.Spend(ctx, limit.KeySubject(k), limit.PolicyOf(k))
			return err
		}, map[string]int64{"LimitFailures": 1}},
		"peppers": {false, func(ctx context.Context) error {
			ring := pepper.NewKeyring(p.Peppers, boot.CountedProvider(kit.Provider, set), kit.Clock.Now)
			_, err := ring.Current(ctx, apikey.Production)
			return err
		}, map[string]int64{"Unwraps": 1}},
		"peppers that nobody unwraps": {false, func(ctx context.Context) error {
			ring := pepper.NewKeyring(p.Peppers, boot.CountedProvider(nobody{}, set), kit.Clock.Now)
			if _, err := ring.Current(ctx, apikey.Production); err == nil {
				t.Error("it was unwrapped")
			}

			return nil
		}, map[string]int64{"Unwraps": 1, "UnwrapFailures": 1}},
		"the catalogue and the settings": {false, func(ctx context.Context) error {
			return refresh(ctx, kit, p, k, set)
		}, map[string]int64{}},
		"both fail": {true, func(ctx context.Context) error {
			return refresh(ctx, kit, p, k, set)
		}, map[string]int64{"RefreshFailures": 2}},
		"usage": {false, func(ctx context.Context) error {
			return count(ctx, kit, boot.CountedUsage(p.Hot, set), k)
		}, map[string]int64{}},
		"usage that fails": {true, func(ctx context.Context) error {
			return count(ctx, kit, boot.CountedUsage(p.Hot, set), k)
		}, map[string]int64{"UsageFailures": 3}}, // the key's row, the organization's, the journal
	} {
		p.Traffic.Inject(nil)

		if step.broken {
			p.Traffic.Inject(storetest.Always(storetest.Invalid))
		}

		if err := step.do(t.Context()); (err != nil) != step.broken {
			t.Errorf("%s: %v", name, err)
		}

		out.Reset()
		set.Flush()

		if diff := cmp.Diff(step.want, sums(t, out.String())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}

		kit.Clock.Advance(time.Hour)
	}
}

func joined(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}

	return nil
}

func refresh(
	ctx context.Context, kit *storetest.Kit, p *storetest.Process, k *apikey.Key, set *metric.Set,
) error {
	_, err := check.NewCatalogue(boot.CountedCatalogue(p.Store.CatalogueReader(apikey.Production),
		set), kit.Clock.Now).Current(ctx)
	_, other := check.NewSettingsCache(boot.CountedSettings(p.Store, set), kit.Clock.Now).Of(ctx, k)
	return joined(err, other)
}

func count(ctx context.Context, kit *storetest.Kit, w usage.Writer, k *apikey.Key) error {
	r := usage.NewRecorder(w, "i1", kit.Clock.Now, slog.New(slog.DiscardHandler))
	r.Record(usage.Call{
		At:             kit.Clock.Now(),
		Environment:    k.Environment,
		OrganizationID: k.OrganizationID,
		KeyID:          k.ID,
		Outcome:        check.Allowed,
		Secret:         apikey.Current,
	})
	return r.Flush(ctx)
}

// nobody is a KMS that refuses.
type nobody struct{ pepper.Provider }

func (nobody) Unwrap(context.Context, pepper.Scope, []byte) ([]byte, error) {
	return nil, os.ErrPermission
}

// printed collects what a process prints, and lets a test wait for it.
type printed struct {
	mu      sync.Mutex
	text    strings.Builder
	changed chan struct{}
}

func (p *printed) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()

	select {
	case p.changed <- struct{}{}:
	default:
	}

	return p.text.Write(text)
}

// String returns the lines without what runtimeapi puts before them.
func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.ReplaceAll(p.text.String(), "Production: ", "")
}

// A function that runs as Lambda runs it prints its metrics as a line of JSON of their own: after an
// answer, and the rest when it ends. Without a stack's name it prints none.
func TestFunctionPrintsItsMetrics(t *testing.T) {
	t.Parallel()
	bootstrap := filepath.Join(t.TempDir(), "bootstrap")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bootstrap, "../../authorizer")

	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	event, err := os.ReadFile("../../events/authorizer-rest-request.json")
	if err != nil {
		t.Fatal(err)
	}

	event = bytes.ReplaceAll(event, []byte("X-Api-Key"), []byte("X-Other"))

	for stack, want := range map[string]map[string]int64{
		// nothing listens at the address of DynamoDB, where a start fetches the catalogue
		"bitting": {"Checks": 3, "NoKey": 3, "Unauthorized": 3, "RefreshFailures": 1},
		"":        {},
	} {
		environment := good()
		environment["BITTING_METRICS"] = stack
		environment["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
		environment["AWS_LAMBDA_LOG_LEVEL"] = "WARN"
		environment["AWS_ENDPOINT_URL_DYNAMODB"] = "http://127.0.0.1:1"
		out := &printed{changed: make(chan struct{}, 1)}

		f := runtimeapi.New(runtimeapi.Config{
			Name:        "Production",
			Bootstrap:   bootstrap,
			Environment: environment,
			Timeout:     time.Minute,
			MemoryMB:    256,
			Instances:   1,
			Output:      out,
			Logger:      slog.New(slog.DiscardHandler),
		})

		for i := range 3 {
			if answer, err := f.Invoke(t.Context(), event); err == nil {
				t.Errorf("it allowed %s", answer)
			}

			for i == 0 && stack != "" && !strings.Contains(out.String(), `"_aws"`) {
				<-out.changed // the first line comes after the first answer
			}
		}

		if err := f.Close(); err != nil {
			t.Error(err)
		}

		if diff := cmp.Diff(want, sums(t, out.String())); diff != "" {
			t.Errorf("stack %q (-want +got):\n%s\n%s", stack, diff, out)
		}

		if stack == "" {
			continue
		}

		if n := strings.Count(out.String(), `"_aws"`); n != 2 ||
			strings.Count(out.String(), `"level":"WARN"`) != n ||
			strings.Count(out.String(), `"FunctionName":"Production"`) != n {
			t.Errorf("%d lines: %s", n, out)
		}
	}
}
