import type { Key } from '../api/client';

/** What is asked of a key that needs to be confirmed. */
export interface Action {
  kind: 'regenerate' | 'revoke' | 'restore' | 'delete';
  key: Key;
}
