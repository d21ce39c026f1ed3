import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect } from 'vitest';
import { type Call, command, defineModule, type JsonValue, stream } from '#src/index.js';
import { held } from '../support/held-items.js';
import { call, post, withResolvers } from '../support/mi-client.js';
import { RawClient } from '../support/raw-client.js';
import '../support/at-rest.js';
import { test } from '../support/test.js';

interface Entered {
  readonly call: Call;
  readonly resolve: (value: JsonValue) => void;
  readonly reject: (error: unknown) => void;
}

/** Commands that answer when the test says so, and one that answers at once. */
function gate() {
  const entered: Entered[] = [];
  let arrived = withResolvers<void>();
  let ran = 0;
  const module = defineModule({
    name: 'gate',
    commands: [
      command({
        name: 'wait',
        help: 'Waits.',
        run: (_parameters, call) => {
          const { promise, resolve, reject } = withResolvers<JsonValue>();
          entered.push({ call, resolve, reject });
          arrived.resolve();
          arrived = withResolvers<void>();
          return promise;
        },
      }),
      command({
        name: 'open',
        help: 'Ends the first wait.',
        run: () => {
          entered[0]?.resolve('opened');
          return 'OK';
        },
      }),
      command({ name: 'run', help: 'Gives a text.', run: () => `${++ran} ${'x'.repeat(10_000)}` }),
    ],
  });
  const enter = async (count: number): Promise<void> => {
    while (entered.length < count) await arrived.promise;
  };
  return { module, entered, enter, ran: () => ran };
}

const wait = (id: number): string => `{"jsonrpc":"2.0","method":"gate:wait","id":${id}}`;
const run = (id: number): string => `{"jsonrpc":"2.0","method":"gate:run","id":${id}}`;
const repeat = <T>(count: number, make: (id: number) => T): T[] => Array.from({ length: count }, (_, id) => make(id));

