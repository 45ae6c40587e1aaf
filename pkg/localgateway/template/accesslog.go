package template

import "strings"

// readAccessLog reads the setting of a stage's access log. API Gateway accepts only formats of one
// line, and writes to log groups or to delivery streams. Only log groups are understood here.
func (r *resolver) readAccessLog(p *object, key string) *AccessLog {
	setting := p.object(key)
	if setting == nil {
		return nil
	}

	destination := setting.text("DestinationArn", "")
	format := setting.text("Format", "")
	setting.done()

	_, group, ok := strings.Cut(destination, ":log-group:")
	switch {
	case !ok && !r.whole:
		return nil // a delivery stream's log is not the gateway's answer
	case !ok:
		r.fail(setting.line("DestinationArn"),
			"%s.DestinationArn must be a log group's ARN", setting.what)
	case format == "" || strings.ContainsAny(format, "\r\n"):
		r.fail(setting.line("Format"), "%s.Format must be one line", setting.what)
	case !strings.Contains(format, "$context.requestId") &&
		!strings.Contains(format, "$context.extendedRequestId"):
		r.fail(setting.line("Format"),
			"%s.Format must have $context.requestId or $context.extendedRequestId", setting.what)
	}

	return &AccessLog{LogGroup: strings.TrimSuffix(group, ":*"), Format: format}
}

// readSubscription reads a CloudWatchLogs event of a function and returns the log group whose
// lines the function receives. A filter pattern would leave lines out.
func (r *resolver) readSubscription(p *object) string {
	if p == nil {
		return ""
	}

	if pattern := p.text("FilterPattern", ""); pattern != "" {
		r.fail(p.line("FilterPattern"),
			"%s.FilterPattern is not understood, but for an empty one", p.what)
	}

	group := p.text("LogGroupName", "")
	p.done()
	return group
}
