package local

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/operator"
	"github.com/bitting-keys/bitting/pkg/organization"
)

// person is one of the demo's people.
type person struct {
	Name         string `json:"-"`
	Email        string `json:"email"`
	Role         string `json:"role"`
	Organization string `json:"organization"`
}

// grants are what carol may do beyond a member.
func (p person) grants() string {
	if p.Email == "carol@acme.test" {
		return `["manage_others_keys", "manage_organization_keys"]`
	}

	return "[]"
}

// people are the demo's, of two organizations.
func people() []person {
	return []person{
		{
			"Alice", "alice@acme.test", "admin", "acme",
		},
		{
			"Bob", "bob@acme.test", "member", "acme",
		},
		{
			"Carol", "carol@acme.test", "member", "acme",
		},
		{"Dave", "dave@acme.test", "viewer", "acme"},
		{"Erin", "erin@globex.test", "admin", "globex"},
	}
}

// secrets are the demo's keys, kept so that they are the same at the next start.
type secrets struct {
	OperatorKey string            `json:"operatorKey"`
	AdminKey    string            `json:"adminKey,omitempty"`
	Keys        map[string]string `json:"keys,omitempty"` // by environment
}

// ready is local.json: what programs need to use a running bitting local.
type ready struct {
	URL          string `json:"url"`
	Organization string `json:"organization,omitempty"`
	secrets
	People []person `json:"people,omitempty"`
}

//go:embed catalogue.json
var demoCatalogue []byte

// announce makes the demo where it is missing, writes local.json and prints what to try.
func (m *machine) announce(ctx context.Context) error {
	s, err := m.demo(ctx)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}

	out := ready{URL: m.url, secrets: s}
	if !m.options.NoDemo {
		out.Organization = "acme"
		out.People = people()
	}

	if err := writePrivate(m.path(readyFile), out); err != nil {
		return err
	}

	return m.firstSteps(s)
}

// demo returns the demo's secrets, from the start that made them or made now.
func (m *machine) demo(ctx context.Context) (secrets, error) {
	var s secrets

	text, err := os.ReadFile(m.path(demoFile))
	if err == nil {
		err = json.Unmarshal(text, &s)
	}

	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s, fmt.Errorf("%s: %w; --fresh starts without the data of before",
			m.path(demoFile), err)
	}

	if s.OperatorKey == "" {
		if s.OperatorKey, err = m.operatorKey(ctx); err != nil {
			return s, err
		}
	}

	if !m.options.NoDemo && s.AdminKey == "" {
		if err := m.fill(ctx, &s); err != nil {
			return s, err
		}
	}

	return s, writePrivate(m.path(demoFile), s)
}

// operatorKey makes an operator key, as whoever owns the table can.
func (m *machine) operatorKey(ctx context.Context) (string, error) {
	d, err := boot.Load(boot.Of(m.environment(m.template.Functions["Keys"].Environment)), m.logger)
	if err != nil {
		return "", err
	}

	secret, err := operator.Local(ctx, d)
	if err != nil {
		return "", err
	}

	return secret.Reveal(), nil
}

// adminPermissions are those of an organization's admin key: an operator's, but for the catalogue.
func adminPermissions() []string {
	return slices.DeleteFunc(operator.Permissions(), func(p string) bool {
		return p == organization.PermissionsWrite
	})
}

// fill makes the demo by the admin API, as anybody would.
func (m *machine) fill(ctx context.Context, s *secrets) error {
	c := client{url: m.url, key: s.OperatorKey}
	if err := c.call(ctx, http.MethodPut, "/v1/permissions", demoCatalogue, nil); err != nil {
		return err
	}

	for _, org := range []struct {
		id, name, admin string
	}{{"acme", "Acme", "alice@acme.test"}, {"globex", "Globex", "erin@globex.test"}} {
		body := fmt.Appendf(nil, `{"id": %q, "name": %q, "firstAdmin": %q}`,
			org.id, org.name, org.admin)
		if err := c.call(ctx, http.MethodPost, "/v1/organizations", body, nil); err != nil &&
			!isDuplicate(err) {
			return err
		}
	}

	for _, p := range people() {
		body := fmt.Appendf(nil, `{"role": %q, "grants": %s}`, p.Role, p.grants())
		if err := c.call(ctx, http.MethodPut,
			"/v1/organizations/"+p.Organization+"/members/"+p.Email, body, nil); err != nil {
			return err
		}
	}

	admin, err := c.createKey(ctx, map[string]any{
		"name":        "Local admin",
		"environment": "production",
		"permissions": adminPermissions(),
		"grantable":   "catalogue",
	})
	if err != nil {
		return err
	}

	keys := map[string]string{}
	for _, env := range apikey.Environments() {
		keys[string(env)], err = c.createKey(ctx, map[string]any{
			"name":        "Demo " + string(env),
			"environment": env,
			"permissions": []string{"messages:write", "messages:read", "metrics:read"},
		})
		if err != nil {
			return err
		}
	}

	s.AdminKey = admin
	s.Keys = keys
	return nil
}

// client calls the admin API of the running machine.
type client struct{ url, key string }

// problem is an answer that is not a success.
type problem struct {
	Status int             `json:"status"`
	Code   string          `json:"code"`
	Detail string          `json:"detail"`
	Errors json.RawMessage `json:"errors"`
}

func (p *problem) Error() string {
	return fmt.Sprintf("%d %s: %s %s", p.Status, p.Code, p.Detail, p.Errors)
}

func isDuplicate(err error) bool {
	var p *problem
	return errors.As(err, &p) && p.Code == "duplicate"
}

func (c client) createKey(ctx context.Context, body map[string]any) (string, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return "", err
	}

	var answer struct {
		Secret string `json:"secret"`
	}
	if err := c.call(ctx, http.MethodPost, "/v1/organizations/acme/keys", text,
		&answer); err != nil {
		return "", err
	}

	return answer.Secret, nil
}

func (c client) call(ctx context.Context, method, path string, body []byte, into any) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()

	request, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}

	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Api-Key", c.key)

	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}

	defer func() { err = errors.Join(err, response.Body.Close()) }()

	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err
	}

	if response.StatusCode >= http.StatusBadRequest {
		p := &problem{Status: response.StatusCode}
		if err := json.Unmarshal(text, p); err != nil {
			return fmt.Errorf("%s %s: status %d: %w", method, path, response.StatusCode, err)
		}

		return fmt.Errorf("%s %s: %w", method, path, p)
	}

	if into == nil {
		return nil
	}

	return json.Unmarshal(text, into)
}
