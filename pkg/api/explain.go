package api

// Explanation is the outcome of a call with a key, with the steps that led to it.
type Explanation struct {
	Allowed            bool   `json:"allowed"`
	Outcome            string `json:"outcome"`
	Status             int    `json:"status" doc:"Of the response: 200 stands for anything that the backend answers"`
	Steps              []Step `json:"steps" nullable:"false" doc:"In order, up to the first that refuses"`
	RequiredPermission string `json:"requiredPermission,omitempty"`
}

// Step is one step of an explanation.
type Step struct {
	Check  string `json:"check"`
	Passed bool   `json:"passed"`
	Detail string `json:"detail"`
}
