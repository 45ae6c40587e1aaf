package localgateway

import (
	"cmp"
	"strconv"
	"strings"
	"time"
)

// logLine formats a call for the stage's access log. As in a gateway response there is neither
// logic nor escaping: quotes in a value stay quotes. A variable without a value becomes a hyphen,
// and control characters are left out (I).
func (g *Gateway) logLine(c *call, r AccessRecord) string {
	line := variable.ReplaceAllStringFunc(g.api.AccessLog.Format, func(name string) string {
		return cmp.Or(g.logVariable(c, r, name[1:]), "-")
	})
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}

		return r
	}, line)
}

// logVariable returns the value of a variable, including those that only an access log has.
func (g *Gateway) logVariable(c *call, r AccessRecord, name string) string {
	switch name {
	case "context.status":
		return strconv.Itoa(r.Status)
	case "context.responseLatency":
		return strconv.FormatInt(milliseconds(r.ResponseLatency), 10)
	case "context.responseLength":
		return strconv.Itoa(r.ResponseLength)
	case "context.authorizer.latency", "context.authorizer.integrationLatency":
		return latency(r.AuthorizerLatency)
	case "context.integration.latency", "context.integrationLatency":
		return latency(r.IntegrationLatency)
	case "context.error.message":
		return r.ErrorMessage
	case "context.error.responseType":
		return r.ErrorResponseType
	}

	return g.variable(c, name)
}

// latency formats a latency; empty if nothing was called.
func latency(d time.Duration) string {
	if d == 0 {
		return ""
	}

	return strconv.FormatInt(milliseconds(d), 10)
}
