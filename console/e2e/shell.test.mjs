// What is the same on every page: jumping by a few letters, keys of the keyboard, the reference, languages, secrets.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { call, eventually, key, look, newKey, open, picture, row, server, signIn, startBrowser, takeSecret, unique } from './browser.mjs';

startBrowser();

test('a few letters lead to a key, what can be done with it, a page and a request', async (t) => {
  const made = await newKey({ name: unique('Palette') });
  const page = await open(t);
  await signIn(page, 'alice');
  await page.getByRole('button', { name: 'Search or jump to' }).waitFor();
  await page.keyboard.press('ControlOrMeta+k');
  const field = page.getByRole('combobox', { name: 'Search or jump to' });
  await field.fill(made.key.name);
  await page.getByRole('option', { name: new RegExp(made.key.name) }).first().waitFor();
  await page.getByRole('option', { name: 'Rotate with overlap…' }).waitFor();
  await look(page, '13-palette');
  await page.keyboard.press('Enter');
  await page.waitForURL(new RegExp(made.key.id));

  await page.keyboard.press('ControlOrMeta+k');
  await field.fill(made.key.name);
  await page.getByRole('option', { name: 'Rotate with overlap…' }).click();
  await page.getByRole('dialog', { name: /^Rotate/ }).getByRole('button', { name: 'Cancel' }).click();
  await page.keyboard.press('ControlOrMeta+k');
  await field.fill('sett');
  await page.getByRole('option', { name: 'Settings' }).waitFor();
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/settings$/);
  await page.keyboard.press('ControlOrMeta+k');
  await field.fill('160a7721-797b-4ab8-be4b-b033c57f78b5');
  await page.getByRole('option', { name: /^Find request/ }).click();
  await page.getByText('There is no such request').waitFor();
});

test('single keys go places, choose rows and can be switched off', async (t) => {
  const word = unique('keyed').replace(' ', '');
  for (let i = 0; i < 2; i++) await newKey({ name: `${word} ${i}` });
  const page = await open(t);
  await signIn(page, 'alice', `/acme/keys?q=${word}`);
  await row(page, `${word} 0`).waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('x');
  await page.getByText('1 selected').waitFor();
  assert.ok(await row(page, `${word} 0`).getByRole('checkbox').isChecked());
  await page.getByRole('link', { name: `${word} 0` }).first().focus();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: `${word} 0` }).waitFor();
  await eventually('g m leads to the members', async () => {
    await page.keyboard.press('g'); // a second key within a second goes with it: a busy machine may need another try
    await page.keyboard.press('m');
    return page.waitForURL(/\/members$/, { timeout: 5000 }).then(() => true, () => false);
  });
  await page.keyboard.press('c');
  await page.getByRole('dialog', { name: 'Create API key' }).waitFor();
  await page.keyboard.type('cgm?');
  assert.equal(await page.getByLabel('Name', { exact: true }).inputValue(), 'cgm?', 'keys that are typed');
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.keyboard.press('?');
  const help = page.getByRole('dialog', { name: 'Keyboard' });
  await help.getByText('Single keys work').waitFor();
  await look(page, 'keyboard');
  await help.getByRole('switch').click();
  await help.getByRole('button', { name: 'Close' }).click();
  await page.keyboard.press('g');
  await page.keyboard.press('s');
  await page.keyboard.press('/');
  assert.notEqual(await page.evaluate(() => document.activeElement?.getAttribute('type')), 'search');
  await page.keyboard.press('ControlOrMeta+k'); // what comes after them is done after them
  await page.getByRole('combobox', { name: 'Search or jump to' }).waitFor();
  assert.match(page.url(), /\/keys$/);
});

test('the keyboard is enough to rotate a key', async (t) => {
  const made = await newKey({ name: unique('By keyboard') });
  const page = await open(t);
  await signIn(page, 'alice', `/acme/keys/${made.key.id}`);
  await page.getByRole('button', { name: 'Rotate' }).focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.activeElement?.textContent === 'Cancel');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog', { name: 'Store this secret now' }).waitFor();
  assert.equal(await call(await takeSecret(page)), 201);
  await page.waitForFunction(() => document.activeElement !== document.body);
});

