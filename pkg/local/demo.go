package local

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/boot/full"
	"github.com/bitting-keys/bitting/pkg/client"
	"github.com/bitting-keys/bitting/pkg/localoidc"
	"github.com/bitting-keys/bitting/pkg/operator"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
)

// person is one of the demo's people.
type person struct {
	Name         string `json:"-"`
	Email        string `json:"email"`
	Role         string `json:"role"`
	Organization string `json:"organization"`
}

// grants are what carol may do beyond a member.
func (p person) grants() []string {
	if p.Email == "carol@acme.test" {
		return []string{
			string(organization.ManageOthersKeys), string(organization.ManageOrganizationKeys),
		}
	}

	return nil
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

// Secrets are the demo's keys, kept so that they are the same at the next start.
type Secrets struct {
	OperatorKey string            `json:"operatorKey"`
	AdminKey    string            `json:"adminKey,omitempty"`
	Keys        map[string]string `json:"keys,omitempty"` // by environment
}

// Running is local.json: what programs need to use a running bitting local.
type Running struct {
	URL          string `json:"url"`
	Issuer       string `json:"issuer"`   // of the sign-in
	ClientID     string `json:"clientId"` // there, of this machine's programs
	DynamoDB     string `json:"dynamodb"` // address of its tables
	Organization string `json:"organization,omitempty"`
	Secrets
	People []person `json:"people,omitempty"`
}

// ErrNotRunning says that nothing runs on a folder.
var ErrNotRunning = errors.New("no bitting local runs on the data")

// ReadRunning returns what runs on the data in a folder. Error: ErrNotRunning.
func ReadRunning(data string) (running Running, err error) {
	text, err := os.ReadFile(filepath.Join(data, readyFile)) //nolint:gosec // the folder that the caller chose
	if errors.Is(err, fs.ErrNotExist) {
		return running, fmt.Errorf("%w in %s; --data names another folder", ErrNotRunning, data)
	}

	if err != nil {
		return running, err
	}

	return running, json.Unmarshal(text, &running)
}

// demoOrganization is whose keys the demo makes.
const demoOrganization = "acme"

// secondOrganization is another, whose people see nothing of the first.
const secondOrganization = "globex"

//go:embed catalogue.json
var demoCatalogue []byte

// announce makes the demo where it is missing, writes local.json and prints what to try.
func (m *machine) announce(ctx context.Context) error {
	s, err := m.demo(ctx)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}

	out := Running{
		URL:      m.url,
		Issuer:   issuer(m.url),
		ClientID: localoidc.ClientID,
		DynamoDB: m.storeURL,
		Secrets:  s,
	}
	if !m.options.NoDemo {
		out.Organization = demoOrganization
		out.People = people()
	}

	if err := writePrivate(m.path(readyFile), out); err != nil {
		return err
	}

	return m.firstSteps(s)
}

// layout is the number of the tables' rows as they are now. It changes where rows that were stored
// before cannot be read any more.
const layout = 2

// kept is demo.json.
type kept struct {
	Layout int `json:"layout"`
	Secrets
}

// demo returns the demo's secrets, from the start that made them or made now.
func (m *machine) demo(ctx context.Context) (Secrets, error) {
	s := kept{}

	text, err := os.ReadFile(m.path(demoFile))
	if err == nil {
		err = json.Unmarshal(text, &s)
	}

	if err == nil && s.OperatorKey != "" && s.Layout != layout {
		err = errors.New("the data is of another version of Bitting")
	}

	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s.Secrets, fmt.Errorf("%s: %w; --fresh deletes the existing data first",
			m.path(demoFile), err)
	}

	if s.OperatorKey == "" {
		if s.OperatorKey, err = m.operatorKey(ctx); err != nil {
			return s.Secrets, err
		}
	}

	if !m.options.NoDemo && s.AdminKey == "" {
		if err := m.fill(ctx, &s.Secrets); err != nil {
			return s.Secrets, err
		}
	}

	s.Layout = layout
	return s.Secrets, writePrivate(m.path(demoFile), s)
}

