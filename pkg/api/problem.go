package api

// Code identifies a problem. docs/problems.md explains each.
type Code string

// The codes of the admin API.
const (
	CodeMalformed            Code = "malformed"
	CodeUnauthenticated      Code = "unauthenticated"
	CodeInvalidKey           Code = "invalid_key"
	CodePermissionDenied     Code = "permission_denied"
	CodeNotFound             Code = "not_found"
	CodeNotActive            Code = "not_active"
	CodeNoRotation           Code = "no_rotation"
	CodeRotationRunning      Code = "rotation_running"
	CodeCompromised          Code = "compromised"
	CodeDeleted              Code = "deleted"
	CodeInUse                Code = "in_use"
	CodeLastAdmin            Code = "last_admin"
	CodeDuplicate            Code = "duplicate"
	CodeConflict             Code = "conflict"
	CodeStale                Code = "stale"
	CodeTooLarge             Code = "too_large"
	CodeUnsupportedMediaType Code = "unsupported_media_type"
	CodeValidation           Code = "validation"
	CodeImmutable            Code = "immutable"
	CodeEscalation           Code = "escalation"
	CodeIdempotencyMismatch  Code = "idempotency_mismatch"
	CodeRateLimited          Code = "rate_limited"
	CodeTooManyChanges       Code = "too_many_changes"
	CodeTooManyJobs          Code = "too_many_jobs"
	CodeQuotaExceeded        Code = "quota_exceeded"
	CodeInternal             Code = "internal"
	CodeUnavailable          Code = "unavailable"
)

// Codes returns all codes of the admin API.
func Codes() []Code {
	return []Code{
		CodeMalformed,
		CodeUnauthenticated,
		CodeInvalidKey,
		CodePermissionDenied,
		CodeNotFound,
		CodeNotActive,
		CodeNoRotation,
		CodeRotationRunning,
		CodeCompromised,
		CodeDeleted,
		CodeInUse,
		CodeLastAdmin,
		CodeDuplicate,
		CodeConflict,
		CodeStale,
		CodeTooLarge,
		CodeUnsupportedMediaType,
		CodeValidation,
		CodeImmutable,
		CodeEscalation,
		CodeIdempotencyMismatch,
		CodeRateLimited,
		CodeTooManyChanges,
		CodeTooManyJobs,
		CodeQuotaExceeded,
		CodeInternal,
		CodeUnavailable,
	}
}

// Problem is the body of every answer that is not a success (RFC 9457).
type Problem struct {
	Type               string       `json:"type" doc:"The address of this problem's documentation"`
	Title              string       `json:"title"`
	Status             int          `json:"status"`
	Code               Code         `json:"code" doc:"For programs to compare"`
	Detail             string       `json:"detail,omitempty"`
	RequestID          string       `json:"requestId,omitempty"`
	RequiredPermission string       `json:"requiredPermission,omitempty"`
	Errors             []FieldError `json:"errors,omitempty"`
}

// FieldError is one invalid field of an input.
type FieldError struct {
	Location string `json:"location" doc:"Where, such as body.rateLimits[0].window"`
	Message  string `json:"message" doc:"What is expected there"`
	Value    any    `json:"value,omitempty" doc:"What was sent, unless it may contain a secret"`
}
