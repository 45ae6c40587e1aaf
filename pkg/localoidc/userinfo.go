package localoidc

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// userinfo answers with the claims about the person to whom an access token was issued. It refuses
// as RFC 6750, section 3, says, which the protocol's library does not.
func (p *Provider) userinfo(w http.ResponseWriter, r *http.Request) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	inHeader := strings.EqualFold(scheme, oidc.BearerToken)

	inBody := r.PostFormValue("access_token") // not from the address, which ends up in histories
	switch {
	case inHeader && inBody != "":
		challenge(w, http.StatusBadRequest, "invalid_request", "there are two access tokens")
		return
	case !inHeader && inBody == "":
		challenge(w, http.StatusUnauthorized, "", "")
		return
	case !inHeader:
		token = inBody
	}

	person, ok := p.bearer(token)
	if !ok {
		challenge(w, http.StatusUnauthorized, "invalid_token",
			"the access token is malformed, expired or not for userinfo")
		return
	}

	answer(w, http.StatusOK, &oidc.UserInfo{
		Subject:         person.subject(),
		UserInfoProfile: oidc.UserInfoProfile{Name: person.Name},
		UserInfoEmail:   oidc.UserInfoEmail{Email: person.Email, EmailVerified: true},
	})
}

// challenge refuses a request. code is empty for one without an access token.
func challenge(w http.ResponseWriter, status int, code, description string) {
	text := `Bearer realm="bitting local"`
	if code != "" {
		text += fmt.Sprintf(`, error=%q, error_description=%q`, code, description)
	}

	w.Header().Set("WWW-Authenticate", text)
	answer(w, status, struct {
		Code        string `json:"error,omitempty"`
		Description string `json:"error_description,omitempty"`
	}{code, description})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone
}
