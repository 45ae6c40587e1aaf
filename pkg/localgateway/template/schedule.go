package template

import (
	"encoding/json"
	"regexp"
	"strconv"
	"time"
)

// readSchedules returns the Schedule events among events. Cron expressions are refused: they would
// need a calendar.
func (r *resolver) readSchedules(events []event) []Schedule {
	var schedules []Schedule
	for _, e := range events {
		if e.kind != "Schedule" {
			continue
		}

		if e.fields == nil {
			r.fail(e.node, "%s: event %s has no Properties, and so no Schedule", e.owner, e.name)
			return nil
		}

		if s, enabled := r.readSchedule(e.name, e.fields); enabled {
			schedules = append(schedules, s)
		}
	}

	return schedules
}

// rateExpression requires a singular unit for 1 and a plural one for more, as AWS does:
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
var rateExpression = regexp.MustCompile(`^rate\((?:1 (minute|hour|day)|([2-9]|[1-9]\d{1,4}) (minute|hour|day)s)\)$`)

var rateUnits = map[string]time.Duration{
	"minute": time.Minute,
	"hour":   time.Hour,
	"day":    24 * time.Hour,
}

func (r *resolver) readSchedule(name string, p *object) (s Schedule, enabled bool) {
	expression := p.text("Schedule", "")

	m := rateExpression.FindStringSubmatch(expression)
	if m == nil {
		r.fail(p.line("Schedule"),
			"%s: schedule %q is not understood, want a rate such as rate(5 minutes)", p.what,
			expression)
		return Schedule{}, false
	}

	s = Schedule{Name: name, Every: rateUnits[m[1]+m[3]], Input: p.text("Input", "")}
	if m[2] != "" {
		n, _ := strconv.Atoi(m[2]) // digits
		s.Every *= time.Duration(n)
	}

	if s.Input != "" && !json.Valid([]byte(s.Input)) {
		r.fail(p.line("Input"), "%s: Input is no JSON", p.what)
	}

	if p.has("Enabled") && p.has("State") {
		r.fail(p.line("State"), "%s: State and Enabled exclude each other", p.what)
	}

	enabled = p.boolean("Enabled", true) &&
		p.oneOf("State", "ENABLED", "ENABLED", "DISABLED") == "ENABLED"
	// These only affect events that the function did not accept.
	p.ignore("DeadLetterConfig", "Description", "Name", "RetryPolicy", "RoleArn")
	p.done()
	return s, enabled
}
