// Signs in as a program on this machine would with openid-client.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import * as client from 'openid-client';
import { Browser, me, report } from './browser.mjs';

const [issuer, person] = process.argv.slice(2);
const redirect = 'http://127.0.0.1:53682/callback';
const scope = 'openid email profile offline_access';

async function* steps() {
  const browser = new Browser();
  const config = await client.discovery(new URL(issuer), 'bitting-console', undefined, client.None(), {
    execute: [client.allowInsecureRequests], // a plain HTTP issuer
  });
  client.enableNonRepudiationChecks(config); // verify signatures
  yield 'discovery';

  // authorize gets tokens through the browser: silently, or by picking the person.
  const authorize = async (parameters) => {
    const verifier = client.randomPKCECodeVerifier();
    const state = client.randomState();
    const nonce = client.randomNonce();
    const address = client.buildAuthorizationUrl(config, {
      redirect_uri: redirect,
      scope,
      state,
      nonce,
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      ...parameters,
    });
    const to = parameters?.prompt === 'none'
      ? (await browser.open(address)).to
      : await browser.signIn(address, person);
    return client.authorizationCodeGrant(config, to, {
      pkceCodeVerifier: verifier,
      expectedState: state,
      expectedNonce: nonce,
      idTokenExpected: true,
    });
  };

  const tokens = await authorize();
  const claims = tokens.claims();
  const hash = createHash('sha256').update(tokens.access_token).digest().subarray(0, 16);
  assert.equal(claims.email, person);
  assert.equal(claims.at_hash, hash.toString('base64url'));
  yield 'code with PKCE';

  assert.equal((await me(issuer, tokens.id_token)).email, person);
  yield 'admin API';

  const info = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
  assert.equal(info.email, person);
  yield 'userinfo';

  await assert.rejects(client.fetchUserInfo(config, `${tokens.access_token}x`, claims.sub), (error) => {
    assert.ok(error instanceof client.WWWAuthenticateChallengeError);
    assert.equal(error.status, 401);
    assert.equal(error.cause[0].parameters.error, 'invalid_token');
    return true;
  });
  yield 'its refusal';

  const renewed = await client.refreshTokenGrant(config, tokens.refresh_token);
  assert.equal(renewed.claims().sub, claims.sub);
  assert.notEqual(renewed.refresh_token, tokens.refresh_token);
  yield 'refresh';

  const silent = await authorize({ prompt: 'none', id_token_hint: renewed.id_token });
  assert.equal(silent.claims().sub, claims.sub);
  yield 'silent renewal';

  const { to } = await browser.open(client.buildEndSessionUrl(config, {
    id_token_hint: silent.id_token,
    post_logout_redirect_uri: redirect,
    state: 'bye',
  }));
  assert.equal(to.href, `${redirect}?state=bye`);
  await assert.rejects(authorize({ prompt: 'none' }), { error: 'login_required' });
  yield 'end of session';
}

await report('openid-client', steps());
