// Command package makes a release of what `sam build` built: the functions as zips, and a template
// that names them, which the AWS CLI alone deploys (see deploy.sh).
//
//	package -build .aws-sam/build -architecture arm64 -platforms linux/amd64,darwin/arm64 -to dist/bitting-v1.0.0-arm64
//
// It promises that the same build gives the same bytes, and that a zip's name says what is in it, so
// that a release uploads and deploys only what changed.
package main

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

func main() {
	build := flag.String("build", ".aws-sam/build", "the folder that `sam build` made")
	architecture := flag.String("architecture", "arm64", "the functions' architecture")
	platforms := flag.String("platforms", runtime.GOOS+"/"+runtime.GOARCH,
		"what the command line is built for; none for nothing")
	to := flag.String("to", "", "the release's folder, which is made anew")
	flag.Parse()

	var list []string
	if *platforms != "none" {
		list = strings.Split(*platforms, ",")
	}

	if err := release(*build, *architecture, list, *to); err != nil {
		fmt.Fprintln(os.Stderr, "package:", err)
		os.Exit(1)
	}
}

// release makes the release's folder.
func release(build, architecture string, platforms []string, to string) error {
	if to == "" {
		return errors.New("-to names the release's folder")
	}

	if err := os.RemoveAll(to); err != nil {
		return err
	}

	text, err := os.ReadFile("template.yaml")
	if err != nil {
		return err
	}

	var binaries []string

	pack := func(function string) (string, error) {
		binaries = append(binaries, filepath.Join(build, function, "bootstrap"))
		return packFunction(build, architecture, function, to)
	}

	packaged, err := rewrite(text, architecture, pack)
	if err != nil {
		return fmt.Errorf("template.yaml: %w", err)
	}

	if err := write(filepath.Join(to, "template.yaml"), packaged, 0o644); err != nil {
		return err
	}

	for _, platform := range platforms {
		file, err := buildCommand(platform, to)
		if err != nil {
			return err
		}

		binaries = append(binaries, file)
	}

	if err := copyLicences(binaries, filepath.Join(to, "licences")); err != nil {
		return err
	}

	return copyFile("tools/package/deploy.sh", filepath.Join(to, "deploy.sh"), 0o755)
}

// packFunction makes the zip of a function, and returns its name. Functions of the same code have
// the same zip.
func packFunction(build, architecture, function, to string) (name string, err error) {
	file := filepath.Join(build, function, "bootstrap")

	bootstrap, err := os.ReadFile(file) //nolint:gosec // of the folder that the user names
	if err != nil {
		return "", fmt.Errorf("%w: run `make build` first", err)
	}

	// else a function would be deployed that its Lambda cannot start
	info, err := buildinfo.Read(bytes.NewReader(bootstrap))
	if err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}

	if got := setting(info, "GOARCH"); got != strings.Replace(architecture, "x86_64", "amd64", 1) {
		return "", fmt.Errorf("%s is built for %s, not for %s", file, got, architecture)
	}

	name = fmt.Sprintf("%s-%x.zip", strings.ToLower(filepath.Base(info.Path)),
		sha256.Sum256(bootstrap))

	zipFile := filepath.Join(to, "functions", name)
	if _, err := os.Stat(zipFile); err == nil {
		return name, nil // another function has the same code
	}

	var out bytes.Buffer
	if err := zipped(&out, bootstrap); err != nil {
		return "", err
	}

	return name, write(zipFile, out.Bytes(), 0o644)
}

// buildCommand builds the command line for a platform, such as linux/arm64, and returns its file.
func buildCommand(platform, to string) (file string, err error) {
	system, architecture, ok := strings.Cut(platform, "/")
	if !ok {
		return "", fmt.Errorf("%s is no platform such as linux/arm64", platform)
	}

	file = filepath.Join(to, "bitting-"+system+"-"+architecture)
	if system == "windows" {
		file += ".exe"
	}

	_, err = goCommand([]string{"CGO_ENABLED=0", "GOOS=" + system, "GOARCH=" + architecture},
		"build", "-trimpath", "-buildvcs=true", "-ldflags=-s -w", "-o", file, "./cmd/bitting")
	return file, err
}

func setting(info *buildinfo.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}

	return ""
}

// zipped writes the zip of an executable bootstrap. Nothing in it tells when or where it was made.
func zipped(to io.Writer, bootstrap []byte) error {
	w := zip.NewWriter(to)
	w.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(out, flate.BestCompression)
	})

	header := &zip.FileHeader{
		Name:     "bootstrap",
		Method:   zip.Deflate,
		Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC), // the earliest that a zip can say
	}
	header.SetMode(0o755)

	file, err := w.CreateHeader(header)
	if err != nil {
		return err
	}

	if _, err := file.Write(bootstrap); err != nil {
		return err
	}

	return w.Close()
}

