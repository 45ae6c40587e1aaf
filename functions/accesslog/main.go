// Command accesslog is the Lambda function that counts calls from the APIs' access log.
package main

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/accesslog"
	"github.com/bitting-keys/bitting/pkg/boot"
)

func main() {
	lambda.Start(accesslog.Function(boot.Lambda()))
}
