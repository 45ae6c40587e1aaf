package api

// Job is a job as the admin API shows it.
type Job struct {
	ID             string     `json:"id"`
	Object         string     `json:"object" enum:"job"`
	OrganizationID string     `json:"organizationId"`
	Kind           string     `json:"kind" enum:"bulk,remove_member,delete_customer,delete_organization"`
	Action         string     `json:"action,omitempty" doc:"Of a bulk change"`
	State          string     `json:"state" enum:"queued,running,done,failed"`
	Progress       Progress   `json:"progress"`
	Errors         []JobError `json:"errors" nullable:"false" doc:"At most 100, and only about keys that you may see"`
	Result         Result     `json:"result" doc:"What happened to the keys; unchanged counts those that were already in that state"`
	CreatedBy      Actor      `json:"createdBy"`
	CreatedAt      Time       `json:"createdAt" format:"date-time"`
	UpdatedAt      Time       `json:"updatedAt" format:"date-time"`
	FinishedAt     *Time      `json:"finishedAt" format:"date-time"`
}

// Progress is the progress of a job, in keys.
type Progress struct {
	Done  int  `json:"done"`
	Total *int `json:"total" doc:"null until the end of a job whose keys were not counted beforehand, such as a deletion, since counting takes as long"`
}

// JobError is a key that a job could not change.
type JobError struct {
	KeyID  string `json:"keyId"`
	Code   Code   `json:"code" doc:"As in problems"`
	Detail string `json:"detail"`
}

// JobAnswer is a job in the answer of the call that made it.
type JobAnswer struct {
	Job Job `json:"job"`
}

// Result counts the objects of a job by result.
type Result struct {
	Changed   int `json:"changed"`
	Unchanged int `json:"unchanged"`
	Failed    int `json:"failed"`
}
