import { TextInput } from '@mantine/core';
import { IconCircleCheck, IconHandStop, IconHourglass, IconListSearch, IconSearch } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useDebouncedCallback } from '@mantine/hooks';
import { useState } from 'react';
import type { Schemas } from '../api/client';
import { keyRequestsQuery } from '../api/queries';
import { stampOf } from '../format';
import { m } from '../messages';
import { Choice } from '../ui/Choice';
import { itemsOf, Listed, Segments, Table } from '../ui/page';
import { State } from '../ui/states';
import { Time } from '../ui/Time';
import uiCss from '../ui/ui.module.css';
import css from './usage.module.css';

type Call = Schemas['RecordedCall'];

/** How a list of calls is narrowed. */
export interface RequestSearch {
  refused?: '1';
  outcome?: string;
  route?: string;
  q?: string;
}

export function requestSearchOf(search: Record<string, unknown>): RequestSearch {
  const text = (name: string) => (typeof search[name] === 'string' && search[name] !== '' ? { [name]: search[name].slice(0, 200) } : {});
  return { ...(search.refused === '1' ? { refused: '1' as const } : {}), ...text('outcome'), ...text('route'), ...text('q') };
}

const routeOf = (c: Call) => `${c.method} ${c.route || c.path}`;

/** The recent calls of a key. */
export function KeyRequests() {
  const { org, keyId } = useParams({ from: '/signed-in/$org/keys/$keyId/requests' });
  const search = requestSearchOf(useSearch({ strict: false }));
  const navigate = useNavigate();
  const calls = useInfiniteQuery({ ...keyRequestsQuery(org, keyId), refetchOnMount: 'always' });
  const set = (change: { [K in keyof RequestSearch]?: RequestSearch[K] | undefined }) =>
    void navigate({ to: '.', search: requestSearchOf({ ...search, ...change }) as never, replace: true });
  const [text, setText] = useState(search.q ?? '');
  const later = useDebouncedCallback((q: string) => set({ q }), 250);

  const loaded = itemsOf(calls);
  const options = (of: (c: Call) => string, name: (value: string) => string): Record<string, string> => ({
    '': m.requests.any,
    ...Object.fromEntries([...new Set(loaded.map(of))].sort().map((value) => [value, name(value)])),
  });
  const fits = (c: Call) =>
    (!search.refused || c.outcome !== 'allowed') &&
    (!search.outcome || c.outcome === search.outcome) &&
    (!search.route || routeOf(c) === search.route) &&
    (!search.q || `${c.requestId} ${c.sourceIp}`.includes(search.q.trim()));
  return (
    <>
      <div className={css.bar}>
        <Segments
          label={m.requests.which}
          value={search.refused ? 'refused' : 'all'}
          values={{ all: m.requests.all, refused: m.requests.refused }}
          onChange={(v) => set({ refused: v === 'refused' ? '1' : undefined })}
        />
        <Choice
          on={search.outcome !== undefined}
          label={search.outcome ? (m.outcomes[search.outcome] ?? search.outcome) : m.requests.outcome}
          values={options((c) => c.outcome, (o) => m.outcomes[o] ?? o)}
          value={search.outcome ?? ''}
          onChange={(outcome) => set({ outcome })}
        />
        <Choice
          on={search.route !== undefined}
          label={search.route ?? m.requests.route}
          values={options(routeOf, (r) => r)}
          value={search.route ?? ''}
          onChange={(route) => set({ route })}
        />
        <span className="space" />
        <TextInput
          type="search"
          w={220}
          aria-label={m.requests.search}
          placeholder={m.requests.search}
          leftSection={<IconSearch size={15} stroke={2} />}
          value={text}
          onChange={(e) => {
            setText(e.currentTarget.value);
            later(e.currentTarget.value);
          }}
        />
      </div>
      <Listed
        of={calls}
        filter={fits}
        nothing={
          <State icon={<IconListSearch size={22} />} tone="mute" title={m.requests.none}>
            {m.requests.noneBody}
          </State>
        }
      >
        {(rows) => (
          <Table
            caption={m.key.tabs.requests}
            rows={rows}
            keyOf={(c) => `${c.requestId} ${c.at}`}
            columns={[
              { name: m.requests.time, cell: (c) => <Time at={c.at} show={stampOf} /> },
              {
                name: m.requests.call,
                cell: (c) => (
                  <span className="mono name">
                    {c.method} {c.path}
                  </span>
                ),
              },
              { name: m.requests.status, cell: (c) => <b className="numbers">{c.status}</b> },
              { name: m.requests.outcome, cell: (c) => <OutcomePill of={c.outcome} /> },
              {
                name: m.requests.from,
                cell: (c) => (
                  <span>
                    <span className="mono">{c.sourceIp}</span>
                    {c.oldSecret && <span className="tiny dim"> · {m.requests.oldSecret}</span>}
                  </span>
                ),
              },
              {
                name: m.requests.explain,
                hidden: true,
                cell: (c) => (
                  <Link to="/$org/requests/$requestId" params={{ org, requestId: c.requestId }} className="strong">
                    {m.requests.explain}
                  </Link>
                ),
              },
            ]}
          />
        )}
      </Listed>
    </>
  );
}

/** What became of a call. */
export function OutcomePill({ of: outcome }: { of: string }) {
  const limited = outcome === 'rate_limited' || outcome === 'quota_exceeded';
  const [Icon, tone] =
    outcome === 'allowed' ? [IconCircleCheck, uiCss.ok] : limited ? [IconHourglass, uiCss.warn] : [IconHandStop, uiCss.bad];
  return (
    <span className={`${uiCss.pill} ${tone}`}>
      <Icon size={14} stroke={2.2} aria-hidden />
      {(m.outcomes[outcome] ?? outcome).replace(/ \(\d+\)$/, '')}
    </span>
  );
}
