import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect } from 'vitest';
import type { Exchange } from '#src/http/exchange.js';
import { answers, idleSeconds } from '../support/engine.js';
import { root } from '../support/http-server.js';
import { RawClient } from '../support/raw-client.js';
import { ChunkedChecker, SlowReader } from '../support/slow-reader.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const [least, most] = idleSeconds;

/** These wait for the engine's own timer, 8 to 12 s, so that they run together. */
describe("beyond the engine's timer", { concurrent: true }, () => {
  const silent: readonly (readonly [name: string, sent: string])[] = [
    ['that sends nothing', ''],
    ['that sends half a head', 'GET /t HTTP/1.1\r\nHo'],
    ['that sends an empty line first', '\r\nGET /t HTTP/1.1\r\nHost: a\r\n\r\n'],
  ];
  for (const [name, sent] of silent) {
    const isServed = name === 'that sends an empty line first' && answers.emptyLine === 200;
    unless(isServed && 'it is served', test)(`a client ${name} is closed`, async ({ start }) => {
      const { port, server, until, counter } = await start([root()]);
      const client = await RawClient.connect(port);
      const started = performance.now();
      if (sent !== '') client.send(sent);
      await client.rest();
      const took = performance.now() - started;
      expect(took > least * 1000 && took < most * 1000, `closed after ${took} ms`).toBe(true);
      await until(() => server.openConnections === 0);
      expect(counter('requests')).toBe(0);
    });
  }

  test('a body that stalls is given up, and its slot freed', async ({ start }) => {
    const { port, bodies, until, server } = await start([root()]);
    const client = await RawClient.connect(port);
    client.send('POST /t HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc');
    await until(() => bodies.slotsInUse === 1);
    await client.rest();
    await until(() => server.openConnections === 0);
    expect(bodies.slotsInUse).toBe(0);
    expect(server.openExchanges).toBe(0);
  });

  test('a reply that takes its time is waited for', async ({ start }) => {
    const kept: Exchange[] = [];
    const { port, until } = await start([root({ timeout: 0, onRequest: (exchange) => void kept.push(exchange) })]);
    const client = await RawClient.connect(port);
    client.request('POST', '/t', 'body');
    await until(() => kept.length === 1);
    await delay(15_000);
    kept[0]?.reply(200, 'late');
    expect((await client.response()).text).toBe('late');
    client.close();
  });

  test('a chunked request whose reply takes its time is answered too', async ({ start }) => {
    const kept: Exchange[] = [];
    const { port, until } = await start([root({ timeout: 0, onRequest: (exchange) => void kept.push(exchange) })]);
    const client = await RawClient.connect(port);
    client.send('POST /t HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n');
    await until(() => kept.length === 1);
    await delay(15_000);
    kept[0]?.reply(200, 'late');
    expect((await client.response()).text).toBe('late');
    if (answers.chunked === 'open') client.close();
    expect(await client.isClosed()).toBe(true);
  });

  test('a stream survives a source that pauses', async ({ start }) => {
    const parts = ['one', 'two', 'three'];
    const { port } = await start([
      root({
        onRequest: (exchange) => exchange.flush(200),
        onFlush: async () => {
          const part = parts.shift();
          if (part !== 'one') await delay(part === 'two' ? 15_000 : 1);
          return part ?? null;
        },
      }),
    ]);
    const client = await RawClient.connect(port);
    expect((await client.ask('GET', '/t')).text).toBe('onetwothree');
    client.close();
  });

  for (const kind of ['flushed', 'held'] as const) {
    test(`a reader that stalls for 15 s within connTimeout gets its whole ${kind} reply`, async ({ start }) => {
      const total = 24 << 20;
      const chunk = Buffer.alloc(65536, 'x');
      const body = Buffer.alloc(total, 'x');
      const { port, until, server } = await start([
        root({
          onRequest: (exchange) => {
            if (kind === 'held') exchange.reply(200, body);
            else exchange.flush(200);
          },
          onFlush: (_exchange, position) => (position < total ? chunk : null),
        }),
      ]);
      const checker = new ChunkedChecker(() => {});
      const reader = await SlowReader.ask(port, '/t', (bytes) => {
        if (kind === 'flushed') checker.push(bytes);
      });
      await until(() => server.openExchanges === 1);
      await delay(15_000);
      expect(server.openExchanges).toBe(1);
      reader.socket.resume();
      await until(() => (kind === 'flushed' ? checker.isComplete : reader.received > total));
      await until(() => server.openExchanges === 0);
      if (kind === 'flushed') expect(checker.length).toBe(total);
      reader.socket.destroy();
    });
  }
});
