package ownapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/aws/aws-lambda-go/lambda/messages"
)

// maxPayload is Lambda's limit for a response, in bytes, and a little.
const maxPayload = 6_291_556

// remote is a lambda.Handler that invokes a function by Lambda's HTTP API, unsigned. See
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
type remote struct {
	url  *url.URL
	name string
}

// Invoke invokes the function. A failure of the function itself is a messages.InvokeResponse_Error.
func (f remote) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	target := f.url.JoinPath("2015-03-31", "functions", f.name, "invocations").String()

	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(payload))
	if err != nil {
		return nil, err
	}

	request.Header.Set("Content-Type", "application/json")

	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}

	defer func() { _ = response.Body.Close() }() // it is read to its end

	body, err := io.ReadAll(io.LimitReader(response.Body, maxPayload))
	if err != nil {
		return nil, err
	}

	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s: %.200s", target, response.Status, body)
	}

	if response.Header.Get("X-Amz-Function-Error") == "" {
		return body, nil
	}

	var failure messages.InvokeResponse_Error
	if err := json.Unmarshal(body, &failure); err != nil {
		return nil, fmt.Errorf("%s failed, and says no more: %w", f.name, err)
	}

	return nil, failure
}
