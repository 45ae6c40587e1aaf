package adminapi

import (
	"mime"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// The media types that the API speaks.
const (
	jsonType = "application/json"
	csvType  = "text/csv"
)

// isJSON reports whether the values of Content-Type say JSON in UTF-8, the only charset that it has
// (RFC 8259 §8.1). A body without any could be anything.
func isJSON(values []string) bool {
	if len(values) != 1 {
		return false
	}

	media, parameters, err := mime.ParseMediaType(values[0])
	charset, given := parameters["charset"]

	return err == nil && (!given || strings.EqualFold(charset, "utf-8")) &&
		(media == jsonType ||
			strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json"))
}

// csvSuffix is what the path of an operation has that answers as CSV what one without it answers as
// JSON.
const csvSuffix = ".csv"

// offered are the media types that an operation answers in, of which the first is meant where
// nobody asks for another.
func (a *API) offered(op *huma.Operation) []string {
	if a.paths[op.Path+csvSuffix] {
		return []string{jsonType, csvType}
	}

	return []string{jsonType}
}

// preferred is the one of the offered media types that Accept wants most (RFC 9110 §12.5.1). Where
// it wants none of them, it is the first: an answer that was not wished for says more than none.
func preferred(accept, offers []string) string {
	best, most := offers[0], 0.0
	for _, offer := range offers {
		if q := quality(accept, offer); q > most {
			best, most = offer, q
		}
	}

	return best
}

// quality is how much Accept wants a media type, by the range in it that says so most exactly; 0 is
// not at all.
func quality(accept []string, offer string) float64 {
	if strings.TrimSpace(strings.Join(accept, "")) == "" {
		return 1
	}

	kind, _, _ := strings.Cut(offer, "/")
	return weight(accept, offer, kind+"/*", "*/*")
}

// takesGzip reports whether Accept-Encoding wants gzip, and a body as it is no more than that. No
// such header takes any coding (RFC 9110 §12.5.3), but who does not send it may know none.
func takesGzip(accept []string) bool {
	gzip := weight(accept, "gzip", "*")
	return gzip > 0 && gzip >= weight(accept, "identity")
}

// weight is the q-value of the first of the names that a header with weights has, 0 where it has none
// of them (RFC 9110 §12.4.2).
func weight(header []string, names ...string) (q float64) {
	best := len(names)
	for text := range strings.SplitSeq(strings.Join(header, ","), ",") {
		name, parameters, err := mime.ParseMediaType(text)
		place := slices.Index(names, name)

		if err != nil || place < 0 || place >= best {
			continue
		}

		given := 1.0
		if text, weighed := parameters["q"]; weighed {
			if given, err = strconv.ParseFloat(text, 64); err != nil || given < 0 || given > 1 {
				continue
			}
		}

		q, best = given, place
	}

	return q
}
