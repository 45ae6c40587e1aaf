package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// account is an AWS account: CloudFormation, Parameter Store and Secrets Manager in one region. What
// is stored is in files of a folder.
type account struct {
	mu      sync.Mutex // of the fields that a test changes meanwhile
	folder  string
	outputs map[string]string // of the stack bitting
	status  string            // of all stacks
	drifted string            // the role that somebody changed; "denied" where nobody may look

	described sync.Map // the descriptions of parameters
}

// newAccount returns an account's address. It has no stop but that of the caller.
func newAccount(folder string, outputs map[string]string) (*httptest.Server, error) {
	err := os.MkdirAll(folder, 0o700)
	return httptest.NewServer(&account{folder: folder, outputs: outputs, status: "UPDATE_COMPLETE"}), err
}

// awsVariables are those of a caller of the account.
func awsVariables(address string) map[string]string {
	return map[string]string{
		"AWS_ENDPOINT_URL":          address,
		"AWS_ACCESS_KEY_ID":         "test",
		"AWS_SECRET_ACCESS_KEY":     "test",
		"AWS_EC2_METADATA_DISABLED": "true",
	}
}

// becomes changes the account between two requests.
func (a *account) becomes(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()

	change()
}

func (a *account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}

	a.mu.Lock()
	defer a.mu.Unlock()

	_, operation, isJSON := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if !isJSON {
		form, _ := url.ParseQuery(string(body))

		name := form.Get("StackName")
		if !strings.Contains(r.Header.Get("Authorization"), "/eu-west-1/") {
			name = "of another region"
		}

		switch form.Get("Action") {
		case "ListStackResources":
			a.listResources(w)
		case "DetectStackResourceDrift":
			a.detectDrift(w, form.Get("LogicalResourceId"))
		default:
			a.describeStacks(w, name)
		}

		return
	}

	var in struct {
		Name, SecretID, Value, SecretString, Type, Description string
		Overwrite, ForceDeleteWithoutRecovery                  bool
		ParameterFilters                                       []struct{ Values []string }
	}

	_ = json.Unmarshal(body, &in)
	for _, f := range in.ParameterFilters {
		in.Name = f.Values[0]
	}

	name := in.Name + in.SecretID
	fault := a.do(operation, name, in.Value+in.SecretString, in.Type, in.Overwrite)

	w.Header().Set("Content-Type", "application/x-amz-json-1.1")

	if fault == "" && in.Description != "" {
		a.described.Store(name, in.Description)
	}

	if fault == "" {
		_ = json.NewEncoder(w).Encode(a.describe(operation, name))
		return
	}

	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]string{
		"__type":  fault,
		"message": "no " + operation + " of that",
	})
}

func (a *account) file(name string) string {
	return filepath.Join(a.folder, strings.ReplaceAll(name, "/", "-"))
}

// describe returns what is known of a parameter or a secret, without its value.
func (a *account) describe(operation, name string) map[string]any {
	info, err := os.Stat(a.file(name))
	description, _ := a.described.Load(name)

	switch {
	case operation == "DescribeParameters" && err == nil:
		return map[string]any{
			"Parameters": []map[string]any{{"Name": name, "Description": description}},
		}
	case operation == "DescribeSecret" && err == nil && info.Size() > 0:
		return map[string]any{"VersionIdsToStages": map[string][]string{"1": {"AWSCURRENT"}}}
	default:
		return map[string]any{}
	}
}

// do returns the code of an error.
func (a *account) do(operation, name, value, kind string, overwrite bool) string {
	file := a.file(name)
	_, err := os.Stat(file)
	exists := err == nil
	_, err = os.Stat(a.file("room"))
	room := err == nil // also for what is called full

	switch {
	case strings.Contains(name, "denied"):
		return "AccessDeniedException"
	case operation == "DescribeSecret" && !exists:
		return "ResourceNotFoundException"
	case strings.HasPrefix(operation, "Describe"):
		return ""
	case strings.Contains(name, "full") && !room && exists && (overwrite || operation == "PutSecretValue"):
		return "LimitExceededException"
	case operation == "DeleteParameter" || operation == "DeleteSecret":
		_ = os.Remove(file)
		return ""
	case operation == "PutParameter" && kind != "SecureString":
		return "ValidationException"
	case operation == "PutParameter" && exists && !overwrite:
		return "ParameterAlreadyExists"
	case operation == "CreateSecret" && exists:
		return "ResourceExistsException"
	}

	if os.WriteFile(file, []byte(value), 0o600) != nil {
		return "InternalServerError"
	}

	return ""
}

