// The calls and log lines of the last time, kept in memory.
import { describe, expect } from 'vitest';
import { command, defineModule, MiError, type Server } from '#src/index.js';
import { basic, userLine } from '../support/accounts.js';
import { silentLog } from '../support/log.js';
import { call, post } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { get } from '../support/web-client.js';

const pbx = defineModule({
  name: 'pbx',
  commands: [
    command({ name: 'look', help: 'Looks.', readOnly: true, run: () => 'OK' }),
    command({
      name: 'change',
      help: 'Changes.',
      recipes: [{ what: 'string' }],
      run: ({ what }) => {
        if (what === 'fail') throw new MiError(480, 'Busy');
        return what;
      },
    }),
    command({
      name: 'login',
      help: 'Logs in.',
      recipes: [{ user: 'string', password: 'string' }],
      secrets: ['password'],
      run: () => 'OK',
    }),
  ],
});

const admin = basic('root', 'secret-1');
const operator = basic('olive', 'secret-2');
const reader = basic('rita', 'secret-3');

interface Called {
  readonly who: string;
  readonly command: string;
  readonly outcome: unknown;
  readonly params?: unknown;
}

async function run(server: Server, Authorization: string, method: string, params?: unknown): Promise<unknown> {
  const body = JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 });
  const { body: text } = await post(server, body, { headers: { Authorization } });
  const { result, error } = JSON.parse(text);
  return error === undefined ? result : error;
}

async function calls(server: Server, params?: unknown): Promise<readonly Called[]> {
  const { Calls } = (await run(server, admin, 'httpd:audit_recent', params)) as { Calls: readonly Called[] };
  return Calls;
}

function users(write: (name: string, text: string) => string): string {
  return write(
    'users',
    [
      userLine('root', 'secret-1', 'admin'),
      userLine('olive', 'secret-2', 'operate'),
      userLine('rita', 'secret-3', 'read'),
    ].join(''),
  );
}

describe('the calls that changed something', () => {
  test('are kept with their caller and outcome, without secrets, where callers log in', async ({
    files,
    startServer,
  }) => {
    const auth_file = users((name, text) => files.write(name, text));
    const server = await startServer({ httpd: { auth_file }, modules: [pbx] });
    await run(server, operator, 'pbx:look');
    await run(server, operator, 'pbx:change', ['a']);
    await run(server, operator, 'pbx:change', { what: 'fail' });
    await run(server, reader, 'pbx:change', ['b']);
    await run(server, operator, 'pbx:login', ['o', 'hunter2']);
    const all = await calls(server);
    expect(all.map(({ who, command: name, outcome, params }) => [who, name, outcome, params])).toStrictEqual([
      ['olive', 'pbx:change', 'ok', ['a']],
      ['olive', 'pbx:change', 480, { what: 'fail' }],
      ['rita', 'pbx:change', -32003, ['b']],
      ['olive', 'pbx:login', 'ok', ['o', '(secret)']],
    ]);
    expect((await calls(server, { who: 'rita' })).length).toBe(1);
    expect((await calls(server, { command: 'change', count: 2 })).map(({ who }) => who)).toStrictEqual([
      'olive',
      'rita',
    ]);
    expect((await calls(server, { count: 0 })).length).toBe(0);
    expect(await run(server, operator, 'httpd:audit_recent')).toMatchObject({ code: -32003 });
  });

  test('are not driven out by calls that are denied', async ({ files, startServer }) => {
    const auth_file = users((name, text) => files.write(name, text));
    const server = await startServer({ httpd: { auth_file }, modules: [pbx] });
    await run(server, operator, 'pbx:change', ['first']);
    const one = { jsonrpc: '2.0', method: 'pbx:change', params: ['no'], id: 1 };
    for (let i = 0; i < 3; i++) {
      await post(server, JSON.stringify(Array(500).fill(one)), { headers: { Authorization: reader } });
    }
    const all = await calls(server);
    expect(all[0]).toMatchObject({ who: 'olive', params: ['first'] });
    expect(all.length).toBe(201);
  });

  test('are a page, with links to forms that are filled in', async ({ files, startServer }) => {
    const auth_file = users((name, text) => files.write(name, text));
    const server = await startServer({ httpd: { auth_file }, modules: [pbx] });
    await run(server, operator, 'pbx:change', ['<b>']);
    await run(server, operator, 'pbx:login', ['o', 'hunter2']);
    await run(server, reader, 'pbx:change', ['b']);
    const page = await get(server, '/mi/audit', { headers: { Authorization: admin } });
    expect(page.status).toBe(200);
    expect(page.body).toContain('<a href="/mi/pbx/pbx:change?form#arg=%5B%22%3Cb%3E%22%5D">pbx:change</a>');
    expect(page.body).toContain('<a href="/mi/pbx/pbx:login">pbx:login</a>');
    expect(page.body).toContain('3 of 3 calls');
    expect(page.body).not.toContain('hunter2');
    const failed = await get(server, '/mi/audit?outcome=failed&who=RITA', { headers: { Authorization: admin } });
    expect(failed.body).toContain('1 of 3 calls');
    const denied = await get(server, '/mi/audit', { headers: { Authorization: operator } });
    expect(denied.status).toBe(403);
    const other = await get(server, '/mi', { headers: { Authorization: operator } });
    expect(other.body).not.toContain('/mi/audit');
    expect((await get(server, '/mi', { headers: { Authorization: admin } })).body).toContain('/mi/audit');
  });
});

