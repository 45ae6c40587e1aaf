import type { Key, Schemas } from '../api/client';
import { toLocalInput } from '../format';

/** What a form holds of a key: texts as they are typed. */
export interface Draft {
  name: string;
  environment: Key['environment'];
  ownership: Key['ownership'];
  permissions: string[];
  allPermissions: boolean;
  rateLimits: { name: string; limit: string; window: string; burst?: number }[];
  quota: { limit: string; period: 'day' | 'month' } | undefined;
  expiresAt: string; // as an input of type datetime-local has it
  notBefore: string;
  customers: string[];
  allowedAddresses: string[];
  description: string;
  tags: string[];
  metadata: string; // name=value, one a line
}

export function draftOf(key: Key): Draft {
  return {
    name: key.name,
    environment: key.environment,
    ownership: key.ownership,
    permissions: key.permissions,
    allPermissions: key.allPermissions,
    rateLimits: key.rateLimits.map((l) => ({ ...l, limit: String(l.limit) })),
    quota: key.quota ? { limit: String(key.quota.limit), period: key.quota.period } : undefined,
    expiresAt: toLocalInput(key.expiresAt),
    notBefore: toLocalInput(key.notBefore),
    customers: key.customers,
    allowedAddresses: key.allowedAddresses,
    description: key.description,
    tags: key.tags,
    metadata: Object.entries(key.metadata)
      .map(([name, value]) => `${name}=${value}`)
      .join('\n'),
  };
}

/** The line of metadata that is no name=value; undefined if there is none. */
export const wrongLine = (text: string) => text.split('\n').find((line) => line.trim() !== '' && !/^\s*[^=\s][^=]*=/.test(line));

function metadataOf(text: string): Record<string, string> {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf('=');
      return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    }),
  );
}

// A time that a form did not touch keeps its seconds.
function timeOf(text: string, before: string | null | undefined): string | null {
  if (text === toLocalInput(before)) return before ?? null;
  const at = new Date(text);
  return text === '' || Number.isNaN(at.getTime()) ? null : at.toISOString();
}

type Fields = Required<
  Pick<
    Schemas['UpdateKeyRequest'],
    | 'name'
    | 'permissions'
    | 'allPermissions'
    | 'rateLimits'
    | 'quota'
    | 'expiresAt'
    | 'notBefore'
    | 'customers'
    | 'allowedAddresses'
    | 'description'
    | 'tags'
    | 'metadata'
  >
>;

function fieldsOf(draft: Draft, before: Key | undefined): Fields {
  return {
    name: draft.name.trim(),
    permissions: draft.permissions,
    allPermissions: draft.allPermissions,
    rateLimits: draft.rateLimits.map(({ limit, ...rest }) => ({ ...rest, limit: Number(limit) })),
    quota: draft.quota ? { limit: Number(draft.quota.limit), period: draft.quota.period } : null,
    expiresAt: timeOf(draft.expiresAt, before?.expiresAt),
    notBefore: timeOf(draft.notBefore, before?.notBefore),
    customers: draft.customers,
    allowedAddresses: draft.allowedAddresses,
    description: draft.description.trim(),
    tags: draft.tags,
    metadata: metadataOf(draft.metadata),
  };
}

/** A value whose fields stand in one order, whatever order they came in. */
function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([name, inner]) => [name, ordered(inner)] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

export const same = (a: unknown, b: unknown) => JSON.stringify(ordered(a ?? null)) === JSON.stringify(ordered(b ?? null));

/** The change that makes a key what a form says: what is the same is not in it. */
export function changeOf(draft: Draft, before: Key): Partial<Fields> {
  const unordered = new Set(['permissions', 'customers']);
  const sorted = (name: string, value: unknown) => (unordered.has(name) ? [...(value as string[])].sort() : value);
  return Object.fromEntries(
    Object.entries(fieldsOf(draft, before)).filter(
      ([name, value]) => !same(sorted(name, value), sorted(name, before[name as keyof Key])),
    ),
  ) as Partial<Fields>;
}

/** What is sent to make a key. */
export function newKeyOf(draft: Draft): Schemas['CreateKeyRequest'] {
  const fields = fieldsOf(draft, undefined);
  return {
    ...fields,
    environment: draft.environment,
    ownership: draft.ownership,
    allPermissions: null, // given by those who edit it, knowing what it is
  };
}
