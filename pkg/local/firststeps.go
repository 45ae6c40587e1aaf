package local

import (
	"fmt"
	"strings"
	"text/template"

	"github.com/bitting-keys/bitting/pkg/console"
)

// promises returns the promise of each revocation profile.
func promises() map[string]string {
	return map[string]string{
		"strict": "a check that starts after a revoke returned is refused",
		"fast":   "a revoked key is refused within 5 seconds",
		"cached": "a revoked key is refused within 300 seconds, when API Gateway's cached answer " +
			"ends; keys cannot have limits",
	}
}

const steps = `
Bitting runs at {{.URL}}   (profile {{.Profile}}: {{.Promise}})
{{if .Console}}
Open the console at {{.URL}}/console/{{if .People}}, and pick a person to sign in as: {{range $i, $p := .People}}{{if $i}}, {{end}}{{$p.Name}} ({{$p.Role}} of {{$p.Organization}}){{end}}.{{end}}
{{else}}
The console is not part of this build: install Node 20.19 or later with npm, then make run builds it.
{{end}}{{if .Own}}
{{.Template}} is served in three environments. Each has its own authorizer and keys:
{{range .Own.Mounts}}
  {{$.URL}}/production{{.}}   {{$.URL}}/staging{{.}}   {{$.URL}}/development{{.}}{{end}}
{{range .Own.Notes}}
{{.}}{{end}}

A key opens the routes of its permissions. Make them of the template; NAME is the API's stage variable bittingApi, or else
demo. Without --yes, it only shows them:

  {{.Command}} --data {{.Data}} permissions import {{.Template}} --template --api NAME --yes

{{if .Admin}}Create a key in the organization acme. Its secret is shown only this once:

  {{.Command}} --data {{.Data}} keys create 'My first key' --environment production --permission PERMISSION
{{end}}
Reference of the admin API: {{.URL}}/v1/docs
{{else if .Key}}
Call the demo API with a key of its production environment:

  curl -i {{.URL}}/production/messages -H 'X-Api-Key: {{.Key}}'

The same key lacks the permission for licenses (403), and does not work in staging (401):

  curl -i {{.URL}}/production/licenses -H 'X-Api-Key: {{.Key}}'
  curl -i {{.URL}}/staging/messages -H 'X-Api-Key: {{.Key}}'

Create your own key with the admin key of the organization acme. The response shows its secret, only this once:

  curl -i {{.URL}}/v1/organizations/acme/keys -H 'X-Api-Key: {{.Admin}}' \
    -H 'Content-Type: application/json' -d '{"name": "My first key", "environment": "production", "permissions": ["messages:read"]}'

Call the admin API as a member of the demo organization:

  curl -i {{.URL}}/v1/me -H "Authorization: Bearer $({{.Command}} local token --data {{.Data}} --as alice@acme.test)"

Ask what a key is and what it may do:

  curl -i {{.URL}}/v1/whoami -H 'X-Api-Key: {{.Key}}'

Reference of the admin API: {{.URL}}/v1/docs
{{else}}
There is no demo. The operator key, which creates organizations and sets the permissions ({{.URL}}/v1/docs), is in {{.Ready}}.
{{end}}
All of this is in {{.Ready}}, for programs. The log is {{.Log}}. Ctrl-C stops Bitting; the data stays in {{.Data}}.
`

// firstSteps prints what to try.
func (m *machine) firstSteps(s Secrets) error {
	t, err := template.New("steps").Parse(steps)
	if err != nil {
		return err
	}

	var out strings.Builder

	var shown []person
	if s.AdminKey != "" {
		shown = people()
	}

	values := map[string]any{
		"URL":      m.url,
		"Console":  console.Built(),
		"People":   shown,
		"Command":  m.options.Command,
		"Profile":  m.options.Profile,
		"Promise":  promises()[m.options.Profile],
		"Key":      s.Keys["production"],
		"Admin":    s.AdminKey,
		"Operator": s.OperatorKey,
		"Ready":    m.path(readyFile),
		"Log":      m.path("bitting.log"),
		"Data":     m.options.Data,
	}
	if m.own != nil {
		values["Own"], values["Template"] = m.own, m.options.Own.Template
	}

	if err := t.Execute(&out, values); err != nil {
		return err
	}

	_, err = fmt.Fprint(m.options.Out, out.String())
	return err
}
