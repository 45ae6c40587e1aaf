import { Button, Checkbox, NativeSelect, TextInput } from '@mantine/core';
import { IconAlertTriangle, IconBan, IconCalendar, IconPlayerPause, IconPlayerPlay } from '@tabler/icons-react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { api, Failure, ifMatch, type Key, newIdempotencyKey, read, type Schemas } from '../api/client';
import { keysChanged } from '../api/queries';
import { useAttempt } from '../api/useAttempt';
import { config } from '../config';
import { number } from '../format';
import { m, when } from '../messages';
import { FormDialog } from '../ui/Form';
import { EnvironmentMark } from '../ui/marks';
import { notify } from '../ui/notify';
import { Meter } from '../ui/page';
import { Banner, FailureBanner } from '../ui/states';
import type { Filters } from './filters';
import css from './keys.module.css';

export type BulkAction = Schemas['BulkRequest']['action'];

/** What is done to: keys that were chosen one by one, or all that match a list's filters. */
export type Scope = { keys: Key[] } | { filters: Filters };

type Terms = Pick<Schemas['BulkRequest'], 'expiresIn' | 'reason' | 'compromised'>;

const icons = { revoke: IconBan, disable: IconPlayerPause, enable: IconPlayerPlay, extend: IconCalendar };

/** Asks before something is done to many keys: how many, and which. The number is typed to confirm it. */
export default function Bulk({ action, scope, org, onClose, onDone }: { action: BulkAction; scope: Scope; org: string; onClose: () => void; onDone: () => void }) {
  const [reason, setReason] = useState('');
  const [compromised, setCompromised] = useState(false);
  const [life, setLife] = useState('90d');
  const [typed, setTyped] = useState('');
  const [done, setDone] = useState(0);
  const [failed, setFailed] = useState<{ key: Key; error: Failure }[]>([]);
  const attempt = useAttempt();
  const navigate = useNavigate();
  const terms: Terms = action === 'extend' ? { expiresIn: life } : action === 'revoke' ? { reason: reason.trim(), compromised } : {};

  const matching = 'filters' in scope;
  const { sort: _, ...filter } = matching ? scope.filters : {};
  const preview = useQuery({
    queryKey: [org, 'bulk', action, filter, action === 'extend' ? life : ''],
    queryFn: ({ signal }) =>
      read(
        api.POST('/v1/organizations/{org}/keys/bulk', {
          params: { path: { org } },
          body: { action, filter, dryRun: true, ...(action === 'extend' ? terms : {}) },
          signal,
        }),
      ) as Promise<Schemas['BulkPreview']>,
    enabled: matching,
    staleTime: 0,
    gcTime: 0,
  });
  const count = matching ? preview.data?.matched : scope.keys.length;
  const sample = matching ? (preview.data?.sample ?? []) : scope.keys;

  const run = useMutation({
    mutationFn: () =>
      attempt(async (once) => {
        if (!matching) return each(org, scope.keys, action, terms, setDone);
        return read(
          api.POST('/v1/organizations/{org}/keys/bulk', {
            params: { path: { org }, header: { 'Idempotency-Key': once } },
            body: { action, filter, dryRun: false, expected: count ?? 0, ...terms },
          }),
        ) as Promise<Schemas['BulkStarted']>;
      }),
    onSuccess: async (answer) => {
      if ('job' in answer) {
        onDone();
        await navigate({ to: '/$org/jobs/$job', params: { org, job: answer.job.id } });
        return;
      }
      await keysChanged(org);
      setFailed(answer.failed);
      if (answer.failed.length === 0) {
        notify(m.bulk.done(action, answer.changed));
        onDone();
      }
    },
    onError: (error) => {
      if (error instanceof Failure && error.is('conflict')) {
        setTyped('');
        void preview.refetch();
      }
    },
  });

  const Icon = icons[action];
  const danger = action === 'revoke' || action === 'disable';
  return (
    <FormDialog
      alert
      danger={danger}
      icon={<Icon size={22} />}
      title={count === undefined ? m.bulk.counting : m.bulk.title(action, count)}
      about={m.bulk.about(action, when[config().profile])}
      error={preview.error ?? run.error}
      submit={m.bulk.confirm[action]}
      blocked={count === undefined || count === 0 || typed.trim() !== String(count) || failed.length > 0}
      busy={run.isPending}
      onSubmit={() => run.mutate()}
      onClose={failed.length > 0 ? onDone : onClose}
    >
      {action === 'extend' && (
        <NativeSelect
          label={m.bulk.life}
          value={life}
          data={Object.entries(m.bulk.lives).map(([value, label]) => ({ value, label }))}
          onChange={(e) => setLife(e.currentTarget.value)}
        />
      )}
      {sample.length > 0 && (
        <div>
          <span className="label">{m.bulk.sample(Math.min(sample.length, 8), count ?? 0)}</span>
          <ul className={css.sample}>
            {sample.slice(0, 8).map((key) => (
              <li key={key.id}>
                <span className="name">{key.name}</span>
                <EnvironmentMark of={key.environment} />
              </li>
            ))}
          </ul>
        </div>
      )}
      {action === 'revoke' && (
        <>
          <TextInput
            label={
              <>
                {m.revoke.reason} <span className="dim">{m.revoke.reasonAbout}</span>
              </>
            }
            maxLength={500}
            value={reason}
            onChange={(e) => setReason(e.currentTarget.value)}
          />
          <Checkbox
            label={<b>{m.bulk.compromised}</b>}
            description={m.revoke.compromisedAbout}
            checked={compromised}
            onChange={(e) => setCompromised(e.currentTarget.checked)}
          />
        </>
      )}
      {run.error instanceof Failure && run.error.is('conflict') && (
        <Banner tone="warn" icon={<IconAlertTriangle size={18} />}>
          {m.bulk.another}
        </Banner>
      )}
      {count !== undefined && count > 0 && failed.length === 0 && (
        <TextInput label={m.bulk.type(number(count))} inputMode="numeric" autoComplete="off" value={typed} onChange={(e) => setTyped(e.currentTarget.value)} />
      )}
      {run.isPending && !matching && <Meter of={done / scope.keys.length} label={m.jobs.progress} />}
      {failed.length > 0 && (
        <div role="alert">
          <p className="strong small">{m.bulk.failed(failed.length)}</p>
          {failed.slice(0, 5).map(({ key, error }) => (
            <div key={key.id} className="small">
              <span className="name strong">{key.name}</span>
              <FailureBanner error={error} />
            </div>
          ))}
        </div>
      )}
    </FormDialog>
  );
}

