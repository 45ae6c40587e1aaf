import { ActionIcon, Button, Drawer, Menu, Tooltip, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import {
  IconBuilding,
  IconChevronDown,
  IconChevronRight,
  IconEyeOff,
  IconKey,
  IconLogout,
  IconMenu2,
  IconMoon,
  IconSun,
  IconUserOff,
} from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, Outlet, useNavigate, useParams } from '@tanstack/react-router';
import { useRef } from 'react';
import type { Membership } from '../api/client';
import { keyQuery, meQuery } from '../api/queries';
import { m, roles } from '../messages';
import { session } from '../session';
import { Logo } from '../ui/marks';
import { State } from '../ui/states';
import { useTitle } from '../ui/useTitle';
import css from './shell.module.css';

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

  const membership = me?.organizations.find((o) => o.id === org);
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
          <ThemeSwitch />
        </header>
        <main className={css.content} id="content" ref={content} tabIndex={-1}>
          {membership ? <Outlet /> : <NoSuchOrganization />}
        </main>
      </div>
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
      {membership && (
        <Link to="/$org/keys" params={{ org: membership.id }} search={{}} activeOptions={{ includeSearch: false }} onClick={leave}>
          <IconKey size={18} stroke={1.75} aria-hidden />
          <span className={css.words}>{m.nav.keys}</span>
        </Link>
      )}
      <Account membership={membership} />
    </nav>
  );
}

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
      </Menu.Dropdown>
    </Menu>
  );
}

function Account({ membership }: { membership: Membership | undefined }) {
  const { data: me } = useQuery(meQuery);
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
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => void session()?.signOut()}>
          {m.nav.signOut}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

const initialOf = (name: string) => [...name][0]?.toUpperCase() ?? '';

function Crumbs() {
  const { org, keyId } = useParams({ strict: false });
  const { data: key } = useQuery({ ...keyQuery(org ?? '', keyId ?? ''), enabled: Boolean(org && keyId) });
  return (
    <nav aria-label={m.nav.organization}>
      <ol className={css.crumbs}>
        {keyId ? (
          <>
            <li>
              <Link to="/$org/keys" params={{ org: org ?? '' }} activeOptions={{ exact: true }}>
                {m.keys.title}
              </Link>
              <IconChevronRight size={15} aria-hidden />
            </li>
            <li aria-current="page" className="name">
              {key?.name ?? keyId}
            </li>
          </>
        ) : (
          <li aria-current="page">{m.keys.title}</li>
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

function NoSuchOrganization() {
  useTitle(m.failure.noOrganization);
  return (
    <State
      icon={<IconEyeOff size={22} />}
      tone="mute"
      title={m.failure.noOrganization}
      actions={
        <Button variant="default" component={Link} to="/">
          {m.key.back}
        </Button>
      }
    >
      {m.failure.noOrganizationBody}
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
            <Button variant="default" onClick={() => void session()?.signOut()}>
              {m.nav.signOut}
            </Button>
          }
        >
          {m.noOrganization.body(me?.email ?? '')}
        </State>
      </div>
    </main>
  );
}

export function NotFound() {
  useTitle(m.failure.notFound);
  return (
    <main className={css.alone}>
      <div className="card">
        <State
          icon={<IconEyeOff size={22} />}
          tone="mute"
          title={m.failure.notFound}
          actions={
            <Button variant="default" component={Link} to="/">
              {m.key.back}
            </Button>
          }
        >
          {m.failure.notFoundBody}
        </State>
      </div>
    </main>
  );
}
