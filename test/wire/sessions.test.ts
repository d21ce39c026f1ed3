// Logins of browsers by a page, and the cookie that stands for them since.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { assert, describe, expect } from 'vitest';
import { command, defineModule, type Server, type ServerOptions } from '#src/index.js';
import { basic, tokenLine, userLine } from '../support/accounts.js';
import { EventReader } from '../support/event-reader.js';
import { freePort } from '../support/free-port.js';
import { type HttpReply, post, withResolvers } from '../support/mi-client.js';
import { ask, RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';
import { noOpenssl, type TlsFiles } from '../support/tls-files.js';
import { unless } from '../support/unless.js';
import { get, postForm, unescapeHtml } from '../support/web-client.js';

const browser = { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8', 'User-Agent': 'Mozilla/5.0 (test)' };
const own = { 'Sec-Fetch-Site': 'same-origin' };
const version = '{"jsonrpc":"2.0","method":"version","id":1}';
const admin = basic('alice', 'wonder:land');

type Start = (options?: ServerOptions) => Promise<Server>;

const userLines = [userLine('alice', 'wonder:land', 'admin'), userLine('rita', 'secret-3', 'read')];

async function serve(startServer: Start, files: TlsFiles, options: ServerOptions = {}): Promise<Server> {
  const auth_file = files.write('users', userLines.join(''));
  return startServer({ ...options, httpd: { auth_file, auth_realm: 'north', ...options.httpd } });
}

interface Given {
  readonly name?: string;
  readonly password?: string;
  readonly token?: string;
  readonly target?: string;
}

function logIn(
  server: Server,
  given: Given = {},
  headers: Readonly<Record<string, string | null>> = {},
): Promise<HttpReply> {
  const fields = given.token === undefined ? { name: 'alice', password: 'wonder:land', ...given } : { ...given };
  const body = new URLSearchParams(fields as Record<string, string>).toString();
  return postForm(server, '/-/login', body, { ...browser, ...own, ...headers });
}

/** `name=value`, as a browser sends it back. */
function cookieOf(reply: HttpReply): string {
  const [cookie = ''] = reply.headers['set-cookie'] ?? [];
  return cookie.slice(0, cookie.indexOf(';'));
}

async function session(server: Server, given: Given = {}): Promise<string> {
  const reply = await logIn(server, given);
  expect(reply.status, reply.body).toBe(303);
  return cookieOf(reply);
}

async function pageStatus(server: Server, Cookie: string, path = '/mi'): Promise<number> {
  return (await get(server, path, { headers: { ...browser, Cookie } })).status;
}

async function called(server: Server, method: string, params?: unknown): Promise<Record<string, unknown>> {
  const body = JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 });
  const { body: text } = await post(server, body, { headers: { Authorization: admin } });
  return JSON.parse(text);
}

interface Listed {
  readonly session: string;
  readonly user: string;
  readonly level: string;
  readonly by: string;
  readonly agent: string;
}

async function sessionsOf(server: Server): Promise<readonly Listed[]> {
  const { result } = await called(server, 'httpd:list_sessions');
  return (result as { readonly Sessions: readonly Listed[] }).Sessions;
}

interface Told {
  readonly who: string;
  readonly command: string;
  readonly outcome: unknown;
  readonly params: { readonly reason?: string; readonly by?: string; readonly session?: string };
}

async function audited(server: Server): Promise<readonly Told[]> {
  const { result } = await called(server, 'httpd:audit_recent');
  return (result as { readonly Calls: readonly Told[] }).Calls;
}

const pbx = defineModule({
  name: 'pbx',
  commands: [
    command({ name: 'look', help: 'Looks.', readOnly: true, recipes: [{}, { at: 'string' }], run: () => 'OK' }),
    command({ name: 'change', help: 'Changes.', recipes: [{}, { what: 'string' }], run: () => 'OK' }),
  ],
});

