import { Button } from '@mantine/core';
import { IconArrowsExchange, IconCheck, IconX } from '@tabler/icons-react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { type ReactNode, useMemo, useState } from 'react';
import { api, Failure, ifMatch, type Key, type Permission, read } from '../api/client';
import { catalogueQuery, keyQuery, keysChanged, usageQuery, operation, organizationQuery, queryClient } from '../api/queries';
import { environments, m } from '../messages';
import { useMembership } from '../shell/Shell';
import { notify } from '../ui/notify';
import { Banner, Failed } from '../ui/states';
import { useReturnFocus } from '../ui/useReturnFocus';
import { shownOf } from '../ui/value';
import { changeOf, type Draft, draftOf, same } from './draft';
import css from './form.module.css';
import { KeyForm } from './KeyForm';
import { byName, routesOf, sum, titleOf } from './parts';

/** Changes a key, in a drawer over its page. */
export function EditKey() {
  return <Edit only={undefined} />;
}

/** Changes what a key opens, in a drawer over its page. */
export function EditPermissions() {
  return <Edit only="permissions" />;
}

function Edit({ only }: { only: 'permissions' | undefined }) {
  const { org, keyId } = useParams({ from: '/signed-in/$org/keys/$keyId' });
  useReturnFocus();
  const key = useQuery(keyQuery(org, keyId));
  const catalogue = useQuery(catalogueQuery);
  if (key.isError) return <Failed error={key.error} retry={() => void key.refetch()} />;
  if (!key.data || !catalogue.data) return null;
  return operation(key.data, 'updateKey') && !key.data.deletedAt ? <Editor of={key.data} only={only} /> : null;
}

/** How long a permission may be unused before it can be spared. */
const period = 90 * 24 * 3600_000;

/** What a key was seen to use of what it holds; undefined while that is not known. */
function useUsed(key: Key, enabled: boolean): string[] | undefined {
  const from = useMemo(() => new Date(Date.now() - period).toISOString(), []);
  const { data } = useQuery({ ...usageQuery(key.organizationId, key.id, { from, by: 'permission' }), enabled });
  if (!data) return undefined;
  const used = new Set(data.series.flatMap((point) => Object.entries(point.values).flatMap(([name, n]) => (n > 0 ? [name] : []))));
  return key.permissions.filter((name) => used.has(name));
}

function Editor({ of: current, only }: { of: Key; only: 'permissions' | undefined }) {
  const org = current.organizationId;
  const navigate = useNavigate();
  const membership = useMembership();
  const catalogue = useQuery(catalogueQuery);
  const organization = useQuery(organizationQuery(org));
  // What the editing began from: the page behind may read the key anew meanwhile.
  const [before, setBefore] = useState(current);
  const { add, remove, part } = editSearchOf(useSearch({ strict: false }));
  const [draft, setDraft] = useState(() => {
    const now = draftOf(current);
    if (remove !== undefined) return { ...now, permissions: now.permissions.filter((name) => name !== remove) };
    const offered = add !== undefined && !now.allPermissions && !now.permissions.includes(add) && membership.mayGrant.includes(add);
    return offered ? { ...now, permissions: [...now.permissions, add] } : now;
  });
  const used = useUsed(before, only !== undefined);
  const [theirs, setTheirs] = useState<Key>();

  const change = changeOf(draft, before);
  const changes = Object.keys(change).length > 0;
  const close = () => void navigate({ to: '/$org/keys/$keyId', params: { org, keyId: current.id }, replace: true, ignoreBlocker: true });

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
      title={only ? m.permissions.edit : m.form.editTitle(before.name)}
      {...(only ? { only, about: `${before.name} · ${environments[before.environment]}`, summary: m.permissions.summary(...countsOf(before, draft)) } : {})}
      used={used}
      part={part}
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
      submit={only ? m.permissions.save : m.form.save}
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

/** What a link may ask of an editor: a permission to add or to take away, a part to open. */
function editSearchOf(search: Record<string, unknown>): { add?: string; remove?: string; part?: string } {
  const text = (name: string) => (typeof search[name] === 'string' ? { [name]: search[name].slice(0, 100) } : {});
  return { ...text('add'), ...text('remove'), ...text('part') };
}

/** How many permissions a draft adds and takes away. */
function countsOf(before: Key, draft: Draft): [added: number, removed: number] {
  const added = draft.permissions.filter((p) => !before.permissions.includes(p)).length;
  return [added, before.permissions.filter((p) => !draft.permissions.includes(p)).length];
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

/** What a change of permissions opens, and which calls of the last days it would refuse. */
function PermissionChanges({ before, draft, catalogue }: { before: Key; draft: Draft; catalogue: Map<string, Permission> }) {
  const added = draft.permissions.filter((p) => !before.permissions.includes(p));
  const removed = before.allPermissions ? [] : before.permissions.filter((p) => !draft.permissions.includes(p));
  const from = useMemo(() => new Date(Date.now() - 7 * 24 * 3600_000).toISOString(), []);
  const usage = useQuery({
    ...usageQuery(before.organizationId, before.id, { from, by: 'permission' }),
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
