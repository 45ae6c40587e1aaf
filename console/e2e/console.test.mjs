import assert from 'node:assert/strict';
import { test } from 'node:test';
import { admin, call, eventually, look, newKey, open, remains, row, server, signIn, startBrowser, takeSecret, unique } from './browser.mjs';

startBrowser();

const menuOf = (page, name) => page.getByRole('button', { name: `Actions for \u2068${name}\u2069` }).first();

test('each demo person sees what is theirs', async (t) => {
  const personal = await open(t);
  await signIn(personal, 'Bob', '/acme/keys/new?name=Bob%E2%80%99s%20sandbox&environment=development&ownership=personal');
  await personal.getByRole('button', { name: 'Create API key' }).last().click();
  await takeSecret(personal);
  await row(personal, 'Bob’s sandbox').waitFor();

  for (const [person, organization, mayCreate, seesBobs] of [
    ['alice', 'acme', true, true],
    ['bob', 'acme', true, true],
    ['carol', 'acme', true, true],
    ['dave', 'acme', false, false],
    ['erin', 'globex', true, false],
  ]) {
    const page = await open(t);
    await signIn(page, person);
    await page.waitForURL(`${server}/console/${organization}/keys`);
    await page.getByRole('heading', { name: 'API keys' }).waitFor();
    await page.getByText(/shown$|No keys yet/).first().waitFor();
    assert.equal(await page.getByRole('link', { name: 'Create API key' }).first().isVisible(), mayCreate, person);
    assert.equal(await row(page, 'Bob’s sandbox').isVisible(), seesBobs, person);
    assert.equal(await row(page, 'Local admin').isVisible(), organization === 'acme', person);
  }
});

test('a viewer has no button that changes anything', async (t) => {
  const page = await open(t);
  await signIn(page, 'dave');
  await menuOf(page, 'Local admin').click();
  await page.getByRole('menu').waitFor();
  assert.deepEqual(await page.getByRole('menuitem').allTextContents(), ['Open', 'Copy key id']);
  await look(page, 'menu-viewer');
  await page.getByRole('menuitem', { name: 'Open' }).click();
  await page.getByRole('heading', { level: 1, name: 'Local admin' }).waitFor();
  for (const name of ['Edit', 'Revoke', 'More actions']) assert.equal(await page.getByRole('button', { name }).count(), 0, name);
  await page.goto(`${page.url()}/edit`);
  await page.getByRole('heading', { level: 1, name: 'Local admin' }).waitFor();
  assert.equal(await page.getByRole('dialog').count(), 0, 'the form of a change');
});

