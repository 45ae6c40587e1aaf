// The pages of an organization: members, customers, permissions, jobs, settings, history, import, many keys at once.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { admin, call, eventually, look, newKey, open, row, server, signIn, startBrowser, unique } from './browser.mjs';

startBrowser();

const address = () => `someone-${Math.random().toString(36).slice(2, 8)}@acme.test`;

test('members are added, changed and removed, and one admin stays', async (t) => {
  const email = address();
  const page = await open(t);
  await signIn(page, 'alice', '/acme/members');
  await page.getByRole('button', { name: 'Add member' }).click();
  const dialog = page.getByRole('dialog', { name: 'Add a member' });
  await dialog.getByLabel('E-mail').fill('not an address');
  await dialog.getByRole('button', { name: 'Add member' }).click();
  await dialog.getByRole('alert').or(dialog.locator('[class*=Wrapper-error]')).first().waitFor();
  await dialog.getByLabel('E-mail').fill(email);
  await look(page, 'member-add');
  await dialog.getByRole('button', { name: 'Add member' }).click();
  await dialog.waitFor({ state: 'detached' });
  const line = page.getByRole('row', { name: new RegExp(email) });
  await line.getByText('Invited').waitFor();

  await line.getByRole('button', { name: /^Change/ }).click();
  const change = page.getByRole('dialog', { name: /^Change/ });
  await change.getByLabel('Organization keys').check();
  await change.getByRole('button', { name: 'Save' }).click();
  await line.getByText('Organization keys').waitFor();
  assert.deepEqual((await admin('GET', `/members/${email}`)).grants, ['manage_organization_keys']);
  await look(page, 'members');

  await line.getByRole('button', { name: /^Remove/ }).click();
  const remove = page.getByRole('alertdialog');
  await remove.getByText('They lose access at once.').waitFor();
  await page.waitForFunction(() => document.activeElement?.textContent === 'Cancel');
  await look(page, 'member-remove');
  await remove.getByRole('button', { name: 'Remove member' }).click();
  await line.waitFor({ state: 'detached' });

  await page.getByRole('row', { name: /alice@acme\.test/ }).getByRole('button', { name: /^Remove/ }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Remove member' }).click();
  await page.getByText('needs an admin. Make someone else admin first.').waitFor();
  await look(page, 'last-admin');
});

test('customers are made, renamed and deleted, and keys are not widened', async (t) => {
  const name = unique('Initech');
  const page = await open(t);
  await signIn(page, 'alice', '/acme/customers');
  await page.getByRole('button', { name: 'Add customer' }).first().click();
  const dialog = page.getByRole('dialog', { name: 'Add a customer' });
  await dialog.getByLabel('Name').fill(name);
  await dialog.getByRole('button', { name: 'Add customer' }).click();
  const line = page.getByRole('row', { name: new RegExp(name) });
  await line.waitFor();
  await line.getByRole('button', { name: /^Rename/ }).click();
  await page.getByRole('dialog').getByLabel('Name').fill(`${name} Ltd`);
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await page.getByRole('row', { name: new RegExp(`${name} Ltd`) }).waitFor();
  await look(page, 'customers');

  const id = (await admin('GET', '/customers?limit=200')).items.find((c) => c.name === `${name} Ltd`).id;
  const made = await newKey({ name: unique('Scoped'), customers: [id] });
  await page.getByRole('row', { name: new RegExp(`${name} Ltd`) }).getByRole('button', { name: /^Delete/ }).click();
  const remove = page.getByRole('alertdialog');
  await remove.getByRole('button', { name: 'Delete customer' }).click();
  await remove.getByText('They are never widened').waitFor();
  await look(page, 'customer-in-use');
  await remove.getByRole('button', { name: 'Disable keys and delete' }).click();
  await remove.waitFor({ state: 'detached' });
  await eventually('the key is disabled', async () => !(await admin('GET', `/keys/${made.key.id}`)).enabled);
  assert.equal(await call(made.secret), 401);
});

test('the catalogue is searched, and leads to keys', async (t) => {
  const page = await open(t);
  await signIn(page, 'dave', '/acme/permissions');
  await page.getByLabel('Name or route').fill('/licenses');
  await page.getByText('License management', { exact: true }).waitFor();
  assert.equal(await page.getByText('Write messages').count(), 0);
  await look(page, 'permissions');
  await page.getByRole('link', { name: /^Keys with/ }).click();
  await page.waitForURL(/permission=licenses/);
});

test('how the catalogue is changed is said to those who may', async (t) => {
  const hint = (page) => page.getByText('bitting permissions import');
  for (const person of ['alice', 'dave']) {
    const page = await open(t);
    await signIn(page, person, '/acme/permissions');
    await page.getByText('License management', { exact: true }).waitFor();
    assert.equal(await hint(page).count(), 0, person);
  }
  const page = await open(t);
  await page.route('**/v1/me', async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...(await answer.json()), operator: true } });
  });
  await signIn(page, 'alice', '/acme/permissions');
  await hint(page).waitFor();
});