async function send(port: number, body: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(
    `POST /mi HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  return socket;
}

describe('calls of a batch', () => {
  test('run side by side, and are answered in order however they end', async ({ startServer }) => {
    const { module, entered, enter } = gate();
    const server = await startServer({ modules: [module] });
    const reply = post(server, `[${[wait(1), wait(2), run(3), wait(4)]}]`);
    await enter(3);
    expect(await call(server, 'get_statistics', [['pending']])).toStrictEqual({ 'mi:pending': 3 });
    entered[2]?.resolve('c');
    entered[1]?.reject(new Error('secret'));
    await call(server, 'version');
    entered[0]?.resolve('a');
    const { status, body } = await reply;
    expect(status).toBe(200);
    const replies = JSON.parse(body) as { result?: string; error?: { code: number }; id: number }[];
    expect(replies.map(({ id, result, error }) => [id, result?.slice(0, 1), error?.code])).toStrictEqual([
      [1, 'a', undefined],
      [2, undefined, -32000],
      [3, '1', undefined],
      [4, 'c', undefined],
    ]);
    expect(body).not.toContain('secret');
    await expect(server).toBeAtRest();
  });

  test('one may wait for another far behind it', async ({ startServer }) => {
    const { module } = gate();
    const server = await startServer({ modules: [module], mi_http: { max_batch: 5000 } });
    const calls = [wait(-1), ...repeat(3000, run), '{"jsonrpc":"2.0","method":"gate:open","id":"o"}'];
    const replies = JSON.parse((await post(server, `[${calls}]`)).body) as { result: string }[];
    expect(replies.length).toBe(3002);
    expect(replies[0]?.result).toBe('opened');
    await expect(server).toBeAtRest();
  });

  test('what is complete is sent while others still run', async ({ startServer, onTestFinished }) => {
    const { module, entered, enter } = gate();
    const server = await startServer({ modules: [module] });
    const client = await RawClient.connect(server.port);
    onTestFinished(() => client.close());
    client.request('POST', '/mi', `[${run(1)},${wait(2)},${run(3)}]`, ['Content-Type: application/json']);
    await enter(1);
    while (!client.unread.includes('"id":1}')) await once(client.socket, 'data');
    expect(client.unread).not.toContain('"id":3}');
    entered[0]?.resolve('now');
    const { text } = await client.response();
    expect((JSON.parse(text) as { id: number }[]).map(({ id }) => id)).toStrictEqual([1, 2, 3]);
  });

  test('each has the deadline mi_timeout, and its own error', async ({ startServer }) => {
    const { module, entered, enter } = gate();
    const server = await startServer({ modules: [module], mi_http: { mi_timeout: 1 } });
    const reply = post(server, `[${wait(1)},${run(2)},${wait(3)}]`);
    await enter(2);
    entered[1]?.resolve('in time');
    const { status, body } = await reply;
    expect(status).toBe(200);
    const [late, quick, inTime] = JSON.parse(body);
    expect(late.error.code).toBe(-32000);
    expect(late.error.data).toMatch(/gate:wait .* 1 s.*mi_timeout/);
    expect(quick.id).toBe(2);
    expect([inTime.result, inTime.id]).toStrictEqual(['in time', 3]);
    expect(entered[0]?.call.signal.aborted).toBe(true);
    expect(entered[1]?.call.signal.aborted).toBe(false);
    entered[0]?.resolve('too late');
    await expect(server).toBeAtRest();
  });

  test('that all run out of time have their errors, also where the loop was held up meanwhile', async ({
    startServer,
  }) => {
    const { module, entered, enter } = gate();
    const server = await startServer({ modules: [module], mi_http: { mi_timeout: 1 } });
    const reply = post(server, `[${wait(1)},${wait(2)}]`);
    await enter(2);
    // All timers of the batch are due at once.
    const due = performance.now() + 1100;
    while (performance.now() < due);
    const { status, body } = await reply;
    expect(status).toBe(200);
    const replies = JSON.parse(body) as { id: number; error: { code: number } }[];
    expect(replies.map(({ id, error }) => [id, error.code])).toStrictEqual([
      [1, -32000],
      [2, -32000],
    ]);
    for (const { resolve } of entered) resolve('too late');
    await expect(server).toBeAtRest();
  });

  test('each counts against max_pending; one too many gets its own error', async ({ startServer }) => {
    const { module, entered, enter } = gate();
    const server = await startServer({ modules: [module], mi_http: { max_pending: 2 } });
    const reply = post(server, `[${[wait(1), wait(2), wait(3), run(4)]}]`);
    await enter(2);
    const refused = await post(server, wait(5));
    expect(refused.status).toBe(503);
    for (const { resolve } of entered) resolve('done');
    const replies = JSON.parse((await reply).body);
    expect(entered.length).toBe(2);
    expect(replies[2]).toStrictEqual({ ...JSON.parse(refused.body), id: 3 });
    expect(replies.map(({ id, result }: { id: number; result?: string }) => [id, result?.slice(0, 4)])).toStrictEqual([
      [1, 'done'],
      [2, 'done'],
      [3, undefined],
      [4, '1 xx'],
    ]);
    await expect(server).toBeAtRest();
  });

  test('are all aborted when the client leaves, and free what they held', async ({ startServer }) => {
    const { module, entered, enter } = gate();
    const server = await startServer({ modules: [module] });
    const notification = wait(9).replace(',"id":9', '');
    for (const calls of [
      [wait(1), run(2), notification, wait(3)],
      [run(1), wait(2), notification, wait(3)],
      [notification, notification, notification],
    ]) {
      entered.length = 0;
      const socket = await send(server.port, `[${calls}]`);
      const hasReplies = calls[0] !== notification;
      await enter(3);
      const aborted = Promise.all(entered.map(({ call }) => once(call.signal, 'abort')));
      if (hasReplies) {
        socket.destroy();
        await aborted;
        for (const { call } of entered) expect(String(call.signal.reason)).toMatch(/client left/);
      } else {
        // They were accepted: nobody waits for them.
        await once(socket, 'data');
        socket.destroy();
      }
      for (const { reject } of entered) reject(new Error('nobody hears this'));
      await expect(server).toBeAtRest();
    }
  });

  test('a client that leaves closes what waits to be printed', async ({ startServer }) => {
    let opened = 0;
    let closed = 0;
    const { module, entered, enter } = gate();
    const rowsModule = defineModule({
      name: 'held',
      commands: [
        command({
          name: 'rows',
          help: 'Gives rows.',
          run: () => {
            opened += 1;
            return stream(held(() => (closed += 1)));
          },
        }),
      ],
    });
    const server = await startServer({ modules: [module, rowsModule] });
    const rows = '{"jsonrpc":"2.0","method":"held:rows","id":7}';
    const socket = await send(server.port, `[${wait(1)},${rows},${rows},${rows.replace(',"id":7', '')}]`);
    await enter(1);
    // On a later turn, where the first call has taken its time.
    await expect.poll(() => opened).toBe(3);
    const aborted = once(entered[0]?.call.signal as AbortSignal, 'abort');
    socket.destroy();
    await aborted;
    entered[0]?.resolve('nobody hears this');
    await expect(server).toBeAtRest();
    expect(closed).toBe(3);
  });

  test('a failure before anything of its reply is sent is an error; later it cuts the connection', async ({
    startServer,
  }) => {
    const failing = defineModule({
      name: 'failing',
      commands: [
        command({
          name: 'rows',
          help: 'Gives rows until it fails.',
          recipes: [{ count: 'int', later: 'bool' }],
          run: ({ count, later }) => {
            function* rows(): Generator<string> {
              for (let n = 0; n < count; n++) yield 'x'.repeat(1000);
              throw new Error('secret');
            }
            async function* slowly(): AsyncGenerator<string> {
              for (const row of rows()) {
                await new Promise(setImmediate);
                yield row;
              }
            }
            return { rows: stream(later ? slowly() : rows()) };
          },
        }),
      ],
    });
    const lines: string[] = [];
    const log = { ...silent, error: (_fields: object, message: string): void => void lines.push(message) };
    const server = await startServer({ modules: [failing, gate().module], log });
    const rows = (id: number, count: number, later: boolean): string =>
      JSON.stringify({ jsonrpc: '2.0', method: 'failing:rows', params: { count, later }, id });
    const { body } = await post(server, `[${[run(1), rows(2, 0, false), rows(3, 0, true), run(4)]}]`);
    const replies = JSON.parse(body) as { id: number; error?: { code: number; data: string } }[];
    expect(replies.map(({ id, error }) => [id, error?.code])).toStrictEqual([
      [1, undefined],
      [2, -32000],
      [3, -32000],
      [4, undefined],
    ]);
    expect(replies[1]?.error?.data ?? '').toMatch(/failing:rows failed/);
    expect(body).not.toContain('secret');
    for (const later of [false, true]) {
      lines.length = 0;
      await expect(post(server, `[${[run(1), rows(2, 500, later), run(4)]}]`)).rejects.toThrow();
      await expect(server).toBeAtRest();
      expect(lines).toStrictEqual(['streamed reply of root /mi, failing:rows, failed']);
    }
  });

  test('no more begin while the client does not read; all do when it reads', async ({ startServer }) => {
    const { module, ran } = gate();
    const server = await startServer({ modules: [module], mi_http: { max_batch: 5000 } });
    const count = 3000;
    const socket = await send(server.port, `[${repeat(count, run)}]`);
    socket.pause();
    // 30 MB do not fit into the buffers of two sockets.
    let before = -1;
    for (let still = 0; still < 20; still = ran() === before ? still + 1 : 0) {
      before = ran();
      await call(server, 'version');
    }
    expect(ran(), `${ran()} ran`).toBeLessThan(count);
    expect(before).toBeGreaterThan(0);
    let bytes = 0;
    let tail = '';
    socket.on('data', (piece) => {
      bytes += piece.length;
      tail = (tail + piece.toString('latin1')).slice(-200);
      if (tail.endsWith('0\r\n\r\n')) socket.destroy();
    });
    socket.resume();
    await once(socket, 'close');
    expect(ran()).toBe(count);
    expect(bytes).toBeGreaterThan(count * 10_000);
    expect(tail).toMatch(/"id":2999\}\]\r\n0\r\n\r\n$/);
    await expect(server).toBeAtRest();
  });

  test('others are served between the calls of a long batch', async ({ startServer, onTestFinished }) => {
    const server = await startServer({
      modules: [
        defineModule({
          name: 'busy',
          commands: [
            command({
              name: 'work',
              help: 'Keeps the process busy for a while.',
              run: () => {
                const until = performance.now() + 1;
                while (performance.now() < until);
                return 'OK';
              },
            }),
          ],
        }),
      ],
    });
    const client = await RawClient.connect(server.port);
    onTestFinished(() => client.close());
    let isOver = false;
    const work = (id: number): string => `{"jsonrpc":"2.0","method":"busy:work","id":${id}}`;
    const reply = post(server, `[${repeat(300, work)}]`).then((given) => {
      isOver = true;
      return given;
    });
    let served = 0;
    while (!isOver) {
      await client.ask('POST', '/mi', '{"jsonrpc":"2.0","method":"version","id":1}', [
        'Content-Type: application/json',
      ]);
      served += 1;
    }
    expect((JSON.parse((await reply).body) as unknown[]).length).toBe(300);
    expect(served, `${served} calls were served meanwhile`).toBeGreaterThan(10);
  });

  test('that stop the server at once end the batch, not the process', async ({ startServer }) => {
    let ran = 0;
    const stopping = defineModule({
      name: 'stopping',
      commands: [
        command({
          name: 'stop',
          help: 'Stops the server.',
          run: () => {
            void server.close({ deadline: 0 });
            return stream([1, 2, 3]);
          },
        }),
        command({ name: 'count', help: 'Counts.', run: () => ++ran }),
      ],
    });
    const server = await startServer({ modules: [stopping] });
    const of = (name: string, id: number): string => `{"jsonrpc":"2.0","method":"stopping:${name}","id":${id}}`;
    const calls = [of('count', 1), of('stop', 2), ...repeat(900, (id) => of('count', id))];
    await post(server, `[${calls}]`).catch(() => {});
    await server.close();
    expect(ran).toBeGreaterThanOrEqual(1);
  });

  test('get the reason when they outlast the time the server has to stop', async ({ startServer }) => {
    const { module, entered, enter } = gate();
    const server = await startServer({ modules: [module] });
    const reply = post(server, `[${wait(1)},${wait(2)}]`);
    await enter(2);
    await server.close({ deadline: 0.05 });
    const { status, body } = await reply;
    expect(status).toBe(200);
    const replies = JSON.parse(body) as { error: { data: string }; id: number }[];
    expect(replies.map(({ error, id }) => [error.data, id])).toStrictEqual([
      ['the server stops', 1],
      ['the server stops', 2],
    ]);
    expect(entered.every(({ call }) => call.signal.aborted)).toBe(true);
  });
});

const silent = { debug() {}, info() {}, warn() {}, error() {} };
