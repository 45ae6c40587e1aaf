package local_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/bitting-keys/bitting/pkg/local"
	"github.com/bitting-keys/bitting/pkg/local/localtest"
	"github.com/bitting-keys/bitting/pkg/localiam"
)

// A goroutine that one stopped machine leaves behind, every machine would.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func options(data string) local.Options {
	return local.Options{
		Listen:   "127.0.0.1:0",
		Data:     data,
		Profile:  "strict",
		API:      "rest",
		Checkout: filepath.Join("..", ".."),
		Out:      io.Discard,
	}
}

// runs runs a machine while use runs, with its functions held to their roles, which it returns.
func runs(
	t *testing.T, o local.Options, use func(*localtest.Machine),
) (roles *localiam.Roles) {
	t.Helper()

	o.Roles = func(r *localiam.Roles) { roles = r }

	ctx, stop := context.WithCancel(t.Context())
	defer stop()

	ended := make(chan error, 1)
	go func() { ended <- local.Run(ctx, o) }()

	m, err := localtest.Wait(ctx, o.Data, ended)
	if err != nil {
		t.Fatal(err)
	}

	use(m)
	m.Close()
	stop()

	if err := <-ended; err != nil {
		t.Error(err)
	}

	if denied := roles.Denied(); len(denied) > 0 {
		t.Errorf("refused by the roles of template.yaml: %q", denied)
	}

	return roles
}

func TestRunAndStop(t *testing.T) {
	t.Parallel()

	for name, processes := range map[string]bool{
		"functions inside the process":     false,
		"functions as their own processes": true,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t.TempDir())
			o.Processes = processes
			var secret string
			runs(t, o, func(m *localtest.Machine) {
				secret = m.Keys["production"]
				m.As(secret).Call(t, http.MethodGet, "/production/messages", nil).Want(t,
					http.StatusOK)
				m.As("").Call(t, http.MethodGet, "/", nil).Want(t, http.StatusOK)
			})
			runs(t, o, func(m *localtest.Machine) {
				if m.Keys["production"] != secret {
					t.Error("the demo has another key after a restart")
				}
			})
		})
	}
}

// A start that was interrupted at any point is completed by the next one.
func TestDemoIsCompleted(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	runs(t, o, func(*localtest.Machine) {})
	// killed before it was written
	if err := os.Remove(filepath.Join(o.Data, "demo.json")); err != nil {
		t.Fatal(err)
	}

	runs(t, o, func(m *localtest.Machine) {
		m.As(m.Keys["staging"]).Call(t, http.MethodGet, "/staging/messages", nil).Want(t,
			http.StatusOK)
		m.Admin().Call(t, http.MethodGet, "/v1/organizations/acme", nil).Want(t, http.StatusOK)
		m.Operator().Call(t, http.MethodGet, "/v1/organizations/globex", nil).Want(t, http.StatusOK)
	})
}

func TestRunFails(t *testing.T) {
	t.Parallel()

	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}

	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "demo.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}

	old := t.TempDir()
	if err := os.WriteFile(filepath.Join(old, "demo.json"), []byte(`{"operatorKey": "bt_prod_x"}`),
		0o600); err != nil {
		t.Fatal(err)
	}

	checkout := t.TempDir()
	if err := os.WriteFile(filepath.Join(checkout, "template.yaml"),
		[]byte("Resources: 7"), 0o600); err != nil {
		t.Fatal(err)
	}

	for name, test := range map[string]struct {
		change func(*local.Options)
		want   string
	}{
		"no checkout": {func(o *local.Options) {
			o.Checkout = t.TempDir()
		}, "template.yaml: no such file"},
		"a broken template": {func(o *local.Options) {
			o.Checkout = checkout
		}, filepath.Join(checkout, "template.yaml") + ": "},
		"data that is a file": {func(o *local.Options) { o.Data = file }, file},
		"a broken demo.json": {func(o *local.Options) {
			o.Data = broken
		}, filepath.Join(broken, "demo.json") + ": "},
		"data of another version": {func(o *local.Options) {
			o.Data = old
		}, "the data is of another version of Bitting; --fresh deletes the existing data first"},
		"no such address": {func(o *local.Options) {
			o.Listen = "192.0.2.1:0"
		}, "cannot listen on 192.0.2.1:0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t.TempDir())
			test.change(&o)

			if err := local.Run(t.Context(), o); err == nil ||
				!strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// A request to stop is not a failure, whenever it comes.
func TestStopBeforeItIsReady(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	stop()

	o := options(t.TempDir())
	if err := local.Run(ctx, o); err != nil {
		t.Error(err)
	}

	if _, err := os.Stat(filepath.Join(o.Data, "local.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("local.json of what never ran: %v", err)
	}
}

func TestFirstSteps(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	var out bytes.Buffer
	o.Out = &out
	o.Profile = "cached"
	runs(t, o, func(*localtest.Machine) {})

	for _, words := range []string{
		"profile cached: a revoked key is refused within 300 seconds", "/v1/docs",
		filepath.Join(o.Data, "local.json"), filepath.Join(o.Data, "bitting.log"), "Stopping.",
	} {
		if !strings.Contains(out.String(), words) {
			t.Errorf("it does not say %q:\n%s", words, out.String())
		}
	}
}
