// Levels of commands, users, tokens and listeners; lists of commands; address lists.
import { request } from 'node:http';
import { assert, describe, expect } from 'vitest';
import { command, createServer, defineModule, type Server, type ServerOptions } from '#src/index.js';
import { basic, temporaryFile, tokenLine, userLine } from '../support/accounts.js';
import type { Lifetime } from '../support/lifetime.js';
import { post, startServer } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { get, postForm } from '../support/web-client.js';

const lab = defineModule({
  name: 'lab',
  commands: [
    command({ name: 'look', help: 'Looks.', readOnly: true, run: () => 'seen' }),
    command({ name: 'move', help: 'Moves.', run: () => 'moved' }),
    command({ name: 'burn', help: 'Burns.', level: 'admin', readOnly: true, run: () => 'burnt' }),
    command({
      name: 'whoami',
      help: 'Tells who calls.',
      readOnly: true,
      run: (_parameters, { client }) => ({ ...client?.caller, listener: client?.listener ?? '' }),
    }),
  ],
});

const names = ['read', 'operate', 'admin'] as const;

async function start(t: Lifetime, options: ServerOptions = {}): Promise<Server> {
  const users = temporaryFile(t, 'users', names.map((level) => userLine(level, 'pw', level)).join(''));
  const tokens = temporaryFile(t, 'tokens', tokenLine('robot', 'mi_robot', 'operate'));
  const httpd = { auth_file: users, auth_tokens: tokens, ...options.httpd };
  return startServer(t, { ...options, httpd, modules: [lab] });
}

interface Reply {
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: string };
}

async function rpc(server: Server, authorization: string, method: string, params?: unknown): Promise<Reply> {
  const body = JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 });
  const reply = await post(server, body, { headers: { Authorization: authorization } });
  expect(reply.status, reply.body).toBe(200);
  return JSON.parse(reply.body);
}

const as = (name: string): string => basic(name, 'pw');

