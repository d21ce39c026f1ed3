// MiClient, the client that the package exports, against servers of the package and against those that answer otherwise.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { assert, describe, expect, expectTypeOf } from 'vitest';
import { codes, command, createServer, defineModule, MiClient, MiError, RecordTable, stream } from '#src/index.js';
import { tokenLine, userLine } from '../support/accounts.js';
import type { Lifetime } from '../support/lifetime.js';
import { withResolvers } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { noOpenssl } from '../support/tls-files.js';
import { unless } from '../support/unless.js';

interface Pbx {
  'pbx:add': { params: { a: number; b: number } | [number, number]; result: number };
  'pbx:echo': { params: { value: unknown }; result: unknown };
  'pbx:busy': { result: never };
  'pbx:table': { params?: { more?: string }; result: { key: number }[] };
  'pbx:items': { result: number[] };
  'pbx:endless': { result: number[] };
  'pbx:told': { params: { word: string }; result: string };
  'pbx:hang': { result: never };
  none: { result: never };
}

const table = new RecordTable<{ key: number }>();
for (let key = 0; key < 20_000; key++) table.set(String(key), { key });

/** What the commands of one test have met. */
interface Met {
  readonly words: string[];
  readonly hung: { readonly began: Promise<void>; readonly why: Promise<unknown> };
  readonly left: Promise<void>;
}

function pbx(): { readonly module: ReturnType<typeof defineModule>; readonly met: Met } {
  const words: string[] = [];
  const [began, why, left] = [withResolvers<void>(), withResolvers<unknown>(), withResolvers<void>()];
  async function* endless(): AsyncGenerator<number> {
    try {
      for (let n = 0; ; n += 1) {
        yield n;
        await new Promise(setImmediate);
      }
    } finally {
      left.resolve();
    }
  }
  const module = defineModule({
    name: 'pbx',
    commands: [
      command({ name: 'add', help: 'Adds.', recipes: [{ a: 'int', b: 'int' }], run: ({ a, b }) => a + b }),
      command({ name: 'echo', help: 'Echoes.', recipes: [{ value: 'json' }], run: ({ value }) => value }),
      command({ name: 'table', help: 'Dumps.', run: () => ({ rows: table.dump() }) }),
      command({ name: 'items', help: 'Streams.', run: () => stream([1, 2, 3]) }),
      command({ name: 'endless', help: 'Streams.', run: () => stream(endless()) }),
      command({
        name: 'told',
        help: 'Keeps a word.',
        recipes: [{ word: 'string' }],
        run: ({ word }) => {
          words.push(word);
          return word;
        },
      }),
      command({
        name: 'busy',
        help: 'Refuses.',
        run: (): never => {
          throw new MiError(486, 'Busy', { trunk: 'a' });
        },
      }),
      command({
        name: 'hang',
        help: 'Hangs.',
        run: (_none, { signal }): Promise<never> => {
          signal.addEventListener('abort', () => why.resolve(signal.reason));
          began.resolve();
          return new Promise(() => {});
        },
      }),
    ],
  });
  return { module, met: { words, hung: { began: began.promise, why: why.promise }, left: left.promise } };
}

/** A client that is closed when the test ends. */
function clientOf(t: Lifetime, ...given: ConstructorParameters<typeof MiClient>): MiClient<Pbx> {
  const client = new MiClient<Pbx>(...given);
  t.onTestFinished(() => client.close());
  return client;
}