test('settings say what changes, keep what was typed, and merge', async (t) => {
  t.after(() => admin('PATCH', '', { settings: { longestLife: { development: null }, personalKeysBy: 'members' } }));
  const page = await open(t);
  await signIn(page, 'alice', '/acme/settings');
  await page.getByLabel('Development').fill('30');
  const bar = page.getByRole('region', { name: '1 unsaved change' });
  await bar.getByText(/Longest life of a key: .*Development none → .*Development 30d/).waitFor();
  await page.getByText('Changed', { exact: true }).waitFor();
  await look(page, '12-settings');
  await admin('PATCH', '', { settings: { personalKeysBy: 'admins' } });
  await bar.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Someone changed the settings while you were editing').waitFor();
  await page.getByText('Personal keys: All members → Admins').waitFor();
  await look(page, 'settings-stale');
  await page.getByRole('button', { name: 'Apply mine again' }).click();
  await bar.waitFor({ state: 'detached' });
  const { settings } = await admin('GET', '');
  assert.deepEqual([settings.longestLife.development, settings.personalKeysBy], ['30d', 'admins']);

  await page.getByRole('combobox', { name: 'Address allow-list' }).fill('nowhere');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.locator('[class*=Wrapper-error]').first().waitFor();
  await page.getByRole('button', { name: 'Discard' }).click();
  assert.equal(await page.getByText('Changed', { exact: true }).count(), 0);
});

test('who may only look sees no button in any page', async (t) => {
  const page = await open(t);
  await signIn(page, 'dave', '/acme/settings');
  await page.getByText('You can look, not change. Ask an admin.').waitFor();
  assert.ok(await page.getByLabel('Name', { exact: true }).isDisabled());
  for (const [at, heading] of [['members', 'Members'], ['customers', 'Customers'], ['jobs', 'Jobs'], ['advice', 'Advice'], ['keys', 'API keys']]) {
    await page.goto(`${server}/console/acme/${at}`);
    await page.getByRole('heading', { name: heading, level: 1 }).waitFor();
    await page.waitForLoadState('networkidle');
    for (const name of [/^Add/, /^Change/, /^Remove/, /^Rename/, /^Delete/, /^Apply/, /^Create/, /^Import/]) {
      assert.equal(await page.getByRole('main').getByRole('button', { name }).count(), 0, `${at} ${name}`);
    }
    assert.equal(await page.getByRole('main').getByRole('checkbox').count(), 0, at);
    assert.equal(await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'History' }).count(), 0);
  }
});

test('many keys are revoked after a dry run, by a job', async (t) => {
  const word = unique('bulk').replace(' ', '');
  const made = [];
  for (let i = 0; i < 3; i++) made.push(await newKey({ name: `${word} ${i}` }));
  const page = await open(t);
  await signIn(page, 'alice', `/acme/keys?q=${word}`);
  await row(page, `${word} 0`).waitFor();
  await page.getByLabel('Select all that are shown').check();
  const bar = page.getByRole('region', { name: 'Bulk actions' });
  await bar.getByText('3 selected').waitFor();
  await look(page, '02-keys-bulk');
  await bar.getByRole('button', { name: 'All that match' }).click();
  await bar.getByRole('button', { name: 'Revoke…' }).click();
  const dialog = page.getByRole('alertdialog', { name: 'This revokes 3 keys' });
  await dialog.getByText(`${word} 2`).waitFor();
  const confirm = dialog.getByRole('button', { name: 'Revoke keys' });
  assert.ok(await confirm.isDisabled());
  await look(page, 'bulk-revoke');

  // One more matches by now: the number that was looked at is not the number that would be revoked.
  made.push(await newKey({ name: `${word} 3` }));
  await dialog.getByLabel('Type 3 to confirm').fill('3');
  await confirm.click();
  const again = page.getByRole('alertdialog', { name: 'This revokes 4 keys' });
  await again.getByText('Another number of keys matches by now.').waitFor();
  assert.equal(await call(made[0].secret), 201, 'nothing is revoked yet');
  await again.getByLabel('Type 4 to confirm').fill('4');
  await again.getByRole('button', { name: 'Revoke keys' }).click();

  await page.waitForURL(/\/jobs\/[0-9A-Za-z]{16}$/);
  await page.getByText('4 of 4 done').waitFor();
  await page.getByText('Done', { exact: true }).waitFor();
  await look(page, 'job');
  for (const { secret } of made) assert.equal(await call(secret), 401);
  await page.reload();
  await page.getByText('4 of 4 done').waitFor();
  await page.getByRole('link', { name: 'Jobs', exact: true }).first().click();
  await page.getByRole('row', { name: /Many keys: revoke/ }).first().waitFor();
  await look(page, 'jobs');
});