describe('the page to log in', () => {
  test('is what a browser gets that asks for a page, with status 401 and no prompt of its own', async ({
    files,
    startServer,
  }) => {
    const server = await serve(startServer, files, { httpd: { server_name: 'pbx <north>' } });
    for (const path of ['/mi', '/', '/nothing', '/mi/core/kill?x=%22']) {
      const page = await get(server, path, { headers: browser });
      expect(page.status, path).toBe(401);
      expect(page.headers['www-authenticate']).toBe('Bearer realm="north"');
      expect(page.headers['content-type']).toMatch(/^text\/html/);
      expect(page.headers['content-security-policy']).toContain("default-src 'none'");
      expect(page.headers['cache-control']).toBe('no-store');
      expect(page.body).toContain('<form method="post" action="/-/login"');
      expect(page.body).toContain('pbx &lt;north&gt;');
      const target = /name="target" value="([^"]*)"/.exec(page.body)?.[1];
      expect(unescapeHtml(target ?? '')).toBe(path);
      expect(page.body).not.toContain('token');
    }
    const style = await get(server, '/-/login.css', { headers: { Accept: 'text/css' } });
    expect([style.status, style.headers['content-type']]).toStrictEqual([200, 'text/css; charset=utf-8']);
    const form = await postForm(server, '/mi/core/kill', 'arg=', { ...browser, ...own });
    expect([form.status, form.headers['www-authenticate']]).toStrictEqual([401, 'Bearer realm="north"']);
  });

  test('is none of a program: Basic is as before', async ({ files, startServer }) => {
    const server = await serve(startServer, files);
    for (const Accept of ['*/*', 'application/json', 'text/plain']) {
      const reply = await get(server, '/mi', { headers: { Accept } });
      expect(reply.status).toBe(401);
      expect(reply.headers['www-authenticate']).toBe('Basic realm="north", charset="UTF-8"');
      expect(reply.body).not.toContain('<form');
    }
    expect((await post(server, version)).headers['www-authenticate']).toMatch(/^Basic /);
    expect((await get(server, '/mi', { headers: { ...browser, Authorization: admin } })).status).toBe(200);
    const wrong = await get(server, '/mi', { headers: { ...browser, Authorization: basic('alice', 'x') } });
    expect([wrong.status, wrong.headers['www-authenticate']?.slice(0, 5)]).toStrictEqual([401, 'Basic']);
  });

  test('lets no script of a page make the browser ask', async ({ files, startServer }) => {
    const server = await serve(startServer, files);
    for (const headers of [
      { Accept: 'application/json', 'Sec-Fetch-Mode': 'cors', ...own },
      { Accept: 'text/event-stream', 'Sec-Fetch-Mode': 'cors', ...own },
    ]) {
      const reply = await get(server, '/mi/live', { headers });
      expect([reply.status, reply.headers['www-authenticate']]).toStrictEqual([401, 'Bearer realm="north"']);
    }
    const stale = await session(server);
    await called(server, 'httpd:end_session', { user: 'alice' });
    const reply = await get(server, '/mi', { headers: { Accept: 'application/json', Cookie: stale } });
    expect([reply.status, reply.headers['www-authenticate']]).toStrictEqual([401, 'Bearer realm="north"']);
  });

  test('is not there where sessions are off, nobody logs in, or plain HTTP leaves this machine', async ({
    files,
    startServer,
  }) => {
    const off = await serve(startServer, files, { httpd: { sessions: 0 } });
    expect((await get(off, '/mi', { headers: browser })).headers['www-authenticate']).toMatch(/^Basic /);
    expect((await get(off, '/-/login', { headers: browser })).status).toBe(401);
    const open = await startServer({});
    expect((await get(open, '/-/login', { headers: browser })).status).toBe(404);
    const far = await serve(startServer, files, { httpd: { ip: '0.0.0.0' } });
    expect((await get(far, '/mi', { headers: browser })).headers['www-authenticate']).toMatch(/^Basic /);
    expect((await get(far, '/-/login', { headers: browser })).status).toBe(401);
    const wished = await serve(startServer, files, { httpd: { ip: '0.0.0.0', sessions: 2 } });
    expect(await pageStatus(wished, await session(wished))).toBe(200);
    const owned = await startServer({ authenticate: () => ({ name: 'x', level: 'read' }) });
    expect((await get(owned, '/mi', { headers: browser })).headers['www-authenticate']).toMatch(/^Basic /);
  });

  test('is refused to addresses that are not allowed', async ({ files, startServer }) => {
    const server = await serve(startServer, files, { httpd: { allow_from: '192.0.2.1' } });
    for (const path of ['/-/login', '/-/login.css', '/mi'])
      expect((await get(server, path, { headers: browser })).status, path).toBe(403);
    expect((await logIn(server)).status).toBe(403);
  });

  test('takes a body that is short and has its length', async ({ files, startServer }) => {
    const server = await serve(startServer, files);
    const long = await postForm(server, '/-/login', `name=alice&password=${'x'.repeat(5000)}`, { ...browser, ...own });
    expect(long.status).toBe(413);
    const chunked = await ask(server.port, 'POST', '/-/login', undefined, [
      'Content-Type: application/x-www-form-urlencoded',
      'Transfer-Encoding: chunked',
    ]);
    expect(chunked.status).toBe(413);
    expect((await postForm(server, '/-/login', '{}', { 'Content-Type': 'application/json' })).status).toBe(415);
    // In pieces.
    const client = await RawClient.connect(server.port);
    const body = 'name=alice&password=wonder%3Aland';
    client.send(
      `POST /-/login HTTP/1.1\r\nHost: localhost:${server.port}\r\nSec-Fetch-Site: same-origin\r\n` +
        `Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    for (const piece of [body.slice(0, 1), body.slice(1, 20), body.slice(20)]) client.send(piece);
    expect((await client.response()).status).toBe(303);
    client.socket.destroy();
  });
});

describe('a login', () => {
  test('by a password or a token gives a cookie that is one of no script and no other site', async ({
    files,
    startServer,
  }) => {
    const token = 'mi_0123456789012345678901234567890123456789012';
    const auth_tokens = files.write('tokens', tokenLine('robot', token, 'operate'));
    const server = await serve(startServer, files, { httpd: { auth_tokens } });
    const page = await get(server, '/mi', { headers: browser });
    expect(page.body).toContain('name="token"');
    for (const [given, user, level] of [
      [{}, 'alice', 'admin'],
      [{ token }, 'robot', 'operate'],
    ] as const) {
      const reply = await logIn(server, { ...given, target: '/mi/core?x=1' });
      expect([reply.status, reply.headers.location]).toStrictEqual([303, '/mi/core?x=1']);
      expect(reply.headers['set-cookie']).toStrictEqual([
        expect.stringMatching(/^mi_session=[A-Za-z0-9_-]{43}; Path=\/; HttpOnly; SameSite=Strict$/),
      ]);
      const home = await get(server, '/mi', { headers: { ...browser, Cookie: cookieOf(reply) } });
      expect(home.status).toBe(200);
      expect(home.body).toContain(`<bdi>${user}</bdi>`);
      expect(home.body).toContain(level);
      expect(home.body).toContain('<form method="post" action="/-/logout">');
    }
    const basicPage = await get(server, '/mi', { headers: { ...browser, Authorization: admin } });
    expect(basicPage.body).toContain('<bdi>alice</bdi>');
    expect(basicPage.body).not.toContain('/-/logout');
  });

  test('that is wrong repeats nothing, and is the same for a user that does not exist', async ({
    files,
    startServer,
  }) => {
    const server = await serve(startServer, files);
    const pages = new Set<string>();
    for (const given of [
      { password: 'hunter2' },
      { name: 'hunter2', password: 'hunter2' },
      { name: '', password: '' },
      { name: 'a:b', password: 'hunter2' },
      { name: ':token', password: 'hunter2' },
      { name: 'alice', password: 'wonder:land\n' },
      { token: 'hunter2' },
    ]) {
      const reply = await logIn(server, given);
      expect([reply.status, reply.headers['www-authenticate']]).toStrictEqual([401, 'Bearer realm="north"']);
      expect(reply.headers['set-cookie']).toBe(undefined);
      expect(reply.body).toContain('role="alert"');
      expect(reply.body).not.toContain('hunter2');
      pages.add(reply.body);
    }
    expect(pages.size).toBe(1);
  });

  test('waits as one by Basic does, and both count together', async ({ files, startServer }) => {
    const server = await serve(startServer, files);
    for (let i = 0; i < 3; i++) expect((await logIn(server, { password: `x${i}` })).status).toBe(401);
    for (let i = 0; i < 2; i++) {
      const { status } = await post(server, version, { headers: { Authorization: basic('alice', `y${i}`) } });
      expect(status).toBe(401);
    }
    const waiting = await logIn(server);
    expect(waiting.status).toBe(429);
    expect(Number(waiting.headers['retry-after'])).toBeGreaterThan(0);
    expect(waiting.body).toContain('try again');
    expect((await post(server, version, { headers: { Authorization: admin } })).status).toBe(429);
    const failed = await called(server, 'version').catch(() => undefined);
    expect(failed).toMatchObject({ error: { data: expect.stringContaining('too many failed logins') } });
  });

  test('in a flood is no more guesses than five', async ({ files, startServer }) => {
    const server = await serve(startServer, files);
    const replies = await Promise.all(Array.from({ length: 40 }, (_, i) => logIn(server, { password: `x${i}` })));
    expect(replies.filter(({ status }) => status === 401).length).toBeLessThanOrEqual(5);
    expect(replies.every(({ status }) => status === 401 || status === 429)).toBe(true);
  });

  test('that another site sends, or a name that is made to lead here, is refused', async ({ files, startServer }) => {
    const server = await serve(startServer, files);
    for (const headers of [
      { 'Sec-Fetch-Site': 'cross-site' },
      { 'Sec-Fetch-Site': 'same-site' },
      { 'Sec-Fetch-Site': null, Origin: 'https://evil.example' },
      { 'Sec-Fetch-Site': null, Origin: 'null' },
      { 'Sec-Fetch-Site': null },
      { Host: 'evil.example' },
    ]) {
      const reply = await logIn(server, {}, headers as Record<string, string>);
      expect(reply.status, JSON.stringify(headers)).toBe(403);
      expect(reply.headers['set-cookie']).toBe(undefined);
    }
    const origin = `http://127.0.0.1:${server.port}`;
    const host = `127.0.0.1:${server.port}`;
    const older = await logIn(server, {}, { 'Sec-Fetch-Site': null, Origin: origin, Host: host } as never);
    expect(older.status).toBe(303);
  });

  test('leads to no other server, and runs nothing that may change something', async ({ files, startServer }) => {
    const server = await serve(startServer, files, { modules: [pbx], mi_json: {}, usrloc: {} });
    for (const [target, expected] of [
      ['/mi/contacts?q=a%20b&by=aor', '/mi/contacts?q=a%20b&by=aor'],
      ['/mi/pbx/pbx:look?arg=x', '/mi/pbx/pbx:look?arg=x'],
      ['/mi/pbx/pbx:change', '/mi/pbx/pbx:change'],
      ['/mi/pbx/pbx:change?arg=x', '/mi/pbx/pbx:change?form#arg=x'],
      ['/mi/pbx/%63hange?arg=x', '/mi/pbx/%63hange?form#arg=x'],
      ['/mi/pbx/change/look?p.what=1', '/mi/pbx/change/look?form#p.what=1'],
      ['/mi/change?raw=1', '/mi/change?form#raw=1'],
      ['/mi/core/kill?recipe=0', '/mi/core/kill?form#recipe=0'],
      ['/json/kill', '/mi'],
      ['/json/pbx:change?params=1', '/mi'],
      ['/json/pbx:look?params=1', '/json/pbx:look?params=1'],
      ['/-/logout', '/mi'],
      ['/-/login', '/mi'],
      ['', '/mi'],
      ['https://evil.example/', '/mi'],
      ['//evil.example/', '/mi'],
      ['/\\evil.example/', '/mi'],
      ['/.//evil.example/', '/mi'],
      ['/x/..//evil.example/', '/mi'],
      ['/%2e//evil.example/', '/mi'],
      ['/\t/evil.example/', '/mi'],
      ['/mi\r\nSet-Cookie: a=b', '/mi'],
      ['javascript:alert(1)', '/mi'],
      [`/${'a'.repeat(2500)}`, '/mi'],
    ] as const) {
      const reply = await logIn(server, { target });
      expect([reply.status, reply.headers.location], target).toStrictEqual([303, expected]);
    }
  });

  test('puts its own cookie in the place of any that came', async ({ files, startServer }) => {
    const server = await serve(startServer, files);
    const planted = `mi_session=${'A'.repeat(43)}`;
    const reply = await logIn(server, {}, { Cookie: planted });
    expect(cookieOf(reply)).not.toBe(planted);
    expect(await pageStatus(server, planted)).toBe(401);
    const first = cookieOf(reply);
    const second = cookieOf(await logIn(server, {}, { Cookie: first }));
    expect(second).not.toBe(first);
    expect(await pageStatus(server, first), 'the former one').toBe(401);
    expect(await pageStatus(server, second)).toBe(200);
    expect((await sessionsOf(server)).length).toBe(1);
  });
});

