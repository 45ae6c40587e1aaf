import { useId } from 'react';
import { compact, dayInUTC, number } from '../format';
import { m } from '../messages';
import css from './chart.module.css';
import { sum } from './parts';

export interface Day {
  at: string;
  values: Record<string, number>;
}

const width = 640;
const height = 150;
const bottom = 22; // of the days' names
const left = 36; // of the numbers

/** Colour and hatching of an outcome, so that neither alone has to tell it. */
function lookOf(outcome: string): { className: string | undefined; hatch: boolean } {
  if (outcome === 'allowed') return { className: css.allowed, hatch: false };
  if (['permission_denied', 'customer_not_allowed', 'path_not_supported'].includes(outcome)) return { className: css.denied, hatch: true };
  if (['rate_limited', 'quota_exceeded'].includes(outcome)) return { className: css.limited, hatch: false };
  return { className: css.refused, hatch: true };
}

/** A number for the top of a scale, so that its quarters are whole and round. */
export function roundUp(n: number): number {
  if (n <= 4) return 4;
  const unit = 10 ** Math.floor(Math.log10(n));
  return ([1, 2, 4, 6, 8, 10].find((f) => f * unit >= n && (f * unit) % 4 === 0) ?? 20) * unit;
}

/** The calls of each day by outcome: as bars, and as a table for who does not see them. */
export function OutcomeChart({ days }: { days: Day[] }) {
  const id = useId();
  const outcomes = [...new Set(['allowed', ...days.flatMap((d) => Object.keys(d.values).filter((o) => (d.values[o] ?? 0) > 0))])];
  const top = roundUp(Math.max(...days.map((d) => sum(Object.values(d.values)))));
  const scale = (height - bottom - 6) / top;
  const step = (width - left) / days.length;
  const base = height - bottom;

  return (
    <figure className={css.figure}>
      <figcaption className={css.legend}>
        {outcomes.map((o) => {
          const look = lookOf(o);
          return (
            <span key={o}>
              <svg width="11" height="11" aria-hidden="true" className={look.className}>
                <rect width="11" height="11" rx="3" />
                {look.hatch && <rect width="11" height="11" rx="3" fill={`url(#${id}-hatch)`} className={css.hatch} />}
              </svg>
              {m.outcomes[o] ?? o}
            </span>
          );
        })}
      </figcaption>
      <svg viewBox={`0 0 ${width} ${height}`} className={css.chart} aria-hidden="true">
        <defs>
          <pattern id={`${id}-hatch`} width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
            <rect width="2" height="5" className={css.stripe} />
          </pattern>
        </defs>
        {[0, 1, 2, 3, 4].map((quarter) => {
          const y = base - (top / 4) * quarter * scale;
          return (
            <g key={quarter}>
              <line x1={left} x2={width} y1={y} y2={y} className={css.grid} />
              <text x={left - 6} y={y + 4} textAnchor="end">
                {compact((top / 4) * quarter)}
              </text>
            </g>
          );
        })}
        {days.map((day, i) => {
          let y = base;
          return (
            <g key={day.at}>
              {outcomes.map((o) => {
                const n = day.values[o] ?? 0;
                if (n === 0) return null;
                const tall = Math.max(1, n * scale);
                y -= tall;
                const look = lookOf(o);
                const place = { x: left + i * step + 2, y, width: step - 4, height: tall - 0.5, rx: 1.5 };
                return (
                  <g key={o} className={look.className}>
                    <rect {...place} />
                    {look.hatch && <rect {...place} fill={`url(#${id}-hatch)`} className={css.hatch} />}
                  </g>
                );
              })}
              {i % 4 === 0 && (
                <text x={left + i * step + step / 2} y={height - 6} textAnchor="middle">
                  {dayInUTC(new Date(day.at))}
                </text>
              )}
            </g>
          );
        })}
      </svg>
      <table className="hidden">
        <caption>{m.key.chartTable}</caption>
        <thead>
          <tr>
            <th scope="col">{m.key.day}</th>
            {outcomes.map((o) => (
              <th key={o} scope="col">
                {m.outcomes[o] ?? o}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {days.map((day) => (
            <tr key={day.at}>
              <th scope="row">{dayInUTC(new Date(day.at))}</th>
              {outcomes.map((o) => (
                <td key={o}>{number(day.values[o] ?? 0)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  );
}
