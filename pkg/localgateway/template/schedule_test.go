package template_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

func scheduled(events string) ([]template.Schedule, error) {
	tmpl, err := template.Read([]byte(head+`
Parameters:
  Input: {Type: String, Default: '{"a": 1}'}
Resources:
  F: {Type: AWS::Serverless::Function, Properties: {CodeUri: f, Events: {`+events+`}}}
`), nil)
	if err != nil {
		return nil, err
	}

	return tmpl.Functions["F"].Schedules, nil
}

func TestSchedules(t *testing.T) {
	t.Parallel()

	for events, want := range map[string][]template.Schedule{
		`E: {Type: S3, Properties: {Bucket: b}}`: nil,
		`E: {Type: Schedule, Properties: {Schedule: rate(1 minute)}}`: {{
			Name:  "E",
			Every: time.Minute,
		}},
		`E: {Type: Schedule, Properties: {Schedule: rate(12 hours), Input: !Ref Input}}`: {{
			Name:  "E",
			Every: 12 * time.Hour,
			Input: `{"a": 1}`,
		}},
		`E: {Type: Schedule, Properties: {Schedule: rate(7 days), RetryPolicy: {MaximumRetryAttempts: 0}}}`: {{
			Name:  "E",
			Every: 7 * 24 * time.Hour,
		}},
		`E: {Type: Schedule, Properties: {Schedule: rate(1 day), Enabled: false}}`:  nil,
		`E: {Type: Schedule, Properties: {Schedule: rate(1 day), State: DISABLED}}`: nil,
		`A: {Type: Schedule, Properties: {Schedule: rate(1 day)}}, B: {Type: Schedule, Properties: {Schedule: rate(1 hour), State: ENABLED, Name: n, Description: d}}`: {
			{Name: "A", Every: 24 * time.Hour}, {Name: "B", Every: time.Hour},
		},
	} {
		t.Run(events, func(t *testing.T) {
			t.Parallel()

			got, err := scheduled(events)
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestSchedulesThatAreRefused(t *testing.T) {
	t.Parallel()

	for properties, want := range map[string]string{
		`{}`:                                                    `F.Events.E: schedule "" is not understood`,
		`{Schedule: 'cron(0 12 * * ? *)'}`:                      `schedule "cron(0 12 * * ? *)" is not understood`,
		`{Schedule: rate(1 minutes)}`:                           `schedule "rate(1 minutes)" is not understood`,
		`{Schedule: rate(2 minute)}`:                            `schedule "rate(2 minute)" is not understood`,
		`{Schedule: rate(0 minutes)}`:                           `schedule "rate(0 minutes)" is not understood`,
		`{Schedule: rate(10 seconds)}`:                          `schedule "rate(10 seconds)" is not understood`,
		`{Schedule: rate(1 day), Input: no json}`:               "F.Events.E: Input is no JSON",
		`{Schedule: rate(1 day), State: OFF}`:                   `F.Events.E.State is "OFF", want one of ENABLED, DISABLED`,
		`{Schedule: rate(1 day), State: ENABLED, Enabled: yes}`: "State and Enabled exclude each other",
		`{Schedule: rate(1 day), Layers: x}`: "F.Events.E: property Layers is " +
			"not understood",
	} {
		t.Run(properties, func(t *testing.T) {
			t.Parallel()
			_, err := scheduled(`E: {Type: Schedule, Properties: ` + properties + `}`)

			var refused *template.Error
			if err == nil || !strings.Contains(err.Error(), want) || !errors.As(err, &refused) ||
				refused.Line != 6 {
				t.Errorf("got %v, want line 6: …%s…", err, want)
			}
		})
	}

	if _, err := scheduled(`E: {Type: Schedule}`); err == nil ||
		!strings.Contains(err.Error(), "event E has no Properties") {
		t.Errorf("got %v", err)
	}
}
