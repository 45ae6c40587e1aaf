// Package localtest is how tests use a running `bitting local`: over HTTP, as a stranger would.
//
// It promises that every answer is looked at: a problem is decoded strictly, so that all have one
// shape, and a secret that was shown once must be in no later answer and in no file. It knows
// nothing of the code behind the answers.
package localtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Machine is a running `bitting local`, as its local.json describes it.
type Machine struct {
	URL          string            `json:"url"`
	Organization string            `json:"organization"`
	OperatorKey  string            `json:"operatorKey"`
	AdminKey     string            `json:"adminKey"`
	Keys         map[string]string `json:"keys"` // the demo's secrets, by environment

	// Look is shown every answer that a client gets; nil for nobody.
	Look func(tb testing.TB, request *http.Request, a Answer) `json:"-"`

	data   string
	shown  *shown
	client *http.Client
}

// startTime bounds a start: with --functions process it builds every function first.
const startTime = 4 * time.Minute

// Wait returns the machine with its data in the folder once it is ready. It gives up when ended
// says how the machine ended.
func Wait(ctx context.Context, data string, ended <-chan error) (*Machine, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()

	for {
		text, err := os.ReadFile(filepath.Join(data, "local.json")) //nolint:gosec // the folder that the test chose
		if err == nil {
			return open(data, text)
		}

		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}

		select {
		case err := <-ended:
			return nil, fmt.Errorf("bitting local ended while it started: %w", err)
		case <-ctx.Done():
			return nil, fmt.Errorf("bitting local is not ready: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

func open(data string, text []byte) (*Machine, error) {
	m := &Machine{data: data, shown: &shown{}}
	if err := json.Unmarshal(text, m); err != nil {
		return nil, err
	}

	m.client = &http.Client{
		Timeout:   time.Minute,
		Transport: &http.Transport{MaxIdleConnsPerHost: 32},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
	m.shown.add(m.OperatorKey)
	m.shown.add(m.AdminKey)

	for _, secret := range m.Keys {
		m.shown.add(secret)
	}

	return m, nil
}

// As returns a client that sends a key in X-Api-Key; "" for none.
func (m *Machine) As(key string) Client { return Client{machine: m, key: key} }

// SignedIn returns a client that sends a person's token as the bearer token.
func (m *Machine) SignedIn(token string) Client { return Client{machine: m, token: token} }

// Operator returns a client with the operator key.
func (m *Machine) Operator() Client { return m.As(m.OperatorKey) }

// Admin returns a client with the admin key of the demo's organization.
func (m *Machine) Admin() Client { return m.As(m.AdminKey) }

// Restarted returns the same machine at another start: what was shown before still counts.
func (m *Machine) Restarted(again *Machine) *Machine {
	again.shown = m.shown
	return again
}

// Close ends the connections that are kept for more calls.
func (m *Machine) Close() { m.client.CloseIdleConnections() }

// Keep makes the test fail where any of the texts stands in an answer or in the log from now on:
// what was sent and is a secret too.
func (m *Machine) Keep(texts ...string) {
	m.shown.mu.Lock()
	defer m.shown.mu.Unlock()
	m.shown.tails = append(m.shown.tails, texts...)
}

// LeakInLog returns an error if a secret that was shown stands in the machine's log.
func (m *Machine) LeakInLog() error {
	text, err := os.ReadFile(filepath.Join(m.data, "bitting.log"))
	if err != nil {
		return err
	}

	if secret := m.shown.in(string(text)); secret != "" {
		return fmt.Errorf("bitting.log has the secret that ends in %s", secret[len(secret)-4:])
	}

	return nil
}

// shown remembers the parts of secrets that nobody may see again.
type shown struct {
	mu    sync.Mutex
	tails []string
}

func (s *shown) add(secret string) {
	if secret == "" {
		return
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	s.tails = append(s.tails, secret[strings.LastIndexByte(secret, '_')+1:])
}

// in returns the first of the secrets that stands in a text, "" for none.
func (s *shown) in(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()

	for _, tail := range s.tails {
		if strings.Contains(text, tail) {
			return tail
		}
	}

	return ""
}
