import { Modal } from '@mantine/core';
import type { ReactNode } from 'react';
import { useReturnFocus } from './useReturnFocus';

/** What a dialog is called: every Dialog has one of these, in the place where it is to stand. */
export const DialogTitle = Modal.Title;

// The library's dialogs have the role "dialog", whatever they are told.
function asAlert(element: HTMLElement | null): void {
  element?.setAttribute('role', 'alertdialog');
}

/** A dialog over the page. With alert, it is about something dangerous. */
export function Dialog({
  alert,
  size,
  zIndex,
  bare,
  onClose,
  children,
}: {
  alert?: boolean;
  size: number;
  zIndex?: number;
  bare?: boolean; // without a margin within
  onClose: () => void;
  children: ReactNode;
}) {
  useReturnFocus();
  return (
    <Modal.Root opened onClose={onClose} size={size} centered zIndex={zIndex ?? 200} transitionProps={{ duration: 0 }}>
      <Modal.Overlay />
      <Modal.Content radius={16} p={bare ? 0 : 26} {...(alert ? { ref: asAlert } : {})}>
        {children}
      </Modal.Content>
    </Modal.Root>
  );
}
