package adminapi

import (
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// Time is a time in an answer, which has the same number of digits as every other.
type Time struct{ time.Time }

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	return []byte(`"` + apikey.FormatTime(t.Time) + `"`), nil
}

// TransformSchema implements huma.SchemaTransformer.
func (Time) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Format = "date-time"
	return s
}

// orNull is null for the zero time.
func orNull(t time.Time) *Time {
	if t.IsZero() {
		return nil
	}

	return &Time{t}
}
