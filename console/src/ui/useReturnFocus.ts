import { useEffect } from 'react';

/**
 * Gives the focus back to what had it, where one dialog followed another and the last one cannot
 * know: to what was used to open the first, or else to the page.
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
