import { Tooltip } from '@mantine/core';
import { type ReactNode, useEffect, useState } from 'react';
import { ago, timeOf, utcOf } from '../format';

/** A time in words, and exactly, here and in UTC, for who looks closer. It keeps up with the clock. */
export function Time({ at, show = ago, more }: { at: string; show?: (at: string) => string; more?: ReactNode }) {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 30_000);
    return () => clearInterval(timer);
  }, []);

  return (
    <Tooltip
      label={
        <>
          {timeOf(at)}
          <br />
          {utcOf(at)}
          {more && <br />}
          {more}
        </>
      }
    >
      <time dateTime={at} tabIndex={0} dir="auto">
        {show(at)}
      </time>
    </Tooltip>
  );
}
