package bitting_test

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/metric"
)

// runbooks is the page of the runbooks, and where alarms say that it is.
const (
	runbooks        = "docs/runbooks.md"
	runbooksAddress = "https://github.com/bitting-keys/bitting/blob/main/docs/runbooks.md#"
)

// alarms returns the alarms by logical id.
func alarms(t *testing.T) map[string]resource {
	t.Helper()

	all := read(t)
	maps.DeleteFunc(all, func(_ string, r resource) bool { return r.Type != "AWS::CloudWatch::Alarm" })

	if len(all) == 0 {
		t.Fatal("there are no alarms")
	}

	return all
}

// measured is a metric that an alarm looks at.
type measured struct {
	Namespace, Name string
	Dimensions      []string
}

// looksAt returns the metrics of an alarm.
func looksAt(a resource) []measured {
	one := func(of any) measured {
		m := measured{}
		m.Namespace, _ = at(of, "Namespace").(string)
		m.Name, _ = at(of, "MetricName").(string)

		for _, d := range list(at(of, "Dimensions")) {
			name, _ := at(d, "Name").(string)
			m.Dimensions = append(m.Dimensions, name)
		}

		return m
	}
	if a.Properties["MetricName"] != nil {
		return []measured{one(a.Properties)}
	}

	var out []measured
	for _, m := range list(a.Properties["Metrics"]) {
		if of := at(m, "MetricStat", "Metric"); of != nil {
			out = append(out, one(of))
		}
	}

	return out
}

// ours returns the metrics of pkg/metric by name.
func ours() map[string]metric.Facts {
	out := map[string]metric.Facts{}
	for _, f := range metric.Table() {
		out[f.Name] = f
	}

	return out
}

// An alarm on a metric that nobody writes never goes off.
func TestAlarmsLookAtMetricsThatExist(t *testing.T) {
	t.Parallel()

	for id, a := range alarms(t) {
		metrics := looksAt(a)
		if len(metrics) == 0 {
			t.Errorf("%s looks at nothing", id)
		}

		metered := false
		for _, m := range metrics {
			if m.Namespace != metric.Namespace {
				if !strings.HasPrefix(m.Namespace, "AWS/") {
					t.Errorf("%s looks at the namespace %q", id, m.Namespace)
				}

				continue
			}

			metered = true

			f, ok := ours()[m.Name]
			if !ok {
				t.Errorf("%s looks at %s, which nobody writes", id, m.Name)
			}

			want := []string{metric.Stack}
			if f.PerFunction {
				want = append(want, metric.FunctionName)
			}

			if diff := cmp.Diff(want, m.Dimensions); diff != "" {
				t.Errorf("%s: dimensions of %s (-want +got):\n%s", id, m.Name, diff)
			}
		}

		if metered != (a.Condition == "WatchedMetrics") {
			t.Errorf("%s has the condition %q, and looks at our metrics: %t", id, a.Condition, metered)
		}
	}
}

// Every alarm says what happens where its data are missing, and tells whoever wants to be told, also
// when it is over.
func TestAlarmsTell(t *testing.T) {
	t.Parallel()

	for id, a := range alarms(t) {
		want := any([]any{"Alarmed", []any{"AlarmTopicArn"}, "AWS::NoValue"})
		for _, actions := range []string{"AlarmActions", "OKActions"} {
			if diff := cmp.Diff(want, a.Properties[actions]); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", id, actions, diff)
			}
		}

		missing := "notBreaching"
		if id == "UpkeepMissingAlarm" {
			missing = "breaching" // what does not run says nothing
		}

		if got := a.Properties["TreatMissingData"]; got != missing {
			t.Errorf("%s: missing data are %v", id, got)
		}

		periods, _ := a.Properties["EvaluationPeriods"].(int)
		if points, _ := a.Properties["DatapointsToAlarm"].(int); points < 1 || points > periods {
			t.Errorf("%s goes off after %d of %d periods", id, points, periods)
		}
	}
}

