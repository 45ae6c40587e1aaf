import { ActionIcon, Button, Menu, Tooltip } from '@mantine/core';
import { IconBan, IconDots, IconEyeOff, IconPencil, IconRefresh, IconRestore } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, Outlet, useLocation, useParams } from '@tanstack/react-router';
import { lazy, type ReactNode, Suspense, useState } from 'react';
import { Failure, type Key } from '../api/client';
import { keyAdviceQuery, keyQuery, operation } from '../api/queries';
import { m } from '../messages';
import { Blade, EnvironmentMark, StatusNote, StatusPill } from '../ui/marks';
import { countOf } from '../ui/page';
import { CopyButton, Failed, State } from '../ui/states';
import { useTitle } from '../ui/useTitle';
import { type Action, ActContext } from './actions';
import { KeyMenuItems } from './KeyMenu';
import css from './keys.module.css';

const KeyAction = lazy(() => import('./KeyAction'));

/** What a key is, does and may be made to do. */
export function KeyPage() {
  const { org, keyId } = useParams({ from: '/signed-in/$org/keys/$keyId' });
  const { data: key, error, refetch } = useQuery(keyQuery(org, keyId));
  const [action, setAction] = useState<Action>();
  useTitle(key?.name ?? m.keys.title);

  if (!key) {
    return (
      <div className="card">
        {error instanceof Failure && error.is('not_found') ? (
          <State
            icon={<IconEyeOff size={22} />}
            tone="mute"
            title={m.key.missing}
            actions={
              <Button variant="default" component={Link} to="/$org/keys" params={{ org } as never}>
                {m.key.back}
              </Button>
            }
          >
            {m.key.missingBody}
          </State>
        ) : (
          error && <Failed error={error} retry={() => void refetch()} />
        )}
      </div>
    );
  }

  return (
    <>
      <Head of={key} act={setAction} />
      <Tabs of={key} />
      <ActContext value={setAction}>
        <Outlet />
      </ActContext>
      <Suspense>{action && <KeyAction action={action} onClose={() => setAction(undefined)} />}</Suspense>
    </>
  );
}

/** The screens about a key. */
function Tabs({ of: key }: { of: Key }) {
  const { data: advice } = useQuery({ ...keyAdviceQuery(key.organizationId, key.id), enabled: key.status === 'active' });
  const params = { org: key.organizationId, keyId: key.id };
  const pathname = useLocation({ select: (l) => l.pathname });
  const last = pathname.replace(/\/$/, '').split('/').at(-1) ?? '';
  const here = last in m.key.tabs && last !== 'overview' ? last : 'overview';
  const tabs = Object.entries(m.key.tabs).filter(([name]) => name !== 'advice' || !key.deletedAt);
  return (
    <nav className={css.tabs} aria-label={m.key.tabsLabel}>
      {tabs.map(([name, label]) => (
        <Link
          key={name}
          to={name === 'overview' ? '/$org/keys/$keyId' : (`/$org/keys/$keyId/${name}` as '/$org/keys/$keyId/usage')}
          params={params}
          activeProps={{}}
          data-on={name === here || undefined}
          ref={name === here ? seen : undefined}
          aria-current={name === here ? 'page' : undefined}
        >
          {label}
          {name === 'advice' && advice && advice.items.length > 0 && countOf(advice.items.length)}
        </Link>
      ))}
    </nav>
  );
}

/** Brings the tab that is open into view, where they are wider than the window. */
function seen(tab: HTMLElement | null) {
  const tabs = tab?.parentElement;
  if (tab && tabs) tabs.scrollLeft = tab.offsetLeft - (tabs.clientWidth - tab.offsetWidth) / 2;
}

function Head({ of: key, act }: { of: Key; act: (action: Action) => void }) {
  const rotate = operation(key, 'rotateKey');
  const revoke = operation(key, 'revokeKey');
  const restore = operation(key, 'restoreKey');
  return (
    <div className={css.keyHead}>
      <Blade id={key.id} tone={key.status === 'active' ? key.environment : undefined} large />
      <div>
        <div className="row wrap">
          <h1 className="name">{key.name}</h1>
          <StatusPill of={key} />
          <EnvironmentMark of={key.environment} boxed />
          <StatusNote of={key} />
        </div>
        <div className="row wrap small quiet">
          <span className="mono" dir="ltr">
            {key.hint}
          </span>
          <CopyButton text={key.id} label={m.key.copyId} />
          <span>· {key.ownership === 'personal' ? m.key.personalKey : m.key.organizationKey}</span>
        </div>
      </div>
      {!key.deletedAt && (
        <div className={`row ${css.keyActions}`}>
          {operation(key, 'updateKey') && (
            <Button
              variant="default"
              component={Link}
              to="/$org/keys/$keyId/edit"
              params={{ org: key.organizationId, keyId: key.id } as never}
              leftSection={<IconPencil size={15} stroke={2} aria-hidden />}
            >
              {m.key.edit}
            </Button>
          )}
          {rotate && !key.revocation && (
            <Main icon={<IconRefresh size={15} stroke={2} />} refusal={rotate.refusal} onClick={() => act({ kind: 'rotate', key })}>
              {m.key.rotate.replace('…', '')}
            </Main>
          )}
          {revoke && !key.revocation && (
            <Main danger icon={<IconBan size={15} stroke={2} />} refusal={revoke.refusal} onClick={() => act({ kind: 'revoke', key })}>
              {m.key.revoke.replace('…', '')}
            </Main>
          )}
          {restore && key.revocation && (
            <Main icon={<IconRestore size={15} stroke={2} />} refusal={restore.refusal} onClick={() => act({ kind: 'restore', key })}>
              {m.key.restore.replace('…', '')}
            </Main>
          )}
          {(key.operations ?? []).length > 0 && (
            <Menu position="bottom-end" width={220}>
              <Menu.Target>
                <ActionIcon variant="default" size={36} aria-label={m.key.more}>
                  <IconDots size={18} />
                </ActionIcon>
              </Menu.Target>
              <Menu.Dropdown>
                <KeyMenuItems of={key} act={act} without={['edit', 'revoke', 'restore', 'rotate']} />
              </Menu.Dropdown>
            </Menu>
          )}
        </div>
      )}
    </div>
  );
}

/** A button that the key's state may refuse, and that then says why. */
function Main({
  icon,
  danger,
  refusal,
  onClick,
  children,
}: {
  icon: ReactNode;
  danger?: boolean;
  refusal: string | undefined;
  onClick: () => void;
  children: ReactNode;
}) {
  const button = (
    <Button
      variant="default"
      data-danger={danger || undefined}
      leftSection={icon}
      aria-disabled={refusal ? true : undefined}
      aria-description={refusal}
      onClick={() => !refusal && onClick()}
    >
      {children}
    </Button>
  );
  // Always within a tooltip: another element in its place would lose the focus.
  return (
    <Tooltip label={refusal ?? ''} disabled={!refusal}>
      {button}
    </Tooltip>
  );
}
