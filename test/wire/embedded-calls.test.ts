// A program calls its own server without a socket, by what serves those that come with one.
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect } from 'vitest';
import {
  type Call,
  command,
  createServer,
  defineModule,
  MiError,
  RecordTable,
  type Server,
  type ServerOptions,
  stream,
} from '#src/index.js';
import { silentLog } from '../support/log.js';
import { call, post, withResolvers } from '../support/mi-client.js';
import { test } from '../support/test.js';

interface Trunk {
  readonly name: string;
  readonly free?: number | undefined;
}

const trunks: Trunk[] = [{ name: 'a', free: 1 }, { name: 'b' }];
const table = new RecordTable<{ key: number }>();
for (let key = 0; key < 20_000; key++) table.set(String(key), { key });

/** The calls of `hang`, each told when it runs, and why it was given up. */
const hanging = { began: withResolvers<Call>(), why: withResolvers<Error & { code?: string }>() };

function hang(): Promise<never> {
  return new Promise(() => {});
}

const pbx = defineModule({
  name: 'pbx',
  commands: [
    command({ name: 'trunks', help: 'Lists.', readOnly: true, run: () => trunks }),
    command({ name: 'add', help: 'Adds.', recipes: [{ a: 'int', b: 'int' }], run: ({ a, b }) => a + b }),
    command({ name: 'later', help: 'Later.', run: async () => ({ at: new Date(0), big: 2n ** 60n }) }),
    command({ name: 'table', help: 'Dumps.', run: () => ({ records: table.dump() }) }),
    command({ name: 'streamed', help: 'Streams.', run: () => stream(trunks) }),
    command({ name: 'echo', help: 'Echoes.', recipes: [{ value: 'json' }], run: ({ value }) => value }),
    command({ name: 'nothing', help: 'Fails.', run: (): never => Promise.resolve(undefined) as never }),
    command({
      name: 'refuse',
      help: 'Refuses.',
      run: (): never => {
        const trunk: Trunk = { name: 'a', free: 0 };
        throw new MiError(486, 'Busy', trunk);
      },
    }),
    command({
      name: 'fail',
      help: 'Fails.',
      run: (): never => {
        throw new Error('secret');
      },
    }),
    command({
      name: 'who',
      help: 'Tells.',
      readOnly: true,
      run: (_none, { client }) => (client === undefined ? 'the program' : { ...client, caller: { ...client.caller } }),
    }),
    command({
      name: 'hang',
      help: 'Hangs.',
      run: (_none, running) => {
        running.signal.addEventListener('abort', () => hanging.why.resolve(running.signal.reason));
        hanging.began.resolve(running);
        return hang();
      },
    }),
    command({
      name: 'told',
      help: 'Logs.',
      run: (_none, { log, id }) => {
        log.warn({ trunk: 'a' }, 'the trunk is full');
        return id;
      },
    }),
  ],
});

/** Starts a server, and forgets what hung in the one before. */
async function started(options: ServerOptions = {}): Promise<Server> {
  hanging.began = withResolvers();
  hanging.why = withResolvers();
  return createServer({ modules: [pbx], ...options, httpd: { ip: '127.0.0.1', port: 0, ...options.httpd } }).start();
}

const json = { 'Content-Type': 'application/json' };
const body = (method: string, params?: unknown): string => JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 });

