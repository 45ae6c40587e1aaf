// Package awsjson calls services of AWS that speak its JSON protocols, for the path of a check: by
// net/http and the SDK's signer, without the rest of the SDK.
//
// It exists because a check is one read of DynamoDB, and the SDK's client costs more than all the
// rest of it: its schemas and endpoints are made when a process starts, and each call passes some
// thirty layers. docs/performance.md has the figures. Whatever is not on that path uses the SDK.
//
// It promises to do as the SDK does, as far as these services need it:
//
//   - Requests are signed by Signature Version 4, with the credentials in Lambda's environment.
//   - An attempt and the whole call have a maximum time.
//   - Failed connections, attempts that took too long, answers with the status 500, 502, 503 or 504,
//     throttling and answers that were damaged on the way are tried again, after a pause, and only as
//     long as a budget lasts: calls must not multiply while a service is down.
//   - Any other error of the service is an *Error, with its code.
//
// The answer to a call is the body as it came: decoding it is up to the caller. A body longer than
// the service's is refused. It follows no redirects.
// https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html
package awsjson

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/bitting-keys/bitting/pkg/http1"
	"github.com/bitting-keys/bitting/pkg/jsonstring"
)

// Service is a service of AWS.
type Service struct {
	Name    string // in signatures and in the address, such as dynamodb
	Target  string // before the name of an operation, such as DynamoDB_20120810
	Version string // of the protocol: 1.0 or 1.1
	Longest int64  // the most bytes in an answer
}

// The services on the path of a check.
var (
	// DynamoDB returns at most 16 MB at a time.
	DynamoDB = Service{
		Name:    "dynamodb",
		Target:  "DynamoDB_20120810",
		Version: "1.0",
		Longest: 64 << 20,
	}
	KMS = Service{
		Name:    "kms",
		Target:  "TrentService",
		Version: "1.1",
		Longest: 1 << 20,
	}
)

// Config configures a Client.
type Config struct {
	Service     Service
	Region      string
	Endpoint    string // its address; "" for the region's
	Credentials aws.Credentials
	// Timeout is the maximum time of a call, including all attempts; one may take a quarter of it.
	Timeout time.Duration
	// Transport carries the requests; nil for connections of the client's own.
	Transport http.RoundTripper
}

// Attempts is how often a call is tried.
const Attempts = 3

// maxPause is the maximum pause before another attempt.
const maxPause = 100 * time.Millisecond

// Client calls one service. It is safe for concurrent use.
type Client struct {
	service     Service
	region      string
	address     url.URL
	invalid     error // the endpoint, if it is no address
	credentials aws.Credentials
	timeout     time.Duration
	transport   http.RoundTripper
	signer      *v4.Signer
	protocol    []string // a header's value
	budget      budget
}

// New returns a client. It makes no call. An endpoint that is no address fails each call.
func New(c Config) *Client {
	if c.Endpoint == "" {
		c.Endpoint = "https://" + c.Service.Name + "." + c.Region + "." + domain(c.Region)
	}

	if c.Transport == nil {
		// It keeps connections: a call that waits for a new one waits for two round trips more.
		c.Transport = new(http1.Transport)
	}

	address, err := url.Parse(strings.TrimSuffix(c.Endpoint, "/") + "/")
	if err != nil {
		err = fmt.Errorf("awsjson: endpoint of %s: %w", c.Service.Name, err)
		address = new(url.URL)
	}

	return &Client{
		invalid:     err,
		service:     c.Service,
		region:      c.Region,
		address:     *address,
		credentials: c.Credentials,
		timeout:     c.Timeout,
		transport:   c.Transport,
		signer:      v4.NewSigner(),
		protocol:    []string{"application/x-amz-json-" + c.Service.Version},
	}
}

// domain returns the domain of a region's services. GovCloud's is that of the other regions.
// https://docs.aws.amazon.com/general/latest/gr/rande.html
func domain(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return "amazonaws.com.cn"
	}

	return "amazonaws.com"
}

// Error is a service's answer that a call failed.
type Error struct {
	Code    string // such as ThrottlingException; "" if the answer has none
	Message string
	Status  int
	Body    string // as it came
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("status %d: %s: %s", e.Status, e.Code, e.Message)
}

// errDamaged means that an answer does not have its checksum, or was cut.
var errDamaged = errors.New("awsjson: the answer was damaged on its way")

// Call calls an operation, and returns the body of the answer. Errors: an *Error, or that there was
// no answer.
func (c *Client) Call(ctx context.Context, operation string, body []byte) (string, error) {
	if c.invalid != nil {
		return "", c.invalid
	}

	end := time.Now().Add(c.timeout)

	for attempt := 1; ; attempt++ {
		answer, err := c.attempt(ctx, operation, body, end)
		if err == nil {
			c.budget.refund()
			return answer, nil
		}

		if attempt == Attempts || ctx.Err() != nil || !passing(err) || !c.budget.spend(err) ||
			!pause(ctx, end) {
			return "", fmt.Errorf("%s.%s, attempt %d: %w", c.service.Name, operation, attempt, err)
		}
	}
}

// Connect opens a connection for the next call, if the transport can, as that of this package does.
// If it fails, so may the call, which tells why.
func (c *Client) Connect(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout/4)
	defer cancel()

	if t, ok := c.transport.(*http1.Transport); ok && c.invalid == nil {
		_ = t.Connect(ctx, &c.address)
	}
}

