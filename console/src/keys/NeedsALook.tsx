import { IconBulb } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { adviceQuery } from '../api/queries';
import { m } from '../messages';
import css from './keys.module.css';

/** In the list of keys: the most urgent advice in a line. */
export function NeedsALook({ org }: { org: string }) {
  const { data } = useInfiniteQuery(adviceQuery(org));
  const urgent = (data?.pages.flatMap((p) => p.items) ?? []).filter((i) => i.severity !== 'low');
  if (urgent.length === 0) return null;
  const shown = urgent.slice(0, 2);
  return (
    <div className={css.needs}>
      <IconBulb size={18} aria-hidden />
      <div>
        <b>{m.advice.needs}</b>{' '}
        {shown.map((i, n) => (
          <span key={`${i.keyId} ${i.code} ${i.evidence.permission ?? ''}`}>
            {n > 0 && ' · '}
            <Link className="name" to="/$org/keys/$keyId/advice" params={{ org, keyId: i.keyId }}>
              {i.keyName}
            </Link>{' '}
            {m.advice.briefly[i.code] ?? ''}
          </span>
        ))}
        {urgent.length > shown.length && (
          <>
            {' · '}
            <Link to="/$org/advice" params={{ org }}>
              {m.advice.more(urgent.length - shown.length)}
            </Link>
          </>
        )}
      </div>
      <Link to="/$org/advice" params={{ org }} className="strong small line">
        {m.advice.all}
      </Link>
    </div>
  );
}
