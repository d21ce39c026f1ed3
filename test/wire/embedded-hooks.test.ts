// What a program hooks into its server: something around every call, a login, headers of requests, the call that runs now.
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect } from 'vitest';
import {
  type Call,
  type Client,
  command,
  createServer,
  currentCall,
  defineModule,
  MiError,
  type OwnLogin,
  type Server,
  type ServerOptions,
} from '#src/index.js';
import { silentLog } from '../support/log.js';
import { call, callError, post } from '../support/mi-client.js';
import { test } from '../support/test.js';

/** Tells what the code behind an `await` knows of its call. */
async function deepDown(): Promise<string> {
  await delay(1);
  return currentCall()?.command ?? 'nothing';
}

const pbx = defineModule({
  name: 'pbx',
  commands: [
    command({ name: 'add', help: 'Adds.', recipes: [{ a: 'int', b: 'int' }], run: ({ a, b }) => a + b }),
    command({ name: 'later', help: 'Adds later.', recipes: [{ a: 'int' }], run: async ({ a }) => a + 1 }),
    command({
      name: 'fail',
      help: 'Fails.',
      run: (): never => {
        throw new Error('broken');
      },
    }),
    command({
      name: 'traced',
      help: 'Tells where it belongs.',
      readOnly: true,
      headers: ['Traceparent'],
      run: (_none, running) => running.header('traceparent') ?? 'none',
    }),
    command({ name: 'untraced', help: 'Asks for too much.', run: (_none, running) => running.header('x-other') ?? '' }),
    command({ name: 'who', help: 'Tells.', readOnly: true, run: (_none, { client }) => client?.caller ?? null }),
    command({ name: 'context', help: 'Tells.', run: deepDown }),
    command({
      name: 'plain',
      help: 'Does without a call.',
      withoutCall: true,
      withoutContext: true,
      run: () => currentCall()?.command ?? 'nothing',
    }),
  ],
});

function started(options: ServerOptions = {}): Promise<Server> {
  return createServer({ modules: [pbx], ...options, httpd: { ip: '127.0.0.1', port: 0, ...options.httpd } }).start();
}

const body = (method: string, params?: unknown): string => JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 });

describe('around', () => {
  test('sees every call, whatever face it comes by, and what comes of it', async () => {
    const seen: string[] = [];
    await using server = await started({
      mi_json: {},
      around: async (running: Call, next) => {
        const from = running.client?.origin ?? 'the program';
        try {
          const result = await next();
          seen.push(`${running.command} from ${from}: ${JSON.stringify(result)}`);
          return result;
        } catch (error) {
          seen.push(`${running.command} from ${from}: ${(error as Error).message}`);
          throw error;
        }
      },
    });
    expect(await call(server, 'pbx:add', [1, 2])).toBe(3);
    expect(await call(server, 'pbx:later', [1])).toBe(2);
    expect(await call(server, 'pbx:plain')).toBe('nothing');
    expect((await callError(server, 'pbx:fail')).code).toBe(-32000);
    expect(await server.call('pbx:add', [3, 4])).toBe(7);
    await post(server, `[${body('pbx:add', [5, 6])},${body('pbx:later', [5])}]`);
    await post(server, '', { method: 'GET', path: '/json/pbx:add?params=7,8' });
    // Wrong parameters and unknown names run nothing.
    expect((await callError(server, 'pbx:add', ['x', 1])).code).toBe(-32602);
    expect((await callError(server, 'no_such')).code).toBe(-32601);
    expect(seen).toStrictEqual([
      'pbx:add from 127.0.0.1: 3',
      'pbx:later from 127.0.0.1: 2',
      'pbx:plain from 127.0.0.1: "nothing"',
      'pbx:fail from 127.0.0.1: broken',
      'pbx:add from the program: 7',
      'pbx:add from 127.0.0.1: 11',
      'pbx:later from 127.0.0.1: 6',
      'pbx:add from 127.0.0.1: 15',
    ]);
  });

  test('may answer in place of the command, at once or later', async () => {
    await using server = await started({
      around: ({ command: name }, next) => {
        if (name === 'pbx:add') return 'cached';
        if (name === 'pbx:later') throw new MiError(503, 'Closed', { until: 'monday' });
        return next();
      },
    });
    expect(await call(server, 'pbx:add', [1, 2])).toBe('cached');
    expect(await callError(server, 'pbx:later', [1])).toStrictEqual({
      code: 503,
      message: 'Closed',
      data: { until: 'monday' },
    });
    expect(await call(server, 'pbx:plain')).toBe('nothing');
  });
});