/** The URL of a server that is none of this package. */
async function foreign(t: Lifetime, answer: RequestListener): Promise<string> {
  const server = createHttpServer(answer).listen(0, '127.0.0.1');
  t.onTestFinished(() => server.closeAllConnections());
  t.onTestFinished(() => server.close());
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mi`;
}

/** The error of a call that fails. */
async function failure(call: Promise<unknown>): Promise<Error & { readonly code?: unknown }> {
  const error: unknown = await call.then(
    (result) => assert.fail(`a result: ${JSON.stringify(result)}`),
    (reason: unknown) => reason,
  );
  assert(error instanceof Error);
  expect(error.message).not.toMatch(/\n/);
  return error;
}

describe('calls', () => {
  test('by name and by position, with the types of the map', async ({ startServer, lifetime }) => {
    const { module } = pbx();
    const { urls } = await startServer({ modules: [module] });
    const client = clientOf(lifetime, urls[0] ?? '');
    const sum = await client.call('pbx:add', { a: 1, b: 2 });
    expectTypeOf(sum).toEqualTypeOf<number>();
    expect(sum).toBe(3);
    expect(await client.call('pbx:add', [3, 4])).toBe(7);
    expect((await client.call('pbx:table')).length).toBeUndefined();
    const value = { text: 'ä\n"\u2028', list: [null, true, 1.5], big: 2 ** 52 };
    expect(await client.call('pbx:echo', { value })).toStrictEqual(value);
    // @ts-expect-error b is missing
    expect(await failure(client.call('pbx:add', { a: 1 }))).toBeInstanceOf(MiError);
    // @ts-expect-error there is no such command
    expect(await failure(client.call('pbx:gone'))).toMatchObject({ code: codes.methodNotFound });
    // @ts-expect-error it takes no parameters
    expect(await failure(client.call('pbx:items', { a: 1 }))).toMatchObject({ code: codes.invalidParams });
  });

  test('without a map take and give any JSON', async ({ startServer, lifetime }) => {
    const client = new MiClient((await startServer()).urls[0] ?? '');
    lifetime.onTestFinished(() => client.close());
    expect(await client.call('which', { command: 'version' })).toBeTruthy();
    expect(await client.call('core:version')).toMatchObject({ Server: expect.any(String) });
  });

  test('that are refused are MiError with code, message and data', async ({ startServer, lifetime }) => {
    const server = await startServer({ modules: [pbx().module], httpd: { receive_buf_size: 65536 } });
    const client = clientOf(lifetime, server.urls[0] ?? '');
    const error = await failure(client.call('pbx:busy'));
    assert(error instanceof MiError);
    expect(error.toJSON()).toStrictEqual({ code: 486, message: 'Busy', data: { trunk: 'a' } });
    const long = await failure(client.call('pbx:echo', { value: 'x'.repeat(100_000) }));
    expect(long).toMatchObject({ code: codes.invalidRequest, data: expect.stringMatching(/receive_buf_size/) });
  });

  test('go over few connections that stay open', async ({ startServer, lifetime }) => {
    const { urls } = await startServer({ modules: [pbx().module] });
    const client = clientOf(lifetime, urls[0] ?? '', { connections: 2 });
    const sums = await Promise.all(Array.from({ length: 50 }, (_, n) => client.call('pbx:add', [n, n])));
    expect(sums).toStrictEqual(Array.from({ length: 50 }, (_, n) => 2 * n));
    const any = new MiClient(urls[0] ?? '');
    lifetime.onTestFinished(() => any.close());
    const counted = await any.call('get_statistics', { statistics: ['httpd:'] });
    expect(counted).toMatchObject({ 'httpd:connections_total': 3 });
  });
});

describe('batches', () => {
  test('give an outcome for each call, in their order', async ({ startServer, lifetime }) => {
    const client = clientOf(lifetime, (await startServer({ modules: [pbx().module] })).urls[0] ?? '');
    const [sum, busy, echo] = await client.batch([
      ['pbx:add', { a: 1, b: 2 }],
      ['pbx:busy'],
      ['pbx:echo', { value: null }],
    ]);
    expectTypeOf(sum.result).toEqualTypeOf<number | undefined>();
    expect(sum).toStrictEqual({ result: 3 });
    expect(busy.error).toBeInstanceOf(MiError);
    expect(busy.error?.code).toBe(486);
    expect(echo).toStrictEqual({ result: null });
    expect(await client.batch([])).toStrictEqual([]);
  });

  test('that are refused as a whole fail', async ({ startServer, lifetime }) => {
    const server = await startServer({ modules: [pbx().module], mi_http: { max_batch: 1 } });
    const client = clientOf(lifetime, server.urls[0] ?? '');
    const error = await failure(client.batch([['pbx:items'], ['pbx:items']]));
    expect(error).toMatchObject({ code: codes.invalidRequest, data: expect.stringMatching(/max_batch/) });
  });
});

test('a notification is run and gives nothing', async ({ startServer, lifetime }) => {
  const { module, met } = pbx();
  const client = clientOf(lifetime, (await startServer({ modules: [module] })).urls[0] ?? '');
  expect(await client.notify('pbx:told', { word: 'once' })).toBeUndefined();
  await expect.poll(() => met.words).toStrictEqual(['once']);
});

describe('streams', () => {
  test('give each record of a dump while it comes', async ({ startServer, lifetime }) => {
    const client = clientOf(lifetime, (await startServer({ modules: [pbx().module] })).urls[0] ?? '');
    let next = 0;
    for await (const record of client.stream<{ key: number }>('pbx:table')) {
      expect(record).toStrictEqual({ key: next });
      next += 1;
    }
    expect(next).toBe(20_000);
    const items: unknown[] = [];
    for await (const item of client.stream('pbx:items')) items.push(item);
    for await (const item of client.stream('pbx:add', [1, 2])) items.push(item);
    expect(items).toStrictEqual([1, 2, 3, 3]);
  });

  test('that are left are left at the server, too', async ({ startServer, lifetime }) => {
    const { module, met } = pbx();
    const client = clientOf(lifetime, (await startServer({ modules: [module] })).urls[0] ?? '');
    for await (const item of client.stream('pbx:endless')) if (item === 10) break;
    await met.left;
  });

  test('end with the reason of the signal', async ({ startServer, lifetime }) => {
    const { module, met } = pbx();
    const client = clientOf(lifetime, (await startServer({ modules: [module] })).urls[0] ?? '');
    const control = new AbortController();
    const reason = new Error('enough');
    const read = async (): Promise<void> => {
      for await (const item of client.stream('pbx:endless', undefined, { signal: control.signal }))
        if (item === 10) control.abort(reason);
    };
    expect(await failure(read())).toBe(reason);
    await met.left;
  });

  test('of a command that fails, or is cut off, fail', async ({ startServer, lifetime }) => {
    const client = clientOf(lifetime, (await startServer({ modules: [pbx().module] })).urls[0] ?? '');
    const all = async (from: MiClient<Pbx>): Promise<unknown[]> => {
      const items: unknown[] = [];
      for await (const item of from.stream('pbx:busy')) items.push(item);
      return items;
    };
    expect(await failure(all(client))).toMatchObject({ code: 486 });
    const cut = await foreign(lifetime, (_request, response) => {
      response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
      response.write('{"a":1}\n{"a"', () => response.destroy());
    });
    const error = await failure(all(clientOf(lifetime, cut)));
    expect(error).toMatchObject({ code: 'ERR_CALL', message: expect.stringMatching(/\/mi: answer ended early: /) });
    const endless = await foreign(lifetime, (_request, response) => {
      response.writeHead(200, { 'Content-Type': 'application/x-ndjson' }).write('x'.repeat(3000));
    });
    const long = await failure(all(clientOf(lifetime, endless, { maxReply: 2000 })));
    expect(long).toMatchObject({
      code: 'ERR_CALL',
      message: expect.stringMatching(/a record is longer than 2000 bytes/),
    });
  });
});

describe('logins', () => {
  test('by password and by token; one that is wrong or missing is told', async ({
    startServer,
    temporaryFile,
    lifetime,
  }) => {
    const httpd = {
      auth_file: temporaryFile('users', userLine('alice', 'se:cret', 'operate')),
      auth_tokens: temporaryFile('tokens', tokenLine('robot', 'token-of-robot', 'read')),
    };
    const [url = ''] = (await startServer({ modules: [pbx().module], httpd })).urls;
    const alice = clientOf(lifetime, url, { login: { name: 'alice', password: 'se:cret' } });
    expect(await alice.call('pbx:add', [1, 2])).toBe(3);
    const robot = clientOf(lifetime, url, { login: { token: 'token-of-robot' } });
    expect(await failure(robot.call('pbx:add', [1, 2]))).toMatchObject({ code: codes.permissionDenied });
    expect(await failure(clientOf(lifetime, url).call('pbx:add', [1, 2]))).toMatchObject({
      code: 'ERR_CALL',
      message: `${url} asks for a login: give option login`,
    });
    const wrong = clientOf(lifetime, url, { login: { name: 'alice', password: 'secret' } });
    expect(await failure(wrong.call('pbx:add', [1, 2]))).toMatchObject({
      code: 'ERR_CALL',
      message: expect.stringMatching(/^http.*\/mi refuses the login: give option login/),
    });
  });
});

describe('ways', () => {
  test('over a Unix socket', async ({ temporaryFiles, lifetime }) => {
    const folder = temporaryFiles({});
    const listen = [`unix:${folder}/mi.sock`];
    const server = await createServer({ modules: [pbx().module], httpd: { listen } }).start();
    lifetime.onTestFinished(() => server.close({ deadline: 0 }));
    const client = clientOf(lifetime, server.urls[0] ?? '');
    expect(server.urls[0]).toBe(`http://unix:${folder}/mi.sock:/mi`);
    expect(await client.call('pbx:add', [1, 2])).toBe(3);
    const gone = clientOf(lifetime, `http://unix:${folder}/gone.sock:/mi`);
    expect((await failure(gone.call('pbx:items'))).message).toMatch(
      /gone\.sock:\/mi: connect ENOENT .*; start the server/,
    );
  });

  unless(noOpenssl, test)('over TLS', async ({ startServer, files, lifetime }) => {
    const { certFile, keyFile } = files.make('server');
    const listen = [`https:127.0.0.1:0;cert=${certFile};key=${keyFile}`];
    const server = await createServer({ modules: [pbx().module], httpd: { listen } }).start();
    lifetime.onTestFinished(() => server.close({ deadline: 0 }));
    const [url = ''] = server.urls;
    const ca = readFileSync(certFile);
    const client = clientOf(lifetime, url, { tls: { ca } });
    expect(await client.call('pbx:add', [1, 2])).toBe(3);
    let rows = 0;
    for await (const _row of client.stream('pbx:table')) rows += 1;
    expect(rows).toBe(20_000);
    const untrusting = await failure(clientOf(lifetime, url).call('pbx:items'));
    expect(untrusting).toMatchObject({
      code: 'ERR_CALL',
      message: expect.stringMatching(/^https:.*; give .* as tls\.ca$/),
    });
    const other = await failure(clientOf(lifetime, url, { tls: { ca, servername: 'other' } }).call('pbx:items'));
    expect(other.message).toMatch(/; give the URL by a name of the certificate/);
    const plain = (await startServer()).urls[0] ?? '';
    const wrong = await failure(clientOf(lifetime, plain.replace('http:', 'https:')).call('pbx:items'));
    expect(wrong.message).toMatch(/; the port speaks no TLS: give http in place of https$/);
  });
});

