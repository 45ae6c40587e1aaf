import { fullDate, limitOf, number, quotaOf } from '../format';
import { m } from '../messages';

/** What a record has under a name that comes from outside, which may be constructor. */
export const own = <T,>(record: Record<string, T>, name: string): T | undefined => (Object.hasOwn(record, name) ? record[name] : undefined);

const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

/** A value of a field in words: nothing, a time, a number, or a list or an object of such. */
export function shownOf(value: unknown): string {
  if (value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)) return m.form.none;
  if (typeof value === 'boolean') return value ? m.yes : m.no;
  if (typeof value === 'number') return number(value);
  if (Array.isArray(value)) return value.map(shownOf).join(', ');
  if (typeof value === 'object') {
    if ('limit' in value && 'window' in value) return limitOf({ limit: Number(value.limit), window: String(value.window) });
    if ('limit' in value && 'period' in value) return quotaOf({ limit: Number(value.limit), period: String(value.period) });
    const fields = Object.entries(value).filter(([name, inner]) => name !== 'id' && !(name === 'name' && Object.keys(value).length > 1) && inner !== null && inner !== '');
    return fields.length === 0 ? m.form.none : fields.map(([, inner]) => shownOf(inner)).join(' / ');
  }
  const text = String(value);
  return time.test(text) ? fullDate(text) : text;
}
