import { Button } from '@mantine/core';
import { IconArrowsExchange, IconCheck, IconX } from '@tabler/icons-react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useNavigate, useParams } from '@tanstack/react-router';
import { type ReactNode, useMemo, useState } from 'react';
import { api, Failure, ifMatch, type Key, type Permission, read } from '../api/client';
import { catalogueQuery, keyQuery, keysChanged, keyUsageQuery, operation, organizationQuery, queryClient } from '../api/queries';
import { number } from '../format';
import { m } from '../messages';
import { useMembership } from '../shell/Shell';
import { notify } from '../ui/notify';
import { Banner, Failed } from '../ui/states';
import { changeOf, type Draft, draftOf, same } from './draft';
import css from './form.module.css';
import { KeyForm } from './KeyForm';
import { byName, routesOf, sum, titleOf } from './parts';

/** Changes a key, in a drawer over its page. */
export function EditKey() {
  const { org, keyId } = useParams({ from: '/signed-in/$org/keys/$keyId/edit' });
  const key = useQuery(keyQuery(org, keyId));
  if (key.isError) return <Failed error={key.error} retry={() => void key.refetch()} />;
  return key.data && operation(key.data, 'updateKey') && !key.data.deletedAt ? <Editor of={key.data} /> : null;
}

function Editor({ of: current }: { of: Key }) {
  const org = current.organizationId;
  const navigate = useNavigate();
  const membership = useMembership();
  const catalogue = useQuery(catalogueQuery);
  const organization = useQuery(organizationQuery(org));
  // What the editing began from: the page behind may read the key anew meanwhile.
  const [before, setBefore] = useState(current);
  const [draft, setDraft] = useState(() => draftOf(current));
  const [theirs, setTheirs] = useState<Key>();

  const change = changeOf(draft, before);
  const changes = Object.keys(change).length > 0;
  const close = () => void navigate({ to: '/$org/keys/$keyId', params: { org, keyId: current.id }, replace: true });

  const save = useMutation({
    mutationFn: (base: Key) =>
      read(
        api.PATCH('/v1/organizations/{org}/keys/{keyId}', {
          params: { path: { org, keyId: base.id }, header: { 'If-Match': ifMatch(base.version) } },
          body: change,
        }),
      ),
    onSuccess: async (saved) => {
      notify(m.form.saved(saved.name));
      close();
      await keysChanged(org);
    },
    onError: async (error) => {
      if (!(error instanceof Failure && error.is('stale'))) return;
      setTheirs(await queryClient.fetchQuery({ ...keyQuery(org, before.id), staleTime: 0 }));
    },
  });

  const permissions = catalogue.data?.permissions ?? [];
  const defaults = organization.data?.settings.defaultPermissions ?? permissions.filter((p) => p.default).map((p) => p.name);
  const discard = (now: Key) => {
    setBefore(now);
    setDraft(draftOf(now));
    setTheirs(undefined);
    save.reset();
  };

  return (
    <KeyForm
      title={m.form.editTitle(before.name)}
      isNew={false}
      draft={draft}
      onChange={setDraft}
      dirty={changes}
      membership={membership}
      catalogue={permissions}
      defaults={defaults}
      held={before.permissions}
      error={theirs ? undefined : save.error}
      busy={save.isPending}
      submit={m.form.save}
      canSubmit={changes && !theirs}
      onSubmit={() => save.mutate(before)}
      onClose={close}
      changes={
        <>
          {theirs && (
            <Stale before={before} now={theirs}>
              <Button
                size="xs"
                onClick={() => {
                  // What they changed stays, unless it was changed here too.
                  setBefore(theirs);
                  setDraft({ ...draftOf(theirs), ...picked(draft, Object.keys(change)) });
                  setTheirs(undefined);
                  save.mutate(theirs);
                }}
              >
                {m.form.applyMine}
              </Button>
              <Button size="xs" variant="default" onClick={() => discard(theirs)}>
                {m.form.discardMine}
              </Button>
            </Stale>
          )}
          <PermissionChanges before={before} draft={draft} catalogue={byName(permissions)} />
        </>
      }
    />
  );
}

