package localtest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// Client sends calls with one key, or as one person.
type Client struct {
	machine *Machine
	key     string
	token   string
}

// Answer is what a call got.
type Answer struct {
	Call   string // method and path, to be told when it is not the answer that was wanted
	Status int
	Header http.Header
	Body   []byte
}

// Call sends a request and reads the answer. A body is sent as it is where it is a string, else as
// JSON; nil sends none. Headers are lines such as "If-Match: *"; they replace those that the client
// sets, which are X-Api-Key or Authorization, and the Content-Type of a body; a name alone, such as
// "Content-Type", leaves one out.
func (c Client) Call(tb testing.TB, method, path string, body any, headers ...string) Answer {
	tb.Helper()

	a, err := c.Try(tb, method, path, body, headers...)
	if err != nil {
		tb.Fatal(err)
	}

	return a
}

// Try is Call for when there may be nobody to answer.
func (c Client) Try(
	tb testing.TB, method, path string, body any, headers ...string,
) (Answer, error) {
	tb.Helper()

	request, err := http.NewRequestWithContext(tb.Context(), method, c.machine.URL+path,
		reader(tb, body))
	if err != nil {
		return Answer{}, err
	}

	if c.key != "" {
		request.Header.Set("X-Api-Key", c.key)
	}

	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}

	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}

	for _, line := range headers {
		name, value, sent := strings.Cut(line, ":")
		if !sent {
			request.Header.Del(name)
			continue
		}

		request.Header.Set(name, strings.TrimSpace(value))
	}

	response, err := c.machine.client.Do(request)
	if err != nil {
		return Answer{}, err
	}

	return c.machine.read(tb, method+" "+path, response)
}

func reader(tb testing.TB, body any) io.Reader {
	tb.Helper()

	switch body := body.(type) {
	case nil:
		return http.NoBody
	case string:
		return strings.NewReader(body)
	default:
		text, err := json.Marshal(body)
		if err != nil {
			tb.Fatal(err)
		}

		return bytes.NewReader(text)
	}
}

// Raw sends the lines of a request head as they are, without anything that a client would tidy, and
// reads the answer.
func (m *Machine) Raw(tb testing.TB, lines ...string) Answer {
	tb.Helper()

	connection, err := (&net.Dialer{}).DialContext(tb.Context(), "tcp",
		strings.TrimPrefix(m.URL, "http://"))
	if err != nil {
		tb.Fatal(err)
	}

	defer func() { _ = connection.Close() }()

	if err := connection.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		tb.Fatal(err)
	}

	if _, err := io.WriteString(connection,
		strings.Join(append(lines, "Host: localhost", "Connection: close", "", ""),
			"\r\n")); err != nil {
		tb.Fatal(err)
	}

	method, _, _ := strings.Cut(lines[0], " ")

	response, err := http.ReadResponse(bufio.NewReader(connection), &http.Request{Method: method})
	if err != nil {
		tb.Fatalf("%s: %v", lines[0], err)
	}

	a, err := m.read(tb, lines[0], response)
	if err != nil {
		tb.Fatal(err)
	}

	return a
}

// times finds the fields that are times by their names, with a time in whatever precision and zone:
// what a caller calls a key may look like one too.
var times = regexp.MustCompile(
	`"(?:\w*At|at|from|to|notBefore)":"(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))"`)

// oddTime finds a time that is not told as times are: in UTC, with three digits of milliseconds. It
// returns "" where there is none.
func oddTime(text string) string {
	for _, found := range times.FindAllStringSubmatch(text, -1) {
		at, err := time.Parse(time.RFC3339, found[1])
		if err != nil || apikey.FormatTime(at) != found[1] {
			return found[1]
		}
	}

	return ""
}

// read takes an answer in and looks for secrets that were shown before, and for times that are not
// written as others are.
func (m *Machine) read(tb testing.TB, call string, response *http.Response) (Answer, error) {
	tb.Helper()
	a := Answer{Call: call, Status: response.StatusCode, Header: response.Header}

	body, err := io.Reader(response.Body), error(nil)
	if response.Header.Get("Content-Encoding") == "gzip" && response.Request.Method != http.MethodHead {
		body, err = gzip.NewReader(response.Body)
	}

	if err == nil {
		a.Body, err = io.ReadAll(body)
	}

	if closing := response.Body.Close(); err == nil {
		err = closing
	}

	if err != nil {
		return Answer{}, err
	}

	rest := string(a.Body)

	var fresh struct {
		Secret string `json:"secret"`
	}
	if json.Unmarshal(a.Body, &fresh) == nil && fresh.Secret != "" {
		rest = strings.Replace(rest, fresh.Secret, "", 1)
	}

	if secret := m.shown.in(rest + fmt.Sprint(a.Header) + fresh.Secret); secret != "" {
		tb.Errorf("%s: the answer has a secret that was shown before, ending in %s", call,
			secret[len(secret)-4:])
	}

	if odd := oddTime(rest); odd != "" {
		tb.Errorf("%s: the answer has the time %s", call, odd)
	}

	m.shown.add(fresh.Secret)

	if secret := m.shown.in(rest); secret != "" {
		tb.Errorf("%s: the answer has its secret a second time", call)
	}

	if m.Look != nil && response.Request.URL != nil { // else it was sent raw
		m.Look(tb, response.Request, a)
	}

	return a, nil
}

