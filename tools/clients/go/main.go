// Command clients uses a client that oapi-codegen generated from the OpenAPI document.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"

	"clients/admin"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func client(key string) (*admin.ClientWithResponses, error) {
	return admin.NewClientWithResponses(os.Getenv("BITTING_URL"),
		admin.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
			r.Header.Set("X-Api-Key", key)
			return nil
		}))
}

func run(ctx context.Context) error {
	org := os.Getenv("BITTING_ORGANIZATION")

	api, err := client(os.Getenv("BITTING_KEY"))
	if err != nil {
		return err
	}

	permissions := []string{}
	made, err := api.CreateKeyWithResponse(ctx, org, nil, admin.CreateKeyRequest{
		Name:        "Generated in Go",
		Environment: "staging",
		Permissions: &permissions,
	})
	if err != nil || made.JSON201 == nil || made.JSON201.Secret == nil {
		return fmt.Errorf("create: %v %s", err, made.Body)
	}

	key := made.JSON201.Key

	limit, found := int64(1), false
	for page := (&admin.ListKeysParams{Limit: &limit}); !found; {
		list, err := api.ListKeysWithResponse(ctx, org, page)
		if err != nil || list.JSON200 == nil {
			return fmt.Errorf("list: %v %s", err, list.Body)
		}

		found = list.JSON200.Items[0].Id == key.Id
		if list.JSON200.NextCursor == nil {
			break
		}

		page.Cursor = list.JSON200.NextCursor
	}

	if !found {
		return fmt.Errorf("key %s is on no page", key.Id)
	}

	name, current, old := "Renamed", fmt.Sprintf("%q", fmt.Sprint(key.Version)), `"0"`
	change := admin.UpdateKeyRequest{Name: &name}

	stale, err := api.UpdateKeyWithResponse(ctx, org, key.Id, &admin.UpdateKeyParams{IfMatch: &old},
		change)
	if err != nil {
		return err
	}

	if err := refusedAs(412, "stale", stale.HTTPResponse, stale.ApplicationproblemJSON4XX); err != nil {
		return err
	}

	changed, err := api.UpdateKeyWithResponse(ctx, org, key.Id,
		&admin.UpdateKeyParams{IfMatch: &current}, change)
	if err != nil || changed.JSON200 == nil || changed.JSON200.Name != name {
		return fmt.Errorf("change: %v %s", err, changed.Body)
	}

	rotated, err := api.RotateKeyWithResponse(ctx, org, key.Id, nil, admin.RotateKeyJSONRequestBody{})
	if err != nil || rotated.JSON200 == nil || rotated.JSON200.Secret == nil {
		return fmt.Errorf("rotate: %v %s", err, rotated.Body)
	}

	revoked, err := api.RevokeKeyWithResponse(ctx, org, key.Id, nil, admin.RevokeKeyJSONRequestBody{})
	if err != nil || revoked.JSON200 == nil {
		return fmt.Errorf("revoke: %v %s", err, revoked.Body)
	}

	return refusals(ctx, api, org)
}

// refusedAs checks a typed error: its status and its code.
func refusedAs(status int, code admin.ProblemCode, got *http.Response, problem *admin.Problem) error {
	if got.StatusCode != status || problem == nil || problem.Code != code ||
		problem.Status != int64(status) {
		return fmt.Errorf("expected %d %s: %s %+v", status, code, got.Status, problem)
	}

	return nil
}

func refusals(ctx context.Context, api *admin.ClientWithResponses, org string) error {
	const nobodys = "0000000000000000"

	invalid, err := api.CreateKeyWithResponse(ctx, org, nil, admin.CreateKeyRequest{
		Environment: "staging",
	})
	if err != nil {
		return err
	}

	missing, err := api.GetKeyWithResponse(ctx, org, nobodys, nil)
	if err != nil {
		return err
	}

	unread, err := api.CreateKeyWithBodyWithResponse(ctx, org, nil, "text/plain",
		strings.NewReader("{}"))
	if err != nil {
		return err
	}

	nobody, err := client("bt_prod_" + nobodys + "_00000000000000000000000000000000000000")
	if err != nil {
		return err
	}

	unknown, err := nobody.GetKeyWithResponse(ctx, org, nobodys, nil)
	if err != nil {
		return err
	}

	customer, err := api.CreateCustomerWithResponse(ctx, org, nil,
		admin.CreateCustomerRequest{Name: "Generated in Go"})
	if err != nil || customer.JSON201 == nil {
		return fmt.Errorf("customer: %v %+v", err, customer)
	}

	twice, err := api.CreateCustomerWithResponse(ctx, org, nil,
		admin.CreateCustomerRequest{Id: &customer.JSON201.Id, Name: "Again"})
	if err != nil {
		return err
	}

	return errors.Join(
		refusedAs(401, "unauthenticated", unknown.HTTPResponse, unknown.ApplicationproblemJSON4XX),
		refusedAs(404, "not_found", missing.HTTPResponse, missing.ApplicationproblemJSON4XX),
		refusedAs(409, "duplicate", twice.HTTPResponse, twice.ApplicationproblemJSON4XX),
		refusedAs(415, "unsupported_media_type", unread.HTTPResponse,
			unread.ApplicationproblemJSON4XX),
		refusedAs(422, "validation", invalid.HTTPResponse, invalid.ApplicationproblemJSON4XX),
		limits(ctx, api, org),
	)
}

// limits makes a key that may do little, once an hour.
func limits(ctx context.Context, api *admin.ClientWithResponses, org string) error {
	made, err := api.CreateKeyWithResponse(ctx, org, nil, admin.CreateKeyRequest{
		Name:        "Limited in Go",
		Environment: "production",
		Permissions: &[]string{"keys:read"},
		RateLimits:  &[]admin.RateLimit{{Name: "few", Limit: 1, Window: "1h"}},
	})
	if err != nil || made.JSON201 == nil || made.JSON201.Secret == nil {
		return fmt.Errorf("create: %v %+v", err, made)
	}

	limited, err := client(*made.JSON201.Secret)
	if err != nil {
		return err
	}

	denied, err := limited.CreateCustomerWithResponse(ctx, org, nil,
		admin.CreateCustomerRequest{Name: "Denied"})
	if err != nil {
		return err
	}

	// instances hold a limit together within a bound
	for range 50 {
		over, err := limited.GetKeyWithResponse(ctx, org, made.JSON201.Key.Id, nil)
		if err != nil {
			return err
		}

		if over.JSON200 != nil {
			continue
		}

		if over.HTTPResponse.Header.Get("Retry-After") == "" {
			return errors.New("no Retry-After")
		}

		return errors.Join(
			refusedAs(403, "permission_denied", denied.HTTPResponse,
				denied.ApplicationproblemJSON4XX),
			refusedAs(429, "rate_limited", over.HTTPResponse, over.ApplicationproblemJSON4XX),
		)
	}

	return errors.New("the limit was not held")
}
