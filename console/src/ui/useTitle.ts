import { useEffect } from 'react';
import { m } from '../messages';

/** Names the window after what it shows. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · ${m.product}`;
  }, [title]);
}
