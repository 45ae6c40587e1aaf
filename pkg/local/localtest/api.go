package localtest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/bitting-keys/bitting/pkg/client"
)

// API returns a typed client with the same key or person. Its answers are looked at as those of
// Call are. It may be configured otherwise by functions.
func (c Client) API(tb testing.TB, change ...func(*client.Config)) *client.Client {
	tb.Helper()

	config := client.Config{
		URL:        c.machine.URL,
		Key:        c.key,
		HTTPClient: &http.Client{Transport: looking{c.machine, tb}},
	}
	if c.token != "" {
		config.Token = func(context.Context) (string, error) { return c.token, nil }
	}

	for _, f := range change {
		f(&config)
	}

	api, err := client.New(config)
	if err != nil {
		tb.Fatal(err)
	}

	return api
}

// looking is a transport that looks at every answer.
type looking struct {
	machine *Machine
	tb      testing.TB
}

// RoundTrip implements http.RoundTripper.
func (l looking) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := l.machine.client.Do(request) //nolint:gosec // the machine that the test started
	if err != nil {
		return nil, err
	}

	a, err := l.machine.read(l.tb, request.Method+" "+request.URL.Path, response)
	if err != nil {
		return nil, err
	}

	response.Body = io.NopCloser(bytes.NewReader(a.Body))
	return response, nil
}
