// Package account finds which deployment a command talks to, as whom, and about which organization.
//
// The first of these that is given decides, flags before variables:
//
//  1. --data DIR: the `bitting local` that runs on that folder, with its keys and its organization.
//  2. --url, or BITTING_URL: that address, with the key in BITTING_KEY or in a file.
//  3. --stack NAME: the deployment of that CloudFormation stack, with the profile that names it.
//  4. --profile NAME: that profile of the file of profiles.
//  5. BITTING_DATA, BITTING_STACK, BITTING_PROFILE: as the flags.
//  6. .bitting in the working folder: as --data, where a `bitting local` runs on it.
//  7. The default profile.
//
// No secret is ever an argument: other users of a machine can see arguments.
package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/bitting-keys/bitting/cmd/bitting/cloud"
	"github.com/bitting-keys/bitting/cmd/bitting/signin"
	"github.com/bitting-keys/bitting/pkg/client"
	"github.com/bitting-keys/bitting/pkg/local"
)

// localData is the folder of `bitting local` unless it is told another.
const localData = ".bitting"

// Flags are what a command was told.
type Flags struct {
	URL          string
	Data         string
	Profile      string
	Organization string
	KeyFile      string
	As           string // with local data: the e-mail address of a person of the demo
	AWS          cloud.Flags
}

// Account is a deployment, and who calls it.
type Account struct {
	URL          string
	Organization string // "" where none is known
	From         string // where this stands, in words
	As           string // as whom, in words
	Issuer       signin.Issuer
	AWS          cloud.Flags // where its stack is known
	Local        bool        // it is a bitting local
	Transport    http.RoundTripper

	key, operatorKey string
	token            client.TokenSource
}

// errNone says what to do where nothing says which deployment is meant.
var errNone = errors.New("no deployment is known: start `bitting local`, sign in with `bitting " +
	"login`, pass --data, --url or --stack, or set BITTING_URL and BITTING_KEY")

// Find finds the account that flags and environment variables name.
func Find(ctx context.Context, f Flags, getenv func(string) string) (*Account, error) {
	a, err := find(ctx, f, getenv)
	if err != nil {
		return nil, err
	}

	a.Organization = cmp.Or(f.Organization, getenv("BITTING_ORGANIZATION"), a.Organization)
	if f.KeyFile != "" {
		key, err := ReadKey(f.KeyFile)
		if err != nil {
			return nil, err
		}

		a.UseKey(key)
	}

	return a, nil
}

// UseKey makes a key the caller.
func (a *Account) UseKey(key string) {
	a.key, a.operatorKey, a.token = key, "", nil
	a.As = "with the key in a file"
}

// UseToken makes the person of an ID token the caller.
func (a *Account) UseToken(token string) {
	a.key, a.operatorKey = "", ""
	a.token = func(context.Context) (string, error) { return token, nil }
	a.As = "as the person who signed in"
}

func find(ctx context.Context, f Flags, getenv func(string) string) (*Account, error) {
	stack := f.AWS
	stack.Stack = cmp.Or(stack.Stack, getenv("BITTING_STACK"))

	switch {
	case f.Data != "":
		return ofData(f.Data, f.As)
	case f.As != "":
		return ofData(cmp.Or(getenv("BITTING_DATA"), localData), f.As)
	case f.URL != "":
		return ofURL(f.URL, getenv), nil
	case f.AWS.Stack != "":
		return ofStack(ctx, stack, getenv)
	case f.Profile != "":
		return ofProfile(ctx, f.Profile, f.AWS, getenv)
	case getenv("BITTING_URL") != "":
		return ofURL(getenv("BITTING_URL"), getenv), nil
	case getenv("BITTING_DATA") != "":
		return ofData(getenv("BITTING_DATA"), "")
	case stack.Stack != "":
		return ofStack(ctx, stack, getenv)
	case getenv("BITTING_PROFILE") != "":
		return ofProfile(ctx, getenv("BITTING_PROFILE"), f.AWS, getenv)
	}

	if a, err := ofData(localData, ""); err == nil {
		return a, nil
	}

	return ofProfile(ctx, "", f.AWS, getenv)
}

// ofURL returns the account of an address.
func ofURL(address string, getenv func(string) string) *Account {
	a := &Account{
		URL:  address,
		From: "the address " + address,
		As:   "without a key",
		key:  envKey(getenv),
	}
	if a.key != "" {
		a.As = "with the key in BITTING_KEY"
	}

	return a
}

func envKey(getenv func(string) string) string { return strings.TrimSpace(getenv("BITTING_KEY")) }

