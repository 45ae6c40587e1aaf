package adminapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/secretscan"
	"github.com/bitting-keys/bitting/pkg/store"
)

// Problem is the error that operations return, and the body of its answer.
type Problem struct {
	api.Problem

	retryAfter string // seconds, where it is not what the status always has
}

// Error implements error.
func (p *Problem) Error() string { return string(p.Code) + ": " + p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// problemType is a row of the table of problems.
type problemType struct {
	status int
	code   api.Code
	title  string
}

// The problems, each once.
var (
	malformed = problemType{
		http.StatusBadRequest, api.CodeMalformed, "The request cannot be read",
	}
	unauthenticated = problemType{
		http.StatusUnauthorized, api.CodeUnauthenticated, "A valid key is needed",
	}
	invalidKey = problemType{
		http.StatusUnauthorized, api.CodeInvalidKey, "The API key is missing or not valid",
	}
	denied = problemType{
		http.StatusForbidden, api.CodePermissionDenied, "The permission is missing",
	}
	notFound        = problemType{http.StatusNotFound, api.CodeNotFound, "Not found"}
	notActive       = problemType{http.StatusConflict, api.CodeNotActive, "The key is not active"}
	noRotation      = problemType{http.StatusConflict, api.CodeNoRotation, "No rotation is running"}
	rotationRunning = problemType{
		http.StatusConflict, api.CodeRotationRunning, "A rotation is running",
	}
	compromised = problemType{http.StatusConflict, api.CodeCompromised, "The key is compromised"}
	deleted     = problemType{http.StatusConflict, api.CodeDeleted, "The key is deleted"}
	inUse       = problemType{http.StatusConflict, api.CodeInUse, "Still in use"}
	lastAdmin   = problemType{
		http.StatusConflict, api.CodeLastAdmin, "Cannot remove the last admin",
	}
	duplicate = problemType{http.StatusConflict, api.CodeDuplicate, "Already exists"}
	conflict  = problemType{http.StatusConflict, api.CodeConflict, "Conflicting change"}
	stale     = problemType{
		http.StatusPreconditionFailed, api.CodeStale, "Changed since it was read",
	}
	tooLarge = problemType{
		http.StatusRequestEntityTooLarge, api.CodeTooLarge, "The body is too large",
	}
	mediaType = problemType{
		http.StatusUnsupportedMediaType, api.CodeUnsupportedMediaType,
		"The media type is not supported",
	}
	validation = problemType{
		http.StatusUnprocessableEntity, api.CodeValidation, "The request is not valid",
	}
	immutable = problemType{
		http.StatusUnprocessableEntity, api.CodeImmutable, "The field cannot be changed",
	}
	escalation = problemType{
		http.StatusUnprocessableEntity, api.CodeEscalation, "More than you may grant",
	}
	mismatch = problemType{
		http.StatusUnprocessableEntity, api.CodeIdempotencyMismatch,
		"The Idempotency-Key was used for something else",
	}
	rateLimited = problemType{
		http.StatusTooManyRequests, api.CodeRateLimited, "Too many requests",
	}
	tooManyChanges = problemType{
		http.StatusTooManyRequests, api.CodeTooManyChanges, "Too many changes to one object",
	}
	tooManyJobs = problemType{
		http.StatusTooManyRequests, api.CodeTooManyJobs, "Too many jobs are open",
	}
	quotaExceeded = problemType{
		http.StatusTooManyRequests, api.CodeQuotaExceeded, "The quota is used up",
	}
	internal = problemType{
		http.StatusInternalServerError, api.CodeInternal, "Something went wrong",
	}
	unavailable = problemType{
		http.StatusServiceUnavailable, api.CodeUnavailable, "Temporarily unavailable",
	}
)

// with makes a problem of the kind.
func (k problemType) with(detail string, errs ...api.FieldError) *Problem {
	return &Problem{Problem: api.Problem{
		Title:  k.title,
		Status: k.status,
		Code:   k.code,
		Detail: detail,
		Errors: errs,
	}}
}

// table maps the errors of the packages below to problems; the first that matches counts. What is
// in no row is a 500.
var table = []struct {
	err    error
	kind   problemType
	detail string
}{
	{apikey.ErrNotFound, notFound, "There is no such key."},
	{organization.ErrNotFound, notFound, "There is no such organization."},
	{organization.ErrHidden, notFound, "There is no such organization."},
	{organization.ErrNoMember, notFound, "There is no such member."},
	{organization.ErrNoCustomer, notFound, "There is no such customer."},
	{job.ErrNotFound, notFound, "There is no such job."},
	{
		organization.ErrCustomerExists, duplicate,
		"There is a customer with this id: choose another.",
	},
	{
		organization.ErrCustomerStale, conflict,
		"Somebody else changed the customer at the same time: try again.",
	},
	{
		organization.ErrLastAdmin, lastAdmin,
		"The organization would have no admin: make another member an admin first.",
	},
	{
		organization.ErrMemberStale, conflict,
		"Somebody else changed the member at the same time: try again.",
	},
	{
		apikey.ErrNotActive, notActive,
		"The key must be active for this, and it is disabled, revoked or expired.",
	},
	{
		apikey.ErrNoRotation, noRotation,
		"The key has one secret: no rotation is running that could be shown or finished.",
	},
	{
		apikey.ErrRotationRunning, rotationRunning,
		"Finish the running rotation first, or regenerate the key to drop both secrets.",
	},
	{apikey.ErrCompromised, compromised, "A compromised key cannot be restored: regenerate it."},
	{
		apikey.ErrDeleted, deleted,
		"The key is deleted and cannot be restored; its record is kept.",
	},
	{
		store.ErrCatalogueStale, stale,
		"The catalogue is at another version now: read it again and repeat the change.",
	},
	{
		organization.ErrStale, stale,
		"The organization is at another version now: read it again and repeat the change.",
	},
	// which the others are too
	{
		apikey.ErrStale, stale,
		"The key is at another version now: read it again and repeat the change.",
	},
	{organization.ErrExists, duplicate, "There is an organization with this id: choose another."},
	{apikey.ErrExists, duplicate, "There is a key with this id."},
	{
		store.ErrReceipt, conflict,
		"Another call with this Idempotency-Key is being answered: try again.",
	},
	{store.ErrConflict, conflict, "Other changes were made at the same time: try again."},
	{
		secretscan.ErrSignature, malformed,
		"The message is not signed by GitHub, or was changed on its way.",
	},
	{secretscan.ErrMalformed, malformed, "The body is not a list of matches."},
	{
		secretscan.ErrTooMany, tooLarge,
		fmt.Sprintf("A message may have at most %d matches.", secretscan.MaxMatches),
	},
	{secretscan.ErrUnavailable, unavailable, "GitHub's public keys are unavailable: try again."},
	{store.ErrTooLarge, tooLarge, "The stored object would be too large: send less."},
	{
		store.ErrUnavailable, unavailable,
		"A service that this depends on is not responding: try again.",
	},
}

// problemOf makes a problem of any error. What is nobody's fault but ours is logged here, once, and
// answered without detail.
func problemOf(ctx context.Context, logger *slog.Logger, err error) *Problem {
	var ready *Problem
	if errors.As(err, &ready) {
		return ready
	}

	var forbidden *organization.ForbiddenError
	if errors.As(err, &forbidden) {
		p := denied.with(sentence(forbidden.Reason))
		if p.RequiredPermission = forbidden.Required; forbidden.Required != "" {
			p.Detail = "Your key does not hold the permission " + forbidden.Required +
				", which this needs."
		}

		return p
	}

	var invalid *permission.InvalidError
	if errors.As(err, &invalid) {
		p := validation.with("The catalogue is not valid.")
		for _, f := range invalid.Fields {
			p.Errors = append(p.Errors, api.FieldError{
				Location: "body." + f.Location,
				Message:  f.Message,
			})
		}

		return p
	}

	for _, row := range table {
		if errors.Is(err, row.err) {
			if row.kind == unavailable {
				logger.ErrorContext(ctx, "unavailable", "error", err)
			}

			return row.kind.with(row.detail)
		}
	}

	logger.ErrorContext(ctx, "unexpected error", "error", err)
	return internal.with("This is our fault, and it is logged under the request id.")
}

// problemOfInput makes a problem of what huma found wrong before an operation ran. Faults of the
// query and of headers make a request that cannot be read; faults of the body one that is not
// valid.
func problemOfInput(brand apikey.Brand, status int, message string, errs []error) *Problem {
	k := validation
	switch status {
	case http.StatusBadRequest:
		k = malformed
	case http.StatusNotFound:
		k = notFound
	case http.StatusRequestEntityTooLarge:
		k = tooLarge
	case http.StatusUnsupportedMediaType:
		k = mediaType
	case http.StatusInternalServerError:
		k = internal
	}

	if k != validation {
		// what cannot be read has no fields
		errs = slices.DeleteFunc(slices.Clone(errs), isAboutBody)
	}

	var fields []api.FieldError
	for _, err := range errs {
		var p *Problem
		if errors.As(err, &p) {
			return p // a rule that has a problem of its own, such as immutable
		}

		var detailer huma.ErrorDetailer
		if !errors.As(err, &detailer) {
			continue
		}

		d := detailer.ErrorDetail()
		if k == validation && !strings.HasPrefix(d.Location, "body") {
			k = malformed
		}

		if d.Message == misfit && len(fields) > 0 {
			continue // they say which
		}

		f := api.FieldError{
			Location: shortened(brand.Redact(location(d))),
			Message:  brand.Redact(d.Message),
			Value:    quotable(brand, d),
		}
		if !slices.ContainsFunc(fields, func(told api.FieldError) bool {
			return within(told.Location, f.Location)
		}) {
			fields = append(fields, f)
		}
	}

	return k.with(detailOf(k, message, fields), fields...)
}

// maxLocation is how much of a location is told: the names in it are the caller's, and as long
// as they like.
const maxLocation = 500

func shortened(location string) string {
	if len(location) <= maxLocation {
		return location
	}

	return strings.ToValidUTF8(location[:maxLocation], "") + "…"
}

// within reports whether a location is another one or lies in it. A rule has nothing to add where
// the schema found the value to be of the wrong type.
func within(outer, inner string) bool {
	rest, ok := strings.CutPrefix(inner, outer)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// isAboutBody reports whether an error is about a field of the body.
func isAboutBody(err error) bool {
	var d huma.ErrorDetailer
	return errors.As(err, &d) && strings.HasPrefix(d.ErrorDetail().Location, "body.")
}

// location names the missing or unknown field itself, where huma names the object that it should
// stand in.
func location(d *huma.ErrorDetail) string {
	const missing = "expected required property "
	if rest, ok := strings.CutPrefix(d.Message, missing); ok {
		return d.Location + "." + strings.TrimSuffix(rest, " to be present")
	}

	return d.Location
}

// quotable returns a wrong value if it may be repeated: never what looks like a secret or stands
// where one belongs, and never a whole object, which may hold one.
func quotable(brand apikey.Brand, d *huma.ErrorDetail) any {
	if d.Location == "body" || strings.Contains(d.Location, "secret") ||
		strings.Contains(d.Location, "hash") {
		return nil
	}

	switch v := d.Value.(type) {
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

// detailOf says in words what is wrong with an input, and what to do.
func detailOf(k problemType, message string, fields []api.FieldError) string {
	switch {
	case k == tooLarge:
		most := int64(MaxBody)
		// it is huma's, and one byte more than we let pass
		_, _ = fmt.Sscanf(message, "request body is too large limit=%d bytes", &most)
		return fmt.Sprintf("The body of this call may have at most %d KiB.", most>>10)
	case k == mediaType:
		return "Send the body as JSON, with Content-Type: application/json."
	case k == validation:
		return "Some fields are not valid."
	case k == malformed && message == "request body is required":
		return "This call needs a JSON body."
	case k == malformed && slices.ContainsFunc(fields, func(f api.FieldError) bool {
		return f.Location == "body"
	}):
		return "The body is not JSON."
	case k == malformed:
		return "Some parameters or headers are not valid."
	default:
		return ""
	}
}

// sentence makes one of a reason.
func sentence(reason string) string {
	if reason == "" {
		return ""
	}

	return strings.ToUpper(reason[:1]) + reason[1:] + "."
}

// finish completes a problem with what depends on the call.
func (p *Problem) finish(docs, requestID string) {
	p.Type = docs + string(p.Code)
	p.RequestID = requestID
}

// retryAfter is how long a caller waits after a 503, in seconds.
const retryAfter = 5

// headers sets what goes with a status.
func (p *Problem) headers(set func(name, value string)) {
	switch p.Status {
	case http.StatusUnauthorized:
		set("WWW-Authenticate", `Bearer realm="bitting"`)
	case http.StatusTooManyRequests:
		set("Retry-After", p.retryAfter)
	case http.StatusServiceUnavailable:
		set("Retry-After", strconv.Itoa(retryAfter))
	}
}
