package localoidc

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

//go:embed signin.html
var pageText string

//go:embed signin.css
var styleText []byte

// page is the data of a page.
type page struct {
	Style, Action string // addresses
	ID            string // of the sign-in; empty once it has ended
	People        []Person
	SignOut       *confirmation // to be confirmed
	Problem       string
	Refused       *refused
	Console       string // address
}

// refused is what a client asked for and what it could have.
type refused struct {
	ClientID, Redirect string
	Client             string
	Redirects          []string
}

// showPeople answers with the page on which the user picks a person.
func (p *Provider) showPeople(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("id")

	asked, ok := p.pending.get(id)
	if !ok {
		p.over(w, r)
		return
	}

	p.render(w, r, http.StatusOK, page{ID: id, People: p.people}, asked.redirect)
}

// over answers for a sign-in that does not exist or has ended.
func (p *Provider) over(w http.ResponseWriter, r *http.Request) {
	p.render(w, r, http.StatusBadRequest, page{
		Problem: "This sign-in has ended or expired. Start again from the application.",
	}, "")
}

// signIn takes the person who was picked and redirects to the client with a code.
func (p *Provider) signIn(w http.ResponseWriter, r *http.Request) {
	id := r.PostFormValue("id")

	asked, ok := p.pending.get(id)
	if !ok {
		p.over(w, r)
		return
	}

	person, err := p.person(r.PostFormValue("person"))
	if err != nil {
		p.render(w, r, http.StatusBadRequest, page{
			ID:      id,
			People:  p.people,
			Problem: "Nobody here has this address. Pick a person from the list.",
		}, asked.redirect)
		return
	}

	if asked, ok = p.pending.take(id); !ok { // another request was faster
		p.over(w, r)
		return
	}

	in := session{person, p.now()}

	to, err := p.grant(asked, in)
	if err != nil {
		p.logger.ErrorContext(r.Context(), "sign-in failed", "error", err)
		p.over(w, r)
		return
	}

	if before, _, ok := p.session(r.Header); ok {
		p.sessions.take(before)
	}

	http.SetCookie(w, p.cookie(p.sessions.put(in), int(sessionLife.Seconds())))
	p.logger.InfoContext(r.Context(), "signed in", "person", person.Email)
	http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // to is an address of the client's, checked before the sign-in was put
}

// grant creates a code and returns the client's address with it.
func (p *Provider) grant(asked signIn, in session) (string, error) {
	return address(asked.redirect, &op.CodeResponseType{
		Code:  p.granted.put(grant{asked, in}),
		State: asked.state,
	})
}

// showSignOut answers with the page that asks whether to sign out.
func (p *Provider) showSignOut(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()

	asked := &confirmation{
		ClientID: query.Get("client_id"),
		Redirect: query.Get("post_logout_redirect_uri"),
		State:    query.Get("state"),
	}
	if op.ValidateEndSessionPostLogoutRedirectURI(asked.Redirect, p.client) != nil {
		asked.Redirect = "" // end_session has refused it
	}

	p.render(w, r, http.StatusOK, page{SignOut: asked}, asked.Redirect)
}

// readable shows the protocol's refusals as a page: next answers browsers, and where it cannot
// redirect to the client, somebody looks at the answer.
func (p *Provider) readable(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ParseForm() != nil {
			p.render(w, r, http.StatusBadRequest, page{
				Problem: "The request cannot be read.",
			}, "")
			return
		}

		held := &refusal{ResponseWriter: w}
		if next.ServeHTTP(held, r); held.status == 0 {
			return
		}

		var fault oidc.Error
		if err := json.Unmarshal(held.body.Bytes(), &fault); err != nil {
			p.logger.ErrorContext(r.Context(), "unknown form of a refusal", "error", err)
		}

		asked := &refused{ClientID: r.Form.Get("client_id"), Client: ClientID}
		if strings.HasSuffix(r.URL.Path, endSessionPath) {
			asked.Redirect = r.Form.Get("post_logout_redirect_uri")
			asked.Redirects = p.client.logoutRedirects
		} else {
			asked.Redirect = r.Form.Get("redirect_uri")
			asked.Redirects = p.client.redirects
		}

		p.render(w, r, held.status, page{
			Problem: fmt.Sprintf("%s: %s", fault.ErrorType, fault.Description),
			Refused: asked,
		}, "")
	})
}

// refusal keeps a refusal back and lets any other answer pass.
type refusal struct {
	http.ResponseWriter
	status int // zero for any other answer
	body   bytes.Buffer
}

// WriteHeader implements http.ResponseWriter.
func (r *refusal) WriteHeader(status int) {
	if status >= http.StatusBadRequest {
		r.status = status
		return
	}

	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *refusal) Write(part []byte) (int, error) {
	if r.status != 0 {
		return r.body.Write(part)
	}

	return r.ResponseWriter.Write(part)
}

// address returns the client's address with the answer in its query. The `schema` tags of answer's
// fields are their names there.
func address(redirect string, answer any) (string, error) {
	return op.AuthResponseURL(redirect, oidc.ResponseTypeCode, oidc.ResponseModeQuery, answer,
		oidc.NewEncoder())
}

// render answers with the page. redirect is where its form may lead in the end: browsers apply
// form-action to redirects, too.
func (p *Provider) render(
	w http.ResponseWriter, r *http.Request, status int, shown page, redirect string,
) {
	shown.Style = path + stylePath

	shown.Action = path + signInPath
	if shown.SignOut != nil {
		shown.Action = path + endSessionPath
	}

	shown.Console = p.base.String() + "/console/"
	var text bytes.Buffer

	t, err := template.New("page").Parse(pageText)
	if err == nil {
		err = t.Execute(&text, shown)
	}

	if err != nil {
		p.logger.ErrorContext(r.Context(), "sign-in page failed", "error", err)
		http.Error(w, "The sign-in page could not be rendered.", http.StatusInternalServerError)
		return
	}

	targets := "'self'"
	if u, err := url.Parse(redirect); err == nil && u.Host != "" {
		targets += " " + u.Scheme + "://" + u.Host
	}

	w.Header().Set("Content-Security-Policy",
		fmt.Sprintf("default-src 'none'; style-src 'self'; img-src data:; form-action %s; "+
			"base-uri 'none'; frame-ancestors 'none'", targets))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = text.WriteTo(w) // the browser is gone
}

func style(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(styleText) // the browser is gone
}
