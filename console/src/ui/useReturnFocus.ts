import { useEffect } from 'react';

/**
 * Gives the focus back to what had it, or else to the page, when a dialog is gone: the library does so
 * for dialogs that are closed, not for those that are taken away or followed by another.
 */
export function useReturnFocus(): void {
  useEffect(() => {
    const opener = document.activeElement;
    return () => {
      setTimeout(() => {
        if (document.activeElement !== document.body && document.activeElement !== null) return;
        const back = opener instanceof HTMLElement && opener !== document.body && opener.isConnected ? opener : document.querySelector('main');
        (back as HTMLElement | null)?.focus();
      }, 50);
    };
  }, []);
}
