package admin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store"
)

// leaks is the actor when a leak is reported: neither a person nor a key, since the reporter is
// unknown.
var leaks = apikey.Actor{Type: apikey.ActorSystem, ID: "leaks"}

// leak is a possible secret that was found in public.
type leak struct {
	secret string
	url    string
	note   string
	source string
	origin Origin // of the report
}

// expose processes a leak, and does not reveal the result: the only errors are failures. A secret
// of another system may belong to a key in each environment.
func (s *LeakService) expose(ctx context.Context, l leak) error {
	for _, env := range s.checker.Environments {
		if err := s.exposeIn(ctx, env, l); err != nil {
			return err
		}
	}

	return nil
}

func (s *LeakService) exposeIn(ctx context.Context, env apikey.Environment, l leak) error {
	for _, v := range s.checker.Identify(ctx, env, l.secret) {
		if v.Outcome == check.Unavailable {
			return fmt.Errorf("%w: leak: %w", store.ErrUnavailable, v.Err)
		}

		if v.Key == nil {
			continue // no key ever had it
		}

		if err := s.exposeOf(ctx, env, v, l); err != nil {
			return err
		}
	}

	return nil
}

// exposeOf processes a leak for one key, as the check found it. Each further attempt asks again
// whether the secret is the key's.
func (s *LeakService) exposeOf(
	ctx context.Context, env apikey.Environment, v check.Verdict, l leak,
) error {
	for n := 1; ; n++ {
		if v.Outcome != check.Allowed && v.Outcome != check.RetiredSecret {
			return nil // the key never had this secret
		}

		writes, err := s.exposureOf(ctx, &v, l)
		if err != nil || len(writes) == 0 {
			return err
		}

		err = s.commit(ctx, writes...)
		if err == nil || errors.Is(err, store.ErrReceipt) {
			return nil
		}

		// for every reason: a conflict would reveal that the key exists
		if err = s.lost(ctx, err, n, apikey.Stop, writes); err != nil {
			return fmt.Errorf("%w: leak of key %s: %s", store.ErrUnavailable, v.Key.ID, err.Error())
		}

		id := v.Key.ID
		all := s.checker.Identify(ctx, env, l.secret)

		at := slices.IndexFunc(all, func(v check.Verdict) bool {
			return v.Outcome == check.Unavailable || v.Key != nil && v.Key.ID == id
		})
		if at < 0 {
			return nil
		}

		if v = all[at]; v.Outcome == check.Unavailable {
			return fmt.Errorf("%w: leak: %w", store.ErrUnavailable, v.Err)
		}
	}
}

// exposureOf returns the writes for a leak of a known secret; none if nothing changes.
func (s *LeakService) exposureOf(
	ctx context.Context, v *check.Verdict, l leak,
) ([]store.Write, error) {
	now := s.now()

	which := apikey.Current
	switch {
	case v.Outcome == check.RetiredSecret:
		which = apikey.Retired
	case v.OldSecret:
		which = apikey.Old
	}

	before := v.Key.Clone() // the key may be shared with other checks
	if err := s.observe(ctx, now, before); err != nil {
		return nil, err
	}

	publishable, err := s.publishable(ctx, before)
	if err != nil {
		return nil, err
	}

	after := before.Clone()
	found := apikey.Exposure{At: now, Source: l.source, URL: s.concealedURL(l)}
	after.Expose(which, publishable, found, leaks, "its secret was found in the open")
	ended := which == apikey.Retired || !before.DeletedAt.IsZero()
	// this report is the one that ended the secret
	told := ended && before.Exposure != nil && before.Exposure.Source == found.Source &&
		before.Exposure.URL == found.URL
	if reflect.DeepEqual(before, after) && !ended || told {
		return nil, nil
	}

	entry, err := s.exposureEntry(now, l, before, after)
	if err != nil {
		return nil, err
	}

	if ended {
		return []store.Write{
			s.store.Append(entry), s.store.Keep(onceADay(before, found.URL, now), now),
		}, nil
	}

	after.Version = before.Version + 1
	after.UpdatedAt = now
	after.Pace, _ = before.Pace.Spend(apikey.Stop, now)
	return []store.Write{s.store.PutKey(ctx, after, before.Version), s.store.Append(entry)}, nil
}

// publishable reports whether everything that a key opens may be done by anybody who reads its
// secret. A key without permissions is not publishable: it was not meant to be published.
func (s *LeakService) publishable(ctx context.Context, k *apikey.Key) (bool, error) {
	if k.AllPermissions || len(k.Permissions) == 0 {
		return false, nil
	}

	catalogue, _, err := s.catalogue(ctx)
	if err != nil {
		return false, err
	}

	return !slices.ContainsFunc(k.Permissions, func(name string) bool {
		return !isPublishable(catalogue, name)
	}), nil
}

func isPublishable(catalogue *permission.Catalogue, name string) bool {
	p, known := catalogue.Lookup(name)
	return known && p.Publishable
}

// exposed refuses a change that gives a key a permission that is not publishable while its leaked
// secret still works; nil for other changes.
func exposed(catalogue *permission.Catalogue, before, after *apikey.Key) error {
	if before.Exposure == nil || before.Exposure.Action != apikey.ExposureFlagged {
		return nil
	}

	for _, name := range after.Permissions {
		if !isPublishable(catalogue, name) && !slices.Contains(before.Permissions, name) {
			return Refuse(api.CodeCompromised,
				"The key's secret was found in public, so the key cannot get a permission that "+
					"is not publishable, such as "+name+": regenerate it first.")
		}
	}

	if after.AllPermissions && !before.AllPermissions {
		return Refuse(api.CodeCompromised,
			"The key's secret was found in public, so the key cannot get all "+
				"permissions: regenerate it first.")
	}

	return nil
}

// exposureEntry returns the history entry of a leak. It names the origin of the report, and the
// system as the actor.
func (s *LeakService) exposureEntry(
	now time.Time, l leak, before, after *apikey.Key,
) (history.Entry, error) {
	r := &Request{
		now: now,
		caller: &organization.Caller{
			System:    leaks.ID,
			SourceIP:  l.origin.SourceIP,
			UserAgent: s.conceal(l.origin.UserAgent, l.secret),
			RequestID: s.conceal(l.origin.RequestID, l.secret),
		},
	}

	reason := s.conceal(l.note, l.secret)
	if reason == "" && l.url != "" {
		reason = "found at " + s.concealedURL(l)
	}

	return s.entry(r, history.KeyLeaked, reason, before, after)
}

// conceal removes secrets from a text that is stored: those of our form, and the reported one, also
// in the forms that it takes in a URL.
func (s *LeakService) conceal(text, secret string) string {
	return s.brand.RedactKnown(text, secret)
}

// concealedURL returns where the leak was found, without possible secrets.
func (s *LeakService) concealedURL(l leak) string {
	u := webAddress(l.url)
	if u == nil {
		return ""
	}

	u.User = nil
	return s.conceal(u.String(), l.secret)
}

// onceADay returns the receipt of a report that changes no key, which would otherwise add a history
// entry each time that it is repeated.
func onceADay(k *apikey.Key, where string, now time.Time) store.Receipt {
	name := sha256.Sum256([]byte("leaks|" + k.ID + "|" + where))
	return store.Receipt{
		ID:        hex.EncodeToString(name[:]),
		ExpiresAt: now.Add(store.ReceiptLife).Unix(),
	}
}
