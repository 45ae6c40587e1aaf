package adminapi_test

import (
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Each environment has an authorizer of its own, with a role of its own.
func TestLimitsOfEachEnvironment(t *testing.T) {
	t.Parallel()
	o := newTenant(t)

	for _, environment := range []string{"production", "staging", "development"} {
		k := o.key(t, map[string]any{
			"environment": environment,
			"permissions": []string{"messages:read"},
			"quota":       map[string]any{"limit": 40, "period": "month"},
			"rateLimits": []any{map[string]any{
				"name":   "hour",
				"limit":  2,
				"window": "1h",
			}},
		})
		for range 2 {
			machine.As(k.Secret).Call(t, http.MethodGet, "/"+environment+"/messages", nil).Want(t,
				http.StatusOK)
		}

		limited(t, machine.As(k.Secret).Call(t, http.MethodGet, "/"+environment+"/messages", nil),
			"rate_limited")
	}
}

// Whichever call is a person's first, it makes the invitation a membership.
func TestFirstCallAsksForUsage(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	p := signIn(t, address("first"))
	o.invite(t, p.email, "admin")
	p.Call(t, http.MethodGet, o.path("usage"), nil).Want(t, http.StatusOK)

	if got := o.member(t, p.email); got.Status != "active" {
		t.Errorf("the member is %+v", got)
	}
}

// contended is a grant that is needed only where another writer overtakes a stop, which then holds
// that writer off: whether that happens to a function in these tests is chance.
const contended = "dynamodb:UpdateItem on arn:aws:dynamodb:us-east-1:123456789012:table/Core, " +
	"by statement 1 of ManageCore"

// heldToRoles returns an error if a role refused a call of its function or, where all tests ran,
// grants what none needed.
func heldToRoles() error {
	if denied := roles.Denied(); len(denied) > 0 {
		return fmt.Errorf("refused by the roles of template.yaml:\n\t%s",
			strings.Join(denied, "\n\t"))
	}

	if flag.Lookup("test.run").Value.String() != "" || flag.Lookup("test.skip").Value.String() != "" {
		return nil
	}

	// Upkeep is not among them: what it does depends on the minute, and its own tests show it.
	unused := roles.Unused("ProductionAuthorizer", "StagingAuthorizer", "DevelopmentAuthorizer",
		"AdminAuthorizer", "Organizations", "Keys", "Rotation", "Revocation", "Usage")

	unused = slices.DeleteFunc(unused, func(grant string) bool {
		return strings.HasSuffix(grant, contended)
	})
	if len(unused) > 0 {
		return fmt.Errorf("roles grant what no call needs:\n\t%s", strings.Join(unused, "\n\t"))
	}

	return nil
}
