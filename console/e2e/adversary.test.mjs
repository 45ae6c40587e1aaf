// What people, browsers and other sites may do that nobody meant: back in the middle of a dialog, two
// clicks at once, addresses that say nothing, two windows, scripts from elsewhere.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { admin, call, look, newKey, open, operator, remains, row, server, signIn, startBrowser, takeSecret, unique } from './browser.mjs';

startBrowser();

test('nothing runs or is fetched that is no file of the page', async (t) => {
  const page = await open(t);
  page.removeAllListeners('console'); // the browser reports each that it refuses
  page.removeAllListeners('request');
  await signIn(page, 'alice');
  await page.evaluate(() => {
    globalThis.refused = new Set();
    document.addEventListener('securitypolicyviolation', (e) => globalThis.refused.add(e.effectiveDirective));
    const script = document.createElement('script');
    script.textContent = 'globalThis.harm = "a script"';
    const box = document.createElement('div');
    box.innerHTML = '<img src="data:,x" onerror="harm = \'a handler\'"><style>body { --harm: 1 }</style><iframe src="/console/"></iframe>';
    const base = document.createElement('base');
    base.href = 'https://other.test/';
    document.body.append(script, box, base);
    fetch('https://other.test/').catch(() => {});
  });
  const want = ['script-src-elem', 'script-src-attr', 'style-src-elem', 'img-src', 'frame-src', 'connect-src', 'base-uri'];
  await page.waitForFunction((all) => all.every((directive) => globalThis.refused.has(directive)), want);
  assert.equal(await page.evaluate(() => globalThis.harm), undefined);
});

test('back does not lose a secret that nobody has stored', async (t) => {
  const name = unique('Kept from back');
  const page = await open(t);
  await signIn(page, 'alice', '/acme/keys');
  await page.getByRole('link', { name: 'Create API key' }).first().click();
  const form = page.getByRole('dialog', { name: 'Create API key' });
  await form.getByLabel('Name', { exact: true }).fill(name);
  await form.getByRole('button', { name: 'Create API key' }).click();
  const dialog = page.getByRole('dialog', { name: 'Store this secret now' });
  const secret = await dialog.getByLabel('Secret', { exact: true }).textContent();
  await page.evaluate(() => history.back());
  await page.waitForFunction(() => document.activeElement?.getAttribute('type') === 'checkbox');
  await page.keyboard.press('ControlOrMeta+k');
  await page.getByRole('combobox', { name: 'Search or jump to' }).fill('members');
  await page.keyboard.press('Enter');
  await page.getByRole('combobox', { name: 'Search or jump to' }).waitFor({ state: 'detached' });
  assert.equal(await dialog.getByLabel('Secret', { exact: true }).textContent(), secret);
  assert.equal(await takeSecret(page), secret);
  await page.waitForURL(`${server}/console/acme/keys`);
  assert.ok(!(await remains(page)).includes(secret.slice(-38)));
});

test('back asks before it loses what was typed', async (t) => {
  const made = await newKey({ name: unique('Typed') });
  const page = await open(t);
  await signIn(page, 'alice', `/acme/keys/${made.key.id}`);
  await page.getByRole('link', { name: 'Edit' }).first().click();
  const form = page.getByRole('dialog');
  await form.getByLabel('Name', { exact: true }).fill('Not saved');
  page.removeAllListeners('dialog');
  const answer = async (accept) => {
    const asked = page.waitForEvent('dialog');
    await page.evaluate(() => history.back());
    await (accept ? (await asked).accept() : (await asked).dismiss());
  };
  await answer(false);
  await page.waitForURL(/\/edit$/);
  assert.equal(await form.getByLabel('Name', { exact: true }).inputValue(), 'Not saved');
  await answer(true);
  await form.waitFor({ state: 'detached' });
  await page.getByRole('heading', { level: 1, name: made.key.name }).waitFor();
});

test('back leaves a question behind, unanswered', async (t) => {
  const made = await newKey({ name: unique('Asked about') });
  const page = await open(t);
  await signIn(page, 'alice', '/acme/keys');
  await row(page, made.key.name).getByRole('link').first().click();
  await page.getByRole('button', { name: 'Revoke' }).click();
  await page.getByRole('alertdialog').waitFor();
  await page.goBack();
  await page.getByRole('alertdialog').waitFor({ state: 'detached' });
  await row(page, made.key.name).getByRole('link').first().click(); // nothing covers the page
  await page.getByRole('heading', { level: 1, name: made.key.name }).waitFor();
  assert.equal(await call(made.secret), 201);
});

