package adminapi

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
)

// Problem is the error that operations return, and the body of its answer.
type Problem struct {
	api.Problem

	retryAfter time.Duration // where it is not what the status always has
}

// Error implements error.
func (p *Problem) Error() string { return string(p.Code) + ": " + p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// statuses is the table of problems: the status and the title of each code.
var statuses = map[api.Code]struct {
	status int
	title  string
}{
	api.CodeMalformed:        {http.StatusBadRequest, "The request cannot be read"},
	api.CodeUnauthenticated:  {http.StatusUnauthorized, "A valid credential is needed"},
	api.CodeInvalidKey:       {http.StatusUnauthorized, "The API key is missing or not valid"},
	api.CodePermissionDenied: {http.StatusForbidden, "The permission is missing"},
	api.CodeNotFound:         {http.StatusNotFound, "Not found"},
	api.CodeNotActive:        {http.StatusConflict, "The key is not active"},
	api.CodeNoRotation:       {http.StatusConflict, "No rotation is running"},
	api.CodeRotationRunning:  {http.StatusConflict, "A rotation is running"},
	api.CodeCompromised:      {http.StatusConflict, "The key is compromised"},
	api.CodeDeleted:          {http.StatusConflict, "The key is deleted"},
	api.CodeInUse:            {http.StatusConflict, "Still in use"},
	api.CodeLastAdmin:        {http.StatusConflict, "Cannot remove the last admin"},
	api.CodeDuplicate:        {http.StatusConflict, "Already exists"},
	api.CodeConflict:         {http.StatusConflict, "Conflicting change"},
	api.CodeStale:            {http.StatusPreconditionFailed, "Changed since it was read"},
	api.CodeTooLarge:         {http.StatusRequestEntityTooLarge, "The body is too large"},
	api.CodeUnsupportedMediaType: {
		http.StatusUnsupportedMediaType, "The media type is not supported",
	},
	api.CodeValidation: {http.StatusUnprocessableEntity, "The request is not valid"},
	api.CodeImmutable:  {http.StatusUnprocessableEntity, "The field cannot be changed"},
	api.CodeEscalation: {http.StatusUnprocessableEntity, "More than you may grant"},
	api.CodeIdempotencyMismatch: {
		http.StatusUnprocessableEntity, "The Idempotency-Key was used for something else",
	},
	api.CodeRateLimited:    {http.StatusTooManyRequests, "Too many requests"},
	api.CodeTooManyChanges: {http.StatusTooManyRequests, "Too many changes to one object"},
	api.CodeTooManyJobs:    {http.StatusTooManyRequests, "Too many jobs are open"},
	api.CodeQuotaExceeded:  {http.StatusTooManyRequests, "The quota is used up"},
	api.CodeInternal:       {http.StatusInternalServerError, "Something went wrong"},
	api.CodeUnavailable:    {http.StatusServiceUnavailable, "Temporarily unavailable"},
}

// problemOf makes the problem of an error.
func problemOf(err *admin.Error) *Problem {
	row := statuses[err.Code]
	return &Problem{
		Problem: api.Problem{
			Title:              row.title,
			Status:             row.status,
			Code:               err.Code,
			Detail:             err.Detail,
			RequiredPermission: err.RequiredPermission,
			Errors:             err.Fields,
		},
		retryAfter: err.RetryAfter,
	}
}

// resolved makes what a Resolver returns of the error of a check.
func resolved(ctx huma.Context, err error) []error {
	var invalid *admin.InvalidError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &invalid):
		return detailsOf(invalid.Fields)
	default: // with a problem of its own, such as immutable
		return []error{apiOf(ctx.Context()).admin.Error(ctx.Context(), err)}
	}
}

// detailsOf are wrong fields as huma takes them.
func detailsOf(fields []api.FieldError) []error {
	out := make([]error, 0, len(fields))
	for _, f := range fields {
		out = append(out, &huma.ErrorDetail{
			Location: f.Location,
			Message:  f.Message,
			Value:    f.Value,
		})
	}

	return out
}

// errorOfInput makes an error of what huma found wrong before an operation ran. Faults of the query
// and of headers make a request that cannot be read; faults of the body one that is not valid.
func errorOfInput(brand apikey.Brand, status int, message string, errs []error) *admin.Error {
	code := api.CodeValidation
	switch status {
	case http.StatusBadRequest:
		code = api.CodeMalformed
	case http.StatusNotFound:
		code = api.CodeNotFound
	case http.StatusRequestEntityTooLarge:
		code = api.CodeTooLarge
	case http.StatusUnsupportedMediaType:
		code = api.CodeUnsupportedMediaType
	case http.StatusInternalServerError:
		code = api.CodeInternal
	}

	if code != api.CodeValidation {
		// what cannot be read has no fields
		errs = slices.DeleteFunc(slices.Clone(errs), isAboutBody)
	}

	var fields []api.FieldError
	for _, err := range errs {
		var ready *admin.Error
		if errors.As(err, &ready) {
			return ready
		}

		var detailer huma.ErrorDetailer
		if !errors.As(err, &detailer) {
			continue
		}

		d := detailer.ErrorDetail()
		if code == api.CodeValidation && !strings.HasPrefix(d.Location, "body") {
			code = api.CodeMalformed
		}

		if d.Message == misfit && len(fields) > 0 {
			continue // they say which
		}

		fields = append(fields, api.FieldError{
			Location: location(d),
			Message:  d.Message,
			Value:    d.Value,
		})
	}

	fields = admin.Tellable(brand, fields)
	return admin.Refuse(code, detailOf(code, message, fields), fields...)
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

// aboutBody reports whether a fault is one of the body as a whole.
func aboutBody(f api.FieldError) bool { return f.Location == "body" }

// detailOf says in words what is wrong with an input, and what to do.
func detailOf(code api.Code, message string, fields []api.FieldError) string {
	switch code {
	case api.CodeTooLarge:
		most := int64(MaxBody)
		// it is huma's, and one byte more than we let pass
		_, _ = fmt.Sscanf(message, "request body is too large limit=%d bytes", &most)
		return fmt.Sprintf("The body of this call may have at most %d KiB.", most>>10)
	case api.CodeUnsupportedMediaType:
		return "Send the body as JSON, with Content-Type: application/json."
	case api.CodeValidation:
		return "Some fields are not valid."
	case api.CodeMalformed:
		switch {
		case message == "request body is required":
			return "This call needs a JSON body."
		case slices.ContainsFunc(fields, aboutBody):
			return "The body is not JSON."
		default:
			return "Some parameters or headers are not valid."
		}
	default:
		return ""
	}
}

// finish completes a problem with what depends on the call.
func (p *Problem) finish(docs, requestID string) {
	p.Type = docs + string(p.Code)
	p.RequestID = requestID
}

// retryAfter is how long a caller waits after a 503, in seconds.
const retryAfter = 5

// GetHeaders implements huma.HeadersError: what goes with the status.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="bitting"`)
	case http.StatusTooManyRequests:
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.retryAfter.Seconds()))))
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", strconv.Itoa(retryAfter))
	}

	return h
}
