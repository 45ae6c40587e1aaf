// Package full makes deployments that can do everything: a deployment of package boot, and what only
// administration needs. It calls AWS by the SDK.
//
// It promises what package boot promises.
package full

import (
	"context"
	"log/slog"

	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/core"
	"github.com/bitting-keys/bitting/pkg/store/hot"
)

// Deployment holds what the functions of administration share.
type Deployment struct {
	*boot.Deployment

	Store   *store.Store
	Hot     *hot.Table
	Scanner store.Scanner // for upkeep alone
}

// Load makes a deployment from its environment.
func Load(env boot.Environment, logger *slog.Logger) (*Deployment, error) {
	d := &Deployment{}

	loaded, err := boot.LoadOver(env, logger, func(
		c boot.Configuration, env boot.Environment,
	) (boot.Backend, error) {
		provider, err := provider(c, env)
		if err != nil {
			return boot.Backend{}, err
		}

		connection := DynamoDB(env)
		peppers := store.NewPeppers(connection, c.CoreTable)
		d.Scanner = connection
		d.Hot = hot.New(connection, c.HotTable)

		return boot.Backend{
			Peppers:  peppers,
			Provider: provider,
			Meter:    d.Hot.Meter,
			Connect:  func(context.Context) {}, // each when it is needed
			Reader: func(ring *pepper.Keyring) *core.Reader {
				d.Store = store.New(peppers, ring, logger)
				return d.Store.Reader
			},
		}, nil
	})
	if err != nil {
		return nil, err
	}

	d.Deployment = loaded
	return d, nil
}

// Lambda returns the deployment of the process that Lambda started.
func Lambda() *Deployment { return boot.Configured(Load) }
