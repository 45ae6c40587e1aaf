package apply

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/permission"
)

// Action is what happens to an object, or what happened to it.
type Action string

// The actions.
const (
	Add    Action = "add"
	Update Action = "change"
	// Differs is a change that takes back what somebody else changed.
	Differs Action = "drift"
	Remove  Action = "remove"
)

// Item is what is different about an object.
type Item struct {
	Action      Action       `json:"action"`
	Kind        string       `json:"kind"` // permission, customer, organization, member or key
	Name        string       `json:"name"`
	Environment string       `json:"environment,omitempty"` // of a key
	ID          string       `json:"id,omitempty"`          // of what exists
	Changes     []Change     `json:"changes,omitempty"`
	Secret      string       `json:"secret,omitempty"` // where a new secret goes
	Preview     *api.Preview `json:"preview,omitempty"`
}

// Plan is what would make an organization what a file says.
type Plan struct {
	Organization string   `json:"organization"`
	Items        []Item   `json:"items"`
	Notes        []string `json:"notes,omitempty"` // what the file says nothing about
	Steps        []Step   `json:"-"`

	state State
	next  []api.Permission // the catalogue afterwards
	keys  map[string]api.Key
}

// Op is what a step does, by the operation of the API.
type Op string

// The operations. Wait is none: it lets what is cached become old.
const (
	Wait               Op = "wait"
	CreateCustomer     Op = "createCustomer"
	UpdateCustomer     Op = "updateCustomer"
	DeleteCustomer     Op = "deleteCustomer"
	PutMember          Op = "putMember"
	DeleteMember       Op = "deleteMember"
	UpdateOrganization Op = "updateOrganization"
	PutPermissions     Op = "putPermissions"
	CreateKey          Op = "createKey"
	UpdateKey          Op = "updateKey"
	DeleteKey          Op = "deleteKey"
	RevokeKey          Op = "revokeKey"
	RestoreKey         Op = "restoreKey"
	RegenerateKey      Op = "regenerateKey"
)

// Step is one call of the API.
type Step struct {
	Op     Op
	ID     string // of the object; "" for a new one, and where there is only one
	Title  string
	Body   any // the operation's body: a value of its type in package api
	Secret *Secret
}

// Options say what a plan may do.
type Options struct {
	// Prune removes what the file's sections do not mention.
	Prune bool
	// SecretDir is where secrets of new keys go whose place the file does not say; "" for nowhere.
	SecretDir string
	// Waits is that of a secret's [Place]. It is called concurrently.
	Waits func(*Secret) (bool, error)
}

// planner gathers the steps by when they are taken.
type planner struct {
	*Plan

	document *Document
	options  Options
	wrong    []error
	places   map[*Key]look

	first    []Step // customers that keys will name
	close    []Step // what only narrows
	settings []Step // what the settings lose; all of it while nothing else changes that they act on
	members  []Step // what members lose
	widen    []Step // what the settings gain
	open     []Step // what else widens
	last     []Step // customers that no key names any more

	catalogue   bool // the catalogue changes
	runtime     bool // settings that calls are checked by change
	after       api.Organization
	permissions names
}

// New compares a file with what exists. It only looks at the places of new secrets. All
// errors of the file are reported at once.
func New(d *Document, s State, o Options) (*Plan, error) {
	p := &planner{
		Plan: &Plan{
			Organization: s.Organization.ID,
			Items:        []Item{},
			state:        s,
			keys:         map[string]api.Key{},
		},
		document: d,
		options:  o,
	}
	if id := d.Organization.ID; id != "" && id != s.Organization.ID {
		return nil, d.at("organization", "the file is for %s, not for %s", id, s.Organization.ID)
	}

	for _, k := range s.Keys {
		p.keys[k.ID] = k
	}

	put := p.planPermissions()
	p.permissions = namesOf(s.Permissions, p.next)
	p.planCustomers()
	p.planSettings()
	p.planMembers()
	p.planKeys()
	p.held()

	if err := errors.Join(p.wrong...); err != nil {
		return nil, err
	}

	p.order(put)
	return p.Plan, nil
}

// order puts the steps in their order: no state between two of them admits what neither the first nor
// the last state admits.
//
//   - Everything that narrows comes first, one object at a time, to the meet of before and after.
//   - Then the catalogue changes, at once.
//   - Then everything widens to what it shall be.
func (p *planner) order(put []Step) {
	steps := slices.Concat(p.first, p.close, p.members, p.settings)
	opening := slices.Concat(p.widen, p.open)

	if len(p.settings) > 0 && p.runtime && len(put)+len(opening) > 0 {
		steps = append(steps, wait("until the settings act everywhere"))
	}

	steps = append(steps, put...)
	if len(put) > 0 && len(opening) > 0 {
		steps = append(steps, wait("until the catalogue acts everywhere"))
	}

	p.Steps = slices.Concat(steps, opening, p.last)
}