describe('a cookie', () => {
  test('is a login at pages, JSON-RPC, mi_html, mi_json and metrics', async ({ files, startServer }) => {
    const server = await serve(startServer, files, { mi_html: { root: 'html' }, mi_json: {}, prometheus: {} });
    const Cookie = await session(server);
    for (const path of ['/', '/mi', '/html/core', '/json/version', '/metrics'])
      expect(await pageStatus(server, Cookie, path), path).toBe(200);
    const rpc = await post(server, version, { headers: { Cookie, ...own } });
    expect([rpc.status, 'result' in JSON.parse(rpc.body)]).toStrictEqual([200, true]);
    const reader = await session(server, { name: 'rita', password: 'secret-3' });
    const denied = await post(server, '{"jsonrpc":"2.0","method":"kill","id":1}', {
      headers: { Cookie: reader, ...own },
    });
    expect(JSON.parse(denied.body)).toMatchObject({ error: { code: -32003 } });
    expect((await get(server, '/mi/sessions', { headers: { ...browser, Cookie: reader } })).status).toBe(403);
  });

  test('changes nothing unless a page of this server asks', async ({ files, startServer }) => {
    const runs: string[] = [];
    const counting = defineModule({
      name: 'pbx',
      commands: [
        command({
          name: 'change',
          help: 'Changes.',
          run: () => {
            runs.push('run');
            return 'OK';
          },
        }),
      ],
    });
    const server = await serve(startServer, files, { modules: [counting], mi_json: {} });
    const Cookie = await session(server);
    const call = '{"jsonrpc":"2.0","method":"pbx:change","id":1}';
    const wrong = [
      {},
      { 'Sec-Fetch-Site': 'cross-site' },
      { 'Sec-Fetch-Site': 'same-site', Origin: `http://127.0.0.1:${server.port}` },
      { Origin: 'http://127.0.0.1:1' },
      { Origin: 'null' },
      { Referer: 'https://evil.example/' },
      { 'User-Agent': 'curl/8' },
    ];
    for (const headers of wrong) {
      const told = JSON.stringify(headers);
      for (const type of ['application/json', 'text/plain', null]) {
        const reply = await post(server, call, { headers: { Cookie, 'Content-Type': type, ...headers } });
        expect([403, 415], told).toContain(reply.status);
      }
      const form = await postForm(server, '/mi/pbx/pbx:change', 'arg=', { Cookie, ...headers });
      expect(form.status, told).toBe(403);
      for (const path of ['/mi/pbx/pbx:change?arg=', '/json/pbx:change'])
        expect((await get(server, path, { headers: { Cookie, ...headers } })).status, `${path} ${told}`).not.toBe(200);
      expect((await postForm(server, '/-/logout', '', { Cookie, ...headers })).status, told).toBe(403);
    }
    expect(runs).toStrictEqual([]);
    await post(server, call, { headers: { Cookie, ...own } });
    await postForm(server, '/mi/pbx/pbx:change', 'arg=', { Cookie, ...own });
    expect(runs).toStrictEqual(['run', 'run']);
  });

  test('is no use to pictures, frames and scripts of others; a link is followed', async ({ files, startServer }) => {
    const server = await serve(startServer, files);
    const Cookie = await session(server);
    const status = async (headers: Record<string, string>): Promise<number> =>
      (await get(server, '/mi', { headers: { ...browser, Cookie, ...headers } })).status;
    expect(await status({ 'Sec-Fetch-Site': 'same-site', 'Sec-Fetch-Mode': 'no-cors' })).toBe(401);
    expect(await status({ 'Sec-Fetch-Site': 'same-site', 'Sec-Fetch-Mode': 'cors' })).toBe(401);
    expect(await status({ 'Sec-Fetch-Site': 'same-site', 'Sec-Fetch-Mode': 'navigate' })).toBe(200);
    expect(await status({ 'Sec-Fetch-Site': 'none', 'Sec-Fetch-Mode': 'navigate' })).toBe(200);
    // Browsers send no cookie with a link of another site: the page offers to go on.
    const linked = await get(server, '/mi/core', {
      headers: { ...browser, 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate' },
    });
    expect(linked.body).toContain('<a href="/mi/core">Go on</a>');
    const lured = await get(server, '/mi/core/kill?arg=', {
      headers: { ...browser, 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate' },
    });
    expect(lured.body).toContain('<a href="/mi/core/kill?form#arg=">Go on</a>');
  });

  test('that is there twice, is not whole, or is one of many others counts for nothing', async ({
    files,
    startServer,
  }) => {
    const server = await serve(startServer, files, { httpd: { allowed_hosts: 'test' } });
    const Cookie = await session(server);
    const [, value = ''] = Cookie.split('=');
    for (const other of [
      `${Cookie}; ${Cookie}`,
      `${Cookie}; mi_session=${'A'.repeat(43)}`,
      `mi_session=${value.slice(0, -1)}`,
      `${Cookie}A`,
      `mi_session="${value}"`,
      `MI_SESSION=${value}`,
      `xmi_session=${value}`,
      `__Host-mi_session=${value}`,
      `mi_session=${value.replace(/^./, (first) => (first === 'A' ? 'B' : 'A'))}`,
      'mi_session=',
      `a=mi_session=${value}`,
      `a=b mi_session=${value}`,
      `mi_session=mi_session=${value}`,
      `${Cookie};mi_session=`,
      ';;;===;',
    ]) {
      expect(await pageStatus(server, other), other).toBe(401);
    }
    const twice = await ask(server.port, 'GET', '/mi', undefined, [`Cookie: ${Cookie}`, 'Cookie: mi_session=x']);
    expect(twice.status).toBe(401);
    const apart = await ask(server.port, 'GET', '/mi', undefined, ['Cookie: a=b', `Cookie: ${Cookie}`]);
    expect(apart.status).toBe(200);
    const many = Array.from({ length: 300 }, (_, i) => `c${i}=${i}`).join('; ');
    expect(await pageStatus(server, `${many}; ${Cookie}; ${many.slice(0, 500)}`)).toBe(200);
    expect(await pageStatus(server, `;; ;;\t${Cookie} ;a=mi_session=b`)).toBe(200);
    expect(await pageStatus(server, Cookie), 'the session is there still').toBe(200);
  });

  test('gives replies that no cache keeps', async ({ files, startServer }) => {
    const server = await serve(startServer, files, { mi_html: { root: 'html' }, mi_json: {}, prometheus: {} });
    const Cookie = await session(server);
    for (const path of [
      '/',
      '/mi',
      '/mi/nothing',
      '/html/core',
      '/json/version',
      '/json/nothing',
      '/metrics',
      '/nothing',
    ])
      for (const method of ['GET', 'HEAD']) {
        const { headers } = await get(server, path, { method, headers: { Cookie } });
        expect(headers['cache-control'], `${method} ${path}`).toBe('no-store');
      }
    const basicReply = await get(server, '/json/version', { headers: { Authorization: admin } });
    expect(basicReply.headers['cache-control'], 'caches know of Authorization').toBe(undefined);
  });

  test('is not asked where a header says who it is', async ({ files, startServer }) => {
    const server = await serve(startServer, files);
    const Cookie = await session(server);
    const wrong = { Cookie, Authorization: basic('alice', 'wrong'), ...browser };
    expect((await get(server, '/mi', { headers: wrong })).status).toBe(401);
    const rita = { Cookie, Authorization: basic('rita', 'secret-3'), ...browser };
    expect((await get(server, '/mi', { headers: rita })).body).toContain('<bdi>rita</bdi>');
  });

  test('counts at no listener of another port, under whatever name it is sent', async ({ files, startServer }) => {
    const ports = [await freePort(), await freePort()];
    const listen = ports.map((port) => `http:127.0.0.1:${port}`);
    const server = await serve(startServer, files, {
      httpd: { ip: undefined, port: undefined, listen, allowed_hosts: 'test' } as never,
    });
    const Cookie = await session(server);
    const [name, value = ''] = Cookie.split('=');
    expect(name).toBe(`mi_session_${ports[0]}`);
    const statusAt = async (port: number, cookie: string): Promise<number> =>
      (await ask(port, 'GET', '/mi', undefined, [`Cookie: ${cookie}`])).status;
    expect(await statusAt(ports[0] ?? 0, Cookie)).toBe(200);
    for (const cookie of [Cookie, `mi_session_${ports[1]}=${value}`, `mi_session=${value}`])
      expect(await statusAt(ports[1] ?? 0, cookie), cookie).toBe(401);
    expect(await statusAt(ports[0] ?? 0, `__Host-mi_session_${ports[0]}=${value}`)).toBe(401);
  });

  test('is one of its listener, and no more than the level of that', async ({ files, startServer }) => {
    const server = await serve(startServer, files, {
      httpd: { ip: undefined, port: undefined, listen: ['http:127.0.0.1:0;level=read'] } as never,
    });
    const Cookie = await session(server);
    const page = await get(server, '/mi', { headers: { ...browser, Cookie } });
    expect(page.body).toMatch(/<bdi>alice<\/bdi> <span class="level">read<\/span>/);
  });

  test('has 256 random bits, of which nothing is told', async ({ files, startServer }) => {
    const server = await serve(startServer, files);
    const cookies = new Set(await Promise.all(Array.from({ length: 8 }, () => session(server))));
    expect(cookies.size).toBe(8);
    const told = JSON.stringify([await sessionsOf(server), await audited(server)]);
    for (const cookie of cookies) {
      const [, value = ''] = cookie.split('=');
      expect(Buffer.from(value, 'base64url').length).toBe(32);
      expect(told).not.toContain(value);
    }
  });

  unless(noOpenssl, test)('over TLS has the name that browsers keep for it', async ({ files, startServer }) => {
    const { certFile, keyFile } = files.make('one');
    const server = await serve(startServer, files, { httpd: { tls_cert_file: certFile, tls_key_file: keyFile } });
    const send = (method: string, path: string, headers: object, body = ''): Promise<HttpReply> => {
      const { promise, resolve, reject } = withResolvers<HttpReply>();
      const options = { host: '127.0.0.1', port: server.port, path, method, rejectUnauthorized: false, agent: false };
      const length = method === 'POST' ? { 'Content-Length': body.length } : {};
      request({ ...options, headers: { ...browser, ...own, ...length, ...headers } }, (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('end', () => {
          const bytes = Buffer.concat(pieces);
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: bytes.toString(), bytes });
        });
      })
        .on('error', reject)
        .end(body);
      return promise;
    };
    const type = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const reply = await send('POST', '/-/login', type, 'name=alice&password=wonder%3Aland');
    expect(reply.headers['set-cookie']).toStrictEqual([
      expect.stringMatching(/^__Host-mi_session=[A-Za-z0-9_-]{43}; Path=\/; HttpOnly; SameSite=Strict; Secure$/),
    ]);
    const Cookie = cookieOf(reply);
    expect((await send('GET', '/mi', { Cookie })).status).toBe(200);
    expect((await send('GET', '/mi', { Cookie: Cookie.replace('__Host-', '') })).status).toBe(401);
    const out = await send('POST', '/-/logout', { ...type, Cookie });
    expect(out.headers['set-cookie']?.[0]).toMatch(/^__Host-mi_session=; .*; Secure; Max-Age=0$/);
    expect((await send('GET', '/mi', { Cookie })).status).toBe(401);
  });

  test('behind a proxy that speaks TLS has that name, too', async ({ files, startServer }) => {
    const server = await serve(startServer, files, { httpd: { allowed_hosts: 'pbx.example' } });
    const proxied = { Host: 'pbx.example', Origin: 'https://pbx.example' };
    const reply = await logIn(server, {}, proxied);
    expect(reply.headers['set-cookie']?.[0]).toMatch(/^__Host-mi_session=.*; Secure$/);
    expect(await pageStatus(server, cookieOf(reply))).toBe(200);
    expect(await pageStatus(server, cookieOf(reply).replace('__Host-', ''))).toBe(401);
  });
});

