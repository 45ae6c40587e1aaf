package awsjson_test

import (
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/awsjson"
)

// answers starts a service that answers so, and returns a client of it and the number of requests.
func answers(
	t *testing.T, service awsjson.Service, answer http.HandlerFunc,
) (*awsjson.Client, string, *atomic.Int64) {
	t.Helper()

	requests := &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		answer(w, r)
	}))
	t.Cleanup(server.Close)

	return awsjson.New(awsjson.Config{
		Service:  service,
		Region:   "eu-central-1",
		Endpoint: server.URL,
		Credentials: aws.Credentials{
			AccessKeyID:     "AKID",
			SecretAccessKey: "secret",
			SessionToken:    "session",
		},
		Timeout: 4 * time.Second,
	}), server.URL, requests
}

// What an answer means, and how often it is asked for.
func TestAnswers(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		answer   http.HandlerFunc
		attempts int64
		want     string // in the error; "" for none
	}{
		"right": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amz-Crc32",
				strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte("{}"))), 10))
			_, _ = io.WriteString(w, "{}")
		}, 1, ""},
		"the wrong checksum": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amz-Crc32", "7")
			_, _ = io.WriteString(w, "{}")
		}, 3, "damaged"},
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "{}")
		}, 3, "damaged"},
		"gzip, which nobody asked for": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("X-Amz-Crc32", "7")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, "{}")
			_ = z.Close()
		}, 3, "damaged"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		}, 1, "status 307"},
		"too long": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("x", 2<<20))
		}, 3, "more than"},
		"not JSON": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "<html>")
		}, 3, "status 502: : an answer that is not JSON"},
		"code in a header": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amzn-Errortype", "AccessDeniedException:http://example.com/")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"Message":"no"}`)
		}, 1, "status 400: AccessDeniedException: no"},
		"code with a namespace": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"__type":"com.amazonaws#ThrottlingException","message":"later"}`)
		}, 3, "status 400: ThrottlingException: later"},
		"429": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTooManyRequests)
		}, 3, "status 429"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, _, requests := answers(t, awsjson.KMS, test.answer)

			got, err := client.Call(t.Context(), "Decrypt", []byte("{}"))
			if test.want == "" && (err != nil || got != "{}") {
				t.Errorf("%q, %v", got, err)
			}

			if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("%q, %v", got, err)
			}

			if n := requests.Load(); n != test.attempts {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// An answer that never comes ends with the time of an attempt, and the attempts with the time of
// the call.
func TestTimeout(t *testing.T) {
	t.Parallel()
	client, _, requests := answers(t, awsjson.DynamoDB, func(
		_ http.ResponseWriter, r *http.Request,
	) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})

	if _, err := client.Call(t.Context(), "GetItem", []byte("{}")); err == nil {
		t.Error("an answer")
	}

	if n := requests.Load(); n < 2 || n > awsjson.Attempts {
		t.Errorf("%d requests", n)
	}
}

// While a service fails, attempts are made again only as long as the budget lasts: 100 of them. When
// it has recovered, so does the budget.
func TestBudget(t *testing.T) {
	t.Parallel()

	var broken atomic.Bool
	broken.Store(true)

	client, _, requests := answers(t, awsjson.DynamoDB, func(w http.ResponseWriter, _ *http.Request) {
		if broken.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	call := func(calls int) int64 {
		requests.Store(0)

		done := make(chan struct{}, calls)
		for range calls {
			go func() {
				_, _ = client.Call(t.Context(), "GetItem", []byte("{}"))
				done <- struct{}{}
			}()
		}

		for range calls {
			<-done
		}

		return requests.Load()
	}

	if n := call(200); n != 300 {
		t.Errorf("%d requests of 200 calls", n)
	}

	if n := call(10); n != 10 {
		t.Errorf("%d requests of 10 calls without a budget", n)
	}

	broken.Store(false)
	call(50)
	broken.Store(true)

	if n := call(10); n != 20 {
		t.Errorf("%d requests of 10 calls, 50 successes later", n)
	}
}

// The signature covers what AWS needs to see, and is the one that the SDK's client sends.
func TestDecryptAsTheSDKDoes(t *testing.T) {
	t.Parallel()

	var seen []map[string]any
	client, url, _ := answers(t, awsjson.KMS, func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}

		signature := r.Header.Get("Authorization")
		for _, part := range []string{"AWS4-HMAC-SHA256 Credential=AKID/", "/eu-central-1/kms/aws4_request"} {
			if !strings.Contains(signature, part) {
				t.Errorf("signed %q", signature)
			}
		}

		if r.Header.Get("X-Amz-Security-Token") != "session" || r.Header.Get("X-Amz-Date") == "" {
			t.Errorf("sent %v", r.Header)
		}

		body["target"] = r.Header.Get("X-Amz-Target")
		body["type"] = r.Header.Get("Content-Type")
		seen = append(seen, body)
		_, _ = io.WriteString(w, `{"KeyId":"k","Plaintext":"`+
			base64.StdEncoding.EncodeToString([]byte("plain"))+`"}`)
	})
	scope := map[string]string{"service": "bitting", "environment": "production", "a": `"b"`}

	plain, err := awsjson.Decrypt(t.Context(), client, "key-1", []byte{0, 255, 1}, scope)
	if err != nil || string(plain) != "plain" {
		t.Errorf("%q, %v", plain, err)
	}

	key := "key-1"
	sdk := kms.New(kms.Options{
		Region:       "eu-central-1",
		BaseEndpoint: &url,
		Credentials: aws.CredentialsProviderFunc(func(
			_ context.Context,
		) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "s", SessionToken: "session"}, nil
		}),
	})

	if _, err := sdk.Decrypt(t.Context(), &kms.DecryptInput{
		KeyId:             &key,
		CiphertextBlob:    []byte{0, 255, 1},
		EncryptionContext: scope,
	}); err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(seen[1], seen[0]); diff != "" {
		t.Errorf("sent (-SDK +awsjson):\n%s", diff)
	}
}

