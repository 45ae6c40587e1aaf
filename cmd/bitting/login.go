package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/cli/browser"
	"github.com/spf13/cobra"

	"github.com/bitting-keys/bitting/cmd/bitting/account"
	"github.com/bitting-keys/bitting/cmd/bitting/output"
	"github.com/bitting-keys/bitting/cmd/bitting/signin"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/client"
)

// login is the flags of `bitting login`.
type login struct {
	issuer    signin.Issuer
	noBrowser bool
	port      int
}

func newLogin(o *options) *cobra.Command {
	var l login
	c := &cobra.Command{
		Use:   "login",
		Short: "Sign in, and keep the deployment as a profile",
		Args:  cobra.NoArgs,
		Long: "Signs a person in with a browser, and keeps the deployment as a profile. The tokens go to " +
			"the system's keyring, or where\nthere is none to a file that only you can read, and are " +
			"refreshed when they expire. On a machine without a browser, the\ndevice flow is used where " +
			"the issuer has it. With --key-file, the profile has that admin key, and nobody signs in.\n" +
			"The issuer and the client id are those of the flags, of the profile, of the stack's outputs " +
			"or of the bitting local.",
		Example: "  bitting login --data .bitting\n  bitting login --stack bitting --region eu-west-1\n" +
			"  bitting login --url https://keys.example.com --issuer https://login.example.com " +
			"--client-id bitting\n  bitting login --profile ci --url https://keys.example.com --key-file - " +
			"< admin.key",
		RunE: func(c *cobra.Command, _ []string) error {
			if l.port < 0 || l.port > 65535 {
				return usage(fmt.Errorf("--port %d: expected a port", l.port))
			}

			return l.run(c, o)
		},
	}
	f := c.Flags()
	f.StringVar(&l.issuer.URL, "issuer", "", "address of the OpenID Connect issuer")
	f.StringVar(&l.issuer.ClientID, "client-id", "", "id of the public client at the issuer")
	f.BoolVar(&l.noBrowser, "no-browser", false, "open no browser: show the address, or a code")
	f.IntVar(&l.port, "port", 0,
		"port of 127.0.0.1 to which the browser comes back, if the issuer knows only one (default: any)")
	return c
}

func (l *login) run(c *cobra.Command, o *options) error {
	keyFile := o.account.KeyFile
	o.account.KeyFile = "" // read once, below

	s, err := o.open(c)
	if err != nil {
		return err
	}

	profiles, err := account.ReadProfiles(getenv)
	if err != nil {
		return usage(err)
	}

	name, err := s.profileName(profiles)
	if err != nil {
		return err
	}

	profile := profiles.Profiles[name]
	profile.URL = s.account.URL
	profile.Stack = s.account.AWS.Stack
	profile.Region = s.account.AWS.Region
	profile.AWSProfile = s.account.AWS.Profile
	profile.Organization = cmp.Or(o.account.Organization, profile.Organization)

	if keyFile != "" {
		if profile.Key, err = account.ReadKey(keyFile); err != nil {
			return usage(err)
		}

		err = s.checkKey(c.Context(), &profile)
	} else {
		err = l.signIn(c.Context(), s, profiles, name, &profile)
	}

	if err != nil {
		return err
	}

	if err := profiles.Put(name, profile); err != nil {
		return err
	}

	s.say("The profile %s is in %s.", name, profiles.Path())

	if plain, err := account.Find(c.Context(), account.Flags{}, getenv); err != nil ||
		plain.From != "the profile "+name {
		s.say("Use it by --profile %s, or BITTING_PROFILE.", name)
	}

	if getenv("BITTING_KEY") != "" {
		s.say("BITTING_KEY is set, and is used in place of what the profile has.")
	}

	return nil
}

// localProfile is the profile of a bitting local that is not named otherwise.
const localProfile = "local"

// profileName returns the name of the profile that is meant: the one that is named, or the one by
// which the account was found, or else a new one.
func (s *session) profileName(p *account.Profiles) (string, error) {
	if name := cmp.Or(s.options.account.Profile, getenv("BITTING_PROFILE")); name != "" {
		return name, nil
	}

	if name, ok := strings.CutPrefix(s.account.From, "the profile "); ok {
		return name, nil
	}

	name := cmp.Or(s.account.AWS.Stack, "default")
	if s.account.Local {
		return localProfile, nil // its port may change
	}

	if there, ok := p.Profiles[name]; ok && there.URL != s.account.URL && there.Stack == "" {
		return "", usage(fmt.Errorf("the profile %s is of %s: pass --profile NAME for another one", name,
			there.URL))
	}

	return name, nil
}

// checkKey asks the deployment what the key of a profile is.
func (s *session) checkKey(ctx context.Context, profile *account.Profile) (err error) {
	s.account.UseKey(profile.Key)

	if s.Client, err = s.account.Client(s.options.userAgent()); err != nil {
		return err
	}

	who, err := s.Whoami(ctx)
	if err != nil {
		return err
	}

	profile.Organization = cmp.Or(profile.Organization, who.OrganizationID)
	s.say("The key %s (%s) of %s works.", s.out.Text(who.Name), who.KeyID, who.OrganizationID)
	return nil
}

