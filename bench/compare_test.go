package bench

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/http1"
	"github.com/bitting-keys/bitting/pkg/localgateway/runtimeapi"
	"github.com/bitting-keys/bitting/pkg/localgateway/template"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// How much is measured: rounds, and in each of them cold starts and calls of each contender.
var (
	rounds     = flag.Int("rounds", 5, "rounds of `make bench`")
	coldStarts = flag.Int("cold", 8, "cold starts of each contender in a round")
	warmCalls  = flag.Int("calls", 2000, "calls of each contender in a round, after 300 that do not count")
)

const warmUp = 300

// calls are of ten routes.
var calls = [][2]string{
	{"GET", "/messages"},
	{"GET", "/messages/42"},
	{"POST", "/messages"},
	{"DELETE", "/messages/42"},
	{"GET", "/orders"},
	{"GET", "/orders/7"},
	{"POST", "/orders"},
	{"PATCH", "/orders/7"},
	{"GET", "/invoices"},
	{"GET", "/invoices/1/lines"},
}

// catalogue has the same routes as the other contenders.
func catalogue() []permission.Permission {
	one := func(name string, routes ...string) permission.Permission {
		p := permission.Permission{Name: name, Title: name}

		for _, route := range routes {
			method, path, _ := strings.Cut(route, " ")
			p.Routes = append(p.Routes, permission.Route{API: "demo", Method: method, Path: path})
		}

		return p
	}

	return []permission.Permission{
		one("messages:read", "GET /messages", "GET /messages/{messageId}"),
		one("messages:write", "POST /messages", "DELETE /messages/{messageId}"),
		one("orders:read", "GET /orders", "GET /orders/{orderId}"),
		one("orders:write", "POST /orders", "PATCH /orders/{orderId}"),
		one("invoices:read", "GET /invoices", "GET /invoices/{invoiceId}/lines"),
	}
}

// contender is an authorizer.
type contender struct {
	name      string
	bootstrap string
	secret    string
	size      int64
	env       map[string]string
	denies    bool // refuses a key that it does not know
	// a call of an administration's function, of which only the start is measured; "" for authorizers
	sample string

	// a value for each round: ms, ms until the first event is asked for, µs, ms, ms, MiB
	cold, init, cpu, p50, p99, rss []float64

	reads, writes int // of 200 calls

	printed tail
	started chan time.Duration // of the process that started last, how long it took
}

// tail keeps the end of what a contender prints, which is told if it fails: Bitting prints its
// metrics, a line for each start. It is safe for concurrent use.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// maxTail is how much is kept, in bytes.
const maxTail = 4 << 10

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()

	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-maxTail):]

	return len(p), nil
}

// String returns what was kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()

	return string(t.text)
}

// BenchmarkCompare prints a table; it takes minutes, and b.N means nothing to it.
func BenchmarkCompare(b *testing.B) {
	if runtime.GOOS != "linux" {
		b.Fatal("it reads /proc, and so needs Linux")
	}

	contenders := setUp(b)

	for round := range *rounds {
		// another is the first in each round
		at := round % len(contenders)
		turn := slices.Concat(contenders[at:], contenders[:at])

		starts(b, turn)

		for _, c := range turn {
			if c.sample == "" {
				c.measure(b)
			}
		}

		b.Logf("round %d of %d", round+1, *rounds)
	}

	fmt.Println(table(contenders))
}

