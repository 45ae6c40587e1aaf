package main

import (
	"fmt"
	"strings"

	"github.com/bitting-keys/bitting/cmd/bitting/output"
	"github.com/bitting-keys/bitting/pkg/api"
)

// keyColumns are what lists and the record of a key show.
func keyColumns() []output.Column[api.Key] {
	return []output.Column[api.Key]{
		{Name: "id", Of: func(k api.Key) any { return k.ID }},
		{Name: "name", Of: func(k api.Key) any { return k.Name }, Wide: true},
		{Name: "environment", Of: func(k api.Key) any { return k.Environment }},
		{Name: "status", Of: func(k api.Key) any { return keyStatus(k) }, Look: keyLook},
		{Name: "permissions", Of: func(k api.Key) any { return permissionsOf(k) }, Wide: true},
		{Name: "lastUsed", Of: func(k api.Key) any {
			if k.LastUsed == nil {
				return nil
			}

			return k.LastUsed.At.Time
		}},
		{Name: "expiresAt", Of: func(k api.Key) any { return moment(k.ExpiresAt) }},
		{Name: "owner", Of: func(k api.Key) any { return ownerOf(k) }, Wide: true},
	}
}

// keyFields are keyColumns with what only the record of one key shows.
func keyFields() []output.Column[api.Key] {
	return append(keyColumns(),
		output.Column[api.Key]{Name: "description", Of: func(k api.Key) any { return k.Description }},
		output.Column[api.Key]{Name: "hint", Of: func(k api.Key) any { return k.Hint }},
		output.Column[api.Key]{Name: "customers", Of: func(k api.Key) any { return k.Customers }},
		output.Column[api.Key]{Name: "rateLimits", Of: func(k api.Key) any { return limitsOf(k) }},
		output.Column[api.Key]{Name: "quota", Of: func(k api.Key) any {
			if k.Quota == nil {
				return nil
			}

			return fmt.Sprintf("%d/%s", k.Quota.Limit, k.Quota.Period)
		}},
		output.Column[api.Key]{Name: "allowedAddresses", Of: func(k api.Key) any {
			return k.AllowedAddresses
		}},
		output.Column[api.Key]{Name: "notBefore", Of: func(k api.Key) any { return moment(k.NotBefore) }},
		output.Column[api.Key]{Name: "tags", Of: func(k api.Key) any { return k.Tags }},
		output.Column[api.Key]{Name: "rotation", Of: func(k api.Key) any {
			if k.Rotation == nil {
				return nil
			}

			return "the old secret works until " + output.Exact(k.Rotation.OldSecretEndsAt.Time)
		}},
		output.Column[api.Key]{Name: "revocation", Of: func(k api.Key) any { return revocationOf(k) }},
		output.Column[api.Key]{Name: "createdBy", Of: func(k api.Key) any { return actorOf(k.CreatedBy) }},
		output.Column[api.Key]{Name: "createdAt", Of: func(k api.Key) any { return k.CreatedAt.Time }},
		output.Column[api.Key]{Name: "updatedAt", Of: func(k api.Key) any { return k.UpdatedAt.Time }},
		output.Column[api.Key]{Name: "version", Of: func(k api.Key) any { return k.Version }},
	)
}

func keyID(k api.Key) string { return k.ID }

// keyStatus is the status in one word, with the reason where a key is inactive.
func keyStatus(k api.Key) string {
	switch {
	case k.DeletedAt != nil:
		return "deleted"
	case k.Revocation != nil && k.Revocation.Compromised:
		return "compromised"
	case k.Revocation != nil:
		return "revoked"
	case k.Status == "inactive" && !k.Enabled:
		return "disabled"
	default:
		return k.Status
	}
}

func keyLook(k api.Key) output.Look {
	switch {
	case k.Status == "active" && k.DeletedAt == nil:
		return output.Good
	case k.Revocation != nil:
		return output.Bad
	default:
		return output.Faint
	}
}

func permissionsOf(k api.Key) any {
	if k.AllPermissions {
		return "all"
	}

	return k.Permissions
}

func ownerOf(k api.Key) string {
	if k.Ownership == "organization" {
		return "organization"
	}

	return actorOf(k.Owner)
}

func actorOf(a api.Actor) string {
	switch {
	case a.Email != "":
		return a.Email
	case a.KeyName != "":
		return a.KeyName
	default:
		return strings.TrimSpace(a.Type + " " + a.ID)
	}
}

func limitsOf(k api.Key) (out []string) {
	for _, l := range k.RateLimits {
		text := fmt.Sprintf("%s=%d/%s", l.Name, l.Limit, l.Window)
		if l.Burst != 0 && l.Burst != l.Limit {
			text += fmt.Sprintf(",burst=%d", l.Burst)
		}

		out = append(out, text)
	}

	return out
}

func revocationOf(k api.Key) any {
	r := k.Revocation
	if r == nil {
		return nil
	}

	text := "by " + actorOf(r.By) + " at " + output.Exact(r.At.Time)
	if r.Reason != "" {
		text += ": " + r.Reason
	}

	return text
}

// moment returns a time that may be missing.
func moment(t *api.Time) any {
	if t == nil {
		return nil
	}

	return t.Time
}
