import { Button } from '@mantine/core';
import { type ReactNode, useEffect, useRef } from 'react';
import { Failure } from '../api/client';
import css from '../keys/dialogs.module.css';
import { m } from '../messages';
import { Dialog, DialogTitle } from './Dialog';
import { FailureBanner } from './states';

/** A dialog in which something is filled in. What was typed stays until it was done or given up. */
export function FormDialog({
  title,
  about,
  error,
  submit,
  busy,
  blocked,
  danger,
  cancel = m.cancel,
  icon,
  alert,
  onSubmit,
  onClose,
  children,
}: {
  title: string;
  about?: ReactNode;
  error: unknown;
  submit: string;
  busy: boolean;
  blocked?: boolean;
  danger?: boolean;
  cancel?: string;
  icon?: ReactNode;
  alert?: boolean;
  onSubmit: () => void;
  onClose: () => void;
  children?: ReactNode;
}) {
  const form = useRef<HTMLFormElement>(null);
  const fields = error instanceof Failure && error.fields.size > 0;
  useEffect(() => {
    if (error) requestAnimationFrame(() => form.current?.querySelector<HTMLElement>('[aria-invalid=true]')?.focus());
  }, [error]);
  return (
    <Dialog size={540} alert={alert ?? false} onClose={busy ? () => {} : onClose}>
      <form
        ref={form}
        noValidate
        onSubmit={(e) => {
          e.preventDefault();
          if (!busy && !blocked) onSubmit();
        }}
      >
        <div className={css.dangerHead}>
          {icon && (
            <span className={css.dangerIcon} data-tone={danger ? undefined : 'plain'} aria-hidden="true">
              {icon}
            </span>
          )}
          <div>
            <DialogTitle className={`${css.title} name`}>{title}</DialogTitle>
            {about && <p className="quiet">{about}</p>}
          </div>
        </div>
        <div className={css.body}>
          {children}
          {(alert || !fields) && <FailureBanner error={error} />}
        </div>
        <div className={css.buttons}>
          <span className="space" />
          <Button variant={alert ? 'default' : 'subtle'} onClick={onClose} disabled={busy} {...(alert ? { 'data-autofocus': true } : {})}>
            {cancel}
          </Button>
          <Button type="submit" loading={busy} disabled={blocked ?? false} data-danger={danger || undefined}>
            {submit}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

/** What is wrong with a field of what was sent; undefined if nothing is. */
export const errorOf = (error: unknown, field: string) => (error instanceof Failure ? error.fields.get(field) : undefined);
