import { CloseButton } from '@mantine/core';
import { IconCircleCheck } from '@tabler/icons-react';
import { type ReactNode, useEffect, useState } from 'react';
import { m } from '../messages';
import css from './notify.module.css';
import { announce, FailureBanner } from './states';

type Note = string | Error;

let show: ((note: Note) => void) | undefined;

/** Tells a result that has no place of its own. Errors stay until they are closed. */
export function notify(note: Note): void {
  show?.(note);
  if (typeof note === 'string') announce(note);
}

export function Notes(): ReactNode {
  const [note, setNote] = useState<Note>();
  useEffect(() => {
    show = setNote;
    return () => {
      show = undefined;
    };
  }, []);
  useEffect(() => {
    if (typeof note !== 'string') return undefined;
    const timer = setTimeout(() => setNote(undefined), 6000);
    return () => clearTimeout(timer);
  }, [note]);

  if (note === undefined) return null;
  return (
    <div className={css.note}>
      {typeof note === 'string' ? (
        <span className="row">
          <IconCircleCheck size={18} aria-hidden />
          <span>{note}</span>
        </span>
      ) : (
        <FailureBanner error={note} />
      )}
      <CloseButton aria-label={m.close} onClick={() => setNote(undefined)} />
    </div>
  );
}