// setUp builds the contenders, and the tables with a key for each kind.
func setUp(b *testing.B) []*contender {
	kit := storetest.New(b)
	keys := b.TempDir()

	provider, err := pepper.NewLocal(keys)
	if err != nil {
		b.Fatal(err)
	}

	kit.Provider = provider
	kit.Process = *kit.Restart()
	kit.MustCatalogue(b, catalogue()...)

	if _, err := kit.Keyring.Ensure(b.Context(), apikey.Production); err != nil {
		b.Fatal(err)
	}

	all := []string{"messages:read", "messages:write", "orders:read", "orders:write", "invoices:read"}
	_, secret := kit.MustKey(b, func(k *apikey.Key) {
		k.Permissions = all
		k.RateLimits = nil
	})
	_, limited := kit.MustKey(b, func(k *apikey.Key) {
		k.Permissions = all
		k.RateLimits = []apikey.RateLimit{{Name: "minute", Limit: 1_000_000, Window: time.Minute}}
	})

	endpoint := *kit.Client.Options().BaseEndpoint
	plain := plainTable(b, kit.Client, "an-api-key-of-32-random-characters", all)
	folder := b.TempDir()

	credentials := map[string]string{
		"AWS_ENDPOINT_URL_DYNAMODB": endpoint,
		"AWS_ACCESS_KEY_ID":         "AKIDEXAMPLE",
		"AWS_SECRET_ACCESS_KEY":     "bench",
		"AWS_SESSION_TOKEN":         "bench",
		"AWS_EC2_METADATA_DISABLED": "true",
		"NODE_NO_WARNINGS":          "1",
	}
	stack := map[string]string{
		"BITTING_CORE_TABLE": kit.CoreTable,
		"BITTING_HOT_TABLE":  kit.HotTable,
		"BITTING_LOCAL_KEYS": keys,
		"BITTING_METRICS":    "bench",
	}
	other := map[string]string{
		"TABLE":  plain,
		"PYTHON": tool(b, "../.tools/venv/bin/python"),
	}

	maps.Copy(stack, credentials)
	maps.Copy(other, credentials)

	own := deployed(b, "ProductionAuthorizer", stack)
	administration := deployed(b, "Keys", stack)

	// what the template sets of Go's runtime, which anybody could
	tuned := maps.Clone(other)
	for _, name := range []string{"GOMAXPROCS", "GODEBUG"} {
		tuned[name] = own[name]
	}

	contenders := []*contender{
		{name: "hello in Go, no I/O", bootstrap: goBuild(b, folder, "./hello", usual), env: other},
		{name: "floor in Go, by hand", bootstrap: goBuild(b, folder, "./floor", usual), env: tuned},
		{
			name:      "Bitting",
			bootstrap: goBuild(b, folder, "../authorizer", bitting.BuildTags),
			env:       own,
			secret:    secret.Reveal(),
		},
		{
			name:      "Bitting, a key with a limit",
			bootstrap: filepath.Join(folder, "authorizer"),
			env:       own,
			secret:    limited.Reveal(),
		},
		{name: "DIY Go", bootstrap: goBuild(b, folder, "./diy", usual), env: other},
		{name: "DIY Go, with our variables", bootstrap: filepath.Join(folder, "diy"), env: tuned},
		{name: "DIY Node", bootstrap: "node/bootstrap", env: other, size: sizeOf(b, "node/node_modules")},
		{name: "DIY Python", bootstrap: "python/bootstrap", env: other, size: boto(b)},
		{
			name:      "Administration of keys",
			bootstrap: goBuild(b, folder, "../functions/keys", bitting.BuildTags),
			env:       administration,
			sample:    "../events/keys-get.json",
		},
	}
	for _, c := range contenders {
		c.secret = cmp.Or(c.secret, "an-api-key-of-32-random-characters")
		c.denies = !strings.HasPrefix(c.name, "hello")

		if c.size == 0 {
			c.size = sizeOf(b, c.bootstrap)
		}

		if c.sample == "" {
			c.count(b, endpoint)
		}
	}

	return contenders
}

// deployed returns the environment that template.yaml gives a function, with what is of this stack.
func deployed(b *testing.B, function string, stack map[string]string) map[string]string {
	tmpl, err := template.Read(bitting.Template, nil)
	if err != nil {
		b.Fatal(err)
	}

	env := maps.Clone(tmpl.Functions[function].Environment)
	maps.Copy(env, stack)
	return env
}

