// The browser of these programs' user: it keeps cookies, follows no redirect by itself, and picks a
// person on the sign-in page.

import assert from 'node:assert/strict';

const { fetch } = globalThis; // a program may put pageFetch in its place

export class Browser {
  #cookies = new Map(); // by name

  // open loads an address, or posts a form to it, and returns the response and where it leads to.
  async open(address, form) {
    const url = new URL(address);
    const cookies = [...this.#cookies.values()].filter(
      (cookie) => cookie.host === url.hostname && `${url.pathname}/`.startsWith(`${cookie.path}/`),
    );
    const response = await fetch(url, {
      method: form ? 'POST' : 'GET',
      body: form && new URLSearchParams(form),
      redirect: 'manual',
      headers: {
        Cookie: cookies.map((cookie) => cookie.text).join('; '),
        ...(form && { Origin: url.origin }),
      },
    });
    for (const line of response.headers.getSetCookie()) this.#keep(url.hostname, line);

    const location = response.headers.get('Location');
    return { response, to: location && new URL(location, url) };
  }

  #keep(host, line) {
    const [text, ...attributes] = line.split(/; */);
    const [name] = text.split('=');
    const value = (key) => attributes.find((a) => a.toLowerCase().startsWith(`${key}=`))?.split('=')[1];
    assert.ok(attributes.includes('HttpOnly') && value('samesite') === 'Lax', `cookie ${name}`);

    if (Number(value('max-age')) > 0) this.#cookies.set(name, { host, text, path: value('path') });
    else this.#cookies.delete(name);
  }

  // signIn opens the authorization endpoint, picks the person, and returns where that leads to.
  async signIn(address, person) {
    const { to: page } = await this.open(address);
    const shown = await (await this.open(page)).response.text();
    const id = /name="id" value="([^"]+)"/.exec(shown)?.[1];
    assert.ok(id, 'no sign-in page');

    const { to } = await this.open(new URL('/oidc/sign-in', page), { id, person });
    return to;
  }
}

// pageFetch returns a fetch that does as browsers do for a page of another origin: it asks first
// where CORS says so, and hides what the server does not share.
export function pageFetch(origin) {
  const simple = new Set(['accept', 'accept-language', 'content-language']);

  return async (address, options = {}) => {
    const headers = new Headers(options.headers);
    headers.set('Origin', origin);

    const unsafe = [...headers.keys()].filter(
      (name) =>
        name !== 'origin' &&
        !simple.has(name) &&
        !(name === 'content-type' && headers.get(name).startsWith('application/x-www-form-urlencoded')),
    );
    if (unsafe.length) {
      const asked = await fetch(address, {
        method: 'OPTIONS',
        headers: {
          Origin: origin,
          'Access-Control-Request-Method': options.method ?? 'GET',
          'Access-Control-Request-Headers': unsafe.sort().join(','),
        },
      });
      const allowed = (asked.headers.get('Access-Control-Allow-Headers') ?? '').toLowerCase().split(/, */);
      if (!asked.ok || !shares(asked, origin) || !unsafe.every((name) => allowed.includes(name))) {
        throw new TypeError(`CORS: ${address} does not allow ${unsafe} from ${origin}`);
      }
    }

    const response = await fetch(address, { ...options, headers });
    if (!shares(response, origin)) {
      throw new TypeError(`CORS: ${address} is not shared with ${origin}`);
    }

    return response;
  };
}

function shares(response, origin) {
  return response.headers.get('Access-Control-Allow-Origin') === origin;
}

// me returns whom the admin API takes the holder of an ID token for.
export async function me(issuer, idToken) {
  const response = await fetch(new URL('/v1/me', issuer), { headers: { Authorization: `Bearer ${idToken}` } });
  assert.equal(response.status, 200, '/v1/me');
  return response.json();
}

// report runs a library's steps, prints a line of them and exits: libraries leave timers behind.
export async function report(library, steps) {
  const done = [];
  try {
    for await (const step of steps) done.push(step);
    console.log(`${library.padEnd(16)} ok: ${done.join(', ')}`);
    process.exit(0);
  } catch (error) {
    console.log(`${library.padEnd(16)} FAILED after ${done.join(', ') || 'nothing'}: ${error.stack}`);
    process.exit(1);
  }
}
