package simulation_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/pepper/awskms"
)

// keyService stands in for KMS, and throttles all calls but each so-manieth.
type keyService struct {
	*httptest.Server

	mu        sync.Mutex
	takesOnly int // one of so many calls; 0 takes all
	decrypts  int
	throttled int
}

func newKeyService(t *testing.T) *keyService {
	t.Helper()

	k := &keyService{}
	k.Server = httptest.NewServer(k)
	t.Cleanup(k.Close)

	return k
}

// ServeHTTP implements http.Handler with KMS's JSON protocol. What is wrapped says nothing about
// the plain text, as it is its hash.
func (k *keyService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		KeyID          string `json:"KeyId"`
		CiphertextBlob []byte
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}

	wrapped := in.CiphertextBlob
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".GenerateDataKey") {
		wrapped = make([]byte, 64)
		_, _ = rand.Read(wrapped)
	} else if k.throttles() {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"__type":"ThrottlingException","message":"Rate exceeded"}`))

		return
	}

	plain := sha256.Sum256(wrapped)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"KeyId": in.KeyID, "CiphertextBlob": wrapped, "Plaintext": plain[:],
	})
}

// throttles counts a Decrypt, and reports whether it is throttled.
func (k *keyService) throttles() bool {
	k.mu.Lock()
	defer k.mu.Unlock()

	k.decrypts++
	if k.takesOnly == 0 || k.decrypts%k.takesOnly == 0 {
		return false
	}

	k.throttled++

	return true
}

// provider returns a provider on the service, for what is stored before the storm.
func (k *keyService) provider() pepper.Provider {
	return awskms.New(kms.New(kms.Options{
		Region:       "us-east-1",
		BaseEndpoint: &k.URL,
		Credentials:  aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider("a", "b", "")),
	}), "key")
}
