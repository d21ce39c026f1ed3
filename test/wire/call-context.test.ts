// Asynchronous context: what one call enters is seen by that call, and by no other.
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { setTimeout as later } from 'node:timers/promises';
import { expect } from 'vitest';
import {
  command,
  createServer,
  defineModule,
  MiError,
  type Result,
  type Server,
  stream,
  streamObject,
} from '#src/index.js';
import type { Lifetime } from '../support/lifetime.js';
import { call, callError, post, withResolvers } from '../support/mi-client.js';
import { RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';

const storage = new AsyncLocalStorage<string>();
const seen = (): string => storage.getStore() ?? 'nothing';

/** Each command tells what it sees, then enters a context of its own, in one way or another. */
const entering = defineModule({
  name: 'enters',
  commands: Object.entries<(name: string) => unknown>({
    at_once: () => undefined,
    later: async () => {
      await later(1);
    },
    within: () => storage.run('inner', () => undefined),
    throwing: () => {
      throw new Error('after it had entered');
    },
  }).map(([name, rest]) =>
    command({
      name,
      help: 'Enters a context.',
      recipes: [{ name: 'string' }],
      run: ({ name: user }) => {
        const before = seen();
        storage.enterWith(user);
        const result = rest(user);
        return result instanceof Promise ? result.then(() => `${before} ${seen()}`) : `${before} ${seen()}`;
      },
    }),
  ),
});

/** Results that enter a context while they are printed, and tell what is seen before. */
const printing = defineModule({
  name: 'prints',
  commands: Object.entries<(item: string) => Result>({
    short: (item) => [item],
    long: (item) => Array.from({ length: 20_000 }, () => item),
    error: (item) => {
      throw new MiError(400, 'It fails', [item]);
    },
  }).map(([name, result]) =>
    command({
      name,
      help: 'Prints.',
      recipes: [{ name: 'string' }],
      run: ({ name: user }) => {
        const toJSON = (): string => {
          const before = seen();
          storage.enterWith(user);
          return before;
        };
        return result({ toJSON } as unknown as string);
      },
    }),
  ),
});

const streaming = defineModule({
  name: 'streams',
  commands: [
    command({ name: 'items', help: 'Streams.', recipes: [{ name: 'string' }], run: ({ name }) => stream(items(name)) }),
    command({
      name: 'members',
      help: 'Streams what comes later.',
      recipes: [{ name: 'string' }],
      run: ({ name }) => {
        storage.enterWith(name);
        return streamObject(members());
      },
    }),
    command({
      name: 'endless',
      help: 'Streams until the client leaves.',
      recipes: [{ name: 'string' }],
      run: ({ name }) => {
        storage.enterWith(name);
        return stream(endless());
      },
    }),
  ],
});

function* items(name: string): Generator<string> {
  yield seen();
  storage.enterWith(name);
  // More than a window holds, so that the engine asks for the rest.
  for (let i = 0; i < 2000; i++) yield 'x'.repeat(1000);
  yield seen();
}

const closed = { seen: withResolvers<string>() };

function* endless(): Generator<string> {
  try {
    for (;;) yield 'x'.repeat(1000);
  } finally {
    closed.seen.resolve(seen());
  }
}

async function* members(): AsyncGenerator<[string, string]> {
  yield ['first', seen()];
  for (let i = 0; i < 20; i++) {
    await later(0);
    yield [String(i), 'x'.repeat(100_000)];
  }
  yield ['last', seen()];
}

/** What the listener of a signal saw, and that of a request which was left. */
const told = { aborted: withResolvers<string>(), left: withResolvers<string>() };

/** A statistic that is 1 when it sees nothing, and a call that waits. Both enter a context. */
const computing = defineModule({
  name: 'computes',
  load: ({ mi }) => {
    mi.statistics.add('computes', 'seen', 'computed', () => {
      const before = seen();
      storage.enterWith('of a statistic');
      return before === 'nothing' ? 1 : 0;
    });
    return {
      commands: [
        command({ name: 'seen', help: 'Gives it.', run: () => ({ all: mi.statistics.selectAll(), call: seen() }) }),
        command({
          name: 'waits',
          help: 'Waits until nobody waits for it.',
          recipes: [{ name: 'string' }],
          run: ({ name }, call) => {
            storage.enterWith(name);
            const { promise, resolve } = withResolvers<string>();
            call.signal.addEventListener('abort', () => {
              told.aborted.resolve(seen());
              storage.enterWith('of a listener');
              resolve('OK');
            });
            return promise;
          },
        }),
      ],
    };
  },
});

/** Tells what each request sees, then enters a context. */
const rooted = defineModule({
  name: 'rooted',
  load: ({ httpd }) => {
    const enter = <T>(result: T): T => {
      storage.enterWith('of a root');
      return result;
    };
    httpd.registerRoot({
      module: 'rooted',
      root: 'chosen',
      contentType: 'text/plain',
      choose: () => {
        const before = seen();
        return enter({
          onRequest: (exchange) => {
            exchange.reply(200, `${before} ${seen()}`);
            storage.enterWith('of a service');
          },
        });
      },
      onRequest: () => {},
    });
    httpd.registerRoot({
      module: 'rooted',
      root: 'refused',
      contentType: 'text/plain',
      accepts: () => enter(false),
      refuse: () => enter(seen()),
      onRequest: () => {},
    });
    httpd.registerRoot({
      module: 'rooted',
      root: 'left',
      contentType: 'text/plain',
      onRequest: (exchange) => {
        exchange.onGone = () => enter(told.left.resolve(seen()));
      },
    });
    httpd.registerRoot({
      module: 'rooted',
      root: 'rooted',
      contentType: 'text/plain',
      onRequest: (exchange) => {
        exchange.reply(200, seen());
        storage.enterWith('of another request');
      },
    });
    return undefined;
  },
});

async function start(t: Lifetime): Promise<Server> {
  const httpd = { ip: '127.0.0.1', port: 0, buf_size: 65536 };
  const modules = [entering, printing, streaming, computing, rooted];
  const server = await createServer({ httpd, mi_json: {}, modules }).start();
  t.onTestFinished(() => server.close({ deadline: 0 }));
  return server;
}

test('a call sees nothing of the calls before it, whatever they entered and however they came', async ({
  lifetime,
  onTestFinished,
}) => {
  const server = await start(lifetime);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  const jsonOf = (method: string, name: string): string =>
    JSON.stringify({ jsonrpc: '2.0', method, params: { name }, id: 1 });
  for (const method of ['enters:at_once', 'enters:later', 'enters:within', 'enters:throwing']) {
    const expected = method === 'enters:throwing' ? [] : ['nothing'];
    for (const user of ['alice', 'bob']) {
      const { body } = await post(server, jsonOf(method, user), { agent });
      const told = expected.map((before) => `${before} ${user}`);
      expect([JSON.parse(body).result ?? []].flat(), method).toStrictEqual(told);
    }
  }
  const batch = await post(server, `[${['carol', 'dave'].map((name) => jsonOf('enters:at_once', name))}]`, { agent });
  expect((JSON.parse(batch.body) as { result: string }[]).map(({ result }) => result)).toStrictEqual([
    'nothing carol',
    'nothing dave',
  ]);
  const legacy = await post(server, '', { agent, method: 'GET', path: '/json/enters:at_once?params=erin' });
  expect(legacy.body).toMatch(/nothing erin/);
  const page = await post(server, 'arg=frank', {
    agent,
    path: '/mi/enters/enters:at_once',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded', 'Sec-Fetch-Site': 'same-origin' },
  });
  expect(page.body).toMatch(/nothing frank/);
  expect(await call(server, 'enters:at_once', ['grace'])).toBe('nothing grace');
  for (let request = 0; request < 2; request++) {
    const { body } = await post(server, '', { agent, method: 'GET', path: '/rooted' });
    expect(body).toBe('nothing');
  }
});

test('items of a stream are made in the context of their call', async ({ lifetime }) => {
  const server = await start(lifetime);
  const both = ['alice', 'bob'].map((name) => call(server, 'streams:items', [name]) as Promise<readonly string[]>);
  for (const [index, list] of (await Promise.all(both)).entries()) {
    expect([list.at(0), list.at(-1)]).toStrictEqual(['nothing', index === 0 ? 'alice' : 'bob']);
  }
  const members = ['carol', 'dave'].map((name) => call(server, 'streams:members', [name]) as Promise<object>);
  for (const [index, object] of (await Promise.all(members)).entries()) {
    const name = index === 0 ? 'carol' : 'dave';
    const { first, last } = object as { first: string; last: string };
    expect([first, last]).toStrictEqual([name, name]);
  }
  expect(await call(server, 'enters:at_once', ['erin'])).toBe('nothing erin');
});

test('a result and an error see nothing of those that were printed before, or beside them', async ({ lifetime }) => {
  const server = await start(lifetime);
  for (const name of ['alice', 'bob']) {
    expect(await call(server, 'prints:short', [name])).toStrictEqual(['nothing']);
    expect((await callError(server, 'prints:error', [name])).data).toStrictEqual(['nothing']);
  }
  const names = ['carol', 'dave', 'erin'];
  const results = await Promise.all(names.map((name) => call(server, 'prints:long', [name])));
  for (const [index, result] of results.entries()) {
    expect(['nothing', names[index]]).toEqual(expect.arrayContaining([...new Set(result as readonly string[])]));
  }
});

test('a stream that is left is closed in the context of its call', async ({ lifetime }) => {
  const server = await start(lifetime);
  for (const name of ['carol', 'dave']) {
    closed.seen = withResolvers<string>();
    const client = await RawClient.connect(server.port);
    const body = JSON.stringify({ jsonrpc: '2.0', method: 'streams:endless', params: [name], id: 1 });
    client.request('POST', '/mi', body, ['Content-Type: application/json']);
    await once(client.socket, 'data');
    client.kill();
    expect(await closed.seen.promise).toBe(name);
  }
});

test('a statistic sees nothing of what others have entered, whatever call asks for it', async ({ lifetime }) => {
  const server = await start(lifetime);
  const get = JSON.stringify({ jsonrpc: '2.0', method: 'statistics:get', params: [['computes:']], id: 1 });
  for (let round = 0; round < 2; round++) {
    expect(await call(server, 'statistics:get', [['computes:']])).toStrictEqual({ 'computes:seen': 1 });
    expect((await post(server, `[${get},${get}]`)).body.match(/"computes:seen":1/g)?.length).toBe(2);
    const page = await post(server, '', { method: 'GET', path: '/mi/statistics/statistics:get?arg=computes:&raw=1' });
    expect(JSON.parse(page.body)).toStrictEqual({ 'computes:seen': 1 });
    expect(await call(server, 'computes:seen')).toMatchObject({ all: { 'computes:seen': 1 }, call: 'nothing' });
    expect(await call(server, 'enters:at_once', ['alice'])).toBe('nothing alice');
  }
});

test('what a root is asked sees nothing of the requests before', async ({ lifetime }) => {
  const server = await start(lifetime);
  for (let round = 0; round < 2; round++) {
    expect((await post(server, '', { method: 'GET', path: '/chosen' })).body).toBe('nothing nothing');
    expect((await post(server, 'x', { path: '/refused' })).body).toMatch(/^nothing/);
    told.left = withResolvers<string>();
    const client = await RawClient.connect(server.port);
    client.request('GET', '/left', '');
    await post(server, '', { method: 'GET', path: '/rooted' });
    client.kill();
    expect(await told.left.promise).toBe('nothing');
    expect(await call(server, 'statistics:get', [['computes:']])).toStrictEqual({ 'computes:seen': 1 });
  }
});

test('a listener of the signal of a call is told in the context of that call, which no other sees', async ({
  lifetime,
}) => {
  const server = await start(lifetime);
  for (const name of ['alice', 'bob']) {
    told.aborted = withResolvers<string>();
    const client = await RawClient.connect(server.port);
    const body = JSON.stringify({ jsonrpc: '2.0', method: 'computes:waits', params: [name], id: 1 });
    client.request('POST', '/mi', body, ['Content-Type: application/json']);
    await expect.poll(() => call(server, 'statistics:get', [['pending']])).toStrictEqual({ 'mi:pending': 1 });
    client.kill();
    expect(await told.aborted.promise).toBe(name);
    expect(await call(server, 'enters:at_once', ['carol'])).toBe('nothing carol');
  }
});
