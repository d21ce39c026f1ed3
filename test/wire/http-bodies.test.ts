import { expect } from 'vitest';
import type { Exchange } from '#src/http/exchange.js';
import { answers, pipelinesLittle } from '../support/engine.js';
import { root } from '../support/http-server.js';
import { ask, RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const size = root({
  body: 'raw',
  onRequest: (exchange) => void exchange.reply(200, `${exchange.body.length}:${sum(exchange.body)}`),
});

function sum(bytes: Uint8Array): number {
  return bytes.reduce((total, byte) => (total * 31 + byte) >>> 0, 7);
}

function bytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 255);
}

const expected = (body: Uint8Array) => `${body.length}:${sum(body)}`;

test('a body exactly at the limit is taken, one byte more is refused at once and the connection closed', async ({
  start,
}) => {
  const { port, counter, bodies } = await start([size], { receiveBufSize: 10_000 });
  const body = bytes(10_000);
  expect((await ask(port, 'POST', '/t', body)).text).toBe(expected(body));
  const client = await RawClient.connect(port);
  // The head alone: nothing of the body is waited for.
  client.send('POST /t HTTP/1.1\r\nHost: a\r\nContent-Length: 10001\r\n\r\n');
  const response = await client.response();
  expect(response.status).toBe(413);
  expect(response.text).toMatch(/10001 bytes is over the limit of 10000 bytes/);
  expect(await client.isClosed()).toBe(true);
  expect(counter('refused')).toBe(1);
  expect(bodies.slotsInUse).toBe(0);
});

test('a chunked body is held to the same limit, as soon as it is passed', async ({ start }) => {
  const { port, bodies, until } = await start([size], { receiveBufSize: 1000 });
  const chunked = 'POST /t HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
  const body = bytes(1000);
  const fits = await RawClient.connect(port);
  fits.send(chunked);
  for (let i = 0; i < 1000; i += 250) {
    fits.send('FA\r\n');
    fits.send(body.subarray(i, i + 250));
    fits.send('\r\n');
  }
  fits.send('0\r\n\r\n');
  expect((await fits.response()).text).toBe(expected(body));
  const over = await RawClient.connect(port);
  over.send(`${chunked}3E8\r\n`);
  over.send(body);
  over.send('\r\n');
  await until(() => bodies.slotsInUse === 1);
  // One byte more, and no last chunk.
  over.send('1\r\nx\r\n');
  expect((await over.response()).status).toBe(413);
  expect(await over.isClosed()).toBe(true);
  await until(() => bodies.slotsInUse === 0);
});

test('a body in pieces arrives whole', async ({ start }) => {
  const { port, bodies, until } = await start([size]);
  const client = await RawClient.connect(port);
  for (const length of [2, 100, 5000, 65_536]) {
    const body = bytes(length);
    client.send(`POST /t HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`);
    client.send(body.subarray(0, 1));
    await until(() => bodies.slotsInUse === 1);
    client.send(body.subarray(1));
    expect((await client.response()).text).toBe(expected(body));
    expect(bodies.slotsInUse).toBe(0);
    expect(bodies.bytesHeld).toBe(0);
  }
  client.close();
});

test('when all bodies together are over their limit the next gets 503, and the rest goes on', async ({ start }) => {
  const { port, bodies, until } = await start([size], { receiveBufSize: 4000, bodiesTotal: 5000 });
  const first = await RawClient.connect(port);
  const body = bytes(4000);
  first.send('POST /t HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\n');
  first.send(body.subarray(0, 3999));
  await until(() => bodies.bytesHeld >= 3999);
  const second = await RawClient.connect(port);
  second.send('POST /t HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\n');
  second.send(body.subarray(0, 2000));
  const refused = await second.response();
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).toBe('1');
  expect(bodies.slotsInUse).toBe(1);
  // The rest of the refused body is read and dropped; the connection stays usable.
  second.send(body.subarray(2000));
  first.send(body.subarray(3999));
  expect((await first.response()).text).toBe(expected(body));
  expect((await second.ask('POST', '/t', body)).text).toBe(expected(body));
  first.close();
  second.close();
});

test('a client that leaves in the middle of its body frees the slot', async ({ start }) => {
  const { port, bodies, until, counter, server } = await start([size]);
  for (const leave of ['close', 'kill'] as const) {
    const client = await RawClient.connect(port);
    client.send('POST /t HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\nabc');
    await until(() => bodies.slotsInUse === 1);
    expect(server.openExchanges).toBe(1);
    client[leave]();
    await until(() => bodies.slotsInUse === 0);
    expect(server.openExchanges).toBe(0);
  }
  expect(counter('aborted')).toBe(2);
});

test('a lent body is only valid during onRequest, an own one for ever', async ({ start }) => {
  const kept: Exchange[] = [];
  const own: Uint8Array[] = [];
  const { port } = await start([
    root({
      root: 'lent',
      borrowBody: true,
      onRequest: (exchange) => {
        kept.push(exchange);
        exchange.reply(200, exchange.body.slice());
      },
    }),
    root({
      root: 'own',
      onRequest: (exchange) => {
        own.push(exchange.body);
        exchange.reply(200, exchange.body);
      },
    }),
  ]);
  expect((await ask(port, 'POST', '/lent', 'abc')).text).toBe('abc');
  expect((await ask(port, 'POST', '/own', 'abc')).text).toBe('abc');
  await ask(port, 'POST', '/own', 'xyz');
  expect(kept[0]?.body.length).toBe(0);
  expect(Buffer.from(own[0] ?? []).toString()).toBe('abc');
});

unless(pipelinesLittle, test)(
  'pipelined requests are answered in order when their handlers answer at once',
  async ({ start }) => {
    const { port } = await start([root({ onRequest: (exchange) => void exchange.reply(200, exchange.path) })]);
    const client = await RawClient.connect(port);
    const count = 32;
    client.send(
      Array.from({ length: count }, (_, i) => `POST /t/${i} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxy`).join(
        '',
      ),
    );
    for (let i = 0; i < count; i++) expect((await client.response()).text).toBe(`/${i}`);
    client.close();
  },
);

unless(answers.pending === 'served' && 'it is served', test)(
  'a second request while a reply is pending closes the connection and frees everything',
  async ({ start }) => {
    const gone: string[] = [];
    let kept: Exchange | undefined;
    const { port, server, until, counter } = await start([
      root({
        onRequest: (exchange) => {
          kept = exchange;
          exchange.onGone = () => gone.push(exchange.path);
        },
      }),
    ]);
    const client = await RawClient.connect(port);
    client.request('GET', '/t/first');
    await until(() => server.openExchanges === 1);
    const { signal } = kept as unknown as Exchange;
    client.request('GET', '/t/second');
    expect(await client.isClosed()).toBe(true);
    await until(() => server.openExchanges === 0 && server.openConnections === 0);
    expect(gone).toContain('/first');
    expect(new Set(gone).size, 'onGone runs once for each').toBe(gone.length);
    expect(signal.aborted).toBe(true);
    expect(kept?.finished).toBe(true);
    expect(kept?.reply(200, 'too late')).toBe(false);
    expect(counter('aborted')).toBeGreaterThanOrEqual(1);
  },
);
