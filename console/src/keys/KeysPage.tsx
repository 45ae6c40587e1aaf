import { ActionIcon, Button, Checkbox, Menu, Popover, Select, TextInput } from '@mantine/core';
import { useDebouncedCallback, useMediaQuery } from '@mantine/hooks';
import { IconChevronDown, IconDots, IconFilter, IconFilterOff, IconKey, IconPlus, IconSearch, IconUpload, IconX } from '@tabler/icons-react';
import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, Outlet, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { lazy, memo, type RefObject, startTransition, Suspense, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import type { Key, Permission } from '../api/client';
import { catalogueQuery, customersQuery, keysQuery, operation } from '../api/queries';
import type { Environment } from '../config';
import { ago, compact } from '../format';
import { environments, m } from '../messages';
import { useMembership } from '../shell/Shell';
import { singleKeysOn, typing } from '../shell/shortcuts';
import { Choice } from '../ui/Choice';
import { Blade, EnvironmentMark, EnvironmentShape, Spark, StatusNote, StatusPill } from '../ui/marks';
import { Foot, Loading } from '../ui/page';
import { Failed, State } from '../ui/states';
import { Time } from '../ui/Time';
import tableCss from '../ui/table.module.css';
import uiCss from '../ui/ui.module.css';
import { useTitle } from '../ui/useTitle';
import { own } from '../ui/value';
import { NeedsALook } from './NeedsALook';
import { type Filters, filtersOf, narrowing } from './filters';
import { KeyMenuItems } from './KeyMenu';
import css from './keys.module.css';
import { actorName, byName, limitsOf, PermissionTags, sum, titleOf } from './parts';
import type { Action } from './actions';
import type { BulkAction } from './Bulk';

const KeyAction = lazy(() => import('./KeyAction'));
const Bulk = lazy(() => import('./Bulk'));
const BulkBar = lazy(async () => ({ default: (await import('./Bulk')).BulkBar }));

/** The list of an organization's keys. */
export function KeysPage() {
  const { org } = useParams({ from: '/signed-in/$org/keys' });
  const filters = filtersOf(useSearch({ strict: false }));
  const membership = useMembership();
  const keys = useInfiniteQuery({ ...keysQuery(org, filters), placeholderData: keepPreviousData });
  const { data: permissions } = useQuery(catalogueQuery);
  const catalogue = useMemo(() => byName(permissions?.permissions ?? []), [permissions]);
  const [action, setAction] = useState<Action>();
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [allMatching, setAllMatching] = useState(false);
  const [bulk, setBulk] = useState<BulkAction>();
  useTitle(m.keys.title);

  const mayCreate = membership.mayCreate.organization || membership.mayCreate.personal;
  const mayImport = membership.operations.includes('importKeys');
  const phone = useMediaQuery('(width < 720px)', undefined, { getInitialValueInEffect: false });
  const pages = keys.data?.pages;
  const shown = useMemo(() => pages?.flatMap((p) => p.items) ?? [], [pages]);
  const mayChoose = membership.operations.includes('bulkKeys') && shown.some((key) => operation(key, 'updateKey'));
  const selected = shown.filter((key) => chosen.has(key.id));
  const clear = () => {
    setChosen(new Set());
    setAllMatching(false);
    setBulk(undefined);
  };
  const choice = mayChoose ? { chosen, choose: (ids: ReadonlySet<string>) => (setChosen(ids), setAllMatching(false)) } : undefined;
  return (
    <>
      <div className={css.head}>
        <div>
          <h1>{m.keys.title}</h1>
          <p className="quiet small">{m.keys.about}</p>
        </div>
        <span className="space" />
        {mayImport && <ImportLink />}
        {mayCreate && <CreateLink filters={filters} />}
      </div>
      <FilterBar filters={filters} catalogue={catalogue} />
      {narrowing(filters).length === 0 && <NeedsALook org={org} />}
      {keys.isPending ? (
        <Loading label={m.keys.loading} />
      ) : keys.isError && shown.length === 0 ? (
        <div className="card">
          <Failed error={keys.error} retry={() => void keys.refetch()} />
        </div>
      ) : shown.length === 0 && !keys.hasNextPage ? (
        <div className="card">
          <Nothing filters={filters} catalogue={catalogue} mayCreate={mayCreate} mayImport={mayImport} />
        </div>
      ) : (
        <>
          {!phone && (
          <div className={`card ${css.table}`} data-long={shown.length > shortList || undefined} aria-busy={keys.isPlaceholderData}>
            <Rows keys={shown} catalogue={catalogue} act={setAction} choice={choice} />
            <Foot of={keys} shown={m.keys.shown(shown.length, filters.sort === 'createdAt')} />
          </div>
          )}
          {phone && (
          <ul className={css.cards}>
            {shown.map((key) => (
              <Card key={key.id} of={key} catalogue={catalogue} act={setAction} />
            ))}
            <li>
              <Foot of={keys} shown={m.keys.shown(shown.length, filters.sort === 'createdAt')} />
            </li>
          </ul>
          )}
        </>
      )}
      <Suspense>
        {(selected.length > 0 || allMatching) && (
          <BulkBar chosen={allMatching ? 'all' : selected.length} act={setBulk} matchAll={() => setAllMatching(true)} clear={clear} />
        )}
        {bulk && (
          <Bulk action={bulk} org={org} scope={allMatching ? { filters } : { keys: selected }} onClose={() => setBulk(undefined)} onDone={clear} />
        )}
      </Suspense>
      {mayCreate && (
        <div className={css.bottom}>
          <CreateLink filters={filters} />
        </div>
      )}
      <Suspense>{action && <KeyAction action={action} onClose={() => setAction(undefined)} />}</Suspense>
      <Outlet />
    </>
  );
}

function ImportLink() {
  const { org } = useParams({ strict: false });
  return (
    <Button variant="default" component={Link} to="/$org/keys/import" params={{ org } as never} leftSection={<IconUpload size={15} stroke={2} aria-hidden />}>
      {m.keys.import}
    </Button>
  );
}

function CreateLink({ filters }: { filters: Filters }) {
  const { org } = useParams({ strict: false });
  return (
    <Button
      component={Link}
      to="/$org/keys/new"
      params={{ org } as never}
      search={filters as never}
      leftSection={<IconPlus size={15} stroke={2} aria-hidden />}
    >
      {m.keys.create}
    </Button>
  );
}

interface RowsProps {
  catalogue: Map<string, Permission>;
  act: (action: Action) => void;
}

/** Which keys are chosen, and how others are. */
interface Choosing {
  chosen: ReadonlySet<string>;
  choose: (ids: ReadonlySet<string>) => void;
}

function Rows({ keys, catalogue, act, choice }: RowsProps & { keys: Key[]; choice: Choosing | undefined }) {
  const columns = m.keys.columns;
  const last = useRef<number>(undefined); // the row that was chosen last, where a range begins
  // The same function for each rendering, so that a row is drawn anew only if it changed.
  const now = useRef({ keys, choice });
  useEffect(() => {
    now.current = { keys, choice };
  });
  const toggle = useCallback((i: number, range: boolean) => {
    const { keys, choice } = now.current;
    const key = keys[i];
    if (!choice || !key) return;
    const on = !choice.chosen.has(key.id);
    const from = range && last.current !== undefined ? last.current : i;
    const ids = new Set(choice.chosen);
    for (const one of keys.slice(Math.min(from, i), Math.max(from, i) + 1)) {
      if (on) ids.add(one.id);
      else ids.delete(one.id);
    }
    last.current = i;
    choice.choose(ids);
  }, []);
  const table = useRef<HTMLTableElement>(null);
  const chunks = Math.ceil(keys.length / chunk);
  const drawn = useWindow(table, chunks, keys.length <= shortList);
  const all = choice !== undefined && keys.length > 0 && keys.every((key) => choice.chosen.has(key.id));

  return (
    <table ref={table} className={tableCss.table}>
      <caption className="hidden">{m.keys.title}</caption>
      <thead>
        <tr>
          {choice && (
            <th scope="col" className={css.check}>
              <Checkbox
                aria-label={m.bulk.chooseAll}
                checked={all}
                indeterminate={!all && choice.chosen.size > 0}
                onChange={() => choice.choose(new Set(all ? [] : keys.map((key) => key.id)))}
              />
            </th>
          )}
          <th scope="col">{columns.name}</th>
          <th scope="col" className={css.owner}>
            {columns.owner}
          </th>
          <th scope="col">{columns.environment}</th>
          <th scope="col">{columns.permissions}</th>
          <th scope="col" className={css.wide}>
            {columns.limits}
          </th>
          <th scope="col">{columns.lastUsed}</th>
          <th scope="col" className={css.wide}>
            {columns.calls}
          </th>
          <th scope="col">{columns.status}</th>
          <th scope="col">
            <span className="hidden">{columns.actions}</span>
          </th>
        </tr>
      </thead>
      <Room height={drawn.above} />
      {Array.from({ length: Math.min(drawn.to, chunks) - drawn.from }, (_, n) => (drawn.from + n) * chunk).map((start) => (
        <Chunk
          key={start}
          keys={keys.slice(start, start + chunk)}
          start={start}
          catalogue={catalogue}
          act={act}
          chosen={choice?.chosen}
          toggle={toggle}
        />
      ))}
      <Room height={drawn.below} />
    </table>
  );
}

/** How many rows are drawn, or not, together, about how tall one is, and how far from what is seen they are drawn. */
const chunk = 5;
const rowHeight = 55;
const margin = 1000;

/** The longest list that is drawn whole. */
const shortList = 100;

/** The part of a long list that is drawn, in chunks, and how much room the rest takes. */
interface Window {
  from: number;
  to: number; // not included
  above: number;
  below: number;
}

/**
 * Finds which of so many chunks are near to what is seen. It goes there by one chunk a frame, so that
 * no frame is long, beginning with what is seen. How tall a chunk is, is known once it was drawn.
 * Libraries for this draw all that came into view in one frame: after a jump 50 rows, which take
 * several times as long as a frame may.
 */
function useWindow(table: RefObject<HTMLTableElement | null>, chunks: number, whole: boolean): Window {
  const [drawn, setDrawn] = useState<Window>({ from: 0, to: 20, above: 0, below: 0 });
  const committed = useRef(drawn);
  const asked = useRef(drawn);
  const next = useRef(() => {});
  useEffect(() => {
    committed.current = drawn;
    next.current();
  }, [drawn]);
  useEffect(() => {
    const main = table.current?.closest('main');
    if (whole || !main || !table.current) return undefined;
    const heights: number[] = [];
    const height = (i: number) => heights[i] ?? chunk * rowHeight;
    const total = (from: number, to: number) => {
      let all = 0;
      for (let i = from; i < to; i++) all += height(i);
      return all;
    };
    let frame = 0;
    const again = () => {
      frame ||= requestAnimationFrame(step);
    };
    function step() {
      frame = 0;
      // What was asked last is drawn first: two parts would be drawn in one frame. It calls again.
      if (!main || !table.current || asked.current !== committed.current) return;
      for (const body of table.current.tBodies) {
        const i = Number(body.dataset.chunk ?? -1);
        if (i >= 0 && body.rows.length === chunk) heights[i] = body.offsetHeight;
      }

      const top = main.getBoundingClientRect().top - table.current.getBoundingClientRect().top;
      const place = { from: 0, seen: 0, to: chunks };
      for (let i = 0, y = 0; i < chunks; i++) {
        const end = y + height(i);
        if (end < top - margin) place.from = i + 1;
        if (end < top) place.seen = i + 1;
        y = end;
        if (y > top + main.clientHeight + margin) {
          place.to = i + 1;
          break;
        }
      }

      const old = committed.current;
      let from = Math.max(old.from, place.from);
      let to = Math.min(old.to, place.to);
      if (from >= to) {
        from = Math.min(place.seen, chunks - 1);
        to = from + 1;
      } else if (to < place.to) to++;
      else if (from > place.from) from--;
      const now = { from, to, above: total(0, from), below: total(to, chunks) };
      if (JSON.stringify(now) === JSON.stringify(old)) return;
      asked.current = now;
      startTransition(() => setDrawn(now)); // it gives way to whatever the person does
    }

    next.current = again;
    again();
    main.addEventListener('scroll', again, { passive: true });
    addEventListener('resize', again);
    return () => {
      cancelAnimationFrame(frame);
      main.removeEventListener('scroll', again);
      removeEventListener('resize', again);
    };
  }, [table, chunks, whole]);

  return whole ? { from: 0, to: chunks, above: 0, below: 0 } : drawn;
}

/** As much room as rows take that are not drawn. */
function Room({ height }: { height: number }) {
  if (height === 0) return null;
  return (
    <tbody>
      <tr aria-hidden="true">
        <td colSpan={10} className={css.room} style={{ height }}>
          &nbsp;
        </td>
      </tr>
    </tbody>
  );
}

interface ChunkProps extends RowsProps {
  keys: Key[];
  start: number; // the place of the first in the list
  chosen: ReadonlySet<string> | undefined;
  toggle: (i: number, range: boolean) => void;
}

/** Whether a part of the list is as it was, though its array is another. */
const isSame = ({ keys, ...before }: ChunkProps, { keys: others, ...after }: ChunkProps) =>
  keys.length === others.length &&
  keys.every((key, i) => key === others[i]) &&
  (Object.keys(before) as (keyof typeof before)[]).every((name) => before[name] === after[name]);

const Chunk = memo(function Chunk({ keys, start, catalogue, act, chosen, toggle }: ChunkProps) {
  return (
    <tbody data-chunk={start / chunk}>
      {keys.map((key, i) => (
        <Row key={key.id} of={key} catalogue={catalogue} act={act} chosen={chosen?.has(key.id)} index={start + i} toggle={toggle} />
      ))}
    </tbody>
  );
}, isSame);

const Row = memo(function Row({
  of: key,
  catalogue,
  act,
  chosen,
  index,
  toggle,
}: RowsProps & { of: Key; chosen: boolean | undefined; index: number; toggle: (i: number, range: boolean) => void }) {
  const off = key.status !== 'active';
  const [first, ...rest] = limitsOf(key);
  return (
    <tr data-off={off || undefined} data-chosen={chosen || undefined}>
      {chosen !== undefined && (
        <td className={css.check}>
          <Checkbox
            aria-label={m.bulk.choose(key.name)}
            checked={chosen}
            onChange={(e) => toggle(index, (e.nativeEvent as MouseEvent).shiftKey)}
          />
        </td>
      )}
      <td>
        <span className={css.keyName}>
          <Blade id={key.id} tone={off ? undefined : key.environment} />
          <span>
            <Link data-row-link className={`${css.title} name`} to="/$org/keys/$keyId" params={{ org: key.organizationId, keyId: key.id }}>
              {key.name}
            </Link>
            <Sub of={key} />
          </span>
        </span>
      </td>
      <td className={`${css.owner} name`}>{actorName(key.owner)}</td>
      <td>
        <EnvironmentMark of={key.environment} />
      </td>
      <td className="line">
        <PermissionTags of={key} catalogue={catalogue} />
      </td>
      <td className={`${css.wide} numbers`}>
        {first === undefined ? <span className="dim">{m.keys.noLimit}</span> : <span className="line">{first}</span>}
        {rest.map((limit) => (
          <div key={limit} className="tiny dim line">
            {limit}
          </div>
        ))}
      </td>
      <td className="line">
        <LastUsed of={key} />
      </td>
      <td className={css.wide}>
        <Calls of={key} />
      </td>
      <td>
        <StatusPill of={key} />
        <StatusNote of={key} />
      </td>
      <td>
        <RowMenu of={key} act={act} />
      </td>
    </tr>
  );
});

function Sub({ of: key }: { of: Key }) {
  return (
    <span className={css.sub}>
      <span className="mono" dir="ltr">
        …{key.hint.slice(-4)}
      </span>
      <span className={css.ownership}>
        · {key.legacy ? m.keys.legacy : key.ownership === 'personal' ? m.keys.personalKey(actorName(key.owner)) : m.keys.organizationKey}
      </span>
    </span>
  );
}

function LastUsed({ of: key }: { of: Key }) {
  if (!key.lastUsed) return <span className="dim">{m.keys.never}</span>;
  const { at, sourceIp, userAgent } = key.lastUsed;
  return <Time at={at} more={m.key.from(sourceIp, userAgent)} />;
}

function Calls({ of: key, width }: { of: Key; width?: number }) {
  const total = sum(key.usage ?? []);
  return (
    <span className={css.calls}>
      <Spark days={key.usage ?? []} {...(width ? { width, height: 20 } : {})} />
      <span className="numbers tiny quiet">
        <span aria-hidden="true">{compact(total)}</span>
        <span className="hidden">{m.keys.callsADay(total)}</span>
      </span>
    </span>
  );
}

function RowMenu({ of: key, act }: { of: Key; act: (action: Action) => void }) {
  return (
    <Menu position="bottom-end" width={220}>
      <Menu.Target>
        <ActionIcon variant="subtle" size={28} aria-label={m.keys.actionsFor(key.name)}>
          <IconDots size={18} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item component={Link} to="/$org/keys/$keyId" params={{ org: key.organizationId, keyId: key.id } as never}>
          {m.key.open}
        </Menu.Item>
        <KeyMenuItems of={key} act={act} />
      </Menu.Dropdown>
    </Menu>
  );
}

const Card = memo(function Card({ of: key, catalogue, act }: RowsProps & { of: Key }) {
  const limits = limitsOf(key);
  return (
    <li className={`card ${css.keyCard}`}>
      <div className="row">
        <Blade id={key.id} tone={key.status === 'active' ? key.environment : undefined} />
        <span className="space">
          <Link data-row-link className={`${css.title} name`} to="/$org/keys/$keyId" params={{ org: key.organizationId, keyId: key.id }}>
            {key.name}
          </Link>
          <span className="row wrap">
            <EnvironmentMark of={key.environment} boxed />
            <Sub of={key} />
          </span>
        </span>
        <StatusPill of={key} />
        <RowMenu of={key} act={act} />
      </div>
      <div className="row wrap">
        <PermissionTags of={key} catalogue={catalogue} />
        <span className="space" />
        <span className="tiny dim">{key.lastUsed ? m.keys.used(ago(key.lastUsed.at)) : m.keys.neverUsed}</span>
      </div>
      <div className="row wrap">
        <span className="tiny quiet numbers">{limits.length > 0 ? limits.join(', ') : m.keys.noLimit}</span>
        <span className="space" />
        <Calls of={key} width={90} />
      </div>
      <StatusNote of={key} />
    </li>
  );
});

function FilterBar({ filters, catalogue }: { filters: Filters; catalogue: Map<string, Permission> }) {
  const navigate = useNavigate();
  const { org } = useParams({ from: '/signed-in/$org/keys' });
  const set = (change: Partial<Record<keyof Filters, string | undefined>>) =>
    void navigate({ to: '/$org/keys', params: { org }, search: filtersOf({ ...filters, ...change }) });

  return (
    <>
      <div className={css.filters} role="search" aria-label={m.keys.filters}>
        <nav className={uiCss.segments} aria-label={m.keys.environment}>
          {([undefined, 'production', 'staging', 'development'] as (Environment | undefined)[]).map((e) => (
            <Link
              key={e ?? ''}
              to="/$org/keys"
              params={{ org }}
              search={filtersOf({ ...filters, environment: e })}
              activeOptions={{ exact: true, includeSearch: false }}
              activeProps={{ 'aria-current': filters.environment === e ? 'true' : undefined }}
              data-on={filters.environment === e || undefined}
            >
              {e && <EnvironmentShape of={e} />}
              {e ? environments[e] : m.keys.allEnvironments}
            </Link>
          ))}
        </nav>
        <span className="space" />
        <Search value={filters.q ?? ''} onChange={(q) => set({ q })} />
        <Choice
          on
          icon={<IconFilter size={15} stroke={2} aria-hidden />}
          label={`${m.keys.status}: ${m.keys.statuses[filters.status ?? 'active']}`}
          values={m.keys.statuses}
          value={filters.status ?? 'active'}
          onChange={(status) => set({ status })}
        />
        <Choice
          on={filters.permission !== undefined}
          label={filters.permission ? titleOf(catalogue, filters.permission) : m.keys.permission}
          values={{ '': m.keys.allEnvironments, ...Object.fromEntries([...catalogue.values()].map((p) => [p.name, p.title || p.name])) }}
          value={filters.permission ?? ''}
          onChange={(permission) => set({ permission })}
        />
        <MoreFilters filters={filters} set={set} />
      </div>
      <ActiveFilters filters={filters} catalogue={catalogue} set={set} />
    </>
  );
}

function Search({ value, onChange }: { value: string; onChange: (text: string) => void }) {
  const [text, setText] = useState(value);
  const field = useRef<HTMLInputElement>(null);
  const later = useDebouncedCallback(onChange, 250);
  useEffect(() => {
    if (document.activeElement !== field.current) setText(value); // the address changed, not who types
  }, [value]);
  useEffect(() => {
    const focus = (e: KeyboardEvent) => {
      if (e.key === '/' && singleKeysOn() && !typing(e.target) && !e.ctrlKey && !e.metaKey && !e.altKey) {
        e.preventDefault();
        field.current?.focus();
      }
    };
    document.addEventListener('keydown', focus);
    return () => document.removeEventListener('keydown', focus);
  }, []);

  return (
    <TextInput
      className={`${css.search} ${uiCss.field}`}
      ref={field}
      type="search"
      aria-label={m.keys.search}
      placeholder={m.keys.search}
      leftSection={<IconSearch size={15} stroke={2} />}
      rightSection={text === '' && singleKeysOn() && <kbd aria-hidden="true">/</kbd>}
      maxLength={100}
      value={text}
      onChange={(e) => {
        setText(e.currentTarget.value);
        later(e.currentTarget.value.trim());
      }}
    />
  );
}

function MoreFilters({ filters, set }: { filters: Filters; set: (change: Partial<Record<keyof Filters, string | undefined>>) => void }) {
  const { org } = useParams({ from: '/signed-in/$org/keys' });
  const [opened, setOpened] = useState(false);
  const { data: customers } = useQuery({ ...customersQuery(org), enabled: opened });
  const setTag = useDebouncedCallback((tag: string) => set({ tag }), 250);
  const options = (values: Record<string, string>) => Object.entries(values).map(([value, label]) => ({ value: value || '-', label }));
  const select = (name: keyof Filters, label: string, values: Record<string, string>) => (
    <Select
      label={label}
      data={options(values)}
      value={filters[name] ?? '-'}
      allowDeselect={false}
      comboboxProps={{ withinPortal: false }}
      onChange={(value) => set({ [name]: value === '-' ? undefined : (value ?? undefined) })}
      mb={10}
    />
  );

  const on = (['ownership', 'customer', 'tag', 'unusedSince', 'owner'] as const).some((name) => filters[name] !== undefined);
  return (
    <Popover opened={opened} onChange={setOpened} position="bottom-end" width={260} trapFocus>
      <Popover.Target>
        <button type="button" className={uiCss.chip} data-on={on || undefined} onClick={() => setOpened((o) => !o)}>
          {m.keys.more}
          <IconChevronDown size={15} stroke={2} aria-hidden />
        </button>
      </Popover.Target>
      <Popover.Dropdown>
        {select('ownership', m.keys.ownership, { '': m.keys.anyOwnership, ...m.keys.ownerships })}
        {select('customer', m.keys.customer, {
          '': m.keys.anyCustomer,
          ...Object.fromEntries((customers?.items ?? []).map((c) => [c.id, c.name])),
        })}
        {select('unusedSince', m.keys.unusedSince, m.keys.unused)}
        {select('sort', m.keys.sort, { '': m.keys.sorts['-createdAt'] ?? '', createdAt: m.keys.sorts.createdAt ?? '' })}
        <TextInput label={m.keys.tag} defaultValue={filters.tag ?? ''} maxLength={50} onChange={(e) => setTag(e.currentTarget.value)} />
      </Popover.Dropdown>
    </Popover>
  );
}

/** A filter as it is said. */
function said(name: keyof Filters, filters: Filters, catalogue: Map<string, Permission>): string {
  const value = filters[name] ?? '';
  const word: Partial<Record<keyof Filters, string | undefined>> = {
    status: m.keys.statuses[value],
    environment: environments[value as Environment],
    ownership: m.keys.ownerships[value],
    permission: titleOf(catalogue, value),
    unusedSince: own(m.keys.unused, value),
  };
  return m.keys.filterIs[name]?.(word[name] ?? value) ?? value;
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

function ActiveFilters({
  filters,
  catalogue,
  set,
}: {
  filters: Filters;
  catalogue: Map<string, Permission>;
  set: (change: Partial<Record<keyof Filters, string | undefined>>) => void;
}) {
  const names = narrowing(filters).filter((name) => name !== 'environment' && name !== 'status');
  if (names.length === 0) return null;
  return (
    <div className={css.active}>
      {names.map((name) => {
        const text = said(name, filters, catalogue);
        return (
          <button
            key={name}
            type="button"
            className={uiCss.chip}
            data-on
            aria-label={m.keys.remove(text)}
            onClick={() => set({ [name]: undefined })}
          >
            <span className="name">{capital(text)}</span>
            <IconX size={14} aria-hidden />
          </button>
        );
      })}
    </div>
  );
}

function Nothing({
  filters,
  catalogue,
  mayCreate,
  mayImport,
}: {
  filters: Filters;
  catalogue: Map<string, Permission>;
  mayCreate: boolean;
  mayImport: boolean;
}) {
  const { org } = useParams({ from: '/signed-in/$org/keys' });
  const names = narrowing(filters);
  if (names.length === 0) {
    return (
      <State
        icon={<IconKey size={22} />}
        title={m.keys.emptyTitle}
        actions={
          <>
            {mayCreate && <CreateLink filters={filters} />}
            {mayImport && <ImportLink />}
            <Button variant="default" component={Link} to="/$org/keys" params={{ org } as never} search={{ status: 'all' } as never}>
              {m.keys.includeAll}
            </Button>
          </>
        }
      >
        {mayCreate ? m.keys.emptyBody : m.keys.emptyViewer}
      </State>
    );
  }

  const filtersSaid = (filters.status === undefined ? (['status', ...names] as (keyof Filters)[]) : names).map((name) =>
    said(name, { status: 'active', ...filters }, catalogue),
  );
  return (
    <State
      icon={<IconFilterOff size={22} />}
      tone="mute"
      title={m.keys.noMatch}
      actions={
        <>
          <Button variant="default" component={Link} to="/$org/keys" params={{ org } as never} search={{} as never}>
            {m.keys.clearFilters}
          </Button>
          {filters.status !== 'all' && (
            <Button
              variant="subtle"
              data-link
              component={Link}
              to="/$org/keys"
              params={{ org } as never}
              search={{ ...filters, status: 'all' } as never}
            >
              {m.keys.includeAll}
            </Button>
          )}
        </>
      }
    >
      <span className="name">{capital(filtersSaid.join(', '))}.</span>
    </State>
  );
}