describe('call', () => {
  test('gives what a client gets', async () => {
    await using server = await started();
    for (const [name, params] of [
      ['pbx:trunks'],
      ['trunks'],
      ['pbx:add', [1, 2]],
      ['pbx:add', { b: 2, a: '1' }],
      ['pbx:later'],
      ['pbx:table'],
      ['pbx:streamed'],
      ['core:version'],
      ['which'],
      ['get_statistics', [['calls']]],
      ['pbx:echo', [{ a: [null, 'ä', 1.5] }]],
    ] as const) {
      const local = await server.call(name, params);
      if (name === 'get_statistics') expect(Object.keys(local ?? {})).toStrictEqual(['mi:calls']);
      else expect(local, name).toStrictEqual(await call(server, name, params));
    }
  });

  test('parameters go as JSON', async () => {
    await using server = await started();
    const given = { at: new Date(0), gone: undefined, list: [undefined] };
    const wanted = { at: '1970-01-01T00:00:00.000Z', list: [null] };
    expect(await server.call('pbx:echo', [given])).toStrictEqual(wanted);
    const endless: unknown[] = [];
    endless.push(endless);
    await expect(server.call('pbx:echo', endless)).rejects.toThrow(/contains itself/);
  });

  test('an error is the one that a client gets, as an MiError', async () => {
    const lines: string[] = [];
    const log = { ...silentLog, error: (_fields: object, message: string) => lines.push(message) };
    await using server = await started({ log });
    for (const [name, params] of [
      ['pbx:refuse'],
      ['pbx:fail'],
      ['pbx:nothing'],
      ['pbx:add', [1]],
      ['pbx:add', ['x', 1]],
      ['no_such'],
    ] as const) {
      const error: unknown = await server.call(name, params).catch((reason: unknown) => reason);
      expect(error, name).toBeInstanceOf(MiError);
      const reply = JSON.parse((await post(server, body(name, params))).body);
      expect(JSON.parse(JSON.stringify(error)), name).toStrictEqual(reply.error);
    }
    await expect(server.call('pbx:refuse')).rejects.toThrow(
      expect.objectContaining({ code: 486, message: 'Busy', data: { name: 'a', free: 0 } }),
    );
    expect(lines.filter((line) => line === 'MI command pbx:fail failed').length).toBe(2);
  });

  test('an error of the server has no stack, which costs more than the call, and that of a command has its own', async () => {
    await using server = await started();
    const framesOf = async (name: string, params?: readonly number[]): Promise<readonly string[]> => {
      const error: unknown = await server.call(name, params).catch((reason: unknown) => reason);
      return error instanceof MiError ? (error.stack ?? '').split('\n').slice(1) : ['no MiError'];
    };
    expect(await framesOf('pbx:add', [1])).toStrictEqual([]);
    expect(await framesOf('no_such')).toStrictEqual([]);
    expect((await framesOf('pbx:refuse'))[0]).toContain('embedded-calls.test.ts');
    expect(new Error('of anybody').stack).toContain('embedded-calls.test.ts');
  });

  test('without a level everything is allowed, with one what the level has', async () => {
    for (const httpd of [{}, { deny_commands: 'pbx:later', rate_limit_user: 1000 }]) {
      await using server = await started({ httpd });
      expect(await server.call('pbx:who')).toBe('the program');
      expect(await server.call('pbx:later')).toBeDefined();
      expect(await server.call('pbx:who', [], { level: 'read' })).toMatchObject({
        origin: 'local',
        listener: 'process',
        caller: { name: '-', grant: 'read' },
      });
      const denied = expect.objectContaining({
        code: -32003,
        data: 'pbx:add needs level operate; callers here have level read',
      });
      await expect(server.call('pbx:add', [1, 2], { level: 'read' })).rejects.toThrow(denied);
      expect(await server.call('pbx:add', [1, 2], { level: 'operate' })).toBe(3);
      if (httpd.deny_commands === undefined) continue;
      const listed = expect.objectContaining({ code: -32003, data: expect.stringMatching(/deny_commands/) });
      await expect(server.call('pbx:later', [], { level: 'admin' })).rejects.toThrow(listed);
    }
  });

  test('a wrong option is an error of one line', async () => {
    await using server = await started();
    await expect(server.call('pbx:who', [], { levle: 'read' } as object)).rejects.toThrow(/did you mean "level"\?$/);
    await expect(server.call('pbx:who', [], { level: 'root' } as object)).rejects.toThrow(/level of call is 'root'/);
  });

  test('a signal gives it up, and the command is told', async () => {
    await using server = await started();
    const early = AbortSignal.abort(new Error('too late'));
    await expect(server.call('pbx:hang', [], { signal: early })).rejects.toThrow('too late');
    const controller = new AbortController();
    const waiting = server.call('pbx:hang', [], { signal: controller.signal });
    await hanging.began.promise;
    controller.abort();
    await expect(waiting).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
    expect((await hanging.why.promise).name).toBe('AbortError');
    // Its handler hangs on, and no timer keeps it.
    expect(await server.call('get_statistics', [['pending']])).toStrictEqual({ 'mi:pending': 1 });
  });

  test('needs a server that runs', async () => {
    const server = createServer({ httpd: { ip: '127.0.0.1', port: 0 } });
    const stopped = expect.objectContaining({ code: 'ERR_STATE' });
    await expect(server.call('which')).rejects.toThrow(stopped);
    await expect(server.inject({ url: '/mi' })).rejects.toThrow(stopped);
    await server.start();
    await server.close();
    await expect(server.call('which')).rejects.toThrow(stopped);
  });
});