// listResources answers with two roles, a policy and a table.
func (a *account) listResources(w http.ResponseWriter) {
	var list strings.Builder
	for id, kind := range map[string]string{
		"KeysRole":   "AWS::IAM::Role",
		"UsageRole":  "AWS::IAM::Role",
		"ManageCore": "AWS::IAM::ManagedPolicy",
		"Core":       "AWS::DynamoDB::Table",
	} {
		fmt.Fprintf(&list, "<member><LogicalResourceId>%s</LogicalResourceId><ResourceType>%s</ResourceType>"+
			"<ResourceStatus>CREATE_COMPLETE</ResourceStatus>"+
			"<LastUpdatedTimestamp>2026-01-01T00:00:00Z</LastUpdatedTimestamp></member>", id, kind)
	}

	_, _ = fmt.Fprintf(w, `<ListStackResourcesResponse><ListStackResourcesResult>`+
		`<StackResourceSummaries>%s</StackResourceSummaries>`+
		`</ListStackResourcesResult></ListStackResourcesResponse>`, list.String())
}

func (a *account) detectDrift(w http.ResponseWriter, id string) {
	if a.drifted == "denied" {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>`+
			`<Message>not allowed</Message></Error></ErrorResponse>`)
		return
	}

	status := "IN_SYNC"
	if id == a.drifted {
		status = "MODIFIED"
	}

	_, _ = fmt.Fprintf(w, `<DetectStackResourceDriftResponse><DetectStackResourceDriftResult>`+
		`<StackResourceDrift><StackId>s</StackId><LogicalResourceId>%s</LogicalResourceId>`+
		`<ResourceType>AWS::IAM::Role</ResourceType>`+
		`<StackResourceDriftStatus>%s</StackResourceDriftStatus><Timestamp>2026-01-01T00:00:00Z</Timestamp>`+
		`</StackResourceDrift></DetectStackResourceDriftResult></DetectStackResourceDriftResponse>`, id, status)
}

func (a *account) describeStacks(w http.ResponseWriter, name string) {
	if name == "denied" {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>`+
			`<Message>not allowed</Message></Error></ErrorResponse>`)
		return
	}

	if name != "bitting" && name != "other" {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code>`+
			`<Message>Stack with id %s does not exist</Message></Error></ErrorResponse>`, name)
		return
	}

	var outputs strings.Builder
	if name == "bitting" {
		for key, value := range a.outputs {
			fmt.Fprintf(&outputs, "<member><OutputKey>%s</OutputKey><OutputValue>%s</OutputValue></member>",
				key, value)
		}
	}

	_, _ = fmt.Fprintf(w, `<DescribeStacksResponse><DescribeStacksResult><Stacks><member>`+
		`<StackName>%s</StackName><StackStatus>%s</StackStatus>`+
		`<CreationTime>2026-01-01T00:00:00Z</CreationTime><Outputs>%s</Outputs>`+
		`</member></Stacks></DescribeStacksResult></DescribeStacksResponse>`, name, a.status, outputs.String())
}

// A stack's outputs have the names by which the command line reads them.
func TestOutputsOfTheTemplate(t *testing.T) {
	t.Parallel()

	text, err := os.ReadFile(filepath.Join("..", "..", "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	resources, outputs, _ := strings.Cut(string(text), "\nOutputs:\n")

	var missing []string
	if !strings.Contains(resources, "\n  UpkeepLogs:\n") { // which doctor names
		missing = append(missing, "UpkeepLogs")
	}

	for _, name := range []string{
		"AdminUrl", "CoreTable", "HotTable", "PepperKeyArn", "OidcIssuer", "OidcClientId",
	} {
		if !strings.Contains(outputs, "\n  "+name+":\n") {
			missing = append(missing, name)
		}
	}

	if diff := cmp.Diff([]string(nil), missing); diff != "" {
		t.Error(diff)
	}
}