/** Does something to keys one after the other, as if each was done on its own. */
async function each(org: string, keys: Key[], action: BulkAction, terms: Terms, progress: (done: number) => void) {
  const failed: { key: Key; error: Failure }[] = [];
  for (const [i, key] of keys.entries()) {
    const path = { org, keyId: key.id };
    try {
      // eslint-disable-next-line no-await-in-loop -- one after the other: the API would refuse a burst
      await (action === 'revoke'
        ? read(
            api.POST('/v1/organizations/{org}/keys/{keyId}/revoke', {
              params: { path, header: { 'Idempotency-Key': newIdempotencyKey() } },
              body: { reason: terms.reason ?? '', compromised: terms.compromised ?? false },
            }),
          )
        : read(
            api.PATCH('/v1/organizations/{org}/keys/{keyId}', {
              params: { path, header: action === 'disable' ? {} : { 'If-Match': ifMatch(key.version) } },
              body: action === 'extend' ? { expiresIn: terms.expiresIn ?? null } : { enabled: action === 'enable' },
            }),
          ));
    } catch (error) {
      failed.push({ key, error: error instanceof Failure ? error : new Failure({ title: m.failure.title }) });
    }
    progress(i + 1);
  }
  return { changed: keys.length - failed.length, failed };
}

/** What can be done to the keys that are chosen in a list. */
export function BulkBar({
  chosen,
  act,
  matchAll,
  clear,
}: {
  chosen: number | 'all';
  act: (action: BulkAction) => void;
  matchAll: () => void;
  clear: () => void;
}) {
  return (
    <div className={css.bulk} role="region" aria-label={m.bulk.label}>
      <b role="status">{chosen === 'all' ? m.bulk.allMatching : m.bulk.chosen(chosen)}</b>
      {chosen !== 'all' && (
        <Button variant="subtle" size="xs" className={css.bulkAll} onClick={matchAll}>
          {m.bulk.all}
        </Button>
      )}
      <span className={css.separator} aria-hidden="true" />
      {(['enable', 'disable', 'extend', 'revoke'] as const).map((action) => (
        <Button key={action} variant="subtle" size="xs" onClick={() => act(action)}>
          {m.bulk.actions[action]}
        </Button>
      ))}
      <Button variant="subtle" size="xs" aria-label={m.bulk.clear} onClick={clear}>
        ✕
      </Button>
    </div>
  );
}
