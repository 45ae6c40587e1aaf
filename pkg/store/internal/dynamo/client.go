package dynamo

import "context"

// Client makes the calls of DynamoDB that a check and what follows it need. What DynamoDB answers
// with an error is a *Fault; any other error means that there was no answer.
type Client interface {
	// Get reads one item, strongly consistent; nil if there is none.
	Get(ctx context.Context, table string, at Key) (Item, error)
	// BatchGet reads up to MaxBatch items, strongly consistent, and returns which it did not read.
	BatchGet(ctx context.Context, table string, keys []Key) (items []Item, left []Key, err error)
	// Put replaces an item.
	Put(ctx context.Context, w Request) error
	// Update changes an item, and returns it as it is then, if w.Return says so.
	Update(ctx context.Context, w Request) (Item, error)
}

// AdminClient makes the calls of DynamoDB that only administration needs, too.
type AdminClient interface {
	Client

	Delete(ctx context.Context, w Request) error
	// Query reads a page of a range. It returns where the next page starts: nil at the end.
	Query(ctx context.Context, q Query) (items []Item, next Item, err error)
	// Transact makes all writes or none.
	Transact(ctx context.Context, writes []Request) error
}

// Scanner reads whole tables. It is for an operator's commands and for upkeep, not for a request's
// path.
type Scanner interface {
	// Scan reads a page of a table, strongly consistent, with these attributes or all. It returns
	// where the next page starts: nil at the end.
	Scan(
		ctx context.Context, table string, attributes []string, start Item, limit int32,
	) (items []Item, next Item, err error)
}

// Request is a conditional write, or a check of a condition in a transaction.
type Request struct {
	Table string
	Kind  WriteKind // in a transaction
	Item  Item      // what is put; of any other kind, the primary key

	Update    string
	Condition string
	Expression

	// Return makes the answer bring the item: as it is after an update, or, if the condition does
	// not hold, as it is.
	Return bool
}

// Query is a request of a range of a partition.
type Query struct {
	Table     string
	Index     string // "" for the table itself
	Condition string // on the keys
	Expression

	Backwards bool
	Strong    bool
	Limit     int32 // of items in one answer; 0 for as many as fit
	Start     Item  // where the previous page ended; nil for the first
}

// Fault is DynamoDB's answer that a call failed.
type Fault struct {
	Code    string // such as ConditionalCheckFailedException
	Message string
	Item    Item     // as it is, if its condition did not hold and the request asked for it
	Reasons []string // of a cancelled transaction: the code of each write, or None
	Err     error    // the client's own error; nil if it has none
}

// Error implements error.
func (f *Fault) Error() string {
	if f.Err != nil {
		return f.Err.Error()
	}

	return f.Code + ": " + f.Message
}

// Unwrap returns the client's own error.
func (f *Fault) Unwrap() error { return f.Err }

// The codes of faults that the store tells apart
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html).
const (
	CodeCondition  = "ConditionalCheckFailedException"
	CodeConflict   = "TransactionConflictException"
	CodeCancelled  = "TransactionCanceledException"
	CodeValidation = "ValidationException"

	codeSerialization = "SerializationException"

	// the codes in a cancelled transaction's reasons
	reasonCondition  = "ConditionalCheckFailed"
	reasonConflict   = "TransactionConflict"
	reasonValidation = "ValidationError"
)
