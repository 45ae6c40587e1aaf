// Package account finds which deployment a command talks to, as whom, and about which organization.
//
// The first of these that is given decides:
//
//  1. --data DIR: the `bitting local` that runs on that folder, with its keys and its organization.
//  2. --url, or BITTING_URL: that address, with the key in BITTING_KEY or in a file.
//  3. BITTING_DATA: as --data.
//  4. --profile NAME, or BITTING_PROFILE: that profile of the file of profiles.
//  5. .bitting in the working folder: as --data, where a `bitting local` runs on it.
//  6. The default profile.
//
// No secret is ever an argument: other users of a machine can see arguments.
package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

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
}

// Account is a deployment, and who calls it.
type Account struct {
	URL          string
	Organization string // "" where none is known
	From         string // where this stands, in words

	key, operatorKey string
	token            client.TokenSource
}

// errNone says what to do where nothing says which deployment is meant.
var errNone = errors.New("no deployment is known: start `bitting local`, pass --data or --url, set " +
	"BITTING_URL and BITTING_KEY, or write a profile (docs/cli.md)")

// Find finds the account that flags and environment variables name.
func Find(f Flags, getenv func(string) string) (*Account, error) {
	a, err := find(f, getenv)
	if err != nil {
		return nil, err
	}

	a.Organization = cmp.Or(f.Organization, getenv("BITTING_ORGANIZATION"), a.Organization)
	if f.KeyFile != "" {
		if a.key, err = readKey(f.KeyFile); err != nil {
			return nil, err
		}

		a.operatorKey, a.token = "", nil
	}

	return a, nil
}

func find(f Flags, getenv func(string) string) (*Account, error) {
	address := cmp.Or(f.URL, getenv("BITTING_URL"))

	switch name := cmp.Or(f.Profile, getenv("BITTING_PROFILE")); {
	case f.Data != "":
		return ofData(f.Data, f.As)
	case f.As != "":
		return ofData(cmp.Or(getenv("BITTING_DATA"), localData), f.As)
	case address != "":
		return &Account{
			URL:  address,
			From: "the address " + address,
			key:  strings.TrimSpace(getenv("BITTING_KEY")),
		}, nil
	case getenv("BITTING_DATA") != "":
		return ofData(getenv("BITTING_DATA"), "")
	case name != "":
		return ofProfile(name, getenv)
	}

	if a, err := ofData(localData, ""); err == nil {
		return a, nil
	}

	return ofProfile("", getenv)
}

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
		key:          cmp.Or(running.AdminKey, running.OperatorKey),
		operatorKey:  running.OperatorKey,
	}
	if as != "" {
		a.key, a.operatorKey = "", ""
		a.token = func(context.Context) (string, error) { return local.Token(dir, as) }

		for _, p := range running.People {
			if p.Email == as {
				a.Organization = p.Organization
			}
		}
	}

	return a, nil
}

// maxKeyFile is more than a key has, in bytes.
const maxKeyFile = 4096

// readKey reads a key from a file, or from standard input for "-".
func readKey(name string) (string, error) {
	if strings.Count(name, "_") == 3 && !strings.ContainsAny(name, "/.") {
		return "", errors.New("--key-file: expected a file, not the key itself, which others on this " +
			"machine can now see in the list of processes")
	}

	file := os.Stdin
	if name != "-" {
		var err error
		if file, err = os.Open(filepath.Clean(name)); err != nil {
			return "", err
		}

		defer func() { _ = file.Close() }() // only read
	}

	text := make([]byte, maxKeyFile)
	n, err := file.Read(text)

	key := strings.TrimSpace(string(text[:n]))
	if n == 0 && err != nil || key == "" || n == maxKeyFile {
		return "", fmt.Errorf("%s: expected a key and nothing else", name)
	}

	return key, nil
}

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
	return client.New(client.Config{
		// the stack's output AdminUrl ends with /v1
		URL:       strings.TrimSuffix(strings.TrimRight(a.URL, "/"), "/v1"),
		Key:       key,
		Token:     token,
		UserAgent: "bitting/" + version,
	})
}
