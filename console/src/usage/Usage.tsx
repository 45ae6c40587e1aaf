import { Button } from '@mantine/core';
import { IconDownload, IconInfoCircle, IconTable } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useMemo } from 'react';
import { api, read, type Schemas } from '../api/client';
import { catalogueQuery, customersQuery, type UsageQuery, usageQuery } from '../api/queries';
import { number, percent } from '../format';
import { CallsChart, namesOf } from '../keys/CallsChart';
import { byName, counted, sum, titleOf } from '../keys/parts';
import { m } from '../messages';
import { notify } from '../ui/notify';
import { Loading, PageHead, Segments } from '../ui/page';
import { Failed } from '../ui/states';
import uiCss from '../ui/ui.module.css';
import css from './usage.module.css';

const day = 24 * 3600_000;
const ranges = ['24h', '7d', 'month', '90d'] as const;
const groups = ['outcome', 'permission', 'customer'] as const;

/** What an address says of a usage: which time, by what, and how it is shown. */
export interface UsageSearch {
  range?: (typeof ranges)[number];
  by?: (typeof groups)[number];
  view?: 'table';
}

export function usageSearchOf(search: Record<string, unknown>): UsageSearch {
  const range = ranges.find((r) => r === search.range);
  const by = groups.find((g) => g === search.by);
  return {
    ...(range && range !== 'month' ? { range } : {}),
    ...(by && by !== 'outcome' ? { by } : {}),
    ...(search.view === 'table' ? { view: 'table' as const } : {}),
  };
}

/** The time of a range that ends now, as the API takes it: whole hours or days. */
export function queryOf(range: (typeof ranges)[number], by: (typeof groups)[number], now: number): Required<UsageQuery> {
  const hourly = range === '24h';
  const step = hourly ? 3600_000 : day;
  const to = (Math.floor(now / step) + 1) * step;
  const today = new Date(now);
  const from = {
    '24h': to - day,
    '7d': to - 7 * day,
    month: Date.UTC(today.getUTCFullYear(), today.getUTCMonth(), 1),
    '90d': to - 90 * day,
  }[range];
  return { from: new Date(from).toISOString(), to: new Date(to).toISOString(), granularity: hourly ? 'hour' : 'day', by };
}

/** The usage of one key. */
export function KeyUsage() {
  const { org, keyId } = useParams({ from: '/signed-in/$org/keys/$keyId/usage' });
  return <Usage org={org} keyId={keyId} />;
}

/** The usage of all keys of an organization that one may see. */
export function OrganizationUsage() {
  const { org } = useParams({ from: '/signed-in/$org/usage' });
  return (
    <>
      <PageHead title={m.usage.title} about={m.usage.about} />
      <Usage org={org} keyId={undefined} />
    </>
  );
}

