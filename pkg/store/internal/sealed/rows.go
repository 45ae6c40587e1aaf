package sealed

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/jsonstring"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// EncodeRuntimeSettings encodes the settings of an organization in one environment.
func EncodeRuntimeSettings(s *organization.RuntimeSettings) dynamo.Item {
	item := dynamo.Item{}
	item.PutText("organizationId", s.OrganizationID)
	item["version"] = dynamo.Number(s.Version)
	item.PutTime("deletedAt", s.DeletedAt)
	item.PutBool("legacyKeysAccepted", s.LegacyKeysAccepted)
	item.PutTexts("allowedAddresses", networks(s.AllowedAddresses))
	// a decimal as text: DynamoDB may return a number in another spelling
	item.PutText("sampleRequests", strconv.FormatFloat(s.SampleRequests, 'g', -1, 64))
	return item
}

// DecodeRuntimeSettings checks the seal of settings, and decodes them.
func DecodeRuntimeSettings(
	ctx context.Context, ring *pepper.Keyring, env apikey.Environment, item dynamo.Item,
	at dynamo.Key, what string,
) (*organization.RuntimeSettings, error) {
	if err := Check(ctx, ring, env, item, at, what); err != nil {
		return nil, err
	}

	f := dynamo.Read(item)

	out := &organization.RuntimeSettings{
		OrganizationID:     f.Text("organizationId"),
		Version:            f.Int("version"),
		DeletedAt:          f.Time("deletedAt"),
		LegacyKeysAccepted: f.Bool("legacyKeysAccepted"),
	}

	var err error
	if out.SampleRequests, err = strconv.ParseFloat(f.Text("sampleRequests"), 64); err != nil {
		return nil, dynamo.Damaged(what, err)
	}

	if out.AllowedAddresses, err = readNetworks(f); err != nil {
		return nil, dynamo.Damaged(what, err)
	}

	if err := f.Err(); err != nil {
		return nil, dynamo.Damaged(what, err)
	}

	return out, nil
}

// importsSince names the attributes that say since when an environment has secrets hashed with an
// algorithm.
var importsSince = map[apikey.Algorithm]string{
	apikey.SHA256: "sha256Since",
	apikey.SHA512: "sha512Since",
}

// EncodeImports encodes the record that keys of other systems were imported into an environment.
func EncodeImports(i *apikey.Imports) dynamo.Item {
	item := dynamo.Item{}
	item["version"] = dynamo.Number(i.Version)
	item.PutInt("pepper", int64(i.Pepper))

	for algorithm, name := range importsSince {
		item.PutTime(name, i.Since[algorithm])
	}

	return item
}

// DecodeImports checks the seal of that record, and decodes it.
func DecodeImports(
	ctx context.Context, ring *pepper.Keyring, env apikey.Environment, item dynamo.Item,
	what string,
) (*apikey.Imports, error) {
	if err := Check(ctx, ring, env, item, ImportsRow(env), what); err != nil {
		return nil, err
	}

	f := dynamo.Read(item)

	out := &apikey.Imports{
		Version: f.Int("version"),
		Pepper:  int(f.Int("pepper")),
		Since:   map[apikey.Algorithm]time.Time{},
	}
	for algorithm, name := range importsSince {
		if since := f.Time(name); !since.IsZero() {
			out.Since[algorithm] = since
		}
	}

	if err := f.Err(); err != nil {
		return nil, dynamo.Damaged(what, err)
	}

	return out, nil
}

// Claims lists the keys that wait in line for a secret of another system, because other
// organizations imported it too. It is stored with the first key that was made of the secret.
type Claims struct {
	Version int64
	IDs     []string
}

// Encode encodes claims.
func (c Claims) Encode() dynamo.Item {
	item := dynamo.Item{"version": dynamo.Number(c.Version)}
	item.PutTexts("ids", c.IDs)
	return item
}

// DecodeClaims checks the seal of the claims behind a key, and decodes them; none if item is nil.
func DecodeClaims(
	ctx context.Context, ring *pepper.Keyring, env apikey.Environment, id string, item dynamo.Item,
) (Claims, error) {
	if item == nil {
		return Claims{}, nil
	}

	what := "the claims of " + id
	if err := Check(ctx, ring, env, item, ClaimsRow(env, id), what); err != nil {
		return Claims{}, err
	}

	f := dynamo.Read(item)

	c := Claims{Version: f.Int("version"), IDs: f.Texts("ids")}
	if err := f.Err(); err != nil {
		return Claims{}, dynamo.Damaged(what, err)
	}

	return c, nil
}

// Catalogue is the permission catalogue as it is stored.
type Catalogue struct {
	Version     int64
	Permissions []byte // JSON: it is read whole and compiled
	// by environment, since an authorizer has only the pepper of its own
	Seals map[apikey.Environment]Seal
}

// Seal is a seal of the catalogue, and the version of the pepper that made it.
type Seal struct {
	Pepper int
	Seal   []byte
}

// sealed returns the bytes that the seals of a catalogue cover.
func (c *Catalogue) sealed() []byte {
	return append(fmt.Appendf(nil, "catalogue|%d|", c.Version), c.Permissions...)
}

// Put seals the catalogue for an environment, and replaces its previous seal.
func (c *Catalogue) Put(p *pepper.Pepper, env apikey.Environment) {
	c.Seals[env] = Seal{Pepper: p.Version(), Seal: p.Seal(c.sealed())}
}

// Check checks an environment's seal of the catalogue. Errors: ErrDamaged, ErrUnavailable.
func (c *Catalogue) Check(
	ctx context.Context, ring *pepper.Keyring, env apikey.Environment,
) error {
	seal := c.Seals[env]

	p, err := ring.Version(ctx, env, seal.Pepper)
	switch {
	case errors.Is(err, pepper.ErrNotFound):
		return dynamo.Damaged("catalogue", err)
	case err != nil:
		return dynamo.Unavailable("pepper", err)
	case !hmac.Equal(p.Seal(c.sealed()), seal.Seal):
		return dynamo.Damaged("the seal of the catalogue is broken", nil)
	}

	return nil
}

