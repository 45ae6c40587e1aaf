// Command keys is the Lambda function that creates, shows, lists, changes and deletes keys.
package main

import (
	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/boot/full"
)

func main() {
	adminapi.Start(full.Lambda(), adminapi.GroupKeys)
}
