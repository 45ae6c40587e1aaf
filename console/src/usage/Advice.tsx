import { Button } from '@mantine/core';
import { IconCheck, IconX } from '@tabler/icons-react';
import { useInfiniteQuery, useMutation, useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { lazy, Suspense, useState } from 'react';
import { api, ifMatch, type Key, read, type Schemas } from '../api/client';
import { adviceQuery, catalogueQuery, keyAdviceQuery, keyQuery, keysChanged, operation, queryClient } from '../api/queries';
import { fullDate, localized, number } from '../format';
import type { Action } from '../keys/actions';
import formCss from '../keys/form.module.css';
import { byName, titleOf } from '../keys/parts';
import { m } from '../messages';
import { Dialog, DialogTitle } from '../ui/Dialog';
import { Tag } from '../ui/marks';
import { notify } from '../ui/notify';
import { Foot, itemsOf, Loading, PageHead, Table } from '../ui/page';
import { Failed, FailureBanner, State } from '../ui/states';
import { Time } from '../ui/Time';
import { shownOf } from '../ui/value';
import dialogCss from '../keys/dialogs.module.css';
import css from './usage.module.css';

const KeyAction = lazy(() => import('../keys/KeyAction'));

type Item = Schemas['AdviceItem'];

const nothing = (
  <State icon={<IconCheck size={22} />} tone="mute" title={m.advice.none}>
    {m.advice.noneBody}
  </State>
);

/** What might be narrowed of a key. */
export function KeyAdvice() {
  const { org, keyId } = useParams({ from: '/signed-in/$org/keys/$keyId/advice' });
  const advice = useQuery(keyAdviceQuery(org, keyId));
  if (advice.isPending) return <Loading />;
  if (advice.isError && !advice.data) {
    return (
      <div className="card">
        <Failed error={advice.error} retry={() => void advice.refetch()} />
      </div>
    );
  }
  if (advice.data.items.length === 0) return <div className="card">{nothing}</div>;
  return (
    <>
      <Items of={advice.data.items} org={org} withKey={false} />
      <p className="tiny dim">{m.advice.since(fullDate(advice.data.observedSince))}</p>
    </>
  );
}

/** What might be narrowed of an organization's keys. */
export function OrganizationAdvice() {
  const { org } = useParams({ from: '/signed-in/$org/advice' });
  const pages = useInfiniteQuery(adviceQuery(org));
  const items = itemsOf(pages);
  return (
    <>
      <PageHead title={m.advice.title} about={m.advice.about} />
      {pages.isPending ? (
        <Loading />
      ) : pages.isError && items.length === 0 ? (
        <div className="card">
          <Failed error={pages.error} retry={() => void pages.refetch()} />
        </div>
      ) : items.length === 0 && !pages.hasNextPage ? (
        <div className="card">{nothing}</div>
      ) : (
        <>
          <Items of={items} org={org} withKey />
          <Foot of={pages} shown={m.shown(items.length)} />
        </>
      )}
    </>
  );
}

function Items({ of: items, org, withKey }: { of: Item[]; org: string; withKey: boolean }) {
  const [applying, setApplying] = useState<Item>();
  const [action, setAction] = useState<Action>();
  return (
    <>
      <div className={css.advice}>
        {items.map((item) => (
          <AdviceCard key={`${item.keyId} ${item.code} ${item.evidence.permission ?? ''}`} of={item} org={org} withKey={withKey} apply={setApplying} act={setAction} />
        ))}
      </div>
      {applying && <Apply of={applying} org={org} onClose={() => setApplying(undefined)} />}
      <Suspense>{action && <KeyAction action={action} onClose={() => setAction(undefined)} />}</Suspense>
    </>
  );
}

function AdviceCard({
  of: item,
  org,
  withKey,
  apply,
  act,
}: {
  of: Item;
  org: string;
  withKey: boolean;
  apply: (item: Item) => void;
  act: (action: Action) => void;
}) {
  const { data: key } = useQuery(keyQuery(org, item.keyId));
  const params = { org, keyId: item.keyId };
  const may = key && operation(key, item.change.method === 'POST' ? 'rotateKey' : 'updateKey');
  return (
    <section className={`card ${css.item}`} aria-label={m.advice.codes[item.code] ?? item.code}>
      <div>
        <h2>
          {withKey && (
            <Link className="name" to="/$org/keys/$keyId" params={params}>
              {item.keyName}
            </Link>
          )}
          <span>{m.advice.codes[item.code] ?? item.code}</span>
          <Tag {...(item.severity === 'high' ? { tone: 'warn' as const } : {})}>{m.advice.severities[item.severity]}</Tag>
        </h2>
        <p className="small quiet name">{localized(item.detail)}</p>
        {item.evidence.lastUsedAt && (
          <p className="tiny dim">
            {m.key.lastUsed}: <Time at={item.evidence.lastUsedAt} />
          </p>
        )}
      </div>
      <div>
        {item.change.method === 'GET' && (
          <Button variant="default" size="xs" component={Link} to="/$org/keys/$keyId/requests" params={params as never}>
            {m.advice.look}
          </Button>
        )}
        {item.change.method === 'PATCH' && may && !may.refusal && (
          <Button variant="default" size="xs" onClick={() => apply(item)}>
            {m.advice.apply}
          </Button>
        )}
        {item.change.method === 'POST' && may && !may.refusal && key && (
          <Button variant="default" size="xs" onClick={() => act({ kind: 'rotate', key })}>
            {m.key.rotate}
          </Button>
        )}
      </div>
    </section>
  );
}

/** What a change makes of a key: the fields that it sets, as they were and as they will be. */
function Diff({ of: item, before }: { of: Item; before: Key }) {
  const { data: catalogue } = useQuery(catalogueQuery);
  const names = byName(catalogue?.permissions ?? []);
  const said = (field: string, value: unknown) =>
    field === 'permissions' && Array.isArray(value) && value.length > 0
      ? value.map((name) => titleOf(names, String(name))).join(', ')
      : shownOf(value);
  // A time from now is what the key's end will be.
  const fields = Object.entries((item.change.body ?? {}) as Record<string, unknown>).map(([field, after]) =>
    field === 'expiresIn' ? (['expiresAt', m.key.in(String(after))] as const) : ([field, after] as const),
  );
  return (
    <ul className={formCss.diff}>
      {fields.flatMap(([field, after]) => [
        <li key={`${field} was`} data-change="removed">
          <IconX size={15} aria-hidden />
          <b>{m.history.fields[field] ?? field}</b>
          <span className="name">{said(field, before[field as keyof Key])}</span>
          <span className="space" />
          {m.form.was}
        </li>,
        <li key={`${field} will`} data-change="added">
          <IconCheck size={15} aria-hidden />
          <b>{m.history.fields[field] ?? field}</b>
          <span className="name">{said(field, after)}</span>
          <span className="space" />
          {m.advice.willBe}
        </li>,
      ])}
    </ul>
  );
}

/** Shows what a piece of advice changes, and what that would have refused, then does it. */
function Apply({ of: item, org, onClose }: { of: Item; org: string; onClose: () => void }) {
  const { data: key } = useQuery({ ...keyQuery(org, item.keyId), staleTime: 0 });
  const apply = useMutation({
    mutationFn: (before: Key) =>
      read(
        api.PATCH('/v1/organizations/{org}/keys/{keyId}', {
          params: { path: { org, keyId: item.keyId }, header: { 'If-Match': ifMatch(before.version) } },
          body: item.change.body as Schemas['UpdateKeyRequest'],
        }),
      ),
    onSuccess: async (saved) => {
      notify(m.form.saved(saved.name));
      onClose();
      await keysChanged(org);
      await queryClient.invalidateQueries({ queryKey: [org, 'advice'] });
    },
    onError: () => keysChanged(org),
  });
  const preview = item.preview;
  return (
    <Dialog size={600} onClose={apply.isPending ? () => {} : onClose}>
      <DialogTitle className={`${dialogCss.title} name`}>{m.advice.applyTitle(item.keyName)}</DialogTitle>
      <p className="small quiet name">{localized(item.detail)}</p>
      <div className={dialogCss.body}>
        {key && <Diff of={item} before={key} />}
        {preview && (
          <div>
            <p className="small">
              <b>{m.advice.preview(preview.refused, preview.recorded, fullDate(preview.since))}</b>{' '}
              {preview.sampleRequests < 1 && m.advice.sampled(preview.sampleRequests)}
            </p>
            {preview.byRoute.length > 0 && (
              <Table
                caption={m.requests.route}
                rows={preview.byRoute}
                keyOf={(r) => r.route}
                columns={[
                  { name: m.requests.route, cell: (r) => <span className="mono name">{r.route}</span> },
                  { name: m.advice.recorded, numeric: true, cell: (r) => number(r.calls) },
                  { name: m.advice.refused, numeric: true, cell: (r) => number(r.refused) },
                ]}
              />
            )}
          </div>
        )}
        <FailureBanner error={apply.error} />
      </div>
      <div className={dialogCss.buttons}>
        <span className="space" />
        <Button variant="default" onClick={onClose} disabled={apply.isPending} data-autofocus>
          {m.cancel}
        </Button>
        <Button loading={apply.isPending} disabled={!key} onClick={() => key && apply.mutate(key)}>
          {m.advice.confirm}
        </Button>
      </div>
    </Dialog>
  );
}
