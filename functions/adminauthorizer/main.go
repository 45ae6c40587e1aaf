// Command adminauthorizer is the Lambda authorizer of the admin API.
package main

import (
	"github.com/bitting-keys/bitting/pkg/adminauthorizer"
	"github.com/bitting-keys/bitting/pkg/boot"
)

func main() {
	d := boot.Lambda()
	f := adminauthorizer.Function(d)
	d.Serve(f, f.Flush)
}
