// Command accesslog is the Lambda function that counts calls from the APIs' access log.
package main

import (
	"github.com/bitting-keys/bitting/pkg/accesslog"
	"github.com/bitting-keys/bitting/pkg/boot"
)

func main() {
	d := boot.Lambda()
	d.Start(accesslog.Function(d))
}
