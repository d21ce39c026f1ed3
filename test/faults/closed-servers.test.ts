// Servers that are closed: nothing of them stays, though the engine keeps all functions that it was ever given.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { noOpenssl, TlsFiles } from '../wire/tls-files.js';

test('server, modules, tables and apps are collected once the server is closed', {
  timeout: 60_000,
  skip: noOpenssl,
}, async (t) => {
  const files = new TlsFiles(t);
  const certificates = ['one', 'two'].map((name) => files.make(name, { key: 'ec' }).certFile.replace(/\.pem$/, ''));
  const script = fileURLToPath(new URL('closed-servers.js', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--expose-gc',
    script,
    ...certificates,
    files.path('live'),
  ]);
  assert.deepEqual(JSON.parse(stdout), { servers: 0, modules: 0, tables: 0, 'location services': 0 });
});
