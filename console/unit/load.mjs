// Loads modules of the console as Vite does, without building it.
import { after } from 'node:test';
import { createServer } from 'vite';

const vite = await createServer({
  root: new URL('..', import.meta.url).pathname,
  server: { middlewareMode: true, watch: null, ws: false },
  optimizeDeps: { noDiscovery: true },
  appType: 'custom',
  logLevel: 'error',
});
after(() => vite.close());

export const load = (name) => vite.ssrLoadModule(`/src/${name}`);
