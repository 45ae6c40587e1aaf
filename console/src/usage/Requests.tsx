import { TextInput } from '@mantine/core';
import { IconCircleCheck, IconHandStop, IconHourglass, IconListSearch, IconSearch } from '@tabler/icons-react';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useDebouncedCallback } from '@mantine/hooks';
import { useState } from 'react';
import type { Schemas } from '../api/client';
import { catalogueQuery, keyQuery, keyRequestsQuery, type RequestFilter } from '../api/queries';
import { stampOf } from '../format';
import { byName, routesOf } from '../keys/parts';
import { m } from '../messages';
import { Choice } from '../ui/Choice';
import { itemsOf, Listed, Segments, Table } from '../ui/page';
import { State } from '../ui/states';
import { Time } from '../ui/Time';
import uiCss from '../ui/ui.module.css';
import css from './usage.module.css';

type Call = Schemas['RecordedCall'];

/** The filter of an address. What it has besides, or wrongly, is left out. */
export function requestFilterOf(search: Record<string, unknown>): RequestFilter {
  const text = (name: string, most: number) =>
    typeof search[name] === 'string' && search[name].trim() !== '' ? { [name]: search[name].trim().slice(0, most) } : {};
  const known = search.outcome === 'refused' || Object.hasOwn(m.outcomes, String(search.outcome));
  return { ...(known ? text('outcome', 40) : {}), ...text('route', 1100), ...text('q', 128) };
}

const routeOf = (c: Call) => `${c.method} ${c.route || c.path}`;

/** The recent calls of a key. */
export function KeyRequests() {
  const { org, keyId } = useParams({ from: '/signed-in/$org/keys/$keyId/requests' });
  const filter = requestFilterOf(useSearch({ strict: false }));
  const navigate = useNavigate();
  const calls = useInfiniteQuery({ ...keyRequestsQuery(org, keyId, filter), refetchOnMount: 'always' });
  const { data: key } = useQuery(keyQuery(org, keyId));
  const { data: catalogue } = useQuery(catalogueQuery);
  const set = (change: Record<string, string | undefined>) =>
    void navigate({ to: '.', search: requestFilterOf({ ...filter, ...change }) as never, replace: true });
  const [text, setText] = useState(filter.q ?? '');
  const later = useDebouncedCallback((q: string) => set({ q }), 250);

  // The routes that the key opens, and those that were called without.
  const routes = new Set(itemsOf(calls).map(routeOf));
  if (key) for (const r of routesOf(key.permissions, key.allPermissions, byName(catalogue?.permissions ?? []))) routes.add(r);
  if (filter.route) routes.add(filter.route);
  const outcome = filter.outcome === 'refused' ? undefined : filter.outcome;
  return (
    <>
      <div className={css.bar}>
        <Segments
          label={m.requests.which}
          value={filter.outcome === 'refused' ? 'refused' : 'all'}
          values={{ all: m.requests.all, refused: m.requests.refused }}
          onChange={(v) => set({ outcome: v === 'refused' ? 'refused' : undefined })}
        />
        <Choice
          on={outcome !== undefined}
          label={outcome ? (m.outcomes[outcome] ?? outcome) : m.requests.outcome}
          values={{ '': m.requests.any, ...m.outcomes }}
          value={outcome ?? ''}
          onChange={(outcome) => set({ outcome })}
        />
        <Choice
          on={filter.route !== undefined}
          label={filter.route ?? m.requests.route}
          values={{ '': m.requests.any, ...Object.fromEntries([...routes].sort().map((r) => [r, r])) }}
          value={filter.route ?? ''}
          onChange={(route) => set({ route })}
        />
        <span className="space" />
        <TextInput
          className={uiCss.field ?? ''}
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
        filtered={Object.keys(filter).length > 0}
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
