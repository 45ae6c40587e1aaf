// Signs in as a page of a frontend's development server would with oidc-client-ts. The page is of
// another origin, so that all of its calls need CORS.

import assert from 'node:assert/strict';
import { InMemoryWebStorage, UserManager, WebStorageStateStore } from 'oidc-client-ts';
import { Browser, me, pageFetch, report } from './browser.mjs';

const [issuer, person] = process.argv.slice(2);
const page = 'http://127.0.0.1:5173';
const redirect = `${page}/callback`;

async function* steps() {
  const browser = new Browser();
  globalThis.fetch = pageFetch(page);

  // The library opens windows and frames by navigators. Ours lead to the browser above.
  let landed; // where the page's window went last
  const navigator = (open) => ({ prepare: async () => ({ navigate: open, close: () => {} }) });
  const window = navigator(async ({ url }) => {
    landed = url.startsWith(`${issuer}/authorize`) ? await browser.signIn(url, person) : (await browser.open(url)).to;
    return { url: landed.href };
  });
  const frame = navigator(async ({ url }) => ({ url: (await browser.open(url)).to.href }));

  const store = () => new WebStorageStateStore({ store: new InMemoryWebStorage() });
  const manager = new UserManager({
    authority: issuer,
    client_id: 'bitting-console',
    redirect_uri: redirect,
    post_logout_redirect_uri: redirect,
    scope: 'openid email profile offline_access',
    loadUserInfo: true,
    automaticSilentRenew: false,
    includeIdTokenInSilentRenew: true,
    validateSubOnSilentRenew: true,
    userStore: store(),
    stateStore: store(),
  }, window, window, frame);

  await manager.metadataService.getMetadata();
  assert.ok((await manager.metadataService.getSigningKeys()).length);
  yield 'discovery and keys by CORS';

  await manager.signinRedirect();
  const user = await manager.signinRedirectCallback(landed.href);
  assert.equal(user.profile.email, person);
  yield 'code with PKCE, userinfo';

  assert.equal((await me(issuer, user.id_token)).email, person);
  yield 'admin API';

  const renewed = await manager.signinSilent();
  assert.equal(renewed.profile.sub, user.profile.sub);
  assert.notEqual(renewed.refresh_token, user.refresh_token);
  yield 'refresh';

  const silent = await manager.signinSilent({ forceIframeAuth: true });
  assert.equal(silent.profile.sub, user.profile.sub);
  yield 'silent renewal';

  await manager.signoutRedirect({ state: 'bye' });
  assert.equal(landed.origin + landed.pathname, redirect);
  await manager.signoutRedirectCallback(landed.href);
  assert.equal(await manager.getUser(), null);
  await assert.rejects(manager.signinSilent({ forceIframeAuth: true }), { error: 'login_required' });
  yield 'end of session';
}

await report('oidc-client-ts', steps());
