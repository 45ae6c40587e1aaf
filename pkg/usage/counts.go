package usage

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/permission"
)

// Call is a call of a known key, as an authorizer or a reader of access logs reports it.
type Call struct {
	At             time.Time
	Environment    apikey.Environment
	OrganizationID string
	KeyID          string
	KeyVersion     int64 // of the key's row that the call was checked with
	Outcome        check.Outcome
	// the permission that the call was made with, or lacked; "" if the check ended before it was
	// known, and on the admin API
	Permission string
	Customer   string // the customer in the path; "" for none

	Secret   apikey.SecretMatch // which of the key's secrets was sent
	Rotation time.Time          // when the key's rotation started; zero if it has none

	RequestID string // API Gateway's
	API       string
	Method    string
	Route     string // the catalogue's
	Path      string // as it was sent
	SourceIP  netip.Addr
	UserAgent string
	Latency   time.Duration
	// the fraction of the allowed calls that is recorded: 0 none, 1 all
	SampleRate float64
}

// Scope is what calls are counted for: a key, or all keys of an organization in one environment.
type Scope struct {
	Environment  apikey.Environment
	Organization bool
	ID           string
}

// KeyScope returns the scope of a key.
func KeyScope(env apikey.Environment, id string) Scope { return Scope{Environment: env, ID: id} }

// OrganizationScope returns the scope of an organization's keys in one environment.
func OrganizationScope(env apikey.Environment, id string) Scope {
	return Scope{Environment: env, Organization: true, ID: id}
}

// Cell identifies calls that are counted together.
type Cell struct {
	Outcome    check.Outcome
	Permission string
}

// Others stands for the permissions, customers, APIs and sources beyond the number that is counted
// separately. It is not a valid name of one.
const Others = "*"

// maxNames limits what one row of counts distinguishes, of cells, of customers and of APIs. The rest
// counts as Others, so that no caller can make a row grow.
const maxNames = 100

// maxSumNames limits what the sum of many rows distinguishes, of cells, of customers and of APIs:
// what has the most calls. Names have at most 100 bytes, so that a sum has at most 300 KB.
const maxSumNames = 1000

// Counts are numbers of calls.
type Counts struct {
	Cells     map[Cell]int64
	Customers map[string]int64 // of the allowed calls whose path names one
	APIs      map[string]int64 // of the allowed calls, by the names of the permission catalogue
}

// counted is what a call counts for.
type counted struct {
	Cell

	customer string // "" for none, Others for an invalid one
	api      string // Others for an invalid one: access logs tell of APIs whose formats nobody checked
}

func (c *Call) counted() counted {
	out := counted{Cell: Cell{c.Outcome, c.Permission}, customer: c.Customer, api: c.API}
	if c.Outcome != check.Allowed {
		return out // customers and APIs count allowed calls only
	}

	if c.Customer != "" && !permission.ValidCustomer(c.Customer) {
		out.customer = Others
	}

	if !permission.ValidAPI(c.API) {
		out.api = Others
	}

	return out
}

// add counts one call.
func (c *Counts) add(call counted) {
	if c.Cells == nil {
		c.Cells = make(map[Cell]int64, 2)
	}

	cell := call.Cell
	if _, known := c.Cells[cell]; !known && len(c.Cells) >= maxNames {
		cell.Permission = Others
	}

	c.Cells[cell]++

	if call.Outcome != check.Allowed {
		return
	}

	c.APIs = increment(c.APIs, call.api)
	if call.customer != "" {
		c.Customers = increment(c.Customers, call.customer)
	}
}

// increment counts one call for a name, or for Others where the limit of names is reached.
func increment(counts map[string]int64, name string) map[string]int64 {
	if counts == nil {
		counts = make(map[string]int64, 1)
	}

	if _, known := counts[name]; !known {
		name = strings.Clone(name) // it may be part of a whole event, with its secret
		if len(counts) >= maxNames {
			name = Others
		}
	}

	counts[name]++
	return counts
}

