package localgateway

import (
	"net"
	"net/http"
	"strings"
	"unicode/utf8"
)

// headers returns the request's headers as an integration or authorizer receives them: with Host,
// and with the proxy's own X-Forwarded headers. Of these, only X-Forwarded-For continues what the
// client sent.
func (c *call) headers() http.Header {
	h := c.request.Header.Clone()
	for _, name := range []string{
		"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding",
		"Upgrade",
	} {
		h.Del(name)
	}

	h.Set("Host", c.request.Host)
	h.Set("X-Forwarded-For",
		strings.Join(append(c.request.Header.Values("X-Forwarded-For"), c.sourceIP), ", "))

	proto, port := "http", "80"
	if c.request.TLS != nil {
		proto, port = "https", "443"
	}

	h.Set("X-Forwarded-Proto", proto)

	if _, p, err := net.SplitHostPort(c.request.Host); err == nil {
		port = p
	}

	h.Set("X-Forwarded-Port", port)
	return h
}

// lowerCase returns the headers under lower-case names, as HTTP APIs send them.
func lowerCase(h http.Header) http.Header {
	m := make(http.Header, len(h))
	for name, v := range h {
		m[strings.ToLower(name)] = v
	}

	return m
}

// cookies splits the Cookie headers as payload 2.0 lists them.
func cookies(h http.Header) []string {
	var all []string
	for _, line := range h.Values("Cookie") {
		for _, c := range strings.Split(line, ";") {
			if c = strings.TrimSpace(c); c != "" {
				all = append(all, c)
			}
		}
	}

	return all
}

// isText reports whether an HTTP API passes a body of this media type as it is
// rather than in base64. Without a type, UTF-8 passes as text (inferred).
func isText(contentType string, body []byte) bool {
	mediaType, _, _ := strings.Cut(strings.ToLower(contentType), ";")

	mediaType = strings.TrimSpace(mediaType)
	switch {
	case mediaType == "":
		return utf8.Valid(body)
	case strings.HasPrefix(mediaType, "text/"), strings.HasSuffix(mediaType, "+json"),
		strings.HasSuffix(mediaType, "+xml"):
		return true
	}

	switch mediaType {
	case "application/json", "application/javascript", "application/xml":
		return true
	}

	return false
}

// isBinary reports whether a REST API has a media type in its binary media types.
func isBinary(binaryTypes []string, header string) bool {
	for _, wanted := range strings.Split(header, ",") {
		mediaType, _, _ := strings.Cut(wanted, ";")
		mediaType = strings.ToLower(strings.TrimSpace(mediaType))

		major, _, _ := strings.Cut(mediaType, "/")
		for _, binary := range binaryTypes {
			if binary == "*/*" ||
				(mediaType != "" && (binary == mediaType || binary == major+"/*")) {
				return true
			}
		}
	}

	return false
}
