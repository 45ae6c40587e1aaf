package policy

import "github.com/bitting-keys/bitting/pkg/permission"

// Solves lets a test give the search allowing patterns that Build would not make.
func Solves(
	routes []permission.Entry, allowing [][]permission.Segment, wanted func(path string) bool,
) bool {
	open := opening{routes: routes}
	for _, p := range allowing {
		open.patterns = append(open.patterns, p)
	}

	budget := maxWork
	_, ok := newSearch(routes, open, func(permission.Entry) []string {
		return nil
	}).solve(wanted, &budget)
	return ok
}
