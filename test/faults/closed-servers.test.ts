// Servers that are closed: nothing of them stays, though the engine keeps all functions that it was ever given.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { noOpenssl, TlsFiles } from '../wire/tls-files.js';

/** Bytes for each server: one that stays has 4 MiB and more; of those that are gone the system keeps one or two for a while. */
const mostGrowth = 1_200_000;

test('server, modules, tables and apps are collected once the server is closed', {
  timeout: 60_000,
  skip: noOpenssl,
}, async (t) => {
  const files = new TlsFiles(t);
  const certificates = ['one', 'two'].map((name) => files.make(name, { key: 'ec' }).certFile.replace(/\.pem$/, ''));
  const script = fileURLToPath(new URL('closed-servers.js', import.meta.url));
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--expose-gc', '--max-semi-space-size=1', script, ...certificates, files.path('live')],
    { env: { ...process.env, MALLOC_ARENA_MAX: '1' } },
  );
  const { kept, grown } = JSON.parse(stdout) as { kept: object; grown: number };
  assert.deepEqual(kept, { servers: 0, modules: 0, tables: 0, 'location services': 0 });
  assert.ok(grown < mostGrowth, `${grown} bytes of resident memory for each server`);
});
