package protect

import (
	"slices"
)

// converted reports whether an implicit REST API is made an explicit one: SAM lets nobody say where
// an implicit one gets its keys from, and without that it cannot answer 429.
func (s *sam) converted(o Options) bool {
	return s.ID == implicitREST && !o.KeepImplicit && !s.conditional()
}

// conditional reports whether every function of an implicit API has a condition, which SAM then
// gives to the API.
func (s *sam) conditional() bool {
	return !slices.ContainsFunc(s.events, func(e event) bool {
		return get(e.resource, "Condition") == nil
	})
}

// newID is the logical id of the explicit API that an implicit one becomes.
func (s *sam) newID() string {
	id := "RestApi"
	for get(s.document.root, "Resources", id) != nil {
		id = "Bitting" + id
	}

	return id
}

// wants implements API.wants.
func (s *sam) wants(o Options) (wants []want, notes []string) {
	if guard := s.guardOf(s.defaultAuthorizer()); guard == another || guard == unread {
		return nil, []string{at(s.defaultAuthorizer().Line) + s.ID +
			" has another default authorizer, which stays: remove it for Bitting's"}
	}

	properties := []want{
		{key: s.Kind.variables(), in: []want{
			{key: stageVariable, value: scalar(s.name(o)), force: true},
		}},
	}

	guarded := s.elsewhere == ""
	if guarded {
		properties = append(properties, s.auth(o))
		wants = append(wants, authorizerParameter(o))
	} else {
		notes = append(notes, s.ID+": "+s.elsewhere)
	}

	id, path := s.ID, s.path

	if s.Kind == REST {
		if guarded && len(s.responses) > 0 {
			properties = append(properties, want{key: "GatewayResponses", in: samResponses(o)})
		}

		if s.converted(o) {
			id = s.newID()
			path = []string{"Resources", id, "Properties"}
			wants = append(wants, under([]string{"Resources", id},
				want{key: "Type", value: scalar("AWS::Serverless::Api")},
				want{key: "Properties", in: []want{{key: "StageName", value: scalar("Prod")}}}))

			for _, e := range s.events {
				wants = append(wants, under(e.path(),
					want{key: "RestApiId", value: function("Ref", id)}))
			}

			notes = append(notes, "the API that SAM makes of events without RestApiId cannot answer "+
				"429, so it becomes "+id+", with another address; --keep-implicit leaves it")
		}

		if id != implicitREST {
			properties = append(properties,
				want{key: "ApiKeySourceType", value: scalar("AUTHORIZER"), force: true})
			wants = append(wants, plan(o, id, get(s.resource, "Condition"), value([]any{
				map[string]any{"ApiId": function("Ref", id), "Stage": function("Ref", id+".Stage")},
			}), s.plan)...)
		}
	}

	if o.Cached {
		setting, parameters := accessLog(o, s.Kind)
		properties = append(properties, setting)
		wants = append(wants, parameters...)
	}

	return append(wants, under(path, properties...)), notes
}

// auth is what the API says of its authorizer.
func (s *sam) auth(o Options) want {
	name := s.authorizerName()
	description := []want{
		{key: "FunctionArn", value: function("Ref", parameterAuthorizer)},
	}

	if s.Kind == HTTP {
		description = append([]want{
			{key: "AuthorizerPayloadFormatVersion", value: quoted("2.0"), force: true},
			{key: "EnableFunctionDefaultPermissions", value: value(true), force: true},
		}, append(description, identity(o, s.Kind))...)
	} else {
		description = append([]want{
			{key: "FunctionPayloadType", value: scalar("REQUEST"), force: true},
		}, append(description, identity(o, s.Kind))...)
	}

	in := []want{}
	if s.defaultAuthorizer() == nil || plain(s.defaultAuthorizer()) == noAuthorizer {
		in = append(in, want{key: "DefaultAuthorizer", value: scalar(name), force: true})
	}

	if s.Kind == REST {
		in = append(in,
			want{key: "AddDefaultAuthorizerToCorsPreflight", value: value(false), force: true},
			want{key: "AddApiKeyRequiredToCorsPreflight", value: value(false), force: true})
		if s.ID != implicitREST || s.converted(o) {
			in = append(in,
				want{key: "ApiKeyRequired", value: value(true), force: true},
				want{key: "UsagePlan", in: []want{{key: "CreateUsagePlan", value: scalar("NONE")}}})
		}
	}

	return want{key: "Auth", in: append(in,
		want{key: "Authorizers", in: []want{{key: name, in: description}}})}
}

// identity is what the cache of answers is keyed on, and how long one is kept.
func identity(o Options, kind Kind) want {
	if !o.Cached || kind != REST {
		return want{key: "Identity", in: []want{
			{key: "ReauthorizeEvery", value: value(0), force: true},
		}}
	}

	return want{key: "Identity", in: []want{
		{key: "ReauthorizeEvery", value: value(cachedTTL), force: true},
		{key: "Headers", value: value([]string{"X-Api-Key"})},
		{key: "Context", value: value(cachedContext())},
	}}
}
