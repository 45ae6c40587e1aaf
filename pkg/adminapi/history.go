package adminapi

import (
	"net/http"

	"github.com/bitting-keys/bitting/pkg/organization"
)

func (a *API) registerHistory() {
	register(a, operation{
		id:      organization.KeyHistory,
		group:   GroupOrganizations,
		method:  http.MethodGet,
		path:    keyPath + "/history",
		summary: "Show a key's history",
		about:   "Newest first; readable long after the key.",
	}, lists[keyList](a, "history", a.admin.KeyHistory))
	register(a, operation{
		id:      organization.ListHistory,
		group:   GroupOrganizations,
		method:  http.MethodGet,
		path:    "/v1/organizations/{org}/history",
		summary: "Show the organization's history",
		about:   "Every change of every object, newest first.",
	}, lists[organizationList](a, "history", a.admin.History))
}
