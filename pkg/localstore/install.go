package localstore

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bitting-keys/bitting"
)

// The versions that Install installs.
const (
	dynoxideVersion      = "1.2.1"
	dynamoDBLocalVersion = "2.6.1" // as in java/pom.xml
	image                = "docker.io/amazon/dynamodb-local:" + dynamoDBLocalVersion
)

// npmPackages are the packages with dynoxide's binary, by platform.
var npmPackages = map[string]string{"linux/amd64": "@dynoxide/linux-x64"}

// method is a way to get a stand-in.
type method struct {
	name      string
	takes     string   // measured on two processors of x86-64
	platforms []string // nil for all
	needs     []string // tools
	words     string   // what the needs are called
	find      func(Host) (StandIn, bool)
	install   func(context.Context, Host, io.Writer) error
}

// methods are in the order in which an installed stand-in is preferred, which is that of their speed,
// and in which one is installed, but for what is built from its sources: that is last.
var methods = []method{
	{
		name:      "dynoxide, from npm",
		takes:     "a second",
		platforms: []string{"linux/amd64"},
		needs:     []string{"npm"},
		words:     "Node.js with npm",
		find:      findDynoxideOfNPM,
		install:   installDynoxideOfNPM,
	},
	{
		name:    "dynoxide, built from its sources",
		takes:   "ten minutes",
		needs:   []string{"cargo"},
		words:   "Rust with cargo",
		find:    findDynoxideOfCargo,
		install: installDynoxideOfCargo,
	},
	{
		name:  "DynamoDB Local, from Maven",
		takes: "a minute",
		// its library for SQLite exists for these
		platforms: []string{"linux/amd64", "darwin/amd64", "darwin/arm64"},
		needs:     []string{"jdk17", "mvn"},
		words:     "a JDK of version 17 or later, and Maven",
		find:      findDynamoDBLocal,
		install:   installDynamoDBLocal,
	},
	{
		name:    "DynamoDB Local, in a container of docker",
		takes:   "a minute",
		needs:   []string{"docker"},
		words:   "Docker",
		find:    findContainer,
		install: pull("docker"),
	},
	{
		name:    "DynamoDB Local, in a container of podman",
		takes:   "a minute",
		needs:   []string{"podman"},
		words:   "Podman",
		find:    findContainer,
		install: pull("podman"),
	},
}

func (h Host) npmFolder() string   { return filepath.Join(h.Cache, "npm") }
func (h Host) cargoFolder() string { return filepath.Join(h.Cache, "dynoxide-"+dynoxideVersion) }
func (h Host) javaFolder() string {
	return filepath.Join(h.Cache, "dynamodb-local-"+dynamoDBLocalVersion)
}

func (h Host) containerFile() string {
	return filepath.Join(h.Cache, "container-"+dynamoDBLocalVersion)
}

// Install installs a stand-in if none is there, and says to out what it does. If one way fails, it
// tries the next.
func (h Host) Install(ctx context.Context, out io.Writer) error {
	if _, err := h.Find(); err == nil {
		return nil
	}

	ways := h.ways()

	var faults []error
	for _, m := range ways {
		_, _ = fmt.Fprintf(out, "Installing a DynamoDB stand-in: %s. This takes about %s.\n", m.name,
			m.takes)

		err := m.install(ctx, h, out)
		if err == nil {
			if _, err = h.Find(); err == nil {
				return nil
			}
		}

		if ctx.Err() != nil {
			return ctx.Err()
		}

		faults = append(faults, fmt.Errorf("%s: %w", m.name, err))
	}

	return errors.Join(append([]error{fmt.Errorf("%w, and none can be installed here. Install one of "+
		"these, and try again: %s. Or start a DynamoDB yourself, and pass its address with --dynamodb URL",
		ErrNone, strings.Join(h.wants(), "; "))}, faults...)...)
}

// ways returns the methods that work on this host, in the order in which they are tried.
func (h Host) ways() []method {
	var ways, slow []method
	for _, m := range methods {
		lacks := func(tool string) bool { return !h.Has(tool) }

		switch {
		case !m.runsOn(h.Platform) || slices.ContainsFunc(m.needs, lacks):
		case m.needs[0] == "cargo":
			slow = append(slow, m)
		default:
			ways = append(ways, m)
		}
	}

	return append(ways, slow...)
}

// wants returns what to install for one of the methods.
func (h Host) wants() []string {
	var wants []string
	for _, m := range methods {
		if m.runsOn(h.Platform) {
			wants = append(wants, m.words)
		}
	}

	return wants
}

func (m method) runsOn(platform string) bool {
	return m.platforms == nil || slices.Contains(m.platforms, platform)
}

func installDynoxideOfNPM(ctx context.Context, h Host, out io.Writer) error {
	folder := h.npmFolder()
	for name, content := range map[string][]byte{
		"package.json":      bitting.NodePackage,
		"package-lock.json": bitting.NodePackageLock,
	} {
		if err := write(folder, name, content); err != nil {
			return err
		}
	}

	return run(ctx, out, folder, "npm", "ci", "--no-audit", "--no-fund", "--no-update-notifier",
		"--loglevel=error")
}

func installDynoxideOfCargo(ctx context.Context, h Host, out io.Writer) error {
	return run(ctx, out, "", "cargo", "install", "--quiet", "--locked", "--version", dynoxideVersion,
		"--root", h.cargoFolder(), "dynoxide-rs")
}

var (
	//go:embed java/pom.xml
	pom []byte
	//go:embed java/LoopbackDynamoDB.java
	loopback []byte
)

func installDynamoDBLocal(ctx context.Context, h Host, out io.Writer) error {
	folder := h.javaFolder()
	if err := errors.Join(write(folder, "pom.xml", pom),
		write(folder, "LoopbackDynamoDB.java", loopback)); err != nil {
		return err
	}

	if err := run(ctx, out, folder, "mvn", "--quiet", "--batch-mode",
		"dependency:copy-dependencies", "-DoutputDirectory=lib"); err != nil {
		return err
	}

	// the class comes last: it says that all is there
	return run(ctx, out, folder, "javac", "-cp", filepath.Join("lib", "*"), "LoopbackDynamoDB.java")
}

func pull(engine string) func(context.Context, Host, io.Writer) error {
	return func(ctx context.Context, h Host, out io.Writer) error {
		if err := run(ctx, out, "", engine, "pull", "--quiet", image); err != nil {
			return err
		}

		return write(h.Cache, filepath.Base(h.containerFile()), []byte(engine+"\n"))
	}
}

func write(folder, name string, content []byte) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}

	return os.WriteFile(filepath.Join(folder, name), content, 0o600)
}

func run(ctx context.Context, out io.Writer, folder, name string, args ...string) error {
	command := exec.CommandContext(ctx, name, args...) //nolint:gosec // of the methods above
	command.Dir = folder
	command.Stdout = out
	command.Stderr = out
	return command.Run()
}
