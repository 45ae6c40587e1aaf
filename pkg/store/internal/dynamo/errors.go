package dynamo

import (
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// The errors of the store itself, as opposed to those of its objects.
var (
	// ErrUnavailable wraps every failure of DynamoDB or KMS. The caller must refuse the call, and
	// never guess.
	ErrUnavailable = errors.New("store: unavailable")
	// ErrDamaged means that a row is not as the store wrote it. It wraps ErrUnavailable.
	ErrDamaged = fmt.Errorf("%w: damaged row", ErrUnavailable)
	// ErrRefused means that DynamoDB rejects a request as invalid. That is a bug and not an outage:
	// retrying does not help.
	ErrRefused = errors.New("store: refused as invalid")
	// ErrTooLarge means that an item would be larger than DynamoDB accepts. Nothing was written.
	ErrTooLarge = errors.New("store: an item would be too large")
	// ErrInFlight means that a transaction in flight held an item. Nothing was written.
	ErrInFlight = errors.New("store: a transaction is in flight")
	// ErrConflict means that other transactions kept interfering; retrying later helps.
	ErrConflict = errors.New("store: conflicting changes")
	// ErrCondition means that the condition of a write did not hold. Nothing was written.
	ErrCondition = errors.New("store: the condition does not hold")
)

// Unavailable wraps an SDK error: in ErrRefused if DynamoDB rejects the request as invalid, else in
// ErrUnavailable. The SDK's errors contain table names and request ids, never item contents.
func Unavailable(what string, err error) error {
	if invalid(err) {
		return fmt.Errorf("%w: %s: %w", ErrRefused, what, err)
	}

	return fmt.Errorf("%w: %s: %w", ErrUnavailable, what, err)
}

// invalid reports whether DynamoDB rejected a request as invalid.
func invalid(err error) bool {
	var api smithy.APIError
	return cancelledBy(err, "ValidationError") || errors.As(err, &api) &&
		(api.ErrorCode() == "ValidationException" || api.ErrorCode() == "SerializationException")
}

// cancelledBy reports whether the reasons of a cancelled transaction include the code.
func cancelledBy(err error, code string) bool {
	var c *types.TransactionCanceledException
	return errors.As(err, &c) &&
		slices.ContainsFunc(c.CancellationReasons, func(r types.CancellationReason) bool {
			return r.Code != nil && *r.Code == code
		})
}

// Damaged returns the ErrDamaged of a row; err may be nil.
func Damaged(what string, err error) error {
	if err == nil {
		return fmt.Errorf("%w: %s", ErrDamaged, what)
	}

	return fmt.Errorf("%w: %s: %w", ErrDamaged, what, err)
}
