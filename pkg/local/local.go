// Package local runs a whole deployment on one machine, without AWS: the functions of
// template.yaml behind gateways that answer as API Gateway does, with their schedules and log
// subscriptions, a sign-in, a DynamoDB stand-in with its data on disk, a key provider on disk in
// place of KMS, and a demo to try.
//
// It promises:
//
//   - The code that answers is the code that runs in Lambda, configured by the same template.
//   - Nothing listens beyond loopback unless asked to.
//   - No acknowledged change is lost when it is killed.
//   - When it cannot run, it says what is missing.
//
// It promises neither AWS's speed nor features that only AWS has.
package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/boot/full"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/local/ownapi"
	"github.com/bitting-keys/bitting/pkg/localgateway"
	"github.com/bitting-keys/bitting/pkg/localgateway/template"
	"github.com/bitting-keys/bitting/pkg/localiam"
	"github.com/bitting-keys/bitting/pkg/localoidc"
	"github.com/bitting-keys/bitting/pkg/localstore"
)

// Options are the flags of `bitting local`.
type Options struct {
	Listen    string // address and port
	Data      string // folder of all data
	Profile   string // strict, fast or cached
	API       string // rest or http: the kind of the demo APIs
	Processes bool   // run each function's built bootstrap in a process of its own
	DynamoDB  string // address of another DynamoDB; "" for the embedded one
	CoreTable string // a table core that exists there; "" makes the template's
	NoDemo    bool
	DemoKeys  int    // how many keys the demo's second organization gets, to be looked at in a list
	Own       *Own   // somebody's own APIs in place of the demo's; nil for the demo
	Fresh     bool   // start without existing data
	Checkout  string // its folder; "" looks from the working folder up, and does without if there is none
	Command   string // how this program was called, for the commands that it prints
	Out       io.Writer
	// Roles, if there is one, gets the roles of the functions at the start. Each is then held to
	// its own, as in AWS: every call of DynamoDB and KMS goes by way of them, which takes time.
	Roles func(*localiam.Roles)
}

// Own are the APIs of a template that is not ours.
type Own struct {
	Template   string            // file
	Parameters map[string]string // of the template
	Backend    *url.URL          // an HTTP server in place of its functions
	Lambda     *url.URL          // where functions are invoked that do not run here
}

// Run runs until ctx ends, and stops cleanly. It prints first steps to Out.
func Run(ctx context.Context, o Options) error {
	err := run(ctx, o)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // it was asked to stop before it was ready
	}

	return err
}

func run(ctx context.Context, o Options) (err error) {
	checkout, err := findCheckout(o.Checkout)
	if err != nil {
		return err
	}

	unlock, err := lockData(o.Data, o.Fresh)
	if err != nil {
		return err
	}

	defer func() { err = errors.Join(err, unlock()) }()

	listener, err := listen(ctx, o.Listen)
	if err != nil {
		return err
	}

	defer func() { _ = listener.Close() }() // the server closes it too

	log, err := os.OpenFile(filepath.Join(o.Data, "bitting.log"),
		os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}

	defer func() { err = errors.Join(err, log.Close()) }()
	m := &machine{
		options:  o,
		checkout: checkout,
		log:      log,
		logger: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{
			Level:       slog.LevelInfo,
			ReplaceAttr: boot.Stamp,
		})),
	}
	slog.SetDefault(m.logger) // the sign-in's library logs there and accepts no other logger

	m.url = "http://" + listener.Addr().String()
	if m.template, err = m.readTemplate(); err != nil {
		return err
	}

	if m.signIn, err = m.newSignIn(); err != nil {
		return err
	}

	stopStore, err := m.startStore(ctx)
	if err != nil {
		return err
	}

	defer func() { err = errors.Join(err, stopStore()) }()

	stopRoles, err := m.startRoles(ctx)
	if err != nil {
		return err
	}

	defer func() { err = errors.Join(err, stopRoles()) }()

	stopFunctions, err := m.startFunctions(ctx)
	if err != nil {
		return err
	}

	defer func() { err = errors.Join(err, stopFunctions()) }()
	defer m.startSchedules(ctx)()
	m.logs = newLogs(m.template, m.functions, m.logger)
	defer m.logs.start(ctx)()

	if o.Own != nil {
		if m.own, err = m.startOwn(ctx); err != nil {
			return err
		}

		defer func() { err = errors.Join(err, m.own.Close()) }()
	}

	return m.serve(ctx, listener)
}

