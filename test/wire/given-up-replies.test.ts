import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect } from 'vitest';
import { type Call, command, defineModule, MiError, type Result, stream } from '#src/index.js';
import { held } from '../support/held-items.js';
import type { Lifetime } from '../support/lifetime.js';
import { call, post, withResolvers } from '../support/mi-client.js';
import '../support/at-rest.js';
import { answers } from '../support/engine.js';
import { test } from '../support/test.js';

function giving(run: (call: Call) => Result | Promise<Result>) {
  const give = command({ name: 'give', help: 'Gives a value.', run: (_parameters, call) => run(call) });
  return defineModule({ name: 'part', commands: [give] });
}

const ask = '{"jsonrpc":"2.0","method":"part:give","id":7}';
const notify = '{"jsonrpc":"2.0","method":"part:give"}';

function request(body: string): string {
  return `POST /mi HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

/** Collects what would end the process. */
function collectUnhandled(t: Lifetime): unknown[] {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', note);
  t.onTestFinished(() => process.off('unhandledRejection', note));
  return unhandled;
}

describe('streams that nobody reads', () => {
  test('as results of notifications are closed', async ({ startServer }) => {
    let closed = 0;
    const sources = [() => stream(held(() => closed++)), async () => ({ rows: [stream(held(() => closed++))] })];
    for (const make of sources) {
      closed = 0;
      const server = await startServer({ modules: [giving(make)] });
      expect((await post(server, notify)).status).toBe(202);
      await expect(server).toBeAtRest();
      expect(closed).toBe(1);
    }
  });

  test('are closed when they come after the client has left', async ({ startServer }) => {
    const entered = withResolvers<AbortSignal>();
    const later = withResolvers<Result>();
    const closed = withResolvers<void>();
    const server = await startServer({
      modules: [
        giving(({ signal }) => {
          entered.resolve(signal);
          return later.promise;
        }),
      ],
    });
    const socket = connect(server.port, '127.0.0.1');
    socket.write(request(ask));
    const signal = await entered.promise;
    socket.destroy();
    await once(signal, 'abort');
    later.resolve(stream(held(closed.resolve)));
    await closed.promise;
    await expect(server).toBeAtRest();
  });

  test('are closed when they come after the deadline', async ({ startServer }) => {
    const later = withResolvers<Result>();
    const closed = withResolvers<void>();
    const server = await startServer({ mi_http: { mi_timeout: 1 }, modules: [giving(() => later.promise)] });
    expect((await post(server, ask)).status).toBe(504);
    later.resolve(stream(held(closed.resolve)));
    await closed.promise;
    await expect(server).toBeAtRest();
  });

  test('are closed when another part of the reply fails to begin', async ({ startServer }) => {
    let closed = 0;
    const broken = {
      [Symbol.iterator]() {
        throw new Error('no database');
      },
    };
    const make = (): Result => [stream(held(() => closed++)), stream(broken as never), stream(held(() => closed++))];
    const server = await startServer({ modules: [giving(make)] });
    expect((await post(server, ask)).body).toMatch(/"error":\{"code":-32000.*"id":7\}$/);
    await expect(server).toBeAtRest();
    expect(closed).toBe(2);
  });

  test('give everything back although closing them fails', async ({ startServer }) => {
    const closed = withResolvers<void>();
    const make = (): Result => {
      const failing = held(() => {
        closed.resolve();
        throw new Error('cannot close');
      });
      return [stream(failing), stream(held(() => {}))];
    };
    const server = await startServer({ modules: [giving(make)] });
    const socket = connect(server.port, '127.0.0.1');
    socket.write(request(ask));
    await once(socket, 'readable');
    socket.destroy();
    await closed.promise;
    await expect(server).toBeAtRest();
  });
});

describe('streams that fail', () => {
  test('their client gone, before their first turn where the engine tells by then, end no process', async ({
    lifetime,
    startServer,
  }) => {
    const unhandled = collectUnhandled(lifetime);
    const aborted = withResolvers<void>();
    let leave = (): void => {};
    const server = await startServer({
      modules: [
        giving(({ signal }) => {
          async function* failing(): AsyncGenerator<number> {
            await once(signal, 'abort').finally(aborted.resolve);
            yield Promise.reject(new Error('aborted'));
          }
          leave();
          return stream(failing());
        }),
      ],
    });
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => {});
    const isServed = answers.pending === 'served';
    // Node.js tells of the end of a connection in the next turn at the earliest, by when the stream has begun.
    if (isServed) leave = () => void socket.resetAndDestroy();
    // What follows a request whose reply is pending makes uWebSockets.js close at once, within the same turn.
    socket.write(isServed ? request(ask) : request(ask) + request(ask));
    await once(socket, 'close');
    await aborted.promise;
    await expect(server).toBeAtRest();
    expect(unhandled).toStrictEqual([]);
  });

  test('at their first item are answered with an error, and with the id', async ({ startServer }) => {
    const items = [
      () => {
        throw new MiError(404, 'no rows');
      },
      async () => {
        await new Promise(setImmediate);
        throw new MiError(404, 'no rows');
      },
    ];
    for (const item of items) {
      async function* failing(): AsyncGenerator<number> {
        yield item();
      }
      const server = await startServer({ modules: [giving(() => ({ rows: stream(failing()) }))] });
      const { status, body } = await post(server, ask);
      expect([status, body]).toStrictEqual([200, '{"jsonrpc":"2.0","error":{"code":404,"message":"no rows"},"id":7}']);
      await expect(server).toBeAtRest();
    }
  });

  test('to give anything in time abort the signal of their call', async ({ startServer }) => {
    const aborted = withResolvers<void>();
    const server = await startServer({
      mi_http: { mi_timeout: 1 },
      modules: [
        giving(({ signal }) => {
          async function* silent(): AsyncGenerator<number> {
            await once(signal, 'abort').finally(aborted.resolve);
            yield 1;
          }
          return stream(silent());
        }),
      ],
    });
    const { status, body } = await post(server, ask);
    expect(status).toBe(504);
    expect(body).toMatch(/mi_timeout.*"id":7\}$/);
    await aborted.promise;
    await expect(server).toBeAtRest();
  });

  test('a second time, since an iterator is read once', async ({ startServer }) => {
    const once = stream(
      (function* () {
        yield 1;
      })(),
    );
    const again = stream([1]);
    let make = (): Result => once;
    const server = await startServer({ modules: [giving(() => make())] });
    expect(await call(server, 'part:give')).toStrictEqual([1]);
    expect((await post(server, ask)).body).toMatch(/"error":\{"code":-32000/);
    make = () => [again, again];
    expect(await call(server, 'part:give')).toStrictEqual([[1], [1]]);
    expect(await call(server, 'part:give')).toStrictEqual([[1], [1]]);
    await expect(server).toBeAtRest();
  });
});

test('pretty streams that wait for the same event do not mix', async ({ startServer }) => {
  let next = 0;
  const events = [withResolvers<void>(), withResolvers<void>()];
  async function* own(mark: number): AsyncGenerator<string> {
    if (mark === 1) setTimeout(() => events[0]?.resolve(), 100);
    for (const { promise } of events) {
      await promise;
      yield String(mark).repeat(100);
    }
  }
  const server = await startServer({
    mi_http: { pretty_printing: 1 },
    modules: [giving(() => stream(own(next++)))],
  });
  const replies = [post(server, ask), post(server, ask)];
  await events[0]?.promise;
  setTimeout(() => events[1]?.resolve(), 100);
  const results = (await Promise.all(replies)).map(({ body }) => JSON.parse(body).result).sort();
  expect(results).toStrictEqual([Array(2).fill('0'.repeat(100)), Array(2).fill('1'.repeat(100))]);
});

describe('results and errors that cannot be printed', () => {
  function fail(): never {
    throw new Error('nobody may look');
  }
  const unprintable = new MiError(400, 'x', { toJSON: fail } as never);
  const throwing = (error: unknown) => (): never => {
    throw error;
  };
  for (const [name, run] of [
    ['an error with data of its own mind', throwing(unprintable)],
    ['later, an error with data of its own mind', () => Promise.reject(unprintable)],
    ['nothing thrown', throwing(undefined)],
    ['later, nothing thrown', () => Promise.reject()],
    ['a proxy', () => new Proxy({}, { has: fail, get: fail })],
    [
      'later, a getter',
      async () => ({
        a: 1,
        get b() {
          return fail();
        },
      }),
    ],
  ] as const) {
    test(name, async ({ lifetime, startServer }) => {
      const unhandled = collectUnhandled(lifetime);
      const server = await startServer({ modules: [giving(run)] });
      const { status, body } = await post(server, ask);
      expect([status, JSON.parse(body).error.code, JSON.parse(body).id]).toStrictEqual([200, -32000, 7]);
      await expect(server).toBeAtRest();
      expect(await call(server, 'get_statistics', [['errors']])).toStrictEqual({
        'mi:errors': name === 'later, a getter' ? 0 : 1,
      });
      expect(unhandled).toStrictEqual([]);
    });
  }

  test('a statistic that fails to compute is null', async ({ startServer }) => {
    const broken = defineModule({
      name: 'broken',
      load: ({ mi }) => {
        mi.statistics.add('broken', 'gauge', 'computed', fail);
      },
    });
    const server = await startServer({ modules: [broken] });
    const { status, body } = await post(
      server,
      '{"jsonrpc":"2.0","method":"get_statistics","params":[["gauge"]],"id":7}',
    );
    expect([status, JSON.parse(body)]).toStrictEqual([
      200,
      { jsonrpc: '2.0', result: { 'broken:gauge': null }, id: 7 },
    ]);
    await expect(server).toBeAtRest();
  });
});
