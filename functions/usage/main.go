// Command usage is the Lambda function that answers a key's holder about the key.
package main

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/boot"
)

func main() {
	lambda.Start(adminapi.Function(boot.Lambda(), adminapi.GroupUsage))
}
