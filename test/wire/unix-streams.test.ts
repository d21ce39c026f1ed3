import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { parseListenSetting } from '#src/http/listen/setting.js';
import { root } from '../support/http-server.js';
import { ListSource } from '../support/list-source.js';
import { test } from '../support/test.js';

// The engine drops a large write when the kernel has no room for the corked line before it (uWS AsyncSocket::uncork),
// and a Unix socket is often exactly full.

/** A process of its own, so that it reads while the server writes. Prints the digest of the body. */
const reader = `
  const hash = require('node:crypto').createHash('sha256');
  require('node:http').get({ socketPath: process.argv[1], path: '/t', agent: false }, (response) => {
    response.on('data', (piece) => hash.update(piece)).on('end', () => process.stdout.write(hash.digest('hex')));
  });
`;

test('a streamed reply arrives whole over a Unix socket', async ({ onTestFinished, start }) => {
  const folder = mkdtempSync(join(tmpdir(), 'mi-httpd-unix-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const socketPath = join(folder, 'mi.sock');
  const pieces = 200;
  const chunks = (): Uint8Array[] => Array.from({ length: pieces }, (_, i) => new Uint8Array(65536).fill(i));
  const declaration = root({ onRequest: (exchange) => exchange.stream(200, new ListSource(chunks())) });
  await start([declaration], { listeners: [{ setting: parseListenSetting(`unix:${socketPath}`) }] });
  const expected = createHash('sha256').update(Buffer.concat(chunks())).digest('hex');
  for (let i = 0; i < 5; i++) {
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', reader, socketPath], { timeout: 100_000 });
    expect(stdout).toBe(expected);
  }
});