test('two clicks at once do a thing once', async (t) => {
  const name = unique('Twice');
  const page = await open(t);
  await signIn(page, 'alice', `/acme/keys/new?name=${encodeURIComponent(name)}`);
  const form = page.getByRole('dialog', { name: 'Create API key' });
  await form.getByRole('button', { name: 'Create API key' }).waitFor();
  const posts = [];
  page.on('request', (r) => r.method() === 'POST' && /\/keys(\/[^/]+\/regenerate)?$/.test(r.url()) && posts.push(r.url()));
  const twice = () => page.evaluate(() => {
    const form = document.querySelector('[role=dialog] form, [role=alertdialog] form');
    form.requestSubmit();
    form.requestSubmit();
  });
  await twice();
  const secret = await takeSecret(page);
  assert.equal(await call(secret), 201);
  await row(page, name).waitFor();
  assert.equal(await row(page, name).count(), 1, 'one key, not two');

  await row(page, name).getByRole('link').first().click();
  await page.getByRole('button', { name: 'More actions' }).click();
  await page.getByRole('menuitem', { name: 'Regenerate…' }).click();
  await page.getByRole('alertdialog').waitFor();
  await twice();
  const second = await takeSecret(page);
  assert.deepEqual([await call(secret), await call(second)], [401, 201]);
  assert.equal(posts.length, 2, `one call for each pair of submits: ${posts}`);
});

test('an address that says nonsense is read as far as it says something', async (t) => {
  const made = await newKey({ name: unique('Addressed') });
  const page = await open(t);
  await signIn(page, 'alice');
  const ofKey = `/acme/keys/${made.key.id}`;
  const heading = (name) => page.getByRole('heading', { level: 1, name });
  for (const [at, sign] of [
    ['/acme/keys?status=constructor&environment=__proto__&sort=toString&limit=9&cursor=x&unusedSince=tomorrow', heading('API keys')],
    ['/acme/keys?customer=../../x&permission=constructor&tag=%00', heading('API keys')],
    [`${ofKey}/explain?method=BREW&path=%00%FF&at=garbageZ&sourceIp=nowhere`, page.getByRole('button', { name: 'Explain' })],
    [`${ofKey}/requests?outcome=constructor&route=toString&q=%27%22`, page.getByRole('radiogroup', { name: 'Which calls' })],
    [`${ofKey}/usage?range=forever&by=__proto__&view=3d`, page.getByText('Calls per day')],
    [`${ofKey}/edit?part=constructor`, page.getByRole('dialog')],
    [`${ofKey}/permissions?add=__proto__&remove=constructor`, page.getByText('Nothing is changed yet.')],
    ['/acme/history?action=toString&actor=constructor&object=__proto__', heading('History')],
    ['/acme/keys/new?name=%F0%9F&environment=moon&permission=constructor', page.getByRole('dialog', { name: 'Create API key' })],
    ['/acme/jobs/..%2F..%2Fkeys', page.getByText(/There is no such|Something went wrong|not valid|invalid/i).first()],
    ['/acme/keys/%2e%2e', page.getByText(/There is no such|API keys/).first()],
    ['/%3Cscript%3E/keys', page.getByText('There is no such organization')],
    ['/constructor/keys', page.getByText('There is no such organization')],
    ['/callback?code=x&state=y', page.getByText(/could not be signed in|API keys|Sign in/).first()],
    ['/signin?to=//other.test/x', page.getByRole('button', { name: 'Sign in' })],
  ]) {
    await page.goto(`${server}/console${at}`);
    await sign.waitFor();
  }
  // Who signs in there comes back here: `open` fails for any other origin.
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('button', { name: /^Alice/ }).click();
  await page.getByText('There is no such page').waitFor();
});

test('what the browser does not let copy is said', async (t) => {
  const made = await newKey({ name: unique('Not copied') });
  const page = await open(t);
  await page.addInitScript(() => {
    navigator.clipboard.writeText = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
  });
  await signIn(page, 'alice', `/acme/keys/${made.key.id}`);
  await page.getByRole('button', { name: 'More actions' }).click();
  await page.getByRole('menuitem', { name: 'Copy key id' }).click();
  await page.getByText('The browser did not allow copying').waitFor();
});

test('two windows: the second learns of what the first did', async (t) => {
  const made = await newKey({ name: unique('In two windows') });
  const [first, second] = [await open(t), await open(t)];
  for (const page of [first, second]) {
    await signIn(page, 'alice', `/acme/keys/${made.key.id}/edit`);
    await page.getByRole('dialog').getByRole('button', { name: 'Save changes' }).waitFor();
  }
  await first.getByLabel('Name', { exact: true }).fill('The first');
  await first.getByRole('button', { name: 'Save changes' }).click();
  await first.getByRole('heading', { level: 1, name: 'The first' }).waitFor();
  const form = second.getByRole('dialog');
  await form.getByLabel('Name', { exact: true }).fill('The second');
  await form.getByRole('button', { name: 'Save changes' }).click();
  await form.getByText('Someone changed this key while you were editing').waitFor();
  await form.getByText('The first').first().waitFor();
  assert.equal((await admin('GET', `/keys/${made.key.id}`)).name, 'The first', 'nothing is overwritten unasked');
  await form.getByRole('button', { name: 'Discard mine' }).click();
  assert.equal(await form.getByLabel('Name', { exact: true }).inputValue(), 'The first');
});

