// Command accesslog is the Lambda function that counts calls from the APIs' access log.
package main

import (
	"github.com/bitting-keys/bitting/pkg/accesslog"
	"github.com/bitting-keys/bitting/pkg/boot/full"
)

func main() {
	d := full.Lambda()
	d.Start(accesslog.Function(d))
}