// Add adds other counts.
func (c *Counts) Add(other Counts) {
	if c.Cells == nil {
		c.Cells = make(map[Cell]int64, len(other.Cells))
	}

	for cell, n := range other.Cells {
		c.Cells[cell] += n
	}

	c.Customers = plus(c.Customers, other.Customers)
	c.APIs = plus(c.APIs, other.APIs)
}

// plus adds the numbers of other to those of counts.
func plus(counts, other map[string]int64) map[string]int64 {
	if counts == nil && len(other) > 0 {
		counts = make(map[string]int64, len(other))
	}

	for name, n := range other {
		counts[name] += n
	}

	return counts
}

// Bound keeps what has the most calls separate, and adds the rest to Others. The totals stay the
// same.
func (c *Counts) Bound() {
	bound(c.Customers)
	bound(c.APIs)

	if len(c.Cells) > maxSumNames {
		cells := slices.SortedFunc(maps.Keys(c.Cells), func(a, b Cell) int {
			return cmp.Or(cmp.Compare(c.Cells[b], c.Cells[a]), cmp.Compare(a.Outcome, b.Outcome),
				cmp.Compare(a.Permission, b.Permission))
		})
		for _, cell := range cells[maxSumNames:] {
			n := c.Cells[cell]
			delete(c.Cells, cell)
			c.Cells[Cell{cell.Outcome, Others}] += n
		}
	}
}

// bound keeps the names with the most calls, and adds the rest to Others.
func bound(counts map[string]int64) {
	if len(counts) <= maxSumNames {
		return
	}

	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	for _, name := range names[maxSumNames:] {
		n := counts[name]
		delete(counts, name)
		counts[Others] += n
	}
}

func (c *Counts) clone() Counts {
	return Counts{
		Cells:     maps.Clone(c.Cells),
		Customers: maps.Clone(c.Customers),
		APIs:      maps.Clone(c.APIs),
	}
}

// Totals are the numbers of calls that were allowed, and that were refused because of the key
// itself.
type Totals struct {
	Allowed int64 `json:"allowed"`
	Denied  int64 `json:"denied"`
}

// Totals returns the totals of the counts.
func (c *Counts) Totals() Totals {
	var t Totals
	for cell, n := range c.Cells {
		switch {
		case cell.Outcome == check.Allowed:
			t.Allowed += n
		case cell.Outcome.Denied():
			t.Denied += n
		}
	}

	return t
}

// By is the dimension of a series of counts.
type By string

// The dimensions.
const (
	ByOutcome    By = "outcome"
	ByPermission By = "permission"
	ByCustomer   By = "customer"
	ByAPI        By = "api"
)

// Values returns the counts by a dimension. Permissions, customers and APIs count allowed calls
// only, since a refused call used none.
func (c *Counts) Values(by By) map[string]int64 {
	out := map[string]int64{}
	switch by {
	case ByCustomer:
		maps.Copy(out, c.Customers)
	case ByAPI:
		maps.Copy(out, c.APIs)
	case ByPermission:
		for cell, n := range c.Cells {
			if cell.Outcome == check.Allowed && cell.Permission != "" {
				out[cell.Permission] += n
			}
		}
	default:
		for cell, n := range c.Cells {
			out[string(cell.Outcome)] += n
		}
	}

	return out
}

// hourOf returns the hour of a time.
func hourOf(t time.Time) time.Time { return t.UTC().Truncate(time.Hour) }

// Series sums hours into steps of a length, in [from, to), including steps without calls.
func Series(hours map[time.Time]Counts, from, to time.Time, step time.Duration) []Point {
	var out []Point
	for at := from; at.Before(to); at = at.Add(step) {
		out = append(out, Point{At: at})
	}

	starts := slices.SortedFunc(maps.Keys(hours), time.Time.Compare)
	for _, hour := range starts {
		if i := int(hour.Sub(from) / step); !hour.Before(from) && i < len(out) {
			out[i].Counts.Add(hours[hour])
		}
	}

	return out
}

// Point is one step of a series.
type Point struct {
	At     time.Time
	Counts Counts
}
