package local_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/boot/full"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/local/localtest"
	"github.com/bitting-keys/bitting/pkg/localstore"
	"github.com/bitting-keys/bitting/pkg/store"
)

// Work that no call does is done by the scheduled function, within seconds and without being
// asked.
func TestScheduledFunctionsRun(t *testing.T) {
	t.Parallel()

	for name, processes := range map[string]bool{
		"inside the process":     false,
		"as their own processes": true,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			binary, err := localstore.Find(".")
			if err != nil {
				t.Fatal(err)
			}

			server, err := localstore.Start(t.Context(), binary, "", io.Discard)
			if err != nil {
				t.Fatal(err)
			}

			o := options(t.TempDir())
			o.Processes = processes
			o.DynamoDB = server.URL
			runs(t, o, func(m *localtest.Machine) {
				d, err := full.Load(boot.Of(map[string]string{
					"BITTING_CORE_TABLE":        "Core",
					"BITTING_HOT_TABLE":         "Hot",
					"BITTING_LOCAL_KEYS":        filepath.Join(o.Data, "keys"),
					"AWS_ENDPOINT_URL_DYNAMODB": server.URL,
					"AWS_REGION":                "us-east-1",
					"AWS_ACCESS_KEY_ID":         "local",
					"AWS_SECRET_ACCESS_KEY":     "local",
				}), slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}

				leftOver(t, d, m.AdminKey)

				for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
					var j struct{ State string }
					m.Admin().Call(t, http.MethodGet,
						"/v1/organizations/acme/jobs/0000000000leftXX", nil).Want(t,
						http.StatusOK).Into(t, &j)

					if j.State == "done" {
						break
					}

					if time.Now().After(end) {
						t.Fatal("the job is not continued")
					}
				}
			})

			if err := server.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// leftOver makes a job whose call is over, by a key that may still do what the job does.
func leftOver(t *testing.T, d *full.Deployment, maker string) {
	t.Helper()

	parts, err := d.Brand.Parse(maker)
	if err != nil {
		t.Fatal(err)
	}

	parameters, err := json.Marshal(map[string]any{"action": "enable", "filter": store.Filter{}})
	if err != nil {
		t.Fatal(err)
	}

	j := &job.Job{
		ID:             "0000000000leftXX",
		OrganizationID: "acme",
		Kind:           job.Bulk,
		Parameters:     parameters,
		State:          job.Queued,
		Errors:         []job.Error{},
		CreatedBy:      apikey.Actor{Type: apikey.ActorKey, ID: parts.KeyID},
		CreatedAt:      time.Now(),
		UpdatedAt:      time.Now(),
		Version:        1,
	}
	if err := d.Store.Commit(t.Context(), d.Store.PutJob(j, 0)); err != nil {
		t.Fatal(err)
	}
}
