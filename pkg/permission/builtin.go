package permission

// AdminAPI is the name of the admin API. No other API can have it.
const AdminAPI = "admin"

// builtIns returns the permissions of the admin API, in the order in which they follow the
// operator's own. They have no routes here: the operations of the admin API check them.
func builtIns() []Permission {
	builtIn := func(name, title, description string) Permission {
		return Permission{
			Name:        name,
			Title:       title,
			Description: description,
			BuiltIn:     true,
			Routes:      []Route{},
		}
	}
	return []Permission{
		builtIn("keys:read", "Read keys",
			"List and show keys, explain why a call was allowed or refused, and follow "+
				"background jobs. Never shows a secret."),
		builtIn("keys:write", "Manage keys",
			"Create, change, delete and import keys, and enable or extend many of them at once."),
		builtIn("keys:rotate", "Rotate keys",
			"Give a key a new secret: at once, or with an overlap during which the old one still works."),
		builtIn("keys:revoke", "Revoke keys",
			"Revoke and restore keys, and revoke or disable many of them at once."),
		builtIn("usage:read", "Read usage",
			"See how often keys are used and for what, their recent calls, and advice on keys "+
				"that could be narrower."),
		builtIn("history:read", "Read history",
			"See who did what to a key or to the organization, when and from where."),
		builtIn("members:write", "Manage members",
			"Invite and remove members, and change their roles and grants."),
		builtIn("organization:write", "Manage the organization",
			"Change the organization's settings and its customers."),
		builtIn("permissions:write", "Manage the permission catalogue",
			"Change which permissions there are and which routes they open. For operators of the "+
				"service only."),
	}
}
