package policy_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/policy"
)

const invoke = "execute-api:Invoke"

// rounds of 100 scenes each, which is what rapid.Check runs by default.
const rounds = 21

// TestPolicyIsDecision is the main property of the package. The evaluator reads a key's document
// as the check decides: for the call itself and, if the document is the whole key's, for every
// other call with a plain path. No document ever opens more. This holds for every interpretation
// of IAM's wildcards.
func TestPolicyIsDecision(t *testing.T) {
	t.Parallel()

	var count tally
	for round := range rounds {
		t.Run(fmt.Sprintf("round %d", round), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(rt *rapid.T) { compare(rt, &count) })
		})
	}

	t.Cleanup(func() {
		t.Logf("%d scenes; %d comparisons (%d allowed, %d of refused calls' own documents); "+
			"documents of whole keys %d, routes %d, calls %d, nothing %d",
			count.scenes.Load(), count.comparisons.Load(), count.allowed.Load(),
			count.refused.Load(),
			count.scopes[policy.WholeKey].Load(), count.scopes[policy.OneRoute].Load(),
			count.scopes[policy.OneCall].Load(), count.scopes[policy.Nothing].Load())

		if !t.Failed() && (count.scenes.Load() < 2000 || count.allowed.Load() < 2000) {
			t.Errorf("too few cases to mean anything")
		}
	})
}

// oracle is a file that TestPolicyIsDecision writes documents to, with what was asked of each and
// answered, a line of JSON each, so that somebody else's reading of IAM can be asked the same.
var oracle = flag.String("oracle", "", "write the documents of the property to this file")

type asked struct {
	Policies []json.RawMessage `json:"policies"`
	Requests []answer          `json:"requests"`
}

type answer struct {
	Action   string `json:"action"`
	Resource string `json:"resource"`
	Allowed  bool   `json:"allowed"`
}

// write writes what was asked, if somebody wants it.
func (c *tally) write(t fataler, one asked) {
	if *oracle == "" {
		return
	}

	line, err := json.Marshal(one)
	if err != nil {
		t.Fatal(err)
	}

	c.mu.Lock()
	defer c.mu.Unlock()

	if c.file == nil {
		if c.file, err = os.Create(*oracle); err != nil {
			t.Fatal(err)
		}
	}

	if _, err := c.file.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
}

type tally struct {
	mu   sync.Mutex
	file *os.File // for the oracle

	scenes, comparisons, allowed, refused atomic.Int64
	scopes                                [4]atomic.Int64
}

func compare(t *rapid.T, count *tally) {
	s := genScene().Draw(t, "scene")
	count.scenes.Add(1)
	builder := policy.NewBuilder(4)

	var calls []policy.ARN
	for range 16 {
		calls = append(calls,
			stage(rapid.SampledFrom(called).Draw(t, "method"), genPath(s).Draw(t, "path")))
	}

	decide := func(c policy.ARN) bool {
		return permission.Decide(s.catalogue, s.api, s.grant, c.Method, c.Path).Allowed()
	}

	compared := make(map[string]bool)
	for _, call := range calls {
		built := builder.Build(s.catalogue, s.api, s.grant, call)
		count.scopes[built.Scope].Add(1)
		data := marshal(t, built.Document)

		others := calls
		if compared[string(data)] {
			others = nil
		}

		compared[string(data)] = true

		asked := asked{Policies: []json.RawMessage{data}}

		for _, other := range others {
			got, want := opens(t, data, other), decide(other)
			count.comparisons.Add(1)

			if len(asked.Requests) < 4 {
				asked.Requests = append(asked.Requests, answer{invoke, other.String(), got})
			}

			switch {
			case got && !want:
				t.Fatalf("%s %s: the document of %s %s (scope %d) opens it:\n%s", other.Method,
					other.Path, call.Method, call.Path, built.Scope, data)
			case want && !got && built.Scope == policy.WholeKey && plain(other.Path):
				t.Fatalf("%s %s: the whole key's document refuses it:\n%s", other.Method,
					other.Path, data)
			}

			for name, reading := range readings {
				if read := reading.opens(built.Document, other.String()); read != got {
					t.Fatalf("%s %s: %t, but %t as IAM's guide can be read, %s:\n%s", other.Method,
						other.Path, got, read, name, data)
				}
			}

			if got {
				count.allowed.Add(1)
			}
		}

		if others != nil {
			count.write(t, asked)
		}

		switch got, want := opens(t, data, call), decide(call); {
		case want && built.Scope == policy.Nothing && !policy.Sayable(call.String()):
			// The authorizer reports this as a separate outcome.
		case got != want:
			t.Fatalf("%s %s: its own document (scope %d) says %t:\n%s", call.Method, call.Path,
				built.Scope, got, data)
		}

		if opens(t, marshal(t, policy.Refuse(built.Document, call.String())), call) {
			t.Fatalf("%s %s: refused, but open", call.Method, call.Path)
		}

		count.refused.Add(1)
	}
}

type fataler interface{ Fatal(args ...any) }

// marshal encodes a document and checks its limits.
func marshal(t fataler, d policy.Document) []byte {
	data, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}

	if len(data) > 8<<10-1536 {
		t.Fatal("the document is too long:", len(data))
	}

	for _, s := range d.Statement {
		for _, r := range s.Resource {
			if len(r) > 512 {
				t.Fatal("the resource is too long:", r)
			}
		}
	}

	return data
}

func opens(t fataler, document []byte, call policy.ARN) bool {
	decision, err := policy.Evaluate(document, invoke, call.String())
	if err != nil {
		t.Fatal(err, string(document))
	}

	return decision == policy.Allow
}
