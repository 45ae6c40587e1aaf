// Command revocation is the Lambda function that revokes and restores keys.
package main

import (
	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/boot/full"
)

func main() {
	adminapi.Start(full.Lambda(), adminapi.GroupRevocation)
}
