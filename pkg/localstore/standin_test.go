package localstore_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/localstore"
)

// host returns another machine than this one, with nothing installed.
func host(t *testing.T, platform string, tools ...string) localstore.Host {
	t.Helper()

	return localstore.Host{
		Platform: platform,
		Folder:   t.TempDir(),
		Cache:    t.TempDir(),
		Has:      func(tool string) bool { return slices.Contains(tools, tool) },
	}
}

func plant(t *testing.T, path ...string) {
	t.Helper()

	file := filepath.Join(path...)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700),
		os.WriteFile(file, []byte("docker\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// Of what is installed, the fastest is found, on the platforms for which it exists.
func TestFind(t *testing.T) {
	t.Parallel()

	const npm = "node_modules/@dynoxide/linux-x64/dynoxide"

	for name, test := range map[string]struct {
		platform string
		tools    string
		planted  []string // in the cache
		want     string
	}{
		"nothing":                   {"linux/amd64", "npm", nil, ""},
		"npm's":                     {"linux/amd64", "", []string{"npm/" + npm}, "dynoxide"},
		"npm's, of another machine": {"darwin/arm64", "", []string{"npm/" + npm}, ""},
		"cargo's on a Mac": {
			"darwin/arm64", "", []string{"dynoxide-1.2.1/bin/dynoxide"}, "dynoxide",
		},
		"Java": {
			"darwin/arm64", "jdk17",
			[]string{"dynamodb-local-2.6.1/LoopbackDynamoDB.class"},
			"DynamoDB Local",
		},
		"Java without Java": {
			"darwin/arm64", "", []string{"dynamodb-local-2.6.1/LoopbackDynamoDB.class"}, "",
		},
		"container": {
			"linux/arm64", "docker", []string{"container-2.6.1"}, "DynamoDB Local in a container",
		},
		"container without its engine": {"linux/arm64", "podman", []string{"container-2.6.1"}, ""},
		"all": {
			"darwin/arm64", "docker jdk17",
			[]string{
				"container-2.6.1", "dynamodb-local-2.6.1/LoopbackDynamoDB.class",
				"dynoxide-1.2.1/bin/dynoxide",
			},
			"dynoxide",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			h := host(t, test.platform, strings.Fields(test.tools)...)
			for _, file := range test.planted {
				plant(t, h.Cache, file)
			}

			got, err := h.Find()
			if got.Name != test.want || (err == nil) != (test.want != "") {
				t.Errorf("found %q, %v; want %q", got.Name, err, test.want)
			}

			if err != nil && (!errors.Is(err, localstore.ErrNone) ||
				!strings.Contains(err.Error(), "bitting local deps") ||
				!strings.Contains(err.Error(), "--dynamodb")) {
				t.Error(err)
			}
		})
	}

	// a checkout's own, from a folder below it
	h := host(t, "linux/amd64")
	below := filepath.Join(h.Folder, "a", "b")
	plant(t, below, "file")
	plant(t, h.Folder, npm, "in a folder of that name")
	h.Folder = below

	if got, err := h.Find(); err == nil {
		t.Errorf("a folder was taken for the binary: %v", got)
	}

	if err := os.RemoveAll(filepath.Join(h.Folder, "..", "..", npm)); err != nil {
		t.Fatal(err)
	}

	plant(t, h.Folder, "..", "..", npm)

	if got, err := h.Find(); err != nil || got.Name != "dynoxide" {
		t.Errorf("found %q, %v", got.Name, err)
	}
}

// What is not there is installed by what the machine has, the quickest first. PATH has programs that
// only say that they were called.
func TestInstall(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin)

	for program, script := range map[string]string{
		"npm":    "exit 1",
		"mvn":    "exit 1",
		"javac":  "exit 1",
		"cargo":  "exit 1",
		"podman": "exit 1",
		"docker": "exit 0",
	} {
		script = "#!/bin/sh\necho called " + program + " $1\n" + script + "\n"
		if err := os.WriteFile(filepath.Join(bin, program), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}

	for name, test := range map[string]struct {
		platform string
		tools    string
		calls    []string
		want     string // of the error; "" for none
	}{
		"Linux": {
			"linux/amd64", "npm jdk17 mvn docker cargo",
			[]string{"npm ci", "mvn --quiet", "docker pull"},
			"",
		},
		"Linux on arm64": {"linux/arm64", "npm jdk17 mvn docker cargo", []string{"docker pull"}, ""},
		"a Mac": {
			"darwin/arm64", "npm jdk17 mvn podman cargo",
			[]string{"mvn --quiet", "podman pull", "cargo install"},
			"exit status 1",
		},
		"a Mac with Node alone": {
			"darwin/arm64", "npm", nil,
			"Install one of these, and try again: Rust with cargo; a JDK of version 17 or later, " +
				"and Maven; Docker; Podman. Or start a DynamoDB yourself",
		},
		"a Mac with Maven alone": {"darwin/arm64", "mvn", nil, "a JDK of version 17"},
		"Windows":                {"windows/amd64", "", nil, "Docker"},
	} {
		t.Run(name, func(t *testing.T) {
			h := host(t, test.platform, strings.Fields(test.tools)...)

			var out bytes.Buffer

			err := h.Install(t.Context(), &out)
			if (err == nil) != (test.want == "") ||
				err != nil && (!strings.Contains(err.Error(), test.want) ||
					strings.Contains(err.Error(), "%!")) {
				t.Errorf("%v, want %q", err, test.want)
			}

			var calls []string
			for line := range strings.Lines(out.String()) {
				if call, ok := strings.CutPrefix(strings.TrimSpace(line), "called "); ok {
					calls = append(calls, call)
				}
			}

			if !slices.Equal(calls, test.calls) {
				t.Errorf("called %q, want %q", calls, test.calls)
			}

			if test.want != "" {
				return
			}

			out.Reset()

			if err := h.Install(t.Context(), &out); err != nil || out.Len() > 0 {
				t.Errorf("what is there was installed again: %v, %s", err, &out)
			}
		})
	}
}

// Amazon's stand-in listens on loopback alone, and is ended when it was left over. It needs to be
// installed, as on a machine where nothing else is.
func TestDynamoDBLocal(t *testing.T) {
	t.Parallel()

	h := localstore.ThisHost("")
	h.Platform = "darwin/amd64" // for which npm has nothing
	h.Cache = os.Getenv("BITTING_TEST_JAVA_CACHE")

	if h.Cache == "" {
		t.Skip("BITTING_TEST_JAVA_CACHE is not set: the folder in which to install it")
	}

	if err := h.Install(t.Context(), t.Output()); err != nil {
		t.Fatal(err)
	}

	standIn, err := h.Find()
	if err != nil || standIn.Name != "DynamoDB Local" {
		t.Fatal(standIn.Name, err)
	}

	dir := t.TempDir()

	began := time.Now()

	first, err := localstore.Start(t.Context(), standIn, dir, io.Discard)
	if err != nil {
		t.Fatal(err)
	}

	t.Logf("started after %v", time.Since(began))

	if err := syscall.Kill(pidIn(t, dir), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}

	second, err := localstore.Start(t.Context(), standIn, dir, io.Discard)
	if err != nil {
		t.Fatal(err)
	}

	third, err := localstore.Start(t.Context(), standIn, dir, io.Discard)
	if err != nil {
		t.Fatal(err)
	}

	if answers(t, first) || answers(t, second) || !answers(t, third) {
		t.Error("the one that was left over goes on")
	}

	stop(t, third)
}
