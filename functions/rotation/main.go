// Command rotation is the Lambda function that gives keys new secrets: at once, or with an overlap.
package main

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/boot"
)

func main() {
	lambda.Start(adminapi.Function(boot.Lambda(), adminapi.GroupRotation))
}
