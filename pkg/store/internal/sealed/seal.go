// Package sealed has the rows of the table core that checks read, in their encoding and under their
// seals.
//
// It promises that a row is decoded only if its seal fits and it stands where it was written, so
// that whoever can edit the table cannot make a key. It makes no calls: package core reads these
// rows, and store writes them. Its errors are those of package dynamo.
package sealed

import (
	"context"
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// The attributes of a seal, and of what it does not cover.
const (
	SealAttribute       = "seal"
	SealPepperAttribute = "sealPepper" // the version of the pepper that made the seal
	// the pace of the row's changes; no seal covers it, since Store.Hold writes it alone
	PaceAttribute = "pace"
)

// Put seals an item, and replaces its previous seal.
func Put(p *pepper.Pepper, item dynamo.Item) error {
	item[SealPepperAttribute] = dynamo.Number(int64(p.Version()))

	text, err := canonical(item)
	if err != nil {
		return fmt.Errorf("store: seal: %w", err)
	}

	item[SealAttribute] = dynamo.Binary(p.Seal(text))
	return nil
}

// PutAt sets the place of an item, and seals it.
func PutAt(p *pepper.Pepper, at dynamo.Key, item dynamo.Item) (dynamo.Item, error) {
	return item, Put(p, at.Of(item))
}

// Check checks that the store wrote an item for this place: the seal covers the item's keys, and
// those must be the ones that were read. Errors: ErrDamaged; ErrUnavailable if the pepper is
// unavailable.
func Check(
	ctx context.Context, ring *pepper.Keyring, env apikey.Environment, item dynamo.Item,
	at dynamo.Key, what string,
) error {
	version, seal := item[SealPepperAttribute], item[SealAttribute]
	if version.Kind() != dynamo.KindNumber || seal.Kind() != dynamo.KindBinary {
		return dynamo.Damaged(what+" has no seal", nil)
	}

	n, err := version.Int()
	if err != nil {
		return dynamo.Damaged(what, err)
	}

	// An unknown version is damage, not an outage: a forged row could name any.
	p, err := ring.Version(ctx, env, int(n))
	switch {
	case errors.Is(err, pepper.ErrNotFound):
		return dynamo.Damaged(what, err)
	case err != nil:
		return dynamo.Unavailable("pepper", err)
	}

	text, err := canonical(item)
	if err != nil {
		return dynamo.Damaged(what, err)
	}

	if !hmac.Equal(p.Seal(text), seal.Binary()) {
		return dynamo.Damaged("the seal of "+what+" is broken", nil)
	}

	if dynamo.KeyOf(item) != at {
		return dynamo.Damaged(what+" stands in the wrong place", nil)
	}

	return nil
}

// canonical returns a unique encoding of an item: all attributes but the seal and the pace, sorted
// by name, each name and value prefixed with its length. An attribute that is added, changed or
// removed breaks the seal.
func canonical(item dynamo.Item) ([]byte, error) {
	out := make([]byte, 0, 1536) // a usual key row, so that a check allocates once
	return appendMap(out, item, SealAttribute, PaceAttribute)
}

func appendMap(out []byte, m dynamo.Item, without ...string) ([]byte, error) {
	names := make([]string, 0, len(m))
	for name := range m {
		if !slices.Contains(without, name) {
			names = append(names, name)
		}
	}

	slices.Sort(names)
	out = appendLength(append(out, 'M'), len(names))

	var err error
	for _, name := range names {
		out = appendText(out, 'K', name)
		if out, err = appendValue(out, m[name]); err != nil {
			return nil, fmt.Errorf("attribute %s: %w", name, err)
		}
	}

	return out, nil
}

func appendValue(out []byte, v dynamo.Value) ([]byte, error) {
	switch v.Kind() {
	case dynamo.KindText:
		return appendText(out, 'S', v.Text()), nil
	case dynamo.KindNumber:
		return appendNumber(out, v.Number())
	case dynamo.KindBinary:
		return append(appendLength(append(out, 'B'), v.Len()), v.Binary()...), nil
	case dynamo.KindBool:
		if v.Bool() {
			return append(out, 'T'), nil
		}

		return append(out, 'F'), nil
	case dynamo.KindNull:
		return append(out, '0'), nil
	case dynamo.KindMap:
		return appendMap(out, v.Map())
	case dynamo.KindList:
		out = appendLength(append(out, 'L'), len(v.List()))

		var err error
		for _, element := range v.List() {
			if out, err = appendValue(out, element); err != nil {
				return nil, err
			}
		}

		return out, nil
	default: // sets come back in any order, and are never written
		return nil, fmt.Errorf("a %s has no canonical form", v.Kind())
	}
}

// appendNumber appends a whole number as it is spelled, since DynamoDB keeps that, and any other
// number by its value: 0.10 and 1E-1 are equal.
func appendNumber(out []byte, number string) ([]byte, error) {
	if !strings.ContainsAny(number, ".eE") {
		return appendText(out, 'N', number), nil
	}

	value, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return nil, err
	}

	return appendText(out, 'N', strconv.FormatFloat(value, 'e', -1, 64)), nil
}

func appendText(out []byte, kind byte, text string) []byte {
	return append(appendLength(append(out, kind), len(text)), text...)
}

func appendLength(out []byte, n int) []byte { return binary.AppendUvarint(out, uint64(n)) }