// pause waits before another attempt, for a random part of maxPause, so that callers that were
// refused together do not return together. It reports whether there is time left.
func pause(ctx context.Context, end time.Time) bool {
	half := int64(maxPause / 2)
	d := time.Duration(half + rand.Int64N(half)) //nolint:gosec // jitter

	if d >= time.Until(end) {
		return false
	}

	timer := time.NewTimer(d)
	defer timer.Stop()

	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// attempt tries a call once.
func (c *Client) attempt(
	ctx context.Context, operation string, body []byte, end time.Time,
) (string, error) {
	if latest := time.Now().Add(c.timeout / 4); latest.Before(end) {
		end = latest
	}

	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()

	request, err := c.request(ctx, operation, body)
	if err != nil {
		return "", err
	}

	response, err := c.transport.RoundTrip(request)
	if err != nil {
		return "", err
	}

	defer func() { _ = response.Body.Close() }()

	answer, err := c.read(response)
	if err != nil {
		return "", err
	}

	if response.StatusCode != http.StatusOK {
		return "", fault(response, answer)
	}

	return answer, nil
}

// The values of headers that are the same in all requests.
var (
	identity = []string{"identity"}
	agent    = []string{"bitting"}
)

// request returns a signed request.
func (c *Client) request(
	ctx context.Context, operation string, body []byte,
) (*http.Request, error) {
	address := c.address // a copy, as the signer sets its query
	request := (&http.Request{
		Method: http.MethodPost,
		URL:    &address,
		Header: http.Header{
			"Content-Type": c.protocol,
			"User-Agent":   agent,
			"X-Amz-Target": {c.service.Target + "." + operation},
			// DynamoDB's checksum is of the body as it is sent
			"Accept-Encoding": identity,
		},
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)),
		GetBody: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(body)), nil
		},
	}).WithContext(ctx)
	sum := sha256.Sum256(body)

	if err := c.signer.SignHTTP(ctx, c.credentials, request, hex.EncodeToString(sum[:]),
		c.service.Name, c.region, time.Now()); err != nil {
		return nil, fmt.Errorf("awsjson: sign: %w", err)
	}

	return request, nil
}

// read reads an answer, and compares it with its checksum if it has one.
func (c *Client) read(response *http.Response) (string, error) {
	// One allocation instead of io.Copy's 32 KB: a key's row has 2.
	var body bytes.Buffer
	if n := response.ContentLength; n > 0 && n <= c.service.Longest {
		body.Grow(int(n) + bytes.MinRead)
	}

	n, err := body.ReadFrom(io.LimitReader(response.Body, c.service.Longest+1))
	switch {
	case err != nil:
		return "", errors.Join(errDamaged, err)
	case n > c.service.Longest:
		return "", fmt.Errorf("awsjson: an answer of more than %d bytes", c.service.Longest)
	}

	if sum := response.Header.Get("X-Amz-Crc32"); sum != "" &&
		sum != strconv.FormatUint(uint64(crc32.ChecksumIEEE(body.Bytes())), 10) {
		return "", errDamaged
	}

	return body.String(), nil
}

// fault reads an answer with an error. Its code is in a header or in the body, and may have a
// namespace before it and an address behind it.
func fault(response *http.Response, body string) error {
	e := &Error{
		Code:   response.Header.Get("X-Amzn-Errortype"),
		Status: response.StatusCode,
		Body:   body,
	}

	s := jsonstring.New(body)
	if s.Object() {
		for s.Member() {
			switch name := s.Name(); {
			case e.Code == "" && (name == "__type" || name == "code"):
				e.Code, _ = s.Text()
			case strings.EqualFold(name, "message"):
				e.Message, _ = s.Text()
			default:
				s.Skip()
			}
		}
	}

	if s.End() != nil { // of a load balancer, perhaps
		e.Message = "an answer that is not JSON"
	}

	if _, code, has := strings.Cut(e.Code, "#"); has {
		e.Code = code
	}

	e.Code, _, _ = strings.Cut(e.Code, ":")
	return e
}

// throttling are the codes of a service that was asked for too much, and others that pass.
var throttling = []string{
	"Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException",
	"TooManyRequestsException", "ProvisionedThroughputExceededException",
	"TransactionInProgressException", "RequestLimitExceeded", "BandwidthLimitExceeded",
	"LimitExceededException", "RequestThrottled", "SlowDown", "PriorRequestNotComplete",
	"RequestTimeout", "RequestTimeoutException",
}

// passing reports whether another attempt may succeed.
func passing(err error) bool {
	answered, ok := errors.AsType[*Error](err)
	if !ok {
		return true // no connection, no answer in time, or a damaged one
	}

	return slices.Contains(throttling, answered.Code) ||
		slices.Contains([]int{500, 502, 503, 504, 429}, answered.Status)
}

// budget limits how many attempts a client makes again, as the SDK's does: a call that succeeds at
// once adds 1, up to the maximum, and an attempt made again costs 5, or 10 if the last took too
// long.
type budget struct{ spent atomic.Int64 }

const (
	wholeBudget  = 500
	attemptCosts = 5
	timeoutCosts = 10
)

func (b *budget) spend(err error) bool {
	var costs int64 = attemptCosts
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		costs = timeoutCosts
	}

	if b.spent.Add(costs) > wholeBudget {
		b.spent.Add(-costs)
		return false
	}

	return true
}

func (b *budget) refund() {
	if b.spent.Load() > 0 {
		b.spent.Add(-1)
	}
}
