package adminapi

import (
	"encoding/csv"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// WriteCSV writes the numbers of a usage, one a line, without the zeros: outcomes in their own
// order, other names in that of the alphabet.
func WriteCSV(to io.Writer, u *api.Usage) error {
	w := csv.NewWriter(to)
	if err := w.Write([]string{"at", u.By, "count"}); err != nil {
		return err
	}

	for _, p := range u.Series {
		names := slices.Sorted(maps.Keys(p.Values))
		if u.By == string(usage.ByOutcome) {
			names = names[:0]
			for _, outcome := range check.Counted() {
				names = append(names, string(outcome))
			}
		}

		for _, name := range names {
			n := p.Values[name]
			if n == 0 {
				continue
			}

			if err := w.Write([]string{
				apikey.FormatTime(p.At.Time), cell(name), strconv.FormatInt(n, 10),
			}); err != nil {
				return err
			}
		}
	}

	w.Flush()
	return w.Error()
}

// cell keeps a text from being taken for a formula by whoever opens the file in a spreadsheet.
// https://owasp.org/www-community/attacks/CSV_Injection
func cell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}

	return text
}
