package sealed

import (
	"context"
	"net/netip"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// DecodeKey checks the seal of a key's row and its place in the table, and only then decodes it.
// Errors: ErrDamaged; ErrUnavailable if the pepper is unavailable.
func DecodeKey(
	ctx context.Context, ring *pepper.Keyring, item dynamo.Item, at dynamo.Key,
) (*apikey.Key, error) {
	env, id := KeyAt(at.Partition)
	if err := Check(ctx, ring, env, item, at, "key "+id); err != nil {
		return nil, err
	}

	return ParseKey(item)
}

// EncodeKey encodes a key. What lists filter by is at the top level, where the indexes can project
// it. The place and the seal are the caller's to set.
func EncodeKey(k *apikey.Key) dynamo.Item {
	item := make(dynamo.Item, 48)
	item.PutText("id", k.ID)
	item.PutText("organizationId", k.OrganizationID)
	item.PutText("name", k.Name)
	item.PutText("description", k.Description)
	item.PutMap("metadata", texts(k.Metadata))
	item.PutTexts("tags", k.Tags)
	item.PutText("environment", string(k.Environment))
	item.PutText("ownership", string(k.Ownership))
	item.PutMap("owner", actor(k.Owner))
	item.PutMap("createdBy", actor(k.CreatedBy))

	item.PutBool("enabled", k.Enabled)
	item.PutTexts("permissions", k.Permissions)
	item.PutBool("allPermissions", k.AllPermissions)
	item.PutBool("legacy", k.Legacy)
	item.PutText("grantable", string(k.Grantable))
	item.PutBool("provisional", k.Provisional)
	item.PutTexts("customers", k.Customers)
	item.PutList("rateLimits", rateLimits(k.RateLimits))
	item.PutTexts("allowedAddresses", networks(k.AllowedAddresses))
	item.PutTime("notBefore", k.NotBefore)
	item.PutTime("expiresAt", k.ExpiresAt)

	if q := k.Quota; q != nil {
		quota := dynamo.Item{}
		quota.PutInt("limit", q.Limit)
		quota.PutText("period", q.Period)
		item["quota"] = dynamo.Map(quota)
	}

	item.PutMap("secret", verifier(k.Secret))
	item.PutTime("renewedAt", k.RenewedAt)
	item.PutText("hint", k.Hint)
	item.PutMap("rotation", rotation(k.Rotation))
	item.PutList("retired", verifiers(k.Retired))
	item.PutTime("deletedAt", k.DeletedAt)

	if r := k.Revocation; r != nil {
		revocation := dynamo.Item{}
		revocation.PutMap("by", actor(r.By))
		revocation.PutText("reason", r.Reason)
		revocation.PutBool("compromised", r.Compromised)
		item.PutTime("revokedAt", r.At)
		item["revocation"] = dynamo.Map(revocation)
	}

	if e := k.Exposure; e != nil {
		exposure := dynamo.Item{}
		exposure.PutTime("at", e.At)
		exposure.PutText("source", e.Source)
		exposure.PutText("url", e.URL)
		exposure.PutText("action", string(e.Action))
		item["exposure"] = dynamo.Map(exposure)
	}

	item.PutInt("version", k.Version)
	item.PutTime("createdAt", k.CreatedAt)
	item.PutTime("updatedAt", k.UpdatedAt)
	item[PaceAttribute] = dynamo.Number(int64(k.Pace))
	return item
}

// ParseKey decodes a key's row, or an entry of an index, which has only the attributes that lists
// filter by. It checks no seal. Errors: ErrDamaged.
func ParseKey(item dynamo.Item) (*apikey.Key, error) {
	f := dynamo.Read(item)

	k := &apikey.Key{
		ID:             f.Text("id"),
		OrganizationID: f.Text("organizationId"),
		Profile: apikey.Profile{
			Name:        f.Text("name"),
			Description: f.Text("description"),
			Metadata:    f.TextsByName("metadata"),
			Tags:        f.Texts("tags"),
		},
		Environment:    apikey.Environment(f.Text("environment")),
		Ownership:      apikey.Ownership(f.Text("ownership")),
		Owner:          readActor(f, "owner"),
		CreatedBy:      readActor(f, "createdBy"),
		Enabled:        f.Bool("enabled"),
		Permissions:    f.Texts("permissions"),
		AllPermissions: f.Bool("allPermissions"),
		Legacy:         f.Bool("legacy"),
		Grantable:      apikey.Grantable(f.Text("grantable")),
		Provisional:    f.Bool("provisional"),
		Customers:      f.Texts("customers"),
		RateLimits:     readRateLimits(f),
		Quota:          readQuota(f),
		NotBefore:      f.Time("notBefore"),
		ExpiresAt:      f.Time("expiresAt"),
		RenewedAt:      f.Time("renewedAt"),
		Hint:           f.Text("hint"),
		Rotation:       readRotation(f),
		Revocation:     readRevocation(f),
		Exposure:       readExposure(f),
		DeletedAt:      f.Time("deletedAt"),
		Version:        f.Int("version"),
		CreatedAt:      f.Time("createdAt"),
		UpdatedAt:      f.Time("updatedAt"),
		Pace:           apikey.Pace(f.Int(PaceAttribute)),
	}
	if secret, has := f.Map("secret"); has {
		k.Secret = readVerifier(secret)
	}

	for _, v := range f.Maps("retired") {
		k.Retired = append(k.Retired, readVerifier(v))
	}

	var err error
	if k.AllowedAddresses, err = readNetworks(f); err != nil {
		return nil, dynamo.Damaged("key "+k.ID, err)
	}

	if err := f.Err(); err != nil {
		return nil, dynamo.Damaged("key "+k.ID, err)
	}

	return k, nil
}

func texts(m map[string]string) dynamo.Item {
	item := make(dynamo.Item, len(m))
	for name, text := range m {
		item[name] = dynamo.Text(text)
	}

	return item
}

func actor(a apikey.Actor) dynamo.Item {
	item := dynamo.Item{}
	item.PutText("type", string(a.Type))
	item.PutText("id", a.ID)
	item.PutText("email", a.Email)
	item.PutText("keyName", a.KeyName)
	return item
}

func readActor(f dynamo.Fields, name string) (a apikey.Actor) {
	m, has := f.Map(name)
	if !has {
		return a
	}

	return apikey.Actor{
		Type:    apikey.ActorType(m.Text("type")),
		ID:      m.Text("id"),
		Email:   m.Text("email"),
		KeyName: m.Text("keyName"),
	}
}

func verifier(v apikey.Verifier) dynamo.Item {
	item := dynamo.Item{}
	item.PutBinary("hash", v.Hash)
	item.PutInt("pepper", int64(v.Pepper))
	item.PutText("scheme", string(v.Scheme))
	return item
}

func verifiers(vs []apikey.Verifier) []dynamo.Value {
	list := make([]dynamo.Value, 0, len(vs))
	for _, v := range vs {
		list = append(list, dynamo.Map(verifier(v)))
	}

	return list
}

func readVerifier(f dynamo.Fields) apikey.Verifier {
	return apikey.Verifier{
		Hash:   f.Binary("hash"),
		Pepper: int(f.Int("pepper")),
		Scheme: apikey.Algorithm(f.Text("scheme")),
	}
}

func rateLimits(limits []apikey.RateLimit) []dynamo.Value {
	list := make([]dynamo.Value, 0, len(limits))
	for _, l := range limits {
		item := dynamo.Item{}
		item.PutText("name", l.Name)
		item.PutInt("limit", l.Limit)
		item.PutInt("windowMillis", l.Window.Milliseconds())
		item.PutInt("burst", l.Burst)
		list = append(list, dynamo.Map(item))
	}

	return list
}

func readRateLimits(f dynamo.Fields) (limits []apikey.RateLimit) {
	for _, m := range f.Maps("rateLimits") {
		limits = append(limits, apikey.RateLimit{
			Name:   m.Text("name"),
			Limit:  m.Int("limit"),
			Window: time.Duration(m.Int("windowMillis")) * time.Millisecond,
			Burst:  m.Int("burst"),
		})
	}

	return limits
}

func readQuota(f dynamo.Fields) *apikey.Quota {
	m, has := f.Map("quota")
	if !has {
		return nil
	}

	return &apikey.Quota{Limit: m.Int("limit"), Period: m.Text("period")}
}

func networks(prefixes []netip.Prefix) []string {
	out := make([]string, 0, len(prefixes))
	for _, p := range prefixes {
		out = append(out, p.String())
	}

	return out
}

func readNetworks(f dynamo.Fields) (prefixes []netip.Prefix, err error) {
	for _, text := range f.Texts("allowedAddresses") {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, err
		}

		prefixes = append(prefixes, p)
	}

	return prefixes, nil
}

