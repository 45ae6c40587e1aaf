// Command upkeep is the Lambda function that runs a deployment's scheduled maintenance.
package main

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/upkeep"
)

func main() {
	lambda.Start(upkeep.Function(boot.Lambda()))
}
