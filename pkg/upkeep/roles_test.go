package upkeep_test

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/localgateway/template"
	"github.com/bitting-keys/bitting/pkg/localiam"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
	"github.com/bitting-keys/bitting/pkg/upkeep"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// The function's role allows all that the tasks do, and little that they do not need.
func TestRoleIsEnough(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	kit.MustKey(t, func(k *apikey.Key) { k.ExpiresAt = k.CreatedAt.Add(time.Minute) })
	countTwice(t, kit)

	if _, err := kit.Keyring.Add(t.Context(), apikey.Production); err != nil {
		t.Fatal(err)
	}

	kit.Clock.Advance(75*time.Minute + time.Hour)

	p := kit.Restart()
	for _, task := range upkeep.Tasks(upkeep.Config{
		Store:   p.Store,
		Hot:     p.Hot,
		Scanner: p.Connection,
		Now:     kit.Clock.Now,
	}) {
		if task.Name == "jobs" {
			continue // they do what the admin API's functions do, by the same policies
		}

		if done, err := task.Run(t.Context()); done == 0 || err != nil {
			t.Errorf("%s did %d, %v", task.Name, done, err)
		}
	}

	roles := rolesOfTemplate(t)
	for _, request := range p.Traffic.Requests() {
		body := bytes.ReplaceAll(request.Body, []byte(`"`+kit.CoreTable+`"`), []byte(`"Core"`))
		body = bytes.ReplaceAll(body, []byte(`"`+kit.HotTable+`"`), []byte(`"Hot"`))

		if err := roles.Check("Upkeep", "DynamoDB_20120810."+request.Operation, body); err != nil {
			t.Error(err)
		}
	}

	const (
		core   = " on arn:aws:dynamodb:us-east-1:123456789012:table/Core, by statement 1 of "
		pepper = " on arn:aws:kms:us-east-1:123456789012:key/PepperKey, by statement 3 of "
	)

	ofJobs := []string{
		"Upkeep: dynamodb:BatchGetItem" + core + "ManageCore",
		"Upkeep: dynamodb:ConditionCheckItem" + core + "ManageCore",
		"Upkeep: dynamodb:DeleteItem" + core + "ListCore",
		"Upkeep: dynamodb:Query" + core + "ListCore",
		"Upkeep: kms:Decrypt" + pepper + "ManageCore", // the tests' keys are on disk
	}
	if diff := cmp.Diff(ofJobs, roles.Unused("Upkeep")); diff != "" {
		t.Errorf("what the role grants and only jobs need (-want +got):\n%s", diff)
	}
}

// countTwice makes two rows of one hour's usage, which are to become one.
func countTwice(t *testing.T, kit *storetest.Kit) {
	t.Helper()

	hour := kit.Clock.Now().Truncate(time.Hour)
	scope := usage.KeyScope(apikey.Production, "site")

	for _, writer := range []string{"a-1", "b-1"} {
		if err := kit.Hot.PutUsage(t.Context(), usage.Row{
			Scope:    scope,
			Hour:     hour,
			Writer:   writer,
			Sequence: 1,
			Counts:   usage.Counts{Cells: map[usage.Cell]int64{{Outcome: check.Allowed}: 1}},
		}); err != nil {
			t.Fatal(err)
		}
	}

	if err := kit.Hot.PutJournal(t.Context(), usage.Journal{
		Environment: apikey.Production,
		Hour:        hour,
		Writer:      "a-2",
		Scopes:      []usage.Scope{scope},
	}); err != nil {
		t.Fatal(err)
	}
}

func rolesOfTemplate(t *testing.T) *localiam.Roles {
	t.Helper()

	source, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}

	tmpl, err := template.Read(source, nil)
	if err != nil {
		t.Fatal(err)
	}

	roles, err := localiam.New(tmpl)
	if err != nil {
		t.Fatal(err)
	}

	return roles
}
