import { Button, Checkbox, NativeSelect, NumberInput, TextInput } from '@mantine/core';
import { IconActivity, IconBan, IconInfoCircle, IconKey, IconKeyOff, IconRestore, IconTrash } from '@tabler/icons-react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { api, Failure, ifMatch, type Key, type KeySecret, read } from '../api/client';
import { keysChanged, usageQuery, operation, rotationQuery } from '../api/queries';
import { useAttempt } from '../api/useAttempt';
import { config } from '../config';
import { ago, date, fullDate, moment, timeOf } from '../format';
import { m, when } from '../messages';
import { Cards } from '../ui/Cards';
import { Dialog, DialogTitle } from '../ui/Dialog';
import { FormDialog } from '../ui/Form';
import { notify } from '../ui/notify';
import { Segments } from '../ui/page';
import { Banner, FailureBanner } from '../ui/states';
import { useReturnFocus } from '../ui/useReturnFocus';
import type { Action } from './actions';
import css from './dialogs.module.css';
import formCss from './form.module.css';
import { stragglersOf } from './Rotation';
import rotationCss from './rotation.module.css';
import { LostSecret, SecretDialog } from './SecretDialog';

/** Asks before what stops calls, and says what stops, when and for whom. Then does it. */
export default function KeyAction({ action, onClose }: { action: Action; onClose: () => void }) {
  useReturnFocus();
  switch (action.kind) {
    case 'regenerate':
      return <Regenerate of={action.key} onClose={onClose} />;
    case 'rotate':
      return <Rotate of={action.key} onClose={onClose} />;
    case 'finish':
      return <Finish of={action.key} onClose={onClose} />;
    case 'revoke':
      return <Revoke of={action.key} onClose={onClose} />;
    case 'restore':
      return <Restore of={action.key} onClose={onClose} />;
    case 'delete':
      return <Delete of={action.key} onClose={onClose} />;
  }
}

interface Props {
  of: Key;
  onClose: () => void;
}

/** The calls of the last hour, before anything is clicked. */
function InUse({ of: key }: { of: Key }) {
  const from = useMemo(() => new Date(Date.now() - 3600_000).toISOString(), []);
  const usage = useQuery({ ...usageQuery(key.organizationId, key.id, { from, granularity: 'hour' }), staleTime: 0 });

  if (usage.isError) return <Banner icon={<IconInfoCircle size={18} />}>{m.use.unknown}</Banner>;
  if (!usage.data) return <Banner icon={<IconInfoCircle size={18} />}>{m.use.reading}</Banner>;
  const calls = usage.data.totals.allowed + usage.data.totals.denied;
  const last = key.lastUsed ? ago(key.lastUsed.at) : undefined;
  if (calls > 0) {
    const [strong, rest] = m.use.busy(calls, last ?? ago(new Date().toISOString()));
    return (
      <Banner tone="warn" icon={<IconActivity size={18} />}>
        <b>{strong}</b>
        {rest}
      </Banner>
    );
  }
  return <Banner icon={<IconInfoCircle size={18} />}>{last ? m.use.recent(last) : m.use.never}</Banner>;
}

/** A change of a key, from the version that was looked at. What is seen anew where it was refused. */
function useChange<T>(key: Key, change: (once: string) => Promise<T>, done: (answer: T) => void) {
  const attempt = useAttempt();
  return useMutation({
    mutationFn: () => attempt(change),
    gcTime: 0,
    onSuccess: async (answer) => {
      done(answer);
      await keysChanged(key.organizationId);
    },
    onError: async (error) => {
      if (error instanceof Failure && error.refused) await keysChanged(key.organizationId);
    },
  });
}

const path = (key: Key) => ({ org: key.organizationId, keyId: key.id });

function Regenerate({ of: key, onClose }: Props) {
  const [answer, setAnswer] = useState<KeySecret>();
  const change = useChange(
    key,
    (once) =>
      read(
        api.POST('/v1/organizations/{org}/keys/{keyId}/regenerate', {
          params: { path: path(key), header: { 'Idempotency-Key': once, 'If-Match': ifMatch(key.version) } },
        }),
      ),
    setAnswer,
  );
  const close = () => {
    setAnswer(undefined);
    change.reset();
    onClose();
  };

  if (answer) {
    return answer.secret ? (
      <SecretDialog of={answer.key} secret={answer.secret} onClose={close} />
    ) : (
      <LostSecret regenerated onClose={close} />
    );
  }
  return (
    <FormDialog
      alert
      danger
      icon={<IconKey size={22} />}
      title={m.regenerate.title(key.name)}
      about={m.regenerate.body(when[config().profile])}
      error={change.error}
      submit={m.regenerate.confirm}
      cancel={m.regenerate.cancel}
      busy={change.isPending}
      onSubmit={() => change.mutate()}
      onClose={onClose}
    >
      {key.revocation ? <Banner tone="info" icon={<IconInfoCircle size={18} />}>{m.regenerate.revoked}</Banner> : <InUse of={key} />}
    </FormDialog>
  );
}