// Whoever is woken by an alarm finds a section that says what to do, and there is no section for an
// alarm that does not exist.
func TestEveryAlarmHasARunbook(t *testing.T) {
	t.Parallel()

	page, err := os.ReadFile(runbooks)
	if err != nil {
		t.Fatal(err)
	}

	sections := map[string]string{} // by anchor
	for _, section := range strings.Split(string(page), "\n## ")[1:] {
		title, text, _ := strings.Cut(section, "\n")
		sections[strings.ReplaceAll(strings.ToLower(title), " ", "-")] = text
	}

	linked := map[string]bool{}
	for id, a := range alarms(t) {
		description, _ := a.Properties["AlarmDescription"].(string)

		_, anchor, ok := strings.Cut(description, ": "+runbooksAddress)
		if !ok {
			t.Errorf("%s does not say where its runbook is: %q", id, description)
			continue
		}

		linked[anchor] = true

		text, ok := sections[anchor]
		if !ok {
			t.Errorf("%s: there is no section %q", id, anchor)
			continue
		}

		if !strings.Contains(text, "`"+id+"`") {
			t.Errorf("the section %q does not name the alarm %s", anchor, id)
		}
	}

	for anchor, text := range sections {
		if !linked[anchor] {
			t.Errorf("no alarm leads to the section %q", anchor)
		}

		for _, part := range []string{"**Means**", "**Callers**", "**Look at**", "**Do**"} {
			if !strings.Contains(text, part) {
				t.Errorf("the section %q has no %s", anchor, part)
			}
		}

		for _, name := range regexp.MustCompile("`(\\w+Alarm)`").FindAllStringSubmatch(text, -1) {
			if _, ok := alarms(t)[name[1]]; !ok {
				t.Errorf("the section %q names %s, which does not exist", anchor, name[1])
			}
		}
	}
}

// Every metric is explained where people look for it, with its unit, and no other is.
func TestMetricsAreExplained(t *testing.T) {
	t.Parallel()

	page, err := os.ReadFile("docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}

	_, section, _ := strings.Cut(string(page), "\n### Metrics\n")
	section, _, _ = strings.Cut(section, "\n### ")

	var told, want []string
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !strings.Contains(cells[1], "`") {
			continue
		}

		for _, name := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(cells[1], -1) {
			told = append(told, name[1]+" in "+strings.TrimSpace(cells[2]))
		}
	}

	for _, f := range metric.Table() {
		want = append(want, f.Name+" in "+string(f.Unit))
	}

	slices.Sort(told)
	slices.Sort(want)

	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("metrics in operations.md (-table +page):\n%s", diff)
	}
}

// The dashboard shows metrics that exist. Its body is JSON, once its variables are filled in.
func TestDashboardShowsWhatExists(t *testing.T) {
	t.Parallel()
	overview := read(t)["Overview"]

	parts := list(overview.Properties["DashboardBody"])
	if len(parts) != 2 || overview.Condition != "Drawn" {
		t.Fatalf("%+v", overview)
	}

	body, _ := parts[0].(string)
	body = regexp.MustCompile(`\$\{[\w:]+\}`).ReplaceAllString(body, "x")

	if !json.Valid([]byte(body)) {
		t.Errorf("it is not JSON: %s", body)
	}

	var names []string
	for _, m := range regexp.MustCompile(`"Bitting", "(\w+)"`).FindAllStringSubmatch(body, -1) {
		names = append(names, m[1])
	}

	search := regexp.MustCompile(`SEARCH\('\{Bitting,[^}]*\}[^)]*MetricName=\(([^)]*)\)`)
	for _, m := range search.FindAllStringSubmatch(body, -1) {
		for _, name := range regexp.MustCompile(`\\"(\w+)\\"`).FindAllStringSubmatch(m[1], -1) {
			names = append(names, name[1])
		}
	}

	if len(names) < 10 {
		t.Errorf("it shows %v", names)
	}

	for _, name := range names {
		if _, ok := ours()[name]; !ok {
			t.Errorf("it shows %s, which nobody writes", name)
		}
	}
}