test('a session that ends in a dialog keeps it', async (t) => {
  const name = unique('Kept customer');
  const page = await open(t);
  await signIn(page, 'alice', '/acme/customers');
  await page.getByRole('button', { name: 'Add customer' }).first().click();
  const dialog = page.getByRole('dialog', { name: 'Add a customer' });
  await dialog.getByLabel('Name').fill(name);
  let refusing = true;
  await page.route('**/v1/**', (route) => (refusing ? route.fulfill({ status: 401, contentType: 'application/problem+json', body: '{"title":"The credential is missing or not valid","status":401,"code":"unauthenticated"}' }) : route.continue()));
  await page.route('**/oidc/token', (route) => (refusing ? route.fulfill({ status: 400, contentType: 'application/json', body: '{"error":"invalid_grant"}' }) : route.continue()));
  await dialog.getByRole('button', { name: 'Add customer' }).click();
  const ended = page.getByRole('alertdialog', { name: 'You were signed out' });
  await ended.waitFor();
  const opened = page.waitForEvent('popup');
  await ended.getByRole('button', { name: 'Sign in again' }).click();
  await (await opened).close();
  refusing = false;
  const again = page.waitForEvent('popup');
  await ended.getByRole('button', { name: 'Sign in again' }).click();
  await (await again).getByRole('button', { name: /^Alice/ }).click();
  await ended.waitFor({ state: 'detached' });
  assert.equal(await dialog.getByLabel('Name').inputValue(), name);
  await dialog.getByRole('button', { name: 'Add customer' }).click();
  await page.getByRole('row', { name: new RegExp(name) }).waitFor();
});

test('answers that are none do not take the page away', async (t) => {
  const page = await open(t);
  await signIn(page, 'alice');
  let body;
  await page.route('**/v1/organizations/acme/members?*', (route) => (body === undefined ? route.continue() : route.fulfill({ status: 200, contentType: 'application/json', body })));
  for (body of ['', 'null', '{}', '[]', '{"items":null}', '<html>']) {
    await page.goto(`${server}/console/acme/members`);
    await page.getByRole('button', { name: 'Try again' }).waitFor();
  }
  body = undefined;
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('row', { name: /alice@acme\.test/ }).waitFor();
});

test('a clock that is wrong changes no answer', async (t) => {
  const made = await newKey({ name: unique('In another time'), expiresIn: '5d' });
  await call(made.secret);
  for (const days of [-3, 3]) {
    const page = await open(t);
    await page.clock.install({ time: Date.now() + days * 24 * 3600_000 });
    await signIn(page, 'alice', `/acme/keys/${made.key.id}`);
    await page.getByRole('heading', { level: 1, name: made.key.name }).waitFor();
    await page.getByRole('button', { name: 'Revoke' }).click();
    await page.getByRole('alertdialog').getByText(/This key is in use|Not known|not known|No call in the last hour|could not/i).first().waitFor();
    await page.getByRole('button', { name: 'Keep it working' }).click();
    await page.goto(`${server}/console/acme/keys/${made.key.id}/usage`);
    await page.getByText('Calls per day').waitFor();
  }
});

test('what operators write stays text, too', async (t) => {
  const catalogue = await operator('GET', '/permissions');
  const own = (p) => !p.builtIn;
  const plain = (p) => ({ ...p, builtIn: undefined });
  const before = catalogue.permissions.filter(own).map(plain);
  t.after(() => operator('PUT', '/permissions', { permissions: before }));
  const harm = '"><img src=x onerror=alert(1)><script>alert(1)</script>';
  await operator('PUT', '/permissions', { permissions: before.map((p, i) => (i === 0 ? { ...p, title: harm, description: `\u2067${harm}` } : p)) });
  const made = await newKey({ name: unique('Holds it'), permissions: [before[0].name] });
  const page = await open(t);
  await signIn(page, 'alice');
  for (const at of ['permissions', 'keys', 'keys/new', 'settings', `keys/${made.key.id}`, `keys/${made.key.id}/permissions`, `keys/${made.key.id}/usage?by=permission`]) {
    await page.goto(`${server}/console/acme/${at}`);
    await page.waitForLoadState('networkidle');
    assert.equal(await page.locator('#root img, #root script, [role=dialog] img, [role=dialog] script').count(), 0, at);
  }
  await page.goto(`${server}/console/acme/permissions`);
  await page.getByText(harm).first().waitFor();
  await look(page, 'hostile-permissions');
});