test('some keys are chosen by a range, and disabled', async (t) => {
  const word = unique('range').replace(' ', '');
  const made = [];
  for (let i = 0; i < 4; i++) made.push(await newKey({ name: `${word} ${i}` }));
  const page = await open(t);
  await signIn(page, 'alice', `/acme/keys?q=${word}`);
  await page.getByRole('checkbox', { name: new RegExp(`${word} 3`) }).click();
  await page.getByRole('checkbox', { name: new RegExp(`${word} 1`) }).click({ modifiers: ['Shift'] });
  const bar = page.getByRole('region', { name: 'Bulk actions' });
  await bar.getByText('3 selected').waitFor();
  await bar.getByRole('button', { name: 'Disable' }).click();
  const dialog = page.getByRole('alertdialog', { name: 'This disables 3 keys' });
  await dialog.getByLabel('Type 3 to confirm').fill('3');
  await dialog.getByRole('button', { name: 'Disable keys' }).click();
  await dialog.waitFor({ state: 'detached' });
  assert.deepEqual(await Promise.all(made.map(({ secret }) => call(secret))), [201, 401, 401, 401]);
});

test('keys of another system are imported by their hashes, and keep working', async (t) => {
  const secret = `legacy-${Math.random().toString(36).slice(2)}-${Math.random().toString(36).slice(2)}`;
  const name = unique('Old system');
  const page = await open(t);
  await signIn(page, 'alice', '/acme/keys');
  await page.getByRole('link', { name: 'Import' }).click();
  const keys = page.getByLabel('Keys', { exact: true });
  await keys.fill(`name,environment,hash\n${name},production,${secret}`);
  await page.getByText('Never paste a secret itself.').waitFor();
  assert.ok(await page.getByRole('button', { name: 'Import', exact: true }).isDisabled());
  await look(page, 'import-wrong');
  const hash = createHash('sha256').update(secret).digest('hex');
  await keys.fill(`name,environment,hash\n${name},production,${hash}`);
  await page.getByText('1 key is ready.').waitFor();
  await page.getByRole('button', { name: 'Import 1 key' }).click();
  await page.getByText('1 key was imported.').waitFor();
  await eventually('the imported key opens', async () => (await call(secret)) === 201);
  await page.getByRole('button', { name: 'Import 1 key' }).click();
  await page.getByText('Was there already').waitFor();
  await look(page, 'import');
});

test('an organization is created with its default key, and deleted', async (t) => {
  const id = `new-${Math.random().toString(36).slice(2, 8)}`;
  const page = await open(t);
  await signIn(page, 'alice');
  await page.getByRole('button', { name: /^Switch organization/ }).click();
  await page.getByRole('menuitem', { name: 'Create organization…' }).click();
  await page.getByLabel('Name').fill('New one');
  await page.getByLabel('Id').fill('acme');
  await page.getByRole('button', { name: 'Create organization' }).click();
  await page.getByText('This id is taken.').waitFor();
  await page.getByLabel('Id').fill(id);
  await look(page, 'organization-new');
  await page.getByRole('button', { name: 'Create organization' }).click();
  const dialog = page.getByRole('dialog', { name: 'Store this secret now' });
  const secret = await dialog.getByLabel('Secret', { exact: true }).textContent();
  assert.equal(await call(secret), 201, 'the default key');
  await dialog.getByLabel('I have stored it').check();
  await dialog.getByRole('button', { name: 'Done' }).click();
  await page.waitForURL(`${server}/console/${id}/keys`);
  await row(page, 'Default key').waitFor();

  await page.goto(`${server}/console/${id}/settings`);
  await page.getByRole('button', { name: 'Delete organization…' }).click();
  const remove = page.getByRole('alertdialog');
  assert.ok(await remove.getByRole('button', { name: 'Delete organization' }).isDisabled());
  await remove.getByLabel(/^Type/).fill(id);
  await look(page, 'organization-delete');
  await remove.getByRole('button', { name: 'Delete organization' }).click();
  await page.waitForURL(`${server}/console/acme/keys`);
  await eventually('its key is refused', async () => (await call(secret)) === 401);
});

test('the history of an organization is narrowed by its address', async (t) => {
  const made = await newKey({ name: unique('Remembered') });
  await admin('DELETE', `/keys/${made.key.id}`);
  const page = await open(t);
  await signIn(page, 'alice', `/acme/history?object=${made.key.id}`);
  await page.getByRole('row', { name: /Deleted/ }).waitFor();
  await page.getByRole('row', { name: /Created/ }).waitFor();
  assert.equal(await page.getByRole('row').count(), 3);
  await look(page, 'history');
  await page.getByRole('link', { name: made.key.name }).first().click();
  await page.getByText(/^Deleted on/).waitFor();
});

test('the pages of an organization are for everybody', async (t) => {
  await newKey({ name: unique('Everybody') });
  for (const [width, size] of [[1280, ''], [390, '-phone']]) {
    const page = await open(t, { width, height: width === 390 ? 844 : 800 });
    await signIn(page, 'alice');
    for (const at of ['usage', 'advice', 'members', 'customers', 'permissions', 'jobs', 'history', 'settings', 'keys/import']) {
      await page.goto(`${server}/console/acme/${at}`);
      await page.getByRole('heading', { level: 1 }).waitFor();
      await page.waitForLoadState('networkidle');
      await look(page, `${at.replace('/', '-')}${size}`);
    }
  }
});