// parameters are what a release's template asks for besides those of the project's.
const parameters = `  ArtifactBucket:
    Type: String
    Description: The bucket, in the stack's region, to which deploy.sh copied the functions
`

// rewrite returns the project's template as that of a release: each CodeUri is a zip, which pack
// makes, and only the one architecture can be chosen. All other lines are as they were, comments
// included.
func rewrite(
	text []byte, architecture string, pack func(function string) (zip string, err error),
) ([]byte, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, err
	}

	lines := strings.SplitAfter(string(text), "\n")

	resources := member(document.Content[0], "Resources")
	for i := 0; i < len(resources.Content); i += 2 {
		function, resource := resources.Content[i].Value, resources.Content[i+1]

		code := member(member(resource, "Properties"), "CodeUri")
		if code == nil {
			continue
		}

		name, err := pack(function)
		if err != nil {
			return nil, err
		}

		at := code.Line - 1
		indent, _, _ := strings.Cut(lines[at], "CodeUri:")
		lines[at] = fmt.Sprintf("%sCodeUri: {Bucket: !Ref ArtifactBucket, Key: bitting/%s}\n", indent, name)
	}

	chosen := member(member(document.Content[0], "Parameters"), "Architecture")
	for key, value := range map[string]string{
		"Default":       architecture,
		"AllowedValues": "[" + architecture + "]",
	} {
		at := member(chosen, key).Line - 1
		indent, _, _ := strings.Cut(lines[at], key)
		lines[at] = fmt.Sprintf("%s%s: %s\n", indent, key, value)
	}

	first := member(document.Content[0], "Parameters").Content[0].Line - 1
	lines = slices.Insert(lines, first, parameters)
	return []byte(strings.Join(lines, "")), nil
}

// member returns a value of a mapping; nil if it has none of that name.
func member(of *yaml.Node, name string) *yaml.Node {
	if of == nil {
		return nil
	}

	for i := 0; i+1 < len(of.Content); i += 2 {
		if of.Content[i].Value == name {
			return of.Content[i+1]
		}
	}

	return nil
}

// aLicence matches the names of files that must go with what is built of a module.
var aLicence = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice)`)

// copyLicences copies the licences of every module in the binaries, that of Go's standard library
// and the project's own. The console's are served beside it.
func copyLicences(binaries []string, to string) error {
	modules := map[string]bool{}

	for _, file := range binaries {
		info, err := buildinfo.ReadFile(file)
		if err != nil {
			return err
		}

		for _, m := range info.Deps {
			modules[m.Path+"@"+m.Version] = true
		}
	}

	root, err := goCommand(nil, "env", "GOROOT")
	if err != nil {
		return err
	}

	folders := map[string]string{"bitting": ".", "go": root}
	for m := range modules {
		path, _, _ := strings.Cut(m, "@")
		if folders[m], err = goCommand(nil, "list", "-m", "-f", "{{.Dir}}", path); err != nil {
			return err
		}
	}

	for m, folder := range folders {
		if err := copyLicencesOf(folder, filepath.Join(to, filepath.FromSlash(m))); err != nil {
			return fmt.Errorf("%s: %w", m, err)
		}
	}

	return nil
}

// copyLicencesOf copies the licences in a module's folder, of which there must be one.
func copyLicencesOf(folder, to string) error {
	files, err := os.ReadDir(folder)
	if err != nil {
		return err
	}

	files = slices.DeleteFunc(files, func(f fs.DirEntry) bool {
		return !f.Type().IsRegular() || !aLicence.MatchString(f.Name())
	})
	if len(files) == 0 {
		return errors.New("no licence in " + folder)
	}

	for _, f := range files {
		if err := copyFile(filepath.Join(folder, f.Name()), filepath.Join(to, f.Name()), 0o644); err != nil {
			return err
		}
	}

	return nil
}

func copyFile(from, to string, mode fs.FileMode) error {
	text, err := os.ReadFile(from) //nolint:gosec // a module's, or the project's
	if err != nil {
		return err
	}

	return write(to, text, mode)
}

// write writes a file that anybody may read, in a folder that is made if it is not there.
func write(file string, text []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // a release is public
		return err
	}

	return os.WriteFile(file, text, mode)
}

// goCommand runs Go's command with these variables too, and returns what it prints.
func goCommand(variables []string, args ...string) (string, error) {
	c := exec.CommandContext(context.Background(), "go", args...) //nolint:gosec // of who makes the release
	c.Env = append(os.Environ(), variables...)                    //nolint:forbidigo // Go's own
	c.Stderr = os.Stderr

	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}

	return strings.TrimSpace(string(out)), nil
}
