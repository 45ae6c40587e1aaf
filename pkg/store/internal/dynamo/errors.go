package dynamo

import (
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// What the store answers when it has no answer.
var (
	// ErrUnavailable wraps every failure of DynamoDB or KMS. The caller refuses the call and never
	// guesses.
	ErrUnavailable = errors.New("store: unavailable")
	// ErrDamaged says that a row is not as the store wrote it. It is an ErrUnavailable too.
	ErrDamaged = fmt.Errorf("%w: damaged row", ErrUnavailable)
	// ErrRefused says that DynamoDB takes a request for wrong. That is a fault of ours and no
	// outage: asking again does not help.
	ErrRefused = errors.New("store: refused as invalid")
	// ErrTooLarge says that an item would be larger than DynamoDB takes. Nothing was written.
	ErrTooLarge = errors.New("store: an item would be too large")
	// ErrInFlight says that a transaction in flight held an item. Nothing was written.
	ErrInFlight = errors.New("store: a transaction is in flight")
	// ErrConflict says that other transactions kept getting in the way; trying again later helps.
	ErrConflict = errors.New("store: conflicting changes")
	// ErrCondition says that the condition of a write did not hold. Nothing was written.
	ErrCondition = errors.New("store: the condition does not hold")
)

// Unavailable wraps an SDK error: as ErrRefused where DynamoDB says that the request is wrong, and
// else as ErrUnavailable. The SDK's errors carry table names and request ids, never item contents.
func Unavailable(what string, err error) error {
	if invalid(err) {
		return fmt.Errorf("%w: %s: %w", ErrRefused, what, err)
	}

	return fmt.Errorf("%w: %s: %w", ErrUnavailable, what, err)
}

// invalid reports whether DynamoDB says that a request is wrong.
func invalid(err error) bool {
	var api smithy.APIError
	return cancelledBy(err, "ValidationError") || errors.As(err, &api) &&
		(api.ErrorCode() == "ValidationException" || api.ErrorCode() == "SerializationException")
}

// cancelledBy reports whether a transaction was cancelled for a reason with the code, among others.
func cancelledBy(err error, code string) bool {
	var c *types.TransactionCanceledException
	return errors.As(err, &c) &&
		slices.ContainsFunc(c.CancellationReasons, func(r types.CancellationReason) bool {
			return r.Code != nil && *r.Code == code
		})
}

// Damaged is the ErrDamaged of a row; err may be nil.
func Damaged(what string, err error) error {
	if err == nil {
		return fmt.Errorf("%w: %s", ErrDamaged, what)
	}

	return fmt.Errorf("%w: %s: %w", ErrDamaged, what, err)
}
