package apply

import (
	"reflect"

	"github.com/bitting-keys/bitting/pkg/adminapi"
)

// Schema returns the JSON Schema of a file, for editors. It is made of the types that [Read] reads.
func Schema() ([]byte, error) {
	text, err := adminapi.SchemaOf(reflect.TypeFor[File](), "bitting.yaml", fromNow)
	return append(text, '\n'), err
}

// fromNow is the field of keys that no file has: what is counted from the moment of a call would differ
// at every look.
const fromNow = "expiresIn"
