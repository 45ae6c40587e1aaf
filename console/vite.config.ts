import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

// The console's function serves these files from whatever path the admin API has, so that all
// addresses in them are relative. {nonce} and "./assets/ in index.html are for that function.
const outDir = '../pkg/console/built/site';

// In development, a `bitting local` behind this server answers all but the page.
const server = process.env.BITTING_URL ?? 'http://127.0.0.1:4000';

export default defineConfig({
  base: './',
  plugins: [react(), reference(), compressed()],
  html: { cspNonce: '{nonce}' },
  build: {
    outDir,
    emptyOutDir: true,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1000, // tools/check-size.mjs holds the budgets
    license: { fileName: 'assets/licenses.md' },
    manifest: 'manifest.json',
    modulePreload: { polyfill: false },
    target: 'es2022',
  },
  server: {
    host: '127.0.0.1',
    proxy: {
      '/config.json': { target: server, rewrite: (at) => `/console${at}` },
      '/v1': { target: server },
    },
  },
});

/** Adds what the reference of the admin API at /v1/docs is made of: Swagger UI, and what starts it. */
function reference(): Plugin {
  const from = path.join(import.meta.dirname, 'node_modules/swagger-ui-dist');
  return {
    name: 'reference',
    apply: 'build',
    closeBundle() {
      const folder = path.join(import.meta.dirname, outDir, 'assets/reference');
      mkdirSync(folder, { recursive: true });
      for (const name of ['swagger-ui-bundle.js', 'swagger-ui.css', 'LICENSE', 'NOTICE']) {
        const named = name.includes('.') ? name : `${name}.md`;
        copyFileSync(path.join(from, name), path.join(folder, named));
      }
      for (const name of ['start.js', 'page.css']) {
        copyFileSync(path.join(import.meta.dirname, 'reference', name), path.join(folder, name));
      }
    },
  };
}

/** Puts a compressed copy beside each text: API Gateway compresses nothing by itself. */
function compressed(): Plugin {
  return {
    name: 'compressed',
    apply: 'build',
    closeBundle() {
      const folder = path.join(import.meta.dirname, outDir, 'assets');
      for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
        if (/\.(js|css|svg|md)$/.test(name)) {
          const file = path.join(folder, name);
          writeFileSync(`${file}.br`, brotliCompressSync(readFileSync(file)));
        }
      }
    },
  };
}
