package boot

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go/middleware"

	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store"
)

// The maximum time of a call of DynamoDB or KMS: a caller is waiting, and a late answer is worth
// less than 503 with Retry-After.
const (
	attempts     = 3
	maxBackoff   = 100 * time.Millisecond
	totalTimeout = time.Second // an attempt may take a quarter of it
)

// timeout returns the maximum time of an operation, including all attempts: totalTimeout, or
// BITTING_AWS_TIMEOUT for a slower stand-in for AWS.
func timeout(env Environment) (time.Duration, error) {
	text := env("BITTING_AWS_TIMEOUT")
	if text == "" {
		return totalTimeout, nil
	}

	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return totalTimeout, fmt.Errorf("BITTING_AWS_TIMEOUT %q is not a duration such as 3s", text)
	}

	return d, nil
}

// awsConfig builds the configuration from the variables that Lambda sets: loading the SDK's
// default configuration looks for files and profiles, which slows down cold starts.
func awsConfig(env Environment, endpoint string) aws.Config {
	longest, _ := timeout(env) // Configure reports what is wrong with it
	credentials := aws.Credentials{
		AccessKeyID:     env("AWS_ACCESS_KEY_ID"),
		SecretAccessKey: env("AWS_SECRET_ACCESS_KEY"),
		SessionToken:    env("AWS_SESSION_TOKEN"),
		Source:          "environment",
	}

	config := aws.Config{
		Region: env("AWS_REGION"),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return credentials, nil
		}),
		HTTPClient: awshttp.NewBuildableClient().WithTimeout(longest / 4),
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts = attempts
				o.MaxBackoff = maxBackoff
			})
		},
		APIOptions: []func(*middleware.Stack) error{func(stack *middleware.Stack) error {
			return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("TotalTimeout",
				deadline(longest)), middleware.Before)
		}},
	}
	if endpoint != "" {
		config.BaseEndpoint = &endpoint
	}

	return config
}

// deadline limits an operation, including all its retries.
func deadline(
	d time.Duration,
) func(
	context.Context, middleware.InitializeInput, middleware.InitializeHandler,
) (middleware.InitializeOutput, middleware.Metadata, error) {
	return func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		ctx, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		return next.HandleInitialize(ctx, in)
	}
}

// DynamoDB returns a client of the DynamoDB that the environment points to.
func DynamoDB(env Environment) *store.Connection {
	return store.Connect(awsConfig(env, env("AWS_ENDPOINT_URL_DYNAMODB")))
}

// provider returns KMS, or keys on disk if the configuration says so.
func provider(c Configuration, env Environment) (pepper.Provider, error) {
	if c.LocalKeys != "" {
		local, err := pepper.NewLocal(c.LocalKeys)
		if err != nil {
			return nil, fmt.Errorf("local key provider: %w", err)
		}

		return local, nil
	}

	return pepper.NewKMS(kms.NewFromConfig(awsConfig(env, env("AWS_ENDPOINT_URL_KMS"))),
		c.KMSKey), nil
}
