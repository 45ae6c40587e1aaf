import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './load.mjs';

const now = Date.parse('2026-11-23T14:00:00Z');
const before = (seconds) => new Date(now - seconds * 1000).toISOString();
const in_ = (seconds) => new Date(now + seconds * 1000).toISOString();

test('a time is said as people say it', async () => {
  const { ago, until } = await load('format.ts');
  const cases = [
    [3, 'just now'],
    [12, '12 s ago'],
    [120, '2 min ago'],
    [3600, '1 h ago'],
    [24 * 3600, 'yesterday'],
    [26 * 24 * 3600, '26 days ago'],
  ];
  for (const [seconds, want] of cases) assert.equal(ago(before(seconds), now), want);
  assert.match(ago(before(60 * 24 * 3600), now), /Sep|24/);
  assert.equal(until(in_(30), now), 'less than a minute');
  assert.equal(until(in_(18 * 3600), now), '18 h');
  assert.equal(until(in_(6 * 24 * 3600), now), '6 days');
});

test('limits are short, and exact', async () => {
  const { limitOf, quotaOf } = await load('format.ts');
  assert.equal(limitOf({ limit: 100, window: '1m' }), '100 / min');
  assert.equal(limitOf({ limit: 3000, window: '10m' }), '3,000 / 10 min');
  assert.equal(quotaOf({ limit: 100_000, period: 'month' }), '100k / month');
  assert.equal(quotaOf({ limit: 123_456, period: 'day' }), '123,456 / day');
});

test('a usage has every day, oldest first, and today last', async () => {
  const { daysBack } = await load('format.ts');
  const days = daysBack(14, now).map((d) => d.toISOString());
  assert.equal(days.length, 14);
  assert.equal(days[0], '2026-11-10T00:00:00.000Z');
  assert.equal(days[13], '2026-11-23T00:00:00.000Z');
});

test('filters survive the address, and nothing else does', async () => {
  const { filtersOf, parseSearch, stringifySearch } = await load('keys/filters.ts');
  const filters = { environment: 'staging', q: 'a&b="c" %zz ü', tag: '{"x":1}', status: 'all' };
  assert.deepEqual(filtersOf(parseSearch(stringifySearch(filters))), filters);
  assert.deepEqual(filtersOf({ status: 'dead', environment: 'moon', q: '  ', cursor: 'x', limit: 5 }), {});
  assert.deepEqual(filtersOf({ status: 'active', sort: '-createdAt' }), {}, 'what the API does by itself is not said');
});

const aKey = {
  id: '7Qm2Xb0aVd91KtZs', name: 'Main', environment: 'production', ownership: 'organization', permissions: ['b:x', 'a:x'],
  allPermissions: false, rateLimits: [{ name: 'burst', limit: 100, window: '1m' }], quota: { period: 'month', limit: 5 },
  expiresAt: '2027-01-01T00:00:13.123Z', notBefore: null, customers: [], allowedAddresses: [], description: '', tags: [], metadata: { a: 'b=c' },
};

test('what a form did not touch is not changed', async () => {
  const { changeOf, draftOf } = await load('keys/draft.ts');
  const draft = draftOf(aKey);
  assert.deepEqual(changeOf(draft, aKey), {});
  assert.deepEqual(changeOf({ ...draft, permissions: ['a:x', 'b:x'] }, aKey), {}, 'permissions have no order');
  assert.deepEqual(changeOf({ ...draft, name: ' Other ' }, aKey), { name: 'Other' });
  assert.deepEqual(changeOf({ ...draft, quota: undefined, expiresAt: '' }, aKey), { quota: null, expiresAt: null });
  assert.deepEqual(changeOf({ ...draft, metadata: 'a=b=c\nd = e' }, aKey), { metadata: { a: 'b=c', d: 'e' } });
});

test('a line of metadata that is none is found', async () => {
  const { wrongLine } = await load('keys/draft.ts');
  assert.equal(wrongLine('a=b\n\nc=\n'), undefined);
  assert.equal(wrongLine('a=b\nnothing'), 'nothing');
  assert.equal(wrongLine('=b'), '=b');
});

test('examples show what is public of a secret, and copy all of it', async () => {
  const { fileName, filled, masked, snippetsOf } = await load('keys/snippets.ts');
  const catalogue = new Map([['a:x', { name: 'a:x', title: 'A', routes: [{ api: '*', method: 'DELETE', path: '/licenses/{licenseId}' }] }]]);
  const secret = 'bt_prod_7Qm2Xb0aVd91KtZs_0123456789abcdefghijABCDEFGHIJKL3NOHGi';
  const snippets = snippetsOf({ ...aKey, permissions: ['a:x'] }, catalogue, { apis: { production: 'https://api.test/p' } });
  assert.deepEqual(snippets.map((s) => s.name), ['.env', 'curl', 'Header', 'JavaScript', 'Python', 'Go', '.NET']);
  for (const snippet of snippets) {
    assert.ok(!masked(snippet, secret).includes(secret.slice(-38)), snippet.name);
    assert.ok(masked(snippet, secret).includes('bt_prod_7Qm2Xb0aVd91KtZs_•'), snippet.name);
    assert.ok(filled(snippet, secret).includes(secret), snippet.name);
  }
  for (const snippet of snippets.slice(3)) assert.ok(snippet.text.includes('https://api.test/p/licenses/{licenseId}'), snippet.name);
  assert.equal(fileName({ name: 'Main website', environment: 'production' }), 'main-website.production.env');
  assert.equal(fileName({ name: '../\u202Eقفل', environment: 'staging' }), 'key.staging.env');
});