describe('levels', () => {
  test('each includes those below, and a refusal names the level that is missing', async ({ lifetime }) => {
    const server = await start(lifetime);
    const needed = { look: 'read', move: 'operate', burn: 'admin', log_level: 'admin', 'core:log_level': 'admin' };
    for (const [rank, name] of names.entries()) {
      for (const [method, level] of Object.entries(needed)) {
        const { error } = await rpc(server, as(name), method, method.endsWith('log_level') ? [3] : undefined);
        if (rank >= names.indexOf(level as 'read')) expect(error, `${name} ${method}`).toBe(undefined);
        else {
          expect(error?.code).toBe(-32003);
          expect(error?.message).toBe('Permission denied');
          expect(error?.data ?? '').toMatch(
            new RegExp(`^\\w+:${method.replace(/.*:/, '')} needs level ${level}; ${name} has level ${name}$`),
          );
        }
      }
    }
    const { result } = await rpc(server, as('admin'), 'get_statistics', [['denied']]);
    expect(result).toStrictEqual({ 'mi:denied': 7 });
  });

  test('the log level is told to level read, and set by level admin alone', async ({ lifetime }) => {
    const server = await start(lifetime);
    for (const params of [undefined, [], {}]) {
      const { result } = await rpc(server, as('read'), 'log_level', params);
      expect(result).toMatchObject({ Processes: [{ 'Log level': 3 }] });
    }
    for (const params of [[4], { level: 4 }, [4, 1], { level: 4, pid: 1 }, ['x']]) {
      expect((await rpc(server, as('operate'), 'log_level', params)).error?.data).toBe(
        'core:log_level needs level admin; operate has level operate',
      );
    }
    const { result: some } = await rpc(server, as('read'), 'which');
    expect(some).toContain('core:log_level');
    const form = await get(server, '/mi/core/log_level?arg=4', { headers: { Authorization: as('read') } });
    expect(form.status).toBe(403);
    // Without logins, too, a call of the program has the level that it says.
    const open = await startServer(lifetime);
    expect(await open.call('log_level', [], { level: 'read' })).toMatchObject({ Processes: [{ 'Log level': 3 }] });
    await expect(open.call('log_level', [4], { level: 'read' })).rejects.toMatchObject({ code: -32003 });
    expect(await open.call('log_level')).toMatchObject({ Processes: [{ 'Log level': 3 }] });
  });

  test('a token has its level too', async ({ lifetime }) => {
    const server = await start(lifetime);
    expect((await rpc(server, 'Bearer mi_robot', 'move')).result).toBe('moved');
    expect((await rpc(server, 'Bearer mi_robot', 'burn')).error?.data ?? '').toMatch(/robot has level operate/);
  });

  test('a notification that is not allowed does nothing, and is not told', async ({ lifetime }) => {
    const killed: string[] = [];
    const server = await start(lifetime, { kill: () => killed.push('!') });
    const body = '{"jsonrpc":"2.0","method":"kill"}';
    expect((await post(server, body, { headers: { Authorization: as('operate') } })).status).toBe(202);
    await new Promise(setImmediate);
    expect(killed).toStrictEqual([]);
  });

  test('which and help show what the caller may run', async ({ lifetime }) => {
    const server = await start(lifetime);
    const { result: all } = await rpc(server, as('admin'), 'which');
    const { result: some } = await rpc(server, as('read'), 'which');
    assert(Array.isArray(all) && Array.isArray(some));
    expect(all.includes('lab:burn') && all.includes('kill')).toBe(true);
    for (const hidden of ['lab:burn', 'burn', 'lab:move', 'kill', 'core:kill', 'reset_statistics']) {
      expect(some, hidden).not.toContain(hidden);
    }
    expect(some.includes('lab:look') && some.includes('look')).toBe(true);
    expect((await rpc(server, as('read'), 'which', ['lab:'])).result).toStrictEqual(['lab:look', 'lab:whoami']);
    for (const method of ['which', 'help']) {
      expect((await rpc(server, as('read'), method, ['burn'])).error?.code).toBe(404);
      expect((await rpc(server, as('admin'), method, ['burn'])).error).toBe(undefined);
    }
  });

  test('each call of a batch is held to them, and rpc.discover describes what the caller may run', async ({
    lifetime,
  }) => {
    const server = await start(lifetime);
    const batch = ['look', 'move', 'burn'].map((method, id) => ({ jsonrpc: '2.0', method, id }));
    const { body } = await post(server, JSON.stringify(batch), { headers: { Authorization: as('operate') } });
    const outcomes = (JSON.parse(body) as Reply[]).map(({ result, error }) => result ?? error?.code);
    expect(outcomes).toStrictEqual(['seen', 'moved', -32003]);
    const described = async (name: string): Promise<string> =>
      JSON.stringify((await rpc(server, as(name), 'rpc.discover')).result);
    expect(await described('admin')).toMatch(/lab:burn/);
    expect(await described('read')).not.toMatch(/lab:burn|lab:move|core:kill/);
    expect(await described('read')).toMatch(/lab:look/);
  });

  test('a command is told who calls', async ({ lifetime }) => {
    const server = await start(lifetime);
    const listener = `http:127.0.0.1:0`;
    expect((await rpc(server, 'Bearer mi_robot', 'whoami')).result).toStrictEqual({
      name: 'robot',
      method: 'bearer',
      grant: 'operate',
      listener,
    });
  });
});

