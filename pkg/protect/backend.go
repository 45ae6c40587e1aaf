package protect

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	maxSources = 5000    // files that are looked into
	maxSource  = 1 << 20 // bytes of one
)

// Answers429 returns [Options.Answers429] for functions whose code lies below a folder: whether it
// has Bitting's guard, or looks at the authorizer's limited and answers 429.
func Answers429(folder string) func(codeURI string) bool {
	return func(codeURI string) bool {
		if codeURI == "" || filepath.IsAbs(codeURI) || strings.Contains(codeURI, "://") {
			return false
		}

		found, seen := false, 0
		_ = filepath.WalkDir(filepath.Join(folder, codeURI),
			func(path string, entry fs.DirEntry, err error) error {
				switch {
				case err != nil || found || seen > maxSources:
					return fs.SkipAll
				case entry.IsDir() && slices.Contains([]string{"node_modules", ".git", ".aws-sam"},
					entry.Name()):
					return fs.SkipDir
				case entry.Type().IsRegular() && isSource(path):
					seen++
					found = guards(path)
				}

				return nil
			})
		return found
	}
}

func isSource(path string) bool {
	return slices.Contains([]string{
		".go", ".js", ".mjs", ".cjs", ".ts", ".mts", ".py", ".rb", ".java", ".kt", ".cs", ".rs", ".php",
	}, filepath.Ext(path))
}

// guards reports whether a source file answers 429.
func guards(path string) bool {
	info, err := os.Stat(path)
	if err != nil || info.Size() > maxSource {
		return false
	}

	text, err := os.ReadFile(path) //nolint:gosec // the code that the template names
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false
	}

	return bytes.Contains(text, []byte("bitting/pkg/guard")) ||
		bytes.Contains(text, []byte("limited")) && bytes.Contains(text, []byte("429"))
}
