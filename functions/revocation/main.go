// Command revocation is the Lambda function that revokes and restores keys.
package main

import (
	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/boot/full"
)

func main() {
	d := full.Lambda()
	d.Start(adminapi.Function(d, adminapi.GroupRevocation))
}