// tool returns the absolute path of a program that another make target installs.
func tool(b *testing.B, file string) string {
	path, err := filepath.Abs(file)
	if err == nil {
		_, err = os.Stat(path)
	}

	if err != nil {
		b.Fatalf("`make bench` installs what is needed: %v", err)
	}

	return path
}

// usual are the tags of a build as AWS's guide has it.
const usual = "lambda.norpc"

// goBuild builds a command as a release is, for this machine.
func goBuild(b *testing.B, folder, command, tags string) string {
	to := filepath.Join(folder, filepath.Base(command))

	c := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-tags="+tags,
		"-ldflags=-s -w", "-o", to, command)
	c.Env = append(os.Environ(), "CGO_ENABLED=0")

	if out, err := c.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}

	// Written once more, as by Lambda, which unpacks an archive. The linker writes here and there in
	// its file, which is then kept in memory in small pieces: the same program starts up to a tenth
	// later.
	binary, err := os.ReadFile(to)
	if err != nil {
		b.Fatal(err)
	}

	if err := os.Remove(to); err != nil {
		b.Fatal(err)
	}

	if err := os.WriteFile(to, binary, 0o700); err != nil {
		b.Fatal(err)
	}

	return to
}

// sizeOf returns the bytes of a file, or of all files in a folder.
func sizeOf(b *testing.B, path string) (size int64) {
	err := filepath.Walk(path, func(_ string, f os.FileInfo, err error) error {
		if err == nil && f.Mode().IsRegular() {
			size += f.Size()
		}

		return err
	})
	if err != nil {
		b.Fatalf("`make bench` installs what is needed: %v", err)
	}

	return size
}

// boto returns the size of boto3 and what it needs, in the environment of the tools.
func boto(b *testing.B) (size int64) {
	for _, name := range []string{"boto3", "botocore", "s3transfer", "jmespath", "urllib3", "dateutil"} {
		found, err := filepath.Glob("../.tools/venv/lib/python3*/site-packages/" + name)
		if err != nil || len(found) != 1 {
			b.Fatalf("`make bench` installs what is needed: no %s", name)
		}

		size += sizeOf(b, found[0])
	}

	return size
}

// plainTable makes the table of those who write their own, with one key.
func plainTable(b *testing.B, client *dynamodb.Client, secret string, permissions []string) string {
	const name = "bench-plain"
	if _, err := client.CreateTable(b.Context(), &dynamodb.CreateTableInput{
		TableName:   aws.String(name),
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("sk"), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange},
		},
	}); err != nil {
		b.Fatal(err)
	}

	sum := sha256.Sum256([]byte(secret))

	item, err := attributevalue.MarshalMap(map[string]any{
		"pk":          hex.EncodeToString(sum[:]),
		"sk":          "key",
		"id":          "7Qm2Xb0aVd91KtZs",
		"name":        "Website",
		"environment": "production",
		"enabled":     true,
		"expiresAt":   0,
		"permissions": permissions,
	})
	if err != nil {
		b.Fatal(err)
	}

	if _, err := client.PutItem(b.Context(), &dynamodb.PutItemInput{
		TableName: aws.String(name),
		Item:      item,
	}); err != nil {
		b.Fatal(err)
	}

	return name
}

// event returns the sample event of a REST API, about another call and with another key.
func event(b testing.TB, method, path, secret string) []byte {
	text, err := os.ReadFile("../events/authorizer-rest-request.json")
	if err != nil {
		b.Fatal(err)
	}

	var e map[string]any
	if err := json.Unmarshal(text, &e); err != nil {
		b.Fatal(err)
	}

	arn, _, _ := strings.Cut(e["methodArn"].(string), "/production/")
	e["methodArn"] = arn + "/production/" + method + path
	e["httpMethod"], e["path"], e["resource"] = method, path, "/{proxy+}"
	e["headers"].(map[string]any)["X-Api-Key"] = secret
	e["multiValueHeaders"].(map[string]any)["X-Api-Key"] = []any{secret}

	if text, err = json.Marshal(e); err != nil {
		b.Fatal(err)
	}

	return text
}

