// Command floor is one of the two floors of `make bench`: an authorizer by hand, which does the least
// with which a key can be read. It has a connection to Lambda's Runtime API and one to DynamoDB, signs
// by itself, and looks for texts where others read JSON. Nobody should run it: it checks little, and
// ends where anything is not as it expects.
package main

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

// routes are ten, in order, with their permissions.
var routes = [][3]string{
	{"GET", "/messages", "messages:read"},
	{"GET", "/messages/*", "messages:read"},
	{"POST", "/messages", "messages:write"},
	{"DELETE", "/messages/*", "messages:write"},
	{"GET", "/orders", "orders:read"},
	{"GET", "/orders/*", "orders:read"},
	{"POST", "/orders", "orders:write"},
	{"PATCH", "/orders/*", "orders:write"},
	{"GET", "/invoices", "invoices:read"},
	{"GET", "/invoices/*/lines", "invoices:read"},
}

func env(name string) string { return os.Getenv(name) } //nolint:forbidigo // it is no part of the service

func main() {
	lambda := dial(env("AWS_LAMBDA_RUNTIME_API"))
	db := &table{connection: dial(strings.TrimPrefix(env("AWS_ENDPOINT_URL_DYNAMODB"), "http://"))}

	for {
		id, event := lambda.call("GET", "/2018-06-01/runtime/invocation/next", "", nil)

		answer, err := db.authorize(string(event))
		if err != nil {
			lambda.call("POST", "/2018-06-01/runtime/invocation/"+id+"/error", "",
				fmt.Appendf(nil, `{"errorMessage":%q,"errorType":"error"}`, err))

			continue
		}

		lambda.call("POST", "/2018-06-01/runtime/invocation/"+id+"/response", "", answer)
	}
}

// table is the table of keys, whose primary key is the hash of a key.
type table struct {
	*connection

	day string // of the key that signs
	key []byte
}

// authorize answers an event with a policy for its call.
func (t *table) authorize(event string) ([]byte, error) {
	secret := between(event, `"X-Api-Key":"`, `"`)
	sum := sha256.Sum256([]byte(secret))

	item := string(t.item(hex.EncodeToString(sum[:])))

	id := between(item, `"id":{"S":"`, `"`)
	if secret == "" || id == "" || !strings.Contains(item, `"enabled":{"BOOL":true}`) ||
		!strings.Contains(item, `"expiresAt":{"N":"0"}`) {
		return nil, errUnauthorized{}
	}

	effect := "Deny"
	for _, r := range routes {
		matches, _ := path.Match(r[1], between(event, `"path":"`, `"`)) // they are patterns
		if !matches || r[0] != between(event, `"httpMethod":"`, `"`) {
			continue
		}

		if strings.Contains(item, `{"S":"`+r[2]+`"}`) {
			effect = "Allow"
		}

		break
	}

	return fmt.Appendf(nil, `{"principalId":%q,"policyDocument":{"Version":"2012-10-17","Statement":`+
		`[{"Action":"execute-api:Invoke","Effect":%q,"Resource":%q}]},"context":{"keyId":%q}}`,
		id, effect, between(event, `"methodArn":"`, `"`), id), nil
}

type errUnauthorized struct{}

func (errUnauthorized) Error() string { return "Unauthorized" }

// item reads an item, strongly consistent.
func (t *table) item(hash string) []byte {
	const target = "DynamoDB_20120810.GetItem"

	body := fmt.Appendf(nil, `{"TableName":%q,"ConsistentRead":true,"Key":{"pk":{"S":%q},"sk":{"S":"key"}}}`,
		env("TABLE"), hash)
	now := time.Now().UTC().Format("20060102T150405Z")
	token := env("AWS_SESSION_TOKEN")
	sum := sha256.Sum256(body)

	canonical := sha256.Sum256([]byte("POST\n/\n\nhost:" + t.address + "\nx-amz-date:" + now +
		"\nx-amz-security-token:" + token + "\nx-amz-target:" + target +
		"\n\nhost;x-amz-date;x-amz-security-token;x-amz-target\n" + hex.EncodeToString(sum[:])))
	scope := now[:8] + "/us-east-1/dynamodb/aws4_request"

	if t.day != now[:8] {
		t.day = now[:8]
		t.key = []byte("AWS4" + env("AWS_SECRET_ACCESS_KEY"))

		for part := range strings.SplitSeq(scope, "/") {
			t.key = sign(t.key, part)
		}
	}

	signature := sign(t.key, "AWS4-HMAC-SHA256\n"+now+"\n"+scope+"\n"+hex.EncodeToString(canonical[:]))
	_, item := t.call("POST", "/", "Content-Type: application/x-amz-json-1.0\r\nX-Amz-Date: "+now+
		"\r\nX-Amz-Security-Token: "+token+"\r\nX-Amz-Target: "+target+
		"\r\nAuthorization: AWS4-HMAC-SHA256 Credential="+env("AWS_ACCESS_KEY_ID")+"/"+scope+
		", SignedHeaders=host;x-amz-date;x-amz-security-token;x-amz-target, Signature="+
		hex.EncodeToString(signature)+"\r\n", body)
	return item
}

func sign(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// between returns the text between two others, the first time that it is there; "" if it is not.
func between(text, before, after string) string {
	_, rest, _ := strings.Cut(text, before)
	found, _, _ := strings.Cut(rest, after)
	return found
}

// connection is a connection of HTTP/1.1.
type connection struct {
	net.Conn

	address string
	in      *bufio.Reader
}

func dial(address string) *connection {
	c, err := net.Dial("tcp", address) //nolint:noctx // nobody waits for less than all
	must(err)
	return &connection{c, address, bufio.NewReader(c)}
}

// call makes a request, and returns what Lambda calls its answer, and its body.
func (c *connection) call(method, target, headers string, body []byte) (id string, answer []byte) {
	request := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\n%sContent-Length: %d\r\n\r\n%s", method,
		target, c.address, headers, len(body), body)

	_, err := c.Write(request)
	must(err)

	length := 0
	for {
		line, err := c.in.ReadSlice('\n')
		must(err)

		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(": "))
		switch {
		case len(name) == 0:
			answer = make([]byte, length)
			_, err := io.ReadFull(c.in, answer)
			must(err)

			return id, answer
		case bytes.EqualFold(name, []byte("Content-Length")):
			length, err = strconv.Atoi(string(value))
			must(err)
		case bytes.EqualFold(name, []byte("Lambda-Runtime-Aws-Request-Id")):
			id = string(value)
		}
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