describe('a call that gets no answer', () => {
  test('is given up by its signal, of which the command is told', async ({ startServer, lifetime }) => {
    const { module, met } = pbx();
    const client = clientOf(lifetime, (await startServer({ modules: [module] })).urls[0] ?? '');
    const control = new AbortController();
    const called = failure(client.call('pbx:hang', undefined, { signal: control.signal }));
    await met.hung.began;
    const reason = new Error('not wanted any more');
    control.abort(reason);
    expect(await called).toBe(reason);
    expect(await met.hung.why).toMatchObject({ name: 'AbortError', code: 'ERR_GONE' });
    expect(await failure(client.call('pbx:items', undefined, { signal: control.signal }))).toBe(reason);
  });

  test('is given up when its time is over', async ({ startServer, lifetime }) => {
    const { module, met } = pbx();
    const [url = ''] = (await startServer({ modules: [module] })).urls;
    const client = clientOf(lifetime, url, { timeout: 0.05 });
    expect(await failure(client.call('pbx:hang'))).toMatchObject({
      code: 'ERR_TIMEOUT',
      message: `${url}: no answer within 0.05 s`,
    });
    await met.hung.why;
    expect(await client.call('pbx:add', [1, 2], { timeout: 60 })).toBe(3);
  });

  test('tells the URL and the remedy', async ({ lifetime }) => {
    const nobody = await failure(clientOf(lifetime, 'http://127.0.0.1:1/mi').call('pbx:items'));
    expect(nobody).toMatchObject({
      code: 'ERR_CALL',
      message: expect.stringMatching(
        /^http:\/\/127\.0\.0\.1:1\/mi: connect ECONNREFUSED .*; start the server, or give/,
      ),
    });
    for (const [status, type, body] of [
      [404, 'text/html', '<h1>none</h1>'],
      [200, 'application/json', '{"jsonrpc":"2.0","id":1}'],
      [200, 'application/json', '[]'],
      [200, 'application/json', '{"error":{"code":"x"}}'],
    ] as const) {
      const url = await foreign(lifetime, (_request, response) =>
        response.writeHead(status, { 'Content-Type': type }).end(body),
      );
      const message = `${url} answers ${status}, which is no JSON-RPC; give the URL of mi_http`;
      expect(await failure(clientOf(lifetime, url).call('pbx:items')), body).toMatchObject({
        code: 'ERR_CALL',
        message,
      });
    }
    const long = await foreign(lifetime, (_request, response) => response.end('x'.repeat(3000)));
    const error = await failure(clientOf(lifetime, long, { maxReply: 2000 }).call('pbx:items'));
    expect(error).toMatchObject({ code: 'ERR_CALL', message: `${long}: an answer is longer than 2000 bytes` });
  });

  test('since the server closed the idle connection, is repeated where it may be', async ({ lifetime }) => {
    let requests = 0;
    const url = await foreign(lifetime, (request, response) => {
      requests += 1;
      // The second one of a connection meets its end.
      if (requests % 2 === 0) request.socket.destroy();
      else response.setHeader('Content-Type', 'application/json').end('{"jsonrpc":"2.0","result":3,"id":1}');
    });
    const client = clientOf(lifetime, url, { connections: 1 });
    expect(await client.call('pbx:add', [1, 2])).toBe(3);
    const error = await failure(client.call('pbx:add', [1, 2]));
    expect(error.message).toMatch(/the command may have run; give repeat: true for one that may run twice$/);
    expect(await client.call('pbx:add', [1, 2])).toBe(3);
    expect(await client.call('pbx:add', [1, 2], { repeat: true })).toBe(3);
    expect(requests).toBe(5);
  });
});