const hour = 3600_000;
const overlaps = { '1h': hour, '24h': 24 * hour, '7d': 7 * 24 * hour, '30d': 30 * 24 * hour };

/** How long an overlap lasts that is given as a number of a unit, in milliseconds. */
const lengthOf = (overlap: string) => Number.parseInt(overlap, 10) * (overlap.endsWith('d') ? 24 * hour : hour);

function Rotate({ of: first, onClose }: Props) {
  const [answer, setAnswer] = useState<KeySecret>();
  const [regenerate, setRegenerate] = useState(false);
  const [choice, setChoice] = useState<keyof typeof overlaps | 'other'>('24h');
  const [other, setOther] = useState<{ n: string | number; unit: string }>({ n: 2, unit: 'd' });
  const [startsAt, setStartsAt] = useState<'now' | 'first_use'>('now');
  const [key] = useState(first); // what the question is about, whatever is read meanwhile
  const [opened] = useState(() => Date.now());
  const overlap = choice === 'other' ? `${other.n}${other.unit}` : choice;
  const change = useChange(
    key,
    (once) =>
      read(
        api.POST('/v1/organizations/{org}/keys/{keyId}/rotate', {
          params: { path: path(key), header: { 'Idempotency-Key': once, 'If-Match': ifMatch(key.version) } },
          body: { overlap, startsAt, ...(startsAt === 'first_use' ? { longest: '30d' } : {}) },
        }),
      ),
    setAnswer,
  );
  const close = () => {
    setAnswer(undefined);
    change.reset();
    onClose();
  };

  if (regenerate) return <Regenerate of={key} onClose={onClose} />;
  if (answer) {
    return answer.secret ? (
      <SecretDialog of={answer.key} secret={answer.secret} onClose={close} />
    ) : (
      <LostSecret regenerated onClose={close} />
    );
  }

  // The old secret never outlives the key.
  const ends = (after: number) => {
    const at = opened + after;
    const end = key.expiresAt ? Date.parse(key.expiresAt) : Number.POSITIVE_INFINITY;
    return at < end ? { at: new Date(at).toISOString(), withKey: false } : { at: key.expiresAt ?? '', withKey: true };
  };
  const now = ends(lengthOf(overlap));
  const latest = ends(overlaps['30d']);
  const valid = Number(other.n) > 0 && lengthOf(overlap) <= overlaps['30d'];
  const errors = change.error instanceof Failure ? change.error.fields : undefined;
  return (
    <Dialog size={560} onClose={change.isPending ? () => {} : onClose}>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          if (!change.isPending && (choice !== 'other' || valid)) change.mutate();
        }}
      >
        <DialogTitle className={`${css.title} name`}>{m.rotate.title(key.name)}</DialogTitle>
        <p className="quiet">{m.rotate.body}</p>
        <div className={css.body}>
          <div>
            <span className="label">{m.rotate.overlap}</span>
            <Segments label={m.rotate.overlap} value={choice} values={m.rotate.overlaps} onChange={setChoice} />
            {choice === 'other' && (
              <div className={rotationCss.other}>
                <NumberInput
                  aria-label={m.rotate.otherNumber}
                  min={1}
                  max={720}
                  allowDecimal={false}
                  w={110}
                  value={other.n}
                  error={!valid || errors?.get('overlap') !== undefined}
                  onChange={(n) => setOther({ ...other, n })}
                />
                <NativeSelect
                  aria-label={m.rotate.otherUnit}
                  value={other.unit}
                  data={[
                    { value: 'h', label: m.rotate.hours },
                    { value: 'd', label: m.rotate.days },
                  ]}
                  onChange={(e) => setOther({ ...other, unit: e.currentTarget.value })}
                />
              </div>
            )}
          </div>
          <Cards
            legend={m.rotate.from}
            name="startsAt"
            value={startsAt}
            values={[
              { value: 'now', label: m.rotate.now, about: now.withKey ? m.rotate.withKey(fullDate(now.at)) : m.rotate.nowAbout(moment(now.at)) },
              {
                value: 'first_use',
                label: m.rotate.firstUse,
                about: latest.withKey
                  ? m.rotate.firstUseWithKey(m.rotate.lengthOf(overlap), fullDate(latest.at))
                  : m.rotate.firstUseAbout(m.rotate.lengthOf(overlap), date(latest.at)),
              },
            ]}
            onChange={setStartsAt}
          />
          <Banner tone="info" icon={<IconInfoCircle size={18} />}>
            {m.rotate.same}{' '}
            {operation(key, 'regenerateKey') && (
              <>
                {m.rotate.leaked[0]}
                <button type="button" className={formCss.inline} onClick={() => setRegenerate(true)}>
                  {m.rotate.leaked[1]}
                </button>
                {m.rotate.leaked[2]}
              </>
            )}
          </Banner>
          <FailureBanner error={change.error} />
        </div>
        <div className={css.buttons}>
          <span className="space" />
          <Button variant="subtle" onClick={onClose} disabled={change.isPending} data-autofocus>
            {m.cancel}
          </Button>
          <Button type="submit" loading={change.isPending} disabled={choice === 'other' && !valid}>
            {m.rotate.confirm}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function Finish({ of: key, onClose }: Props) {
  const state = useQuery({ ...rotationQuery(key.organizationId, key.id), staleTime: 0 });
  const change = useChange(
    key,
    (once) =>
      read(
        api.POST('/v1/organizations/{org}/keys/{keyId}/rotation/finish', {
          params: { path: path(key), header: { 'Idempotency-Key': once, 'If-Match': ifMatch(key.version) } },
        }),
      ),
    () => {
      notify(m.finish.done(key.name));
      onClose();
    },
  );
  return (
    <FormDialog
      alert
      danger
      icon={<IconKeyOff size={22} />}
      title={m.finish.title(key.name)}
      about={m.finish.body(state.data && stragglersOf(state.data).length, when[config().profile])}
      error={change.error}
      submit={m.finish.confirm}
      cancel={m.finish.cancel}
      busy={change.isPending}
      onSubmit={() => change.mutate()}
      onClose={onClose}
    />
  );
}

