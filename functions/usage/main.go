// Command usage is the Lambda function that answers a key's holder about the key.
package main

import (
	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/boot/full"
)

func main() {
	adminapi.Start(full.Lambda(), adminapi.GroupUsage)
}