// signIn signs a person in for a profile. Tokens that the deployment does not take are not kept.
func (l *login) signIn(
	ctx context.Context, s *session, profiles *account.Profiles, name string, profile *account.Profile,
) error {
	issuer := signin.Issuer{
		URL:      cmp.Or(l.issuer.URL, s.account.Issuer.URL, profile.Issuer),
		ClientID: cmp.Or(l.issuer.ClientID, s.account.Issuer.ClientID, profile.ClientID),
	}
	if issuer.URL == "" || issuer.ClientID == "" {
		return usage(errors.New("who signs people in? Pass --issuer and --client-id, the deployment's " +
			"OidcIssuer and OidcAudience, or --key-file for a key"))
	}

	if l.port == 0 && strings.HasPrefix(issuer.URL, "https://cognito-idp.") {
		l.port = cognitoPort
	}

	person, err := issuer.SignIn(ctx, l.terminal(s))
	if err != nil {
		return err
	}

	s.account.UseToken(person.Tokens.ID)

	if s.Client, err = s.account.Client(s.options.userAgent()); err != nil {
		return err
	}

	me, err := s.GetMe(ctx)
	if errors.Is(err, client.ErrUnauthenticated) || errors.Is(err, client.ErrInvalidKey) {
		s.say("%s signed %s in, but %s trusts another issuer or client id.", issuer.URL,
			s.out.Text(person.Email), s.account.URL)
	}

	if err != nil {
		return err
	}

	where, err := profiles.Tokens(getenv).Store(name, person.Tokens)
	if err != nil {
		return err
	}

	s.say("Signed in as %s. The tokens are in %s.", s.out.Text(me.Email), where)

	profile.Issuer, profile.ClientID, profile.Key = issuer.URL, issuer.ClientID, ""
	profile.Organization = cmp.Or(profile.Organization, s.onlyOrganization(me))
	return nil
}

// cognitoPort is the port that the client in template.yaml allows: Cognito compares ports.
const cognitoPort = 8484

// onlyOrganization returns the one organization of a person; "" for none or several.
func (s *session) onlyOrganization(me api.Me) string {
	var ids []string
	for _, o := range me.Organizations {
		ids = append(ids, o.ID)
	}

	switch len(ids) {
	case 0:
		s.say("You are in no organization yet.")
		return ""
	case 1:
		return ids[0]
	}

	s.say("You are in several organizations: choose by --organization. They are %s.",
		strings.Join(ids, ", "))
	return ""
}

// terminal returns where the person signs in. What it says is no hint, but the way in.
func (l *login) terminal(s *session) signin.Terminal {
	t := signin.Terminal{
		Port: l.port,
		Say: func(format string, args ...any) {
			for i := range args {
				args[i] = output.Visible(fmt.Sprint(args[i]))
			}

			_, _ = fmt.Fprintf(s.command.ErrOrStderr(), format+"\n", args...)
		},
	}
	if !l.noBrowser && hasBrowser() {
		t.Open = func(address string) error {
			browser.Stdout, browser.Stderr = io.Discard, io.Discard

			go func() { _ = browser.OpenURL(address) }() // it may run until the browser is closed

			return nil
		}
	}

	return t
}

// hasBrowser reports whether this machine can show a browser. Elsewhere, one in text would take the
// terminal.
func hasBrowser() bool {
	return runtime.GOOS == "darwin" || runtime.GOOS == "windows" ||
		cmp.Or(getenv("DISPLAY"), getenv("WAYLAND_DISPLAY"), getenv("WSL_DISTRO_NAME")) != ""
}

func newLogout(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "logout",
		Short: "Forget the tokens or the key of a profile",
		Args:  cobra.NoArgs,
		Long: "Forgets the tokens of the person who signed in with a profile, and ends them at the issuer " +
			"where it can do that. A key in\nthe profile is removed from it. The rest of the profile stays.",
		Example: "  bitting logout\n  bitting logout --profile staging",
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := o.printer(c)
			if err != nil {
				return err
			}

			profiles, err := account.ReadProfiles(getenv)
			if err != nil {
				return usage(err)
			}

			name := profiles.Name(cmp.Or(o.account.Profile, getenv("BITTING_PROFILE")))

			profile, ok := profiles.Profiles[name]
			if !ok {
				return usage(fmt.Errorf("there is no profile %q in %s", name, profiles.Path()))
			}

			s := &session{out: p, command: c, options: o}
			if profile.Key != "" {
				if err := s.confirm("Remove the key from the profile " + name + "? It cannot be shown " +
					"again."); err != nil {
					return err
				}

				profile.Key = ""
				if err := profiles.Put(name, profile); err != nil {
					return err
				}

				s.say("The key is no longer in the profile %s. It still works: bitting keys revoke stops it.",
					name)
			}

			return s.forget(c.Context(), profiles, name, profile)
		},
	}
}

// forget forgets the tokens of a profile, then ends them at the issuer.
func (s *session) forget(
	ctx context.Context, profiles *account.Profiles, name string, profile account.Profile,
) error {
	kept := profiles.Tokens(getenv)

	tokens, err := kept.Load(name)
	if errors.Is(err, signin.ErrSignedOut) {
		s.say("Nobody is signed in with the profile %s.", name)
		return nil
	}

	if forgot := kept.Forget(name); forgot != nil {
		return errors.Join(err, forgot)
	}

	s.say("Signed out of the profile %s.", name)

	if err != nil {
		return nil //nolint:nilerr // what could not be read is gone, and has nothing to be ended
	}

	issuer := signin.Issuer{URL: profile.Issuer, ClientID: profile.ClientID}
	if _, err := issuer.Revoke(ctx, tokens); err != nil {
		s.say("The tokens could not be ended at the issuer, and expire by themselves: %s",
			s.out.Text(err.Error()))
	}

	return nil
}