test('a key is created, copied, used, regenerated, revoked, restored and deleted', async (t) => {
  const name = unique('Main website');
  const page = await open(t);
  await signIn(page, 'alice');
  await page.getByRole('link', { name: 'Create API key' }).first().click();
  const form = page.getByRole('dialog', { name: 'Create API key' });
  await form.getByLabel('Name', { exact: true }).fill(name);
  await form.getByText('Opens 1 route in Production').waitFor();
  await form.getByText('Safe to publish').waitFor();
  await look(page, '03-create');
  await form.getByRole('button', { name: 'Create API key' }).click();

  const dialog = page.getByRole('dialog', { name: 'Store this secret now' });
  await dialog.waitFor();
  await look(page, '04-secret');
  await page.waitForFunction(() => document.activeElement?.textContent === 'Copy');
  await page.keyboard.press('Enter');
  await dialog.getByText('Copied').first().waitFor();
  await page.getByRole('status').filter({ hasText: 'Copied' }).waitFor({ state: 'attached' }); // said, too
  const secret = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(await call(secret), 201, 'the copied secret');

  for (const [tab, want] of [['curl', `X-Api-Key: ${secret}`], ['Python', secret], ['.NET', secret], ['Go', `${server}/production/messages`]]) {
    await dialog.getByRole('tab', { name: tab, exact: true }).click();
    assert.ok(!(await dialog.getByRole('tabpanel').textContent()).includes(secret), `${tab} shows the secret`);
    await dialog.getByRole('button', { name: `Copy ${tab} with the secret` }).click();
    await dialog.getByRole('tabpanel').getByText('Copied').waitFor();
    assert.ok((await page.evaluate(() => navigator.clipboard.readText())).includes(want), tab);
  }

  const downloaded = page.waitForEvent('download');
  await dialog.getByRole('button', { name: 'Download .env' }).click();
  assert.match((await downloaded).suggestedFilename(), /^main-website-[a-z0-9]+\.production\.env$/);

  assert.ok(await dialog.getByRole('button', { name: 'Done' }).isDisabled());
  await page.keyboard.press('Escape');
  assert.ok(await dialog.isVisible(), 'Escape closed the only view of the secret');
  await dialog.getByLabel('I have stored it').check();
  await dialog.getByRole('button', { name: 'Done' }).click();
  await dialog.waitFor({ state: 'detached' });
  assert.ok(!(await remains(page)).includes(secret.slice(-38)), 'the secret is left in the page');
  await page.reload();
  await row(page, name).waitFor();
  assert.ok(!(await remains(page)).includes(secret.slice(-38)), 'the secret is left after a reload');

  await row(page, name).getByRole('link').first().click();
  await page.getByRole('heading', { level: 1, name }).waitFor();
  await page.waitForURL(/keys\/[0-9A-Za-z]{16}$/);
  await page.getByText('Organization key').waitFor();
  await look(page, '05-key-overview');

  // The call with it is seen in its usage.
  const tabs = page.getByRole('navigation', { name: 'About this key' });
  await tabs.getByRole('link', { name: 'Usage' }).click();
  await eventually('the call is counted', async () => {
    await page.reload();
    await page.getByText('Calls per day').waitFor();
    return page.getByText('100% of calls').isVisible();
  });
  await tabs.getByRole('link', { name: 'Overview' }).click();

  await page.getByRole('button', { name: 'More actions' }).click();
  await page.getByRole('menuitem', { name: 'Regenerate…' }).click();
  const regenerate = page.getByRole('alertdialog');
  await regenerate.getByText('whatever still sends it gets 401').waitFor();
  await page.waitForFunction(() => document.activeElement?.textContent === 'Keep secret');
  await look(page, 'regenerate');
  await regenerate.getByRole('button', { name: 'Regenerate key' }).click();
  const second = await takeSecret(page);
  assert.deepEqual([await call(secret), await call(second)], [401, 201]);

  await page.getByRole('button', { name: 'Revoke' }).click();
  const revoke = page.getByRole('alertdialog');
  await revoke.getByText('This key is in use:').or(revoke.getByText(/No call in the last hour|Never used/)).first().waitFor();
  await page.waitForFunction(() => document.activeElement?.textContent === 'Keep it working');
  await look(page, '10-revoke');
  await revoke.getByLabel('Reason').fill('vendor contract ended');
  await revoke.getByRole('button', { name: 'Revoke key' }).click();
  await page.getByText(/Refused everywhere since/).first().waitFor();
  assert.equal(await call(second), 401);
  await page.getByText('vendor contract ended').waitFor();
  await look(page, 'key-revoked');

  await page.getByRole('button', { name: 'Restore' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Restore key' }).click();
  await page.getByRole('button', { name: 'Revoke' }).waitFor();
  assert.equal(await call(second), 201);

  await page.getByRole('button', { name: 'More actions' }).click();
  await page.getByRole('menuitem', { name: 'Delete…' }).click();
  const remove = page.getByRole('alertdialog');
  assert.ok(await remove.getByRole('button', { name: 'Delete key' }).isDisabled());
  await remove.getByLabel(/^Type/).fill(name);
  await look(page, 'delete');
  await remove.getByRole('button', { name: 'Delete key' }).click();
  await page.getByText(/^Deleted on/).waitFor();
  assert.equal(await call(second), 401);
  assert.equal(await page.getByRole('button', { name: 'Edit' }).count(), 0);
});

test('a compromised key cannot be restored, and says why', async (t) => {
  const made = await newKey({ name: unique('Leaked') });
  const page = await open(t);
  await signIn(page, 'alice', `/acme/keys/${made.key.id}`);
  await page.getByRole('button', { name: 'Revoke' }).click();
  await page.getByLabel('The secret is compromised').check();
  await page.getByRole('button', { name: 'Revoke as compromised' }).click();
  await page.getByRole('alertdialog').waitFor({ state: 'detached' });
  assert.equal(await call(made.secret), 401);
  const restore = page.getByRole('button', { name: 'Restore' });
  await restore.waitFor();
  assert.equal(await restore.getAttribute('aria-disabled'), 'true');
  await restore.dispatchEvent('click');
  assert.equal(await page.getByRole('alertdialog').count(), 0);
  await page.getByRole('link', { name: 'Edit' }).first().focus();
  await page.keyboard.press('Tab');
  await page.getByRole('tooltip', { name: /regenerate it/ }).waitFor();
  await look(page, 'key-compromised');
});

test('an answer that was lost says that its secret is', async (t) => {
  const name = unique('Lost');
  const page = await open(t);
  await signIn(page, 'alice', `/acme/keys/new?name=${encodeURIComponent(name)}`);
  // The call arrives, its answer does not.
  let lost = false;
  await page.route('**/v1/organizations/acme/keys', async (route) => {
    if (route.request().method() !== 'POST' || lost) return route.continue();
    lost = true;
    await route.fetch();
    return route.abort();
  });
  page.removeAllListeners('console'); // the browser reports the failed call
  const form = page.getByRole('dialog', { name: 'Create API key' });
  await form.getByRole('button', { name: 'Create API key' }).click();
  await form.getByText('The service cannot be reached').waitFor();
  assert.equal(await form.getByLabel('Name', { exact: true }).inputValue(), name, 'what was typed');
  await form.getByRole('button', { name: 'Create API key' }).click();
  await page.getByText('its secret did not arrive').waitFor();
  await page.getByRole('button', { name: 'Close' }).last().click();
  await row(page, name).waitFor();
  assert.equal(await row(page, name).count(), 1, 'one key, not two');
});

test('filters are in the address, and come back', async (t) => {
  const [active, off] = [unique('Find me'), unique('Find me off')];
  await newKey({ name: active, environment: 'staging' });
  await newKey({ name: off, environment: 'staging', enabled: false });
  const page = await open(t);
  await signIn(page, 'alice');
  await page.getByRole('navigation', { name: 'Environment' }).getByRole('link', { name: 'Staging' }).click();
  await page.getByRole('searchbox').fill('find me');
  await page.waitForURL(/environment=staging/);
  await page.waitForURL(/q=find\+me/);
  await row(page, active).waitFor();
  assert.equal(await row(page, off).count(), 0, 'a disabled key is shown by default');
  await page.getByRole('button', { name: 'Status: Active' }).click();
  await page.getByRole('menuitemradio', { name: 'All' }).click();
  await row(page, off).waitFor();
  await page.waitForURL(/status=all/);
  await page.reload();
  await row(page, off).waitFor();
  assert.equal(await page.getByRole('searchbox').inputValue(), 'find me');
  await look(page, 'keys-filtered');
  await page.goBack();
  await row(page, off).waitFor({ state: 'detached' });
  await page.getByRole('searchbox').fill('nothing has this name');
  await page.getByText('No key matches').waitFor();
  await look(page, 'keys-nothing');
  await page.getByRole('link', { name: 'Clear filters' }).click();
  await page.waitForURL(`${server}/console/acme/keys`);
  await row(page, 'Local admin').waitFor();
});

test('a list goes on from page to page', async (t) => {
  const word = unique('paged').replace(' ', '');
  for (let i = 0; i < 53; i++) await newKey({ name: `${word} ${i}` });
  const page = await open(t);
  await signIn(page, 'alice', `/acme/keys?q=${word}`);
  await page.getByText('Newest first, 50 shown').first().waitFor();
  await page.getByRole('button', { name: 'Load more' }).first().click();
  await page.getByText('Newest first, 53 shown').first().waitFor();
  assert.equal(await page.getByRole('button', { name: 'Load more' }).count(), 0);
});

test('a change says what it does, and does only that', async (t) => {
  const made = await newKey({ name: unique('Edited'), permissions: ['messages:write', 'messages:read'] });
  assert.equal(await call(made.secret, { method: 'GET' }), 200);
  const page = await open(t);
  await signIn(page, 'alice', `/acme/keys/${made.key.id}/edit`);
  const form = page.getByRole('dialog');
  const save = form.getByRole('button', { name: 'Save changes' });
  await save.waitFor();
  assert.ok(await save.isDisabled(), 'nothing is changed yet');
  await form.getByLabel('Read messages').uncheck();
  await form.getByRole('button', { name: 'Licenses' }).click();
  await form.getByLabel('License management').check();
  const changes = form.getByRole('region', { name: 'What changes' });
  await changes.getByText('opens 3 routes').waitFor();
  await changes.getByText(/would get 403|no call in the last 7 days/).waitFor();
  await look(page, '09-permissions');
  await form.getByRole('button', { name: /Rate limits/ }).click();
  await form.getByRole('button', { name: 'Add a rate limit' }).click();
  await form.getByLabel('Calls of rate limit').fill('100');
  await save.click();
  await form.waitFor({ state: 'detached' });
  await page.getByText('100 / min').waitFor();
  const after = await admin('GET', `/keys/${made.key.id}`);
  assert.deepEqual([after.permissions.toSorted(), after.rateLimits[0].limit, after.version], [['licenses:manage', 'messages:write'], 100, 2]);
  assert.equal(await call(made.secret, { method: 'GET' }), 403);
});

test('two who edit one key see what the other did', async (t) => {
  const made = await newKey({ name: unique('Shared') });
  const page = await open(t);
  await signIn(page, 'alice', `/acme/keys/${made.key.id}/edit`);
  const form = page.getByRole('dialog');
  await form.getByLabel('Name', { exact: true }).fill('Mine');
  await admin('PATCH', `/keys/${made.key.id}`, { rateLimits: [{ name: 'burst', limit: 300, window: '1m' }] });
  await form.getByRole('button', { name: 'Save changes' }).click();
  await form.getByText('Someone changed this key while you were editing').waitFor();
  assert.equal(await form.getByLabel('Name', { exact: true }).inputValue(), 'Mine', 'what was typed');
  await form.getByText('Apply mine again').scrollIntoViewIfNeeded();
  await look(page, '16-stale');
  await form.getByRole('button', { name: 'Apply mine again' }).click();
  await form.waitFor({ state: 'detached' });
  const after = await admin('GET', `/keys/${made.key.id}`);
  assert.deepEqual([after.name, after.rateLimits[0]?.limit], ['Mine', 300]);
});

test('a wrong field says so beside it', async (t) => {
  const page = await open(t);
  await signIn(page, 'alice', '/acme/keys/new');
  const form = page.getByRole('dialog', { name: 'Create API key' });
  await form.getByRole('button', { name: 'Create API key' }).click();
  await page.waitForFunction(() => document.activeElement?.getAttribute('aria-invalid') === 'true');
  await form.getByLabel('Name', { exact: true }).fill('Fine');
  await form.getByRole('button', { name: /Addresses/ }).click();
  await form.getByLabel('Addresses', { exact: true }).last().fill('not an address');
  await form.getByRole('button', { name: 'Create API key' }).click();
  await form.locator('[class*=Wrapper-error]').first().waitFor();
  await look(page, 'create-wrong');
});

test('every address works on its own, and after a reload', async (t) => {
  const made = await newKey({ name: unique('Deep') });
  const page = await open(t);
  await signIn(page, 'alice');
  const heading = (name) => page.getByRole('heading', { level: 1, name });
  const ofKey = `/acme/keys/${made.key.id}`;
  for (const [at, sign] of [
    ['/', heading('API keys')],
    ['/acme', heading('API keys')],
    ['/acme/keys', heading('API keys')],
    ['/acme/keys/new', page.getByRole('dialog', { name: 'Create API key' })],
    ['/acme/keys/import', heading('Import keys')],
    [ofKey, heading(made.key.name)],
    [`${ofKey}/edit`, page.getByRole('dialog', { name: /^Edit/ })],
    [`${ofKey}/permissions`, page.getByRole('dialog', { name: 'Edit permissions' })],
    [`${ofKey}/usage`, page.getByText('Calls per day')],
    [`${ofKey}/requests`, page.getByRole('radiogroup', { name: 'Which calls' })],
    [`${ofKey}/history`, page.getByRole('row', { name: /Created/ })],
    [`${ofKey}/explain?path=/messages`, page.getByRole('region', { name: 'Verdict' })],
    [`${ofKey}/advice`, page.getByRole('region', { name: 'Never expires' })],
    ['/acme/usage', heading('Usage')],
    ['/acme/advice', heading('Advice')],
    ['/acme/members', heading('Members')],
    ['/acme/customers', heading('Customers')],
    ['/acme/permissions', heading('Permissions')],
    ['/acme/jobs', heading('Jobs')],
    ['/acme/jobs/0000000000000000', page.getByText('There is no such job')],
    ['/acme/history', heading('History')],
    ['/acme/settings', heading('Settings')],
    ['/acme/requests/160a7721-797b-4ab8-be4b-b033c57f78b5', page.getByText('There is no such request')],
    ['/acme/keys/0000000000000000', page.getByText('There is no such key')],
    ['/organizations/new', heading('Create an organization')],
    ['/globex/keys', page.getByText('There is no such organization')],
    ['/acme/nowhere', page.getByText('There is no such page')],
    ['/signin', page.getByRole('button', { name: 'Sign in' })],
  ]) {
    await page.goto(`${server}/console${at}`);
    await sign.waitFor();
    await page.reload();
    await sign.waitFor();
  }
});

test('what people write stays text', async (t) => {
  const names = [
    '<img src=x onerror=alert(1)><script>alert(1)</script>',
    'right to left \u202E gnirts',
    'مفتاح الموقع الرئيسي',
    '🔑 emoji 👩‍👩‍👧‍👦',
    'x'.repeat(100),
  ];
  const page = await open(t);
  await signIn(page, 'alice');
  for (const [i, name] of names.entries()) {
    let made;
    try {
      made = await newKey({ name, description: name, tags: [name.slice(0, 40)], metadata: { note: name } });
    } catch {
      continue; // the API takes no such name
    }
    await page.goto(`${server}/console/acme/keys/${made.key.id}`);
    const heading = page.getByRole('heading', { level: 1 });
    await heading.waitFor();
    assert.equal(await heading.textContent(), made.key.name);
    assert.equal(await page.locator('main img, main script').count(), 0);
    await look(page, `hostile-${i}`);
    await page.getByRole('button', { name: 'Revoke' }).click();
    await page.getByRole('alertdialog').getByRole('heading').waitFor();
    assert.ok((await page.getByRole('alertdialog').getByRole('heading').textContent()).includes(made.key.name));
  }
});

test('all screens are for everybody: both themes, a phone', async (t) => {
  const made = await newKey({
    name: unique('Checkout service'),
    permissions: ['messages:write', 'messages:read', 'customers:read'],
    rateLimits: [{ name: 'burst', limit: 600, window: '1m' }],
    quota: { limit: 175_000, period: 'month' },
    allowedAddresses: ['127.0.0.0/8', '2001:db8::/32'],
    expiresIn: '6d',
    tags: ['payments', 'tier-1'],
  });
  for (let i = 0; i < 5; i++) await call(made.secret, i % 2 ? { method: 'GET', at: '/licenses' } : {});
  await admin('POST', `/keys/${made.key.id}/rotate`, { overlap: '18h' });
  for (const [width, size] of [[1280, ''], [390, '-phone'], [1000, '-rail']]) {
    const page = await open(t, { width, height: width === 390 ? 844 : 800 });
    await page.goto(`${server}/console/signin`);
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
    await look(page, `signin${size}`);
    await signIn(page, 'alice', '/acme/keys');
    await page.getByText(/shown$/).filter({ visible: true }).first().waitFor();
    await look(page, `01-keys${size}`);
    await page.goto(`${server}/console/acme/keys/new`);
    await page.getByRole('dialog').waitFor();
    await look(page, `03-create${size}`);
    await page.goto(`${server}/console/acme/keys/${made.key.id}`);
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.getByText(/opens 5 routes/).waitFor();
    await look(page, `05-key-overview${size}`);
    await page.getByRole('button', { name: 'Revoke' }).click();
    await page.getByRole('alertdialog').getByRole('button').first().waitFor();
    await look(page, `10-revoke${size}`);
  }
});

test('dialogs are for a phone, too', async (t) => {
  const made = await newKey({ name: unique('On a phone') });
  const page = await open(t, { width: 390, height: 844 });
  await signIn(page, 'alice', '/acme/keys/new?name=Phone');
  await page.getByRole('dialog').getByRole('button', { name: 'Create API key' }).click();
  await page.getByRole('dialog', { name: 'Store this secret now' }).waitFor();
  await look(page, '04-secret-phone');
  await takeSecret(page);
  await page.getByRole('button', { name: 'Menu' }).click();
  await page.getByRole('dialog').getByRole('link', { name: 'Members' }).waitFor();
  await look(page, 'menu-phone');
  await page.goto(`${server}/console/acme/keys/${made.key.id}`);
  await page.getByRole('button', { name: 'Rotate' }).click();
  await page.getByText(/whatever happens/).waitFor();
  await look(page, '11-rotate-phone');
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Search or jump to' }).click();
  await page.getByRole('option').first().waitFor();
  await look(page, '13-palette-phone');
});

test('the keyboard is enough to create a key', async (t) => {
  const page = await open(t);
  await signIn(page, 'alice');
  await page.getByText(/shown$/).filter({ visible: true }).first().waitFor();
  await page.keyboard.press('/');
  await page.waitForFunction(() => document.activeElement?.getAttribute('type') === 'search');
  await page.getByRole('link', { name: 'Create API key' }).first().focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.activeElement?.getAttribute('placeholder')?.startsWith('For example'));
  const name = unique('By keyboard');
  await page.keyboard.type(name);
  await page.keyboard.press('Enter');
  await page.getByRole('dialog', { name: 'Store this secret now' }).waitFor();
  await page.waitForFunction(() => document.activeElement?.textContent === 'Copy');
  for (let i = 0; i < 20; i++) {
    await page.keyboard.press('Tab');
    if (await page.evaluate(() => document.activeElement?.getAttribute('type') === 'checkbox')) break;
  }
  await page.keyboard.press('Space');
  for (let i = 0; i < 20; i++) {
    await page.keyboard.press('Tab');
    if (await page.evaluate(() => document.activeElement?.textContent === 'Done')) break;
  }
  await page.keyboard.press('Enter');
  await row(page, name).waitFor();
});

test('a session that ended asks beside the page, and keeps what was typed', async (t) => {
  const page = await open(t);
  await signIn(page, 'alice', '/acme/keys/new');
  const form = page.getByRole('dialog', { name: 'Create API key' });
  const name = unique('Kept');
  await form.getByLabel('Name', { exact: true }).fill(name);
  let refusing = true;
  await page.route('**/v1/**', (route) =>
    refusing
      ? route.fulfill({ status: 401, contentType: 'application/problem+json', body: '{"title":"The credential is missing or not valid","status":401,"code":"unauthenticated"}' })
      : route.continue(),
  );
  await page.route('**/oidc/token', (route) => (refusing ? route.fulfill({ status: 400, contentType: 'application/json', body: '{"error":"invalid_grant"}' }) : route.continue()));
  await form.getByRole('button', { name: 'Create API key' }).click();
  const ended = page.getByRole('alertdialog', { name: 'You were signed out' });
  await ended.waitFor();
  await look(page, 'signed-out');
  refusing = false;
  const window = page.waitForEvent('popup');
  await ended.getByRole('button', { name: 'Sign in again' }).click();
  await (await window).getByRole('button', { name: /^Alice/ }).click();
  await ended.waitFor({ state: 'detached' });
  assert.equal(await form.getByLabel('Name', { exact: true }).inputValue(), name);
  await form.getByRole('button', { name: 'Create API key' }).click();
  await takeSecret(page);
});

test('a service that is down says so, and recovers', async (t) => {
  const page = await open(t);
  await signIn(page, 'alice');
  await page.getByText(/shown$/).filter({ visible: true }).first().waitFor();
  let down = true;
  await page.route('**/v1/organizations/acme/keys?*', (route) =>
    down
      ? route.fulfill({ status: 503, contentType: 'application/problem+json', headers: { 'Retry-After': '5' }, body: '{"title":"The service is not available","status":503,"code":"unavailable","detail":"Try again.","requestId":"8f3c1a70"}' })
      : route.continue(),
  );
  await page.getByRole('navigation', { name: 'Environment' }).getByRole('link', { name: 'Development' }).click();
  const alert = page.getByRole('alert');
  await alert.getByText('The service is not available').waitFor();
  await alert.getByText('8f3c1a70').waitFor();
  await look(page, '16-error');
  down = false;
  await alert.getByRole('button', { name: 'Try again' }).click();
  await row(page, 'Demo development').waitFor();
});

test('signing out ends where one can sign in', async (t) => {
  const page = await open(t);
  await signIn(page, 'alice');
  await page.getByRole('button', { name: /^Account/ }).click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await page.waitForURL(/signin|oidc/);
});
