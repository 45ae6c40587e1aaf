package store

import (
	"context"
	"net/netip"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// Retention is how long a key's row remains after the end of the key's life, so that its history
// and usage have a name.
const Retention = 400 * 24 * time.Hour

// Items whose fields have the names and types of the domain's convert to it and back: a field that
// one of the two lacks does not compile.
type (
	profileItem struct {
		Name        string            `dynamodbav:"name"`
		Description string            `dynamodbav:"description,omitempty"`
		Metadata    map[string]string `dynamodbav:"metadata,omitempty"`
		Tags        []string          `dynamodbav:"tags,omitempty"`
	}

	actorItem struct {
		Type    apikey.ActorType `dynamodbav:"type"`
		ID      string           `dynamodbav:"id"`
		Email   string           `dynamodbav:"email,omitempty"`
		KeyName string           `dynamodbav:"keyName,omitempty"`
	}

	verifierItem struct {
		Hash   []byte           `dynamodbav:"hash"`
		Pepper int              `dynamodbav:"pepper"`
		Scheme apikey.Algorithm `dynamodbav:"scheme,omitempty"`
	}

	quotaItem struct {
		Limit  int64  `dynamodbav:"limit"`
		Period string `dynamodbav:"period"`
	}
)

type rotationItem struct {
	StartedAt   string       `dynamodbav:"startedAt"`
	StartsAt    string       `dynamodbav:"startsAt"`
	Overlap     int64        `dynamodbav:"overlapMillis"`
	FirstUsedAt string       `dynamodbav:"firstUsedAt,omitempty"`
	Old         verifierItem `dynamodbav:"old"`
	OldHint     string       `dynamodbav:"oldHint"`
	OldEndsAt   string       `dynamodbav:"oldEndsAt"`
}

type revocationItem struct {
	By          actorItem `dynamodbav:"by"`
	Reason      string    `dynamodbav:"reason,omitempty"`
	Compromised bool      `dynamodbav:"compromised,omitempty"`
}

type exposureItem struct {
	At     string `dynamodbav:"at"`
	Source string `dynamodbav:"source"`
	URL    string `dynamodbav:"url,omitempty"`
	Action string `dynamodbav:"action"`
}

type rateLimitItem struct {
	Name   string `dynamodbav:"name"`
	Limit  int64  `dynamodbav:"limit"`
	Window int64  `dynamodbav:"windowMillis"`
	Burst  int64  `dynamodbav:"burst,omitempty"`
}

// keyItem is the row of a key. What lists filter by is at the top level, where the indexes can
// project it.
type keyItem struct {
	PK string `dynamodbav:"pk"`
	SK string `dynamodbav:"sk"`
	lists
	profileItem

	ID             string    `dynamodbav:"id"`
	OrganizationID string    `dynamodbav:"organizationId"`
	Environment    string    `dynamodbav:"environment"`
	Ownership      string    `dynamodbav:"ownership"`
	Owner          actorItem `dynamodbav:"owner"`
	CreatedBy      actorItem `dynamodbav:"createdBy"`

	Enabled          bool            `dynamodbav:"enabled"`
	Permissions      []string        `dynamodbav:"permissions,omitempty"`
	AllPermissions   bool            `dynamodbav:"allPermissions,omitempty"`
	Legacy           bool            `dynamodbav:"legacy,omitempty"`
	Grantable        string          `dynamodbav:"grantable,omitempty"`
	Provisional      bool            `dynamodbav:"provisional,omitempty"`
	Customers        []string        `dynamodbav:"customers,omitempty"`
	RateLimits       []rateLimitItem `dynamodbav:"rateLimits,omitempty"`
	Quota            *quotaItem      `dynamodbav:"quota,omitempty"`
	AllowedAddresses []string        `dynamodbav:"allowedAddresses,omitempty"`
	NotBefore        string          `dynamodbav:"notBefore,omitempty"`
	ExpiresAt        string          `dynamodbav:"expiresAt,omitempty"`

	Secret     verifierItem    `dynamodbav:"secret"`
	RenewedAt  string          `dynamodbav:"renewedAt,omitempty"`
	Hint       string          `dynamodbav:"hint"`
	Rotation   *rotationItem   `dynamodbav:"rotation,omitempty"`
	Retired    []verifierItem  `dynamodbav:"retired,omitempty"`
	RevokedAt  string          `dynamodbav:"revokedAt,omitempty"`
	Revocation *revocationItem `dynamodbav:"revocation,omitempty"`
	Exposure   *exposureItem   `dynamodbav:"exposure,omitempty"`
	DeletedAt  string          `dynamodbav:"deletedAt,omitempty"`

	Version   int64  `dynamodbav:"version"`
	CreatedAt string `dynamodbav:"createdAt"`
	UpdatedAt string `dynamodbav:"updatedAt"`
	PurgeAt   int64  `dynamodbav:"purgeAt,omitempty"` // Unix seconds; DynamoDB's TTL
	Pace      int64  `dynamodbav:"pace"`
}

// encodeKey encodes the row of a key, with its place in lists as of a time, and seals it with the
// current pepper of its environment.
func encodeKey(
	ctx context.Context, ring *pepper.Keyring, k *apikey.Key, at time.Time,
) (dynamo.Item, error) {
	current, err := ring.Current(ctx, k.Environment)
	if err != nil {
		return nil, dynamo.Unavailable("pepper", err)
	}

	return sealed(current, keyRow(k.Environment, k.ID), toKeyItem(k, at))
}

// decodeKey checks the seal of a row and its place in the table, and only then decodes it. Errors:
// ErrDamaged; ErrUnavailable if the pepper is unavailable.
func (s *Store) decodeKey(
	ctx context.Context, item dynamo.Item, at dynamo.Key,
) (*apikey.Key, error) {
	env, id := keyAt(at.Partition)

	var row keyItem
	if err := s.unseal(ctx, env, item, at, &row, "key "+id); err != nil {
		return nil, err
	}

	return fromKeyItem(&row)
}

func toKeyItem(k *apikey.Key, at time.Time) *keyItem {
	row := &keyItem{
		PK:             keyPartition(k.Environment, k.ID),
		SK:             keySort,
		lists:          listsOf(k, "", at),
		ID:             k.ID,
		OrganizationID: k.OrganizationID,
		profileItem:    profileItem(k.Profile),
		Environment:    string(k.Environment),
		Ownership:      string(k.Ownership),
		Owner:          actorItem(k.Owner),
		CreatedBy:      actorItem(k.CreatedBy),
		Enabled:        k.Enabled,
		Permissions:    k.Permissions,
		AllPermissions: k.AllPermissions,
		Legacy:         k.Legacy,
		Grantable:      string(k.Grantable),
		Provisional:    k.Provisional,
		Customers:      k.Customers,
		Quota:          (*quotaItem)(k.Quota),
		NotBefore:      dynamo.FormatTime(k.NotBefore),
		ExpiresAt:      dynamo.FormatTime(k.ExpiresAt),
		Secret:         verifierItem(k.Secret),
		RenewedAt:      dynamo.FormatTime(k.RenewedAt),
		Hint:           k.Hint,
		DeletedAt:      dynamo.FormatTime(k.DeletedAt),
		Version:        k.Version,
		CreatedAt:      dynamo.FormatTime(k.CreatedAt),
		UpdatedAt:      dynamo.FormatTime(k.UpdatedAt),
		PurgeAt:        purgeAt(k),
		Pace:           int64(k.Pace),
	}
	for _, l := range k.RateLimits {
		row.RateLimits = append(row.RateLimits, rateLimitItem{
			l.Name, l.Limit, l.Window.Milliseconds(), l.Burst,
		})
	}

	for _, a := range k.AllowedAddresses {
		row.AllowedAddresses = append(row.AllowedAddresses, a.String())
	}

	for _, v := range k.Retired {
		row.Retired = append(row.Retired, verifierItem(v))
	}

	if r := k.Rotation; r != nil {
		row.Rotation = &rotationItem{
			dynamo.FormatTime(r.StartedAt), string(r.StartsAt), r.Overlap.Milliseconds(),
			dynamo.FormatTime(r.FirstUsedAt), verifierItem(r.Old), r.OldHint, dynamo.FormatTime(r.OldEndsAt),
		}
	}

	if r := k.Revocation; r != nil {
		row.RevokedAt = dynamo.FormatTime(r.At)
		row.Revocation = &revocationItem{
			actorItem(r.By),
			r.Reason,
			r.Compromised,
		}
	}

	if e := k.Exposure; e != nil {
		row.Exposure = &exposureItem{dynamo.FormatTime(e.At), e.Source, e.URL, string(e.Action)}
	}

	return row
}

// fromKeyItem decodes a row, or an entry of an index, which has only the attributes that lists
// filter by.
func fromKeyItem(row *keyItem) (*apikey.Key, error) {
	times := dynamo.Times{}

	k := &apikey.Key{
		ID:             row.ID,
		OrganizationID: row.OrganizationID,
		Profile:        apikey.Profile(row.profileItem),
		Environment:    apikey.Environment(row.Environment),
		Ownership:      apikey.Ownership(row.Ownership),
		Owner:          apikey.Actor(row.Owner),
		CreatedBy:      apikey.Actor(row.CreatedBy),
		Enabled:        row.Enabled,
		Permissions:    row.Permissions,
		AllPermissions: row.AllPermissions,
		Legacy:         row.Legacy,
		Grantable:      apikey.Grantable(row.Grantable),
		Provisional:    row.Provisional,
		Customers:      row.Customers,
		Quota:          (*apikey.Quota)(row.Quota),
		NotBefore:      times.Read(row.NotBefore),
		ExpiresAt:      times.Read(row.ExpiresAt),
		Secret:         apikey.Verifier(row.Secret),
		RenewedAt:      times.Read(row.RenewedAt),
		Hint:           row.Hint,
		DeletedAt:      times.Read(row.DeletedAt),
		Version:        row.Version,
		CreatedAt:      times.Read(row.CreatedAt),
		UpdatedAt:      times.Read(row.UpdatedAt),
		Pace:           apikey.Pace(row.Pace),
	}
	for _, l := range row.RateLimits {
		k.RateLimits = append(k.RateLimits, apikey.RateLimit{
			Name:   l.Name,
			Limit:  l.Limit,
			Window: time.Duration(l.Window) * time.Millisecond,
			Burst:  l.Burst,
		})
	}

	for _, a := range row.AllowedAddresses {
		prefix, err := netip.ParsePrefix(a)
		if err != nil {
			return nil, dynamo.Damaged("key "+row.ID, err)
		}

		k.AllowedAddresses = append(k.AllowedAddresses, prefix)
	}

	for _, v := range row.Retired {
		k.Retired = append(k.Retired, apikey.Verifier(v))
	}

	k.Rotation = row.Rotation.rotation(&times)

	// an entry of an index has no Revocation
	if row.RevokedAt != "" {
		k.Revocation = &apikey.Revocation{At: times.Read(row.RevokedAt)}
		if r := row.Revocation; r != nil {
			k.Revocation.By = apikey.Actor(r.By)
			k.Revocation.Reason = r.Reason
			k.Revocation.Compromised = r.Compromised
		}
	}

	if e := row.Exposure; e != nil {
		k.Exposure = &apikey.Exposure{
			At:     times.Read(e.At),
			Source: e.Source,
			URL:    e.URL,
			Action: apikey.ExposureAction(e.Action),
		}
	}

	if times.Err != nil {
		return nil, dynamo.Damaged("key "+row.ID, times.Err)
	}

	return k, nil
}

func (r *rotationItem) rotation(times *dynamo.Times) *apikey.Rotation {
	if r == nil {
		return nil
	}

	return &apikey.Rotation{
		StartedAt:   times.Read(r.StartedAt),
		StartsAt:    apikey.OverlapStart(r.StartsAt),
		Overlap:     time.Duration(r.Overlap) * time.Millisecond,
		FirstUsedAt: times.Read(r.FirstUsedAt),
		Old:         apikey.Verifier(r.Old),
		OldHint:     r.OldHint,
		OldEndsAt:   times.Read(r.OldEndsAt),
	}
}

// purgeAt returns when TTL may remove the row, in Unix seconds: long after the end of the key's
// life; 0, which means never, if it has none.
func purgeAt(k *apikey.Key) int64 {
	end := k.DeletedAt
	if end.IsZero() {
		end = k.ExpiresAt
	}

	if end.IsZero() {
		return 0
	}

	return end.Add(Retention).Unix()
}
