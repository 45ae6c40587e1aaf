import { ActionIcon, Button, Drawer, Menu, Tooltip, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import {
  IconBook,
  IconBriefcase,
  IconBuilding,
  IconBuildingStore,
  IconBulb,
  IconChartBar,
  IconChevronDown,
  IconChevronRight,
  IconEyeOff,
  IconFileText,
  IconHistory,
  IconKey,
  IconListCheck,
  IconLogout,
  IconMenu2,
  IconMoon,
  IconPlus,
  IconSearch,
  IconSettings,
  IconSun,
  IconUserOff,
  IconUsers,
} from '@tabler/icons-react';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, Outlet, useLocation, useNavigate, useParams } from '@tanstack/react-router';
import { type ReactNode, lazy, Suspense, useRef, useState } from 'react';
import type { Membership } from '../api/client';
import { adviceQuery, keyQuery, meQuery } from '../api/queries';
import { apiAddress, base } from '../base';
import { number } from '../format';
import type { Action } from '../keys/actions';
import { m, roles } from '../messages';
import { session } from '../session';
import { Logo } from '../ui/marks';
import { State } from '../ui/states';
import { useTitle } from '../ui/useTitle';
import css from './shell.module.css';
import { useShortcuts } from './shortcuts';

const KeyAction = lazy(() => import('../keys/KeyAction'));
const Palette = lazy(() => import('./Palette'));
const Help = lazy(() => import('./Help'));

/** What one is in the organization of the address. */
export function useMembership(): Membership {
  const { org } = useParams({ strict: false });
  const { data: me } = useQuery(meQuery);
  const found = me?.organizations.find((o) => o.id === org);
  if (!found) throw new Error('no membership');
  return found;
}

/** The frame of all that is of one organization. */
export function Shell() {
  const { org } = useParams({ strict: false });
  const { data: me } = useQuery(meQuery);
  const [opened, menu] = useDisclosure(false);
  const content = useRef<HTMLElement>(null);

  const [action, setAction] = useState<Action>();
  const membership = me?.organizations.find((o) => o.id === org);
  const { palette, help, setPalette, setHelp } = useShortcuts(membership);
  return (
    <div className={css.shell}>
      <a className={css.skip} href="#content" onClick={(e) => (e.preventDefault(), content.current?.focus())}>
        {m.nav.skip}
      </a>
      <Navigation membership={membership} />
      <Drawer
        opened={opened}
        onClose={menu.close}
        size={260}
        padding={0}
        title={<span className="hidden">{m.nav.main}</span>}
        closeButtonProps={{ 'aria-label': m.close }}
      >
        <Navigation membership={membership} leave={menu.close} />
      </Drawer>
      <div className={css.main}>
        <header className={css.top}>
          <ActionIcon className={css.menu} variant="subtle" size={34} aria-label={m.nav.menu} onClick={menu.open}>
            <IconMenu2 size={18} />
          </ActionIcon>
          <Crumbs />
          <span className="space" />
          {membership && (
            <button type="button" className={css.find} onClick={() => setPalette(true)}>
              <IconSearch size={16} stroke={2} aria-hidden />
              <span>{m.palette.open}</span>
              <kbd aria-hidden="true">⌘ K</kbd>
            </button>
          )}
          <ThemeSwitch />
        </header>
        <main className={css.content} id="content" ref={content} tabIndex={-1}>
          {membership ? <Outlet /> : <NothingHere title={m.failure.noOrganization}>{m.failure.noOrganizationBody}</NothingHere>}
        </main>
      </div>
      <Suspense>
        {palette && membership && <Palette membership={membership} act={setAction} onClose={() => setPalette(false)} />}
        {help && <Help onClose={() => setHelp(false)} />}
        {action && <KeyAction action={action} onClose={() => setAction(undefined)} />}
      </Suspense>
    </div>
  );
}

function Navigation({ membership, leave }: { membership: Membership | undefined; leave?: () => void }) {
  return (
    <nav className={css.navigation} aria-label={m.nav.main}>
      <div className={css.brand}>
        <Logo /> <span className={css.words}>{m.product}</span>
      </div>
      <OrganizationSwitcher current={membership} leave={leave} />
      {membership && <Places of={membership} leave={leave} />}
      <Account membership={membership} />
    </nav>
  );
}

