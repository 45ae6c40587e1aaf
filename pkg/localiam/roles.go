// Package localiam stands in for IAM: it holds each function of a template to its role.
//
// It promises:
//
//   - A call that the role does not allow, or that it denies, never reaches the table or the key:
//     the function gets AccessDeniedException, as in AWS.
//   - What it does not understand, of a policy or of a call, is an error and never an allowance.
//   - It knows which grants were needed, so that those that nothing needs can be removed.
//
// It decides calls of DynamoDB, as IAM does by the actions, the table or index, and the partition
// keys that a call names, and calls of KMS by their encryption context. It knows nothing of what
// AWS decides elsewhere: key policies, and the use of a table's own KMS key by DynamoDB.
//
// It is not part of a deployment.
package localiam

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

// Request is what IAM is asked.
type Request struct {
	Action   string // such as dynamodb:GetItem
	Resource string // an ARN
	// Context has the values of condition keys, such as dynamodb:LeadingKeys. A key that is not in
	// it has no value.
	Context map[string][]string
}

// Roles are the roles of a template's functions, and the record of what they were used for. It is
// safe for concurrent use.
type Roles struct {
	statements map[string][]*statement // by function
	tables     map[string]table        // by name

	mu     sync.Mutex
	used   map[grant]bool
	denied map[string]bool
}

// grant is one thing that a role allows: one action on one resource, by one statement.
type grant struct {
	function, policy string
	statement        int // in its policy
	action, resource string
}

// String says what is granted, and where.
func (g grant) String() string {
	policy := g.policy
	if policy == "" {
		policy = "its own policy"
	}

	return fmt.Sprintf("%s: %s on %s, by statement %d of %s", g.function, g.action, g.resource,
		g.statement+1, policy)
}

// Logs returns what SAM adds to each role, AWS's policy AWSLambdaBasicExecutionRole. See
// https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSLambdaBasicExecutionRole.html
func Logs() template.Policy {
	return template.Policy{
		Name: basicExecution,
		Document: map[string]any{
			"Version": "2012-10-17",
			"Statement": []any{map[string]any{
				"Effect":   "Allow",
				"Action":   []any{"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"},
				"Resource": "*",
			}},
		},
	}
}

const basicExecution = "AWSLambdaBasicExecutionRole"

// New reads the roles of a template's functions. It returns an error for a policy with an element
// or a condition that it does not know.
func New(t *template.Template) (*Roles, error) {
	r := &Roles{
		statements: map[string][]*statement{},
		tables:     map[string]table{},
		used:       map[grant]bool{},
		denied:     map[string]bool{},
	}

	for _, t := range t.Tables {
		indexed, err := readTable(t)
		if err != nil {
			return nil, err
		}

		r.tables[t.Name] = indexed
	}

	for id, f := range t.Functions {
		for _, p := range append([]template.Policy{Logs()}, f.Policies...) {
			statements, err := readDocument(p)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", id, err)
			}

			r.statements[id] = append(r.statements[id], statements...)
		}
	}

	return r, nil
}

// Allowed reports whether a function's role allows a request: a statement allows it, and none
// denies it. It records which grants were needed.
func (r *Roles) Allowed(function string, q Request) bool {
	allowed := false
	var used []grant

	for _, s := range r.statements[function] {
		action, resource, ok := s.matches(q)
		if !ok {
			continue
		}

		if s.deny {
			return false
		}

		allowed = true
		used = append(used, grant{
			function:  function,
			policy:    s.policy,
			statement: s.index,
			action:    action,
			resource:  resource,
		})
	}

	r.mu.Lock()
	defer r.mu.Unlock()

	for _, g := range used {
		r.used[g] = true
	}

	return allowed
}

// Denied returns the calls that were refused, a line each, sorted.
func (r *Roles) Denied() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.denied))
}

// Check returns an error unless a function's role allows a call of DynamoDB or KMS, given its
// X-Amz-Target and its body. It records the refusal.
func (r *Roles) Check(function, target string, body []byte) error {
	requests, err := r.requests(target, body)
	if err == nil && len(requests) == 0 { // an empty batch, which DynamoDB refuses too
		err = fmt.Errorf("%s is about nothing", target)
	}

	for _, q := range requests {
		if !r.Allowed(function, q) {
			err = fmt.Errorf("not authorized to perform: %s on resource: %s with %v", q.Action,
				q.Resource, q.Context)
			break
		}
	}

	if err != nil {
		err = fmt.Errorf("%s: %w", function, err)

		r.mu.Lock()
		defer r.mu.Unlock()
		r.denied[err.Error()] = true
	}

	return err
}

// Unused returns what the functions' roles grant and no call has needed, a line each, sorted. What
// is needed of logs and of the tables' own keys is not seen here, and left out.
func (r *Roles) Unused(functions ...string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()

	var unused []string
	for _, function := range functions {
		for _, s := range r.statements[function] {
			for _, g := range s.grants(function) {
				if !r.used[g] && s.policy != basicExecution && !r.encrypts(g.resource) {
					unused = append(unused, g.String())
				}
			}
		}
	}

	slices.Sort(unused)
	return unused
}

// encrypts reports whether a KMS key is that of a table, which DynamoDB uses for who calls it.
func (r *Roles) encrypts(key string) bool {
	for _, t := range r.tables {
		if t.encryptedBy == key {
			return true
		}
	}

	return false
}
