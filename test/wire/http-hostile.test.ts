import fc from 'fast-check';
import { expect } from 'vitest';
import { root } from '../support/http-server.js';
import { holds } from '../support/property.js';
import { ask, RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';

const requests = [
  'GET /t?a=1 HTTP/1.1\r\nHost: a\r\n\r\n',
  'HEAD /t/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  'POST /t HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\na=1&b=2',
  'POST /t HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=1\r\n0\r\n\r\n',
  'POST /t HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 63\r\n\r\n' +
    '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n  ',
  'POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxy',
  'GET /flush HTTP/1.1\r\nHost: a\r\n\r\n',
].map((text) => Buffer.from(text, 'latin1'));

const conversation = fc.record({
  order: fc.array(fc.nat(requests.length - 1), { minLength: 1, maxLength: 4 }),
  damage: fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 0, max: 255 })), {
    maxLength: 3,
  }),
  splits: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 3 }),
  cut: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
  leaves: fc.constantFrom('close', 'kill'),
});

test('whatever clients send, and whenever they leave, nothing is left behind', async ({ start }) => {
  const { port, server, bodies, counter, until } = await start([
    root({ onRequest: (exchange) => void exchange.reply(200, JSON.stringify(exchange.fields)) }),
    root({ root: 'later', onRequest: (exchange) => void setImmediate(() => exchange.reply(200, exchange.body)) }),
    root({
      root: 'flush',
      onRequest: (exchange) => exchange.flush(200),
      onFlush: (_exchange, position) => (position < 1000 ? Buffer.alloc(100) : null),
    }),
  ]);
  await holds(
    fc.asyncProperty(conversation, async ({ order, damage, splits, cut, leaves }) => {
      const all = Buffer.concat(order.map((index) => requests[index] ?? Buffer.alloc(0)));
      for (const [where, byte] of damage) all[Math.floor(where * (all.length - 1))] = byte;
      const sent = all.subarray(0, cut === null ? all.length : Math.floor(cut * all.length));
      const client = await RawClient.connect(port);
      let at = 0;
      for (const end of [
        ...splits.map((split) => Math.floor(split * sent.length)).sort((a, b) => a - b),
        sent.length,
      ]) {
        client.send(sent.subarray(at, end));
        at = end;
        await new Promise((resolve) => setImmediate(resolve));
      }
      client[leaves]();
      await client.closed;
    }),
    { runs: 400 },
  );
  await until(() => server.openConnections === 0);
  expect(server.openExchanges).toBe(0);
  expect(bodies.slotsInUse).toBe(0);
  expect(bodies.bytesHeld).toBe(0);
  expect(counter('connections')).toBe(0);
  expect((await ask(port, 'GET', '/t?a=1')).text).toBe('[{"name":"a","value":"1"}]');
});
