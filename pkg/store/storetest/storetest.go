// Package storetest is the kit for tests against real tables: a store over tables of its own, made
// from the real template.yaml in a DynamoDB stand-in, with a clock to set, a keyring, and traffic
// that is counted and can be made to fail.
//
// It promises that two kits share only the stand-in's process, that Traffic sees every request of
// the store, and that a test without a stand-in fails with instructions: it is never skipped.
// BITTING_TEST_DYNAMODB=URL makes the same tests run against another DynamoDB, such as DynamoDB
// Local. It is for tests only, and looks for template.yaml in the working directory and its
// parents.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/awsjson"
	"github.com/bitting-keys/bitting/pkg/localgateway/template"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/dynamodbjson"
	"github.com/bitting-keys/bitting/pkg/store/hot"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// Brand is the brand of the secrets that the kit mints.
const Brand = apikey.Brand("bt")

// Kit is a store over tables of its own, with its surroundings.
type Kit struct {
	Process
	CoreTable string           // the name of the table core
	HotTable  string           // the name of the table hot
	Client    *dynamodb.Client // for what only a test does to a table; its calls are not in Traffic
	Provider  pepper.Provider  // the local key provider, its key in a folder of the test's
	Clock     *Clock
	Log       *Log

	endpoint string

	mu       sync.Mutex
	settings map[string]int64 // the version of each organization's
}

// Process is one process's view of the store: its own connection, and what it keeps in memory.
type Process struct {
	Store   *store.Store
	Hot     *hot.Table
	Peppers *store.Peppers
	Keyring *pepper.Keyring
	Traffic *Traffic
	SDK     *dynamodb.Client // the client that Traffic watches
	// Connection is the store's, by SDK.
	Connection *store.Connection
}

// New returns a kit, whose tables end with the test.
func New(t testing.TB) *Kit {
	t.Helper()
	endpoint := standIn(t)

	provider, err := pepper.NewLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}

	k := &Kit{
		Client:   client(endpoint, nil),
		Provider: provider,
		Clock:    newClock(),
		Log:      &Log{},
		endpoint: endpoint,
		settings: map[string]int64{},
	}
	for id, table := range readTemplate(t).Tables {
		name := uniqueName(id)
		if err := store.Over(k.Client).CreateTable(t.Context(), name, table.Properties); err != nil {
			t.Fatal(err)
		}

		t.Cleanup(func() {
			// The test's context has ended. A table that remains costs nothing: the stand-in ends
			// too.
			_, _ = k.Client.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{
				TableName: &name,
			})
		})

		switch id {
		case "Core":
			k.CoreTable = name
		case "Hot":
			k.HotTable = name
		}
	}

	if k.CoreTable == "" || k.HotTable == "" {
		t.Fatal("template.yaml has no tables Core and Hot")
	}

	k.Process = *k.Restart()
	return k
}

// Restart returns a new process over the same tables, with nothing in memory. It logs to the kit's
// Log.
func (k *Kit) Restart() *Process { return k.With(k.Provider) }

// With is Restart with another key provider: one that counts or fails, or belongs to another
// deployment.
func (k *Kit) With(provider pepper.Provider) *Process {
	p := &Process{Traffic: &Traffic{}}
	p.SDK = client(k.endpoint, p.Traffic)
	p.Connection = store.Over(p.SDK)
	p.Hot = hot.New(p.Connection, k.HotTable)
	p.Peppers = store.NewPeppers(p.Connection, k.CoreTable)
	p.Keyring = pepper.NewKeyring(p.Peppers, provider, k.Clock.Now)
	p.Store = store.New(p.Peppers, p.Keyring, k.Log.Logger())
	return p
}

// Small returns the small client of checks, and its traffic.
func (k *Kit) Small() (*dynamodbjson.Client, *Traffic) {
	traffic := &Traffic{}
	return dynamodbjson.New(awsjson.New(awsjson.Config{
		Service:     awsjson.DynamoDB,
		Region:      "us-east-1",
		Endpoint:    k.endpoint,
		Credentials: aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"},
		Timeout:     time.Minute, // no test waits for it
		Transport:   traffic,
	})), traffic
}

// Elsewhere returns a process whose DynamoDB is at another address, such as one where nothing
// listens.
func (k *Kit) Elsewhere(endpoint string) *Process {
	other := Kit{
		CoreTable: k.CoreTable,
		HotTable:  k.HotTable,
		Provider:  k.Provider,
		Clock:     k.Clock,
		Log:       k.Log,
		endpoint:  endpoint,
	}
	return other.Restart()
}

