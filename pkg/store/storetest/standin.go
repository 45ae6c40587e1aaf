package storetest

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/bitting-keys/bitting/pkg/localstore"
)

// shared is the stand-in of this process: it runs while a test has a kit.
var shared struct {
	mu     sync.Mutex
	users  int
	server *localstore.Server
}

// standIn returns the address of a DynamoDB that is available until the test ends.
func standIn(t testing.TB) string {
	t.Helper()

	if url := os.Getenv("BITTING_TEST_DYNAMODB"); url != "" { //nolint:forbidigo // an address for tests, no configuration of the service
		return url
	}

	shared.mu.Lock()
	defer shared.mu.Unlock()

	if shared.server == nil {
		binary, err := localstore.Find(".")
		if err != nil {
			t.Fatalf("this test needs a DynamoDB stand-in: run `make deps`, or set "+
				"BITTING_TEST_DYNAMODB to the address of another one: %v", err)
		}

		// In memory. It outlives the test that happens to start it, so the test's context does not
		// bound it.
		if shared.server, err = localstore.Start(context.WithoutCancel(t.Context()),
			binary, "", os.Stderr); err != nil {
			t.Fatalf("start the DynamoDB stand-in: %v", err)
		}
	}

	shared.users++
	t.Cleanup(release)
	return shared.server.URL
}

// release stops the stand-in with its last user. A later test starts another.
func release() {
	shared.mu.Lock()
	defer shared.mu.Unlock()

	if shared.users--; shared.users == 0 {
		_ = shared.server.Stop() // it has nothing to lose
		shared.server = nil
	}
}