// Want fails unless the answer has the status.
func (a Answer) Want(tb testing.TB, status int) Answer {
	tb.Helper()

	if a.Status != status {
		tb.Fatalf("%s: status %d, want %d\n%s", a.Call, a.Status, status, a.Body)
	}

	return a
}

// Into decodes the body.
func (a Answer) Into(tb testing.TB, into any) {
	tb.Helper()

	if err := json.Unmarshal(a.Body, into); err != nil {
		tb.Fatalf("%s: %v\n%s", a.Call, err, a.Body)
	}
}

// Problem is the body of a refusal.
type Problem struct {
	Type               string       `json:"type"`
	Title              string       `json:"title"`
	Status             int          `json:"status"`
	Code               string       `json:"code"`
	Detail             string       `json:"detail"`
	RequestID          string       `json:"requestId"`
	RequiredPermission string       `json:"requiredPermission"`
	Errors             []FieldError `json:"errors"`
}

// FieldError is one wrong field.
type FieldError struct {
	Location string `json:"location"`
	Message  string `json:"message"`
	Value    any    `json:"value"`
}

// Locations are the wrong fields, in the problem's order.
func (p Problem) Locations() []string {
	var out []string
	for _, e := range p.Errors {
		out = append(out, e.Location)
	}

	return out
}

// Refused fails unless the answer is a whole problem of the status and the code, and nothing else.
func (a Answer) Refused(tb testing.TB, status int, code string) Problem {
	tb.Helper()
	a.Want(tb, status)
	var p Problem
	decoder := json.NewDecoder(bytes.NewReader(a.Body))
	decoder.DisallowUnknownFields()

	if err := decoder.Decode(&p); err != nil {
		tb.Fatalf("%s: %v\n%s", a.Call, err, a.Body)
	}

	switch {
	case p.Code != code || p.Status != status:
		tb.Fatalf("%s: code %q and status %d in the body, want %q and %d\n%s", a.Call, p.Code,
			p.Status, code, status, a.Body)
	case !strings.HasSuffix(p.Type, "#"+code) || p.Title == "" || p.RequestID == "":
		tb.Errorf("%s: a problem without its type, title or requestId\n%s", a.Call, a.Body)
	case a.Header.Get("Content-Type") != "application/problem+json":
		tb.Errorf("%s: Content-Type %q of a problem", a.Call, a.Header.Get("Content-Type"))
	}

	for _, e := range p.Errors {
		if e.Location == "" || e.Message == "" {
			tb.Errorf("%s: an error without its location or message\n%s", a.Call, a.Body)
		}
	}

	return p
}

// Key is what tests look at of a key.
type Key struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Ownership   string   `json:"ownership"`
	Environment string   `json:"environment"`
	Status      string   `json:"status"`
	Enabled     bool     `json:"enabled"`
	Permissions []string `json:"permissions"`
	ExpiresAt   string   `json:"expiresAt"`
	DeletedAt   string   `json:"deletedAt"`
	Hint        string   `json:"hint"`
	Version     int64    `json:"version"`
}

// Made is the answer that shows a secret, or would if it were not replayed.
type Made struct {
	Key      Key    `json:"key"`
	Secret   string `json:"secret"`
	Replayed bool   `json:"replayed"`
}

// Made decodes a key and its secret from an answer of the status.
func (a Answer) Made(tb testing.TB, status int) Made {
	tb.Helper()
	var m Made
	a.Want(tb, status).Into(tb, &m)
	return m
}

// CreateKey makes a key in an organization from the fields of the call's body.
func (c Client) CreateKey(tb testing.TB, org string, fields map[string]any) Made {
	tb.Helper()

	m := c.Call(tb, http.MethodPost, "/v1/organizations/"+org+"/keys", fields).Made(tb,
		http.StatusCreated)
	if m.Secret == "" {
		tb.Fatal("a new key without its secret")
	}

	return m
}