describe('log lines', () => {
  test('of the level of the log are kept, with their codes', async ({ startServer }) => {
    const lab = defineModule({
      name: 'lab',
      commands: [
        command({
          name: 'log',
          help: 'Logs.',
          run: (_, { log }) => {
            log.error({ code: 'lab-broke', err: new Error('why'), at: 3 }, 'it broke');
            log.info({}, 'it goes on');
            log.debug({}, 'a detail');
            return 'OK';
          },
        }),
      ],
    });
    const server = await startServer({ modules: [lab], log: silentLog });
    await call(server, 'lab:log');
    interface Line {
      readonly level: string;
      readonly code?: string;
      readonly message: string;
      readonly fields?: string;
    }
    const lines = async (params?: object): Promise<readonly Line[]> =>
      ((await call(server, 'core:log_recent', params as never)) as { Lines: readonly Line[] }).Lines;
    const [broke, on] = (await lines()).slice(-2);
    expect(broke).toMatchObject({ level: 'ERROR', code: 'lab-broke', message: 'it broke' });
    expect(JSON.parse(broke?.fields ?? '')).toMatchObject({ command: 'lab:log', at: 3, error: 'why' });
    expect(on).toMatchObject({ level: 'INFO', message: 'it goes on' });
    expect((await lines({ level: -1 })).map(({ message }) => message)).toStrictEqual(['it broke']);
    expect((await lines({ text: 'LAB-BROKE' })).length).toBe(1);
    await call(server, 'log_level', [4]);
    await call(server, 'lab:log');
    expect((await lines({ count: 1 }))[0]).toMatchObject({ level: 'DBG', message: 'a detail' });
  });

  test('are so many, of so much text', async ({ startServer }) => {
    const lab = defineModule({
      name: 'lab',
      commands: [
        command({
          name: 'log',
          help: 'Logs.',
          recipes: [{ times: 'int', length: 'int' }],
          run: ({ times, length }, { log }) => {
            for (let i = 0; i < times; i++) log.warn({}, `${i}${'x'.repeat(length)}`);
            return 'OK';
          },
        }),
      ],
    });
    const server = await startServer({ modules: [lab], log: silentLog });
    const count = async (): Promise<number> =>
      ((await call(server, 'core:log_recent')) as { Lines: readonly unknown[] }).Lines.length;
    await call(server, 'lab:log', [3000, 1]);
    expect(await count()).toBe(1000);
    await call(server, 'lab:log', [3000, 100_000]);
    expect(await count()).toBeLessThan(600);
  });
});
