const here = import.meta.url;

/**
 * The path that the console is served below, with a slash at both ends: /console/, or /admin/console/
 * behind a stage. Scripts are one folder below it.
 */
export const base = new URL('..', here).pathname;

/** The address of the admin API, which is beside the console. */
export const apiAddress = import.meta.env.DEV
  ? location.origin
  : new URL('..', location.origin + base).href.replace(/\/$/, '');

/** The address of a place in the console. */
export const addressOf = (place: string) => location.origin + base + place;
