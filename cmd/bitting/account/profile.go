package account

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/rogpeppe/go-internal/lockedfile"
	"go.yaml.in/yaml/v3"

	"github.com/bitting-keys/bitting/cmd/bitting/cloud"
	"github.com/bitting-keys/bitting/cmd/bitting/signin"
)

// Profile is a deployment that is used often, and who calls it: a key, or the person who signed in at
// the issuer, whose tokens are kept elsewhere.
type Profile struct {
	URL          string `yaml:"url,omitempty"` // "" for that of the stack
	Stack        string `yaml:"stack,omitempty"`
	Region       string `yaml:"region,omitempty"`
	AWSProfile   string `yaml:"awsProfile,omitempty"`
	Organization string `yaml:"organization,omitempty"`
	Issuer       string `yaml:"issuer,omitempty"`
	ClientID     string `yaml:"clientId,omitempty"`
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

	if err := decoder.Decode(p); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", p.path, err)
	}

	if p.Profiles == nil {
		p.Profiles = map[string]Profile{}
	}

	return p, nil
}

// Put writes a profile. The first one becomes the default. All else in the file stays as it is,
// comments included.
func (p *Profiles) Put(name string, profile Profile) error {
	if err := os.MkdirAll(filepath.Dir(p.path), 0o700); err != nil {
		return err
	}

	unlock, err := lockedfile.MutexAt(p.path + ".lock").Lock()
	if err != nil {
		return err
	}

	defer unlock()

	path := p.path
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // the link stays one
	}

	text, err := os.ReadFile(path) //nolint:gosec // the user's own file
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}

	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return fmt.Errorf("%s: %w", p.path, err)
	}

	if len(document.Content) == 0 {
		document = yaml.Node{
			Kind:    yaml.DocumentNode,
			Content: []*yaml.Node{{Kind: yaml.MappingNode}},
		}
	}

	root := document.Content[0]

	var value yaml.Node
	if err := value.Encode(profile); err != nil {
		return err
	}

	if valueOf(root, "default") == nil && len(p.Profiles) == 0 {
		set(root, "default", &yaml.Node{Kind: yaml.ScalarNode, Value: name})
		p.Default = name
	}

	profiles := valueOf(root, "profiles")
	if profiles == nil || profiles.Kind != yaml.MappingNode {
		profiles = &yaml.Node{Kind: yaml.MappingNode}
		set(root, "profiles", profiles)
	}

	set(profiles, name, &value)
	p.Profiles[name] = profile

	var out bytes.Buffer

	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)

	if err := encoder.Encode(&document); err != nil {
		return err
	}

	return renameio.WriteFile(path, out.Bytes(), 0o600,
		renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(0o600))
}

// valueOf returns the value of a key of a mapping; nil for none.
func valueOf(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}

	return nil
}

// set sets the value of a key of a mapping.
func set(mapping *yaml.Node, key string, value *yaml.Node) {
	if there := valueOf(mapping, key); there != nil {
		*there = *value
		return
	}

	mapping.Content = append(mapping.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, value)
}

// Path returns the file.
func (p *Profiles) Path() string { return p.path }

// Tokens returns where the tokens of people who signed in are kept.
func (p *Profiles) Tokens(getenv func(string) string) signin.Keep {
	return signin.Keep{
		File:   strings.TrimSuffix(p.path, filepath.Ext(p.path)) + ".tokens.json",
		Getenv: getenv,
	}
}

// Name returns the name of the profile that is meant: of the default one, or the only one, for "".
func (p *Profiles) Name(asked string) string {
	name := cmp.Or(asked, p.Default)
	if names := slices.Collect(maps.Keys(p.Profiles)); name == "" && len(names) == 1 {
		name = names[0]
	}

	return name
}

// ofProfile returns the account of a profile; of the default one, or the only one, for "".
func ofProfile(
	ctx context.Context, name string, f cloud.Flags, getenv func(string) string,
) (*Account, error) {
	p, err := ReadProfiles(getenv)
	if err != nil {
		return nil, err
	}

	found := p.Name(name)

	_, ok := p.Profiles[found]
	switch {
	case ok:
		return p.account(ctx, found, f, getenv)
	case len(p.Profiles) == 0 && name == "":
		return nil, errNone
	case len(p.Profiles) == 0:
		return nil, fmt.Errorf("there is no profile %q: %s has none; bitting login with --url, --stack "+
			"or --data makes one", name, p.path)
	default:
		return nil, fmt.Errorf("there is no profile %q; --profile takes one of %s, and bitting login "+
			"with --url, --stack or --data makes one", found,
			strings.Join(slices.Sorted(maps.Keys(p.Profiles)), ", "))
	}
}

// account returns the account of a profile that there is.
func (p *Profiles) account(
	ctx context.Context, name string, f cloud.Flags, getenv func(string) string,
) (*Account, error) {
	found := p.Profiles[name]
	if found.URL == "" && found.Stack != "" {
		return p.describe(ctx, name, found, f, getenv)
	}

	a := &Account{
		URL:          found.URL,
		Organization: found.Organization,
		From:         "the profile " + name,
		As:           "without a key",
		Issuer:       signin.Issuer{URL: found.Issuer, ClientID: found.ClientID},
		AWS:          found.aws(f),
		key:          found.Key,
	}

	switch key := envKey(getenv); {
	case key != "":
		a.key = key
		a.As = "with the key in BITTING_KEY"
	case found.Key != "":
		a.As = "with the key of the profile"
	case found.Issuer != "":
		a.As = "as the person who signed in"
		source := p.Tokens(getenv).Source(a.Issuer, name)
		a.token = func(ctx context.Context) (string, error) {
			token, err := source(ctx)
			if errors.Is(err, signin.ErrSignedOut) {
				err = fmt.Errorf("%w with the profile %s: run bitting login --profile %s", err, name, name)
			}

			return token, err
		}
	}

	return a, nil
}

// aws returns how the stack of a profile is reached. Flags win.
func (p Profile) aws(f cloud.Flags) cloud.Flags {
	return cloud.Flags{
		Stack:   cmp.Or(p.Stack, f.Stack),
		Region:  cmp.Or(f.Region, p.Region),
		Profile: cmp.Or(f.Profile, p.AWSProfile),
	}
}

// describe returns the account of a stack, whose outputs it reads, with all else of a profile; name
// is "" for none.
func (p *Profiles) describe(
	ctx context.Context, name string, profile Profile, f cloud.Flags, getenv func(string) string,
) (*Account, error) {
	stack, err := profile.aws(f).Describe(ctx)
	if err != nil {
		return nil, err
	}

	profile.URL = stack.Outputs[cloud.AdminURL]
	profile.Issuer = cmp.Or(profile.Issuer, stack.Outputs[cloud.OIDCIssuer])
	profile.ClientID = cmp.Or(profile.ClientID, stack.Outputs[cloud.OIDCClient])

	whole := &Profiles{path: p.path, Profiles: map[string]Profile{name: profile}}

	a, err := whole.account(ctx, name, f, getenv)
	if err != nil {
		return nil, err
	}

	a.From = "the stack " + stack.Name
	if name == "" && a.Person() { // nobody can have signed in
		a.token = nil
		a.As = "without a key"
	}

	return a, nil
}
