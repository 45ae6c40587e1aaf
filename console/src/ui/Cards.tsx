import type { ReactNode } from 'react';
import css from './cards.module.css';

/** One of a few choices, each with what it means. */
export function Cards<V extends string>({
  legend,
  name,
  value,
  values,
  onChange,
}: {
  legend: ReactNode;
  name: string;
  value: V;
  values: { value: V; icon?: ReactNode; label: string; about: string }[];
  onChange: (value: V) => void;
}) {
  return (
    <fieldset>
      <legend className="label">{legend}</legend>
      <div className={css.cards}>
        {values.map((one) => (
          <label key={one.value} className={css.card}>
            <input type="radio" name={name} checked={one.value === value} onChange={() => onChange(one.value)} />
            <span>
              {one.icon}
              {one.label}
            </span>
            <small>{one.about}</small>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
