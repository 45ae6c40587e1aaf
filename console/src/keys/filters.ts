import type { Environment } from '../config';

/** Which keys a list shows, under the names that the API has for it; the address keeps them. */
export interface Filters {
  status?: 'active' | 'inactive' | 'expired' | 'all';
  environment?: Environment;
  ownership?: 'organization' | 'personal';
  owner?: string;
  customer?: string;
  permission?: string;
  tag?: string;
  q?: string;
  unusedSince?: string;
  sort?: '-createdAt' | 'createdAt';
}

const closed = {
  status: ['active', 'inactive', 'expired', 'all'],
  environment: ['production', 'staging', 'development'],
  ownership: ['organization', 'personal'],
  sort: ['-createdAt', 'createdAt'],
} as const;

const open = ['owner', 'customer', 'permission', 'tag', 'q', 'unusedSince'] as const;

/** The filters of an address. What it has besides, or wrongly, is left out. */
export function filtersOf(search: Record<string, unknown>): Filters {
  const found: Record<string, string> = {};
  for (const [name, values] of Object.entries(closed)) {
    const value = search[name];
    if (typeof value === 'string' && (values as readonly string[]).includes(value)) found[name] = value;
  }
  for (const name of open) {
    const value = search[name];
    if (typeof value === 'string' && value.trim() !== '') found[name] = value.slice(0, 100);
  }
  // What the API does by itself needs no place in the address.
  if (found.status === 'active') delete found.status;
  if (found.sort === '-createdAt') delete found.sort;
  return found as Filters;
}

/** The filters that narrow a list, without those that only order it. */
export function narrowing(filters: Filters): (keyof Filters)[] {
  return (Object.keys(filters) as (keyof Filters)[]).filter((name) => name !== 'sort');
}

/** Query strings as other programs write them: names and texts, nothing encoded twice. */
export const parseSearch = (text: string): Record<string, string> => Object.fromEntries(new URLSearchParams(text));

export function stringifySearch(search: Record<string, unknown>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(search)) {
    if (typeof value === 'string' && value !== '') query.set(name, value);
  }
  const text = query.toString();
  return text && `?${text}`;
}
