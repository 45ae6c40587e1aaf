package api

// KeyAdvice is the advice on a key.
type KeyAdvice struct {
	ObservedSince Time         `json:"observedSince" format:"date-time" doc:"Since when the key could be used and its use is known"`
	Items         []AdviceItem `json:"items" nullable:"false" doc:"What matters most first"`
}

// AdvicePage is the advice on a page of keys.
type AdvicePage struct {
	ObservedSince Time         `json:"observedSince" format:"date-time" doc:"Since when use is known, of keys that are old enough"`
	Items         []AdviceItem `json:"items" nullable:"false" doc:"Key by key, newest first"`
	NextCursor    *string      `json:"nextCursor" doc:"null on the last page"`
}

// AdviceItem is a piece of advice on a key.
type AdviceItem struct {
	Code     string         `json:"code" enum:"unused_permission,never_used,idle,all_permissions,legacy,no_expiry,no_limit,rotation_overdue,retired_secret_used"`
	Severity string         `json:"severity" enum:"low,medium,high"`
	KeyID    string         `json:"keyId"`
	KeyName  string         `json:"keyName"`
	Detail   string         `json:"detail"`
	Evidence AdviceEvidence `json:"evidence"`
	Change   AdviceChange   `json:"change"`
	Preview  *Preview       `json:"preview,omitempty"`
}

// AdviceEvidence holds the facts behind a piece of advice; fields that do not apply are absent.
type AdviceEvidence struct {
	ObservedSince *Time    `json:"observedSince,omitempty" format:"date-time" doc:"Since when the use that the item is about is known"`
	Window        string   `json:"window,omitempty" example:"30d"`
	Permission    string   `json:"permission,omitempty" doc:"The permission that is not used"`
	Used          []string `json:"used,omitempty" doc:"The permissions that were used in the window"`
	LastUsedAt    *Time    `json:"lastUsedAt,omitempty" format:"date-time" doc:"For a permission and a retired secret, the hour"`
	Calls         *int64   `json:"calls,omitempty" doc:"Calls with a retired secret in the window; or the most calls in one hour"`
	SecretSince   *Time    `json:"secretSince,omitempty" format:"date-time"`
}

// AdviceChange is a call of this API that implements an item.
type AdviceChange struct {
	Method string         `json:"method" enum:"PATCH,POST,GET"`
	Path   string         `json:"path" doc:"As in the OpenAPI document: below the address of the API"`
	Body   map[string]any `json:"body" nullable:"true" doc:"null for GET"`
}

// Preview shows how many of the recorded calls that were allowed a change of a key would have
// refused. Only a sample of the allowed calls is recorded, so these are numbers of recorded calls,
// not of all.
type Preview struct {
	Since          Time           `json:"since" format:"date-time" doc:"Since when recorded calls were considered"`
	SampleRequests float64        `json:"sampleRequests" doc:"The share of allowed calls that the organization records now: all numbers count only recorded calls"`
	Recorded       int            `json:"recorded" doc:"Recorded calls that were allowed"`
	Refused        int            `json:"refused" doc:"How many of them the change would have refused"`
	ByRoute        []RoutePreview `json:"byRoute" nullable:"false" doc:"The most refused first"`
}

// RoutePreview is a preview for one route.
type RoutePreview struct {
	Route   string `json:"route" example:"GET /customers/{customerId}"`
	Calls   int    `json:"calls"`
	Refused int    `json:"refused"`
}
