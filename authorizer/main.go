// Command authorizer is the Lambda authorizer of an API: one build, one function per environment,
// which the template configures.
package main

import (
	"github.com/bitting-keys/bitting/pkg/authorizer"
	"github.com/bitting-keys/bitting/pkg/boot"
)

func main() {
	d := boot.Lambda()
	f := authorizer.Function(d, nil)
	d.Serve(f, f.Flush)
}