describe('the reason why a call is given up has a name and a code', () => {
  test('its client has left', async () => {
    await using server = await started();
    const controller = new AbortController();
    const left = server.inject({ url: '/mi', headers: json, body: body('pbx:hang'), signal: controller.signal });
    await hanging.began.promise;
    controller.abort();
    await expect(left).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
    expect(await hanging.why.promise).toMatchObject({ name: 'AbortError', code: 'ERR_GONE' });
  });

  test('its time is over', async () => {
    await using server = await started({ mi_http: { mi_timeout: 1 } });
    await expect(server.call('pbx:hang')).rejects.toThrow(
      expect.objectContaining({ code: -32000, data: 'pbx:hang gave no result within 1 s, the limit mi_timeout' }),
    );
    expect(await hanging.why.promise).toMatchObject({ name: 'TimeoutError', code: 'ERR_TIMEOUT' });
  });

  test('the server stops', async () => {
    const server = await started();
    const waiting = server.call('pbx:hang');
    const refused = expect(waiting).rejects.toThrow(expect.objectContaining({ data: 'the server stops' }));
    await hanging.began.promise;
    await server.close({ deadline: 0 });
    await refused;
    expect(await hanging.why.promise).toMatchObject({ name: 'AbortError', code: 'ERR_ABORTED' });
  });
});

test('the log of a call has its command and its id', async () => {
  const lines: unknown[] = [];
  const warn = (fields: object, message: string) => lines.push({ ...fields, message });
  await using server = await started({ log: { ...silentLog, warn } });
  const ids = [await server.call('pbx:told'), await call(server, 'pbx:told')];
  expect(new Set(ids).size).toBe(2);
  expect(lines).toStrictEqual(
    ids.map((id) => ({ command: 'pbx:told', call: id, trunk: 'a', message: 'the trunk is full' })),
  );
});

test('await using closes the server', async () => {
  let known: Server | undefined;
  {
    await using server = await started();
    known = server;
    expect(known.isListening).toBe(true);
  }
  expect(known.isListening).toBe(false);
});

