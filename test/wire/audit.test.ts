// The audit log: one JSON line for each call.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, renameSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect } from 'vitest';
import { command, createServer, defineModule, MiError, type Server, type ServerOptions } from '#src/index.js';
import { basic, temporaryFile, userLine } from '../support/accounts.js';
import type { Lifetime } from '../support/lifetime.js';
import { post, startServer, withResolvers } from '../support/mi-client.js';
import { RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';
import { get } from '../support/web-client.js';

const hasMkfifo = spawnSync('mkfifo', ['--version']).status === 0;

const stuck = withResolvers<string>();

const lab = defineModule({
  name: 'lab',
  commands: [
    command({
      name: 'login',
      help: 'Takes a secret.',
      recipes: [{ user: 'string', password: 'string' }, { password: 'string' }],
      secrets: ['password'],
      run: () => 'OK',
    }),
    command({ name: 'take', help: 'Takes anything.', recipes: [{ value: 'json' }], run: () => 'OK' }),
    command({
      name: 'fail',
      help: 'Fails.',
      run: () => {
        throw new MiError(404, 'not there');
      },
    }),
    command({
      name: 'crash',
      help: 'Crashes.',
      run: () => {
        throw new TypeError('oops');
      },
    }),
    command({
      name: 'later',
      help: 'Answers later.',
      run: async () => {
        await Promise.resolve();
        return 'late';
      },
    }),
    command({ name: 'stuck', help: 'Never answers.', run: () => stuck.promise }),
  ],
});

interface Line {
  readonly time: string;
  readonly who: string;
  readonly level: string;
  readonly from: string;
  readonly listener: string;
  readonly command: string;
  readonly params?: unknown;
  readonly outcome: unknown;
  readonly ms: number;
}

interface Audited {
  readonly server: Server;
  readonly file: string;
}

async function start(t: Lifetime, options: ServerOptions = {}): Promise<Audited> {
  const file = temporaryFile(t, 'audit.log', '');
  const httpd = { audit_file: file, ...options.httpd };
  return { server: await startServer(t, { ...options, httpd, modules: [lab] }), file };
}

function send(server: Server, method: string, params?: unknown, authorization?: string): Promise<unknown> {
  const headers = authorization === undefined ? {} : { Authorization: authorization };
  return post(server, JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 }), { headers });
}

/** All lines, when the server has written what it has to write. */
async function lines({ server, file }: Audited): Promise<readonly Line[]> {
  await server.close();
  return read(file);
}

function read(file: string): readonly Line[] {
  const text = readFileSync(file, 'utf8');
  return text === ''
    ? []
    : text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
}

