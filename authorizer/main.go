// Command authorizer is the Lambda authorizer: one build, one function per environment, told its environment by the template.
package main

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/authorizer"
	"github.com/bitting-keys/bitting/pkg/boot"
)

func main() {
	lambda.Start(authorizer.Function(boot.Lambda()))
}
