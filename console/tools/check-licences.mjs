// Refuses packages whose licences ask more than to be named: for what the page is made of, and, a
// little more freely, for what only builds and tests it.
import { readFileSync } from 'node:fs';

const permissive = ['MIT', 'Apache-2.0', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD', 'Unlicense', 'CC0-1.0', '(MIT OR CC0-1.0)'];
const fonts = ['OFL-1.1'];
const tools = ['MPL-2.0', 'Python-2.0', 'BlueOak-1.0.0', 'CC-BY-4.0'];

const { packages } = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8'));
const refused = Object.entries(packages).filter(([name, p]) => {
  if (name === '') return false;
  const allowed = [...permissive, ...(name.includes('@fontsource') ? fonts : []), ...(p.dev ? tools : [])];
  return !allowed.includes(p.license);
});

for (const [name, p] of refused) console.error(`${name}: the licence ${p.license ?? 'unknown'} is not allowed`);
if (refused.length > 0) process.exit(1);
console.log(`${Object.keys(packages).length - 1} packages have licences that are allowed`);
