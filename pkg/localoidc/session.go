package localoidc

import "net/http"

// cookieName returns the name of the session's cookie. It includes the port, since browsers send a
// host's cookies to all of its ports, and several of these may run side by side.
func (p *Provider) cookieName() string { return "bitting-sign-in-" + p.base.Port() }

// cookie returns the session's cookie. maxAge is in seconds; below zero it removes the cookie.
func (p *Provider) cookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure wherever the address is; on this machine it is plain HTTP
		Name:     p.cookieName(),
		Value:    value,
		Path:     path,
		MaxAge:   maxAge,
		HttpOnly: true,
		Secure:   p.base.Scheme == "https",
		SameSite: http.SameSiteLaxMode,
	}
}

// session returns the browser's session and its name.
func (p *Provider) session(header http.Header) (name string, in session, ok bool) {
	cookie, err := (&http.Request{Header: header}).Cookie(p.cookieName())
	if err != nil {
		return "", session{}, false
	}

	in, ok = p.sessions.get(cookie.Value)
	return cookie.Value, in, ok
}

// fromHere reports whether a browser sent the request from a page of this provider's origin.
func (p *Provider) fromHere(header http.Header) bool {
	return header.Get("Sec-Fetch-Site") == "same-origin" || header.Get("Origin") == p.base.String()
}
