package accesslog

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// line is one line of an access log, in the template's formats.
type line struct {
	id    string // the extended request id, which a caller cannot choose
	at    time.Time
	stage string
	// API Gateway's template of the route; for an HTTP API after the method
	resource       string
	status         int
	latency        time.Duration
	sourceIP       netip.Addr // the zero Addr if unknown
	responseType   string     // of API Gateway's own answer; "" if the backend answered
	api            string     // the name in the catalogue's routes, by the authorizer
	keyID          string     // "" if no key was recognised
	organizationID string
	environment    apikey.Environment
	permissions    string // as in the authorizer's context
	customers      string
	rotation       time.Time // when the key's rotation started; zero if it has none
	oldSecret      bool      // whether the secret that the rotation replaces was sent
	sampleRate     float64   // the fraction of allowed calls that the organization wants recorded
	denialCode     string

	// What a caller can choose, in part or whole.
	method    string
	requestID string
	path      string // with the stage before it
	userAgent string
}

// trusted returns the names of the fields that no caller can choose. They precede all others in a
// line.
func trusted() []string {
	return []string{
		"extendedRequestId", "requestTimeEpoch", "stage", "resourcePath", "status",
		"responseLatency", "sourceIp", "responseType",
		"api", "keyId", "organizationId", "environment", "permissions", "customers", "rotation",
		"oldSecret", "sampleRequests", "denialCode",
	}
}

var errMalformed = errors.New("access log: the line is malformed")

// parse parses a line. API Gateway escapes nothing, so a caller can send a path or a user agent
// that looks like more of the line, or breaks it. Hence only the first value of each name counts,
// and a line that breaks after the trusted fields is read up to there. A caller can neither pass a
// call off as another's nor keep it from being counted.
func parse(text string) (line, error) {
	values := fields(text)
	for _, name := range trusted() {
		if _, ok := values[name]; !ok {
			return line{}, errMalformed
		}
	}

	l := line{
		id:             values["extendedRequestId"],
		stage:          values["stage"],
		resource:       values["resourcePath"],
		responseType:   values["responseType"],
		api:            values["api"],
		keyID:          values["keyId"],
		organizationID: values["organizationId"],
		environment:    apikey.Environment(values["environment"]),
		permissions:    values["permissions"],
		customers:      values["customers"],
		oldSecret:      values["oldSecret"] == "true",
		denialCode:     values["denialCode"],
		method:         values["httpMethod"],
		requestID:      values["requestId"],
		path:           values["path"],
		userAgent:      values["userAgent"],
	}

	epoch, err := strconv.ParseInt(values["requestTimeEpoch"], 10, 64)
	if err != nil || l.id == "" {
		return line{}, errMalformed
	}

	l.at = time.UnixMilli(epoch).UTC()
	if l.status, err = strconv.Atoi(values["status"]); err != nil {
		return line{}, errMalformed
	}

	if milliseconds, err := strconv.Atoi(values["responseLatency"]); err == nil {
		l.latency = time.Duration(milliseconds) * time.Millisecond
	}

	if rotation, err := time.Parse(time.RFC3339Nano, values["rotation"]); err == nil {
		l.rotation = rotation
	}

	l.sampleRate = usage.DefaultSampleRate
	if rate, err := strconv.ParseFloat(values["sampleRequests"], 64); err == nil {
		l.sampleRate = rate
	}

	l.sourceIP, _ = netip.ParseAddr(values["sourceIp"]) // an address that cannot be read is unknown
	if l.keyID != "" &&
		(!apikey.ValidID(l.keyID) || !l.environment.Valid() || !permission.ValidAPI(l.api)) {
		return line{}, errMalformed // of an authorizer that is not ours
	}

	return l, nil
}

// fields reads names and strings up to the end, or to invalid JSON. The first value of a name
// counts; a hyphen stands for none.
func fields(text string) map[string]string {
	values := map[string]string{}

	decoder := json.NewDecoder(strings.NewReader(text))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return nil
	}

	for {
		name, ok := next(decoder)
		if !ok {
			return values
		}

		value, ok := next(decoder)
		if !ok {
			return values
		}

		if value == "-" {
			value = ""
		}

		if _, twice := values[name]; !twice {
			values[name] = value
		}
	}
}

// next returns the next string; ok is false for anything else.
func next(decoder *json.Decoder) (text string, ok bool) {
	token, err := decoder.Token()
	if err != nil {
		return "", false
	}

	text, ok = token.(string)
	return text, ok
}
