import { createContext } from 'react';
import type { Key } from '../api/client';

/** What is asked of a key that needs to be confirmed. */
export interface Action {
  kind: 'regenerate' | 'rotate' | 'finish' | 'revoke' | 'restore' | 'delete';
  key: Key;
}

/** Asks for an action on the key of the page. */
export const ActContext = createContext<(action: Action) => void>(() => {});
