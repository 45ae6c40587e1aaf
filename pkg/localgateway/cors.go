package localgateway

import (
	"net/http"
	"strconv"
	"strings"
)

// isPreflight reports whether an HTTP API with CORS answers this request itself, without looking
// at its routes. See
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
func (g *Gateway) isPreflight(c *call) bool {
	return g.api.CORS != nil && c.request.Method == http.MethodOptions &&
		c.request.Header.Get("Origin") != "" &&
		c.request.Header.Get("Access-Control-Request-Method") != ""
}

// addCORS replaces a function's CORS headers with those of the HTTP API's configuration, on
// refusals too.
func (g *Gateway) addCORS(c *call, header http.Header) {
	if g.api.CORS == nil {
		return
	}

	// A function's headers do not count, even if the origin is not allowed.
	for name := range header {
		if strings.HasPrefix(name, "Access-Control-") {
			header.Del(name)
		}
	}

	cors := g.api.CORS

	origin := allowedOrigin(cors.AllowOrigins, c.request.Header.Get("Origin"))
	if origin == "" {
		return
	}

	header.Set("Access-Control-Allow-Origin", origin)

	if cors.AllowCredentials {
		header.Set("Access-Control-Allow-Credentials", "true")
	}

	if !g.isPreflight(c) {
		setList(header, "Access-Control-Expose-Headers", cors.ExposeHeaders)
		return
	}

	setList(header, "Access-Control-Allow-Methods", cors.AllowMethods)
	setList(header, "Access-Control-Allow-Headers", cors.AllowHeaders)

	if cors.MaxAge != nil {
		header.Set("Access-Control-Max-Age", strconv.Itoa(*cors.MaxAge))
	}
}

// allowedOrigin returns the value of Access-Control-Allow-Origin, empty if the origin is not
// allowed. Besides whole origins, *, http://* and https://* can be allowed.
func allowedOrigin(allowed []string, origin string) string {
	if origin == "" {
		return ""
	}

	for _, a := range allowed {
		prefix, open := strings.CutSuffix(a, "*")
		switch {
		case a == "*":
			return "*"
		case strings.EqualFold(a, origin), open && strings.HasPrefix(origin, prefix):
			return origin
		}
	}

	return ""
}

func setList(header http.Header, name string, values []string) {
	if len(values) > 0 {
		header.Set(name, strings.Join(values, ","))
	}
}

// mockPreflight returns the answer of the OPTIONS method that SAM adds to a REST API.
func mockPreflight(headers map[string]string) answer {
	a := answer{status: http.StatusOK, header: http.Header{}, body: []byte("{}\n")}
	a.header.Set("Content-Type", "application/json")

	for name, value := range headers {
		a.header.Set(name, value)
	}

	return a
}
