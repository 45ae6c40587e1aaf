import { Button, Menu, Popover, Select, TextInput, ActionIcon } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconChevronDown, IconDots, IconFilter, IconFilterOff, IconKey, IconPlus, IconSearch, IconX } from '@tabler/icons-react';
import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, Outlet, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { lazy, type ReactNode, Suspense, useEffect, useRef, useState } from 'react';
import type { Key, Permission } from '../api/client';
import { catalogueQuery, customersQuery, keysQuery } from '../api/queries';
import type { Environment } from '../config';
import { ago, compact } from '../format';
import { environments, m } from '../messages';
import { useMembership } from '../shell/Shell';
import { Blade, EnvironmentMark, EnvironmentShape, Spark, StatusNote, StatusPill } from '../ui/marks';
import { Failed, State } from '../ui/states';
import { Time } from '../ui/Time';
import uiCss from '../ui/ui.module.css';
import { useTitle } from '../ui/useTitle';
import { type Filters, filtersOf, narrowing } from './filters';
import { KeyMenuItems } from './KeyMenu';
import css from './keys.module.css';
import { actorName, byName, limitsOf, PermissionTags, sum, titleOf } from './parts';
import type { Action } from './actions';

const KeyAction = lazy(() => import('./KeyAction'));

/** The list of an organization's keys. */
export function KeysPage() {
  const { org } = useParams({ from: '/signed-in/$org/keys' });
  const filters = filtersOf(useSearch({ strict: false }));
  const membership = useMembership();
  const keys = useInfiniteQuery({ ...keysQuery(org, filters), placeholderData: keepPreviousData });
  const { data: permissions } = useQuery(catalogueQuery);
  const catalogue = byName(permissions?.permissions ?? []);
  const [action, setAction] = useState<Action>();
  useTitle(m.keys.title);

  const mayCreate = membership.mayCreate.organization || membership.mayCreate.personal;
  const shown = keys.data?.pages.flatMap((p) => p.items) ?? [];
  return (
    <>
      <div className={css.head}>
        <div>
          <h1>{m.keys.title}</h1>
          <p className="quiet small">{m.keys.about}</p>
        </div>
        <span className="space" />
        {mayCreate && <CreateLink filters={filters} />}
      </div>
      <FilterBar filters={filters} catalogue={catalogue} />
      {keys.isPending ? (
        <Skeleton />
      ) : keys.isError && shown.length === 0 ? (
        <div className="card">
          <Failed error={keys.error} retry={() => void keys.refetch()} />
        </div>
      ) : shown.length === 0 && !keys.hasNextPage ? (
        <div className="card">
          <Nothing filters={filters} catalogue={catalogue} mayCreate={mayCreate} />
        </div>
      ) : (
        <>
          <div className={`card ${css.table}`} aria-busy={keys.isPlaceholderData}>
            <Table keys={shown} catalogue={catalogue} act={setAction} />
            <Foot keys={keys} shown={shown.length} oldest={filters.sort === 'createdAt'} />
          </div>
          <ul className={css.cards}>
            {shown.map((key) => (
              <Card key={key.id} of={key} catalogue={catalogue} act={setAction} />
            ))}
            <li>
              <Foot keys={keys} shown={shown.length} oldest={filters.sort === 'createdAt'} />
            </li>
          </ul>
        </>
      )}
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


function Foot({
  keys,
  shown,
  oldest,
}: {
  keys: { hasNextPage: boolean; isFetchingNextPage: boolean; isFetchNextPageError: boolean; error: unknown; fetchNextPage: () => unknown };
  shown: number;
  oldest: boolean;
}) {
  return (
    <>
      {keys.isFetchNextPageError && <Failed error={keys.error} />}
      <div className={css.foot}>
        <span role="status">{m.keys.shown(shown, oldest)}</span>
        <span className="space" />
        {keys.hasNextPage && (
          <Button variant="default" size="xs" loading={keys.isFetchingNextPage} onClick={() => keys.fetchNextPage()}>
            {m.keys.loadMore}
          </Button>
        )}
      </div>
    </>
  );
}

interface RowsProps {
  catalogue: Map<string, Permission>;
  act: (action: Action) => void;
}

function Table({ keys, catalogue, act }: RowsProps & { keys: Key[] }) {
  const columns = m.keys.columns;
  return (
    <table>
      <caption className="hidden">{m.keys.title}</caption>
      <thead>
        <tr>
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
      <tbody>
        {keys.map((key) => (
          <Row key={key.id} of={key} catalogue={catalogue} act={act} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ of: key, catalogue, act }: RowsProps & { of: Key }) {
  const off = key.status !== 'active';
  const [first, ...rest] = limitsOf(key);
  return (
    <tr data-off={off || undefined}>
      <td>
        <span className={css.keyName}>
          <Blade id={key.id} tone={off ? undefined : key.environment} />
          <span>
            <Link className={`${css.title} name`} to="/$org/keys/$keyId" params={{ org: key.organizationId, keyId: key.id }}>
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
      <td>
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
}

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

function Card({ of: key, catalogue, act }: RowsProps & { of: Key }) {
  const limits = limitsOf(key);
  return (
    <li className={`card ${css.keyCard}`}>
      <div className="row">
        <Blade id={key.id} tone={key.status === 'active' ? key.environment : undefined} />
        <span className="space">
          <Link className={`${css.title} name`} to="/$org/keys/$keyId" params={{ org: key.organizationId, keyId: key.id }}>
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
}

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
      const typing = (e.target as HTMLElement).closest('input, textarea, select, [contenteditable], [role=dialog], [role=menu]');
      if (e.key === '/' && !typing && !e.ctrlKey && !e.metaKey && !e.altKey) {
        e.preventDefault();
        field.current?.focus();
      }
    };
    document.addEventListener('keydown', focus);
    return () => document.removeEventListener('keydown', focus);
  }, []);

  return (
    <TextInput
      className={css.search}
      ref={field}
      type="search"
      aria-label={m.keys.search}
      placeholder={m.keys.search}
      leftSection={<IconSearch size={15} stroke={2} />}
      maxLength={100}
      value={text}
      onChange={(e) => {
        setText(e.currentTarget.value);
        later(e.currentTarget.value.trim());
      }}
    />
  );
}

function Choice({
  on,
  icon,
  label,
  values,
  value,
  onChange,
}: {
  on: boolean;
  icon?: ReactNode;
  label: string;
  values: Record<string, string>;
  value: string;
  onChange: (value: string) => void;
}) {
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <button type="button" className={css.chip} data-on={on || undefined}>
          {icon}
          {label}
          <IconChevronDown size={15} stroke={2} aria-hidden />
        </button>
      </Menu.Target>
      <Menu.Dropdown mah={340}>
        <Menu.RadioGroup value={value} onChange={onChange}>
          {Object.entries(values).map(([name, text]) => (
            <Menu.RadioItem key={name} value={name} closeMenuOnClick>
              {text}
            </Menu.RadioItem>
          ))}
        </Menu.RadioGroup>
      </Menu.Dropdown>
    </Menu>
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
        <button type="button" className={css.chip} data-on={on || undefined} onClick={() => setOpened((o) => !o)}>
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
    unusedSince: m.keys.unused[value],
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
            className={css.chip}
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

function Nothing({ filters, catalogue, mayCreate }: { filters: Filters; catalogue: Map<string, Permission>; mayCreate: boolean }) {
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

function Skeleton() {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 150);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div className={`card ${css.skeleton}`} aria-busy="true" aria-label={m.keys.loading} role="status">
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