// operatorKey makes an operator key, as whoever owns the table can.
func (m *machine) operatorKey(ctx context.Context) (string, error) {
	d, err := full.Load(boot.Of(m.environment(m.template.Functions["Keys"].Environment)), m.logger)
	if err != nil {
		return "", err
	}

	secret, err := operator.Local(ctx, operator.Config{
		Brand:   d.Brand,
		Store:   d.Store,
		Keyring: d.Keyring,
		Now:     d.Now,
	})
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
func (m *machine) fill(ctx context.Context, s *Secrets) error {
	c, err := client.New(client.Config{
		URL:       m.url,
		Key:       s.OperatorKey,
		UserAgent: "bitting-local",
	})
	if err != nil {
		return err
	}

	demo := m.options.Own == nil // whose API it is not has other permissions
	if demo {
		var catalogue api.Catalogue
		if err := json.Unmarshal(demoCatalogue, &catalogue); err != nil {
			return err
		}

		if _, err := c.PutPermissions(ctx, catalogue); err != nil {
			return err
		}
	}

	for _, org := range []api.CreateOrganization{
		{ID: demoOrganization, Name: "Acme", FirstAdmin: "alice@acme.test"},
		{ID: secondOrganization, Name: "Globex", FirstAdmin: "erin@globex.test"},
	} {
		_, err := c.CreateOrganization(ctx, org)
		if err != nil && !errors.Is(err, client.ErrDuplicate) {
			return err
		}
	}

	for _, p := range people() {
		_, err := c.PutMember(ctx, p.Organization, p.Email, api.PutMember{
			Role:   p.Role,
			Grants: p.grants(),
		})
		if err != nil {
			return err
		}
	}

	admin, err := createKey(ctx, c, api.CreateKey{
		Name:        "Local admin",
		Environment: string(apikey.Production),
		KeySettings: api.KeySettings{
			Permissions: adminPermissions(),
			Grantable:   string(apikey.GrantCatalogue),
		},
	})
	if err != nil {
		return err
	}

	s.AdminKey = admin

	if !demo {
		return nil
	}

	keys := map[string]string{}
	for _, env := range apikey.Environments() {
		keys[string(env)], err = createKey(ctx, c, api.CreateKey{
			Name:        "Demo " + string(env),
			Environment: string(env),
			KeySettings: api.KeySettings{
				Permissions: []string{"messages:write", "messages:read", "metrics:read"},
			},
		})
		if err != nil {
			return err
		}
	}

	s.Keys = keys

	if m.options.DemoKeys > 0 {
		return m.crowd(ctx, m.options.DemoKeys)
	}

	return nil
}

// crowd makes many keys in the second organization. It uses the store, with no history of them: by
// the admin API, 50,000 keys take minutes.
func (m *machine) crowd(ctx context.Context, many int) error {
	d, err := full.Load(boot.Of(m.environment(m.template.Functions["Keys"].Environment)), m.logger)
	if err != nil {
		return err
	}

	var (
		environments = apikey.Environments()
		by           = apikey.Actor{Type: apikey.ActorSystem, ID: "demo"}
		now          = d.Now()
		writes       []store.Write
	)

	for i := range many {
		env := environments[i%len(environments)]

		p, err := d.Keyring.Current(ctx, env)
		if err != nil {
			return err
		}

		id, err := apikey.NewID(rand.Reader)
		if err != nil {
			return err
		}

		_, issued, err := p.Issue(d.Brand, rand.Reader, env, id)
		if err != nil {
			return err
		}

		k := &apikey.Key{
			ID:             id,
			OrganizationID: secondOrganization,
			Profile:        apikey.Profile{Name: fmt.Sprintf("Device %05d", i)},
			Environment:    env,
			Ownership:      apikey.Organization,
			Owner:          by,
			CreatedBy:      by,
			Enabled:        true,
			Permissions:    []string{"messages:write", "telemetry:write"},
			Secret:         issued.Verifier,
			Hint:           issued.Hint,
			Version:        1,
			CreatedAt:      now,
			UpdatedAt:      now,
		}

		writes = append(writes, d.Store.PutKey(ctx, k, 0))
		if len(writes) == 25 || i == many-1 {
			if err := d.Store.Commit(ctx, writes...); err != nil {
				return err
			}

			writes = nil
		}
	}

	return nil
}

// createKey makes a key of the demo and returns its secret.
func createKey(ctx context.Context, c *client.Client, body api.CreateKey) (string, error) {
	made, err := c.CreateKey(ctx, demoOrganization, body)
	switch {
	case err != nil:
		return "", err
	case made.Secret == nil: // the answer that had it was lost
		made, err = c.RegenerateKey(ctx, demoOrganization, made.Key.ID)
	}

	if err != nil || made.Secret == nil {
		return "", errors.Join(errors.New("the secret of a new key was not answered"), err)
	}

	return *made.Secret, nil
}
