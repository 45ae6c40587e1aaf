import { Button } from '@mantine/core';
import type { ReactNode } from 'react';
import { useEffect, useRef, useState } from 'react';
import { number } from '../format';
import { m } from '../messages';
import css from './page.module.css';
import { Failed } from './states';
import tableCss from './table.module.css';
import uiCss from './ui.module.css';
import { useTitle } from './useTitle';

/** The head of a screen: what it is, and what can be done there. */
export function PageHead({ title, about, children }: { title: string; about?: ReactNode; children?: ReactNode }) {
  useTitle(title);
  return (
    <div className={css.head}>
      <div>
        <h1>{title}</h1>
        {about && <p className="quiet small">{about}</p>}
      </div>
      <span className="space" />
      {children}
    </div>
  );
}

/** What stands where rows are being read: nothing at first, since most answers are there before anyone looks. */
export function Loading({ label = m.loading }: { label?: string }) {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 150);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div className={`card ${css.skeleton}`} aria-busy="true" aria-label={label} role="status">
      {late &&
        [0, 1, 2, 3, 4].map((i) => (
          <svg key={i} width="100%" height="34" aria-hidden="true" fill="var(--mute-bg)">
            <rect width="34" height="34" rx="8" />
            <rect x="46" y="4" width={70 + ((i * 37) % 60)} height="10" rx="5" />
            <rect x="46" y="20" width={50 + ((i * 23) % 40)} height="10" rx="5" />
            <rect x="80%" y="12" width="60" height="10" rx="5" />
          </svg>
        ))}
    </div>
  );
}

/** What a list that is read page by page needs to be known of. */
interface Pages<T> {
  data: { pages: { items: T[] }[] } | undefined;
  isPending: boolean;
  isError: boolean;
  error: unknown;
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  isFetchNextPageError: boolean;
  fetchNextPage: () => unknown;
  refetch: () => unknown;
}

export const itemsOf = <T,>(pages: Pages<T>): T[] => pages.data?.pages.flatMap((p) => p.items) ?? [];

/** A list that is read page by page: loading, failed, empty, or its rows and the way to more of them. */
export function Listed<T>({
  of: pages,
  nothing,
  filtered = false,
  children,
}: {
  of: Pages<T>;
  nothing: ReactNode;
  filtered?: boolean; // by the server, whose pages may be short and still not the last
  children: (items: T[]) => ReactNode;
}) {
  const items = itemsOf(pages);
  useSearch(pages, filtered);
  if (pages.isPending) return <Loading />;
  if (pages.isError && items.length === 0) {
    return (
      <div className="card">
        <Failed error={pages.error} retry={() => void pages.refetch()} />
      </div>
    );
  }
  if (items.length === 0 && !pages.hasNextPage && !filtered) return <div className="card">{nothing}</div>;

  return (
    <div className={`card ${css.list}`}>
      {items.length > 0 ? children(items) : <p className={css.none}>{pages.hasNextPage ? m.noneYet : m.noneOfThese}</p>}
      {filtered && pages.hasNextPage ? (
        <Foot of={pages} shown={m.foundYet(items.length)} more={m.searchOn} />
      ) : (
        <Foot of={pages} shown={m.shown(items.length)} />
      )}
    </div>
  );
}

/** How many pages are read by themselves to find something, and how much is enough. */
const patience = 5;
const enough = 20;

/** Reads on by itself where little was found, for a while. The person says whether it goes on. */
function useSearch<T>(pages: Pages<T>, filtered: boolean) {
  const read = pages.data?.pages.length ?? 0;
  const found = itemsOf(pages).length;
  const goOn = filtered && pages.hasNextPage && !pages.isFetchingNextPage && !pages.isFetchNextPageError && found < enough && read % patience !== 0;
  const next = useRef(pages.fetchNextPage);
  useEffect(() => {
    next.current = pages.fetchNextPage;
  });
  useEffect(() => {
    if (goOn) void next.current();
  }, [goOn]);
}

/** How much of a list is shown, and the way to more of it. */
export function Foot<T>({ of: pages, shown, more = m.keys.loadMore }: { of: Pages<T>; shown: string; more?: string }) {
  return (
    <>
      {pages.isFetchNextPageError && <Failed error={pages.error} />}
      <div className={css.foot}>
        <span role="status">{shown}</span>
        <span className="space" />
        {pages.hasNextPage && (
          <Button variant="default" size="xs" loading={pages.isFetchingNextPage} onClick={() => pages.fetchNextPage()}>
            {more}
          </Button>
        )}
      </div>
    </>
  );
}

/** Columns and rows; on a phone each row stands as a block, each cell with its column's name. */
export function Table<T>({
  caption,
  columns,
  rows,
  keyOf,
}: {
  caption: string;
  columns: { name: string; cell: (row: T) => ReactNode; hidden?: boolean; numeric?: boolean }[];
  rows: T[];
  keyOf: (row: T) => string;
}) {
  return (
    <table className={`${tableCss.table} ${tableCss.blocks}`}>
      <caption className="hidden">{caption}</caption>
      <thead>
        <tr>
          {columns.map((c) => (
            <th key={c.name} scope="col" data-numeric={c.numeric || undefined}>
              {c.hidden ? <span className="hidden">{c.name}</span> : c.name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={keyOf(row)}>
            {columns.map((c) => (
              <td key={c.name} data-column={c.hidden ? undefined : c.name} data-numeric={c.numeric || undefined}>
                {c.cell(row)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** One of a few choices, side by side. */
export function Segments<V extends string>({
  label,
  value,
  values,
  onChange,
}: {
  label: string;
  value: V;
  values: Record<V, string>;
  onChange: (value: V) => void;
}) {
  const buttons = useRef<Record<string, HTMLButtonElement | null>>({});
  const names = Object.keys(values) as V[];
  return (
    <div className={uiCss.segments} role="radiogroup" aria-label={label}>
      {names.map((name, i) => (
        <button
          key={name}
          type="button"
          role="radio"
          aria-checked={name === value}
          data-on={name === value || undefined}
          tabIndex={name === value ? 0 : -1}
          ref={(e) => {
            buttons.current[name] = e;
          }}
          onClick={() => onChange(name)}
          onKeyDown={(e) => {
            const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[e.key];
            const next = names[(i + (step ?? 0) + names.length) % names.length];
            if (!step || next === undefined) return;
            e.preventDefault();
            onChange(next);
            buttons.current[next]?.focus();
          }}
        >
          {values[name]}
        </button>
      ))}
    </div>
  );
}

/** How far something got, for those who see and those who do not. */
export function Meter({ of: done, label }: { of: number; label: string }) {
  const percent = Math.max(0, Math.min(100, done * 100));
  return (
    <div className={uiCss.meter} role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(percent)}>
      <svg width="100%" height="4" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
        <rect width={percent} height="4" fill="var(--chart-allowed)" />
      </svg>
    </div>
  );
}

export const countOf = (n: number) => <span className={css.count}>{number(n)}</span>;
