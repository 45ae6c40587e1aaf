// Command organizations is the Lambda function that creates and shows organizations, and manages
// the permission catalogue.
package main

import (
	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/boot/full"
)

func main() {
	adminapi.Start(full.Lambda(), adminapi.GroupOrganizations)
}
