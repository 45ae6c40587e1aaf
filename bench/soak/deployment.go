package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/client"
	"github.com/bitting-keys/bitting/pkg/local"
)

// deployment is a running `bitting local` with data of its own.
type deployment struct {
	url     string
	data    string
	command *exec.Cmd
	admin   *client.Client
	org     string
}

// startDeployment starts the program in a new folder, on a free port of loopback.
func startDeployment(ctx context.Context, binary, profile string) (*deployment, error) {
	data, err := os.MkdirTemp("", "bitting-soak-")
	if err != nil {
		return nil, err
	}

	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}

	d := &deployment{data: data}
	d.command = exec.CommandContext(context.WithoutCancel(ctx), binary, "local", "--data", data, //nolint:gosec // the program that the caller chose
		"--listen", address, "--profile", profile)
	d.command.Stderr = os.Stderr
	// it must not get the interrupt that ends this program
	d.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}

	if err := d.command.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(data))
	}

	for began := time.Now(); ; time.Sleep(200 * time.Millisecond) {
		running, err := local.ReadRunning(data)
		if err == nil {
			d.url, d.org = running.URL, running.Organization
			d.admin, err = client.New(client.Config{
				URL:       running.URL,
				Key:       running.AdminKey,
				UserAgent: "soak",
			})

			return d, err
		}

		if time.Since(began) > time.Minute {
			return nil, errors.Join(err, d.stop())
		}
	}
}

func freeAddress(ctx context.Context) (string, error) {
	var config net.ListenConfig

	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}

	return l.Addr().String(), l.Close()
}

// stop ends the program and removes its data.
func (d *deployment) stop() error {
	err := d.command.Process.Signal(os.Interrupt)
	if err == nil {
		err = d.command.Wait()
	}

	return errors.Join(err, os.RemoveAll(d.data))
}

// memory returns the resident memory of the program in MiB.
func (d *deployment) memory() (float64, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(d.command.Process.Pid), "status"))
	if err != nil {
		return 0, err
	}

	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(value)[0], 64)
			return kb / 1024, err
		}
	}

	return 0, errors.New("/proc has no VmRSS")
}

// caller is a key, and what its calls of GET /production/messages must come to.
type caller struct {
	secret string
	want   int // 200 or 401
	// may also be over its limit
	limited bool
}

// makeKeys makes the keys of the load: forty without and five with a limit, and five revoked ones.
func (d *deployment) makeKeys(ctx context.Context) ([]caller, error) {
	var out []caller

	for n := range 50 {
		c := caller{want: 200, limited: n >= 40 && n < 45}

		key, secret, err := d.makeKey(ctx, fmt.Sprint("Load ", n), c.limited)
		if err != nil {
			return nil, err
		}

		if c.secret = secret; n >= 45 {
			c.want = 401

			if _, err := d.admin.RevokeKey(ctx, d.org, key, api.RevokeKey{Reason: "load"}); err != nil {
				return nil, err
			}
		}

		out = append(out, c)
	}

	return out, nil
}

// makeKey makes a key, and returns its id and its secret.
func (d *deployment) makeKey(ctx context.Context, name string, limited bool) (id, secret string, err error) {
	settings := api.KeySettings{Permissions: []string{"messages:read"}}
	if limited {
		settings.RateLimits = []api.RateLimit{{Name: "second", Limit: 20, Window: "1s"}}
	}

	made, err := d.admin.CreateKey(ctx, d.org, api.CreateKey{
		Name:        name,
		Environment: "production",
		KeySettings: settings,
	})
	if err != nil {
		return "", "", err
	}

	if made.Secret == nil {
		return "", "", errors.New("the secret of a new key was not answered")
	}

	return made.Key.ID, *made.Secret, nil
}
