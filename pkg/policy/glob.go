package policy

import "unicode/utf8"

// Glob reports whether the whole of s matches a pattern of a policy, in which * stands for any run of
// characters, including none, and ? for exactly one. It takes O(len(pattern)·len(s)) at worst.
// Backtracking to the last * alone is enough: any match that an earlier one could reach, the last
// one can reach too.
func Glob(pattern, s string) bool {
	star, retry := -1, 0 // where the last * is, and where in s it next ends

	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, retry = p, i
			p++
			continue
		case p < len(pattern) && pattern[p] == '?':
			_, size := utf8.DecodeRuneInString(s[i:])
			p, i = p+1, i+size
			continue
		case p < len(pattern) && pattern[p] == s[i]:
			p, i = p+1, i+1
			continue
		case star < 0:
			return false
		}

		_, size := utf8.DecodeRuneInString(s[retry:])
		retry += size
		p, i = star+1, retry
	}

	for p < len(pattern) && pattern[p] == '*' {
		p++
	}

	return p == len(pattern)
}
