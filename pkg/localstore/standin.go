package localstore

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
)

// ErrNone means that no DynamoDB stand-in is installed.
var ErrNone = errors.New("localstore: no DynamoDB stand-in")

// StandIn is an installed DynamoDB stand-in.
type StandIn struct {
	Name string // such as dynoxide

	// serve returns the command that serves on a port of loopback, with its data in a file or folder,
	// or in memory if data is "".
	serve func(port int, data string) []string
	data  string   // name of that file or folder
	end   []string // command that ends one that was left over, before its data; nil for a signal
}

// Host is the machine that a stand-in is chosen for.
type Host struct {
	Platform string                 // as Go names it, such as darwin/arm64
	Folder   string                 // a checkout's, or one below it; "" for none
	Cache    string                 // where Install installs
	Has      func(tool string) bool // npm, mvn, jdk17, docker, podman or cargo
}

// ThisHost returns this machine, seen from a folder.
func ThisHost(folder string) Host {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}

	return Host{
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Folder:   folder,
		Cache:    filepath.Join(cache, "bitting"),
		Has:      has,
	}
}

// Find returns the stand-in that is installed, seen from a folder.
func Find(folder string) (StandIn, error) { return ThisHost(folder).Find() }

// Find returns the stand-in that is installed: the fastest, if there are several.
func (h Host) Find() (StandIn, error) {
	for _, m := range methods {
		if s, ok := m.find(h); ok {
			return s, nil
		}
	}

	return StandIn{}, fmt.Errorf("%w: run `bitting local deps` (in a checkout: `make deps`), or pass "+
		"the address of a DynamoDB with --dynamodb URL", ErrNone)
}

// Dynoxide returns the stand-in of a binary. It starts in well under a second.
func Dynoxide(binary string) StandIn {
	return StandIn{
		Name: "dynoxide",
		data: "dynamodb.sqlite",
		serve: func(port int, data string) []string {
			command := []string{
				binary, "serve", "--host", "127.0.0.1", "--port", strconv.Itoa(port),
			}
			if data != "" {
				command = append(command, "--db-path", data)
			}

			return command
		},
	}
}

func findDynoxide(binary string) (StandIn, bool) {
	info, err := os.Stat(binary)
	return Dynoxide(binary), err == nil && info.Mode().IsRegular()
}

// findDynoxideOfNPM looks in the node_modules of the folder and of those above it, and in the cache.
func findDynoxideOfNPM(h Host) (StandIn, bool) {
	name, ok := npmPackages[h.Platform]
	if !ok {
		return StandIn{}, false
	}

	binary := filepath.Join("node_modules", filepath.FromSlash(name), "dynoxide")

	for dir, err := filepath.Abs(h.Folder); err == nil; dir = filepath.Dir(dir) {
		if s, ok := findDynoxide(filepath.Join(dir, binary)); ok {
			return s, true
		}

		if dir == filepath.Dir(dir) {
			break
		}
	}

	return findDynoxide(filepath.Join(h.npmFolder(), binary))
}

func findDynoxideOfCargo(h Host) (StandIn, bool) {
	return findDynoxide(filepath.Join(h.cargoFolder(), "bin", "dynoxide"))
}

// findDynamoDBLocal finds Amazon's own stand-in, which takes seconds to start.
func findDynamoDBLocal(h Host) (StandIn, bool) {
	folder := h.javaFolder()
	libraries := filepath.Join(folder, "lib")
	_, err := os.Stat(filepath.Join(folder, "LoopbackDynamoDB.class"))

	return StandIn{
		Name: "DynamoDB Local",
		data: "dynamodb-local",
		serve: func(port int, data string) []string {
			return append([]string{
				"java", "-Djava.library.path=" + libraries, "-cp",
				filepath.Join(libraries, "*") + string(os.PathListSeparator) + folder,
				"LoopbackDynamoDB", "-port", strconv.Itoa(port), "-sharedDb",
			}, dataOf("-dbPath", data)...)
		},
	}, err == nil && h.Has("jdk17")
}

func dataOf(flag, data string) []string {
	if data == "" {
		return []string{"-inMemory"}
	}

	return []string{flag, data}
}

// findContainer finds the image of DynamoDB Local that Install pulled.
func findContainer(h Host) (StandIn, bool) {
	text, err := os.ReadFile(h.containerFile())
	engine := strings.TrimSpace(string(text))

	return StandIn{
		Name: "DynamoDB Local in a container",
		data: "dynamodb-local",
		serve: func(port int, data string) []string {
			command := []string{
				engine, "run", "--rm", "--name", containerName(data), "--publish",
				fmt.Sprintf("127.0.0.1:%d:8000", port),
			}
			inside := data

			if data != "" {
				command = append(command, "--user", strconv.Itoa(os.Getuid()), "--volume", data+":/data")
				inside = "/data"
			}

			command = append(command, image, "-jar", "DynamoDBLocal.jar", "-sharedDb")
			return append(command, dataOf("-dbPath", inside)...)
		},
		end: []string{engine, "rm", "--force"},
	}, err == nil && engine != "" && h.Has(engine)
}

// containerName returns the name of the container that serves data, so that one which was left over
// is found.
func containerName(data string) string {
	if data == "" {
		data = strconv.Itoa(os.Getpid())
	}

	return fmt.Sprintf("bitting-%x", sha256.Sum256([]byte(data)))[:24]
}

// has reports whether this machine has a tool that works.
func has(tool string) bool {
	probe := map[string][]string{
		"jdk17":  {"javac", "-version"},
		"docker": {"docker", "info"},
		"podman": {"podman", "info"},
	}[tool]
	if probe == nil {
		_, err := exec.LookPath(tool)
		return err == nil
	}

	out, err := exec.Command(probe[0], probe[1:]...).CombinedOutput() //nolint:noctx // it is quick
	if tool != "jdk17" || err != nil {
		return err == nil
	}

	version := regexp.MustCompile(`javac (\d+)`).FindSubmatch(out)
	if version == nil {
		return false
	}

	major, err := strconv.Atoi(string(version[1]))
	return err == nil && major >= 17
}
