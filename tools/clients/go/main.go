// Command clients uses a client that oapi-codegen generated from the OpenAPI document.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"

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
	if err != nil || stale.ApplicationproblemJSON4XX == nil ||
		stale.ApplicationproblemJSON4XX.Code != "stale" {
		return fmt.Errorf("change of an old version: %v %s", err, stale.Body)
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

func refusals(ctx context.Context, api *admin.ClientWithResponses, org string) error {
	invalid, err := api.CreateKeyWithResponse(ctx, org, nil, admin.CreateKeyRequest{
		Environment: "staging",
	})
	if err != nil || invalid.ApplicationproblemJSON4XX == nil ||
		invalid.ApplicationproblemJSON4XX.Code != "validation" {
		return fmt.Errorf("a key without a name: %v %s", err, invalid.Body)
	}

	missing, err := api.GetKeyWithResponse(ctx, org, "0000000000000000", nil)
	if err != nil || missing.ApplicationproblemJSON4XX == nil ||
		missing.ApplicationproblemJSON4XX.Code != "not_found" {
		return fmt.Errorf("a key that is not there: %v %s", err, missing.Body)
	}

	nobody, err := client("bt_prod_0000000000000000_00000000000000000000000000000000000000")
	if err != nil {
		return err
	}

	refused, err := nobody.GetKeyWithResponse(ctx, org, "0000000000000000", nil)
	if err != nil || refused.StatusCode() != http.StatusUnauthorized ||
		refused.ApplicationproblemJSON4XX == nil {
		return fmt.Errorf("a key that nobody made: %v %s", err, refused.Body)
	}

	return nil
}
