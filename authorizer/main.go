// Command authorizer is the Lambda authorizer: one build, one function per environment, told its environment by the template.
package main

import (
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/authorizer"
	"github.com/bitting-keys/bitting/pkg/boot"
)

func main() {
	f := authorizer.Function(boot.Lambda())
	lambda.StartWithOptions(f, lambda.WithEnableSIGTERM(f.Flush, func() { os.Exit(0) })) // a handled signal no longer ends the process by itself
}
