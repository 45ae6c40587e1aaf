// What the tests of the console share: a browser, the `bitting local` that tools/with-local started,
// its demo people, and checks that every test makes.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before } from 'node:test';
import { chromium } from 'playwright-core';

export const server = process.env.BITTING_URL;
if (!server) throw new Error('run these tests by `make console-test`, which starts a bitting local for them');

export const key = process.env.BITTING_KEY; // the demo organization's admin key
const operatorKey = process.env.BITTING_OPERATOR_KEY;
const axe = readFileSync(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const screens = new URL('../screens/', import.meta.url).pathname;

/** How many milliseconds something may take before it counts as never: machines are slow and busy. */
const patience = 60_000;

let browser;
let context;

const options = {
  locale: 'en-GB',
  viewport: { width: 1280, height: 800 },
  permissions: ['clipboard-read', 'clipboard-write'],
};

/** Starts a browser for the tests of a file, with nothing kept from an earlier one. */
export function startBrowser() {
  before(async () => {
    browser = await chromium.launch({
      executablePath: process.env.CHROMIUM,
      headless: true,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    context = await browser.newContext(options);
    context.setDefaultTimeout(patience);
  });
  after(async () => {
    await browser?.close();
  });
}

/** A page that fails the test on what must not happen: errors of scripts, violations of the policy, other origins. */
export async function open(t, { width = 1280, height = 800, locale } = {}) {
  const own = locale ? await browser.newContext({ ...options, locale }) : context;
  own.setDefaultTimeout(patience);
  const page = await own.newPage();
  const faults = [];
  page.setViewportSize({ width, height });
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
  page.on('pageerror', (error) => faults.push(String(error.stack ?? error)));
  page.on('console', (message) => {
    // A refusal of the API is no fault of the page: the browser names each on its own.
    const refused = /^Failed to load resource: the server responded with a status of (4|5)\d\d/;
    if (message.type() === 'error' && !refused.test(message.text())) faults.push(message.text());
  });
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol !== 'blob:' && url.protocol !== 'data:' && url.origin !== server) faults.push(`another origin: ${url.origin}`);
  });
  page.on('dialog', (dialog) => void dialog.accept());
  t.after(async () => {
    await page.close({ runBeforeUnload: false });
    assert.deepEqual(faults, []);
  });
  return page;
}

/** Signs in as one of the demo's people, at a path of the console. */
export async function signIn(page, person, at = '/') {
  await page.context().clearCookies();
  await page.goto(`${server}/console${at}`);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('button', { name: new RegExp(`^${person}`, 'i') }).click();
  await page.waitForURL((url) => url.pathname.startsWith('/console/') && !url.pathname.endsWith('/callback'));
}

/** The admin API, as a program with the admin key uses it. */
export const admin = (method, at, body) => send(key, method, `/organizations/acme${at}`, body);

/** The admin API, as an operator uses it. */
export const operator = (method, at, body) => send(operatorKey, method, at, body);

async function send(secret, method, at, body) {
  const answer = await fetch(`${server}/v1${at}`, {
    method,
    headers: { 'X-Api-Key': secret, ...(body ? { 'Content-Type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  assert.ok(answer.ok, `${method} ${at}: ${answer.status} ${await answer.clone().text()}`);
  return answer.status === 204 ? undefined : answer.json();
}

/** Makes a key of the demo organization. */
export async function newKey(fields = {}) {
  return admin('POST', '/keys', { name: 'Made by a test', environment: 'production', permissions: ['messages:write'], ...fields });
}

/** The status with which the demo API answers a call with a secret. */
export async function call(secret, { environment = 'production', method = 'POST', at = '/messages' } = {}) {
  const answer = await fetch(`${server}/${environment}${at}`, { method, headers: { 'X-Api-Key': secret } });
  return answer.status;
}

/** Keeps a picture to be looked at. */
export async function picture(page, name) {
  await page.evaluate(() => document.fonts.ready);
  mkdirSync(screens, { recursive: true });
  await page.screenshot({ path: path.join(screens, `${name}.png`) });
}

const violations = async (page) => {
  await page.evaluate(axe); // not by a script element, which the page's policy forbids
  const found = await page.evaluate(() =>
    globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }),
  );
  return found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target.join(' ')} ${n.failureSummary}`).join('; ')}`);
};

/** Looks for what keeps people out, by axe, in both themes, and keeps pictures to be looked at. */
export async function look(page, name) {
  for (const colorScheme of ['dark', 'light']) {
    await page.emulateMedia({ colorScheme });
    await page.waitForFunction((want) => [undefined, want].includes(document.documentElement.dataset.mantineColorScheme), colorScheme);
    await picture(page, `${name}-${colorScheme}`);
    assert.deepEqual(await violations(page), [], `${name}, ${colorScheme}`);
  }
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `${name} is ${wide} px wider than the window`);
  const cut = await page.evaluate(() => [...document.querySelectorAll('[role=dialog] form, [role=alertdialog] form')].map((e) => e.scrollWidth - e.clientWidth));
  assert.ok(cut.every((by) => by <= 0), `a dialog of ${name} is cut off by ${cut} px`);
}

/** Everything of a page where a secret could be left: its document, fields, storages, address and history. */
export async function remains(page) {
  return page.evaluate(() =>
    [
      document.documentElement.outerHTML,
      ...[...document.querySelectorAll('input, textarea')].map((e) => e.value),
      JSON.stringify({ ...localStorage }),
      JSON.stringify({ ...sessionStorage }),
      location.href,
      JSON.stringify(history.state),
      document.title,
    ].join('\n'),
  );
}

/** A name that no other test's key has. */
export const unique = (name) => `${name} ${Math.random().toString(36).slice(2, 8)}`;

/** The row of a key in the list. */
export const row = (page, name) => page.getByRole('row').filter({ has: page.getByRole('link', { name, exact: true }) });

/** Goes through the dialog of a new secret, and returns the secret. */
export async function takeSecret(page) {
  const dialog = page.getByRole('dialog');
  const secret = await dialog.getByLabel('Secret', { exact: true }).textContent();
  assert.match(secret ?? '', /^bt_(prod|stg|dev)_[0-9A-Za-z]{16}_[0-9A-Za-z]{38}$/);
  await dialog.getByLabel('I have stored it').check();
  await dialog.getByRole('button', { name: 'Done' }).click();
  await dialog.waitFor({ state: 'detached' });
  return secret;
}

/** Waits until something holds, asking again and again. */
export async function eventually(what, holds) {
  for (const end = Date.now() + patience; ; ) {
    const got = await holds();
    if (got) return got;
    if (Date.now() > end) assert.fail(`not within ${patience / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
