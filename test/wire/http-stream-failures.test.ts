import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Chunk, ChunkSource } from '#src/http/exchange.js';
import { root } from '../support/http-server.js';
import { ListSource } from '../support/list-source.js';
import { ask, RawClient } from '../support/raw-client.js';
import { SlowReader } from '../support/slow-reader.js';
import { test } from '../support/test.js';

const mega = 1 << 20;

test('flush without onFlush is told as the mistake it is', async ({ start }) => {
  const { port, log } = await start([root({ onRequest: (exchange) => exchange.flush(200) })]);
  expect((await ask(port, 'GET', '/t')).status).toBe(500);
  expect(String(log[0]?.fields.err)).toMatch(/has no onFlush/);
});

test('an error before the first chunk is a 500', async ({ start }) => {
  const sources: ListSource[] = [];
  const { port, log, counter } = await start([
    root({
      onRequest: (exchange) => {
        const failure = new Error('source broke');
        const source = new ListSource([exchange.path === '/later' ? () => Promise.reject(failure) : failure]);
        sources.push(source);
        exchange.stream(200, source);
      },
    }),
  ]);
  const client = await RawClient.connect(port);
  for (const path of ['/t', '/t/later']) {
    const response = await client.ask('GET', path);
    expect(response.status).toBe(500);
    expect(response.text).not.toMatch(/broke/);
  }
  client.close();
  expect(counter('stream_errors')).toBe(2);
  expect(log.length).toBe(2);
  expect(sources.map(({ released }) => released)).toStrictEqual([1, 1]);
});

const failures: readonly (readonly [name: string, source: () => ListSource])[] = [
  ['throws', () => new ListSource(['one', new Error('source broke')])],
  ['rejects', () => new ListSource(['one', () => turn().then(() => Promise.reject(new Error('source broke')))])],
  ['gives less than it announced', () => new ListSource(['one'], 10)],
  ['gives more than it announced', () => new ListSource(['one', 'two'], 4)],
  ['gives what is no chunk', () => new ListSource(['one', 5 as unknown as Uint8Array])],
];

for (const [name, make] of failures) {
  test(`a source that ${name} in the middle cuts the connection`, async ({ start }) => {
    const source = make();
    let gone = 0;
    const { port, counter, log, server, until } = await start([
      root({
        onRequest: (exchange) => {
          exchange.onGone = () => gone++;
          exchange.stream(200, source);
        },
      }),
    ]);
    const client = await RawClient.connect(port);
    client.request('GET', '/t');
    const received = (await client.rest()).toString();
    expect(received).toMatch(/^HTTP\/1\.1 200 OK/);
    expect(received, 'no clean end').not.toMatch(/\r\n0\r\n\r\n$/);
    await until(() => server.openExchanges === 0);
    expect(source.released).toBe(1);
    expect(gone).toBe(1);
    expect(counter('stream_errors')).toBe(1);
    expect(counter('aborted')).toBe(0);
    expect(log.filter(({ level }) => level === 'error').length).toBe(1);
  });
}

for (const kind of ['flush', 'stream', 'length', 'held', 'waiting'] as const) {
  test(`a client killed in the middle of a reply (${kind}) frees everything, once`, async ({ start }) => {
    const chunk = Buffer.alloc(65536);
    let gone = 0;
    let released = 0;
    const source = (length?: number): ChunkSource => ({
      length,
      next: () => chunk,
      release: () => released++,
    });
    const { port, server, until, counter } = await start([
      root({
        onRequest: (exchange) => {
          exchange.onGone = () => gone++;
          if (kind === 'flush') exchange.flush(200);
          else if (kind === 'held') exchange.reply(200, Buffer.alloc(64 * mega));
          else if (kind === 'waiting') exchange.stream(200, { ...source(), next: () => new Promise(() => {}) });
          else exchange.stream(200, source(kind === 'length' ? 1e12 : undefined));
        },
        onFlush: () => chunk,
      }),
    ]);
    const reader = await SlowReader.ask(port, '/t');
    await until(() => server.openExchanges === 1);
    await delay(50);
    reader.socket.resetAndDestroy();
    await until(() => server.openExchanges === 0);
    await turn();
    expect(gone).toBe(1);
    expect(released).toBe(kind === 'flush' || kind === 'held' ? 0 : 1);
    expect(counter('aborted')).toBe(1);
  });
}

test('a client that reads nothing is cut after connTimeout, one that reads slowly is not', async ({ start }) => {
  const chunk = Buffer.alloc(65536);
  let gone = 0;
  const { port, server, until, counter, log } = await start(
    [
      root({
        onRequest: (exchange) => {
          exchange.onGone = () => gone++;
          if (exchange.path === '/held') exchange.reply(200, Buffer.alloc(64 * mega));
          else exchange.flush(200);
        },
        onFlush: () => chunk,
      }),
    ],
    { connTimeout: 1 },
  );
  for (const path of ['/t', '/t/held']) {
    const stalled = await SlowReader.ask(port, path);
    await until(() => server.openExchanges === 1);
    const started = performance.now();
    await until(() => server.openExchanges === 0);
    const took = performance.now() - started;
    expect(took > 900 && took < 3000, `cut after ${took} ms`).toBe(true);
    stalled.socket.destroy();
  }
  expect(gone).toBe(2);
  expect(counter('timeouts')).toBe(2);
  expect(counter('aborted')).toBe(0);
  expect(log.filter(({ message }) => message.includes('read nothing for 1 s')).length).toBe(2);
  const slow = await SlowReader.ask(port, '/t');
  const stop = slow.pulse(5, 100);
  await until(() => server.openExchanges === 1);
  await delay(3000);
  expect(server.openExchanges).toBe(1);
  stop();
  slow.socket.destroy();
});

test('a source that gives nothing for the timeout of the root is given up', async ({ start }) => {
  let released = 0;
  const { port, counter, server, until } = await start([
    root({
      timeout: 0.3,
      onRequest: (exchange) => {
        let given = exchange.path === '/begun' ? 1 : 0;
        const wait = exchange.path === '/empty' ? Buffer.alloc(0) : new Promise<Chunk>(() => {});
        exchange.stream(200, { next: () => (given-- > 0 ? Buffer.from('one') : wait), release: () => released++ });
      },
    }),
  ]);
  expect((await ask(port, 'GET', '/t')).status).toBe(504);
  expect((await ask(port, 'GET', '/t/empty')).status).toBe(504);
  const client = await RawClient.connect(port);
  client.request('GET', '/t/begun');
  expect((await client.rest()).toString()).not.toMatch(/\r\n0\r\n\r\n$/);
  await until(() => server.openExchanges === 0);
  expect(released).toBe(3);
  expect(counter('timeouts')).toBe(3);
});
