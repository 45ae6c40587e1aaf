package dynamo

import (
	"errors"
	"fmt"
	"slices"
)

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

// Unavailable wraps the error of a call in ErrUnavailable, or in ErrRefused if the request was
// invalid. what names the call.
func Unavailable(what string, err error) error {
	if invalid(err) {
		return fmt.Errorf("%w: %s: %w", ErrRefused, what, err)
	}

	return fmt.Errorf("%w: %s: %w", ErrUnavailable, what, err)
}

func invalid(err error) bool {
	f, ok := errors.AsType[*Fault](err)
	return ok && (f.Code == CodeValidation || f.Code == codeSerialization ||
		slices.Contains(f.Reasons, reasonValidation))
}

// Throttled reports whether DynamoDB was asked for more than its capacity, after all retries.
func Throttled(err error) bool {
	f, ok := errors.AsType[*Fault](err)
	return ok && slices.Contains([]string{
		"ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException",
	}, f.Code)
}

// refused returns the item that a failed condition's answer brings; nil with any other error.
func refused(err error) Item {
	if f, ok := errors.AsType[*Fault](err); ok && f.Code == CodeCondition {
		return f.Item
	}

	return nil
}

// cancelled returns the reasons for which a transaction was cancelled; nil with any other error.
func cancelled(err error) []string {
	f, _ := errors.AsType[*Fault](err)
	if f == nil {
		return nil
	}

	return f.Reasons
}

// Damaged returns ErrDamaged of a row. err may be nil.
func Damaged(what string, err error) error {
	if err == nil {
		return fmt.Errorf("%w: %s", ErrDamaged, what)
	}

	return fmt.Errorf("%w: %s: %w", ErrDamaged, what, err)
}

// written returns the error of a single write, as one of the package's.
func written(what string, err error) error {
	f, ok := errors.AsType[*Fault](err)
	switch {
	case err == nil:
		return nil
	case ok && f.Code == CodeCondition:
		return fmt.Errorf("%w: %w", ErrCondition, err)
	case ok && f.Code == CodeConflict:
		return fmt.Errorf("%w: %w", ErrInFlight, Unavailable(what, err))
	}

	return Unavailable(what, err)
}