/** The pages of an organization, those that are for who is signed in. */
function Places({ of: membership, leave }: { of: Membership; leave: (() => void) | undefined }) {
  const may = membership.operations;
  const { data: advice } = useInfiniteQuery({ ...adviceQuery(membership.id), enabled: may.includes('listAdvice') });
  const items = advice?.pages.flatMap((p) => p.items).length ?? 0;
  const place = (name: (typeof places)[number]) => {
    const Icon = icons[name];
    return (
      <Link
        key={name}
        to={`/$org/${name}` as '/$org/usage'}
        params={{ org: membership.id }}
        search={{}}
        activeOptions={{ includeSearch: false }}
        onClick={leave}
      >
        <Icon size={18} stroke={1.75} aria-hidden />
        <span className={css.words}>{m.nav[name]}</span>
        {name === 'advice' && items > 0 && (
          <span className={`${css.words} ${css.count}`}>
            {number(items)}
            {advice?.pages.at(-1)?.nextCursor && '+'}
          </span>
        )}
      </Link>
    );
  };
  return (
    <>
      {(['keys', 'usage', 'advice'] as const).map(place)}
      <h2 className={`${css.group} ${css.words}`}>{m.nav.organization}</h2>
      {(['members', 'customers', 'permissions', 'jobs'] as const).map(place)}
      {may.includes('listHistory') && place('history')}
      {place('settings')}
    </>
  );
}

const places = ['keys', 'usage', 'advice', 'members', 'customers', 'permissions', 'jobs', 'history', 'settings'] as const;

const icons = {
  keys: IconKey,
  usage: IconChartBar,
  advice: IconBulb,
  members: IconUsers,
  customers: IconBuildingStore,
  permissions: IconListCheck,
  jobs: IconBriefcase,
  history: IconHistory,
  settings: IconSettings,
};

