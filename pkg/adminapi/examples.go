package adminapi

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/danielgtaylor/huma/v2"
)

// Example is a call of an operation, and what it was answered.
type Example struct {
	Status   string `json:"status"`
	Request  any    `json:"request,omitempty"` // nil for no body
	Response any    `json:"response,omitempty"`
}

// examples.json is taken from calls that a test makes.
//
//go:embed examples.json
var examplesText []byte

// Examples returns an example of each operation, by its operationId.
func Examples() map[string]Example {
	var all map[string]Example
	if err := json.Unmarshal(examplesText, &all); err != nil {
		panic(fmt.Sprintf("examples.json: %v", err)) // it is part of this binary
	}

	return all
}

// exemplify puts an example where its operation has bodies.
func exemplify(op *huma.Operation, of Example) {
	if op.RequestBody != nil {
		op.RequestBody.Content[jsonType].Example = of.Request
	}

	if answer := op.Responses[of.Status]; answer != nil {
		for _, media := range answer.Content {
			media.Example = of.Response
		}
	}
}