// Stored returns everything in a table, as the store reads it.
func (k *Kit) Stored(t testing.TB, table string) (out []dynamo.Item) {
	t.Helper()

	for page, err := range dynamo.NewTable(k.Connection, table).Scan(t.Context(), k.Connection, nil) {
		if err != nil {
			t.Fatal(err)
		}

		out = append(out, page...)
	}

	return out
}

// Items returns everything in the table core.
func (k *Kit) Items(t testing.TB) []map[string]types.AttributeValue {
	t.Helper()
	return items(t, k.Client, k.CoreTable)
}

// HotItems returns everything in the table hot.
func (k *Kit) HotItems(t testing.TB) []map[string]types.AttributeValue {
	t.Helper()
	return items(t, k.Client, k.HotTable)
}

func items(t testing.TB, client *dynamodb.Client, table string) []map[string]types.AttributeValue {
	t.Helper()
	var items []map[string]types.AttributeValue

	pages := dynamodb.NewScanPaginator(client, &dynamodb.ScanInput{TableName: &table})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}

		items = append(items, page.Items...)
	}

	return items
}

// CopyCore copies the table core behind an endpoint to another table there, as restoring it to a
// point in time does, and returns that table's name.
func CopyCore(t testing.TB, endpoint, table string) string {
	t.Helper()

	sdk, name := client(endpoint, nil), uniqueName("Restored")
	if err := store.Over(sdk).CreateTable(t.Context(), name,
		readTemplate(t).Tables["Core"].Properties); err != nil {
		t.Fatal(err)
	}

	for _, item := range items(t, sdk, table) {
		if _, err := sdk.PutItem(t.Context(), &dynamodb.PutItemInput{
			TableName: &name,
			Item:      item,
		}); err != nil {
			t.Fatal(err)
		}
	}

	return name
}

// Dump returns every string and binary value in the table core, unescaped.
func (k *Kit) Dump(t testing.TB) string {
	t.Helper()
	return dump(t, k.Client, k.CoreTable)
}

// DumpTables returns every string and binary value in the tables behind an endpoint, unescaped.
func DumpTables(t testing.TB, endpoint string, tables ...string) string {
	t.Helper()

	var out strings.Builder
	for _, table := range tables {
		out.WriteString(dump(t, client(endpoint, nil), table))
	}

	return out.String()
}

func dump(t testing.TB, client *dynamodb.Client, table string) string {
	t.Helper()

	var dump strings.Builder
	for _, item := range items(t, client, table) {
		write(&dump, &types.AttributeValueMemberM{Value: item})
	}

	return dump.String()
}

// write writes every string and binary value of an attribute, unescaped.
func write(out *strings.Builder, value types.AttributeValue) {
	switch v := value.(type) {
	case *types.AttributeValueMemberS:
		out.WriteString(v.Value + "\n")
	case *types.AttributeValueMemberB:
		out.Write(v.Value)
	case *types.AttributeValueMemberL:
		for _, element := range v.Value {
			write(out, element)
		}
	case *types.AttributeValueMemberM:
		for name, element := range v.Value {
			out.WriteString(name + ": ")
			write(out, element)
		}
	}
}

// Item returns one item of the table core, nil if there is none.
func (k *Kit) Item(t testing.TB, partition, sort string) map[string]types.AttributeValue {
	t.Helper()

	out, err := k.Client.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName:      &k.CoreTable,
		Key:            key(partition, sort),
		ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		t.Fatal(err)
	}

	return out.Item
}

// Put writes an item without the store, as anybody with access to the table could.
func (k *Kit) Put(t testing.TB, item map[string]types.AttributeValue) {
	t.Helper()

	if _, err := k.Client.PutItem(t.Context(), &dynamodb.PutItemInput{
		TableName: &k.CoreTable,
		Item:      maps.Clone(item),
	}); err != nil {
		t.Fatal(err)
	}
}

// PutHot writes an item of the table hot without the store, as anybody with access to the table
// could.
func (k *Kit) PutHot(t testing.TB, partition, sort string, attributes map[string]any) {
	t.Helper()

	item, err := attributevalue.MarshalMap(attributes)
	if err != nil {
		t.Fatal(err)
	}

	maps.Copy(item, key(partition, sort))

	if _, err := k.Client.PutItem(t.Context(), &dynamodb.PutItemInput{
		TableName: &k.HotTable,
		Item:      item,
	}); err != nil {
		t.Fatal(err)
	}
}

// Change sets one attribute of an item, or removes it if value is nil, as anybody with access to
// the table could. Another pk makes a copy.
func (k *Kit) Change(t testing.TB, partition, sort, attribute string, value any) {
	t.Helper()

	item := k.Item(t, partition, sort)
	if delete(item, attribute); value != nil {
		encoded, err := attributevalue.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}

		item[attribute] = encoded
	}

	k.Put(t, item)
}