describe('the web interface', () => {
  const same = { 'Sec-Fetch-Site': 'same-origin' };

  test('shows what the caller may run, and refuses the rest with 403', async ({ lifetime }) => {
    const server = await start(lifetime);
    const read = { ...same, Authorization: as('read') };
    const menu = (await get(server, '/mi', { headers: read })).body;
    expect(menu).toMatch(/lab:look/);
    expect(menu).not.toMatch(/lab:burn|lab:move|core:kill/);
    expect((await get(server, '/mi', { headers: { ...same, Authorization: as('admin') } })).body).toMatch(/lab:burn/);
    for (const path of ['/mi/lab/lab:move', '/mi/lab/lab:move?arg=']) {
      const page = await get(server, path, { headers: read });
      expect(page.status, path).toBe(403);
      expect(page.body).toMatch(/lab:move needs level operate; read has level read/);
    }
    const form = await postForm(server, '/mi/lab/lab:move', 'arg=', read);
    expect(form.status).toBe(403);
    const raw = await get(server, '/mi/lab/lab:move?arg=&raw=1', { headers: read });
    expect(raw.status).toBe(403);
    expect(JSON.parse(raw.body).error.code).toBe(-32003);
    expect((await get(server, '/mi/lab/lab:look?arg=', { headers: read })).status).toBe(200);
  });

  test('a module of which the caller may run nothing is not in the menu', async ({ lifetime }) => {
    const server = await start(lifetime, { httpd: { deny_commands: 'lab:*' } });
    const page = await get(server, '/mi', { headers: { Authorization: as('admin') } });
    expect(page.body).not.toMatch(/lab:|\/mi\/lab/);
  });

  test('a module of which the caller may run nothing is answered like one that there is not', async ({ lifetime }) => {
    const server = await start(lifetime, { httpd: { deny_commands: 'lab:*' } });
    const headers = { Authorization: as('admin') };
    for (const [path, given] of [
      ['', headers],
      ['/', headers],
      ['', { ...headers, Accept: 'application/json' }],
      ['/lab:nothing', headers],
      ['/lab:nothing?arg=', headers],
    ] as const) {
      const [hidden, unknown] = await Promise.all(
        ['lab', 'lax'].map((module) => get(server, `/mi/${module}${path}`, { headers: given })),
      );
      expect(hidden?.status, path).toBe(404);
      expect(hidden?.body).toBe(unknown?.body.replaceAll('lax', 'lab'));
    }
  });
});

test('mi_json: the code is 403, and 429 beyond a limit', async ({ startServer }) => {
  const server = await startServer({
    httpd: { deny_commands: 'lab:burn', rate_limit_address: 5 },
    modules: [lab],
    mi_json: {},
  });
  const denied = await get(server, '/json/burn');
  expect([denied.status, /403/.test(denied.body), /deny_commands/.test(denied.body)]).toStrictEqual([200, true, true]);
  for (;;) {
    const { status, headers, body } = await get(server, '/json/look');
    if (status === 200) continue;
    expect([status, headers['retry-after'], /rate_limit_address/.test(body)]).toStrictEqual([429, '1', true]);
    break;
  }
});

describe('lists of commands', () => {
  test('deny_commands forbids to everybody, by full name, flat name and pattern', async ({ startServer }) => {
    const server = await startServer({
      httpd: { deny_commands: 'lab:burn, reset_statistics , *:log_l*' },
      modules: [lab],
    });
    for (const [method, isDenied] of [
      ['burn', true],
      ['lab:burn', true],
      ['statistics:reset', true],
      ['reset', true],
      ['log_level', true],
      ['look', false],
      ['uptime', false],
    ] as const) {
      const { error } = await rpc(server, '', method);
      expect(error?.code === -32003, method).toBe(isDenied);
      if (isDenied) expect(error?.data ?? '').toMatch(/denied on this server \(deny_commands\)/);
    }
  });

  test('allow_commands allows nothing else', async ({ startServer }) => {
    const server = await startServer({ httpd: { allow_commands: 'look,which,core:up*' }, modules: [lab] });
    expect((await rpc(server, '', 'which')).result).toStrictEqual([
      'core:uptime',
      'core:which',
      'lab:look',
      'uptime',
      'which',
      'look',
    ]);
    expect((await rpc(server, '', 'move')).error?.data ?? '').toMatch(/not allowed on this server \(allow_commands\)/);
  });

  test('rpc.discover is no command of a list, and tells only what is allowed', async ({ startServer }) => {
    const server = await startServer({ httpd: { allow_commands: 'look' }, modules: [lab] });
    const { result } = await rpc(server, '', 'rpc.discover');
    expect((result as { methods: { name: string }[] }).methods.map(({ name }) => name)).toStrictEqual(['lab:look']);
  });

  test('a pattern that fits no command refuses the start, since it would protect nothing', () => {
    const httpd = { ip: '127.0.0.1', deny_commands: 'kil' };
    expect(() => createServer({ httpd })).toThrow(
      /deny_commands has "kil", which fits no MI command: did you mean "kill"/,
    );
  });
});

