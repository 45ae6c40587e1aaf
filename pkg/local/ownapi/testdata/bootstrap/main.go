// Bootstrap is the function that the tests of package ownapi run: it answers with its version, its
// variable GREETING and the environment that the authorizer said.
package main

import (
	"os"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

var version = "none"

func main() {
	lambda.Start(func(r events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
		environment, _ := r.RequestContext.Authorizer["environment"].(string)
		return events.APIGatewayProxyResponse{
			StatusCode: 200,
			Body:       version + " " + os.Getenv("GREETING") + " " + environment,
		}, nil
	})
}
