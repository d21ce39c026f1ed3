import { beforeAll, describe, expect } from 'vitest';
import { command, defineModule, type Server } from '#src/index.js';
import { threads } from '../support/engine.js';
import { suiteLifetime } from '../support/lifetime.js';
import { silentLog } from '../support/log.js';
import { call, callError, post, startServer, withResolvers } from '../support/mi-client.js';
import { test } from '../support/test.js';

describe('core commands', () => {
  const lifetime = suiteLifetime();
  const killed = withResolvers<void>();
  let server: Server;
  beforeAll(async () => {
    server = await startServer(lifetime, {
      kill: () => killed.resolve(),
      modules: [
        defineModule({
          name: 'pbx',
          commands: [
            command({
              name: 'level',
              help: 'Sets a level.',
              recipes: [{}, { brief: 'int' }, { brief: 'int', name: 'string' }],
              run: () => 'OK',
            }),
          ],
        }),
      ],
    });
  });
  const ctime =
    /^(Sun|Mon|Tue|Wed|Thu|Fri|Sat) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ 1-3][0-9] \d\d:\d\d:\d\d \d{4}$/;

  test('uptime', async () => {
    const {
      Now,
      'Up since': since,
      'Up time': time,
      ...rest
    } = (await call(server, 'uptime')) as Record<string, string>;
    expect(rest).toStrictEqual({});
    expect(Now ?? '').toMatch(ctime);
    expect(since ?? '').toMatch(ctime);
    expect(time ?? '').toMatch(/^\d+ \[sec\]$/);
    expect(Math.abs(Date.parse(Now ?? '') - Date.now())).toBeLessThan(5000);
  });
  test('version', async () => {
    const { Server } = (await call(server, 'version')) as { Server: string };
    expect(Server).toMatch(/^mi-httpd \(\d+\.\d+\.\d+ \(\w+\/\w+\)\)$/);
    const revision = (await call(server, 'version', ['revision'])) as Record<string, string>;
    expect(revision.Server).toBe(Server);
    expect(revision.git ?? revision.unknown ?? '').toMatch(/^([0-9a-f]{9,}|unknown)$/);
  });
  test('pwd, arg, ps tell of this process', async () => {
    expect(await call(server, 'pwd')).toStrictEqual({ WD: process.cwd() });
    expect(await call(server, 'arg')).toStrictEqual(process.argv);
    const { Processes } = (await call(server, 'ps')) as { Processes: { PID: number; Type: string }[] };
    const [first, ...others] = Processes;
    expect(first).toStrictEqual({ ID: 0, PID: process.pid, Type: `HTTPD 127.0.0.1:${server.port}` });
    expect(others.map(({ PID, Type }) => [PID, Type])).toStrictEqual(
      Array.from({ length: threads }, (_, at) => [process.pid, `HTTPD thread ${at + 1}`]),
    );
  });
  test('which', async () => {
    const names = (await call(server, 'which')) as string[];
    for (const name of [
      'core:ps',
      'httpd:list_root_path',
      'httpd_list_root_path',
      'get_statistics',
      'pbx:level',
      'ps',
      'which',
    ]) {
      expect(names, name).toContain(name);
    }
    expect(new Set(names).size).toBe(names.length);
    expect(await call(server, 'which', ['pbx:level'])).toStrictEqual([[], ['brief'], ['brief', 'name']]);
    expect(await call(server, 'which', { command: 'log_level' })).toStrictEqual([[], ['level'], ['level', 'pid']]);
    expect(await call(server, 'which', ['pbx:'])).toStrictEqual(['pbx:level']);
    expect(await callError(server, 'which', ['ul'])).toStrictEqual({ code: 404, message: 'unknown MI command' });
  });
  test('every name that which lists is found', async () => {
    for (const name of (await call(server, 'which')) as string[])
      expect(await call(server, 'which', [name]), name).toBeTruthy();
  });
  test('help', async () => {
    expect(typeof (await call(server, 'help'))).toBe('string');
    expect(await call(server, 'help', ['pbx:level'])).toStrictEqual({ Help: 'Sets a level.', 'Exported by': 'pbx' });
    expect(await callError(server, 'help', [5])).toStrictEqual({ code: 404, message: 'unknown MI command' });
  });
  test('log_level', async () => {
    const Type = `HTTPD 127.0.0.1:${server.port}`;
    expect(await call(server, 'log_level')).toStrictEqual({ Processes: [{ PID: process.pid, 'Log level': 3, Type }] });
    expect(await call(server, 'log_level', [1])).toStrictEqual({ 'New global log level': 1 });
    expect(await call(server, 'log_level', [4, process.pid])).toStrictEqual({ 'Log level': 4 });
    expect(await callError(server, 'log_level', [1, 999999999])).toStrictEqual({
      code: -32602,
      message: 'Invalid params',
      data: 'Bad PID',
    });
  });
  test('httpd_list_root_path', async () => {
    expect(await call(server, 'httpd_list_root_path')).toStrictEqual([{ http_root: 'mi', module: 'mi_http' }]);
  });
  test('kill answers, then stops the server', async () => {
    expect((await post(server, '{"jsonrpc":"2.0","method":"kill","id":1}')).body).toMatch(/"OK"/);
    await killed.promise;
  });
});

test('log_level sets the level of the logger it was given', async ({ startServer }) => {
  const log = { level: 'info', ...silentLog };
  const server = await startServer({ log });
  const expected = { '-3': 'fatal', '-1': 'error', '1': 'warn', '3': 'info', '4': 'debug', '77': 'debug' };
  for (const [level, name] of Object.entries(expected)) {
    await call(server, 'log_level', [level]);
    expect(log.level).toBe(name);
  }
});

test('a command of OpenSIPS that is not here names the module to load, or says that a SIP server has it', async ({
  startServer,
}) => {
  const server = await startServer();
  const withUsrloc = await startServer({ usrloc: {} });
  const all = (await call(withUsrloc, 'which')) as string[];
  const flat = all.filter((name) => name.startsWith('usrloc:')).map((name) => name.slice('usrloc:'.length));
  expect(flat.includes('add_many') && flat.length >= 9).toBe(true);
  for (const method of ['ul_dump', 'ul_add', 'usrloc:dump', 'usrloc:rm_contact', 'usrloc:add_many', ...flat]) {
    const { code, data } = await callError(server, method);
    expect(code).toBe(-32601);
    expect(data).toBe(`${method} is of module usrloc, which is not loaded; add loadmodule "usrloc.so"`);
  }
  for (const [method, module] of [
    ['dlg_list', 'dialog'],
    ['dialog:list', 'dialog'],
    ['lb_reload', 'load_balancer'],
    ['dispatcher:reload', 'dispatcher'],
    ['reload_routes', 'core'],
  ] as const) {
    const { code, data } = await callError(server, method);
    expect(code).toBe(-32601);
    expect(data ?? '').toMatch(
      new RegExp(`^${method} is a command of OpenSIPS \\(${module}\\), which only a SIP server has`),
    );
  }
  const loaded = await startServer({ usrloc: {} });
  expect((await callError(loaded, 'ul_dmp')).data ?? '').toMatch(/nearest: ul_dump/);
  expect((await callError(loaded, 'usrloc:dmp')).data ?? '').toMatch(/nearest: usrloc:dump/);
  for (const method of ['constructor:x', '__proto__', 'toString']) {
    expect((await callError(server, method)).data ?? '').toMatch(/^no /);
  }
});
