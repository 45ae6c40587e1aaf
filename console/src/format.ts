// Numbers and dates are written as the browser's language has them; words are the catalogue's, in
// English. Times are local, and in UTC where somebody looks closer.

const words = 'en';

const numbers = new Intl.NumberFormat();
const compactNumbers = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 });
const percents = new Intl.NumberFormat(undefined, { style: 'percent', maximumFractionDigits: 1 });

export const number = (n: number) => numbers.format(n);
export const percent = (n: number) => percents.format(n);

/** A short number: 8,604 in full, 41.2k above ten thousand. */
export const compact = (n: number) => (Math.abs(n) < 10_000 ? numbers.format(n) : compactNumbers.format(n).replace('K', 'k'));

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

const relatives = new Intl.RelativeTimeFormat(words, { numeric: 'auto', style: 'short' });

function relative(n: number, unit: Intl.RelativeTimeFormatUnit): string {
  return relatives.format(n, unit).replace('.', '').replace(' sec ', ' s ').replace(' hr ', ' h ');
}

/** How long ago a time was: "just now", "2 min ago", "yesterday", "26 days ago"; a date, much later. */
export function ago(at: string, now = Date.now()): string {
  const passed = now - Date.parse(at);
  if (passed < 10 * second) return 'just now';
  if (passed < minute) return relative(-Math.floor(passed / second), 'second');
  if (passed < hour) return relative(-Math.floor(passed / minute), 'minute');
  if (passed < day) return relative(-Math.floor(passed / hour), 'hour');
  if (passed < 30 * day) return relative(-Math.floor(passed / day), 'day');
  return date(at, now);
}

/** How long it is until a time: "18 h", "6 days". */
export function until(at: string, now = Date.now()): string {
  const left = Date.parse(at) - now;
  if (left < minute) return 'less than a minute';
  const [n, unit] =
    left < hour ? [Math.floor(left / minute), 'minute'] : left < 2 * day ? [Math.floor(left / hour), 'hour'] : [Math.floor(left / day), 'day'];
  const style = unit === 'day' ? 'long' : 'short';
  return new Intl.NumberFormat(words, { style: 'unit', unit: unit as string, unitDisplay: style }).format(n as number).replace(' hr', ' h');
}

/** How much time is left of a countdown: "18 h 02 min", "2 days 4 h", "under a minute". */
export function remaining(left: number): string {
  if (left < minute) return 'under a minute';
  const [days, hours, minutes] = [Math.floor(left / day), Math.floor((left % day) / hour), Math.floor((left % hour) / minute)];
  const two = (n: number) => String(n).padStart(2, '0');
  if (days > 0) return `${days} ${days === 1 ? 'day' : 'days'} ${hours} h`;
  return hours > 0 ? `${hours} h ${two(minutes)} min` : `${minutes} min`;
}

const sameYear = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const otherYear = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
const locally = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const inUTC = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium', timeZone: 'UTC' });
const toTheMinute = new Intl.DateTimeFormat(undefined, {
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
  timeZoneName: 'short',
});

export function date(at: string, now = Date.now()): string {
  const form = new Date(at).getFullYear() === new Date(now).getFullYear() ? sameYear : otherYear;
  return form.format(new Date(at));
}

const toTheSecond = new Intl.DateTimeFormat(undefined, {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});

/** A sentence of the service, with its times as they are here. */
export const localized = (text: string) =>
  text.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, (at) => timeOf(at));

/** The time of a row in a log. */
export const stampOf = (at: string) => toTheSecond.format(new Date(at));
export const fullDate = (at: string) => otherYear.format(new Date(at));
export const timeOf = (at: string) => locally.format(new Date(at));
export const utcOf = (at: string) => `${inUTC.format(new Date(at))} UTC`;
export const moment = (at: string) => toTheMinute.format(new Date(at));

/** The days of a usage of so many days that ends today, oldest first, as dates in UTC. */
export function daysBack(count: number, now = Date.now()): Date[] {
  const today = Math.floor(now / day) * day;
  return Array.from({ length: count }, (_, i) => new Date(today - (count - 1 - i) * day));
}

/** Which day in UTC a time was, as seen from today: "today", "yesterday", "3 days ago". */
export const dayAgo = (at: string, now = Date.now()) =>
  relatives.format(Math.floor(Date.parse(at) / day) - Math.floor(now / day), 'day');

/** How much of a period in UTC has passed, of one, by when it ends. */
export function passedOf(period: 'day' | 'month', ends: string, now: number): number {
  const end = new Date(ends);
  const begin = period === 'day' ? end.getTime() - day : Date.UTC(end.getUTCFullYear(), end.getUTCMonth() - 1, 1);
  return (now - begin) / (end.getTime() - begin);
}

export const dayInUTC = (at: Date) =>
  new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', timeZone: 'UTC' }).format(at);

/** An hour of the day, where the reader is. */
export const hourOf = (at: Date) => new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' }).format(at);

const units: Record<string, string> = { s: 's', m: 'min', h: 'h', d: 'day' };

/** A window of a rate limit as it is said: "min" for 1m, "10 min" for 10m. */
export function windowOf(text: string): string {
  const [, n, unit] = /^(\d+)([smhd])$/.exec(text) ?? [];
  if (!n || !unit) return text;
  const word = units[unit] ?? unit;
  return n === '1' ? word : `${n} ${word}${unit === 'd' ? 's' : ''}`;
}

export const limitOf = (l: { limit: number; window: string }) => `${compactLimit(l.limit)} / ${windowOf(l.window)}`;
export const quotaOf = (q: { limit: number; period: string }) => `${compactLimit(q.limit)} / ${q.period}`;

/** Limits are mostly round: 100k, where nothing is lost by it. */
const compactLimit = (n: number) => (n >= 100_000 && n % 1000 === 0 ? compact(n) : number(n));

/** A list of names as a sentence has it. */
export const listOf = (names: string[]) => new Intl.ListFormat(words, { type: 'conjunction' }).format(names);

/** A value for an input of type datetime-local, in the browser's zone, and back. */
export function toLocalInput(at: string | null | undefined): string {
  const d = new Date(at ?? '');
  if (Number.isNaN(d.getTime())) return '';
  return new Date(d.getTime() - d.getTimezoneOffset() * minute).toISOString().slice(0, 16);
}

export function fromLocalInput(text: string): string | null {
  const at = new Date(text);
  return text === '' || Number.isNaN(at.getTime()) ? null : at.toISOString();
}
