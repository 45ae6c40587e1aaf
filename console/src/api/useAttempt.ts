import { useRef } from 'react';
import { Failure, newIdempotencyKey } from './client';

/**
 * Makes a change once. What got no answer may have been done, so it is tried again with the same
 * idempotency key; what was answered, or refused, is over. Of two submits at once the second waits
 * for the answer of the first, which alone has a new secret.
 */
export function useAttempt() {
  const key = useRef(newIdempotencyKey());
  const running = useRef<Promise<unknown>>(undefined);

  return <T>(change: (idempotencyKey: string) => Promise<T>): Promise<T> => {
    const over = () => {
      key.current = newIdempotencyKey();
    };
    running.current ??= change(key.current)
      .then(
        (answer) => {
          over();
          return answer;
        },
        (error: unknown) => {
          if (error instanceof Failure && error.refused) over();
          throw error;
        },
      )
      .finally(() => {
        running.current = undefined;
      });
    return running.current as Promise<T>;
  };
}
