package boot

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/bitting-keys/bitting/pkg/awsjson"
	"github.com/bitting-keys/bitting/pkg/metric"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store/core"
	"github.com/bitting-keys/bitting/pkg/store/dynamodbjson"
	"github.com/bitting-keys/bitting/pkg/store/hot"
)

// totalTimeout is the maximum time of a call of DynamoDB or KMS, including all attempts: a caller is
// waiting, and a late answer is worth less than 503 with Retry-After.
const totalTimeout = time.Second

// Timeout returns totalTimeout, or BITTING_AWS_TIMEOUT for a slower stand-in for AWS.
func Timeout(env Environment) (time.Duration, error) {
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

// Credentials returns those that Lambda sets in the environment.
func Credentials(env Environment) aws.Credentials {
	return aws.Credentials{
		AccessKeyID:     env("AWS_ACCESS_KEY_ID"),
		SecretAccessKey: env("AWS_SECRET_ACCESS_KEY"),
		SessionToken:    env("AWS_SESSION_TOKEN"),
		Source:          "environment",
	}
}

// client returns a client of a service, at the address that a variable has, if it has one.
func client(env Environment, service awsjson.Service, address string) *awsjson.Client {
	longest, _ := Timeout(env) // Configure reports what is wrong with it

	return awsjson.New(awsjson.Config{
		Service:     service,
		Region:      env("AWS_REGION"),
		Endpoint:    env(address),
		Credentials: Credentials(env),
		Timeout:     longest,
	})
}

// backend returns DynamoDB and KMS by the small client, or keys on disk if the configuration says
// so.
func backend(c Configuration, env Environment) (Backend, error) {
	dynamodb := client(env, awsjson.DynamoDB, "AWS_ENDPOINT_URL_DYNAMODB")
	rows := dynamodbjson.New(dynamodb)

	b := Backend{
		Connect: dynamodb.Connect,
		Peppers: core.NewPepperRows(rows, c.CoreTable),
		Meter:   hot.NewMeter(rows, c.HotTable),
		Reader: func(ring *pepper.Keyring) *core.Reader {
			return core.NewReader(rows, c.CoreTable, ring)
		},
	}
	if c.LocalKeys != "" {
		local, err := LocalKeys(c)
		b.Provider = local
		return b, err
	}

	kms := client(env, awsjson.KMS, "AWS_ENDPOINT_URL_KMS")
	b.Provider = unwrapper{kms, c.KMSKey}
	b.Connect = func(ctx context.Context) {
		dynamodb.Connect(ctx)

		go kms.Connect(ctx) // which is called as soon as there is a pepper to unwrap
	}
	return b, nil
}

// LocalKeys returns the keys on disk that the configuration names.
func LocalKeys(c Configuration) (*pepper.Local, error) {
	local, err := pepper.NewLocal(c.LocalKeys)
	if err != nil {
		return nil, fmt.Errorf("local key provider: %w", err)
	}

	return local, nil
}

// unwrapper unwraps peppers by KMS, and makes none.
type unwrapper struct {
	kms *awsjson.Client
	key string
}

var errUnwrapsOnly = errors.New("boot: peppers are made by administration alone")

// Generate implements pepper.Provider.
func (unwrapper) Generate(context.Context, pepper.Scope) (plain, wrapped []byte, err error) {
	return nil, nil, errUnwrapsOnly
}

// Unwrap implements pepper.Provider by kms:Decrypt. The key is named, so that a data key wrapped by
// another KMS key is refused.
func (u unwrapper) Unwrap(ctx context.Context, s pepper.Scope, wrapped []byte) ([]byte, error) {
	return awsjson.Decrypt(ctx, u.kms, u.key, wrapped, s.EncryptionContext())
}

// latestAhead is how much older than its age counts a row may be that was read ahead.
const latestAhead = 100 * time.Millisecond

// Warm fetches what every check needs, so that the first one does not: the peppers of the
// environments, unwrapped at the same time, and the catalogue. One read has all of it: a cold start
// takes a twentieth less time than with a read each, by make bench. Whatever fails is fetched by the
// first check.
func (d *Deployment) Warm(ctx context.Context) {
	began := d.Now()

	ahead, err := d.rows.ReadAhead(ctx, d.Environments...)
	if failed(d.Metrics, metric.RefreshFailures, err) != nil {
		return
	}

	// what is kept counts its age from when it is taken from there
	if d.Now().Sub(began) < latestAhead {
		ctx = ahead
	}

	var all sync.WaitGroup
	for _, env := range d.Environments {
		all.Go(func() { _, _ = d.Keyring.Current(ctx, env) })
	}

	all.Go(func() { _, _ = d.Catalogue.Current(ctx) })
	all.Wait()
}