// function starts the contender's processes on demand.
func (c *contender) function(env map[string]string) *runtimeapi.Function {
	return runtimeapi.New(runtimeapi.Config{
		Name:        "bench",
		Bootstrap:   c.bootstrap,
		Environment: env,
		MemoryMB:    256,
		Timeout:     time.Minute,
		Output:      &c.printed,
		Started: func(init time.Duration) {
			select {
			case c.started <- init:
			default: // nobody measures it
			}
		},
	})
}

// call makes a call, and fails unless the answer is right.
func (c *contender) call(b *testing.B, f *runtimeapi.Function, payload []byte) {
	want := `"Allow"`
	if c.sample != "" {
		want = `"statusCode":401,` // its caller is a key that was read, and does not exist
	}

	out, err := f.Invoke(b.Context(), payload)
	if err != nil || !bytes.Contains(out, []byte(want)) {
		b.Fatalf("%s: %v, %s\n%s", c.name, err, out, &c.printed)
	}
}

// refuses fails unless an unknown key is refused.
func (c *contender) refuses(b *testing.B, f *runtimeapi.Function) {
	if !c.denies {
		return
	}

	unknown := event(b, "GET", "/messages", sampleSecret)

	var refusal *runtimeapi.Error
	if out, err := f.Invoke(b.Context(), unknown); !errors.As(err, &refusal) ||
		refusal.Message != "Unauthorized" {
		b.Fatalf("%s: %v, %s\n%s", c.name, err, out, &c.printed)
	}
}

// starts measures the cold starts of a round. The contenders take turns start by start, so that none
// finds the processor's caches as its last one left them: in Lambda, none does.
func starts(b *testing.B, contenders []*contender) {
	took, inits := make([][]float64, len(contenders)), make([][]float64, len(contenders))

	firsts := make([][]byte, 0, len(contenders))
	for _, c := range contenders {
		firsts = append(firsts, c.payloads(b)[0])
		c.started = make(chan time.Duration, 1)
	}

	for range *coldStarts {
		for i, c := range contenders {
			f := c.function(c.env)
			began := time.Now()
			c.call(b, f, firsts[i])
			took[i] = append(took[i], milliseconds(time.Since(began)))
			inits[i] = append(inits[i], milliseconds(<-c.started))

			if err := f.Close(); err != nil {
				b.Fatal(err)
			}
		}
	}

	for i, c := range contenders {
		c.cold = append(c.cold, median(took[i]))
		c.init = append(c.init, median(inits[i]))
		c.started = nil
	}
}

// payloads returns the events of the contender's calls.
func (c *contender) payloads(b *testing.B) (all [][]byte) {
	if c.sample != "" {
		sample, err := os.ReadFile(c.sample)
		if err != nil {
			b.Fatal(err)
		}

		return [][]byte{sample}
	}

	for _, call := range calls {
		all = append(all, event(b, call[0], call[1], c.secret))
	}

	return all
}

// measure adds a round's values of calls that are no cold starts.
func (c *contender) measure(b *testing.B) {
	payloads := c.payloads(b)

	f := c.function(c.env)
	for i := range warmUp {
		c.call(b, f, payloads[i%len(payloads)])
	}

	c.refuses(b, f)

	pid := f.PIDs()[0]
	before := cpu(b, pid)
	took := make([]float64, 0, *warmCalls)

	for i := range *warmCalls {
		began := time.Now()
		c.call(b, f, payloads[i%len(payloads)])
		took = append(took, milliseconds(time.Since(began)))
	}

	c.cpu = append(c.cpu, float64((cpu(b, pid)-before).Microseconds())/float64(*warmCalls))
	c.rss = append(c.rss, highest(b, pid))

	if err := f.Close(); err != nil {
		b.Fatal(err)
	}

	slices.Sort(took)
	c.p50 = append(c.p50, took[len(took)/2])
	c.p99 = append(c.p99, took[len(took)*99/100])
}

