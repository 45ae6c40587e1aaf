package full

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go/middleware"

	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/http1"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/pepper/awskms"
	"github.com/bitting-keys/bitting/pkg/store"
)

// Attempts of a call, within the maximum time of package boot.
const (
	attempts   = 3
	maxBackoff = 100 * time.Millisecond
)

// awsConfig builds the configuration from the variables that Lambda sets: loading the SDK's
// default configuration looks for files and profiles, which slows down cold starts.
func awsConfig(env boot.Environment, endpoint string) aws.Config {
	longest, _ := boot.Timeout(env) // Configure reports what is wrong with it
	credentials := boot.Credentials(env)

	config := aws.Config{
		Region: env("AWS_REGION"),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return credentials, nil
		}),
		HTTPClient: &httpClient{http.Client{
			Transport:     new(http1.Transport),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Timeout:       longest / 4, // of an attempt
		}},
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

// httpClient makes the SDK's requests, as package http1 does those of a check. It is also quicker to
// start than the SDK's own.
type httpClient struct{ http.Client }

// Do implements aws.HTTPClient. It makes a request one that package http1 can make again: DynamoDB
// closes connections while Lambda has an instance frozen, and if each of them took an attempt, there
// might be none left.
func (c *httpClient) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if closing := r.Body.Close(); err == nil {
			err = closing
		}

		if err != nil {
			return nil, err
		}

		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		r.Body, _ = r.GetBody() // there is no error
	}

	return c.Client.Do(r) //nolint:gosec // where to is the SDK's matter
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
func DynamoDB(env boot.Environment) *store.Connection {
	return store.Connect(awsConfig(env, env("AWS_ENDPOINT_URL_DYNAMODB")))
}

// provider returns KMS, or keys on disk if the configuration says so.
func provider(c boot.Configuration, env boot.Environment) (pepper.Provider, error) {
	if c.LocalKeys != "" {
		return boot.LocalKeys(c)
	}

	return awskms.New(kms.NewFromConfig(awsConfig(env, env("AWS_ENDPOINT_URL_KMS"))),
		c.KMSKey), nil
}
