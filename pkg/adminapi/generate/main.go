// Command generate writes the admin API's OpenAPI document into the file that it is told.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/bitting-keys/bitting/pkg/adminapi"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: generate FILE")
	}

	text, err := json.MarshalIndent(adminapi.Document(), "", " ")
	if err != nil {
		return err
	}

	return os.WriteFile(args[0], append(text, '\n'), 0o644) //nolint:gosec // for everybody
}
