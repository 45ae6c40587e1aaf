// Command organizations is the Lambda function that creates and shows organizations, and manages
// the permission catalogue.
package main

import (
	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/boot/full"
)

func main() {
	d := full.Lambda()
	d.Start(adminapi.Function(d, adminapi.GroupOrganizations))
}
