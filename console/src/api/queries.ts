import { infiniteQueryOptions, QueryClient, queryOptions } from '@tanstack/react-query';
import { api, Failure, type Key, read, type Schemas } from './client';
import type { Filters } from '../keys/filters';

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      retry: (count, error) => error instanceof Failure && (error.problem.status ?? 503) >= 500 && count < 2,
    },
    mutations: { retry: false },
  },
});

export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: ({ signal }) => read(api.GET('/v1/me', { signal })),
  staleTime: 60_000,
});

export const catalogueQuery = queryOptions({
  queryKey: ['permissions'],
  queryFn: ({ signal }) => read(api.GET('/v1/permissions', { signal })),
  staleTime: 60_000,
});

export const organizationQuery = (org: string) =>
  queryOptions({
    queryKey: [org, 'organization'],
    queryFn: ({ signal }) => read(api.GET('/v1/organizations/{org}', { params: { path: { org } }, signal })),
    staleTime: 60_000,
  });

export const customersQuery = (org: string) =>
  queryOptions({
    queryKey: [org, 'customers'],
    queryFn: ({ signal }) =>
      read(api.GET('/v1/organizations/{org}/customers', { params: { path: { org }, query: { limit: 200 } }, signal })),
  });

/** How many keys a page of the list has. */
export const pageSize = 50;

export const keysQuery = (org: string, filters: Filters) =>
  infiniteQueryOptions({
    queryKey: [org, 'keys', filters],
    queryFn: ({ signal, pageParam }) =>
      read(
        api.GET('/v1/organizations/{org}/keys', {
          params: {
            path: { org },
            query: { ...filters, include: 'usage', limit: pageSize, ...(pageParam ? { cursor: pageParam } : {}) },
          },
          signal,
        }),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.nextCursor,
  });

export const keyQuery = (org: string, keyId: string) =>
  queryOptions({
    queryKey: [org, 'key', keyId],
    queryFn: ({ signal }) =>
      read(api.GET('/v1/organizations/{org}/keys/{keyId}', { params: { path: { org, keyId } }, signal })),
  });

type UsageQuery = { from?: string; to?: string; granularity?: 'day' | 'hour'; by?: 'outcome' | 'permission' | 'customer' };

export const keyUsageQuery = (org: string, keyId: string, query: UsageQuery) =>
  queryOptions({
    queryKey: [org, 'key', keyId, 'usage', query],
    queryFn: ({ signal }) =>
      read(
        api.GET('/v1/organizations/{org}/keys/{keyId}/usage', {
          params: { path: { org, keyId }, query },
          headers: { Accept: 'application/json' },
          signal,
        }) as Promise<{ data?: Schemas['Usage']; error?: unknown; response: Response }>, // there is CSV too, by Accept
      ),
  });

/** Reads anew what shows keys of an organization. */
export async function keysChanged(org: string): Promise<void> {
  await Promise.all([
    queryClient.invalidateQueries({ queryKey: [org, 'keys'] }),
    queryClient.invalidateQueries({ queryKey: [org, 'key'] }),
  ]);
}

/** What the caller may do with a key: absent if it is not theirs to do, refused by its state, or free. */
export function operation(key: Key, id: string): { refusal: string | undefined } | undefined {
  const found = key.operations?.find((o) => o.id === id);
  return found && { refusal: found.refusal?.detail };
}
