package localoidc

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

//go:embed signin.html
var pageText string

//go:embed signin.css
var styleText []byte

// page is the data of the sign-in page.
type page struct {
	Style, Action string // addresses
	ID            string // of the sign-in; empty once it has ended
	People        []Person
	Problem       string
	Console       string // address
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

	to, err := p.grant(asked, person)
	if err != nil {
		p.logger.ErrorContext(r.Context(), "sign-in failed", "error", err)
		p.render(w, r, http.StatusServiceUnavailable, page{
			Problem: "Too many sign-ins are in progress. Try again in a minute.",
		}, "")
		return
	}

	p.logger.InfoContext(r.Context(), "signed in", "person", person.Email)
	http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // to is an address of the client's, checked before the sign-in was put
}

// grant creates a code and returns the client's address with it.
func (p *Provider) grant(asked signIn, person Person) (string, error) {
	code, err := p.granted.put(grant{signIn: asked, person: person, at: p.now()})
	if err != nil {
		return "", err
	}

	return address(asked.redirect, &op.CodeResponseType{Code: code, State: asked.state})
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
