package docs_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bitting-keys/bitting"
)

const module = "github.com/bitting-keys/bitting"

// room is a package of the project, by its folder.
type room struct {
	folder    string
	imports   []string // folders of the project
	libraries []string // packages of others, Go's own left out
	standard  []string // Go's own
}

// rooms lists the packages of the project and what they import, tests left out.
func rooms(t *testing.T) (rooms []room) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,GoFiles",
		"./...")
	command.Dir = root

	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}

	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var listed struct {
			ImportPath string
			Imports    []string
			GoFiles    []string // without tests
		}
		if err := decoder.Decode(&listed); errors.Is(err, io.EOF) {
			return rooms
		} else if err != nil {
			t.Fatal(err)
		}

		if len(listed.GoFiles) == 0 {
			continue
		}

		r := room{folder: strings.TrimPrefix(listed.ImportPath, module+"/")}
		for _, name := range listed.Imports {
			first, _, _ := strings.Cut(name, "/")
			if folder, ours := strings.CutPrefix(name, module+"/"); ours {
				r.imports = append(r.imports, folder)
			} else if strings.Contains(first, ".") {
				r.libraries = append(r.libraries, name)
			} else {
				r.standard = append(r.standard, name)
			}
		}

		rooms = append(rooms, r)
	}
}

// drawn returns the lines of a drawing on the page of the architecture.
func drawn(t *testing.T, kind string) (lines [][]string) {
	t.Helper()

	blocks := regexp.MustCompile("(?s)```"+kind+"\n(.*?)\n```").
		FindAllStringSubmatch(read(t, "docs/architecture.md"), -1)
	if len(blocks) != 1 {
		t.Fatalf("%d drawings of %s", len(blocks), kind)
	}

	for line := range strings.Lines(blocks[0][1]) {
		lines = append(lines, strings.Fields(line))
	}

	return lines
}

// Each package imports only those that are drawn below it, and none next to it or above.
func TestPackagesKeepToTheirLayer(t *testing.T) {
	t.Parallel()
	layers := drawn(t, "layers")

	layer := func(folder string) int {
		return slices.IndexFunc(layers, func(line []string) bool {
			return slices.ContainsFunc(line, func(pattern string) bool {
				match, err := path.Match(pattern, folder)
				return match && err == nil
			})
		})
	}

	for _, r := range rooms(t) {
		at := layer(r.folder)
		if at < 0 && r.folder != module {
			t.Errorf("%s is not drawn", r.folder)
		}

		for _, other := range r.imports {
			if layer(other) <= at {
				t.Errorf("%s imports %s, which is not drawn below it", r.folder, other)
			}
		}
	}
}

// Some packages import no more than what is drawn for them.
func TestNarrowRoomsStayNarrow(t *testing.T) {
	t.Parallel()
	all := rooms(t)

	for _, line := range drawn(t, "only") {
		i := slices.IndexFunc(all, func(r room) bool { return r.folder == line[0] })
		if i < 0 {
			t.Errorf("there is no %s", line[0])
			continue
		}

		for _, other := range all[i].imports {
			if !slices.Contains(line[1:], other) {
				t.Errorf("%s imports %s", line[0], other)
			}
		}
	}
}

// Few packages use AWS, and the domain imports Go's standard library alone.
func TestLibrariesKeepToTheirRooms(t *testing.T) {
	t.Parallel()

	tables := []string{"pkg/store", "pkg/store/storetest", "bench/diy"}
	who := map[string][]string{
		"github.com/aws/aws-sdk-go-v2/service/dynamodb": tables,
		"github.com/aws/aws-sdk-go-v2/feature/dynamodb": tables,
		"github.com/aws/aws-sdk-go-v2/service/kms":      {"pkg/boot/full", "pkg/pepper/awskms"},
		"github.com/danielgtaylor/huma":                 {"pkg/adminapi", "pkg/adminapi/generate"},
	}

	pure := []string{
		"pkg/advice", "pkg/api", "pkg/apikey", "pkg/cache", "pkg/check", "pkg/client", "pkg/history",
		"pkg/job", "pkg/organization", "pkg/permission", "pkg/policy", "pkg/secretscan", "pkg/strictjson",
	}

	for _, r := range rooms(t) {
		if slices.Contains(pure, r.folder) && len(r.libraries) > 0 {
			t.Errorf("%s imports %v", r.folder, r.libraries)
		}

		for _, library := range r.libraries {
			for prefix, folders := range who {
				if strings.HasPrefix(library, prefix) && !slices.Contains(folders, r.folder) {
					t.Errorf("%s imports %s", r.folder, library)
				}
			}
		}
	}
}

// The authorizers bring nothing that a check does not need: a start would load it, and its packages
// would be initialised.
func TestAuthorizersAreSmall(t *testing.T) {
	t.Parallel()

	out, err := exec.CommandContext(t.Context(), "go", "list", "-tags", bitting.BuildTags, "-deps",
		"../authorizer").Output()
	if err != nil {
		t.Fatal(err)
	}

	for dependency := range strings.FieldsSeq(string(out)) {
		for _, unwanted := range []string{
			"aws-sdk-go-v2/service", "aws-sdk-go-v2/feature", "go-jose", "api-proxy", "huma",
			"encoding/gob", "bitting/pkg/job", "bitting/pkg/history", "bitting/pkg/proxy",
			"bitting/pkg/admin", "bitting/pkg/identity/oidc", "bitting/pkg/boot/full",
		} {
			if strings.Contains(dependency, unwanted) {
				t.Errorf("the authorizer imports %s", dependency)
			}
		}

		if strings.HasSuffix(dependency, "bitting/pkg/store") {
			t.Error("the authorizer imports the store of administration")
		}
	}
}

// What admins do, and what a deployment does by itself, know nothing of HTTP.
func TestRoomsWithoutHTTP(t *testing.T) {
	t.Parallel()

	without := []string{"pkg/admin", "pkg/upkeep"}
	for _, r := range rooms(t) {
		if i := slices.Index(without, r.folder); i >= 0 {
			without = slices.Delete(without, i, i+1)

			if slices.Contains(r.standard, "net/http") {
				t.Errorf("%s imports net/http", r.folder)
			}

			if slices.Contains(r.imports, "pkg/proxy") {
				t.Errorf("%s imports pkg/proxy", r.folder)
			}
		}
	}

	if len(without) > 0 {
		t.Errorf("there is no %v", without)
	}
}
