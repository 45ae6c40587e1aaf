// Command upkeep is the Lambda function that runs a deployment's scheduled maintenance.
package main

import (
	"github.com/bitting-keys/bitting/pkg/boot/full"
	"github.com/bitting-keys/bitting/pkg/upkeep"
)

func main() {
	d := full.Lambda()
	d.Start(upkeep.Function(d))
}
