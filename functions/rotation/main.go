// Command rotation is the Lambda function that gives keys new secrets: at once, or with an overlap.
package main

import (
	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/boot/full"
)

func main() {
	adminapi.Start(full.Lambda(), adminapi.GroupRotation)
}