test('what was opened gives the focus back to what opened it', async (t) => {
  const made = await newKey({ name: unique('Focused') });
  const page = await open(t);
  await signIn(page, 'alice', `/acme/keys/${made.key.id}`);
  const has = (name) => page.waitForFunction((name) => {
    const e = document.activeElement;
    return (e?.getAttribute('aria-label') ?? e?.textContent) === name;
  }, name);
  for (const [opener, opened] of [
    [page.getByRole('button', { name: 'Revoke' }), 'alertdialog'],
    [page.getByRole('button', { name: 'Rotate' }), 'dialog'],
    [page.getByRole('link', { name: 'Edit' }).first(), 'dialog'],
    [page.getByRole('button', { name: 'More actions' }), 'menu'],
    [page.getByRole('button', { name: 'Search or jump to' }), 'dialog'],
  ]) {
    await opener.focus();
    const name = await opener.evaluate((e) => e.getAttribute('aria-label') ?? e.textContent);
    await page.keyboard.press('Enter');
    await page.getByRole(opened).first().waitFor();
    await page.waitForFunction((role) => document.querySelector(`[role=${role}]`)?.contains(document.activeElement), opened);
    await page.keyboard.press('Escape');
    await page.getByRole(opened).first().waitFor({ state: 'detached' });
    await has(name);
  }
});

test('who wants less motion has none', async (t) => {
  const page = await open(t);
  await signIn(page, 'alice', '/acme/keys?q=Local+admin');
  await row(page, 'Local admin').waitFor();
  const longest = () => page.evaluate(() => Math.max(...[...document.querySelectorAll('*')].flatMap((e) => {
    const { transitionDuration, animationDuration } = getComputedStyle(e);
    return `${transitionDuration}, ${animationDuration}`.split(', ').map((time) => Number.parseFloat(time) * (time.endsWith('ms') ? 1 : 1000));
  })));
  await page.getByRole('link', { name: 'Create API key' }).first().click();
  await page.getByRole('dialog').waitFor();
  assert.ok((await longest()) <= 0.01, 'milliseconds');
  await page.emulateMedia({ reducedMotion: 'no-preference' });
  assert.ok((await longest()) > 1, 'and others have some');
});

test('the colour scheme is chosen, and is all that is kept', async (t) => {
  const page = await open(t);
  await signIn(page, 'alice', '/acme/keys?q=Local+admin');
  await page.getByRole('button', { name: 'Switch colour scheme' }).click();
  await page.waitForFunction(() => document.documentElement.dataset.mantineColorScheme === 'dark');
  await page.reload();
  await row(page, 'Local admin').waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.mantineColorScheme), 'dark');
  assert.deepEqual(await page.evaluate(() => ({ ...localStorage })), { 'bitting-theme': 'dark' });
  await page.evaluate(() => localStorage.clear()); // the next test begins as the first
});

test('the page on which people sign in is for everybody', async (t) => {
  for (const [width, size] of [[1280, ''], [390, '-phone']]) {
    const page = await open(t, { width, height: 844 });
    await page.goto(`${server}/console/signin`);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('button', { name: /^Alice/ }).waitFor();
    await look(page, `oidc-people${size}`);
    await page.goto(`${server}/oidc/sign-in?id=over`);
    await page.getByRole('link', { name: 'To the console' }).waitFor();
    await look(page, `oidc-over${size}`);
    await page.goto(`${server}/oidc/authorize?client_id=other&redirect_uri=https://other.test/x&response_type=code&scope=openid`);
    await page.getByRole('heading', { name: 'Request refused' }).waitFor();
    await look(page, `oidc-refused${size}`);
  }
});