// machine is a running deployment.
type machine struct {
	options   Options
	checkout  string
	url       string // base URL of everything
	template  *template.Template
	signIn    http.Handler
	storeURL  string
	rolesURL  string                    // "" where functions are not held to their roles
	functions map[string]lambda.Handler // by logical id
	memory    *check.Memory             // of the functions in this process; nil without one
	own       *ownapi.APIs              // nil for the demo
	logs      *logs
	log       io.Writer
	logger    *slog.Logger
}

// readTemplate reads template.yaml with the parameters that follow from the options.
func (m *machine) readTemplate() (*template.Template, error) {
	path, text := "template.yaml", bitting.Template
	if m.checkout != "" {
		path = filepath.Join(m.checkout, path)

		var err error
		if text, err = os.ReadFile(path); err != nil { //nolint:gosec // the checkout's own template
			return nil, err
		}
	}

	limits := "enforced"
	if m.options.Profile == "cached" {
		limits = "off" // the template requires both; one option should be enough here
	}

	demo := m.options.API
	if m.options.Own != nil {
		demo = "none"
	}

	parameters := map[string]string{
		"Profile":      m.options.Profile,
		"KeyLimits":    limits,
		"DemoApi":      demo,
		"SignIn":       "oidc",
		"OidcIssuer":   issuer(m.url),
		"OidcAudience": localoidc.ClientID,

		"ProductionUrl":  m.url + "/production",
		"StagingUrl":     m.url + "/staging",
		"DevelopmentUrl": m.url + "/development",
	}
	if m.options.CoreTable != "" { // keys of KMS are files here, whatever their ARN
		parameters["ExistingTable"] = m.options.CoreTable
		parameters["TableKeyArn"] = "arn:aws:kms:us-east-1:123456789012:key/table"
		parameters["PepperKeyArn"] = "arn:aws:kms:us-east-1:123456789012:key/pepper"
	}

	t, err := template.Read(text, parameters)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}

	return t, nil
}

// startStore starts the DynamoDB stand-in, or uses the one in the options, and creates the
// template's tables.
func (m *machine) startStore(ctx context.Context) (stop func() error, err error) {
	stop = func() error { return nil }

	m.storeURL = m.options.DynamoDB
	if m.storeURL == "" {
		standIn, err := localstore.Find(m.checkout)
		if err != nil {
			return nil, err
		}

		server, err := localstore.Start(ctx, standIn, m.options.Data, m.log)
		if err != nil {
			return nil, err
		}

		m.storeURL = server.URL
		stop = server.Stop
	}

	client := full.DynamoDB(boot.Of(m.environment(map[string]string{
		"BITTING_AWS_TIMEOUT": "1m",
	}))) // tables with their indexes are made once, and nobody waits but who starts
	for _, table := range m.template.Tables {
		if err := client.CreateTable(ctx, table.Name, table.Properties); err != nil {
			return nil, errors.Join(fmt.Errorf("the DynamoDB at %s does not take the tables: %w",
				m.storeURL, err), stop())
		}
	}

	return stop, nil
}

// environment returns a function's environment: the variables in the template, and where the
// stand-ins for AWS are.
func (m *machine) environment(own map[string]string) map[string]string {
	all := map[string]string{
		"AWS_ENDPOINT_URL_DYNAMODB": m.storeURL,
		"AWS_REGION":                "us-east-1",
		"AWS_ACCESS_KEY_ID":         "local",
		"AWS_SECRET_ACCESS_KEY":     "local",
		"AWS_LAMBDA_LOG_FORMAT":     "JSON",
		"AWS_LAMBDA_LOG_LEVEL":      "INFO",
		"BITTING_LOCAL_KEYS":        m.keys(),
		"BITTING_AWS_TIMEOUT":       "3s", // the stand-in is slower than DynamoDB
	}
	for name, value := range own {
		all[name] = value
	}

	delete(all, "BITTING_METRICS") // nobody would read them
	return all
}