describe('a login of the program', () => {
  const asked: unknown[] = [];
  const authenticate: OwnLogin = async (credentials, { origin, path }) => {
    asked.push({ ...credentials, origin, path });
    if (credentials.token === 't1') return { name: 'robot', level: 'operate' };
    if (credentials.name === 'alice' && credentials.password === 'secret') return { name: 'alice', level: 'read' };
    if (credentials.name === 'broken') throw new Error('the directory does not answer');
    if (credentials.name === 'root') return { name: 'root', level: 'all' } as never;
    return undefined;
  };
  const basic = (name: string, password: string) => `Basic ${btoa(`${name}:${password}`)}`;
  const as = (server: Server, authorization: string, method = 'pbx:who', params?: unknown) =>
    post(server, body(method, params), { headers: { Authorization: authorization } });

  test('says who calls, and with which level', async () => {
    await using server = await started({ authenticate });
    expect((await post(server, body('which'))).status).toBe(401);
    asked.length = 0;
    const result = async (authorization: string): Promise<unknown> =>
      JSON.parse((await as(server, authorization)).body).result;
    expect(await result(basic('alice', 'secret'))).toMatchObject({ name: 'alice', grant: 'read' });
    expect(await result('Bearer t1')).toMatchObject({ name: 'robot', grant: 'operate' });
    expect(asked).toStrictEqual([
      { name: 'alice', password: 'secret', origin: '127.0.0.1', path: '/mi' },
      { token: 't1', origin: '127.0.0.1', path: '/mi' },
    ]);
    expect(JSON.parse((await as(server, basic('alice', 'secret'), 'pbx:add', [1, 2])).body).error.code).toBe(-32003);
    // Asked each time: it may take a login back.
    expect(asked.length).toBe(3);
    const injected = await server.inject({
      url: '/mi',
      headers: { 'Content-Type': 'application/json', Authorization: 'Bearer t1' },
      body: body('pbx:add', [1, 2]),
    });
    expect(await injected.json()).toMatchObject({ result: 3 });
  });

  test('makes guessing slow, and tells no reason', async () => {
    await using server = await started({ authenticate });
    const statuses: number[] = [];
    for (let guess = 0; guess < 30; guess++) statuses.push((await as(server, basic('bob', `guess ${guess}`))).status);
    expect(statuses[0]).toBe(401);
    expect(statuses.at(-1)).toBe(429);
  });

  test('that fails is logged, and answered 503', async () => {
    const lines: string[] = [];
    const error = ({ err }: { err?: Error }) => lines.push(err?.message ?? '');
    await using server = await started({ authenticate, log: { ...silentLog, error } });
    for (const name of ['broken', 'root']) expect((await as(server, basic(name, 'x'))).status).toBe(503);
    expect(lines).toStrictEqual([
      'the directory does not answer',
      "authenticate gave { name: 'root', level: 'all' }; give a name and a level, or undefined",
    ]);
  });

  test('takes the place of all others, and lets other machines in', async () => {
    const both = () => createServer({ authenticate, httpd: { auth_username: 'a', auth_password: 'b' } });
    expect(both).toThrow(
      expect.objectContaining({ code: 'ERR_ACCOUNTS', message: expect.stringMatching(/takes the place of/) }),
    );
    await using server = await createServer({ authenticate, httpd: { ip: '*', port: 0 } }).start();
    expect(server.isListening).toBe(true);
  });
});

describe('headers', () => {
  test('a command gets those that it declares, by every face', async () => {
    await using server = await started({ mi_json: {} });
    const headers = { traceparent: '00-1-2-01' };
    const result = async (text: string): Promise<unknown> => JSON.parse((await post(server, text, { headers })).body);
    expect(await result(body('pbx:traced'))).toMatchObject({ result: '00-1-2-01' });
    expect(await call(server, 'pbx:traced')).toBe('none');
    expect(await result(`[${body('pbx:traced')}]`)).toMatchObject([{ result: '00-1-2-01' }]);
    const legacy = await post(server, '', { method: 'GET', path: '/json/pbx:traced', headers });
    expect(legacy.body).toMatch(/00-1-2-01/);
    const page = await post(server, '', {
      method: 'GET',
      path: '/mi/pbx/pbx:traced?arg=',
      headers: { ...headers, Accept: 'text/html', 'Content-Type': null },
    });
    expect(page.body).toMatch(/00-1-2-01/);
    expect(await server.call('pbx:traced')).toBe('none');
  });

  test('one that nobody declares is a mistake that is told', async () => {
    const told: string[] = [];
    const error = ({ err }: { err?: Error }) => told.push(err?.message ?? '');
    await using server = await started({ log: { ...silentLog, error } });
    expect((await callError(server, 'pbx:untraced')).code).toBe(-32000);
    expect(told).toStrictEqual([
      'header x-other is not kept: add it to the headers of command pbx:untraced, or to those of createServer',
    ]);
    await using other = await started({ headers: ['X-Other'] });
    expect(await call(other, 'pbx:untraced')).toBe('');
    expect(() => createServer({ headers: ['a b'] })).toThrow(/give an array of names of headers/);
  });
});

describe('the call that runs now', () => {
  test('is known in all that its handler does, and to no other call', async () => {
    const around: string[] = [];
    await using server = await started({
      callContext: true,
      around: (running, next) => {
        around.push(`${running.command} ${currentCall() === running}`);
        return next();
      },
    });
    const calls = [call(server, 'pbx:context'), server.call('pbx:context'), call(server, 'pbx:plain')];
    expect(await Promise.all(calls)).toStrictEqual(['pbx:context', 'pbx:context', 'pbx:plain']);
    expect(around.every((line) => line.endsWith(' true'))).toBe(true);
    expect(around.length).toBe(3);
    expect(currentCall()).toBe(undefined);
  });

  test('is not known where nobody asked for it', async () => {
    await using server = await started();
    expect(await call(server, 'pbx:context')).toBe('nothing');
  });

  test('names the caller', async () => {
    let client: Client | undefined;
    const module = defineModule({
      name: 'm',
      commands: [
        command({
          name: 'c',
          help: 'Tells.',
          run: async () => {
            await delay(1);
            ({ client } = currentCall() ?? {});
            return 'OK';
          },
        }),
      ],
    });
    await using server = await started({ modules: [module], callContext: true });
    await call(server, 'm:c');
    expect(client?.remoteAddress).toBe('127.0.0.1');
  });
});
