import { ActionIcon, Button, Tooltip } from '@mantine/core';
import { IconAlertTriangle, IconCheck, IconCopy, IconRefresh } from '@tabler/icons-react';
import { type ReactNode, useEffect, useState } from 'react';
import { Failure } from '../api/client';
import { m } from '../messages';
import css from './ui.module.css';

type Tone = 'plain' | 'mute' | 'bad' | 'warn';

/** What stands where there is nothing else to show. */
export function State({
  icon,
  tone = 'plain',
  title,
  children,
  actions,
  after,
}: {
  icon: ReactNode;
  tone?: Tone;
  title: string;
  children?: ReactNode;
  actions?: ReactNode;
  after?: ReactNode;
}) {
  return (
    <div className={css.state}>
      <span className={`${css.big} ${tone === 'plain' ? '' : (css[tone] ?? '')}`} data-tone={tone} aria-hidden="true">
        {icon}
      </span>
      <h2>{title}</h2>
      {children && <div className="small quiet">{children}</div>}
      {actions && <div className={css.actions}>{actions}</div>}
      {after}
    </div>
  );
}

const problemOf = (error: unknown) =>
  error instanceof Failure ? error.problem : { title: m.failure.title, detail: undefined, requestId: undefined };

/** An error in the place of what could not be shown. */
export function Failed({ error, retry }: { error: unknown; retry?: () => void }) {
  const problem = problemOf(error);
  return (
    <div role="alert">
      <State
        icon={<IconAlertTriangle size={22} />}
        tone="bad"
        title={problem.title}
        after={<RequestId of={error} />}
        actions={
          retry && (
            <Button variant="default" leftSection={<IconRefresh size={15} />} onClick={retry}>
              {m.tryAgain}
            </Button>
          )
        }
      >
        {problem.detail}
      </State>
    </div>
  );
}

/** An error beside what it is about, such as a form whose input stays. */
export function FailureBanner({ error }: { error: unknown }) {
  if (!error) return null;
  const problem = problemOf(error);
  return (
    <div role="alert" className={css.banner} data-tone="bad">
      <IconAlertTriangle size={18} aria-hidden />
      <div>
        <div className="strong">{problem.title}</div>
        {problem.detail && <div className="small">{problem.detail}</div>}
        {error instanceof Failure && error.retryAfter !== undefined && (
          <div className="small">{m.failure.retryAfter(error.retryAfter)}</div>
        )}
        <RequestId of={error} />
      </div>
    </div>
  );
}

function RequestId({ of }: { of: unknown }) {
  const id = problemOf(of).requestId;
  if (!id) return null;
  return (
    <span className="tiny row">
      {m.request} <span className="mono">{id}</span>
      <CopyButton text={id} label={m.copyRequestId} />
    </span>
  );
}

export function Banner({ tone, icon, children }: { tone?: 'warn' | 'info' | 'bad'; icon: ReactNode; children: ReactNode }) {
  return (
    <div className={css.banner} data-tone={tone}>
      <span aria-hidden="true">
        {icon}
      </span>
      <div>{children}</div>
    </div>
  );
}

/** Whether something was copied a moment ago, and what copies it. */
export function useCopy(): { copied: boolean; failed: boolean; copy: (text: string) => Promise<void> } {
  const [state, setState] = useState<'copied' | 'failed' | undefined>();
  useEffect(() => {
    if (state !== 'copied') return undefined;
    const timer = setTimeout(() => setState(undefined), 2000);
    return () => clearTimeout(timer);
  }, [state]);

  return {
    copied: state === 'copied',
    failed: state === 'failed',
    copy: async (text) => {
      try {
        await navigator.clipboard.writeText(text);
        setState('copied');
        announce(m.copied);
      } catch {
        setState('failed');
      }
    },
  };
}

export function CopyButton({ text, label }: { text: string; label: string }) {
  const { copied, copy } = useCopy();
  return (
    <Tooltip label={copied ? m.copied : label}>
      <ActionIcon variant="subtle" size={28} aria-label={label} onClick={() => void copy(text)}>
        {copied ? <IconCheck size={15} /> : <IconCopy size={15} />}
      </ActionIcon>
    </Tooltip>
  );
}

let speak: ((text: string) => void) | undefined;

/** Says a result to those who cannot see it. */
export const announce = (text: string) => speak?.(text);

/** The place where results are said. There is one on the page, from the start. */
export function LiveRegion() {
  const [text, setText] = useState('');
  useEffect(() => {
    speak = (next) => {
      setText('');
      setTimeout(() => setText(next), 50);
    };
    return () => {
      speak = undefined;
    };
  }, []);
  return (
    <div role="status" aria-live="polite" className="hidden">
      {text}
    </div>
  );
}