test('other languages have their numbers and dates, from right to left too', async (t) => {
  for (const locale of ['de-DE', 'ar-EG']) {
    const made = await newKey({ name: unique('مفتاح Größe'), expiresIn: '40d' });
    for (let i = 0; i < 3; i++) await call(made.secret);
    const page = await open(t, { locale });
    await signIn(page, 'alice', `/acme/keys/${made.key.id}`);
    await page.getByText('Expires').waitFor();
    const want = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', year: 'numeric' }).format(new Date(made.key.expiresAt));
    await page.getByText(want).first().waitFor();
    if (locale.startsWith('ar')) await page.evaluate(() => document.documentElement.setAttribute('dir', 'rtl'));
    await look(page, `locale-${locale}`);
    await page.goto(`${server}/console/acme/keys`);
    await row(page, made.key.name).waitFor();
    if (locale.startsWith('ar')) await page.evaluate(() => document.documentElement.setAttribute('dir', 'rtl'));
    await look(page, `locale-keys-${locale}`);
  }
});

test('each page leads to its operation in the reference', async (t) => {
  const page = await open(t);
  await signIn(page, 'alice', '/acme/members');
  await page.getByRole('button', { name: /^Account/ }).click();
  const link = page.getByRole('menuitem', { name: 'This page in the API reference' });
  assert.equal(await link.getAttribute('href'), `${server}/v1/docs#/organizations/listMembers`);
});

test('the reference shows every operation, and tries one', async (t) => {
  for (const [width, name] of [[1280, 'reference'], [390, 'reference-phone']]) {
    const page = await open(t, { width, height: 800 });
    await page.goto(`${server}/v1/docs`);
    await page.getByText('rotateKey', { exact: true }).waitFor();
    const shown = await page.locator('.opblock').count();
    const document = await (await fetch(`${server}/v1/openapi.json`)).json();
    const all = Object.values(document.paths).flatMap((path) => Object.keys(path).filter((m) => ['get', 'post', 'put', 'patch', 'delete'].includes(m)));
    assert.equal(shown, all.length);
    await picture(page, name);
    if (width > 390) {
      await page.getByRole('button', { name: 'Authorize' }).first().click();
      const dialog = page.locator('.modal-ux');
      await dialog.getByLabel('auth-api-key-value').or(dialog.getByRole('textbox')).first().fill(key);
      await dialog.getByRole('button', { name: 'Apply credentials' }).first().click();
      await dialog.getByRole('button', { name: 'Close' }).first().click();
      await page.goto(`${server}/v1/docs#/Keys/listKeys`).catch(() => {});
      const operation = page.locator('.opblock', { hasText: 'getPermissions' }).first();
      await operation.locator('.opblock-summary').click();
      await operation.getByRole('button', { name: 'Try it out' }).click();
      await operation.getByRole('button', { name: 'Execute' }).click();
      await operation.locator('.live-responses-table').getByText('200').first().waitFor();
      await picture(page, 'reference-tried');
    }
  }
});

test('the reference tries calls as who is signed in to the console', async (t) => {
  const reference = await open(t);
  await reference.goto(`${server}/v1/docs#/organizations/getMe`);
  await reference.getByText('Calls are tried with the key or token that you enter.').waitFor();
  const execute = async () => {
    const operation = reference.locator('.opblock[id$="-getMe"]');
    await operation.waitFor();
    if (!(await operation.locator('.opblock-body').isVisible())) await operation.locator('.opblock-summary').click();
    const ready = operation.getByRole('button', { name: 'Execute' });
    if (!(await ready.isVisible())) await operation.getByRole('button', { name: 'Try it out' }).click();
    await operation.getByRole('button', { name: 'Execute' }).click();
    return operation;
  };
  await (await execute()).locator('.live-responses-table').getByText('401').first().waitFor();

  const opened = reference.waitForEvent('popup');
  await reference.getByRole('link', { name: 'Sign in to the console' }).click();
  await (await opened).close();
  const console = await open(t);
  await signIn(console, 'alice');
  await reference.bringToFront();
  const operation = await execute();
  await operation.locator('.live-responses-table').getByText('200').first().waitFor();
  await operation.locator('.live-responses-table').getByText('alice@acme.test').first().waitFor();
  await reference.getByText('Calls are tried as alice@acme.test').waitFor();
  await picture(reference, 'reference-signed-in');
  const kept = await reference.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href]));
  assert.ok(!kept.includes('eyJ'), kept);

  // A key that somebody enters goes first, and a console that is closed answers no more.
  await console.close();
  await (await execute()).locator('.live-responses-table').getByText('401').first().waitFor();
});
