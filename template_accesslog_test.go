package bitting_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// logFormats returns the access logs' formats by kind of API.
func logFormats(t *testing.T) map[string]string {
	t.Helper()

	text, err := os.ReadFile("template.yaml")
	if err != nil {
		t.Fatal(err)
	}

	var template struct {
		Mappings struct {
			AccessLog map[string]map[string]string `yaml:"AccessLog"`
		} `yaml:"Mappings"`
	}

	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}

	untag(&document)

	if err := document.Decode(&template); err != nil {
		t.Fatal(err)
	}

	return map[string]string{
		"Rest":  template.Mappings.AccessLog["Rest"]["Format"],
		"Http":  template.Mappings.AccessLog["Http"]["Format"],
		"Admin": template.Mappings.AccessLog["Admin"]["Format"],
	}
}

// What a log line holds is pinned: no key, no header but the user agent, no name of a person. What
// a caller can choose comes after all that he cannot, since API Gateway escapes nothing and the
// first value of a name counts.
func TestAccessLogsHoldNoMoreThanIsCounted(t *testing.T) {
	t.Parallel()

	for kind, resource := range map[string]string{"Rest": "resourcePath", "Http": "routeKey"} {
		var names []string
		for _, m := range regexp.MustCompile(`"(\w+)":"\$context\.([\w.]+)"`).FindAllStringSubmatch(
			logFormats(t)[kind], -1,
		) {
			names = append(names, m[2])
		}

		want := []string{
			"extendedRequestId", "requestTimeEpoch", "stage", resource, "status",
			"responseLatency", "identity.sourceIp", "error.responseType",
			"authorizer.api", "authorizer.keyId", "authorizer.organizationId", "authorizer.environment",
			"authorizer.permissions", "authorizer.customers", "authorizer.rotationStartedAt",
			"authorizer.oldSecret", "authorizer.sampleRequests", "authorizer.denialCode",
			"httpMethod", "requestId", "path", "identity.userAgent",
		}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}

		if got := strings.Count(logFormats(t)[kind], "$"); got != len(want) {
			t.Errorf("%s has %d variables", kind, got)
		}
	}
}

// In the profile cached, and in no other, every demo API writes its calls where the function reads
// them.
func TestCallsAreLoggedInTheProfileCachedOnly(t *testing.T) {
	t.Parallel()
	resources := read(t)

	setting := func(kind string) []any {
		return []any{
			"Cached",
			map[string]any{
				"DestinationArn": "arn:${AWS::Partition}:logs:${AWS::Region}:" +
					"${AWS::AccountId}:log-group:${AccessLogs}",
				"Format": []any{"AccessLog", kind, "Format"},
			},
			"AWS::NoValue",
		}
	}
	for _, environment := range environments {
		for api, want := range map[string]any{
			"Demo":     resources["Demo"+capital(environment)].Properties["AccessLogSetting"],
			"DemoHttp": resources["DemoHttp"+capital(environment)].Properties["AccessLogSettings"],
		} {
			kind := map[string]string{"Demo": "Rest", "DemoHttp": "Http"}[api]
			if diff := cmp.Diff(any(setting(kind)), want); diff != "" {
				t.Errorf("%s%s (-want +got):\n%s", api, capital(environment), diff)
			}
		}
	}

	for _, id := range []string{"AccessLog", "AccessLogs", "AccessLogFunctionLogs"} {
		if got := resources[id].Condition; got != "Cached" {
			t.Errorf("%s has the condition %q", id, got)
		}
	}

	if got := resources["AccessLogs"].Properties["RetentionInDays"]; got != "RetentionDays" {
		t.Errorf("access logs are kept for %v", got)
	}

	want := map[string]any{
		"Calls": map[string]any{
			"Type":       "CloudWatchLogs",
			"Properties": map[string]any{"LogGroupName": "AccessLogs", "FilterPattern": ""},
		},
	}
	if diff := cmp.Diff(any(want), resources["AccessLog"].Properties["Events"]); diff != "" {
		t.Errorf("what calls the function (-want +got):\n%s", diff)
	}
}

// What cannot be counted waits where somebody sees it: in a queue of its own, as long as a queue
// keeps anything, with an alarm on the first batch.
func TestBatchesThatFailWaitInAQueue(t *testing.T) {
	t.Parallel()
	resources := read(t)
	invoke := resources["AccessLog"].Properties["EventInvokeConfig"]

	want := map[string]any{
		"MaximumRetryAttempts": 2,
		"DestinationConfig": map[string]any{
			"OnFailure": map[string]any{"Type": "SQS", "Destination": "AccessLogFailures.Arn"},
		},
	}
	if diff := cmp.Diff(any(want), invoke); diff != "" {
		t.Errorf("where a batch goes that fails (-want +got):\n%s", diff)
	}

	queue := resources["AccessLogFailures"]
	alarm := resources["AccessLogFailuresAlarm"]

	if queue.Condition != "Cached" || queue.Properties["MessageRetentionPeriod"] != 14*24*60*60 ||
		queue.Properties["SqsManagedSseEnabled"] != true {
		t.Errorf("the queue: %+v", queue)
	}

	of := []any{map[string]any{"Name": "QueueName", "Value": "AccessLogFailures.QueueName"}}
	if diff := cmp.Diff(any(of), alarm.Properties["Dimensions"]); diff != "" ||
		alarm.Properties["Threshold"] != 0 || alarm.Condition != "WatchedLogs" {
		t.Errorf("the alarm: %+v\n%s", alarm, diff)
	}
}
