package main_test

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// With AWS, doctor looks at tables, peppers, the key and upkeep, each found by the stack's outputs.
func TestDoctorOfAStack(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	folder := t.TempDir()

	provider, err := pepper.NewLocal(folder)
	if err != nil {
		t.Fatal(err)
	}

	outputs := map[string]string{
		"AdminUrl":     "http://127.0.0.1:1",
		"CoreTable":    kit.CoreTable,
		"HotTable":     kit.HotTable,
		"PepperKeyArn": "arn:key",
	}

	account := &account{folder: t.TempDir(), outputs: outputs, status: "UPDATE_COMPLETE"}

	aws := httptest.NewServer(account)
	defer aws.Close()

	doctor := func(keys string) map[string]string {
		c := command(t.Context(), "doctor", "--stack", "bitting", "--region", "eu-west-1", "-o", "json")
		c.Env = append(os.Environ(), "BITTING_LOCAL_KEYS="+keys, "BITTING_CONFIG="+folder+"/none",
			"AWS_ENDPOINT_URL_DYNAMODB="+*kit.Client.Options().BaseEndpoint)

		for name, value := range awsVariables(aws.URL) {
			c.Env = append(c.Env, name+"="+value)
		}

		var out bytes.Buffer

		c.Stdout = &out
		_ = c.Run() // the API does not answer

		var found []struct{ Check, Status, Detail, Mend string }
		if err := json.Unmarshal(out.Bytes(), &found); err != nil || c.ProcessState.ExitCode() != 1 {
			t.Fatalf("%v: %s", err, out.String())
		}

		states := map[string]string{}
		for _, f := range found {
			states[f.Check] = f.Status + " " + f.Detail + " " + f.Mend
		}

		return states
	}

	want := func(when string, states map[string]string, wanted map[string]string) {
		t.Helper()

		for check, start := range wanted {
			if got := states[check]; !strings.HasPrefix(got, start) || start == "" && got != "" {
				t.Errorf("%s: %s is %q, want %q…", when, check, got, start)
			}
		}
	}

	want("before bootstrap", doctor(folder), map[string]string{
		"stack":   "ok bitting is UPDATE_COMPLETE",
		"roles":   "ok 3 roles and policies are as the template says",
		"tables":  "ok",
		"peppers": "problem production has none",
		"upkeep":  "",
	})

	account.becomes(func() { account.drifted = "KeysRole" })
	want("with a role that was changed", doctor(folder), map[string]string{
		"roles":  "problem somebody changed what functions may do: KeysRole is MODIFIED aws cloudformation",
		"tables": "ok",
	})

	account.becomes(func() { account.drifted = "denied" })
	want("where nobody may look", doctor(folder), map[string]string{
		"roles":  "skipped these credentials may not look at them",
		"tables": "ok",
	})

	kit.Process = *kit.With(provider)
	kit.Provider = provider // the command's
	kit.MustKey(t, nil)
	want("before a rotation", doctor(folder), map[string]string{
		"peppers": "ok",
		"upkeep":  "skipped",
	})
	want("with another key", doctor(t.TempDir()), map[string]string{
		"peppers": "problem that of production cannot be unwrapped",
	})

	pass := func(at time.Time) {
		t.Helper()
		kit.Clock.Set(at)

		p := kit.With(provider)
		if _, err := p.Store.PassPeppers(t.Context(), p.Connection, kit.Clock.Now); err != nil {
			t.Fatal(err)
		}
	}

	rotated := time.Now().Add(-5 * 24 * time.Hour)
	kit.Clock.Set(rotated)

	if _, err := kit.Keyring.Add(t.Context(), apikey.Production); err != nil {
		t.Fatal(err)
	}

	want("no upkeep since the rotation", doctor(folder), map[string]string{
		"upkeep": "problem no pass over the table has ended since 20",
	})
	pass(rotated.Add(time.Hour))
	want("upkeep stopped", doctor(folder), map[string]string{
		"upkeep": "problem no pass over the table has ended since 20",
	})

	pass(time.Now())
	want("whole", doctor(folder), map[string]string{"upkeep": "ok the last pass or rotation was on 20"})

	account.becomes(func() { outputs["HotTable"], account.status = "none", "UPDATE_ROLLBACK_FAILED" })
	want("without a table", doctor(folder), map[string]string{
		"stack":  "problem the last change of bitting failed: UPDATE_ROLLBACK_FAILED",
		"tables": "problem none cannot be read",
	})
}