// keys returns the folder of the key that wraps the peppers.
func (m *machine) keys() string { return filepath.Join(m.options.Data, "keys") }

// listen opens the port. Its error explains what to do if the port is in use.
func listen(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig

	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s; is another bitting local running there? "+
			"--listen takes another address: %w", address, err)
	}

	return listener, nil
}

// serve answers until ctx ends.
func (m *machine) serve(ctx context.Context, listener net.Listener) error {
	handler, err := m.routes()
	if err != nil {
		return err
	}

	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		ErrorLog:          slog.NewLogLogger(m.logger.Handler(), slog.LevelWarn),
	}

	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()

	err = m.announce(ctx)
	if err == nil {
		select {
		case err = <-ended:
			return fmt.Errorf("serve: %w", err)
		case <-ctx.Done():
			_, _ = fmt.Fprintln(m.options.Out, "Stopping.")
		}
	}

	return errors.Join(err, finish(ctx, server), removeIfThere(m.path(readyFile)))
}

// finishTime is how long running calls have to end on shutdown.
const finishTime = 2 * time.Second

// finish stops the server: gracefully at first, then by closing the remaining connections.
func finish(ctx context.Context, server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTime)
	defer cancel()

	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return server.Close()
	}

	return err
}

// demoAPIs returns the logical ids of the demo APIs by environment.
func (m *machine) demoAPIs() map[string]string {
	if m.options.API == "http" {
		return map[string]string{
			"production":  "DemoHttpProduction",
			"staging":     "DemoHttpStaging",
			"development": "DemoHttpDevelopment",
		}
	}

	return map[string]string{
		"production":  "DemoProduction",
		"staging":     "DemoStaging",
		"development": "DemoDevelopment",
	}
}

// routes mounts the gateways at their local paths. It only looks at the first segment: a mux would
// clean paths that an API must see raw.
func (m *machine) routes() (http.Handler, error) {
	// the admin API is at the root, as on a domain of its own
	admin, err := m.gateway("AdminApi", &localgateway.Mapping{})
	if err != nil {
		return nil, err
	}

	apis := map[string]http.Handler{} // by environment
	for environment, id := range m.demoAPIs() {
		if m.own != nil {
			apis[environment] = m.own
			continue
		}

		api, err := m.gateway(id, nil)
		if err != nil {
			return nil, err
		}

		apis[environment] = http.StripPrefix("/"+environment, api)
	}

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first := firstSegment(r.URL.EscapedPath())
		switch api, ok := apis[first]; {
		case ok:
			api.ServeHTTP(w, r)
		case first == "oidc":
			m.signIn.ServeHTTP(w, r)
		case first == "v1", first == "console":
			admin.ServeHTTP(w, r)
		case r.URL.Path == "/":
			_, _ = fmt.Fprint(w,
				"Bitting, locally: /console/ is the console; /v1/docs is the admin API; the APIs "+
					"that it guards are at /production, /staging and /development.\n")
		default:
			notFound(w)
		}
	}), nil
}

// notFound answers a path without an API, in the form of every other refusal.
func notFound(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusNotFound)
	_, _ = fmt.Fprintf(w,
		`{"type":"https://github.com/bitting-keys/bitting/blob/main/docs/problems.md#not_found","title":"No such route","status":404,"code":"not_found",`+
			`"detail":"/console/ is the console; /v1 is the admin API; the APIs that it guards are at /production, /staging and /development.","requestId":%q}`+"\n", rand.Text())
}

func firstSegment(path string) string {
	for i := 1; i < len(path); i++ {
		if path[i] == '/' {
			return path[1:i]
		}
	}

	if path == "" {
		return ""
	}

	return path[1:]
}

func (m *machine) gateway(api string, mapping *localgateway.Mapping) (http.Handler, error) {
	return localgateway.New(localgateway.Config{
		Template:  m.template,
		API:       api,
		Mapping:   mapping,
		Functions: m.functions,
		Logger:    m.logger,
		AccessLog: m.logs.writer(),
	})
}

func (m *machine) path(name string) string { return filepath.Join(m.options.Data, name) }