const picked = (draft: Draft, names: string[]) =>
  Object.fromEntries(Object.entries(draft).filter(([name]) => names.includes(name))) as Partial<Draft>;

/** What somebody else changed of the key meanwhile. */
function Stale({ before, now, children }: { before: Key; now: Key; children: ReactNode }) {
  const was: Record<string, unknown> = { ...draftOf(before) };
  const is: Record<string, unknown> = { ...draftOf(now) };
  const changed = Object.keys(is).filter((name) => !same(was[name], is[name]));
  return (
    <div role="alert">
      <Banner tone="warn" icon={<IconArrowsExchange size={18} />}>
        <b>{m.form.stale}</b>
        <div className="small">{m.form.staleBody}</div>
        <ul className={css.diff}>
          {changed.flatMap((name) => [
            <li key={`${name}-was`} data-change="removed">
              <IconX size={15} aria-hidden />
              <span className="name">{shownOf(was[name])}</span>
              <span className="space" />
              {m.form.was}
            </li>,
            <li key={`${name}-is`} data-change="added">
              <IconCheck size={15} aria-hidden />
              <span className="name">{shownOf(is[name])}</span>
              <span className="space" />
              {m.form.is}
            </li>,
          ])}
        </ul>
        <span className="row wrap">{children}</span>
      </Banner>
    </div>
  );
}

function shownOf(value: unknown): string {
  if (value === undefined || value === '' || (Array.isArray(value) && value.length === 0)) return m.form.none;
  if (Array.isArray(value)) return value.map(shownOf).join(', ');
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value)
      .filter(([name]) => name !== 'name')
      .map(([, v]) => shownOf(v))
      .join(' / ');
  }
  return typeof value === 'number' ? number(value) : String(value);
}

/** What a change of permissions opens, and which calls of the last days it would refuse. */
function PermissionChanges({ before, draft, catalogue }: { before: Key; draft: Draft; catalogue: Map<string, Permission> }) {
  const added = draft.permissions.filter((p) => !before.permissions.includes(p));
  const removed = before.allPermissions ? [] : before.permissions.filter((p) => !draft.permissions.includes(p));
  const from = useMemo(() => new Date(Date.now() - 7 * 24 * 3600_000).toISOString(), []);
  const usage = useQuery({
    ...keyUsageQuery(before.organizationId, before.id, { from, by: 'permission' }),
    enabled: removed.length > 0,
  });
  if (draft.allPermissions || added.length + removed.length === 0) return null;

  const left = new Set(routesOf(draft.permissions, false, catalogue));
  const loses = (name: string) => {
    if (!usage.data) return m.permissions.notKnown;
    const calls = sum(usage.data.series.map((point) => point.values[name] ?? 0));
    if (calls === 0) return m.permissions.noCalls;
    return m.permissions.wouldFail(calls, !routesOf([name], false, catalogue).some((route) => left.has(route)));
  };
  return (
    <section aria-label={m.form.changes}>
      <span className="label">{m.form.changes}</span>
      <ul className={css.diff} aria-live="polite">
        {added.map((name) => (
          <li key={name} data-change="added">
            <IconCheck size={15} aria-hidden />
            <b>{titleOf(catalogue, name)}</b> <span className="mono tiny">{name}</span>
            <span className="space" />
            {m.permissions.opens(routesOf([name], false, catalogue).length)}
          </li>
        ))}
        {removed.map((name) => (
          <li key={name} data-change="removed">
            <IconX size={15} aria-hidden />
            <b>{titleOf(catalogue, name)}</b> <span className="mono tiny">{name}</span>
            <span className="space" />
            {loses(name)}
          </li>
        ))}
      </ul>
    </section>
  );
}