test('a scale ends at a round number', async () => {
  const { roundUp } = await load('keys/CallsChart.tsx');
  for (const [n, want] of [[0, 4], [3, 4], [5, 8], [10, 20], [12, 20], [61, 80], [7300, 8000], [99_999, 100_000]]) assert.equal(roundUp(n), want);
});

test('a blade is the same for the same key', async () => {
  const { cutsOf } = await load('ui/marks.tsx');
  const cuts = cutsOf(aKey.id);
  assert.deepEqual(cuts, cutsOf(aKey.id));
  assert.equal(cuts.length, 6);
  assert.ok(cuts.every((c) => c >= 0 && c < 5));
  assert.notDeepEqual(cuts, cutsOf('a94LmQp0Xc7TzR2e'));
});

test('what is imported is hashes, and nothing else', async () => {
  const { rowsOf, hashOf } = await load('org/importing.ts');
  const hex = 'a'.repeat(64);
  assert.equal(hashOf('sk_live_51H8secret'), undefined);
  assert.deepEqual(hashOf(hex), { algorithm: 'sha256', encoding: 'hex', value: hex });
  assert.equal(hashOf(`${'A'.repeat(43)}=`)?.encoding, 'base64');
  assert.equal(hashOf('b'.repeat(128))?.algorithm, 'sha512');
  const rows = rowsOf(`name,environment,hash\n"Billing, EU",Production,${hex},messages:read messages:write\n\nOther,prod,${hex}\nSecret,staging,hunter2`);
  assert.deepEqual(rows[0].entry, { name: 'Billing, EU', environment: 'production', hash: hashOf(hex), permissions: ['messages:read', 'messages:write'] });
  assert.deepEqual(rows.slice(1).map((r) => [r.line, 'wrong' in r]), [[4, true], [5, true]]);
  assert.equal(rowsOf(`{"keys": [{"name": "A", "environment": "staging", "hash": {"algorithm": "sha256", "value": "${hex}"}}]}`)[0].entry.name, 'A');
  assert.ok('wrong' in rowsOf('[{"name": "A", "hash": {"value": "hunter2"}}]')[0]);
  assert.ok('wrong' in rowsOf('{not JSON')[0]);
});

test('a usage is asked for in whole hours or days', async () => {
  const { queryOf } = await load('usage/Usage.tsx');
  assert.deepEqual(queryOf('24h', 'outcome', now), { from: '2026-11-22T15:00:00.000Z', to: '2026-11-23T15:00:00.000Z', granularity: 'hour', by: 'outcome' });
  assert.deepEqual(queryOf('month', 'permission', now), { from: '2026-11-01T00:00:00.000Z', to: '2026-11-24T00:00:00.000Z', granularity: 'day', by: 'permission' });
  assert.equal(queryOf('7d', 'outcome', now).from, '2026-11-17T00:00:00.000Z');
});

test('an old secret is safe to end after a day without a call', async () => {
  const { isSafe, stragglersOf } = await load('keys/Rotation.tsx');
  const state = (at) => ({ oldSecret: { lastUsed: at && { at }, sources: at ? [{ lastAt: at }] : [] }, newSecret: {} });
  assert.ok(!isSafe(state(before(23 * 3600)), before(90 * 3600), now));
  assert.ok(isSafe(state(before(25 * 3600)), before(90 * 3600), now));
  assert.ok(!isSafe(state(undefined), before(3600), now), 'a rotation that has just begun');
  assert.deepEqual([stragglersOf(state(before(3600)), now).length, stragglersOf(state(before(25 * 3600)), now).length], [1, 0]);
});

test('a quota knows how much of its period has passed, and a day how long ago it was', async () => {
  const { passedOf, dayAgo } = await load('format.ts');
  assert.equal(passedOf('day', '2026-11-24T00:00:00.000Z', now), 14 / 24);
  assert.equal(passedOf('month', '2026-12-01T00:00:00.000Z', Date.parse('2026-11-16T00:00:00Z')), 0.5);
  assert.equal(passedOf('month', '2027-01-01T00:00:00.000Z', Date.parse('2026-12-01T00:00:00Z')), 0);
  assert.deepEqual(['2026-11-23T00:00:00Z', '2026-11-22T00:00:00Z', '2026-11-20T00:00:00Z'].map((at) => dayAgo(at, now)), ['today', 'yesterday', '3 days ago']);
});

test('the filters of calls and of a history are those that the API has', async () => {
  const { requestFilterOf } = await load('usage/Requests.tsx');
  const { historyFilterOf } = await load('usage/History.tsx');
  assert.deepEqual(requestFilterOf({ outcome: 'refused', route: 'GET /messages', q: ' 1.2 ', refused: '1' }), { outcome: 'refused', route: 'GET /messages', q: '1.2' });
  assert.deepEqual(requestFilterOf({ outcome: 'lost', route: '', q: ' ' }), {});
  assert.deepEqual(historyFilterOf({ action: 'key.revoked', actor: 'a', object: 'b', at: 'c' }), { action: 'key.revoked', actor: 'a', object: 'b' });
  assert.deepEqual(historyFilterOf({ action: 'key.lost' }), {});
});
