package strictjson

import (
	"strconv"
	"strings"
)

// maxExponent is larger than any number of ours needs. With it, no exponent causes much work.
const maxExponent = 400

// integer returns the digits of a JSON number that has no fraction, in any notation. They are ""
// if it is too large for 64 bits. A number with a fraction is not whole, and neither is one whose
// exponent is absurdly small.
func integer(number string) (digits string, whole bool) {
	mantissa, exponent := number, 0
	if at := strings.IndexAny(number, "eE"); at >= 0 {
		var err error
		// digits alone fail by being too many
		if exponent, err = strconv.Atoi(number[at+1:]); err != nil {
			exponent = maxExponent + 1
			if number[at+1] == '-' {
				exponent = -exponent
			}
		}

		mantissa = number[:at]
	}

	mantissa, negative := strings.CutPrefix(mantissa, "-")
	before, fraction, _ := strings.Cut(mantissa, ".")

	all := strings.TrimLeft(before+fraction, "0")
	if all == "" {
		return "0", true
	}

	zeros := exponent - len(fraction) // to be appended to all its digits
	trimmed := strings.TrimRight(all, "0")

	zeros += len(all) - len(trimmed)
	switch {
	case zeros < 0:
		return "", false
	case zeros > maxExponent:
		return "", true
	}

	digits = trimmed + strings.Repeat("0", zeros)
	if negative {
		digits = "-" + digits
	}

	if _, err := strconv.ParseInt(digits, 10, 64); err != nil {
		return "", true
	}

	return digits, true
}
