// Command console is the Lambda function that serves the console, a page for people who manage
// keys.
package main

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/console"
)

func main() {
	lambda.Start(console.Function(boot.Lambda().Configuration))
}
