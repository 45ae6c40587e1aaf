package dynamo

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Expression collects the names and values of a request's expressions, and numbers them.
type Expression struct {
	Names  map[string]string
	Values Item
}

// Name returns the placeholder of an attribute, or of one inside maps.
func (e *Expression) Name(path ...string) string {
	placeholders := make([]string, 0, len(path))
	for _, name := range path {
		placeholders = append(placeholders, e.name(name))
	}

	return strings.Join(placeholders, ".")
}

func (e *Expression) name(attribute string) string {
	for placeholder, name := range e.Names {
		if name == attribute {
			return placeholder
		}
	}

	if e.Names == nil {
		e.Names = map[string]string{}
	}

	placeholder := "#" + strconv.Itoa(len(e.Names))
	e.Names[placeholder] = attribute
	return placeholder
}

// Value returns the placeholder of a value.
func (e *Expression) Value(v Value) string {
	placeholder := ":" + strconv.Itoa(len(e.Values))
	if e.Values == nil {
		e.Values = Item{}
	}

	e.Values[placeholder] = v
	return placeholder
}

// Condition writes the condition of a write into an expression.
type Condition func(e *Expression) string

func compare(operator string, v Value, path []string) Condition {
	return func(e *Expression) string { return e.Name(path...) + operator + e.Value(v) }
}

// Is returns the condition that an attribute has a value.
func Is(v Value, path ...string) Condition { return compare(" = ", v, path) }

// Below returns the condition that an attribute has a lower value.
func Below(v Value, path ...string) Condition { return compare(" < ", v, path) }

// Above returns the condition that an attribute has a higher value.
func Above(v Value, path ...string) Condition { return compare(" > ", v, path) }

// AtMost returns the condition that an attribute has a value or a lower one.
func AtMost(v Value, path ...string) Condition { return compare(" <= ", v, path) }

// Between returns the condition that an attribute has a value from low to high.
func Between(low, high Value, path ...string) Condition {
	return func(e *Expression) string {
		return e.Name(path...) + " BETWEEN " + e.Value(low) + " AND " + e.Value(high)
	}
}

// Present returns the condition that there is an attribute.
func Present(path ...string) Condition {
	return func(e *Expression) string { return "attribute_exists(" + e.Name(path...) + ")" }
}

// Absent returns the condition that there is no such attribute.
func Absent(path ...string) Condition {
	return func(e *Expression) string { return "attribute_not_exists(" + e.Name(path...) + ")" }
}

// The conditions that there is no item yet, and that there is one.
var (
	IsNew  = Absent(PartitionAttribute)
	Exists = Present(PartitionAttribute)
)

// And returns the condition that all hold.
func (c Condition) And(others ...Condition) Condition { return c.join(" AND ", others) }

// Or returns the condition that one holds.
func (c Condition) Or(others ...Condition) Condition { return c.join(" OR ", others) }

func (c Condition) join(operator string, others []Condition) Condition {
	return func(e *Expression) string {
		terms := make([]string, 0, 1+len(others))
		for _, each := range append([]Condition{c}, others...) {
			terms = append(terms, "("+each(e)+")")
		}

		return strings.Join(terms, operator)
	}
}

// Update lists the changes of an item's attributes.
type Update struct{ sets, adds, removes []Condition }

// Set returns the update that sets attributes.
func Set(attributes Item) Update {
	var u Update
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		u = u.Set(attributes[name], name)
	}

	return u
}

// Set sets an attribute.
func (u Update) Set(v Value, path ...string) Update {
	u.sets = append(u.sets, compare(" = ", v, path))
	return u
}

// Add adds a number to an attribute; to nothing if it is absent.
func (u Update) Add(n int64, path ...string) Update {
	u.adds = append(u.adds, compare(" ", Number(n), path))
	return u
}

// Remove removes an attribute.
func (u Update) Remove(path ...string) Update {
	u.removes = append(u.removes, func(e *Expression) string { return e.Name(path...) })
	return u
}

// text writes the update into an expression.
func (u Update) text(e *Expression) string {
	var clauses []string
	for _, clause := range []struct {
		keyword string
		terms   []Condition
	}{{"SET", u.sets}, {"ADD", u.adds}, {"REMOVE", u.removes}} {
		if len(clause.terms) == 0 {
			continue
		}

		terms := make([]string, 0, len(clause.terms))
		for _, term := range clause.terms {
			terms = append(terms, term(e))
		}

		clauses = append(clauses, clause.keyword+" "+strings.Join(terms, ", "))
	}

	return strings.Join(clauses, " ")
}
