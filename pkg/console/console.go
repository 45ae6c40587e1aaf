// Package console serves the console: the page on which people manage keys. The page itself is
// built from the folder console/ and embedded here.
//
// It promises:
//
//   - Nothing of the page comes from, or goes to, another origin than the page's own and those of
//     the identity provider. No script, style or event handler in the document runs without being
//     a file of the page, except styles with the nonce of this one answer.
//   - Files whose names change with their contents are cached for good, everything else never.
//   - It works below any path: that of a stage, of a custom domain, or none.
//
// It reads no table, and knows nothing about who calls. What people may do is decided by the admin
// API, which the page calls as any client does.
package console

import (
	"bytes"
	"crypto/rand"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/proxy"
)

// embedded has the page in built/site, where `make console` puts it; without that it has no page.
//
//go:embed all:built
var embedded embed.FS

// root is the path of the console below the path of the API that serves it.
const root = "/console"

// config is what the page asks for before anything else, at /console/config.json.
type config struct {
	Issuer   string `json:"issuer"`   // "" without a sign-in
	ClientID string `json:"clientId"` // likewise
	Brand    string `json:"brand"`
	Profile  string `json:"profile"` // of revocation
	// APIs are the addresses of the API that keys are for, by environment; null if none is known.
	APIs map[string]string `json:"apis"`
}

// site is the page and its configuration.
type site struct {
	files  fs.FS
	config []byte
	policy string // Content-Security-Policy, with %s for the nonce
}

// Function returns the Lambda function that serves the console of a deployment.
func Function(c boot.Configuration) *proxy.Function {
	files, err := fs.Sub(embedded, "built/site")
	if err != nil {
		panic(err) // the path is a constant
	}

	return proxy.New(New(files, c))
}

// Built reports whether the page is part of this program.
func Built() bool {
	_, err := fs.Stat(embedded, "built/site/index.html")
	return err == nil
}

// New returns the handler of a page: index.html, and assets/ with files that are named by their
// content, each with a copy in brotli, named with .br, where it is a text. It expects calls that a
// [proxy.Function] passes on.
func New(files fs.FS, c boot.Configuration) http.Handler {
	text, err := json.Marshal(config{
		Issuer:   c.OIDCIssuer,
		ClientID: c.OIDCAudience,
		Brand:    string(c.Brand),
		Profile:  c.Profile,
		APIs:     c.APIAddresses,
	})
	if err != nil {
		panic(err) // strings can always be encoded
	}

	return &site{files: files, config: text, policy: policy(c)}
}

// policy returns the Content-Security-Policy of every answer.
func policy(c boot.Configuration) string {
	connect := []string{"'self'"}
	for _, address := range append([]string{c.OIDCIssuer}, c.SignInOrigins...) {
		if u, err := url.Parse(address); err == nil && u.Host != "" {
			connect = append(connect, u.Scheme+"://"+u.Host)
		}
	}

	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self' 'nonce-%s'",
		"img-src 'self'",
		"font-src 'self'",
		"connect-src " + strings.Join(slices.Compact(connect), " "),
		"base-uri 'none'",
		"form-action 'self'",
		"frame-ancestors 'none'",
	}, "; ")
}

// ServeHTTP implements http.Handler.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := proxy.CallOf(r.Context())
	nonce := rand.Text()

	header := w.Header()
	header.Set("Content-Security-Policy", fmt.Sprintf(s.policy, nonce))
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Cache-Control", "no-store")

	switch name := strings.TrimPrefix(call.Path, root); {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		header.Set("Allow", "GET, HEAD")
		write(w, http.StatusMethodNotAllowed, "text/plain", []byte("There are only pages here.\n"))
	case name == "":
		http.Redirect(w, r, call.Base+root+"/", http.StatusPermanentRedirect)
	case name == "/config.json":
		write(w, http.StatusOK, "application/json", s.config)
	case strings.HasPrefix(name, "/assets/"):
		s.asset(w, r, strings.TrimPrefix(name, "/"))
	default: // the page finds out itself what its path means
		s.page(w, call.Base+root, nonce)
	}
}

// page answers with the document, from any path: its addresses are made absolute, and the place of
// the nonce is filled in.
func (s *site) page(w http.ResponseWriter, base, nonce string) {
	text, err := fs.ReadFile(s.files, "index.html")
	if err != nil {
		write(w, http.StatusServiceUnavailable, "text/plain", []byte(
			"The console is not part of this build. `make console` builds it, and needs Node.\n"))
		return
	}

	text = bytes.ReplaceAll(text, []byte(`"./assets/`), []byte(`"`+base+`/assets/`))
	text = bytes.ReplaceAll(text, []byte("{nonce}"), []byte(nonce))
	write(w, http.StatusOK, "text/html", text)
}

// asset answers with a file whose name has a hash of its content.
func (s *site) asset(w http.ResponseWriter, r *http.Request, name string) {
	text, err := fs.ReadFile(s.files, name)
	if err != nil { // also a name that is no path of a file
		write(w, http.StatusNotFound, "text/plain", []byte("There is no such file.\n"))
		return
	}

	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Vary", "Accept-Encoding")

	if strings.Contains(r.Header.Get("Accept-Encoding"), "br") {
		if small, err := fs.ReadFile(s.files, name+".br"); err == nil {
			w.Header().Set("Content-Encoding", "br")

			text = small
		}
	}

	write(w, http.StatusOK, mediaType(name), text)
}

// mediaType returns the media type of a file of the page. Go's own table depends on the system's.
func mediaType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript"
	case ".css":
		return "text/css"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	default:
		return "text/plain"
	}
}

func write(w http.ResponseWriter, status int, mediaType string, body []byte) {
	if strings.HasPrefix(mediaType, "text/") {
		mediaType += "; charset=utf-8"
	}

	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	_, _ = w.Write(body) // the browser is gone
}
