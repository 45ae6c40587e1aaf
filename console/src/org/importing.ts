import type { Schemas } from '../api/client';
import { m } from '../messages';

type Entry = Schemas['ImportEntry'];

/** A row of what is to be imported: an entry, or what is wrong with it. */
export type Row = { line: number; name: string; entry: Entry } | { line: number; name: string; wrong: string };

/** How many keys one call takes. */
export const most = 1000;

/** What a text is the hash of, by its length and its letters; undefined if it is none, such as a secret itself. */
export function hashOf(text: string): Entry['hash'] | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return { algorithm: 'sha256', encoding: 'hex', value: text };
  if (/^[0-9a-f]{128}$/i.test(text)) return { algorithm: 'sha512', encoding: 'hex', value: text };
  if (/^[0-9A-Za-z+/]{43}=$/.test(text)) return { algorithm: 'sha256', encoding: 'base64', value: text };
  if (/^[0-9A-Za-z+/]{86}==$/.test(text)) return { algorithm: 'sha512', encoding: 'base64', value: text };
  return undefined;
}

/** The fields of a line of CSV. */
export function fieldsOf(line: string): string[] {
  const out: string[] = [];
  for (const match of line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)) {
    out.push((match[1]?.replaceAll('""', '"') ?? match[2] ?? '').trim());
  }
  return out;
}

const environments = ['production', 'staging', 'development'];

function rowOf(line: number, name: string, environment: string, hash: string, permissions: string | undefined): Row {
  const found = hashOf(hash);
  if (name === '') return { line, name, wrong: m.import.noName };
  if (!environments.includes(environment)) return { line, name, wrong: m.import.noEnvironment };
  if (!found) return { line, name, wrong: m.import.noHash };
  const names = permissions?.split(/[\s;|]+/).filter((p) => p !== '');
  return {
    line,
    name,
    entry: { name, environment: environment as Entry['environment'], hash: found, ...(names && names.length > 0 ? { permissions: names } : {}) },
  };
}

/** The rows of a text: CSV of name, environment, hash and perhaps permissions, or the API's own JSON. */
export function rowsOf(text: string): Row[] {
  if (/^\s*[[{]/.test(text)) return jsonRows(text);
  return text.split(/\r?\n/).flatMap((line, i) => {
    if (line.trim() === '') return [];
    const [name = '', environment = '', hash = '', permissions] = fieldsOf(line);
    if (i === 0 && environment.toLowerCase() === 'environment') return []; // names of columns
    return [rowOf(i + 1, name, environment.toLowerCase(), hash, permissions)];
  });
}

function jsonRows(text: string): Row[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return [{ line: 1, name: '', wrong: m.import.noJSON }];
  }
  const list = Array.isArray(parsed) ? parsed : (parsed as { keys?: unknown }).keys;
  if (!Array.isArray(list)) return [{ line: 1, name: '', wrong: m.import.noJSON }];
  return list.map((value: Partial<Entry> | null, i): Row => {
    const name = typeof value?.name === 'string' ? value.name : '';
    const hash = value?.hash;
    if (typeof hash?.value !== 'string' || !hashOf(hash.value)) return { line: i + 1, name, wrong: m.import.noHash };
    return { line: i + 1, name, entry: value as Entry };
  });
}
