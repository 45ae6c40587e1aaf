package secretscan

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/bitting-keys/bitting/pkg/cache"
)

// Times and limits for reading GitHub's keys.
const (
	keysFresh   = time.Hour       // an older list is read again before it is used
	askedAtMost = time.Minute     // at most this often, because of messages with an unknown key
	failedPause = 5 * time.Second // for this long after a failure
	askTime     = 3 * time.Second
	maxList     = 1 << 20 // bytes
)

// Keys are the keys that GitHub signs its messages with. It is safe for concurrent use.
type Keys struct {
	url    string
	client *http.Client
	now    func() time.Time

	mu       sync.Mutex // held while the list is read, so that it is read once
	keys     map[string]*ecdsa.PublicKey
	etag     string
	readAt   time.Time
	failedAt time.Time
}

// NewKeys returns the keys that are listed at a URL. It makes no request before the first message.
func NewKeys(url string, now func() time.Time) *Keys {
	// A redirect could lead to somebody else's list.
	client := &http.Client{
		Timeout: askTime,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
	return &Keys{url: url, client: client, now: now}
}

// Verify returns nil if GitHub signed a message, by the values of its two headers. Errors:
// ErrSignature, ErrUnavailable.
func (k *Keys) Verify(ctx context.Context, identifier, signature string, body []byte) error {
	if identifier == "" || signature == "" || len(identifier) > maxIdentifier {
		return ErrSignature
	}

	key, err := k.key(ctx, identifier)
	if err != nil {
		return err
	}

	return verify(key, signature, body)
}

// key returns a key. It reads the list again if that is old, or may lack a new key.
func (k *Keys) key(ctx context.Context, identifier string) (*ecdsa.PublicKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()

	key, known := k.keys[identifier]
	if known && cache.Fresh(keysFresh, k.readAt, now) {
		return key, nil
	}

	if cache.Fresh(askedAtMost, k.readAt, now) {
		return nil, ErrSignature // the list was just read, and has no such key
	}

	if cache.Fresh(failedPause, k.failedAt, now) {
		return nil, fmt.Errorf("%w: they were unavailable a moment ago", ErrUnavailable)
	}

	if err := k.ask(ctx); err != nil {
		k.failedAt = now
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}

	k.readAt = now

	k.failedAt = time.Time{}
	if key, known = k.keys[identifier]; !known {
		return nil, ErrSignature
	}

	return key, nil
}

// ask reads the list, unless it has not changed.
func (k *Keys) ask(ctx context.Context) (err error) {
	// a caller who disconnects must not fail it for the others
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
	defer cancel()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, http.NoBody)
	if err != nil {
		return err
	}

	request.Header.Set("Accept", "application/json")

	if k.etag != "" {
		request.Header.Set("If-None-Match", k.etag)
	}

	response, err := k.client.Do(request)
	if err != nil {
		return err
	}

	defer func() { err = errors.Join(err, response.Body.Close()) }()

	switch {
	case response.StatusCode == http.StatusNotModified && k.keys != nil:
		return nil
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("status %d", response.StatusCode)
	}

	keys, err := readKeys(io.LimitReader(response.Body, maxList))
	if err != nil {
		return err
	}

	k.keys = keys
	k.etag = response.Header.Get("ETag")
	return nil
}

// readKeys decodes a list. Keys of other kinds are left out.
func readKeys(from io.Reader) (map[string]*ecdsa.PublicKey, error) {
	var list struct {
		PublicKeys []struct {
			Identifier string `json:"key_identifier"`
			Key        string `json:"key"`
		} `json:"public_keys"`
	}
	if err := json.NewDecoder(from).Decode(&list); err != nil {
		return nil, err
	}

	keys := map[string]*ecdsa.PublicKey{}
	for _, listed := range list.PublicKeys {
		block, _ := pem.Decode([]byte(listed.Key))
		if block == nil || listed.Identifier == "" {
			continue
		}

		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		if key, ok := parsed.(*ecdsa.PublicKey); err == nil && ok && key.Curve == elliptic.P256() {
			keys[listed.Identifier] = key
		}
	}

	if len(keys) == 0 {
		return nil, errors.New("the list has no key that signs messages")
	}

	return keys, nil
}
