// The page of a key: rotation, permissions, usage, requests, history, explanations, advice.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { admin, call, eventually, look, newKey, open, server, signIn, startBrowser, takeSecret, unique } from './browser.mjs';

startBrowser();

test('a rotation shows who still sends the old secret, and ends', async (t) => {
  const made = await newKey({ name: unique('Rotated'), permissions: ['messages:write'] });
  const page = await open(t);
  await signIn(page, 'alice', `/acme/keys/${made.key.id}`);
  await page.getByRole('button', { name: 'Rotate' }).click();
  const dialog = page.getByRole('dialog', { name: /^Rotate/ });
  await dialog.getByText(/whatever happens/).waitFor();
  await page.waitForFunction(() => document.activeElement?.textContent === 'Cancel');
  await look(page, '11-rotate');
  await dialog.getByRole('radio', { name: '7 days' }).click();
  await dialog.getByLabel('First use of the new secret').check();
  await dialog.getByText('Ends 7 days after it is first used').waitFor();
  await dialog.getByRole('radio', { name: '24 hours' }).click();
  await dialog.getByRole('radio', { name: /^Now/ }).check();
  await dialog.getByRole('button', { name: 'Rotate key' }).click();
  const fresh = await takeSecret(page);
  const panel = page.getByRole('region', { name: 'Rotation' });
  await panel.getByText('No call has sent the old secret since the rotation.').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Rotate', exact: true }).getAttribute('aria-disabled'), 'true');

  assert.deepEqual([await call(made.secret), await call(fresh)], [201, 201], 'both secrets open');
  await panel.getByText('Still used').waitFor();
  await panel.getByText('this source would get 401').waitFor();
  await panel.getByText('In use', { exact: true }).waitFor();
  await look(page, '07-rotation');

  await panel.getByRole('button', { name: 'End old secret now…' }).click();
  const finish = page.getByRole('alertdialog');
  await finish.getByText('1 source used it in the last 24 hours').waitFor();
  await page.waitForFunction(() => document.activeElement?.textContent === 'Keep overlap');
  await look(page, '17-finish');
  await finish.getByRole('button', { name: 'End old secret' }).click();
  await panel.waitFor({ state: 'detached' });
  assert.deepEqual([await call(made.secret), await call(fresh)], [401, 201], 'only the new secret opens');
});

test('a rotation never outlives the key', async (t) => {
  const made = await newKey({ name: unique('Ends soon'), expiresIn: '2h' });
  const page = await open(t);
  await signIn(page, 'alice', `/acme/keys/${made.key.id}`);
  await page.getByRole('button', { name: 'Rotate' }).click();
  const dialog = page.getByRole('dialog', { name: /^Rotate/ });
  await dialog.getByText(/^Ends .*, with the key itself\.$/).first().waitFor();
  await dialog.getByRole('radio', { name: 'Other…' }).click();
  await dialog.getByLabel('Length of the overlap').fill('1');
  await dialog.getByLabel('Unit of the overlap').selectOption('h');
  await dialog.getByText('whatever happens').waitFor();
  await dialog.getByRole('button', { name: 'Regenerate' }).click();
  await page.getByRole('alertdialog', { name: /^Regenerate/ }).waitFor();
});

test('the permission editor says what would be lost, and copies from a key', async (t) => {
  const other = await newKey({ name: unique('Example'), permissions: ['metrics:read', 'telemetry:write'] });
  const made = await newKey({ name: unique('Narrowed'), permissions: ['messages:write', 'messages:read', 'customers:read'] });
  for (let i = 0; i < 3; i++) assert.equal(await call(made.secret, { method: 'GET' }), 200);
  const page = await open(t);
  await signIn(page, 'alice', `/acme/keys/${made.key.id}/permissions`);
  const form = page.getByRole('dialog', { name: 'Edit permissions' });
  await form.getByText('Nothing is changed yet.').waitFor();
  await page.waitForFunction(() => document.activeElement?.getAttribute('aria-label') === 'Name or route');
  const used = form.getByRole('button', { name: 'Only what was used in 90 days' });
  await eventually('the use is known', async () => {
    await page.reload();
    await form.getByText('Nothing is changed yet.').waitFor();
    return used.waitFor({ timeout: 5000 }).then(() => true, () => false);
  });
  await used.click();
  await form.getByText('0 added, 2 removed. Works from the next call.').waitFor();
  const changes = form.getByRole('region', { name: 'What changes' });
  assert.equal(await changes.getByText('no call in the last 7 days').count(), 2);
  await form.getByLabel('Read messages').uncheck();
  await changes.getByText(/[123] calls? in the last 7 days would get 403/).waitFor();
  await look(page, '09-permissions');

  await form.getByRole('button', { name: 'Copy from a key…' }).click();
  await page.getByLabel('Name or key id').last().fill(other.key.name);
  await page.getByRole('button', { name: new RegExp(other.key.name) }).click();
  await form.getByText('2 added, 3 removed').waitFor();
  await form.getByRole('button', { name: 'Save permissions' }).click();
  await form.waitFor({ state: 'detached' });
  assert.deepEqual((await admin('GET', `/keys/${made.key.id}`)).permissions.toSorted(), ['metrics:read', 'telemetry:write']);
});

