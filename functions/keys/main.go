// Command keys is the Lambda function that creates, shows, lists, changes and deletes keys.
package main

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/boot"
)

func main() {
	lambda.Start(adminapi.Function(boot.Lambda(), adminapi.GroupKeys))
}
