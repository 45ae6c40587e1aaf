package account

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Profile is a deployment that is used often.
type Profile struct {
	URL          string `yaml:"url"`
	Organization string `yaml:"organization,omitempty"`
	Key          string `yaml:"key,omitempty"` // an admin key
}

// Profiles is the file of profiles. It may have keys in it, so nobody but its owner can read it.
type Profiles struct {
	Default  string             `yaml:"default,omitempty"`
	Profiles map[string]Profile `yaml:"profiles"`

	path string
}

// ReadProfiles reads the file of profiles: BITTING_CONFIG, or bitting/config.yaml in the folder of
// the user's configuration. A file that is missing has no profiles. Errors: others may read the
// file, or it has fields that are none.
func ReadProfiles(getenv func(string) string) (*Profiles, error) {
	p := &Profiles{path: getenv("BITTING_CONFIG"), Profiles: map[string]Profile{}}
	if p.path == "" {
		dir, err := os.UserConfigDir()
		if err != nil {
			return nil, err
		}

		p.path = filepath.Join(dir, "bitting", "config.yaml")
	}

	info, err := os.Stat(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}

	if err != nil {
		return nil, err
	}

	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s has keys in it and others may read it: run chmod 600 %s",
			p.path, p.path)
	}

	text, err := os.ReadFile(p.path)
	if err != nil {
		return nil, err
	}

	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)

	if err := decoder.Decode(p); err != nil {
		return nil, fmt.Errorf("%s: %w", p.path, err)
	}

	return p, nil
}

// ofProfile returns the account of a profile; of the default one, or the only one, for "".
func ofProfile(name string, getenv func(string) string) (*Account, error) {
	p, err := ReadProfiles(getenv)
	if err != nil {
		return nil, err
	}

	names := slices.Sorted(maps.Keys(p.Profiles))

	asked := name
	if name = cmp.Or(name, p.Default); name == "" && len(names) == 1 {
		name = names[0]
	}

	found, ok := p.Profiles[name]
	switch {
	case ok:
		return &Account{
			URL:          found.URL,
			Organization: found.Organization,
			From:         "the profile " + name,
			key:          cmp.Or(strings.TrimSpace(getenv("BITTING_KEY")), found.Key),
		}, nil
	case len(names) == 0 && asked == "":
		return nil, errNone
	case len(names) == 0:
		return nil, fmt.Errorf("there is no profile %q: %s has none", asked, p.path)
	default:
		return nil, fmt.Errorf("there is no profile %q; --profile takes one of %s", name,
			strings.Join(names, ", "))
	}
}