func rotation(r *apikey.Rotation) dynamo.Item {
	item := dynamo.Item{}
	if r == nil {
		return item
	}

	item.PutTime("startedAt", r.StartedAt)
	item.PutText("startsAt", string(r.StartsAt))
	item.PutInt("overlapMillis", r.Overlap.Milliseconds())
	item.PutTime("firstUsedAt", r.FirstUsedAt)
	item.PutMap("old", verifier(r.Old))
	item.PutText("oldHint", r.OldHint)
	item.PutTime("oldEndsAt", r.OldEndsAt)
	return item
}

func readRotation(f dynamo.Fields) *apikey.Rotation {
	m, has := f.Map("rotation")
	if !has {
		return nil
	}

	r := &apikey.Rotation{
		StartedAt:   m.Time("startedAt"),
		StartsAt:    apikey.OverlapStart(m.Text("startsAt")),
		Overlap:     time.Duration(m.Int("overlapMillis")) * time.Millisecond,
		FirstUsedAt: m.Time("firstUsedAt"),
		OldHint:     m.Text("oldHint"),
		OldEndsAt:   m.Time("oldEndsAt"),
	}
	if old, has := m.Map("old"); has {
		r.Old = readVerifier(old)
	}

	return r
}

// readRevocation reads who revoked a key and why, which an entry of an index does not have.
func readRevocation(f dynamo.Fields) *apikey.Revocation {
	at := f.Time("revokedAt")
	if at.IsZero() {
		return nil
	}

	r := &apikey.Revocation{At: at}
	if m, has := f.Map("revocation"); has {
		r.By = readActor(m, "by")
		r.Reason = m.Text("reason")
		r.Compromised = m.Bool("compromised")
	}

	return r
}

func readExposure(f dynamo.Fields) *apikey.Exposure {
	m, has := f.Map("exposure")
	if !has {
		return nil
	}

	return &apikey.Exposure{
		At:     m.Time("at"),
		Source: m.Text("source"),
		URL:    m.Text("url"),
		Action: apikey.ExposureAction(m.Text("action")),
	}
}
