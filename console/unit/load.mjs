// Loads modules of the console as Vite does, without building it.
import { after } from 'node:test';
import { createServer } from 'vite';

globalThis.location ??= new URL('http://127.0.0.1/console/'); // of the page that a module is in

const vite = await createServer({
  root: new URL('..', import.meta.url).pathname,
  server: { middlewareMode: true, watch: null, ws: false },
  optimizeDeps: { noDiscovery: true },
  appType: 'custom',
  logLevel: 'error',
});
after(() => vite.close());

export const load = (name) => vite.ssrLoadModule(`/src/${name}`);