describe('what is given wrongly is an error of one line', () => {
  const url = 'http://127.0.0.1:8888/mi';
  const wrong: readonly (readonly [given: readonly unknown[], message: RegExp])[] = [
    [[], /^URL of MiClient is undefined; give "http:\/\/HOST:PORT\/mi"/],
    [['ftp://x'], /^URL of MiClient is 'ftp:\/\/x'; give "http/],
    [['http://a:b@host/mi'], /^URL of MiClient has a name or password in it; give option login$/],
    [[url, { logn: {} }], /^MiClient has no option "logn": did you mean "login"\?$/],
    [[url, { login: 'a:b' }], /^login of MiClient is 'a:b'; give \{ name, password \} or \{ token \}$/],
    [
      [url, { login: { name: 'a:b', password: 'c' } }],
      /^name of login of MiClient is 'a:b'; give a name without a colon$/,
    ],
    [[url, { login: { name: 'a' } }], /^login of MiClient has no password/],
    [[url, { login: { token: 'a b' } }], /^token of login of MiClient is 'a b'; give a token/],
    [[url, { timeout: 0 }], /^timeout of MiClient is 0; give seconds, more than 0/],
    [[url, { connections: 1.5 }], /^connections of MiClient is 1\.5; give a whole number from 1 on$/],
    [[url, { maxReply: '1' }], /^maxReply of MiClient is '1'; give a whole number/],
  ];
  for (const [given, message] of wrong) {
    test(String(message), () => {
      const make = () => new (MiClient as unknown as new (...given: readonly unknown[]) => MiClient)(...given);
      expect(make).toThrow(expect.objectContaining({ name: 'TypeError', code: 'ERR_ARGUMENT' }));
      expect(make).toThrow(message);
    });
  }

  test('of a call', async ({ lifetime }) => {
    const client = new MiClient(url);
    lifetime.onTestFinished(() => client.close());
    for (const [called, message] of [
      [client.call(5 as never), /^command of MiClient is 5; give a text/],
      [client.call('which', 'x' as never), /^parameters of which is 'x'; give an array or an object$/],
      [client.call('which', [], { signl: 1 } as never), /^call has no option "signl": did you mean "signal"\?$/],
      [client.batch('x' as never), /^batch is 'x'; give an array of calls/],
    ] as const)
      expect(await failure(called)).toMatchObject({ name: 'TypeError', message: expect.stringMatching(message) });
  });
});
