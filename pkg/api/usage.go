package api

// Usage is how keys were used.
type Usage struct {
	From        Time         `json:"from" format:"date-time"`
	To          Time         `json:"to" format:"date-time" doc:"Not included"`
	Granularity string       `json:"granularity" enum:"hour,day"`
	By          string       `json:"by" enum:"outcome,permission,customer"`
	Source      string       `json:"source" enum:"authorizer,access_log" doc:"Who counted: the authorizer each call that it checked, or the API's access logs, in the profile cached"`
	Totals      Totals       `json:"totals" doc:"denied is the 401s, 403s and 429s of the key itself: wrong_secret is in no total, since outsiders can cause it, nor is unavailable"`
	Series      []UsagePoint `json:"series" nullable:"false" doc:"Each hour or day of the range"`
}

// UsagePoint is the numbers of one hour or day.
type UsagePoint struct {
	At     Time             `json:"at" format:"date-time"`
	Values map[string]int64 `json:"values" doc:"By outcome, permission or customer; those that are not told apart are together under *"`
}

// Totals are the calls of a range that were allowed and denied.
type Totals struct {
	Allowed int64 `json:"allowed"`
	Denied  int64 `json:"denied"`
}