// The admin API's log says who did what and when, and nothing that a caller sent: a path, a query, a
// header or a body may hold a secret by mistake, and what an authorizer says of a person may be
// their address.
func TestAdminAccessLogHoldsNoSecrets(t *testing.T) {
	t.Parallel()
	format := logFormats(t)["Admin"]

	var line map[string]string
	if err := json.Unmarshal([]byte(format), &line); err != nil {
		t.Fatalf("%v: %s", err, format)
	}

	fine := []string{
		"requestId", "extendedRequestId", "requestTimeEpoch", "resourcePath", "httpMethod", "status",
		"responseLatency", "responseLength", "integration.latency", "authorizer.latency",
		"error.responseType", "waf.status", "identity.sourceIp",
		"authorizer.keyId", "authorizer.organizationId", "authorizer.userId",
	}

	var got []string
	for _, m := range regexp.MustCompile(`\$([\w.]+)`).FindAllStringSubmatch(format, -1) {
		name, ok := strings.CutPrefix(m[1], "context.")
		if !ok || !slices.Contains(fine, name) {
			t.Errorf("it has $%s", m[1])
		}

		got = append(got, name)
	}

	if len(line) != len(got) || strings.Count(format, "$") != len(got) {
		t.Errorf("%d fields, %d variables", len(line), len(got))
	}

	resources := read(t)
	want := any([]any{"AdminLogged", map[string]any{
		"DestinationArn": "arn:${AWS::Partition}:logs:${AWS::Region}:" +
			"${AWS::AccountId}:log-group:${AdminAccessLogs}",
		"Format": []any{"AccessLog", "Admin", "Format"},
	}, "AWS::NoValue"})

	if diff := cmp.Diff(want, resources["AdminApi"].Properties["AccessLogSetting"]); diff != "" {
		t.Errorf("the setting (-want +got):\n%s", diff)
	}

	if resources["AdminAccessLogs"].Condition != "AdminLogged" {
		t.Errorf("its group: %+v", resources["AdminAccessLogs"])
	}
}

// Behind an alias, a version is made for each release of the function itself, and what other stacks
// and API Gateway are given is the alias. The alarms that stop a release are the authorizer's own.
func TestReleasesGoThroughTheAlias(t *testing.T) {
	t.Parallel()
	resources := read(t)

	for _, environment := range environments {
		id := capital(environment) + "Authorizer"
		version, alias := resources[id+"Version"], resources[id+"Live"]
		group := resources[id+"Releases"]

		for _, r := range []resource{version, alias, group} {
			if r.Condition != "Aliased" {
				t.Errorf("%s: %s has the condition %q", id, r.Type, r.Condition)
			}
		}

		if diff := cmp.Diff(map[string]any{
			"FunctionName": id, "Description": "Release",
		}, version.Properties); diff != "" {
			t.Errorf("%s: the version (-want +got):\n%s", id, diff)
		}

		if alias.Properties["FunctionVersion"] != id+"Version.Version" ||
			alias.Properties["FunctionName"] != id {
			t.Errorf("%s: the alias: %v", id, alias.Properties)
		}

		stops := []any{
			map[string]any{"Name": id + "FailsAlarm"}, map[string]any{"Name": id + "SlowAlarm"},
		}
		if diff := cmp.Diff(any(stops), at(group.Properties["AlarmConfiguration"],
			"Alarms")); diff != "" {
			t.Errorf("%s: what stops a release (-want +got):\n%s", id, diff)
		}
	}

	text, err := os.ReadFile("template.yaml")
	if err != nil {
		t.Fatal(err)
	}

	// Whoever is given the function itself is not asked by an alias.
	for _, m := range regexp.MustCompile(
		`(?m)^.*!GetAtt (?:Production|Staging|Development)Authorizer\.Arn.*$`,
	).FindAllString(string(text), -1) {
		if !strings.Contains(m, "!If [Aliased, !Ref ") {
			t.Errorf("not by the alias: %s", strings.TrimSpace(m))
		}
	}
}
