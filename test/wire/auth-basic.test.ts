// The login of OpenSIPS 4.0: auth_realm, auth_username, auth_password, as it was recorded.
import { describe, expect } from 'vitest';
import type { Server } from '#src/index.js';
import { basic } from '../support/accounts.js';
import type { Lifetime } from '../support/lifetime.js';
import { post, startServer } from '../support/mi-client.js';
import { ask, RawClient, type RawResponse } from '../support/raw-client.js';
import { test } from '../support/test.js';

const version = '{"jsonrpc":"2.0","method":"version","id":1}';
const json = 'Content-Type: application/json';
const right = basic('admin', 's3cret:x');

function start(t: Lifetime, httpd: object = {}): Promise<Server> {
  return startServer(t, { httpd: { auth_username: 'admin', auth_password: 's3cret:x', ...httpd } });
}

function assertChallenge(response: RawResponse, realm = 'OpenSIPS MI'): void {
  expect(response.statusLine).toBe('HTTP/1.1 401 Unauthorized');
  expect(response.headers.get('www-authenticate')).toBe(`Basic realm="${realm}", charset="UTF-8"`);
  expect(response.headers.get('connection')).toBe('close');
}

describe('Basic authentication with one account', () => {
  const refused: readonly (readonly [name: string, method: string, path: string, authorization?: string])[] = [
    ['no credential', 'POST', '/mi'],
    ['control characters', 'POST', '/mi', basic('admin', 's3cret:x\0')],
    ['a wrong password', 'POST', '/mi', basic('admin', 'zzz')],
    ['an empty password', 'POST', '/mi', basic('admin', '')],
    ['an unknown user', 'POST', '/mi', basic('nobody', 's3cret:x')],
    ['a user in other letters', 'POST', '/mi', basic('Admin', 's3cret:x')],
    ['no colon', 'POST', '/mi', `Basic ${Buffer.from('admin').toString('base64')}`],
    ['a token that nobody has', 'POST', '/mi', 'Bearer abc'],
    ['nothing behind the scheme', 'POST', '/mi', 'Basic'],
    ['base64 without its padding', 'POST', '/mi', right.replace(/=+$/, '')],
    ['GET', 'GET', '/mi'],
    ['a path that nothing serves', 'GET', '/zz'],
    ['the landing page', 'GET', '/'],
    ['a health path', 'GET', '/healthz'],
    ['a method that nothing serves', 'PUT', '/mi'],
    ['a malformed path', 'GET', '/%zz'],
    ['a body over the limit', 'POST', '/mi'],
  ];

  for (const [name, method, path, authorization] of refused) {
    test(`${name}: 401, and the connection closes`, async ({ lifetime }) => {
      const { port } = await start(lifetime, { receive_buf_size: 256 });
      const client = await RawClient.connect(port);
      const headers = [json, ...(authorization === undefined ? [] : [`Authorization: ${authorization}`])];
      const body = name === 'a body over the limit' ? ' '.repeat(300) : version;
      const response = await client.ask(method, path, method === 'POST' ? body : undefined, headers);
      assertChallenge(response);
      expect(response.headers.get('content-type')).toBe('application/json');
      expect(JSON.parse(response.text).error.data).toMatch(/^log in with a name/);
      expect(await client.isClosed()).toBe(true);
    });
  }

  test('HEAD: the same without a body', async ({ lifetime }) => {
    const { port } = await start(lifetime);
    const client = await RawClient.connect(port);
    client.request('HEAD', '/mi', undefined, [json]);
    assertChallenge(await client.response(true));
    expect(await client.isClosed()).toBe(true);
  });

  test('the body is not waited for', async ({ lifetime }) => {
    const { port } = await start(lifetime);
    const client = await RawClient.connect(port);
    client.send(`POST /mi HTTP/1.1\r\nHost: x\r\n${json}\r\nContent-Length: 43\r\n\r\n`);
    assertChallenge(await client.response());
    expect(await client.isClosed()).toBe(true);
  });

  test('what follows in the same segment is not served', async ({ lifetime }) => {
    const { port } = await start(lifetime);
    const client = await RawClient.connect(port);
    const second = `GET /healthz HTTP/1.1\r\nHost: x\r\nAuthorization: ${right}\r\n\r\n`;
    client.send(`GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n${second}`);
    const all = (await client.rest()).toString();
    expect(all.match(/HTTP\/1\.1 /g)?.length ?? 0, all).toBe(all === '' ? 0 : 1);
    expect(all).not.toMatch(/200 OK/);
  });

  test('the realm is the one that is set, quoted', async ({ lifetime }) => {
    const { port } = await start(lifetime, { auth_realm: 'My "Realm"' });
    assertChallenge(await ask(port, 'GET', '/mi'), 'My \\"Realm\\"');
  });

  test('the right credential passes, to every path, and keeps the connection', async ({ lifetime }) => {
    const { port } = await start(lifetime);
    const client = await RawClient.connect(port);
    for (let i = 0; i < 3; i++) {
      const response = await client.ask('POST', '/mi', version, [json, `Authorization: ${right}`]);
      expect(response.status).toBe(200);
      expect(response.text).toMatch(/mi-httpd/);
    }
    expect((await client.ask('GET', '/zz', undefined, [`Authorization: ${right}`])).status).toBe(404);
    expect((await client.ask('GET', '/healthz', undefined, [`Authorization: ${right}`])).status).toBe(200);
    expect((await client.ask('PUT', '/mi', undefined, [`Authorization: ${right}`])).status).toBe(405);
    client.close();
  });

  test('the scheme is taken in any case, and the password in any spelling', async ({ lifetime }) => {
    const { port } = await start(lifetime, { auth_password: 'pässword' });
    const latin1 = Buffer.from('admin:pässword', 'latin1').toString('base64');
    for (const authorization of [
      basic('admin', 'pässword'),
      basic('admin', 'pässword').replace('Basic', 'basic'),
      basic('admin', 'pässword').replace('Basic', 'BASIC '),
      basic('admin', 'pa\u0308ssword'),
      `Basic ${latin1}`,
    ]) {
      const { status } = await ask(port, 'POST', '/mi', version, [json, `Authorization: ${authorization}`]);
      expect(status, authorization).toBe(200);
    }
  });

  test('two credentials are refused: a proxy in front might look at the other one', async ({ lifetime }) => {
    const { port } = await start(lifetime);
    for (const [first, second] of [
      [right, right],
      [right, 'Bearer abc'],
    ]) {
      const headers = [json, `Authorization: ${first}`, `authorization: ${second}`];
      const response = await ask(port, 'POST', '/mi', version, headers);
      expect(response.status).toBe(400);
      expect(response.text).toMatch(/2 Authorization headers; send one/);
    }
  });

  test('it has level admin', async ({ startServer }) => {
    const kills: string[] = [];
    const server = await startServer({
      httpd: { auth_username: 'admin', auth_password: 'a' },
      kill: () => kills.push('kill'),
    });
    const body = '{"jsonrpc":"2.0","method":"kill","id":1}';
    const { status } = await post(server, body, { headers: { Authorization: basic('admin', 'a') } });
    expect([status, await new Promise((resolve) => setImmediate(() => resolve(kills)))]).toStrictEqual([200, ['kill']]);
  });

  test('name and password are set together, and the name is one', async ({ startServer }) => {
    for (const [httpd, reason] of [
      [{ auth_username: 'a' }, /auth_username is set without auth_password/],
      [{ auth_password: 'geheim' }, /auth_password is set without auth_username/],
      [{ auth_username: '', auth_password: 'geheim' }, /auth_username.*one character or more/],
      [{ auth_username: 'a:b', auth_password: 'geheim' }, /no colon/],
    ] as const) {
      await expect(startServer({ httpd })).rejects.toThrow(
        expect.toSatisfy((error) => {
          expect(String(error)).toMatch(reason);
          expect(String(error)).not.toMatch(/geheim/);
          return true;
        }),
      );
    }
  });

  test('refused logins are counted and logged without their secrets', async ({ startServer }) => {
    const lines: string[] = [];
    const write = (fields: object, message: string): void => {
      lines.push(JSON.stringify([fields, message]));
    };
    const server = await startServer({
      httpd: { auth_username: 'admin', auth_password: 'right' },
      log: { debug: write, info: write, warn: write, error: write },
    });
    await post(server, version, { path: '/mi?token=query', headers: { Authorization: basic('nobody', 'wrong') } });
    const [line = '', ...others] = lines.filter((text) => text.includes('login'));
    expect(others).toStrictEqual([]);
    expect(line).toMatch(/127\.0\.0\.1/);
    expect(lines.join()).not.toMatch(/nobody|wrong|right|query/);
    const params = '{"jsonrpc":"2.0","method":"get_statistics","params":[["access_denied"]],"id":1}';
    const { body } = await post(server, params, { headers: { Authorization: basic('admin', 'right') } });
    expect(body).toMatch(/"httpd:access_denied":1/);
  });
});
