import { Button } from '@mantine/core';
import { IconAlertTriangle, IconCircleCheck, IconCopy, IconHourglass, IconRefresh } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import type { Key, Schemas } from '../api/client';
import { operation, rotationQuery } from '../api/queries';
import { moment, number, remaining } from '../format';
import { m } from '../messages';
import { Loading, Meter, Table } from '../ui/page';
import { FailureBanner, useCopy } from '../ui/states';
import { Time } from '../ui/Time';
import uiCss from '../ui/ui.module.css';
import type { Action } from './actions';
import { refusalProps } from './parts';
import css from './rotation.module.css';

const day = 24 * 3600_000;

/** The sources that sent the old secret within the last day: these would be refused. */
export const stragglersOf = (state: Schemas['RotationState'], now = Date.now()) =>
  state.oldSecret.sources.filter((s) => now - Date.parse(s.lastAt) < day);

/** Whether the old secret can be ended without anybody noticing: nobody has sent it for a day. */
export function isSafe(state: Schemas['RotationState'], startedAt: string, now = Date.now()): boolean {
  const since = state.oldSecret.lastUsed?.at ?? startedAt;
  return now - Date.parse(since) >= day;
}

/** How a rotation is going: both secrets, and who still sends the old one. */
export function RotationPanel({ of: key, act }: { of: Key; act: (action: Action) => void }) {
  const state = useQuery({ ...rotationQuery(key.organizationId, key.id), refetchInterval: 10_000 });
  const [now, setNow] = useState(() => Date.now());
  const { copied, copy } = useCopy();
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);

  const rotation = key.rotation;
  if (!rotation) return null;
  if (state.isError && !state.data) return <FailureBanner error={state.error} />;
  if (!state.data) return <Loading />;

  const { oldSecret, newSecret } = state.data;
  const start = Date.parse(rotation.startedAt);
  const end = Date.parse(oldSecret.endsAt);
  const stragglers = stragglersOf(state.data, now);
  const safe = isSafe(state.data, rotation.startedAt, now);
  const used = oldSecret.callsSinceRotation > 0;
  const finish = operation(key, 'finishRotation');
  return (
    <section className={`card ${css.panel}`} id="rotation" aria-label={m.rotation.title}>
      <header>
        <IconRefresh size={17} aria-hidden className={css.icon} />
        <h2>{m.rotation.title}</h2>
        <span className="small quiet">{m.rotation.started(moment(rotation.startedAt))}</span>
        <span className="space" />
        <span className="small">
          <b className="numbers">{remaining(end - now)}</b> {m.rotation.left}
        </span>
      </header>
      <div className={css.meter}>
        <Meter of={(now - start) / Math.max(1, end - start)} label={m.rotation.progress} />
      </div>
      <div className={css.secrets}>
        <div className={css.secret}>
          <div className="row">
            <span className="strong">{m.rotation.newSecret}</span>
            <span className="mono dim small" dir="ltr">
              …{key.hint.slice(-4)}
            </span>
            <span className="space" />
            {newSecret.firstUsedAt ? (
              <span className={`${uiCss.pill} ${uiCss.ok}`}>
                <IconCircleCheck size={14} stroke={2.2} aria-hidden />
                {m.rotation.inUse}
              </span>
            ) : (
              <span className={`${uiCss.pill} ${uiCss.mute}`}>
                <IconHourglass size={14} stroke={2.2} aria-hidden />
                {m.rotation.notUsed}
              </span>
            )}
          </div>
          <p className="small quiet">
            {newSecret.firstUsedAt ? m.rotation.firstUsed(moment(newSecret.firstUsedAt)) : m.rotation.neverUsed}
          </p>
        </div>
        <div className={css.secret} data-used={!safe && used ? true : undefined}>
          <div className="row">
            <span className="strong">{m.rotation.oldSecret}</span>
            <span className="mono dim small" dir="ltr">
              …{oldSecret.hint.slice(-4)}
            </span>
            <span className="space" />
            {used && !safe ? (
              <span className={`${uiCss.pill} ${uiCss.warn}`}>
                <IconHourglass size={14} stroke={2.2} aria-hidden />
                {m.rotation.stillUsed}
              </span>
            ) : (
              <span className={`${uiCss.pill} ${uiCss.mute}`}>
                <IconCircleCheck size={14} stroke={2.2} aria-hidden />
                {m.rotation.quiet}
              </span>
            )}
          </div>
          <p className="small quiet">
            {m.rotation.stops(moment(oldSecret.endsAt))} <b className="numbers">{m.rotation.calls(oldSecret.callsSinceRotation)}</b>{' '}
            {m.rotation.since}
          </p>
        </div>
      </div>
      <div className={css.sourcesHead}>
        <h3>{m.rotation.sources}</h3>
        <span className="space" />
        <span className={`row tiny dim ${css.live}`}>{m.rotation.refreshes}</span>
      </div>
      {oldSecret.sources.length === 0 ? (
        <p className={`small quiet ${css.nobody}`}>{m.rotation.nobody}</p>
      ) : (
        <Table
          caption={m.rotation.sources}
          rows={oldSecret.sources}
          keyOf={(s) => `${s.sourceIp} ${s.userAgent}`}
          columns={[
            { name: m.rotation.source, cell: (s) => <span className="mono">{s.sourceIp}</span> },
            { name: m.rotation.agent, cell: (s) => <span className="name">{s.userAgent || '–'}</span> },
            { name: m.rotation.callsSince, numeric: true, cell: (s) => <b>{number(s.calls)}</b> },
            { name: m.rotation.lastCall, cell: (s) => <Time at={s.lastAt} /> },
            {
              name: m.key.tabs.requests,
              hidden: true,
              cell: (s) => (
                <Link
                  to="/$org/keys/$keyId/requests"
                  params={{ org: key.organizationId, keyId: key.id }}
                  search={{ q: s.sourceIp }}
                >
                  {m.key.tabs.requests}
                </Link>
              ),
            },
          ]}
        />
      )}
      <footer>
        {safe ? (
          <span className={`row small ${css.safe}`}>
            <IconCircleCheck size={17} aria-hidden /> {m.rotation.safe}
          </span>
        ) : (
          <span className={`row small ${css.unsafe}`}>
            <IconAlertTriangle size={17} aria-hidden />
            {stragglers.length > 0 ? m.rotation.unsafe(stragglers.length) : m.rotation.tooSoon}
          </span>
        )}
        <span className="space" />
        {oldSecret.sources.length > 0 && (
          <Button
            variant="default"
            leftSection={<IconCopy size={15} stroke={2} aria-hidden />}
            onClick={() =>
              void copy(oldSecret.sources.map((s) => [s.sourceIp, s.userAgent, s.calls, s.lastAt].join('\t')).join('\n'))
            }
          >
            {copied ? m.copied : m.rotation.copyList}
          </Button>
        )}
        {finish && (
          <Button
            variant="default"
            data-danger
            {...refusalProps(finish.refusal)}
            onClick={() => !finish.refusal && act({ kind: 'finish', key })}
          >
            {m.rotation.finish}
          </Button>
        )}
      </footer>
    </section>
  );
}