describe('inject', () => {
  test('gives what comes over a socket', async () => {
    await using server = await started();
    for (const [text, more] of [
      [body('pbx:trunks'), {}],
      [body('pbx:table'), {}],
      [body('no_such'), {}],
      [`[${body('pbx:trunks')},${body('pbx:add', [1, 2])}]`, {}],
      ['{', {}],
      [body('pbx:trunks'), { 'Content-Type': 'text/plain' }],
      [body('pbx:table'), { Accept: 'application/x-ndjson' }],
    ] as const) {
      const headers = { ...json, ...more };
      const [socket, injected] = [
        await post(server, text, { headers }),
        await server.inject({ url: '/mi', headers, body: text }),
      ];
      expect([injected.status, await injected.text()]).toStrictEqual([socket.status, socket.body]);
      const own = ({ date, connection, ...rest }: Record<string, unknown>) => ({ ...rest, 'transfer-encoding': '' });
      const seen = Object.fromEntries([...injected.headers].filter(([name]) => name !== 'content-length'));
      expect(own({ ...seen, 'keep-alive': '' })).toMatchObject(own({ ...seen }));
      expect(injected.headers.get('content-type')).toBe(socket.headers['content-type']);
    }
    const page = await server.inject({ url: '/mi/core/version', headers: { Accept: 'text/html' } });
    expect([page.status, page.headers.get('content-type')]).toStrictEqual([200, 'text/html; charset=utf-8']);
    expect(await page.text()).toMatch(/<h1/);
    const head = await server.inject({ method: 'HEAD', url: '/mi' });
    expect([head.status, await head.text()]).toStrictEqual([200, '']);
    expect((await server.inject({ url: '/nowhere' })).status).toBe(404);
    expect((await server.inject({ method: 'DELETE', url: '/mi' })).status).toBe(405);
  });

  test('takes a Request of fetch', async () => {
    await using server = await started();
    const request = new Request('http://localhost/mi', {
      method: 'POST',
      headers: json,
      body: body('pbx:add', [1, 2]),
    });
    expect(await (await server.inject(request)).json()).toStrictEqual({ jsonrpc: '2.0', result: 3, id: 1 });
  });

  test('is held by logins and limits', async () => {
    await using server = await started({
      httpd: {
        auth_username: 'alice',
        auth_password: 'a long enough one',
        receive_buf_size: 1024,
        max_connections: 64,
      },
    });
    const headers = { ...json, Authorization: `Basic ${btoa('alice:a long enough one')}` };
    expect((await server.inject({ url: '/mi', headers: json, body: body('which') })).status).toBe(401);
    expect((await server.inject({ url: '/mi', headers, body: body('which') })).status).toBe(200);
    expect((await server.inject({ url: '/mi', headers, body: body('which', ['x'.repeat(2000)]) })).status).toBe(413);
    const held = Array.from({ length: 64 }, () => server.inject({ url: '/mi', headers, body: body('pbx:hang') }));
    await hanging.began.promise;
    await turn();
    const refused = await server.inject({ url: '/mi', headers, body: body('which') });
    expect(refused.status).toBe(503);
    expect(await refused.text()).toMatch(/64 connections are open, the limit max_connections/);
    await server.close({ deadline: 0 });
    for (const one of await Promise.all(held)) expect(one.status).toBe(503);
  });

  test('a list of addresses and the address of the request', async () => {
    await using server = await started({ httpd: { allow_from: '192.0.2.0/24', allow_unauthenticated: 1 } });
    const request = { url: '/mi', headers: json, body: body('pbx:who') };
    expect((await server.inject(request)).status).toBe(403);
    const reply = await server.inject({ ...request, remoteAddress: '192.0.2.7' });
    expect(await reply.json()).toMatchObject({ result: { remoteAddress: '192.0.2.7' } });
  });

  test('a reader that leaves a stream is a client that leaves', async () => {
    await using server = await started();
    const request = { url: '/mi', headers: json, body: body('pbx:table') };
    const { body: stream } = await server.inject(request);
    const reader = stream?.getReader();
    expect((await reader?.read())?.value?.length).toBeGreaterThan(0);
    expect(await server.call('get_statistics', [['dumps_open']])).toStrictEqual({ 'mem:dumps_open': 1 });
    await reader?.cancel();
    expect(await server.call('get_statistics', [['dumps_open', 'exchanges']])).toStrictEqual({
      'mem:dumps_open': 0,
      'httpd:exchanges': 0,
    });
  });
});

describe('without sockets', () => {
  test('a server loads no engine and serves calls and requests', async () => {
    await using server = await started({ listen: false });
    expect([server.urls, server.port, server.engine]).toStrictEqual([[], 0, 'no engine loaded']);
    expect(await server.call('pbx:add', [1, 2])).toBe(3);
    const reply = await server.inject({ url: '/mi', headers: json, body: body('pbx:table') });
    expect(((await reply.json()) as { result: { records: unknown[] } }).result.records.length).toBe(20_000);
    expect(await server.check()).toStrictEqual([]);
  });

  test('close waits for what runs', async () => {
    const server = await started({ listen: false });
    const later = server.inject({ url: '/mi', headers: json, body: body('pbx:later') });
    await server.close();
    expect((await later).status).toBe(200);
  });
});
