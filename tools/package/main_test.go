package main

import (
	"archive/zip"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// A release's template differs from the project's in where its functions are, in the architecture,
// and in nothing else.
func TestTemplate(t *testing.T) {
	t.Parallel()

	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}

	functions := 0

	packaged, err := rewrite(text, "x86_64", func(function string) (string, error) {
		functions++
		return function + ".zip", nil
	})
	if err != nil {
		t.Fatal(err)
	}

	var got struct {
		Parameters map[string]struct {
			Default       string   `yaml:"Default"`
			AllowedValues []string `yaml:"AllowedValues"`
		} `yaml:"Parameters"`
		Resources map[string]struct {
			Type       string `yaml:"Type"`
			Properties struct {
				CodeURI yaml.Node `yaml:"CodeUri"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(packaged, &got); err != nil {
		t.Fatal(err)
	}

	for name, r := range got.Resources {
		if r.Type != "AWS::Serverless::Function" {
			continue
		}

		functions--

		var code map[string]string
		if err := r.Properties.CodeURI.Decode(&code); err != nil || len(code) != 2 ||
			code["Bucket"] != "ArtifactBucket" || code["Key"] != "bitting/"+name+".zip" {
			t.Errorf("%s: %v, %v", name, code, err)
		}
	}

	if a := got.Parameters["Architecture"]; a.Default != "x86_64" || len(a.AllowedValues) != 1 ||
		a.AllowedValues[0] != "x86_64" || functions != 0 {
		t.Errorf("%+v, %d functions too many", a, functions)
	}

	before := strings.Split(string(text), "\n")
	after := strings.Split(strings.Replace(string(packaged), parameters, "", 1), "\n")

	if len(before) != len(after) {
		t.Fatalf("%d lines, want %d", len(after), len(before))
	}

	for i, line := range before {
		if line != after[i] && !strings.Contains(line, "CodeUri:") &&
			strings.TrimSpace(line) != "Default: arm64" && !strings.Contains(line, "[arm64, x86_64]") {
			t.Errorf("line %d: %s, want %s", i+1, after[i], line)
		}
	}
}

// The same binary gives the same bytes, and one that can be started.
func TestZip(t *testing.T) {
	t.Parallel()

	var one, other bytes.Buffer
	for _, to := range []*bytes.Buffer{&one, &other} {
		if err := zipped(to, []byte("binary")); err != nil {
			t.Fatal(err)
		}
	}

	if !bytes.Equal(one.Bytes(), other.Bytes()) {
		t.Error("two zips differ")
	}

	r, err := zip.NewReader(bytes.NewReader(one.Bytes()), int64(one.Len()))
	if err != nil || len(r.File) != 1 || r.File[0].Name != "bootstrap" || r.File[0].Mode() != 0o755 {
		t.Fatalf("%v, %+v", err, r)
	}
}

// What is not built for the release's architecture is not released.
func TestArchitecture(t *testing.T) {
	t.Parallel()
	build, to := t.TempDir(), t.TempDir()

	for file, text := range map[string]string{
		"go.mod":  "module example.com/demo\n",
		"main.go": "package main\n\nfunc main() {}\n",
	} {
		if err := write(filepath.Join(build, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	c := exec.CommandContext(t.Context(), "go", "build", "-C", build, "-o",
		filepath.Join("Demo", "bootstrap"), ".")
	c.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")

	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	if name, err := packFunction(build, "arm64", "Demo", to); err != nil ||
		!strings.HasPrefix(name, "demo-") {
		t.Errorf("%s, %v", name, err)
	}

	if name, err := packFunction(build, "x86_64", "Demo", to); err == nil {
		t.Errorf("packed as %s", name)
	}
}

// Every module that is built in must bring its licence.
func TestLicences(t *testing.T) {
	t.Parallel()
	to := t.TempDir()

	if err := copyLicencesOf(filepath.Join("..", ".."), to); err != nil {
		t.Error(err)
	}

	if _, err := os.Stat(filepath.Join(to, "LICENSE")); err != nil {
		t.Error(err)
	}

	if err := copyLicencesOf(t.TempDir(), to); err == nil {
		t.Error("a module without a licence")
	}
}