// EncodeSeals encodes the seals of the catalogue.
func (c *Catalogue) EncodeSeals() dynamo.Value {
	seals := make(dynamo.Item, len(c.Seals))
	for env, s := range c.Seals {
		item := dynamo.Item{}
		item.PutInt("pepper", int64(s.Pepper))
		item.PutBinary("seal", s.Seal)
		seals[string(env)] = dynamo.Map(item)
	}

	return dynamo.Map(seals)
}

// Encode encodes the catalogue.
func (c *Catalogue) Encode() dynamo.Item {
	item := CatalogueRow().Item()
	item["version"] = dynamo.Number(c.Version)
	item.PutBinary("permissions", c.Permissions)
	item[SealsAttribute] = c.EncodeSeals()
	return item
}

// SealsAttribute has the seals of the catalogue.
const SealsAttribute = "seals"

// ParseCatalogue decodes the catalogue, and checks no seal. Errors: ErrDamaged.
func ParseCatalogue(item dynamo.Item) (*Catalogue, error) {
	f := dynamo.Read(item)

	c := &Catalogue{
		Version:     f.Int("version"),
		Permissions: f.Binary("permissions"),
		Seals:       map[apikey.Environment]Seal{},
	}
	for env, seal := range f.MapOfMaps(SealsAttribute) {
		c.Seals[apikey.Environment(env)] = Seal{
			Pepper: int(seal.Int("pepper")),
			Seal:   seal.Binary("seal"),
		}
	}

	if err := f.Err(); err != nil {
		return nil, dynamo.Damaged("catalogue", err)
	}

	return c, nil
}

// DecodeCatalogue checks an environment's seal of the catalogue, and decodes its permissions.
func DecodeCatalogue(
	ctx context.Context, ring *pepper.Keyring, env apikey.Environment, item dynamo.Item,
) (permissions []permission.Permission, version int64, err error) {
	c, err := ParseCatalogue(item)
	if err != nil {
		return nil, 0, err
	}

	if err := c.Check(ctx, ring, env); err != nil {
		return nil, 0, err
	}

	if permissions, err = readPermissions(string(c.Permissions)); err != nil {
		return nil, 0, dynamo.Damaged("catalogue", err)
	}

	return permissions, c.Version, nil
}

// The members of a permission and of a route.
var (
	permissionMembers = []string{
		"name", "title", "description", "default", "publishable", "builtIn", "routes",
	}
	routeMembers = []string{"api", "method", "path"}
)

// readPermissions decodes the permissions of a catalogue as encoding/json does, whose reflection is
// a thirtieth of an authorizer's cold start.
func readPermissions(text string) ([]permission.Permission, error) {
	s := jsonstring.New(text)

	permissions := jsonstring.List(&s, func() (p permission.Permission) {
		s.Members(permissionMembers, func(name string) {
			switch name {
			case "name":
				s.TextInto(&p.Name)
			case "title":
				s.TextInto(&p.Title)
			case "description":
				s.TextInto(&p.Description)
			case "default":
				s.BoolInto(&p.Default)
			case "publishable":
				s.BoolInto(&p.Publishable)
			case "builtIn":
				s.BoolInto(&p.BuiltIn)
			default:
				p.Routes = jsonstring.List(&s, func() permission.Route { return readRoute(&s) })
			}
		})
		return p
	})

	return permissions, s.End()
}

func readRoute(s *jsonstring.Scanner) (r permission.Route) {
	s.Members(routeMembers, func(name string) {
		switch name {
		case "api":
			s.TextInto(&r.API)
		case "method":
			s.TextInto(&r.Method)
		default:
			s.TextInto(&r.Path)
		}
	})
	return r
}

// pepperPrefix starts the attribute of a version of the pepper.
const pepperPrefix = "v"

// The attributes of a wrapped pepper.
const (
	Ciphertext = "ciphertext" // absent if it is retired
	RetiredAt  = "retiredAt"
)

// PepperAttribute is the attribute of a version of the pepper.
func PepperAttribute(version int) string { return pepperPrefix + strconv.Itoa(version) }

// EncodePepper encodes a wrapped pepper.
func EncodePepper(w pepper.Wrapped) dynamo.Value {
	item := dynamo.Item{}
	item.PutBinary(Ciphertext, w.Ciphertext)
	item.PutTime("createdAt", w.CreatedAt)
	item.PutTime(RetiredAt, w.RetiredAt)
	return dynamo.Map(item)
}

// ParsePeppers decodes the wrapped peppers of an environment, which nothing can seal. Errors:
// ErrDamaged.
func ParsePeppers(item dynamo.Item) (peppers []pepper.Wrapped, err error) {
	f := dynamo.Read(item)

	for name := range item {
		if name == dynamo.PartitionAttribute || name == dynamo.SortAttribute {
			continue
		}

		version, err := strconv.Atoi(strings.TrimPrefix(name, pepperPrefix))
		if err != nil || name != PepperAttribute(version) {
			return nil, dynamo.Damaged("pepper: attribute "+name, err)
		}

		row, _ := f.Map(name)
		peppers = append(peppers, pepper.Wrapped{
			Version:    version,
			Ciphertext: row.Binary(Ciphertext),
			CreatedAt:  row.Time("createdAt"),
			RetiredAt:  row.Time(RetiredAt),
		})
	}

	if err := f.Err(); err != nil {
		return nil, dynamo.Damaged("pepper", err)
	}

	return peppers, nil
}