test('a member cannot give what they do not hold', async (t) => {
  await admin('PATCH', '', { settings: { memberPermissions: ['messages:write', 'messages:read'] } });
  t.after(() => admin('PATCH', '', { settings: { memberPermissions: null } }));
  const page = await open(t);
  await signIn(page, 'bob', '/acme/keys/new');
  const form = page.getByRole('dialog', { name: 'Create API key' });
  await form.getByRole('button', { name: 'Licenses' }).click();
  assert.ok(await form.getByLabel('License management').isDisabled());
  await form.getByText('You do not hold this, so you cannot give it.').first().waitFor();
  await look(page, 'create-locked');
});

test('usage, requests, explanations and history of a key are what was called and done', async (t) => {
  const made = await newKey({
    name: unique('Watched'),
    permissions: ['messages:write'],
    rateLimits: [{ name: 'burst', limit: 3, window: '1h' }],
  });
  await admin('PATCH', '', { settings: { sampleRequests: 1 } });
  for (let i = 0; i < 3; i++) assert.equal(await call(made.secret), 201);
  assert.equal(await call(made.secret), 429);
  assert.equal(await call(made.secret, { method: 'GET', at: '/licenses' }), 403);

  const page = await open(t);
  await signIn(page, 'alice', `/acme/keys/${made.key.id}/usage`);
  await eventually('five calls are counted', async () => {
    await page.reload();
    await page.getByText('Calls per day').waitFor();
    return page.getByText('5', { exact: true }).first().isVisible();
  });
  await page.getByText('Permission denied (403)').first().waitFor();
  await look(page, '06-key-usage');
  await page.getByRole('button', { name: 'Table' }).click();
  await page.waitForURL(/view=table/);
  await page.getByRole('columnheader', { name: 'Rate limited (429)' }).waitFor();
  await page.getByRole('radio', { name: 'By permission' }).click();
  await page.waitForURL(/by=permission/);
  await page.getByRole('columnheader', { name: 'Write messages' }).waitFor();
  await page.getByRole('radio', { name: '24 h' }).click();
  await page.getByText('Calls per hour').waitFor();
  await page.reload();
  await page.getByText('Calls per hour').waitFor();
  const saved = page.waitForEvent('download');
  await page.getByRole('button', { name: 'CSV' }).click();
  assert.match((await saved).suggestedFilename(), /^usage-.*\.csv$/);

  await page.getByRole('link', { name: 'Requests' }).click();
  await eventually('the calls are recorded', async () => {
    await page.reload();
    await page.getByRole('radio', { name: 'All' }).waitFor();
    return page.getByText('Permission denied').first().waitFor({ timeout: 5000 }).then(() => true, () => false);
  });
  await look(page, '18-requests');
  await page.getByRole('radio', { name: 'Refused' }).click();
  await page.waitForURL(/outcome=refused/);
  assert.equal(await page.getByRole('table').getByText('Allowed').count(), 0);
  await page.getByRole('row', { name: /licenses/ }).getByRole('link', { name: 'Explain' }).click();
  await page.getByRole('heading', { name: 'Refused with 403, permission denied' }).waitFor();
  await page.getByText('"requiredPermission": "licenses:manage"').waitFor();
  await look(page, 'request');
  await page.getByRole('link', { name: 'What would become of this call now?' }).click();
  await page.getByRole('heading', { name: 'Refused with 403, permission denied' }).waitFor();
  assert.equal(await page.getByRole('combobox', { name: 'Path' }).inputValue(), '/licenses');
  await look(page, '08-explain');

  // What is explained is what happens.
  for (const [method, path] of [['POST', '/messages'], ['GET', '/licenses'], ['GET', '/customers/42']]) {
    await page.getByLabel('Method').selectOption(method);
    await page.getByRole('combobox', { name: 'Path' }).fill(path);
    await page.getByRole('button', { name: 'Explain' }).click();
    await page.waitForURL((url) => url.searchParams.get('path') === path);
    const status = await call(made.secret, { method, at: path });
    await page.getByRole('heading', { name: new RegExp(`^Refused with ${status}`) }).waitFor();
  }

  await page.getByRole('link', { name: /^Add / }).click();
  const form = page.getByRole('dialog', { name: 'Edit permissions' });
  await form.getByText('1 added, 0 removed').waitFor();
  await form.getByRole('button', { name: 'Save permissions' }).click();
  await form.waitFor({ state: 'detached' });

  await page.getByRole('navigation', { name: 'About this key' }).getByRole('link', { name: 'History' }).click();
  await page.getByRole('row', { name: /Changed.*alice@acme\.test/ }).waitFor();
  await page.getByRole('row', { name: /Created/ }).waitFor();
  await look(page, 'key-history');
});

