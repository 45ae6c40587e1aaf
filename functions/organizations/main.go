// Command organizations is the Lambda function that creates and shows organizations, and manages
// the permission catalogue.
package main

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/boot"
)

func main() {
	lambda.Start(adminapi.Function(boot.Lambda(), adminapi.GroupOrganizations))
}