describe('listeners', () => {
  test('each has its own login, level and addresses', async ({ temporaryFile, onTestFinished }) => {
    const users = temporaryFile('users', userLine('boss', 'pw', 'admin'));
    const server = createServer({
      httpd: {
        auth_file: users,
        listen: [
          'http:127.0.0.1:0',
          'http:127.0.0.1:0; auth=off; level=read',
          'http:127.0.0.1:0;level=operate',
          'http:127.0.0.1:0;auth=off;allow=127.0.0.2, 192.0.2.0/24',
        ],
      },
      modules: [lab],
    });
    await server.start();
    onTestFinished(() => server.close({ deadline: 0 }));
    const [full, reading, limited, listed] = server.urls.map((url) => Number(new URL(url).port));
    const boss = basic('boss', 'pw');
    expect(await outcome(full, 'burn')).toStrictEqual(401);
    expect(await outcome(full, 'burn', boss)).toStrictEqual('burnt');
    expect(await outcome(reading, 'look')).toStrictEqual('seen');
    expect(await outcome(reading, 'move')).toStrictEqual('lab:move needs level operate; callers here have level read');
    expect(await outcome(limited, 'move', boss)).toStrictEqual('moved');
    expect(await outcome(limited, 'burn', boss)).toStrictEqual('lab:burn needs level admin; boss has level operate');
    expect(await outcome(listed, 'look')).toStrictEqual(403);
    expect(await outcome(listed, 'burn', undefined, '127.0.0.2')).toStrictEqual('burnt');
  });

  test('allow_from is for all that have no list of their own', async ({ startServer }) => {
    const server = await startServer({ httpd: { allow_from: '127.0.0.2/31,::1' }, modules: [lab] });
    expect(await outcome(server.port, 'burn')).toStrictEqual(403);
    expect(await outcome(server.port, 'burn', undefined, '127.0.0.3')).toStrictEqual('burnt');
    expect(await outcome(server.port, 'burn', undefined, '127.0.0.4')).toStrictEqual(403);
  });

  test('wrong options are refused by name', () => {
    for (const [listen, reason] of [
      ['http:127.0.0.1:0;auth=maybe', /auth is "maybe"; give on or off/],
      ['http:127.0.0.1:0;auth=on', /auth=on, and there is nobody who could log in/],
      ['http:127.0.0.1:0;level=reed', /level "reed" does not exist; did you mean "read"/],
      ['http:127.0.0.1:0;allow=127.0.0.0/33', /prefix length "33"; give 0 to 32/],
      ['http:127.0.0.1:0;allow=192.0.2.1,', /beside a comma there is no address/],
      ['http:127.0.0.1:0;allow=localhost', /"localhost" is neither an address nor a network/],
    ] as const) {
      expect(() => createServer({ httpd: { listen: [listen] } })).toThrow(reason);
    }
    expect(() => createServer({ httpd: { allow_from: '1.2.3' } })).toThrow(/allow_from.*"1\.2\.3" is neither/);
  });
});

/** The result of a call, the reason of its error, or the status of a refusal. */
function outcome(
  port: number | undefined,
  method: string,
  authorization?: string,
  localAddress = '127.0.0.1',
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const headers = {
      'Content-Type': 'application/json',
      ...(authorization === undefined ? {} : { Authorization: authorization }),
    };
    const sent = request({ host: '127.0.0.1', port, path: '/mi', method: 'POST', headers, localAddress, agent: false });
    sent.on('error', reject);
    sent.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece: string) => {
        text += piece;
      });
      response.on('end', () => {
        if (response.statusCode !== 200) return resolve(response.statusCode);
        const { result, error } = JSON.parse(text) as Reply;
        resolve(error === undefined ? result : error.data);
      });
    });
    sent.end(JSON.stringify({ jsonrpc: '2.0', method, id: 1 }));
  });
}