// count counts what 200 calls ask of DynamoDB, behind a proxy that nothing else is measured by.
func (c *contender) count(b *testing.B, endpoint string) {
	target, err := url.Parse(endpoint)
	if err != nil {
		b.Fatal(err)
	}

	var mu sync.Mutex

	behind := httputil.NewSingleHostReverseProxy(target)
	behind.Transport = new(http1.Transport) // net/http's own cuts an answer in a thousand: see bench/crowd

	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")

		mu.Lock()
		if strings.HasPrefix(operation, "Get") || strings.HasPrefix(operation, "Query") ||
			strings.HasPrefix(operation, "BatchGet") {
			c.reads++
		} else {
			c.writes++
		}

		mu.Unlock()

		behind.ServeHTTP(w, r)
	}))
	defer proxy.Close()

	env := map[string]string{}
	for name, value := range c.env {
		env[name] = strings.Replace(value, endpoint, proxy.URL, 1)
	}

	f := c.function(env)
	for range 20 {
		c.call(b, f, event(b, "GET", "/messages/42", c.secret))
	}

	mu.Lock()
	c.reads, c.writes = 0, 0
	mu.Unlock()

	for i := range 200 {
		call := calls[i%len(calls)]
		c.call(b, f, event(b, call[0], call[1], c.secret))
	}

	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}

// cpu returns the processor time of a process so far, by the kernel: user and system.
func cpu(b *testing.B, pid int) time.Duration {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(tasks) == 0 {
		b.Fatalf("no threads of %d: %v", pid, err)
	}

	var sum time.Duration

	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue // it ended
		}

		on, _, _ := strings.Cut(string(text), " ")
		ns, _ := strconv.ParseInt(on, 10, 64)
		sum += time.Duration(ns)
	}

	return sum
}

// highest returns the most memory that a process has had, in MiB.
func highest(b *testing.B, pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}

	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(value)[0], 64)
			return kb / 1024
		}
	}

	return 0
}

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// table returns the results in Markdown, with the ratios of each round to the floor's and to DIY
// Go's of the same round.
func table(contenders []*contender) string {
	var hello, diy *contender

	for _, c := range contenders {
		switch c.name {
		case "hello in Go, no I/O":
			hello = c
		case "DIY Go":
			diy = c
		}
	}

	var out strings.Builder
	fmt.Fprintf(&out, "%s, %s, %d processors, %d rounds of %d cold starts and %d calls\n\n",
		runtime.Version(), runtime.GOARCH, runtime.NumCPU(), *rounds, *coldStarts, *warmCalls)
	out.WriteString("| | cold, ms | of it init | / hello | processor, µs a call | / DIY Go | p50, ms " +
		"| p99, ms | memory, MiB | size, MB | reads, writes a call |\n" +
		"|---|---|---|---|---|---|---|---|---|---|---|\n")

	for _, c := range contenders {
		if c.sample != "" {
			fmt.Fprintf(&out, "| %s | %.1f | %.1f | %s | | | | | | %.1f | |\n", c.name, median(c.cold),
				median(c.init), ratio(c.cold, hello.cold), float64(c.size)/1e6)

			continue
		}

		fmt.Fprintf(&out, "| %s | %.1f | %.1f | %s | %.0f | %s | %.2f | %.2f | %.1f | %.1f | %.2f, %.2f |\n",
			c.name, median(c.cold), median(c.init), ratio(c.cold, hello.cold), median(c.cpu),
			ratio(c.cpu, diy.cpu), median(c.p50), median(c.p99), median(c.rss), float64(c.size)/1e6,
			float64(c.reads)/200, float64(c.writes)/200)
	}

	return out.String()
}

// ratio returns the median of the rounds' ratios, with the lowest and the highest.
func ratio(of, to []float64) string {
	var all []float64
	for i := range of {
		all = append(all, of[i]/to[i])
	}

	return fmt.Sprintf("%.2f (%.2f–%.2f)", median(all), slices.Min(all), slices.Max(all))
}