test('a login that is verified while its password changes gives no session', async ({ files, startServer }) => {
  const slow = { N: 16384, r: 8, p: 5 };
  const [alice = ''] = userLines;
  const file = files.write('users', `${alice}${userLine('rita', 'secret-3', 'read', slow)}`);
  const server = await startServer({ httpd: { auth_file: file } });
  const login = logIn(server, { name: 'rita', password: 'secret-3' });
  writeFileSync(file, `${alice}${userLine('rita', 'another', 'read')}`);
  expect(await called(server, 'httpd:reload_users')).toMatchObject({ result: 'OK' });
  const reply = await login;
  expect([reply.status, reply.headers['set-cookie']]).toStrictEqual([401, undefined]);
  expect((await sessionsOf(server)).length).toBe(0);
});

test('a client that leaves while its login is verified has no session', async ({ files, startServer }) => {
  const slow = { N: 16384, r: 8, p: 5 };
  const file = files.write('users', `${userLines[0]}${userLine('rita', 'secret-3', 'read', slow)}`);
  const server = await startServer({ httpd: { auth_file: file } });
  const body = 'name=rita&password=secret-3';
  const client = await RawClient.connect(server.port);
  client.send(
    `POST /-/login HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n` +
      `Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  client.close();
  await client.closed;
  // Two passwords are verified at a time: by the end of this one that one has been.
  expect((await logIn(server, { name: 'rita', password: 'secret-3' })).status).toBe(303);
  expect((await sessionsOf(server)).length).toBe(1);
});

test('what a browser calls itself is shown as text', async ({ files, startServer }) => {
  const server = await serve(startServer, files);
  const reply = await logIn(server, {}, { 'User-Agent': '<b onload=x>"\'&' });
  const page = await get(server, '/mi/sessions', { headers: { ...browser, Cookie: cookieOf(reply) } });
  expect(page.body).toContain('&lt;b onload=x&gt;&quot;&#39;&amp;');
  expect(page.body).not.toContain('<b onload');
});

describe('a session ends', () => {
  test('when its user logs out, for good', async ({ files, startServer }) => {
    const server = await serve(startServer, files);
    const Cookie = await session(server);
    expect((await get(server, '/-/logout', { headers: { ...browser, Cookie } })).status).toBe(405);
    expect((await postForm(server, '/-/logout', '', { Cookie, 'Sec-Fetch-Site': 'cross-site' })).status).toBe(403);
    expect(await pageStatus(server, Cookie)).toBe(200);
    const out = await postForm(server, '/-/logout', '', { ...browser, ...own, Cookie });
    expect([out.status, out.headers.location]).toStrictEqual([303, '/-/login?out=1']);
    expect(out.headers['set-cookie']).toStrictEqual(['mi_session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0']);
    expect((await get(server, '/-/login?out=1', { headers: browser })).body).toContain('You have logged out.');
    expect(await pageStatus(server, Cookie), 'sent again').toBe(401);
    expect((await post(server, version, { headers: { Cookie, ...own } })).status).toBe(401);
    expect((await postForm(server, '/-/logout', '', { ...own, Cookie })).status).toBe(401);
    const byBasic = await postForm(server, '/-/logout', '', { ...own, Authorization: admin });
    expect(byBasic.status).toBe(400);
  });

  test('at once, however many requests there are', async ({ files, startServer }) => {
    const server = await serve(startServer, files);
    const Cookie = await session(server);
    const out = postForm(server, '/-/logout', '', { ...own, Cookie });
    await Promise.all([out, ...Array.from({ length: 20 }, () => pageStatus(server, Cookie))]);
    expect(await pageStatus(server, Cookie)).toBe(401);
    expect((await sessionsOf(server)).length).toBe(0);
  });

  test('when an admin ends it, and its streams with it', async ({ files, startServer }) => {
    const server = await serve(startServer, files);
    const cookies = [await session(server), await session(server, { name: 'rita', password: 'secret-3' })];
    const [, rita = ''] = cookies;
    const stream = await EventReader.open(server, '/live', { Cookie: rita });
    expect(stream.response.statusCode).toBe(200);
    const other = await EventReader.open(server, '/live', { Cookie: cookies[0] ?? '' });
    const listed = await sessionsOf(server);
    expect(listed).toMatchObject([
      { user: 'alice', level: 'admin', by: 'password', agent: 'Mozilla/5.0 (test)' },
      { user: 'rita', level: 'read', by: 'password' },
    ]);
    const id = listed.find(({ user }) => user === 'rita')?.session;
    const byReader = await post(
      server,
      JSON.stringify({ jsonrpc: '2.0', method: 'httpd:end_session', params: { session: id }, id: 1 }),
      { headers: { Cookie: rita, ...own } },
    );
    expect(JSON.parse(byReader.body)).toMatchObject({ error: { code: -32003 } });
    expect(await called(server, 'httpd:end_session', { session: id })).toMatchObject({ result: { ended: 1 } });
    expect(await stream.next(), 'the stream is over').toBe(undefined);
    expect(await pageStatus(server, rita)).toBe(401);
    expect(other.isAtEnd).toBe(false);
    expect(await called(server, 'httpd:end_session', { session: id })).toMatchObject({ error: { code: 404 } });
    expect(await called(server, 'httpd:end_session', { user: 'alice' })).toMatchObject({ result: { ended: 1 } });
    expect(await other.next()).toBe(undefined);
  });

  test('when its user, level or password changes, and goes on where the files are read again as they were', async ({
    files,
    startServer,
  }) => {
    const file = files.write('users', userLines.join(''));
    const token = 'mi_0123456789012345678901234567890123456789012';
    const auth_tokens = files.write('tokens', tokenLine('robot', token, 'operate'));
    const server = await startServer({ httpd: { auth_file: file, auth_tokens } });
    const rita = await session(server, { name: 'rita', password: 'secret-3' });
    const robot = await session(server, { token });
    const stream = await EventReader.open(server, '/live', { Cookie: rita });
    await called(server, 'httpd:reload_users');
    expect(await pageStatus(server, rita)).toBe(200);
    expect(await pageStatus(server, robot)).toBe(200);
    const [alice = ''] = userLines;
    writeFileSync(file, `${alice}${userLine('rita', 'secret-3', 'operate')}`);
    await called(server, 'httpd:reload_users');
    expect(await stream.next()).toBe(undefined);
    expect(await pageStatus(server, rita)).toBe(401);
    const again = await session(server, { name: 'rita', password: 'secret-3' });
    writeFileSync(file, `${alice}${userLine('rita', 'another', 'operate')}`);
    await called(server, 'httpd:reload_users');
    expect(await pageStatus(server, again)).toBe(401);
    writeFileSync(auth_tokens, tokenLine('other', token, 'operate'));
    await called(server, 'httpd:reload_users');
    expect(await pageStatus(server, robot)).toBe(401);
    expect((await audited(server)).filter(({ params }) => params?.reason === 'users changed').length).toBe(3);
  });

  test('when its time is over, and its streams with it', async ({ files, startServer }) => {
    const server = await serve(startServer, files, { httpd: { session_lifetime: 1 } });
    const Cookie = await session(server);
    const stream = await EventReader.open(server, '/live', { Cookie });
    expect(await stream.next()).toBe(undefined);
    expect(await pageStatus(server, Cookie)).toBe(401);
    expect((await audited(server)).at(-1)).toMatchObject({
      who: 'alice',
      command: 'httpd:session_end',
      params: { reason: 'expired' },
    });
  });

  test('when its account has too many, or the server stops', async ({ files, startServer }) => {
    const lines: string[] = [];
    const audit_file = files.path('audit');
    const server = await serve(startServer, files, { httpd: { audit_file } });
    const first = await session(server);
    const rita = await session(server, { name: 'rita', password: 'secret-3' });
    for (let i = 0; i < 32; i++) await session(server);
    const listed = await sessionsOf(server);
    expect(listed.filter(({ user }) => user === 'alice').length).toBe(32);
    expect(await pageStatus(server, first)).toBe(401);
    expect(await pageStatus(server, rita), 'of another account').toBe(200);
    await server.close();
    lines.push(...readFileSync(audit_file, 'utf8').trim().split('\n'));
    rmSync(audit_file);
    const ends = lines
      .map((line) => JSON.parse(line) as Told)
      .filter(({ command: one }) => one === 'httpd:session_end');
    expect(ends.filter(({ params }) => params.reason === 'too many').length).toBe(1);
    expect(ends.filter(({ params }) => params.reason === 'stop').length).toBe(33);
  });
});

test('each login, failure, logout and end is in the audit, and drives out no change', async ({
  files,
  startServer,
}) => {
  const server = await serve(startServer, files, { modules: [pbx] });
  await called(server, 'pbx:change');
  const Cookie = await session(server);
  await logIn(server, { password: 'hunter2' });
  await postForm(server, '/-/logout', '', { ...own, Cookie });
  await session(server, { name: 'rita', password: 'secret-3' });
  await called(server, 'httpd:end_session', { user: 'rita' });
  const all = await audited(server);
  expect(
    all.map(({ who, command: name, outcome, params }) => [who, name, outcome, params?.by ?? params?.reason]),
  ).toEqual([
    ['alice', 'pbx:change', 'ok', undefined],
    ['alice', 'httpd:login', 'ok', 'password'],
    ['-', 'httpd:login', 401, 'password'],
    ['alice', 'httpd:logout', 'ok', undefined],
    ['rita', 'httpd:login', 'ok', 'password'],
    ['rita', 'httpd:session_end', 'ok', 'ended'],
    ['alice', 'httpd:end_session', 'ok', undefined],
  ]);
  expect(JSON.stringify(all)).not.toContain('hunter2');
  for (let i = 0; i < 250; i++) await session(server, { name: 'rita', password: 'secret-3' });
  const later = await audited(server);
  expect(later[0]).toMatchObject({ command: 'pbx:change' });
  const logins = later.filter(({ command: name }) => name === 'httpd:login' || name === 'httpd:session_end');
  expect(logins.length).toBeLessThanOrEqual(301);
  const page = await get(server, '/mi/audit', { headers: { ...browser, Authorization: admin } });
  expect(page.body).toContain('httpd:login');
});

test('a form that can be no login is no line of the audit: anybody could fill its file', async ({
  files,
  startServer,
}) => {
  const audit_file = files.write('audit', '');
  const server = await serve(startServer, files, { httpd: { audit_file } });
  await logIn(server, { password: 'hunter2' });
  for (const given of [{ name: '' }, { password: '' }, { name: 'a:b' }, { token: '' }, { name: 'a'.repeat(1025) }])
    for (let i = 0; i < 4; i++) expect((await logIn(server, given)).status).toBe(401);
  const failed = (await audited(server)).filter(({ command: name }) => name === 'httpd:login');
  expect(failed.map(({ outcome }) => outcome)).toStrictEqual([401]);
  await server.close();
  const lines = readFileSync(audit_file, 'utf8').trim().split('\n');
  expect(lines.filter((line) => line.includes('httpd:login')).length).toBe(1);
});

test('a password that is escaped wrongly is not repeated', async ({ files, startServer }) => {
  const server = await serve(startServer, files);
  const headers = { ...browser, ...own };
  for (const body of ['name=alice&password=100%25hunter2%zz', 'name=alice&password=hunter2%ff']) {
    const reply = await postForm(server, '/-/login', body, headers);
    expect(reply.status).toBe(400);
    expect(reply.body).toContain('field &quot;password&quot;');
    expect(reply.body).not.toContain('hunter2');
  }
});

test('the page of sessions tells who has one, and ends one', async ({ files, startServer }) => {
  const server = await serve(startServer, files);
  const Cookie = await session(server);
  await session(server, { name: 'rita', password: 'secret-3' });
  const page = await get(server, '/mi/sessions', { headers: { ...browser, Cookie } });
  expect(page.status).toBe(200);
  expect(page.body).toContain('<bdi>alice</bdi> (this one)');
  expect(page.body).toContain('<a href="/mi/sessions" title="Sessions"><bdi>alice</bdi></a>');
  const id = (await sessionsOf(server)).find(({ user }) => user === 'rita')?.session;
  assert(id !== undefined);
  expect(page.body).toContain(`name="p.session" value="${id}"`);
  const form = `p.session=${encodeURIComponent(id)}`;
  const ended = await postForm(server, '/mi/httpd/end_session', form, { ...browser, ...own, Cookie });
  expect(ended.status).toBe(200);
  expect((await sessionsOf(server)).length).toBe(1);
});
