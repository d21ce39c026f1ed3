import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseListenSetting } from '#src/httpd/listen-setting.js';
import { root, start } from './http-server.js';
import { ListSource } from './list-source.js';

// The engine drops a large write when the kernel has no room for the corked line before it (uWS AsyncSocket::uncork),
// and a Unix socket is often exactly full.
const todo = 'pieces are lost: the engine drops a write when the socket is exactly full';

test('a streamed reply arrives whole over a Unix socket', { timeout: 60_000, todo }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'mi-httpd-unix-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const socketPath = join(folder, 'mi.sock');
  const pieces = 200;
  const chunks = (): Uint8Array[] => Array.from({ length: pieces }, (_, i) => new Uint8Array(65536).fill(i));
  const declaration = root({ onRequest: (exchange) => exchange.stream(200, new ListSource(chunks())) });
  await start(t, [declaration], { listeners: [{ setting: parseListenSetting(`unix:${socketPath}`) }] });
  for (let i = 0; i < 5; i++) {
    const sent = request({ socketPath, path: '/t', agent: false, timeout: 5000 });
    sent.on('timeout', () => sent.destroy(new Error('nothing comes any more')));
    const response = once(sent, 'response');
    sent.end();
    const received: Buffer[] = [];
    for await (const piece of (await response)[0]) received.push(piece);
    assert.ok(Buffer.concat(received).equals(Buffer.concat(chunks())));
  }
});
