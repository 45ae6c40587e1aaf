import {
  IconBan,
  IconCircleCheck,
  IconClock,
  IconClockX,
  IconHourglass,
  IconPlayerPause,
  IconRefresh,
  IconShieldExclamation,
  IconTrash,
  IconWorld,
} from '@tabler/icons-react';
import type { ReactNode } from 'react';
import type { Key } from '../api/client';
import type { Environment } from '../config';
import { date, until } from '../format';
import { environments, m } from '../messages';
import css from './ui.module.css';

const shapes: Record<Environment, ReactNode> = {
  production: <circle cx="5" cy="5" r="4" fill="currentColor" />,
  staging: (
    <>
      <circle cx="5" cy="5" r="3.6" fill="none" stroke="currentColor" strokeWidth="1.6" />
      <path d="M5 1.4a3.6 3.6 0 0 1 0 7.2Z" fill="currentColor" />
    </>
  ),
  development: <circle cx="5" cy="5" r="3.5" fill="none" stroke="currentColor" strokeWidth="1.7" />,
};

/** The shape of an environment, to be seen without its colour. */
export function EnvironmentShape({ of }: { of: Environment }) {
  return (
    <svg viewBox="0 0 10 10" width="10" height="10" aria-hidden="true">
      {shapes[of]}
    </svg>
  );
}

export function EnvironmentMark({ of, boxed }: { of: Environment; boxed?: boolean }) {
  return (
    <span className={css.mark} data-environment={of} data-boxed={boxed || undefined}>
      <EnvironmentShape of={of} />
      {environments[of]}
    </span>
  );
}

/** Six cuts of a key's blade, each of five depths, drawn from its public id. */
export function cutsOf(id: string): number[] {
  let x = 2166136261;
  for (const c of id) x = Math.imul(x ^ (c.codePointAt(0) ?? 0), 16777619) >>> 0;
  return Array.from({ length: 6 }, () => {
    x ^= x << 13;
    x >>>= 0;
    x ^= x >>> 17;
    x = (x ^ (x << 5)) >>> 0;
    return x % 5;
  });
}

/** A key's own picture. It says nothing that words do not say. */
export function Blade({ id, tone, large }: { id: string; tone: Environment | undefined; large?: boolean }) {
  const cuts = cutsOf(id).map((cut, i) => {
    const left = 2.5 + i * 5.4;
    return `L${left + 1} ${14 + cut * 2.1}H${left + 4}`;
  });
  return (
    <span className={css.glyph} data-tone={tone} data-large={large || undefined} aria-hidden="true">
      <svg viewBox="0 0 40 40">
        <path
          d={`M2.5 27.5V14.5${cuts.join('')}L36 13L38.5 20.5L36 27.5Z`}
          fill="currentColor"
          stroke="currentColor"
          strokeWidth="1.6"
          strokeLinejoin="round"
        />
      </svg>
    </span>
  );
}

export function Logo() {
  return (
    <svg width="28" height="28" viewBox="0 0 28 28" aria-hidden="true">
      <rect width="28" height="28" rx="8" fill="#4263eb" />
      <path
        d="M6 18.8V10.6l2.4-1.4 1.2 3.2h2l1.4-3.2 2.2 5h1.8l1.2-3.4 3.8 3.6-2.2 4.4Z"
        fill="#fff"
        stroke="#fff"
        strokeWidth="1.1"
        strokeLinejoin="round"
      />
    </svg>
  );
}

/** The status of a key, in one word. */
export function StatusPill({ of: key }: { of: Key }) {
  if (key.status === 'active') {
    return (
      <span className={`${css.pill} ${css.ok}`}>
        <IconCircleCheck size={14} stroke={2.2} aria-hidden />
        {m.status.active}
      </span>
    );
  }

  if (key.status === 'expired') {
    return (
      <span className={`${css.pill} ${css.warn}`}>
        <IconClockX size={14} stroke={2.2} aria-hidden />
        {m.status.expired}
      </span>
    );
  }

  const [Icon, tone] = key.deletedAt
    ? [IconTrash, css.mute]
    : key.revocation?.compromised
      ? [IconShieldExclamation, css.bad]
      : key.revocation
        ? [IconBan, css.mute]
        : [IconPlayerPause, css.mute];
  return (
    <span className={`${css.pill} ${tone}`}>
      <Icon size={14} stroke={2.2} aria-hidden />
      {m.status.inactive}
    </span>
  );
}

/** How soon an end is worth a word. */
const soon = 30 * 24 * 3600 * 1000;

/** Why a key has its status, or what is about to change it, in a few words; nothing if neither. */
export function StatusNote({ of: key }: { of: Key }) {
  const note = noteOf(key);
  if (!note) return null;
  const [Icon, text, tone] = note;
  return (
    <span className={css.note} data-tone={tone}>
      <Icon size={15} stroke={2} aria-hidden />
      {text}
    </span>
  );
}

function noteOf(key: Key): [typeof IconClock, string, string?] | undefined {
  if (key.deletedAt) return [IconTrash, m.status.deleted];
  if (key.revocation?.compromised) return [IconShieldExclamation, m.status.compromised];
  if (key.revocation) return [IconBan, m.status.revoked];
  if (!key.enabled) return [IconPlayerPause, m.status.disabled];
  if (key.status === 'expired') return key.expiresAt ? [IconClock, date(key.expiresAt)] : undefined;
  if (key.rotation) return [IconRefresh, m.status.rotating(until(key.rotation.oldSecretEndsAt)), 'info'];
  if (key.exposure) return [IconShieldExclamation, m.status.exposed, 'warn'];
  if (key.expiresAt && Date.parse(key.expiresAt) - Date.now() < soon) {
    return [IconHourglass, m.status.left(until(key.expiresAt)), 'warn'];
  }
  if (key.notBefore && Date.parse(key.notBefore) > Date.now()) return [IconClock, m.status.starts(date(key.notBefore))];
  return undefined;
}

export function Tag({ tone, children }: { tone?: 'warn' | 'publishable'; children: ReactNode }) {
  return (
    <span className={css.tag} data-tone={tone}>
      {children}
    </span>
  );
}

export function Publishable() {
  return (
    <Tag tone="publishable">
      <IconWorld size={13} aria-hidden />
      {m.permissions.publishable}
    </Tag>
  );
}

/** The calls of each day, as bars. The number beside it says the same in words. */
export function Spark({ days, width = 60, height = 26 }: { days: number[]; width?: number; height?: number }) {
  const most = Math.max(...days);
  const step = width / Math.max(1, days.length);
  return (
    <svg
      className={css.spark}
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      data-empty={most === 0 || undefined}
      aria-hidden="true"
    >
      {days.map((n, i) => {
        const tall = most === 0 ? 1.5 : Math.max(1.5, (n / most) * height);
        return <rect key={i} x={i * step} y={height - tall} width={step - 1.4} height={tall} rx="1.2" />;
      })}
    </svg>
  );
}