function Revoke({ of: key, onClose }: Props) {
  const [reason, setReason] = useState('');
  const [compromised, setCompromised] = useState(false);
  const change = useChange(
    key,
    (once) =>
      read(
        api.POST('/v1/organizations/{org}/keys/{keyId}/revoke', {
          params: { path: path(key), header: { 'Idempotency-Key': once } },
          body: { reason: reason.trim(), compromised },
        }),
      ),
    ({ effectiveBy }) => {
      const past = Date.parse(effectiveBy) <= Date.now();
      notify(past ? m.revoke.done(timeOf(effectiveBy)) : m.revoke.doneSoon(timeOf(effectiveBy)));
      onClose();
    },
  );
  const errors = change.error instanceof Failure ? change.error.fields : undefined;
  return (
    <FormDialog
      alert
      danger
      icon={<IconBan size={22} />}
      title={m.revoke.title(key.name)}
      about={m.revoke.body(when[config().profile])}
      error={change.error}
      submit={compromised ? m.revoke.confirmCompromised : m.revoke.confirm}
      cancel={m.revoke.cancel}
      busy={change.isPending}
      onSubmit={() => change.mutate()}
      onClose={onClose}
    >
      <InUse of={key} />
      <TextInput
        label={
          <>
            {m.revoke.reason} <span className="dim">{m.revoke.reasonAbout}</span>
          </>
        }
        placeholder={m.revoke.reasonPlaceholder}
        maxLength={500}
        value={reason}
        error={errors?.get('reason')}
        onChange={(e) => setReason(e.currentTarget.value)}
      />
      <Checkbox
        label={<b>{m.revoke.compromised}</b>}
        description={m.revoke.compromisedAbout}
        checked={compromised}
        onChange={(e) => setCompromised(e.currentTarget.checked)}
      />
    </FormDialog>
  );
}

function Restore({ of: key, onClose }: Props) {
  const change = useChange(
    key,
    (once) =>
      read(
        api.POST('/v1/organizations/{org}/keys/{keyId}/restore', {
          params: { path: path(key), header: { 'Idempotency-Key': once, 'If-Match': ifMatch(key.version) } },
        }),
      ),
    () => {
      notify(m.restore.done(key.name));
      onClose();
    },
  );
  return (
    <FormDialog
      alert
      icon={<IconRestore size={22} />}
      title={m.restore.title(key.name)}
      about={m.restore.body}
      error={change.error}
      submit={m.restore.confirm}
      cancel={m.restore.cancel}
      busy={change.isPending}
      onSubmit={() => change.mutate()}
      onClose={onClose}
    />
  );
}

function Delete({ of: key, onClose }: Props) {
  const [typed, setTyped] = useState('');
  const change = useChange(
    key,
    () => read(api.DELETE('/v1/organizations/{org}/keys/{keyId}', { params: { path: path(key), header: { 'If-Match': ifMatch(key.version) } } })),
    () => {
      notify(m.delete.done(key.name));
      onClose();
    },
  );
  return (
    <FormDialog
      alert
      danger
      icon={<IconTrash size={22} />}
      title={m.delete.title(key.name)}
      about={m.delete.body(when[config().profile])}
      error={change.error}
      submit={m.delete.confirm}
      cancel={m.delete.cancel}
      blocked={typed.trim() !== key.name.trim()}
      busy={change.isPending}
      onSubmit={() => change.mutate()}
      onClose={onClose}
    >
      <InUse of={key} />
      <TextInput
        label={m.delete.type(key.name)}
        value={typed}
        autoComplete="off"
        spellCheck={false}
        onChange={(e) => setTyped(e.currentTarget.value)}
      />
    </FormDialog>
  );
}