describe('audit log', () => {
  test('tells who, from where, which command, the outcome and the time', async ({ temporaryFile, lifetime }) => {
    const users = temporaryFile('users', userLine('alice', 'pw', 'read'));
    const audited = await start(lifetime, { httpd: { auth_file: users, auth_username: 'root', auth_password: 'r' } });
    const before = Date.now();
    await send(audited.server, 'version', undefined, basic('alice', 'pw'));
    await send(audited.server, 'kill', undefined, basic('alice', 'pw'));
    for (const method of ['fail', 'crash', 'later', 'unknown']) {
      await send(audited.server, method, undefined, basic('root', 'r'));
    }
    await send(audited.server, 'login', ['too', 'many', 'words'], basic('root', 'r'));
    const written = await lines(audited);
    expect(written.map(({ who, level, command: name, outcome }) => [who, level, name, outcome])).toStrictEqual([
      ['alice', 'read', 'core:version', 'ok'],
      ['alice', 'read', 'core:kill', -32003],
      ['root', 'admin', 'lab:fail', 404],
      ['root', 'admin', 'lab:crash', -32000],
      ['root', 'admin', 'lab:later', 'ok'],
      ['root', 'admin', 'lab:login', -32602],
    ]);
    for (const { time, from, listener, ms } of written) {
      expect(Date.parse(time) >= before && Date.parse(time) <= Date.now()).toBe(true);
      expect(from).toBe('127.0.0.1');
      expect(listener).toBe('http:127.0.0.1:0');
      expect(ms >= 0 && ms < 60_000).toBe(true);
    }
  });

  test('secrets are in no line, however they are given', async ({ lifetime }) => {
    const audited = await start(lifetime);
    for (const params of [
      ['alice', 'GEHEIM'],
      ['GEHEIM'],
      { user: 'alice', password: 'GEHEIM' },
      { password: 'GEHEIM' },
      { user: 'alice', pasword: 'GEHEIM' },
      ['GEHEIM', 'GEHEIM', 'GEHEIM'],
      { password: { nested: ['GEHEIM'] } },
    ]) {
      await send(audited.server, 'login', params);
    }
    const written = await lines(audited);
    expect(written.length).toBe(7);
    expect(readFileSync(audited.file, 'utf8')).not.toMatch(/GEHEIM/);
    expect(written[0]?.params).toStrictEqual(['alice', '(secret)']);
    expect(written[2]?.params).toStrictEqual({ user: 'alice', password: '(secret)' });
  });

  test('long parameters are cut, and every line is one line', async ({ lifetime }) => {
    const audited = await start(lifetime);
    const values = [
      'x'.repeat(10_000),
      Array.from({ length: 5000 }, (_, i) => `item ${i}`),
      'a\nb\u2028c"',
      { __proto__x: [[[[[1]]]]] },
    ];
    for (const value of values) await send(audited.server, 'take', [value]);
    await send(audited.server, 'take', JSON.parse('{"__proto__":{"x":1}}'));
    const written = await lines(audited);
    expect(written.length).toBe(5);
    expect(written[2]?.params).toStrictEqual(['a\nb\u2028c"']);
    for (const line of readFileSync(audited.file, 'utf8').split('\n'))
      expect(line.length, `${line.length}`).toBeLessThan(8192);
  });

  test('of long parameters the first items are told, and of bulk calls the targets; no character is cut in two', async ({
    lifetime,
  }) => {
    const audited = await start(lifetime, { usrloc: {} });
    const contacts = Array.from({ length: 500 }, (_, i) => ({
      contact: `sip:user-${i}@192.0.2.1:5060;transport=tcp`,
      expires: 3600,
      user_agent: 'a phone '.repeat(10),
      aor: `user-${i}`,
    }));
    await send(audited.server, 'usrloc:add_many', ['location', contacts]);
    await send(audited.server, 'usrloc:add_many', { contacts, table_name: 'location' });
    await send(audited.server, 'take', [Array.from({ length: 100 }, (_, i) => `${i} ${'😀'.repeat(200)}`)]);
    await send(audited.server, 'take', [
      Array.from({ length: 20 }, () => Array.from({ length: 20 }, () => 'x'.repeat(100))),
    ]);
    await send(audited.server, 'login', {
      user: ['y'.repeat(5000), 'z'.repeat(5000)],
      password: 'GEHEIM'.repeat(2000),
    });
    const written = await lines(audited);
    const told = [...contacts.slice(0, 32).map(({ aor }) => ({ aor })), '(468 more)'];
    expect(written[0]?.params).toStrictEqual(['location', told]);
    expect(written[1]?.params).toStrictEqual({ contacts: told, table_name: 'location' });
    expect(JSON.stringify(written[2]?.params)).toMatch(/^\[\["0 (😀)+\([0-9]+ more\)","1 /);
    expect(JSON.stringify(written[3]?.params)).toMatch(/^\[\[\["x+\([0-9]+ more\)"/);
    const bytes = readFileSync(audited.file);
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    expect(text).not.toMatch(/\\ud[89a-f]|GEHEIM/i);
    for (const line of text.split('\n')) expect(line.length, `${line.length}`).toBeLessThan(8192);
  });

  test('each call of a batch has a line', async ({ lifetime }) => {
    const audited = await start(lifetime);
    const batch = ['version', 'fail', 'later'].map((method, id) => ({ jsonrpc: '2.0', method, id }));
    await post(audited.server, JSON.stringify(batch));
    const outcomes = (await lines(audited)).map(({ command: name, outcome }) => [name, outcome]);
    expect(outcomes).toStrictEqual([
      ['core:version', 'ok'],
      ['lab:fail', 404],
      ['lab:later', 'ok'],
    ]);
  });

  test('calls of the web interface are in it, and pages that run nothing are not', async ({ lifetime }) => {
    const audited = await start(lifetime);
    await get(audited.server, '/mi/core/core:version');
    await get(audited.server, '/mi/core/core:which?arg=["ps"]');
    expect((await lines(audited)).map(({ command: name, params, outcome }) => [name, params, outcome])).toStrictEqual([
      ['core:which', ['ps'], 'ok'],
    ]);
  });

  test('notifications are in it, with what came of them later', async ({ lifetime }) => {
    const audited = await start(lifetime);
    for (const method of ['version', 'later', 'fail']) {
      const reply = await post(audited.server, JSON.stringify({ jsonrpc: '2.0', method }));
      expect(reply.status).toBe(202);
    }
    expect((await lines(audited)).map(({ command: name, from, outcome }) => [name, from, outcome])).toStrictEqual([
      ['core:version', '127.0.0.1', 'ok'],
      ['lab:later', '127.0.0.1', 'ok'],
      ['lab:fail', '127.0.0.1', 404],
    ]);
  });

  test('a call that nobody waits for any more is told as given up, once', async ({ lifetime }) => {
    const audited = await start(lifetime);
    const client = await RawClient.connect(audited.server.port);
    client.request('POST', '/mi', '{"jsonrpc":"2.0","method":"stuck","id":1}', ['Content-Type: application/json']);
    await expect.poll(() => isPending(audited.server)).toBe(true);
    client.kill();
    await expect.poll(() => readFileSync(audited.file, 'utf8')).toContain('stuck');
    stuck.resolve('late');
    const written = (await lines(audited)).filter(({ command: name }) => name === 'lab:stuck');
    expect(written.map(({ outcome, from }) => [outcome, from])).toStrictEqual([['given_up', '127.0.0.1']]);
  });

  test('reload opens the file anew, so that it can be rotated', async ({ lifetime }) => {
    const audited = await start(lifetime);
    await send(audited.server, 'version');
    await expect.poll(() => read(audited.file).length).toBeGreaterThan(0);
    const old = join(dirname(audited.file), 'audit.log.1');
    renameSync(audited.file, old);
    expect(await audited.server.reload()).toBe(true);
    await send(audited.server, 'uptime');
    expect((await lines(audited)).map(({ command: name }) => name)).toStrictEqual(['core:uptime']);
    expect(read(old).map(({ command: name }) => name)).toStrictEqual(['core:version']);
  });

  test('it is appended to, nobody else can read it, and one that cannot be written refuses the start', async ({
    temporaryFile,
    startServer,
  }) => {
    const file = join(dirname(temporaryFile('x', '')), 'new.log');
    for (let i = 0; i < 2; i++) {
      const server = await startServer({ httpd: { audit_file: file } });
      await send(server, 'version');
      await server.close();
    }
    expect(read(file).length).toBe(2);
    if (process.platform !== 'win32') expect(statSync(file).mode & 0o777).toBe(0o600);
    await expect(startServer({ httpd: { audit_file: '/nowhere/audit.log' } })).rejects.toThrow(
      /audit_file \/nowhere\/audit\.log cannot be written: ENOENT/,
    );
    const unused = join(dirname(file), 'unused.log');
    createServer({ httpd: { ip: '127.0.0.1', audit_file: unused } });
    expect(existsSync(unused), 'made before the start').toBe(false);
  });

  unless(!existsSync('/dev/full'), test)(
    'a disk that takes nothing keeps no call waiting, and is told once',
    async ({ startServer }) => {
      const told: string[] = [];
      const write = (_fields: object, message: string): void => {
        told.push(message);
      };
      const server = await startServer({
        httpd: { audit_file: '/dev/full' },
        log: { debug: write, info: write, warn: write, error: write },
      });
      for (let i = 0; i < 20; i++) await send(server, 'version');
      await expect.poll(() => told.length).toBeGreaterThan(0);
      await send(server, 'version');
      expect(told.length, told.join('\n')).toBe(1);
      expect(told[0] ?? '').toMatch(/^audit_file \/dev\/full cannot be written: ENOSPC/);
      await server.close();
      expect(told.length, told.join('\n')).toBe(2);
      expect(told[1]).toBe('audit_file /dev/full: lines lost at the end: 21 (the disk is too slow, or full)');
    },
  );

  test('lines that are written are not told as lost, however many reloads there are meanwhile', async ({
    onTestFinished,
    temporaryFile,
    startServer,
  }) => {
    const told: string[] = [];
    const write = (_fields: object, message: string): void => {
      told.push(message);
    };
    const warnings: Error[] = [];
    const warn = (warning: Error): void => void warnings.push(warning);
    process.on('warning', warn);
    onTestFinished(() => void process.off('warning', warn));
    const log = { debug: write, info: () => {}, warn: write, error: write };
    const file = temporaryFile('audit.log', '');
    const server = await startServer({ httpd: { audit_file: file }, log });
    for (let call = 0; call < 50; call++) {
      await send(server, 'version');
      for (let i = 0; i < 30; i++) void server.reload();
    }
    await server.close();
    expect(told).toStrictEqual([]);
    expect(warnings).toStrictEqual([]);
    expect(read(file).length).toBe(50);
  });

  unless(!hasMkfifo, test)(
    'a pipe is refused, since opening it would wait for its reader',
    async ({ temporaryFile, startServer }) => {
      const pipe = join(dirname(temporaryFile('x', '')), 'pipe');
      expect(spawnSync('mkfifo', [pipe]).status).toBe(0);
      await expect(startServer({ httpd: { audit_file: pipe } })).rejects.toThrow(/it is a pipe, not a file/);
    },
  );

  test('a secret that is no parameter is a mistake of the declaration', () => {
    expect(() =>
      command({ name: 'x', help: 'x', recipes: [{ user: 'string' }], secrets: ['pasword'], run: () => 1 }),
    ).toThrow(/secret "pasword", which is no parameter/);
    expect(() => command({ name: 'x', help: 'x', level: 'boss' as 'admin', run: () => 1 })).toThrow(
      /level "boss"; give read, operate, admin/,
    );
  });
});

async function isPending(server: Server): Promise<boolean> {
  const reply = await post(server, '{"jsonrpc":"2.0","method":"get_statistics","params":[["pending"]],"id":1}');
  return JSON.parse(reply.body).result['mi:pending'] > 0;
}
