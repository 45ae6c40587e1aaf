import { type InfiniteData, infiniteQueryOptions, QueryClient, queryOptions } from '@tanstack/react-query';
import { api, Failure, type Key, read, readTagged, type Schemas } from './client';
import type { operations } from './schema';
import type { Filters } from '../keys/filters';

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      networkMode: 'always',
      retry: (count, error) => error instanceof Failure && (error.problem.status ?? 503) >= 500 && count < 2,
    },
    // What is tried without a network fails at once and says so, instead of waiting in silence.
    mutations: { retry: false, networkMode: 'always' },
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
    queryFn: ({ signal }) => readTagged(api.GET('/v1/organizations/{org}', { params: { path: { org } }, signal })),
    staleTime: 60_000,
  });

export const customersQuery = (org: string) =>
  queryOptions({
    queryKey: [org, 'customers'],
    queryFn: ({ signal }) =>
      read(api.GET('/v1/organizations/{org}/customers', { params: { path: { org }, query: { limit: 200 } }, signal })),
  });

/** How many items the first page of a list has, and those that people ask for besides. */
const pageSize = 50;
const morePageSize = 200;

const pageOf = (cursor: string) => (cursor ? { limit: morePageSize, cursor } : { limit: pageSize });

export const keysQuery = (org: string, filters: Filters) =>
  infiniteQueryOptions({
    queryKey: [org, 'keys', filters],
    queryFn: async ({ signal, pageParam }) =>
      aPage(
        await read(
          api.GET('/v1/organizations/{org}/keys', {
            params: {
              path: { org },
              query: { ...filters, include: 'usage', ...pageOf(pageParam) },
            },
            signal,
          }),
        ),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.nextCursor,
    refetchOnMount: isShort,
    refetchOnWindowFocus: isShort,
    refetchOnReconnect: isShort,
  });

/** Whether a list is short enough to be read anew unasked: it is, page by page. */
const isShort = ({ state }: { state: { data?: { pages: unknown[] } | undefined } }) => (state.data?.pages.length ?? 0) <= 5;

export const keyQuery = (org: string, keyId: string) =>
  queryOptions({
    queryKey: [org, 'key', keyId],
    queryFn: ({ signal }) =>
      read(api.GET('/v1/organizations/{org}/keys/{keyId}', { params: { path: { org, keyId } }, signal })),
  });

export type UsageQuery = { from?: string; to?: string; granularity?: 'day' | 'hour'; by?: 'outcome' | 'permission' | 'customer' };

type UsageAnswer = Promise<{ data?: Schemas['Usage']; error?: unknown; response: Response }>; // there is CSV too, by Accept

/** The usage of a key, or of all keys of an organization that one may see. */
export const usageQuery = (org: string, keyId: string | undefined, query: UsageQuery) =>
  queryOptions({
    queryKey: [org, ...(keyId === undefined ? [] : ['key', keyId]), 'usage', query],
    queryFn: ({ signal }) => {
      const headers = { Accept: 'application/json' };
      return read(
        (keyId === undefined
          ? api.GET('/v1/organizations/{org}/usage', { params: { path: { org }, query }, headers, signal })
          : api.GET('/v1/organizations/{org}/keys/{keyId}/usage', {
              params: { path: { org, keyId }, query },
              headers,
              signal,
            })) as UsageAnswer,
      );
    },
  });

export const rotationQuery = (org: string, keyId: string) =>
  queryOptions({
    queryKey: [org, 'key', keyId, 'rotation'],
    queryFn: ({ signal }) =>
      read(api.GET('/v1/organizations/{org}/keys/{keyId}/rotation', { params: { path: { org, keyId } }, signal })),
  });

export const keyAdviceQuery = (org: string, keyId: string) =>
  queryOptions({
    queryKey: [org, 'key', keyId, 'advice'],
    queryFn: ({ signal }) =>
      read(api.GET('/v1/organizations/{org}/keys/{keyId}/advice', { params: { path: { org, keyId } }, signal })),
    staleTime: 60_000,
  });

/** A page of a list, and not something else that a proxy on the way may have answered with. Error: Failure. */
function aPage<P extends Page<unknown>>(answer: P): P {
  if (!Array.isArray((answer as P | null)?.items)) throw new Failure({ title: 'The service answered with something else' });
  return answer;
}

interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

/** A list that is read page by page. */
function listQuery<T>(queryKey: unknown[], get: (query: { limit: number; cursor?: string }, signal: AbortSignal) => Promise<Page<T>>) {
  return infiniteQueryOptions({
    queryKey,
    queryFn: async ({ signal, pageParam }) => aPage(await get(pageOf(pageParam), signal)),
    initialPageParam: '',
    getNextPageParam: (page) => page.nextCursor,
  });
}

/** Which calls, or which entries of a history, a list shows, under the names that the API has for it. */
export type RequestFilter = Pick<NonNullable<operations['keyRequests']['parameters']['query']>, 'outcome' | 'route' | 'q'>;
export type HistoryFilter = Pick<NonNullable<operations['listHistory']['parameters']['query']>, 'actor' | 'action' | 'object'>;

export const keyRequestsQuery = (org: string, keyId: string, filter: RequestFilter) =>
  listQuery([org, 'key', keyId, 'requests', filter], (page, signal) =>
    read(
      api.GET('/v1/organizations/{org}/keys/{keyId}/requests', { params: { path: { org, keyId }, query: { ...filter, ...page } }, signal }),
    ),
  );

export const keyHistoryQuery = (org: string, keyId: string) =>
  listQuery([org, 'key', keyId, 'history'], (query, signal) =>
    read(api.GET('/v1/organizations/{org}/keys/{keyId}/history', { params: { path: { org, keyId }, query }, signal })),
  );

export const historyQuery = (org: string, filter: HistoryFilter) =>
  listQuery([org, 'history', filter], (page, signal) =>
    read(api.GET('/v1/organizations/{org}/history', { params: { path: { org }, query: { ...filter, ...page } }, signal })),
  );

export const adviceQuery = (org: string) =>
  listQuery([org, 'advice'], (query, signal) =>
    read(api.GET('/v1/organizations/{org}/advice', { params: { path: { org }, query }, signal })),
  );

export const membersQuery = (org: string) =>
  listQuery([org, 'members'], (query, signal) =>
    read(api.GET('/v1/organizations/{org}/members', { params: { path: { org }, query }, signal })),
  );

export const customerListQuery = (org: string) =>
  listQuery([org, 'customers', 'list'], (query, signal) =>
    read(api.GET('/v1/organizations/{org}/customers', { params: { path: { org }, query }, signal })),
  );

export const jobsQuery = (org: string) =>
  listQuery([org, 'jobs'], (query, signal) =>
    read(api.GET('/v1/organizations/{org}/jobs', { params: { path: { org }, query }, signal })),
  );

export const jobQuery = (org: string, job: string) =>
  queryOptions({
    queryKey: [org, 'job', job],
    queryFn: ({ signal }) => read(api.GET('/v1/organizations/{org}/jobs/{job}', { params: { path: { org, job } }, signal })),
    refetchInterval: ({ state }) => (state.data && isOver(state.data) ? false : 1000),
  });

export const isOver = (job: Schemas['Job']) => job.state === 'done' || job.state === 'failed';

export const requestQuery = (org: string, requestId: string) =>
  queryOptions({
    queryKey: [org, 'request', requestId],
    queryFn: ({ signal }) =>
      read(api.GET('/v1/organizations/{org}/requests/{requestId}', { params: { path: { org, requestId } }, signal })),
  });

/** Reads anew what shows keys of an organization. A list that became long begins anew. */
export async function keysChanged(org: string): Promise<void> {
  for (const query of queryClient.getQueryCache().findAll({ queryKey: [org, 'keys'] })) {
    const data = query.state.data as InfiniteData<unknown> | undefined;
    if (data && !isShort({ state: { data } })) {
      query.setData({ pages: data.pages.slice(0, 5), pageParams: data.pageParams.slice(0, 5) });
    }
  }
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
