package accesslog

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// line is one line of an access log, as the template's formats have it.
type line struct {
	id    string // the extended request id, which a caller cannot choose
	at    time.Time
	stage string
	// API Gateway's template of the route; an HTTP API's has the method before it
	resource       string
	status         int
	latency        time.Duration
	sourceIP       netip.Addr // the zero Addr where it is not known
	responseType   string     // of API Gateway's own answer; "" where the backend answered
	keyID          string     // "" where nobody was recognised
	organizationID string
	environment    apikey.Environment
	permissions    string // as the authorizer's context has them
	customers      string
	rotation       time.Time // when the key's rotation started; zero where it has none
	oldSecret      bool      // the one that the rotation replaces was sent
	sampleRate     float64   // how many of the allowed calls the organization wants kept
	denialCode     string

	// What a caller can choose, in part or whole.
	method    string
	requestID string
	path      string // with the stage before it
	userAgent string
}

// trusted are the names of what no caller can choose. All of them stand in a line before the first
// that a caller can.
func trusted() []string {
	return []string{
		"extendedRequestId", "requestTimeEpoch", "stage", "resourcePath", "status",
		"responseLatency", "sourceIp", "responseType",
		"keyId", "organizationId", "environment", "permissions", "customers", "rotation",
		"oldSecret", "sampleRequests", "denialCode",
	}
}

var errMalformed = errors.New("access log: the line is malformed")

// parse reads a line. API Gateway escapes nothing, so a caller can send a path or a user agent that
// looks like more of the line, or breaks it. Hence only the first value of each name counts, and a
// line that breaks after what no caller can choose is read up to there: nobody can pass a call off
// as another's, nor keep it from being counted.
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
	if l.keyID != "" && (!apikey.ValidID(l.keyID) || !l.environment.Valid()) {
		return line{}, errMalformed // of an authorizer that is not ours
	}

	return l, nil
}

// fields reads names and texts up to the end or to what is no JSON. The first value of a name
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

// next is the next text; ok is false at anything else.
func next(decoder *json.Decoder) (text string, ok bool) {
	token, err := decoder.Token()
	if err != nil {
		return "", false
	}

	text, ok = token.(string)
	return text, ok
}
