import { useMediaQuery } from '@mantine/hooks';
import { type ReactNode, useId, useState } from 'react';
import { compact, dayInUTC, hourOf, number } from '../format';
import { m } from '../messages';
import tableCss from '../ui/table.module.css';
import css from './chart.module.css';
import { sum } from './parts';

/** The calls of a day or an hour, by outcome, permission or customer. */
export interface Point {
  at: string;
  values: Record<string, number>;
}

const bottom = 22; // of the names of the times
const left = 36; // of the numbers

interface Look {
  className: string | undefined;
  hatch: boolean;
}

/** Colour and hatching of a series, so that neither alone has to tell it. */
function lookOf(name: string, by: string, i: number): Look {
  if (by !== 'outcome') return { className: css[`series${i % 4}`], hatch: i % 2 === 1 || i >= 4 };
  if (name === 'allowed') return { className: css.allowed, hatch: false };
  if (['permission_denied', 'customer_not_allowed', 'path_not_supported'].includes(name)) return { className: css.denied, hatch: true };
  if (['rate_limited', 'quota_exceeded'].includes(name)) return { className: css.limited, hatch: false };
  return { className: css.refused, hatch: true };
}

/** A number for the top of a scale, so that its quarters are whole and round. */
export function roundUp(n: number): number {
  if (n <= 4) return 4;
  const unit = 10 ** Math.floor(Math.log10(n));
  return ([1, 2, 4, 6, 8, 10].find((f) => f * unit >= n && (f * unit) % 4 === 0) ?? 20) * unit;
}

/** The names that a usage has calls for, most calls first; the outcome "allowed" before all others. */
export function namesOf(points: Point[], by: string): string[] {
  const totals = new Map<string, number>(by === 'outcome' ? [['allowed', 0]] : []);
  for (const { values } of points) {
    for (const [name, n] of Object.entries(values)) if (n > 0) totals.set(name, (totals.get(name) ?? 0) + n);
  }
  const weight = (name: string, n: number) => (by === 'outcome' && name === 'allowed' ? Number.POSITIVE_INFINITY : n);
  return [...totals].sort(([a, n], [b, o]) => weight(b, o) - weight(a, n)).map(([name]) => name);
}

/** The calls of each day or hour: as bars, and as a table for who does not see them or wants numbers. */
export function CallsChart({
  title,
  points,
  by,
  granularity,
  width: wide = 640,
  height: tall = 150,
  table = false,
  nameOf = (name) => m.outcomes[name] ?? name,
}: {
  title: ReactNode;
  points: Point[];
  by: 'outcome' | 'permission' | 'customer';
  granularity: 'day' | 'hour';
  width?: number; // of the drawing, which is as wide as its place: the wider, the smaller its letters
  height?: number;
  table?: boolean;
  nameOf?: (name: string) => string;
}) {
  const id = useId();
  const phone = useMediaQuery('(width < 720px)', undefined, { getInitialValueInEffect: false });
  const [width, height] = phone ? [360, 170] : [wide, tall];
  const [shown, setShown] = useState<number>();
  const names = namesOf(points, by);
  const top = roundUp(Math.max(...points.map((p) => sum(Object.values(p.values)))));
  const scale = (height - bottom - 6) / top;
  const step = (width - left) / points.length;
  const base = height - bottom;
  const every = Math.ceil(points.length / (phone ? 5 : 8));
  const timeOf = granularity === 'day' ? dayInUTC : hourOf;
  const point = shown === undefined ? undefined : points[shown];

  return (
    <figure className={css.figure}>
      <figcaption className={css.legend}>
        {title}
        <span className="space" />
        {names.map((name, i) => (
          <span key={name} className={css.series}>
            <Swatch look={lookOf(name, by, i)} id={id} />
            <span className="name">{nameOf(name)}</span>
          </span>
        ))}
      </figcaption>
      {!table && (
        <div className={css.plot}>
          <svg viewBox={`0 0 ${width} ${height}`} className={css.chart} aria-hidden="true" onPointerLeave={() => setShown(undefined)}>
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
            {points.map((p, i) => {
              let y = base;
              return (
                <g key={p.at} data-dim={(shown !== undefined && shown !== i) || undefined} onPointerEnter={() => setShown(i)}>
                  <rect x={left + i * step} y={0} width={step} height={base} className={css.hit} />
                  {names.map((name, n) => {
                    const calls = p.values[name] ?? 0;
                    if (calls === 0) return null;
                    const bar = Math.max(1, calls * scale);
                    y -= bar;
                    const look = lookOf(name, by, n);
                    const gap = Math.min(4, step * 0.2);
                    const place = { x: left + i * step + gap / 2, y, width: step - gap, height: Math.max(0.5, bar - 0.5), rx: 1.5 };
                    return (
                      <g key={name} className={look.className}>
                        <rect {...place} />
                        {look.hatch && <rect {...place} fill={`url(#${id}-hatch)`} className={css.hatch} />}
                      </g>
                    );
                  })}
                  {i % every === 0 && (
                    <text x={Math.min(left + i * step + step / 2, width - 22)} y={height - 6} textAnchor="middle">
                      {timeOf(new Date(p.at))}
                    </text>
                  )}
                </g>
              );
            })}
          </svg>
          {point && shown !== undefined && (
            <div className={css.tip} data-end={shown > points.length / 2 || undefined} aria-hidden="true">
              <b>{timeOf(new Date(point.at))}</b>
              {names.map((name, i) => (
                <span key={name}>
                  <Swatch look={lookOf(name, by, i)} id={id} />
                  <span className="name">{nameOf(name)}</span>
                  <b className="numbers">{number(point.values[name] ?? 0)}</b>
                </span>
              ))}
            </div>
          )}
        </div>
      )}
      <div className={table ? css.tableBox : 'hidden'}>
        <table className={table ? tableCss.table : undefined}>
          <caption className="hidden">{m.key.chartTable}</caption>
          <thead>
            <tr>
              <th scope="col">{granularity === 'day' ? m.key.day : m.key.hour}</th>
              {names.map((name) => (
                <th key={name} scope="col" data-numeric>
                  {nameOf(name)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {points.map((p) => (
              <tr key={p.at}>
                <th scope="row">{timeOf(new Date(p.at))}</th>
                {names.map((name) => (
                  <td key={name} data-numeric>
                    {number(p.values[name] ?? 0)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </figure>
  );
}

function Swatch({ look, id }: { look: Look; id: string }) {
  return (
    <svg width="11" height="11" aria-hidden="true" className={look.className}>
      <rect width="11" height="11" rx="3" />
      {look.hatch && <rect width="11" height="11" rx="3" fill={`url(#${id}-hatch)`} className={css.hatch} />}
    </svg>
  );
}