func wait(until string) Step { return Step{Op: Wait, Title: "wait " + until} }

func (p *planner) fail(path, format string, args ...any) {
	p.wrong = append(p.wrong, p.document.at(path, format, args...))
}

// try reports an error that is no fault of the file.
func (p *planner) try(err error) {
	if err != nil {
		p.wrong = append(p.wrong, err)
	}
}

// planPermissions returns the step that replaces the catalogue, if it changes.
func (p *planner) planPermissions() []Step {
	items := len(p.Items)

	wanted := map[string]bool{}
	for _, want := range p.document.Permissions {
		wanted[want.Name] = true
	}

	for _, have := range p.state.Permissions {
		if p.options.Prune && p.document.Permissions != nil && !have.BuiltIn && !wanted[have.Name] {
			p.Items = append(p.Items, Item{Action: Remove, Kind: "permission", Name: have.Name})
			continue
		}

		p.next = append(p.next, have)
	}

	for i, want := range p.document.Permissions {
		p.planPermission(fmt.Sprintf("permissions[%d]", i), want)
	}

	if p.catalogue = len(p.Items) > items; !p.catalogue {
		return nil
	}

	if _, err := permission.NewCatalogue(admin.PermissionsOf(p.next)); err != nil {
		p.wrong = append(p.wrong, err)
	}

	return []Step{{
		Op:    PutPermissions,
		Title: "replace the permission catalogue",
		Body:  api.Catalogue{Permissions: p.next},
	}}
}

func (p *planner) planPermission(path string, want Permission) {
	at := slices.IndexFunc(p.next, func(q api.Permission) bool { return q.Name == want.Name })
	have, item := api.Permission{Name: want.Name}, Item{Kind: "permission", Name: want.Name, Action: Add}

	if at >= 0 {
		have, item.Action = p.next[at], Update
	}

	if have.BuiltIn {
		p.fail(path, "%s is built in and cannot be changed", want.Name)
		return
	}

	changes, err := differences(have, want)
	p.try(err)

	if item.Changes = changes; at >= 0 && len(changes) == 0 {
		return
	}

	next, err := changed(have, changes)
	p.try(err)

	if at >= 0 {
		p.next[at] = next
	} else {
		// built-in permissions stand last
		at = slices.IndexFunc(p.next, func(q api.Permission) bool { return q.BuiltIn })
		if at < 0 {
			at = len(p.next)
		}

		p.next = slices.Insert(p.next, at, next)
	}

	p.Items = append(p.Items, item)
}

func (p *planner) planCustomers() {
	have := map[string]api.Customer{}
	for _, c := range p.state.Customers {
		have[c.ID] = c
	}

	wanted := map[string]bool{}
	for i, want := range p.document.Customers {
		wanted[want.ID] = true
		item := Item{Action: Add, Kind: "customer", Name: want.ID}
		c, exists := have[want.ID]

		changes, err := differences(c, want.UpdateCustomer)
		p.try(err)

		item.Changes = changes
		switch {
		case !exists && !want.Name.Sent:
			p.fail(fmt.Sprintf("customers[%d]", i), "it is new, and has no name")
		case !exists:
			p.Items = append(p.Items, item)
			p.first = append(p.first, Step{
				Op:    CreateCustomer,
				Title: "add customer " + want.ID,
				Body: api.CreateCustomer{
					ID:       want.ID,
					Name:     want.Name.Value,
					Metadata: want.Metadata.Value,
				},
			})
		case len(changes) > 0:
			item.Action, item.ID = Update, c.ID
			p.Items = append(p.Items, item)
			update, err := body[api.UpdateCustomer](changes)
			p.try(err)
			p.first = append(p.first, Step{
				Op:    UpdateCustomer,
				ID:    c.ID,
				Title: "change customer " + c.ID,
				Body:  update,
			})
		}
	}

	for _, c := range p.state.Customers {
		if p.options.Prune && p.document.Customers != nil && !wanted[c.ID] {
			p.Items = append(p.Items, Item{Action: Remove, Kind: "customer", Name: c.ID, ID: c.ID})
			p.last = append(p.last, Step{
				Op:    DeleteCustomer,
				ID:    c.ID,
				Title: "remove customer " + c.ID,
			})
		}
	}
}