describe('names that are not found', () => {
  const run = (): string => 'done';
  /** Nobody below admin is to learn of `vault:burn_secrets`, nor of the module. */
  const vault = defineModule({
    name: 'vault',
    commands: ['burn_secrets', 'show'].map((name) => command({ name, help: 'For few.', level: 'admin', run })),
  });
  const shop = defineModule({
    name: 'shop',
    commands: [
      command({ name: 'show', help: 'Shows.', readOnly: true, run }),
      command({ name: 'burn_secretly', help: 'Burns.', level: 'admin', run }),
    ],
  });

  const call = (method: string, params?: unknown): string => JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 });
  const names = [
    'burn_secret',
    'vault:burn_secret',
    'burn_secretl',
    'shop:burn_secretl',
    'show',
    'BURN_SECRETS',
    'sho',
  ];
  /** Each face, asked for a name. */
  const faces: Readonly<
    Record<string, (server: Server, name: string, headers: { Authorization: string }) => Promise<{ body: string }>>
  > = {
    'JSON-RPC': (server, name, headers) => post(server, call(name), { headers }),
    'a batch': (server, name, headers) => post(server, `[${call(name)},${call('version')}]`, { headers }),
    which: (server, name, headers) => post(server, call('which', [name]), { headers }),
    help: (server, name, headers) => post(server, call('help', [name]), { headers }),
    'the page of a command': (server, name, headers) => get(server, `/mi/shop/${name}`, { headers }),
    'the page of a module': (server, _name, headers) => get(server, '/mi/vaul', { headers }),
    'a form': (server, name, headers) => postForm(server, `/mi/shop/${name}`, 'arg=', headers),
    'a form of a client for JSON': (server, name, headers) =>
      postForm(server, `/mi/shop/${name}`, 'arg=', { ...headers, Accept: 'application/json' }),
    mi_html: (server, name, headers) => get(server, `/html/shop/${name}`, { headers }),
    mi_json: (server, name, headers) => get(server, `/json/${name}`, { headers }),
  };
  const hidden = /burn_secrets\b|burn_secretly|vault:|\/vault|>vault/;

  async function startShop(t: Lifetime): Promise<Server> {
    const users = temporaryFile(t, 'users', userLine('read', 'pw', 'read') + userLine('admin', 'pw', 'admin'));
    const options = { mi_json: {}, mi_html: { root: 'html' }, modules: [vault, shop] };
    return startServer(t, { ...options, httpd: { auth_file: users } });
  }

  for (const [face, ask] of Object.entries(faces)) {
    test(`tell nobody of commands beyond the level: ${face}`, async ({ lifetime }) => {
      const server = await startShop(lifetime);
      for (const name of names) {
        const { body } = await ask(server, name, { Authorization: as('read') });
        // What was asked for is shown again.
        expect(body.replaceAll(name, ''), name).not.toMatch(hidden);
      }
    });
  }

  test('tell those who may', async ({ lifetime }) => {
    const server = await startShop(lifetime);
    const headers = { Authorization: as('admin') };
    expect((await rpc(server, as('admin'), 'burn_secret')).error?.data ?? '').toMatch(/nearest: burn_secrets/);
    expect((await rpc(server, as('admin'), 'show')).error?.data ?? '').toMatch(
      /vault:show, shop:show|shop:show, vault:show/,
    );
    expect((await get(server, '/mi/shop/burn_secretl', { headers })).body).toMatch(/burn_secretly/);
    expect((await get(server, '/mi/vaul', { headers })).body).toMatch(/\/mi\/vault/);
    expect((await get(server, '/json/show', { headers })).body).toMatch(/vault:show/);
  });

  test('tell nobody of commands that are denied to all', async ({ startServer }) => {
    const server = await startServer({ modules: [vault, shop], httpd: { deny_commands: 'burn_*' } });
    expect((await post(server, call('burn_secret'))).body).not.toMatch(hidden);
    expect((await get(server, '/mi/vault/burn_secret')).body.replaceAll('/mi/vault', '')).not.toMatch(/burn_secrets/);
  });
});
