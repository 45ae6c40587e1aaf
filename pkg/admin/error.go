package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/secretscan"
	"github.com/bitting-keys/bitting/pkg/store"
)

// Error is the reason why something was not done: a code for programs, and text for people.
type Error struct {
	Code               api.Code
	Detail             string
	Fields             []api.FieldError
	RequiredPermission string        // the permission that is missing
	RetryAfter         time.Duration // when to try again; 0 if unknown
}

// Error implements error.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Detail }

// Refuse returns an error.
func Refuse(code api.Code, detail string, fields ...api.FieldError) *Error {
	return &Error{Code: code, Detail: detail, Fields: fields}
}

// refused reports whether an error is due to the request itself, and not to a failure to process
// it.
func refused(err error) bool {
	var (
		told      *Error
		invalid   *InvalidError
		forbidden *organization.ForbiddenError
	)
	return errors.As(err, &told) || errors.As(err, &invalid) || errors.As(err, &forbidden)
}

// table maps the errors of other packages; the first match counts. An error without a row is a bug.
var table = []struct {
	err    error
	code   api.Code
	detail string
}{
	{apikey.ErrNotFound, api.CodeNotFound, "There is no such key."},
	{organization.ErrNotFound, api.CodeNotFound, "There is no such organization."},
	{organization.ErrHidden, api.CodeNotFound, "There is no such organization."},
	{organization.ErrNoMember, api.CodeNotFound, "There is no such member."},
	{organization.ErrNoCustomer, api.CodeNotFound, "There is no such customer."},
	{job.ErrNotFound, api.CodeNotFound, "There is no such job."},
	{
		organization.ErrCustomerExists, api.CodeDuplicate,
		"There is a customer with this id: choose another.",
	},
	{
		organization.ErrCustomerStale, api.CodeConflict,
		"Somebody else changed the customer at the same time: try again.",
	},
	{
		organization.ErrLastAdmin, api.CodeLastAdmin,
		"The organization would have no admin: make another member an admin first.",
	},
	{
		organization.ErrMemberStale, api.CodeConflict,
		"Somebody else changed the member at the same time: try again.",
	},
	{
		apikey.ErrNotActive, api.CodeNotActive,
		"The key must be active for this, but it is disabled, revoked or expired.",
	},
	{
		apikey.ErrNoRotation, api.CodeNoRotation,
		"No rotation is running: the key has only one secret.",
	},
	{
		apikey.ErrRotationRunning, api.CodeRotationRunning,
		"Finish the running rotation first, or regenerate the key to drop both secrets.",
	},
	{
		apikey.ErrCompromised, api.CodeCompromised,
		"A compromised key cannot be restored: regenerate it.",
	},
	{
		apikey.ErrDeleted, api.CodeDeleted,
		"The key is deleted and cannot be restored; its record is kept.",
	},
	{
		store.ErrCatalogueStale, api.CodeStale,
		"The catalogue has changed since you read it: read it again and repeat the change.",
	},
	{
		organization.ErrStale, api.CodeStale,
		"The organization has changed since you read it: read it again and repeat the change.",
	},
	// the others wrap it too
	{
		apikey.ErrStale, api.CodeStale,
		"The key has changed since you read it: read it again and repeat the change.",
	},
	{
		organization.ErrExists, api.CodeDuplicate,
		"There is an organization with this id: choose another.",
	},
	{apikey.ErrExists, api.CodeDuplicate, "There is a key with this id."},
	{
		store.ErrReceipt, api.CodeConflict,
		"Another call with this Idempotency-Key is still running: try again.",
	},
	{
		store.ErrConflict, api.CodeConflict,
		"Other changes were made at the same time: try again.",
	},
	{
		secretscan.ErrSignature, api.CodeMalformed,
		"The message is not signed by GitHub, or was changed in transit.",
	},
	{secretscan.ErrMalformed, api.CodeMalformed, "The body is not a list of matches."},
	{
		secretscan.ErrTooMany, api.CodeTooLarge,
		fmt.Sprintf("A message may have at most %d matches.", secretscan.MaxMatches),
	},
	{
		secretscan.ErrUnavailable, api.CodeUnavailable,
		"GitHub's public keys are unavailable: try again.",
	},
	{
		store.ErrTooLarge, api.CodeTooLarge,
		"The stored object would be too large: send less.",
	},
	{
		store.ErrUnavailable, api.CodeUnavailable,
		"A service that this depends on is not responding: try again.",
	},
}