// Copy writes an item to another place, as anybody with access to the table could.
func (k *Kit) Copy(t testing.TB, fromPartition, fromSort, toPartition, toSort string) {
	t.Helper()

	item := k.Item(t, fromPartition, fromSort)
	if item == nil {
		t.Fatalf("there is no item %s %s", fromPartition, fromSort)
	}

	maps.Copy(item, key(toPartition, toSort))
	k.Put(t, item)
}

// Partitions returns the partitions of the table core with a prefix, sorted, each once.
func (k *Kit) Partitions(t testing.TB, prefix string) (names []string) {
	t.Helper()

	for _, item := range k.Items(t) {
		if name, ok := item["pk"].(*types.AttributeValueMemberS); ok &&
			strings.HasPrefix(name.Value, prefix) {
			names = append(names, name.Value)
		}
	}

	slices.Sort(names)
	return slices.Compact(names)
}

// Remove removes an item, as TTL does.
func (k *Kit) Remove(t testing.TB, partition, sort string) {
	t.Helper()

	if _, err := k.Client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
		TableName: &k.CoreTable,
		Key:       key(partition, sort),
	}); err != nil {
		t.Fatal(err)
	}
}

func key(partition, sort string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: partition},
		"sk": &types.AttributeValueMemberS{Value: sort},
	}
}

// tables counts the tables of this process, to give each a unique name.
var tables atomic.Int64

func uniqueName(id string) string {
	return id + "-" + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatInt(tables.Add(1), 10)
}

// readTemplate reads template.yaml, in the working directory or one of its parents.
func readTemplate(t testing.TB) *template.Template {
	t.Helper()

	dir, err := os.Getwd()
	for err == nil {
		var text []byte
		if text, err = os.ReadFile(filepath.Join(dir, "template.yaml")); err == nil { //nolint:gosec // a folder above the test's own
			read, err := template.Read(text, nil)
			if err != nil {
				t.Fatal(err)
			}

			return read
		}

		if parent := filepath.Dir(dir); errors.Is(err, os.ErrNotExist) && parent != dir {
			dir, err = parent, nil
		}
	}

	t.Fatalf("template.yaml is needed to make the tables: %v", err)
	return nil
}

// client is configured like that of a function, except for its timeout: a test's machine may be
// busy, and no test waits for a timeout.
func client(endpoint string, transport *Traffic) *dynamodb.Client {
	options := dynamodb.Options{
		Region:       "us-east-1",
		BaseEndpoint: &endpoint,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = Attempts
			o.MaxBackoff = time.Millisecond
			// the SDK's would stop retrying after a test's many faults
			o.RateLimiter = unlimited{}
		}),
	}
	if transport != nil {
		options.HTTPClient = transport
	}

	return dynamodb.New(options)
}

// Attempts is how often the SDK tries a call, as in a function.
const Attempts = 3

// unlimited lets the SDK retry regardless of how much failed before.
type unlimited struct{}

// GetToken implements retry.RateLimiter.
func (unlimited) GetToken(context.Context, uint) (func() error, error) {
	return func() error { return nil }, nil
}

// AddTokens implements retry.RateLimiter.
func (unlimited) AddTokens(uint) error { return nil }

// Clock is a clock that stands still until it is set.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *Clock { return &Clock{now: time.Date(2026, 11, 24, 9, 30, 0, 0, time.UTC)} }

// Now returns the time of the clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Set sets the clock.
func (c *Clock) Set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// Advance moves the clock forward.
func (c *Clock) Advance(d time.Duration) { c.Set(c.Now().Add(d)) }

// Log keeps what is logged, of every level, as JSON lines.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Logger returns a logger to this log.
func (l *Log) Logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns all that was logged.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Operations returns the names of the DynamoDB operations in requests, sorted.
func Operations(requests []Request) []string {
	names := make([]string, 0, len(requests))
	for _, r := range requests {
		names = append(names, r.Operation)
	}

	slices.Sort(names)
	return names
}

// HotRows returns the sort keys of a partition of the table hot, in order.
func (k *Kit) HotRows(ctx context.Context, partition string) ([]string, error) {
	out, err := k.Client.Query(ctx, &dynamodb.QueryInput{
		TableName:              &k.HotTable,
		ConsistentRead:         aws.Bool(true),
		KeyConditionExpression: aws.String("pk = :pk"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":pk": &types.AttributeValueMemberS{Value: partition},
		},
	})
	if err != nil {
		return nil, err
	}

	var sorts []string
	for _, item := range out.Items {
		var row struct {
			SK string `dynamodbav:"sk"`
		}
		if err := attributevalue.UnmarshalMap(item, &row); err != nil {
			return nil, err
		}

		sorts = append(sorts, row.SK)
	}

	return sorts, nil
}