// Of an answer without a key there is an error, which repeats nothing of it.
func TestDecryptRefuses(t *testing.T) {
	t.Parallel()

	for _, answer := range []string{
		`{}`, `{"Plaintext":null}`, `{"Plaintext":""}`, `{"Plaintext":"secret!"}`, `{"Plaintext":`, `[]`,
	} {
		client, _, _ := answers(t, awsjson.KMS, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, answer)
		})

		plain, err := awsjson.Decrypt(t.Context(), client, "k", []byte("x"), nil)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %q, %v", answer, plain, err)
		}
	}

	client, _, _ := answers(t, awsjson.KMS, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type":"InvalidCiphertextException"}`)
	})

	_, err := awsjson.Decrypt(t.Context(), client, "k", []byte("x"), nil)
	if refused, ok := errors.AsType[*awsjson.Error](err); !ok ||
		refused.Code != "InvalidCiphertextException" {
		t.Error(err)
	}
}

// The address of a service is its region's.
func TestEndpoint(t *testing.T) {
	t.Parallel()

	for region, want := range map[string]string{
		"us-east-1":     "https://dynamodb.us-east-1.amazonaws.com/",
		"cn-north-1":    "https://dynamodb.cn-north-1.amazonaws.com.cn/",
		"us-gov-west-1": "https://dynamodb.us-gov-west-1.amazonaws.com/",
	} {
		var asked string

		client := awsjson.New(awsjson.Config{
			Service: awsjson.DynamoDB,
			Region:  region,
			Timeout: time.Second,
			Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				asked = r.URL.String()
				return nil, errors.New("no network in a test")
			}),
		})
		if _, err := client.Call(t.Context(), "GetItem", nil); err == nil || asked != want {
			t.Errorf("%s: %s, %v", region, asked, err)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// An endpoint that is no address is named, and not tried again.
func TestInvalidEndpoint(t *testing.T) {
	t.Parallel()

	client := awsjson.New(awsjson.Config{
		Service:  awsjson.KMS,
		Endpoint: "http://[",
		Timeout:  time.Minute,
	})

	if _, err := client.Call(t.Context(), "Decrypt", nil); err == nil ||
		!strings.Contains(err.Error(), "endpoint of kms") {
		t.Error(err)
	}
}