function Usage({ org, keyId }: { org: string; keyId: string | undefined }) {
  const search: UsageSearch = usageSearchOf(useSearch({ strict: false }));
  const navigate = useNavigate();
  const range = search.range ?? 'month';
  const by = search.by ?? 'outcome';
  const table = search.view === 'table';
  const query = useMemo(() => queryOf(range, by, Date.now()), [range, by]);
  const usage = useQuery(usageQuery(org, keyId, query));
  const { data: catalogue } = useQuery(catalogueQuery);
  const { data: customers } = useQuery({ ...customersQuery(org), enabled: by === 'customer' });

  const set = (change: UsageSearch) =>
    void navigate({ to: '.', search: usageSearchOf({ ...search, ...change }) as never, replace: true });
  const names = byName(catalogue?.permissions ?? []);
  const nameOf = (name: string) => {
    if (name === '') return by === 'customer' ? m.usage.noCustomer : m.usage.noPermission;
    if (by === 'permission') return titleOf(names, name);
    if (by === 'customer') return customers?.items.find((c) => c.id === name)?.name ?? name;
    return m.outcomes[name] ?? name;
  };

  const month = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', timeZone: 'UTC' });
  const labels = { ...m.usage.ranges, month: month.formatRange(new Date(queryOf('month', by, Date.now()).from), new Date()) };
  const title = <h2>{query.granularity === 'hour' ? m.usage.perHour : m.usage.perDay}</h2>;
  return (
    <>
      <div className={css.bar}>
        <Segments label={m.usage.range} value={range} values={labels} onChange={(r) => set({ range: r })} />
        <Segments label={m.usage.by} value={by} values={m.usage.groups} onChange={(g) => set({ by: g })} />
        <span className="space" />
        <Button
          variant="default"
          size="xs"
          aria-pressed={table}
          leftSection={<IconTable size={15} stroke={2} aria-hidden />}
          onClick={() => set(table ? ({ view: undefined } as never) : { view: 'table' })}
        >
          {m.usage.table}
        </Button>
        <Button
          variant="default"
          size="xs"
          leftSection={<IconDownload size={15} stroke={2} aria-hidden />}
          onClick={() => void download(org, keyId, query)}
        >
          {m.usage.csv}
        </Button>
      </div>
      {usage.isPending ? (
        <Loading />
      ) : usage.isError && !usage.data ? (
        <div className="card">
          <Failed error={usage.error} retry={() => void usage.refetch()} />
        </div>
      ) : (
        usage.data && (
          <>
            <Figures of={usage.data} nameOf={nameOf} />
            <section className={`card ${css.chart}`}>
              {usage.data.series.some((p) => sum(Object.values(p.values)) > 0) ? (
                <CallsChart
                  title={title}
                  points={usage.data.series}
                  by={by}
                  granularity={query.granularity}
                  width={980}
                  height={270}
                  table={table}
                  nameOf={nameOf}
                />
              ) : (
                <>
                  {title}
                  <p className="small quiet">{m.usage.none}</p>
                </>
              )}
              <p className={`row small quiet ${css.source}`}>
                <IconInfoCircle size={16} aria-hidden /> {m.usage.sources[usage.data.source]}
              </p>
            </section>
          </>
        )
      )}
    </>
  );
}

function Figures({ of: usage, nameOf }: { of: Schemas['Usage']; nameOf: (name: string) => string }) {
  const totals = new Map(namesOf(usage.series, usage.by).map((name) => [name, sum(usage.series.map((p) => p.values[name] ?? 0))]));
  const all = sum(usage.series.map((p) => (usage.by === 'outcome' ? counted(p.values) : sum(Object.values(p.values)))));
  const shown = [...totals].slice(0, 3);
  return (
    <div className={css.figures}>
      <div className={`card ${uiCss.figure}`}>
        <div className="tiny dim">{m.usage.calls}</div>
        <div>{number(all)}</div>
      </div>
      {shown.map(([name, n]) => (
        <div key={name} className={`card ${uiCss.figure}`}>
          <div className="tiny dim name">{nameOf(name)}</div>
          <div>{number(n)}</div>
          {name !== 'wrong_secret' && all > 0 && <div className="tiny dim">{m.usage.share(percent(n / all))}</div>}
        </div>
      ))}
    </div>
  );
}

/** Saves a usage as a file. The token is in the call's header, so that a link cannot do it. */
async function download(org: string, keyId: string | undefined, query: UsageQuery): Promise<void> {
  try {
    const text = await read(
      keyId === undefined
        ? api.GET('/v1/organizations/{org}/usage.csv', { params: { path: { org }, query }, parseAs: 'text' })
        : api.GET('/v1/organizations/{org}/keys/{keyId}/usage.csv', { params: { path: { org, keyId }, query }, parseAs: 'text' }),
    );
    const url = URL.createObjectURL(new Blob([text as string], { type: 'text/csv' }));
    const link = document.createElement('a');
    link.href = url;
    link.download = `usage-${keyId ?? org}.csv`;
    link.click();
    URL.revokeObjectURL(url);
  } catch (error) {
    notify(error as Error);
  }
}