// restricting are the settings that calls are checked by.
func restricting(changes []Change) bool {
	return slices.ContainsFunc(changes, func(c Change) bool {
		return c.Field == "settings.allowedAddresses" || c.Field == "settings.legacyKeysAccepted"
	})
}

func (p *planner) planSettings() {
	before := p.state.Organization

	changes, err := differences(before, p.document.Organization.UpdateOrganization)
	p.try(err)

	p.after, err = changed(before, changes)
	p.try(err)

	if len(changes) == 0 {
		return
	}

	p.runtime = restricting(changes)
	p.Items = append(p.Items, Item{
		Action:  Update,
		Kind:    "organization",
		Name:    before.ID,
		ID:      before.ID,
		Changes: changes,
	})

	// while nothing else is shared, one step is between what narrows and what widens
	between := p.after

	if p.catalogue {
		var said bool

		between = before
		if between.Settings, said = meetSettings(before.Settings, p.after.Settings, p.permissions); !said {
			p.fail("organization", "allowedAddresses: no address is both in what is there and in what shall "+
				"be, and the catalogue changes too: apply one of them first")
			return
		}
	}

	p.settings = p.settingsStep("narrow the settings", before, between)
	p.widen = p.settingsStep("change the settings", between, p.after)

	if len(p.widen) == 0 && len(p.settings) > 0 {
		p.settings[0].Title = "change the settings"
	}
}

// settingsStep returns the step from settings to others; none where they are the same.
func (p *planner) settingsStep(title string, from, to api.Organization) []Step {
	changes, err := differences(from, struct {
		Name     string       `json:"name"`
		Settings api.Settings `json:"settings"`
	}{to.Name, to.Settings})
	p.try(err)

	update, err := body[api.UpdateOrganization](changes)
	p.try(err)

	if len(changes) == 0 {
		return nil
	}

	return []Step{{Op: UpdateOrganization, Title: title, Body: update}}
}

func (p *planner) planMembers() {
	have := map[string]api.Member{}
	for _, m := range p.state.Members {
		have[strings.ToLower(m.Email)] = m
	}

	wanted := map[string]bool{}
	for i, want := range p.document.Members {
		email := strings.ToLower(want.Email)
		wanted[email] = true

		m, exists := have[email]
		if !exists && !want.Role.Sent {
			p.fail(fmt.Sprintf("members[%d]", i), "they are new, and have no role")
			continue
		}

		changes, err := differences(m, struct {
			Role   api.Patch[string]   `json:"role,omitzero"`
			Grants api.Patch[[]string] `json:"grants,omitzero"`
		}{want.Role, want.Grants})
		p.try(err)

		after, err := changed(m, changes)
		p.try(err)

		item := Item{Action: Add, Kind: "member", Name: email, Changes: changes}
		if exists {
			item.Action, item.ID = Update, m.ID
		}

		if exists && len(changes) == 0 {
			continue
		}

		p.Items = append(p.Items, item)
		p.memberSteps(email, exists, m, after)
	}

	for _, m := range p.state.Members {
		if p.options.Prune && p.document.Members != nil && !wanted[strings.ToLower(m.Email)] {
			p.Items = append(p.Items, Item{Action: Remove, Kind: "member", Name: m.Email, ID: m.ID})
			p.members = append(p.members, Step{
				Op:    DeleteMember,
				ID:    m.Email,
				Title: "remove member " + m.Email,
			})
		}
	}
}

// memberSteps narrows a member first. Who becomes an admin does before others stop being it: an
// organization keeps one. No setting is about what admins may do, so that is no more than afterwards.
func (p *planner) memberSteps(email string, exists bool, before, after api.Member) {
	put := func(m api.Member) Step {
		return Step{
			Op:    PutMember,
			ID:    email,
			Title: "make " + email + " " + m.Role,
			Body:  api.PutMember{Role: m.Role, Grants: m.Grants},
		}
	}

	if after.Role == "admin" {
		p.members = append([]Step{put(after)}, p.members...)
		return
	}

	if !exists {
		p.open = append(p.open, put(after))
		return
	}

	m := meetMember(before, after)
	narrows := m.Role != before.Role || !same("grants", list(m.Grants), list(before.Grants))
	widens := m.Role != after.Role || !same("grants", list(m.Grants), list(after.Grants))

	if narrows {
		p.members = append(p.members, put(m))
	}

	if widens {
		p.open = append(p.open, put(after))
	}
}

// list returns texts as JSON has them.
func list(texts []string) any {
	out := []any{}
	for _, t := range texts {
		out = append(out, t)
	}

	return out
}
