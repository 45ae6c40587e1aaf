package localgateway

import (
	"errors"
	"slices"
	"time"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
	"github.com/bitting-keys/bitting/pkg/policy"
)

// authorizerLimit is documented for HTTP APIs and assumed for REST APIs.
const authorizerLimit = 10 * time.Second

// invokeAction is the action that an authorizer's policy must allow.
const invokeAction = "execute-api:Invoke"

// authorize calls the authorizer, or takes its cached answer, and evaluates it for this request.
// nil lets the call through.
func (g *Gateway) authorize(c *call, a template.Authorizer) *refusal {
	values, ok := g.identity(c, a)
	if !ok {
		return &unauthorized
	}

	if len(c.arn) > maxARNBytes {
		return &pathTooLong
	}

	key := cacheKey(a.Name, values)

	answer, hit := g.cache.get(key, c.start)
	if !hit {
		var refused *refusal
		if answer, refused = g.askAuthorizer(c, a, values); refused != nil {
			return refused
		}

		// Cached before it is evaluated, since it may serve calls to other paths.
		if a.TTL > 0 {
			g.cache.put(key, answer, c.start, a.TTL)
		}
	}

	c.authorization = answer
	return g.evaluate(c, answer)
}

func (g *Gateway) askAuthorizer(
	c *call, a template.Authorizer, values []string,
) (authorization, *refusal) {
	started := g.now()
	payload, err := g.invoke(c, a.Function, authorizerLimit, func() []byte {
		return g.authorizerEvent(c, a, values)
	})

	// 0 would mean that the authorizer was not called
	c.authorizerLatency = max(g.now().Sub(started), time.Nanosecond)
	switch {
	case err == nil:
	case errors.Is(err, errTimedOut) || errors.Is(err, errFunctionTimedOut):
		g.logger.WarnContext(c.request.Context(), "authorizer timed out", "authorizer", a.Name,
			"request_id", c.requestID)
		return authorization{}, &authorizerTimedOut
	case errors.Is(err, errThrottled):
		return authorization{}, &authorizerBroken
	case err.Error() == "Unauthorized":
		return authorization{}, &unauthorized
	default:
		g.logger.WarnContext(c.request.Context(), "authorizer failed", "authorizer", a.Name,
			"error", err, "request_id", c.requestID)
		return authorization{}, &authorizerBroken
	}

	answer, err := g.answers[a.SimpleResponses].of(payload, func() (authorization, error) {
		return parseAuthorization(payload, a, g.api.Kind, g.policies)
	})
	if err != nil {
		g.logger.WarnContext(c.request.Context(), "authorizer's answer is malformed", "authorizer",
			a.Name, "error", err, "request_id", c.requestID)
		return authorization{}, &authorizerBroken
	}

	return answer, nil
}

// evaluate applies an authorizer's answer to the request's ARN, which carries the path as sent,
// never the route's template.
func (g *Gateway) evaluate(c *call, answer authorization) *refusal {
	if answer.policy == nil {
		if answer.allowed {
			return nil
		}

		return &implicitDeny
	}

	switch answer.policy.EvaluateAt(invokeAction, c.arn, g.now()) {
	case policy.Allow:
		return nil
	case policy.ExplicitDeny:
		return &explicitDeny
	default:
		return &implicitDeny
	}
}

// hasPlanKey reports whether the request has a valid API key, for a method that requires one. The
// key comes from the header or from the authorizer's answer, as the API is configured, never from
// both.
func (g *Gateway) hasPlanKey(c *call) bool {
	key := g.planKey(c)
	return key != "" && slices.Contains(g.api.APIKeys, key)
}

func (g *Gateway) planKey(c *call) string {
	if g.api.APIKeySource == template.KeyFromAuthorizer {
		return c.authorization.usageKey
	}

	return last(c.request.Header.Values("X-Api-Key"))
}