function OrganizationSwitcher({ current, leave }: { current: Membership | undefined; leave: (() => void) | undefined }) {
  const { data: me } = useQuery(meQuery);
  const navigate = useNavigate();
  const name = current?.name ?? m.nav.organization;
  const choose = (org: string) => {
    leave?.();
    void navigate({ to: '/$org/keys', params: { org } });
  };
  return (
    <Menu position="bottom-start" width={240}>
      <Menu.Target>
        <button type="button" className={css.organization}>
          <span className={css.mark} aria-hidden="true">
            {current ? initialOf(current.name) : <IconBuilding size={15} />}
          </span>
          <span className={css.words}>
            <span className="hidden">{m.nav.switchOrganization}: </span>
            <span className="strong small name">{name}</span>
            {current && <br />}
            {current && <span className="tiny dim name">{current.id}</span>}
          </span>
          <IconChevronDown size={15} className={css.words} aria-hidden />
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.RadioGroup value={current?.id ?? null} onChange={choose}>
          {me?.organizations.map((o) => (
            <Menu.RadioItem key={o.id} value={o.id} closeMenuOnClick>
              <span className="name">{o.name}</span>
            </Menu.RadioItem>
          ))}
        </Menu.RadioGroup>
        <Menu.Divider />
        <Menu.Item component={Link} to="/organizations/new" leftSection={<IconPlus size={15} />} onClick={leave}>
          {m.nav.newOrganization}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

/** The operation that a page is made of, by its last segment, with the group that the reference has it in. */
const operations: Record<string, string> = {
  keys: 'keys/listKeys',
  new: 'keys/createKey',
  import: 'keys/importKeys',
  usage: 'usage/getUsage',
  advice: 'usage/listAdvice',
  requests: 'usage/keyRequests',
  explain: 'usage/explainKey',
  members: 'organizations/listMembers',
  customers: 'organizations/listCustomers',
  permissions: 'organizations/getPermissions',
  jobs: 'keys/listJobs',
  history: 'organizations/listHistory',
  settings: 'organizations/updateOrganization',
};

function Account({ membership }: { membership: Membership | undefined }) {
  const { data: me } = useQuery(meQuery);
  const last = useLocation({ select: (l) => l.pathname }).split('/').at(-1) ?? '';
  const reference = `${apiAddress}/v1/docs#/${operations[last] ?? 'keys/getKey'}`;
  if (!me) return null;
  const name = me.name || me.email;
  return (
    <Menu position="top-start" width={260}>
      <Menu.Target>
        <button type="button" className={css.account}>
          <span className={css.avatar} aria-hidden="true">
            {name.slice(0, 2).toUpperCase()}
          </span>
          <span className={css.words}>
            <span className="hidden">{m.nav.account}: </span>
            <span className="strong small name">{name}</span>
            <br />
            <span className="tiny dim">{membership ? (roles[membership.role] ?? membership.role) : me.email}</span>
          </span>
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          <span className="name">{me.email}</span>
        </Menu.Label>
        <Menu.Item component="a" href={reference} target="_blank" rel="noreferrer" leftSection={<IconBook size={16} />}>
          {m.nav.reference}
        </Menu.Item>
        <Menu.Item component="a" href={`${base}assets/licenses.md`} target="_blank" rel="noreferrer" leftSection={<IconFileText size={16} />}>
          {m.nav.licences}
        </Menu.Item>
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => void session()?.signOut()}>
          {m.nav.signOut}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

const initialOf = (name: string) => [...name][0]?.toUpperCase() ?? '';

/** Where one is: a page of the organization, and within it a key, a job or a request. */
function Crumbs() {
  const { org, keyId, job, requestId } = useParams({ strict: false });
  const { data: key } = useQuery({ ...keyQuery(org ?? '', keyId ?? ''), enabled: Boolean(org && keyId) });
  const parts = useLocation({ select: (l) => l.pathname }).split('/');
  const place = places.find((p) => p === parts[parts.indexOf(org ?? '') + 1]);
  const within = keyId ? (key?.name ?? keyId) : (job ?? requestId ?? (parts.at(-1) === 'import' ? m.import.title : undefined));
  const name = place ? m.nav[place] : requestId ? m.requests.title : m.keys.title;
  return (
    <nav aria-label={m.nav.breadcrumb}>
      <ol className={css.crumbs}>
        {within && place ? (
          <>
            <li>
              <Link to={`/$org/${place}` as '/$org/jobs'} params={{ org: org ?? '' }} search={{}} activeOptions={{ exact: true }}>
                {name}
              </Link>
              <IconChevronRight size={15} aria-hidden />
            </li>
            <li aria-current="page" className="name">
              {within}
            </li>
          </>
        ) : (
          <li aria-current="page">{name}</li>
        )}
      </ol>
    </nav>
  );
}

function ThemeSwitch() {
  const { setColorScheme } = useMantineColorScheme();
  const shown = useComputedColorScheme('light');
  return (
    <Tooltip label={m.nav.theme}>
      <ActionIcon
        variant="subtle"
        size={34}
        aria-label={m.nav.theme}
        onClick={() => setColorScheme(shown === 'dark' ? 'light' : 'dark')}
      >
        {shown === 'dark' ? <IconSun size={18} stroke={1.75} /> : <IconMoon size={18} stroke={1.75} />}
      </ActionIcon>
    </Tooltip>
  );
}

function NothingHere({ title, children }: { title: string; children: ReactNode }) {
  useTitle(title);
  return (
    <State
      icon={<IconEyeOff size={22} />}
      tone="mute"
      title={title}
      actions={
        <Button variant="default" component={Link} to="/">
          {m.key.back}
        </Button>
      }
    >
      {children}
    </State>
  );
}

export function NoOrganization() {
  const { data: me } = useQuery(meQuery);
  useTitle(m.noOrganization.title);
  return (
    <main className={css.alone}>
      <div className="card">
        <State
          icon={<IconUserOff size={22} />}
          tone="mute"
          title={m.noOrganization.title}
          actions={
            <>
              <Button component={Link} to="/organizations/new">
                {m.newOrganization.submit}
              </Button>
              <Button variant="default" onClick={() => void session()?.signOut()}>
                {m.nav.signOut}
              </Button>
            </>
          }
        >
          {m.noOrganization.body(me?.email ?? '')}
        </State>
      </div>
    </main>
  );
}

export function NotFound() {
  return (
    <main className={css.alone}>
      <div className="card">
        <NothingHere title={m.failure.notFound}>{m.failure.notFoundBody}</NothingHere>
      </div>
    </main>
  );
}
