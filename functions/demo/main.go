// Command demo is the Lambda function behind the demo APIs.
package main

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/demo"
)

func main() {
	lambda.Start(demo.Function())
}
