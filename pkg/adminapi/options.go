package adminapi

import (
	"net/http"
	"strings"
)

// options answers OPTIONS, and reports whether the path has any operation.
func (a *API) options(w *response, r *http.Request) bool {
	var allowed []string
	for _, method := range []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete,
	} {
		probe := *r
		probe.Method = method

		if _, pattern := a.mux.Handler(&probe); pattern != "" {
			allowed = append(allowed, method)
		}
	}

	if allowed == nil {
		return false
	}

	methods := strings.Join(append(allowed, http.MethodOptions), ", ")
	w.Header().Set("Allow", methods)

	if forPages(r.URL.Path) {
		w.Header().Set("Access-Control-Allow-Methods", methods)
		w.Header().Set("Access-Control-Allow-Headers", "Authorization, X-Api-Key")
		w.Header().Set("Access-Control-Max-Age", "600")
	}

	w.WriteHeader(http.StatusNoContent)
	return true
}

// forPages reports whether a page of any origin may read the answers of a path: what the holder of a
// key asks for on a page of their own, who has no session here that another's page could use. All
// else is for servers.
func forPages(path string) bool { return path == whoamiPath || path == documentPath }

const (
	whoamiPath   = "/v1/whoami"
	documentPath = "/v1/openapi.json"
)

// exposed are the headers of an answer that a page may read, besides those that every page may.
const exposed = "Retry-After, WWW-Authenticate, " + remappedAuthenticate

// remappedAuthenticate is what a REST API calls the WWW-Authenticate of a function.
const remappedAuthenticate = "X-Amzn-Remapped-Www-Authenticate"

func letPagesRead(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", exposed)
}