// ofData returns the account of the bitting local that runs on a folder.
func ofData(dir, as string) (*Account, error) {
	running, err := local.ReadRunning(dir)
	if err != nil {
		return nil, err
	}

	a := &Account{
		URL:          running.URL,
		Organization: running.Organization,
		From:         "the bitting local that runs on " + dir,
		As:           "with its admin key",
		Issuer:       signin.Issuer{URL: running.Issuer, ClientID: running.ClientID},
		Local:        true,
		key:          cmp.Or(running.AdminKey, running.OperatorKey),
		operatorKey:  running.OperatorKey,
	}
	if as != "" {
		a.key, a.operatorKey = "", ""
		a.As = "as " + as
		a.token = func(context.Context) (string, error) { return local.Token(dir, as) }

		for _, p := range running.People {
			if p.Email == as {
				a.Organization = p.Organization
			}
		}
	}

	return a, nil
}

// ofStack returns the account of a stack: of the profile that names it, if there is one. Of several,
// only the default one is sure to be meant.
func ofStack(
	ctx context.Context, f cloud.Flags, getenv func(string) string,
) (*Account, error) {
	p, err := ReadProfiles(getenv)
	if err != nil {
		return nil, err
	}

	var names []string
	for name, found := range p.Profiles {
		if found.Stack == f.Stack && (f.Region == "" || f.Region == found.Region) {
			names = append(names, name)
		}
	}

	switch {
	case slices.Contains(names, p.Default):
		return p.account(ctx, p.Default, f, getenv)
	case len(names) == 1:
		return p.account(ctx, names[0], f, getenv)
	case len(names) > 1:
		slices.Sort(names)
		return nil, fmt.Errorf("the profiles %s are of the stack %s: choose by --profile",
			strings.Join(names, ", "), f.Stack)
	}

	return p.describe(ctx, "", Profile{Stack: f.Stack}, f, getenv)
}

// maxKeyFile is more than a key has, in bytes.
const maxKeyFile = 4096

// ReadKey reads a key from a file, or from standard input for "-". It refuses a file that others may
// read, as ssh does.
func ReadKey(name string) (string, error) {
	if strings.Count(name, "_") == 3 && !strings.ContainsAny(name, "/.") {
		return "", errors.New("--key-file: expected a file, not the key itself, which others on this " +
			"machine can now see in the list of processes")
	}

	file := os.Stdin
	if name == "-" && term.IsTerminal(int(file.Fd())) {
		return "", errors.New("--key-file -: others can read a key that is typed at a terminal: pass it by " +
			"--key-file - < FILE, or from a password manager by a pipe")
	}

	if name != "-" {
		var err error
		if file, err = os.Open(filepath.Clean(name)); err != nil {
			return "", err
		}

		defer func() { _ = file.Close() }() // only read

		info, err := file.Stat()
		if err != nil {
			return "", err
		}

		// a pipe, such as the shell's <(…), is nobody else's
		if info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
			return "", fmt.Errorf("%s has a key in it and others may read it: run chmod 600 %s, or pass "+
				"--key-file - < %s if you cannot", name, name, name)
		}
	}

	text := make([]byte, maxKeyFile)
	n, err := file.Read(text)

	key := strings.TrimSpace(string(text[:n]))
	if n == 0 && err != nil || key == "" || n == maxKeyFile {
		return "", fmt.Errorf("%s: expected a key and nothing else", name)
	}

	return key, nil
}

// Base returns the address of the API without its version, with which a stack's output AdminUrl ends.
func (a *Account) Base() string {
	return strings.TrimSuffix(strings.TrimRight(a.URL, "/"), "/v1")
}

// Person reports whether it is a person who calls.
func (a *Account) Person() bool { return a.key == "" && a.token != nil }

// Anonymous reports whether it is not known who calls.
func (a *Account) Anonymous() bool { return a.key == "" && a.token == nil }

// Client returns a client of the account. version is the program's.
func (a *Account) Client(version string) (*client.Client, error) {
	return a.client(a.key, a.token, version)
}

// Operator returns a client for what operators do, such as changing the catalogue. Where nothing
// but one key is known it is that key's.
func (a *Account) Operator(version string) (*client.Client, error) {
	if a.operatorKey == "" {
		return a.Client(version)
	}

	return a.client(a.operatorKey, nil, version)
}

func (a *Account) client(
	key string, token client.TokenSource, version string,
) (*client.Client, error) {
	config := client.Config{
		URL:       a.Base(),
		Key:       key,
		Token:     token,
		UserAgent: "bitting/" + version,
	}
	if a.Transport != nil {
		config.HTTPClient = &http.Client{Transport: a.Transport, Timeout: client.RequestTimeout}
	}

	return client.New(config)
}
