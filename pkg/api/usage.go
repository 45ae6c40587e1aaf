package api

// Usage is the usage of keys.
type Usage struct {
	From        Time         `json:"from" format:"date-time"`
	To          Time         `json:"to" format:"date-time" doc:"Not included"`
	Granularity string       `json:"granularity" enum:"hour,day"`
	By          string       `json:"by" enum:"outcome,permission,customer,api"`
	Source      string       `json:"source" enum:"authorizer,access_log" doc:"Who counted: the authorizer (every call that it checked) or, in the profile cached, the API's access logs"`
	Totals      Totals       `json:"totals" doc:"denied counts the 401s, 403s and 429s of the key itself. No total includes unavailable, or wrong_secret, which outsiders can cause"`
	Series      []UsagePoint `json:"series" nullable:"false" doc:"Each hour or day of the range"`
	Limits      *LimitsLeft  `json:"limits,omitempty" doc:"Of one key that has limits: what is left of them now, whatever the range"`
}

// UsagePoint holds the numbers of one hour or day.
type UsagePoint struct {
	At     Time             `json:"at" format:"date-time"`
	Values map[string]int64 `json:"values" doc:"By outcome, permission, customer or API; * counts the rest together"`
}

// Totals are the calls of a range that were allowed and denied.
type Totals struct {
	Allowed int64 `json:"allowed"`
	Denied  int64 `json:"denied"`
}
