// Command crowd fills a running `bitting local` with as many keys as a large deployment has, and
// measures what a check and a page of a list take meanwhile.
//
// It promises that a run that was cut off goes on where it was when it is started again, and that a
// second run adds nothing. The secrets follow from the keys' ids, so that a later run knows them:
// they are no secrets, and the keys are for a stand-in only.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/bitting-keys/bitting"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/boot/full"
	"github.com/bitting-keys/bitting/pkg/local"
	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "crowd:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to be stopped
	}
}

// run fills and measures as the flags say.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("crowd", flag.ContinueOnError)
	data := flags.String("data", ".bitting", "folder of the running `bitting local`")
	each := flags.Int("each", 100, "keys of an organization; 0 puts all of them into one")
	stages := flags.String("keys", "1000,10000,100000,1000000", "numbers of keys to measure at")
	workers := flags.Int("workers", 4, "transactions under way at once")
	rounds := flags.Int("rounds", 400, "measurements of each kind at a stage; 0 only fills")

	if err := flags.Parse(args); err != nil {
		return err
	}

	running, err := local.ReadRunning(*data)
	if err != nil {
		return err
	}

	d, err := connect(*data, running.DynamoDB)
	if err != nil {
		return err
	}

	c := &crowd{Deployment: d, each: *each, workers: *workers, out: out}
	m := &measure{crowd: c, data: *data, address: running.DynamoDB, rounds: *rounds}

	for text := range strings.SplitSeq(*stages, ",") {
		many, err := strconv.Atoi(text)
		if err != nil || many < 1 {
			return fmt.Errorf("-keys has %q, which is no number of keys", text)
		}

		if err := c.fill(ctx, many); err != nil {
			return err
		}

		if *rounds > 0 {
			if err := m.stage(ctx, many); err != nil {
				return err
			}
		}
	}

	return nil
}

// connect makes a deployment as the function Keys has it, on the tables of a `bitting local`.
func connect(data, address string) (*full.Deployment, error) {
	t, err := template.Read(bitting.Template, map[string]string{
		"SignIn":       "oidc",
		"OidcIssuer":   "http://127.0.0.1",
		"OidcAudience": "crowd",
	})
	if err != nil {
		return nil, err
	}

	environment := map[string]string{}
	for name, value := range t.Functions["ProductionAuthorizer"].Environment {
		environment[name] = value
	}

	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_DYNAMODB": address,
		"AWS_REGION":                "us-east-1",
		"AWS_ACCESS_KEY_ID":         "local",
		"AWS_SECRET_ACCESS_KEY":     "local",
		"BITTING_LOCAL_KEYS":        filepath.Join(data, "keys"),
		"BITTING_AWS_TIMEOUT":       "1m", // nobody waits, and the machine is busy
		"BITTING_ENVIRONMENT":       "production",
	} {
		environment[name] = value
	}

	delete(environment, "BITTING_METRICS")

	return full.Load(boot.Of(environment), slog.New(slog.DiscardHandler))
}
