package runtimeapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// extensions are those of one process. All are internal: they run inside it. Each invocation is an
// event for the extensions that registered for it. An instance is ready for the next one when all
// of them have asked for their next event.
type extensions struct {
	mu      sync.Mutex
	byID    map[string]*extension
	working int           // extensions that have an event, or have not asked for one yet
	idle    chan struct{} // closed while none is working
}

// extension is one internal extension.
type extension struct {
	name    string
	invoke  bool             // registered for INVOKE
	events  chan invokeEvent // holds one: no second event is sent before the extension asks
	working bool
}

// invokeEvent notifies an extension of an invocation.
type invokeEvent struct {
	EventType          string  `json:"eventType"`
	DeadlineMs         int64   `json:"deadlineMs"`
	RequestID          string  `json:"requestId"`
	InvokedFunctionARN string  `json:"invokedFunctionArn"`
	Tracing            tracing `json:"tracing"`
}

type tracing struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// maxExtensions is Lambda's limit.
const maxExtensions = 10

func newExtensions() *extensions {
	idle := make(chan struct{})
	close(idle)
	return &extensions{byID: map[string]*extension{}, idle: idle}
}

// serveRegister registers an extension. Lambda refuses SHUTDOWN to internal extensions. When it
// ends their process it sends SIGTERM, as this package does to every process.
func (e *extensions) serveRegister(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Events []string `json:"events"`
	}

	name := r.Header.Get("Lambda-Extension-Name")
	if err := json.NewDecoder(io.LimitReader(r.Body, maxPayload)).Decode(&asked); err != nil ||
		name == "" {
		refuse(w, http.StatusBadRequest, "InvalidRequestFormat",
			"expected a name and a list of events")
		return
	}

	added := &extension{name: name, events: make(chan invokeEvent, 1)}
	for _, event := range asked.Events {
		switch event {
		case "INVOKE":
			added.invoke = true
		case "SHUTDOWN":
			refuse(w, http.StatusForbidden, "Extension.InvalidEventType",
				"SHUTDOWN: ShutdownEventNotSupportedForInternalExtension")
			return
		default:
			refuse(w, http.StatusForbidden, "Extension.InvalidEventType",
				event+": ErrorInvalidEventType")
			return
		}
	}

	e.mu.Lock()
	defer e.mu.Unlock()

	for _, known := range e.byID {
		if known.name == name {
			refuse(w, http.StatusForbidden, "Extension.AlreadyRegistered",
				"Extension already registered")
			return
		}
	}

	if len(e.byID) == maxExtensions {
		refuse(w, http.StatusForbidden, "Extension.TooManyExtensions",
			"Extension limit (10) reached")
		return
	}

	id := fmt.Sprintf("00000000-0000-4000-8000-%012d", len(e.byID)+1)
	e.byID[id] = added
	e.begin(added)
	w.Header().Set("Lambda-Extension-Identifier", id)
	_, _ = io.WriteString(w, "{}")
}

func refuse(w http.ResponseWriter, status int, kind, message string) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{
		"errorType":    kind,
		"errorMessage": message,
	}) // an error here cannot be reported any more
}

// serveNext blocks until there is an event for the extension that asks. Asking also means that the
// extension is done with the previous one.
func (e *extensions) serveNext(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()

	asks := e.byID[r.Header.Get("Lambda-Extension-Identifier")]
	if asks != nil {
		e.end(asks)
	}

	e.mu.Unlock()

	if asks == nil {
		refuse(w, http.StatusForbidden, "Extension.UnknownExtensionIdentifier", "Unknown extension")
		return
	}

	select {
	case event := <-asks.events:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(event) // the process's death is noticed by its exit
	case <-r.Context().Done():
	}
}

// notify sends the extensions an invocation.
func (e *extensions) notify(inv *invocation, arn string) {
	e.mu.Lock()
	defer e.mu.Unlock()

	for _, one := range e.byID {
		if !one.invoke {
			continue
		}

		e.begin(one)
		one.events <- invokeEvent{
			EventType:          "INVOKE",
			DeadlineMs:         inv.deadline.UnixMilli(),
			RequestID:          inv.id,
			InvokedFunctionARN: arn,
			Tracing:            tracing{"X-Amzn-Trace-Id", traceID},
		}
	}
}

func (e *extensions) begin(one *extension) {
	if one.working {
		return
	}

	if one.working = true; e.working == 0 {
		e.idle = make(chan struct{})
	}

	e.working++
}

func (e *extensions) end(one *extension) {
	if !one.working {
		return
	}

	one.working = false
	if e.working--; e.working == 0 {
		close(e.idle)
	}
}

// done returns a channel that is closed when no extension is working.
func (e *extensions) done() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.idle
}
