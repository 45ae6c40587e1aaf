// Command hello is the floor of `make bench`: an authorizer by aws-lambda-go that looks at nothing
// and admits everybody.
package main

import (
	"context"
	"encoding/json"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lambda.Start(func(_ context.Context, event struct {
		MethodARN string `json:"methodArn"`
	},
	) (json.RawMessage, error) {
		return json.RawMessage(`{"principalId":"hello","policyDocument":{"Version":"2012-10-17",` +
			`"Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":"` + event.MethodARN +
			`"}]}}`), nil
	})
}
