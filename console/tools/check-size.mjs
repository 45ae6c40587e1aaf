// Holds what the first screen loads to its budget, by size: time depends on the machine.
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const site = new URL('../../pkg/console/built/site/', import.meta.url);
const budget = { js: 250 * 1024, css: 45 * 1024 }; // compressed, of the list of keys

const manifest = JSON.parse(readFileSync(new URL('manifest.json', site), 'utf8'));
const size = (file) => gzipSync(readFileSync(new URL(file, site))).length;

/** The files that a chunk needs before it can run. */
function needed(name, found = new Set()) {
  const chunk = manifest[name];
  if (!chunk || found.has(chunk.file)) return found;
  found.add(chunk.file);
  for (const css of chunk.css ?? []) found.add(css);
  for (const other of chunk.imports ?? []) needed(other, found);
  return found;
}

const first = new Set([...needed('index.html'), ...needed('src/keys/KeysPage.tsx')]);
const total = { js: 0, css: 0 };
for (const file of first) {
  const kind = file.endsWith('.css') ? 'css' : 'js';
  total[kind] += size(file);
}

let over = false;
for (const kind of ['js', 'css']) {
  const kb = (n) => `${(n / 1024).toFixed(1)} KB`;
  console.log(`the list of keys loads ${kb(total[kind])} of ${kind}, compressed; its budget is ${kb(budget[kind])}`);
  over ||= total[kind] > budget[kind];
}
if (over || total.js === 0) process.exit(1);
