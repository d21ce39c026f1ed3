// SECURITY.md and docs/guide/production.md: pages lead to them, and what they tell of the engine is so.
import { readFileSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { tokenLine } from '../support/accounts.js';
import { RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';

describe('the pages on security', () => {
  test('README, mi-httpd.cfg and each other lead to them', () => {
    for (const file of ['README.md', 'mi-httpd.cfg', 'SECURITY.md']) {
      expect(readFileSync(file, 'utf8'), file).toContain('docs/guide/production.md');
    }
    for (const file of ['README.md', 'docs/guide/production.md']) {
      expect(readFileSync(file, 'utf8'), file).toContain('SECURITY.md');
    }
  });

  test('HTTP/1.0 gets a page of the engine, which names it, and others do not', async ({ start }) => {
    const { port } = await start([]);
    const old = await RawClient.connect(port);
    old.send('GET / HTTP/1.0\r\nHost: a\r\n\r\n');
    expect((await old.rest()).toString('latin1')).toMatch(/^HTTP\/1\.1 505 [\s\S]*uWebSockets/);
    const client = await RawClient.connect(port);
    client.send('GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect((await client.rest()).toString('latin1')).not.toMatch(/uWebSockets|mi-httpd|server:/i);
  });

  test('bytes from 0x80 around a header value are dropped, and let nobody in without a token', async ({
    temporaryFile,
    startServer,
  }) => {
    const tokens = temporaryFile('tokens', tokenLine('robot', 'mi_robot', 'read'));
    const { port } = await startServer({ httpd: { auth_tokens: tokens } });
    const status = async (authorization: string): Promise<number> => {
      const client = await RawClient.connect(port);
      const head = `GET /mi HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: ${authorization}\r\n\r\n`;
      client.send(Buffer.from(head, 'latin1'));
      return (await client.response()).status;
    };
    const edges = ['\x80', '\x85', '\xa0', '\xff\xfe'];
    for (const edge of edges) {
      for (const value of [`${edge}Bearer mi_robot`, `Bearer mi_robot${edge}`]) expect(await status(value)).toBe(200);
    }
    for (const edge of edges) {
      for (const value of [edge, `${edge}Bearer`, `Bearer ${edge}mi_robot`, `Bea${edge}rer mi_robot`]) {
        // After some guesses the address has to wait.
        expect([401, 429], JSON.stringify(value)).toContain(await status(value));
      }
    }
    expect(await status('\x01Bearer mi_robot')).toBe(400);
  });
});
