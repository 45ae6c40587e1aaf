import { Button, Checkbox, TextInput } from '@mantine/core';
import { IconActivity, IconBan, IconInfoCircle, IconKey, IconRestore, IconTrash } from '@tabler/icons-react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { type ReactNode, useMemo, useRef, useState } from 'react';
import { api, Failure, ifMatch, type Key, type KeySecret, newIdempotencyKey, read } from '../api/client';
import { keysChanged, keyUsageQuery } from '../api/queries';
import { config } from '../config';
import { ago, timeOf } from '../format';
import { m, when } from '../messages';
import { Dialog, DialogTitle } from '../ui/Dialog';
import { notify } from '../ui/notify';
import { Banner, FailureBanner } from '../ui/states';
import type { Action } from './actions';
import css from './dialogs.module.css';
import { LostSecret, SecretDialog } from './SecretDialog';

/** Asks before what stops calls, and says what stops, when and for whom. Then does it. */
export default function KeyAction({ action, onClose }: { action: Action; onClose: () => void }) {
  switch (action.kind) {
    case 'regenerate':
      return <Regenerate of={action.key} onClose={onClose} />;
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
  const usage = useQuery({ ...keyUsageQuery(key.organizationId, key.id, { from, granularity: 'hour' }), staleTime: 0 });

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

/** The frame of these questions: what it is about, what is asked, and two answers. Cancel has the focus. */
function Question({
  icon,
  plain,
  title,
  about,
  children,
  error,
  confirm,
  cancel,
  blocked,
  busy,
  onConfirm,
  onClose,
}: {
  icon: ReactNode;
  plain?: boolean;
  title: string;
  about: ReactNode;
  children?: ReactNode;
  error: unknown;
  confirm: string;
  cancel: string;
  blocked?: boolean;
  busy: boolean;
  onConfirm: () => void;
  onClose: () => void;
}) {
  return (
    <Dialog alert size={540} onClose={busy ? () => {} : onClose}>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          if (!blocked && !busy) onConfirm();
        }}
      >
        <div className={css.dangerHead}>
          <span className={css.dangerIcon} data-tone={plain ? 'plain' : undefined} aria-hidden="true">
            {icon}
          </span>
          <div>
            <DialogTitle className={css.title}>{title}</DialogTitle>
            <p className="quiet">{about}</p>
          </div>
        </div>
        <div className={css.body}>
          {children}
          <FailureBanner error={error} />
        </div>
        <div className={css.buttons}>
          <span className="space" />
          <Button variant="default" onClick={onClose} disabled={busy} data-autofocus>
            {cancel}
          </Button>
          <Button type="submit" data-danger={!plain || undefined} loading={busy} disabled={blocked ?? false}>
            {confirm}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

/** A change of a key, from the version that was looked at. What is seen anew where it was refused. */
function useChange<T>(key: Key, change: (once: string) => Promise<T>, done: (answer: T) => void) {
  const once = useRef(newIdempotencyKey());
  return useMutation({
    mutationFn: () => change(once.current),
    gcTime: 0,
    onSuccess: async (answer) => {
      done(answer);
      await keysChanged(key.organizationId);
    },
    onError: async (error) => {
      // What was refused was not done. What got no answer may have been: the same attempt again tells.
      if (error instanceof Failure && error.refused) {
        once.current = newIdempotencyKey();
        await keysChanged(key.organizationId);
      }
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
    <Question
      icon={<IconKey size={22} />}
      title={m.regenerate.title(key.name)}
      about={m.regenerate.body(when[config().profile])}
      error={change.error}
      confirm={m.regenerate.confirm}
      cancel={m.regenerate.cancel}
      busy={change.isPending}
      onConfirm={() => change.mutate()}
      onClose={onClose}
    >
      {key.revocation ? <Banner tone="info" icon={<IconInfoCircle size={18} />}>{m.regenerate.revoked}</Banner> : <InUse of={key} />}
    </Question>
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
    <Question
      icon={<IconBan size={22} />}
      title={m.revoke.title(key.name)}
      about={m.revoke.body(when[config().profile])}
      error={change.error}
      confirm={compromised ? m.revoke.confirmCompromised : m.revoke.confirm}
      cancel={m.revoke.cancel}
      busy={change.isPending}
      onConfirm={() => change.mutate()}
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
    </Question>
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
    <Question
      icon={<IconRestore size={22} />}
      plain
      title={m.restore.title(key.name)}
      about={m.restore.body}
      error={change.error}
      confirm={m.restore.confirm}
      cancel={m.restore.cancel}
      busy={change.isPending}
      onConfirm={() => change.mutate()}
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
    <Question
      icon={<IconTrash size={22} />}
      title={m.delete.title(key.name)}
      about={m.delete.body(when[config().profile])}
      error={change.error}
      confirm={m.delete.confirm}
      cancel={m.delete.cancel}
      blocked={typed.trim() !== key.name.trim()}
      busy={change.isPending}
      onConfirm={() => change.mutate()}
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
    </Question>
  );
}
