// The client corpus on one connection: pipelined as a whole, many thousand requests, and what the engine forbids.
import { once } from 'node:events';
import { assert, describe, expect } from 'vitest';
import { command, defineModule } from '#src/index.js';
import { rests } from '../support/at-rest.js';
import { corpus } from '../support/client/corpus.js';
import { exceptions } from '../support/client/engine-exceptions.js';
import { answers } from '../support/engine.js';
import { count } from '../support/long.js';
import { withResolvers } from '../support/mi-client.js';
import { RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const kept = corpus.filter(({ head }) => !/^connection: close/im.test(head));
const lasts = corpus.filter((entry) => !kept.includes(entry));

function slow() {
  const entered = withResolvers<AbortSignal>();
  const run = command({
    name: 'wait',
    help: 'Waits until nobody waits.',
    run: async (_parameters, { signal }) => {
      entered.resolve(signal);
      await once(signal, 'abort');
      return 'OK';
    },
  });
  return { entered: entered.promise, module: defineModule({ name: 'slow', commands: [run] }) };
}

const requests = count(10_000, 50_000);

const waiting = '{"jsonrpc":"2.0","method":"slow:wait","id":1}';

describe('the client corpus on one connection', () => {
  for (const last of lasts) {
    test(`pipelined as a whole, and closed behind ${last.client} ${last.body.slice(0, 70)}`, async ({
      startServer,
    }) => {
      const server = await startServer();
      const atRest = await rests(server);
      const client = await RawClient.connect(server.port);
      const all = [...kept, ...kept, ...kept, last];
      client.send(all.map(({ head, body }) => head + body).join(''));
      for (const { accepts, client: name } of all) {
        const { status, headers, text } = await client.response();
        expect(status, name).toBe(200);
        assert(accepts(status, headers.get('content-type') ?? '', text) !== undefined);
      }
      expect((await client.rest()).length).toBe(0);
      await atRest();
    });
  }

  test(`${requests} requests, and nothing grows`, async ({ startServer }) => {
    const server = await startServer();
    const atRest = await rests(server);
    const client = await RawClient.connect(server.port);
    const methods = ['pwd', 'which', 'core:uptime', 'no_such_method'];
    const round = 25;
    for (let first = 0; first < requests; first += round) {
      const bodies = Array.from(
        { length: round },
        (_, n) => `{"jsonrpc":"2.0","method":"${methods[n % methods.length]}","id":${first + n}}`,
      );
      for (const body of bodies) client.request('POST', '/mi', body, ['Content-Type: application/json']);
      for (let n = 0; n < round; n++) {
        const { status, text } = await client.response();
        expect(status).toBe(200);
        expect(text.startsWith('{"jsonrpc":"2.0",') && text.endsWith(`,"id":${first + n}}`), text).toBe(true);
        expect(text.includes('"error"')).toBe(n % methods.length === 3);
      }
    }
    client.close();
    await atRest();
  });

  unless(answers.pending === 'served' && 'it is served', test)(
    `except behind a pending call: ${exceptions.behindPending}`,
    async ({ startServer }) => {
      const { entered, module } = slow();
      const server = await startServer({ modules: [module] });
      const atRest = await rests(server);
      const client = await RawClient.connect(server.port);
      client.request('POST', '/mi', waiting, ['Content-Type: application/json']);
      const signal = await entered;
      client.request('GET', '/healthz');
      expect((await client.rest()).length, 'neither is answered, so that no reply is taken for another').toBe(0);
      expect(signal.aborted).toBe(true);
      await atRest();
    },
  );

  test(`except half-closed while a call is pending: ${exceptions.halfClosedPending}`, async ({ startServer }) => {
    const { entered, module } = slow();
    const server = await startServer({ modules: [module] });
    const atRest = await rests(server);
    const client = await RawClient.connect(server.port);
    client.request('POST', '/mi', waiting, ['Content-Type: application/json']);
    const signal = await entered;
    client.socket.end();
    expect((await client.rest()).length).toBe(0);
    expect(signal.aborted).toBe(true);
    await atRest();
  });

  test('a call is given up wherever its client is reset', async ({ startServer }) => {
    const { entered, module } = slow();
    const server = await startServer({ modules: [module] });
    const atRest = await rests(server);
    for (let round = 0; round < 50; round++) {
      const client = await RawClient.connect(server.port);
      client.request('POST', '/mi', waiting, ['Content-Type: application/json']);
      if (round === 0) await entered;
      client.kill();
      await client.closed;
    }
    await atRest();
  });
});
