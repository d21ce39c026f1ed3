import assert from 'node:assert/strict';
import { beforeAll, describe, test } from 'vitest';
import { command, defineModule, type Server } from '#src/index.js';
import { suiteLifetime } from '../support/lifetime.js';
import { call, callError, post, startServer, withResolvers } from '../support/mi-client.js';

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
    assert.deepEqual(rest, {});
    assert.match(Now ?? '', ctime);
    assert.match(since ?? '', ctime);
    assert.match(time ?? '', /^\d+ \[sec\]$/);
    assert.ok(Math.abs(Date.parse(Now ?? '') - Date.now()) < 5000);
  });
  test('version', async () => {
    const { Server } = (await call(server, 'version')) as { Server: string };
    assert.match(Server, /^mi-httpd \(\d+\.\d+\.\d+ \(\w+\/\w+\)\)$/);
    const revision = (await call(server, 'version', ['revision'])) as Record<string, string>;
    assert.equal(revision.Server, Server);
    assert.match(revision.git ?? revision.unknown ?? '', /^([0-9a-f]{9,}|unknown)$/);
  });
  test('pwd, arg, ps tell of this process', async () => {
    assert.deepEqual(await call(server, 'pwd'), { WD: process.cwd() });
    assert.deepEqual(await call(server, 'arg'), process.argv);
    assert.deepEqual(await call(server, 'ps'), {
      Processes: [{ ID: 0, PID: process.pid, Type: `HTTPD 127.0.0.1:${server.port}` }],
    });
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
      assert.ok(names.includes(name), name);
    }
    assert.equal(new Set(names).size, names.length);
    assert.deepEqual(await call(server, 'which', ['pbx:level']), [[], ['brief'], ['brief', 'name']]);
    assert.deepEqual(await call(server, 'which', { command: 'log_level' }), [[], ['level'], ['level', 'pid']]);
    assert.deepEqual(await call(server, 'which', ['pbx:']), ['pbx:level']);
    assert.deepEqual(await callError(server, 'which', ['ul']), { code: 404, message: 'unknown MI command' });
  });
  test('every name that which lists is found', async () => {
    for (const name of (await call(server, 'which')) as string[]) assert.ok(await call(server, 'which', [name]), name);
  });
  test('help', async () => {
    assert.equal(typeof (await call(server, 'help')), 'string');
    assert.deepEqual(await call(server, 'help', ['pbx:level']), { Help: 'Sets a level.', 'Exported by': 'pbx' });
    assert.deepEqual(await callError(server, 'help', [5]), { code: 404, message: 'unknown MI command' });
  });
  test('log_level', async () => {
    const Type = `HTTPD 127.0.0.1:${server.port}`;
    assert.deepEqual(await call(server, 'log_level'), { Processes: [{ PID: process.pid, 'Log level': 3, Type }] });
    assert.deepEqual(await call(server, 'log_level', [1]), { 'New global log level': 1 });
    assert.deepEqual(await call(server, 'log_level', [4, process.pid]), { 'Log level': 4 });
    assert.deepEqual(await callError(server, 'log_level', [1, 999999999]), {
      code: -32602,
      message: 'Invalid params',
      data: 'Bad PID',
    });
  });
  test('httpd_list_root_path', async () => {
    assert.deepEqual(await call(server, 'httpd_list_root_path'), [{ http_root: 'mi', module: 'mi_http' }]);
  });
  test('kill answers, then stops the server', async () => {
    assert.match((await post(server, '{"jsonrpc":"2.0","method":"kill","id":1}')).body, /"OK"/);
    await killed.promise;
  });
});

test('log_level sets the level of the logger it was given', async (t) => {
  const log = { level: 'info', debug() {}, info() {}, warn() {}, error() {} };
  const server = await startServer(t, { log });
  const expected = { '-3': 'fatal', '-1': 'error', '1': 'warn', '3': 'info', '4': 'debug', '77': 'debug' };
  for (const [level, name] of Object.entries(expected)) {
    await call(server, 'log_level', [level]);
    assert.equal(log.level, name);
  }
});

test('a command of OpenSIPS that is not here names the module to load, or says that a SIP server has it', async (t) => {
  const server = await startServer(t);
  const withUsrloc = await startServer(t, { usrloc: {} });
  const all = (await call(withUsrloc, 'which')) as string[];
  const flat = all.filter((name) => name.startsWith('usrloc:')).map((name) => name.slice('usrloc:'.length));
  assert.ok(flat.includes('add_many') && flat.length >= 9);
  for (const method of ['ul_dump', 'ul_add', 'usrloc:dump', 'usrloc:rm_contact', 'usrloc:add_many', ...flat]) {
    const { code, data } = await callError(server, method);
    assert.equal(code, -32601);
    assert.equal(data, `${method} is of module usrloc, which is not loaded; add loadmodule "usrloc.so"`);
  }
  for (const [method, module] of [
    ['dlg_list', 'dialog'],
    ['dialog:list', 'dialog'],
    ['lb_reload', 'load_balancer'],
    ['dispatcher:reload', 'dispatcher'],
    ['reload_routes', 'core'],
  ] as const) {
    const { code, data } = await callError(server, method);
    assert.equal(code, -32601);
    assert.match(
      data ?? '',
      new RegExp(`^${method} is a command of OpenSIPS \\(${module}\\), which only a SIP server has`),
    );
  }
  const loaded = await startServer(t, { usrloc: {} });
  assert.match((await callError(loaded, 'ul_dmp')).data ?? '', /nearest: ul_dump/);
  assert.match((await callError(loaded, 'usrloc:dmp')).data ?? '', /nearest: usrloc:dump/);
  for (const method of ['constructor:x', '__proto__', 'toString']) {
    assert.match((await callError(server, method)).data ?? '', /^no /);
  }
});