test('a limit is reached, and its 429 is explained', async (t) => {
  const made = await newKey({ name: unique('Limited'), rateLimits: [{ name: 'burst', limit: 1, window: '1h' }] });
  assert.deepEqual([await call(made.secret), await call(made.secret)], [201, 429]);
  const page = await open(t);
  await signIn(page, 'alice', `/acme/keys/${made.key.id}/explain?method=POST&path=/messages`);
  await page.getByRole('heading', { name: 'Refused with 429, rate limited' }).waitFor();
  await page.getByRole('link', { name: 'Edit the key…' }).click();
  await page.getByRole('dialog').getByLabel('Calls of rate limit').fill('100');
  await page.getByRole('button', { name: 'Save changes' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.getByText('100 / h', { exact: true }).waitFor();
});

test('advice shows its change and what it would refuse, then makes it', async (t) => {
  const made = await newKey({ name: unique('Advised') });
  const page = await open(t);
  await signIn(page, 'alice', `/acme/keys/${made.key.id}/advice`);
  const item = page.getByRole('region', { name: 'Never expires' });
  await item.waitFor();
  await look(page, 'key-advice');
  await item.getByRole('button', { name: 'Apply…' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('will be').waitFor();
  await dialog.getByText(/No call was recorded|would be refused/).waitFor();
  await look(page, 'advice-apply');
  await dialog.getByRole('button', { name: 'Apply change' }).click();
  await item.waitFor({ state: 'detached' });
  assert.ok((await admin('GET', `/keys/${made.key.id}`)).expiresAt);
});

test('a key is scoped to a customer', async (t) => {
  const id = `c-${Math.random().toString(36).slice(2, 8)}`;
  await admin('POST', '/customers', { id, name: unique('Initech') });
  const made = await newKey({ name: unique('Scoped'), permissions: ['customers:read'] });
  assert.equal(await call(made.secret, { method: 'GET', at: '/customers/other' }), 200);
  const page = await open(t);
  await signIn(page, 'alice', `/acme/keys/${made.key.id}/edit?part=customers`);
  const form = page.getByRole('dialog');
  await form.getByRole('combobox', { name: 'Customers' }).click();
  await page.getByRole('option', { name: /Initech/ }).last().click();
  await page.keyboard.press('Escape');
  await form.getByRole('button', { name: 'Save changes' }).click();
  await form.waitFor({ state: 'detached' });
  const scoped = (await admin('GET', `/keys/${made.key.id}`)).customers[0];
  assert.deepEqual(
    [await call(made.secret, { method: 'GET', at: `/customers/${scoped}` }), await call(made.secret, { method: 'GET', at: '/customers/other' })],
    [200, 403],
  );
});

test('the screens of a key are for everybody', async (t) => {
  const made = await newKey({ name: unique('Everybody') });
  await call(made.secret);
  await admin('POST', `/keys/${made.key.id}/rotate`, { overlap: '18h' });
  for (const [width, size] of [[1280, ''], [390, '-phone']]) {
    const page = await open(t, { width, height: width === 390 ? 844 : 800 });
    await signIn(page, 'alice', `/acme/keys/${made.key.id}`);
    for (const [at, name] of [
      ['', '07-key-rotating'],
      ['/usage', '06-key-usage'],
      ['/requests', '18-requests'],
      ['/history', 'key-history'],
      ['/explain?method=GET&path=/licenses', '08-explain'],
      ['/advice', 'key-advice'],
      ['/permissions', '09-permissions'],
    ]) {
      await page.goto(`${server}/console/acme/keys/${made.key.id}${at}`);
      await page.getByRole('navigation', { name: 'About this key' }).waitFor();
      await page.waitForLoadState('networkidle');
      await look(page, `${name}${size}`);
    }
  }
});
