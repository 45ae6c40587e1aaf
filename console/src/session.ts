import { ErrorResponse, InMemoryWebStorage, type User, UserManager, WebStorageStateStore } from 'oidc-client-ts';
import { addressOf, base } from './base';
import type { Config } from './config';

// Tokens are in memory only: what a script could read from storage, it could take away. So a reload
// signs in again, by a redirect that the identity provider answers without a question while its own
// session lasts.

const storagePrefix = 'bitting.';

/** What a sign-in leads back to. */
interface State {
  to: string;
}

/** Nobody could be signed in without being asked. */
export class SignInNeeded extends Error {
  readonly to: string | undefined; // where the sign-in began

  constructor(to: string | undefined) {
    super('sign-in needed');
    this.to = to;
  }
}

/** What a provider answers that may not ask the person, and would have to. */
const mustAsk = new Set(['login_required', 'interaction_required', 'consent_required', 'account_selection_required']);

export class Session {
  readonly #manager: UserManager;
  #user: User | null = null;
  #renewing: Promise<boolean> | undefined;
  #ended = new Set<() => void>();

  constructor(config: Config) {
    this.#manager = new UserManager({
      authority: config.issuer,
      client_id: config.clientId,
      redirect_uri: addressOf('callback'),
      post_logout_redirect_uri: addressOf('signin'),
      scope: 'openid email profile',
      userStore: new WebStorageStateStore({ store: new InMemoryWebStorage() }),
      stateStore: new WebStorageStateStore({ store: sessionStorage, prefix: storagePrefix }),
      automaticSilentRenew: false, // renewed below, when a token is needed
      loadUserInfo: false,
    });
  }

  get signedIn(): boolean {
    return this.#user !== null;
  }

  /** Who is signed in, for people. */
  get person(): string {
    return this.#user?.profile.email ?? this.#user?.profile.sub ?? '';
  }

  /** Calls a function each time that the session ends and cannot be renewed silently. */
  onEnd(call: () => void): () => void {
    this.#ended.add(call);
    return () => this.#ended.delete(call);
  }

  /** Leaves for the identity provider. silent asks nothing of the person: it may come back without them. */
  async start(to: string, silent: boolean): Promise<never> {
    const state: State = { to };
    await this.#manager.signinRedirect({ ...(await this.#scope()), ...(silent ? { prompt: 'none' } : {}), state });
    return new Promise(() => {}); // the page is being left
  }

  /**
   * Takes what the identity provider sent back, in this window or for the window that opened this
   * one. Returns where to go on. Error: SignInNeeded.
   */
  async finish(): Promise<string> {
    if (!this.#startedHere()) {
      await this.#manager.signinPopupCallback(); // which closes this window, if it was opened for that
      await new Promise((resolve) => setTimeout(resolve, 1000));
      return '/';
    }

    try {
      this.#user = await this.#manager.signinRedirectCallback();
      return (this.#user.state as State | undefined)?.to ?? '/';
    } catch (error) {
      if (error instanceof ErrorResponse && mustAsk.has(error.error ?? '')) {
        throw new SignInNeeded((error.state as State | undefined)?.to);
      }
      throw error;
    }
  }

  // What a sign-in began with is in the storage of the window in which it began.
  #startedHere(): boolean {
    const state = new URLSearchParams(location.search).get('state');
    return state !== null && sessionStorage.getItem(storagePrefix + state) !== null;
  }

  /** The ID token for a call, renewed if it is about to expire; undefined without one. */
  async token(): Promise<string | undefined> {
    const user = this.#user;
    if (user && (user.expires_in ?? 0) < 30) await this.renew();
    return this.#user?.id_token;
  }

  /** Renews the token silently. Several callers share one attempt. */
  renew(): Promise<boolean> {
    this.#renewing ??= this.#renew().finally(() => (this.#renewing = undefined));
    return this.#renewing;
  }

  async #renew(): Promise<boolean> {
    // Without a refresh token this library would open a frame, which the page's policy forbids.
    if (!this.#user?.refresh_token) return false;
    try {
      this.#user = await this.#manager.signinSilent();
    } catch {
      return false;
    }
    return this.#user !== null;
  }

  /** Says that the session has ended: the person is asked to sign in, and what they typed stays. */
  end(): void {
    for (const call of this.#ended) call();
  }

  /** Signs in again in a window of its own, so that this page and what was typed in it stay. */
  async again(): Promise<void> {
    this.#user = await this.#manager.signinPopup({ ...(await this.#scope()), state: { to: '/' } satisfies State });
  }

  async signOut(): Promise<void> {
    const hint = this.#user?.id_token;
    this.#user = null;
    try {
      await this.#manager.signoutRedirect(hint ? { id_token_hint: hint } : {});
    } catch {
      location.assign(`${base}signin`); // the provider has no way to end a session
    }
  }

  // A provider that knows offline_access gives refresh tokens for it; one that does not refuses it.
  async #scope(): Promise<{ scope: string }> {
    const known = (await this.#manager.metadataService.getMetadata()).scopes_supported;
    const offline = known?.includes('offline_access') ?? false;
    return { scope: `openid email profile${offline ? ' offline_access' : ''}` };
  }
}

let current: Session | undefined;

/** Makes the session of this page; none without a sign-in. */
export function makeSession(config: Config): Session | undefined {
  current = config.issuer ? new Session(config) : undefined;
  if (current) answerReference(current);
  return current;
}

/**
 * Answers the reference of the admin API, in another window of this origin, which asks for the token
 * whenever somebody tries a call there. It has no session of its own, and keeps nothing.
 */
function answerReference(session: Session): void {
  const channel = new BroadcastChannel('bitting-session');
  channel.addEventListener('message', ({ data }) => {
    if (data !== 'ask' || !session.signedIn) return;
    void session.token().then((token) => token && channel.postMessage({ token, person: session.person }));
  });
}

export function session(): Session | undefined {
  return current;
}