// Error converts any error. An error that is not the caller's is logged here, once, and returned
// without detail.
func (s *core) Error(ctx context.Context, err error) *Error {
	var ready *Error
	if errors.As(err, &ready) {
		return ready
	}

	var wrong *InvalidError
	if errors.As(err, &wrong) {
		return Refuse(api.CodeValidation, "Some fields are not valid.",
			Tellable(s.brand, wrong.Fields)...)
	}

	var forbidden *organization.ForbiddenError
	if errors.As(err, &forbidden) {
		e := Refuse(api.CodePermissionDenied, sentence(forbidden.Reason))
		if e.RequiredPermission = forbidden.Required; forbidden.Required != "" {
			e.Detail = "Your key does not hold the permission " + forbidden.Required +
				", which this needs."
		}

		return e
	}

	var catalogue *permission.InvalidError
	if errors.As(err, &catalogue) {
		e := Refuse(api.CodeValidation, "The catalogue is not valid.")
		for _, f := range catalogue.Fields {
			e.Fields = append(e.Fields, api.FieldError{
				Location: "body." + f.Location,
				Message:  f.Message,
			})
		}

		return e
	}

	for _, row := range table {
		if errors.Is(err, row.err) {
			if row.code == api.CodeUnavailable {
				s.logger.ErrorContext(ctx, "unavailable", "error", err)
			}

			return Refuse(row.code, row.detail)
		}
	}

	s.logger.ErrorContext(ctx, "unexpected error", "error", err)
	return Refuse(api.CodeInternal, "This is a bug in Bitting. It is logged with the request id.")
}

// Tellable returns what may be shown of invalid fields: no secrets, and at most one error for a
// field and what is in it.
func Tellable(brand apikey.Brand, fields []api.FieldError) []api.FieldError {
	var told []api.FieldError
	for _, f := range fields {
		f.Value = quotable(brand, f)
		f.Location = shortened(brand.Redact(f.Location))
		f.Message = brand.Redact(f.Message)

		if !slices.ContainsFunc(told, func(earlier api.FieldError) bool {
			return lies(f.Location, earlier.Location)
		}) {
			told = append(told, f)
		}
	}

	return told
}

// maxLocation is how much of a location is shown: the names in it are the caller's, of any length.
const maxLocation = 500

func shortened(location string) string {
	if len(location) <= maxLocation {
		return location
	}

	return strings.ToValidUTF8(location[:maxLocation], "") + "…"
}

// lies reports whether a location is another one or lies in it. If the schema found a value of the
// wrong type, further errors in it add nothing.
func lies(inner, outer string) bool {
	rest, ok := strings.CutPrefix(inner, outer)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// quotable returns an invalid value if it may be repeated: never what looks like a secret or stands
// where one belongs, and never a whole object, which may contain one.
func quotable(brand apikey.Brand, f api.FieldError) any {
	if f.Location == "body" || strings.Contains(f.Location, "secret") ||
		strings.Contains(f.Location, "hash") {
		return nil
	}

	switch v := f.Value.(type) {
	case string:
		if len(v) > 200 || v == "" || brand.Redact(v) != v {
			return nil
		}

		return v
	case float64, bool, int, int64:
		return v
	default:
		return nil
	}
}

// sentence turns a reason into a sentence.
func sentence(reason string) string {
	if reason == "" {
		return ""
	}

	return strings.ToUpper(reason[:1]) + reason[1:] + "."
}
