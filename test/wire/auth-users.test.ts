// Users of auth_file and tokens of auth_tokens: verified off the main thread while the request arrives.
import { appendFileSync, chmodSync, writeFileSync } from 'node:fs';
import { describe, expect } from 'vitest';
import type { Server, ServerOptions } from '#src/index.js';
import { basic, temporaryFile, tokenLine, userLine } from '../support/accounts.js';
import { answers } from '../support/engine.js';
import type { Lifetime } from '../support/lifetime.js';
import { post, startServer } from '../support/mi-client.js';
import { ask, RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const version = '{"jsonrpc":"2.0","method":"version","id":1}';
const json = 'Content-Type: application/json';
const alice = basic('alice', 'wonder:land');

interface WithUsers {
  readonly server: Server;
  readonly file: string;
}

async function start(t: Lifetime, options: ServerOptions = {}): Promise<WithUsers> {
  const file = temporaryFile(t, 'users', `# staff\n\n${userLine('alice', 'wonder:land', 'operate')}`);
  const server = await startServer(t, { ...options, httpd: { auth_file: file, ...options.httpd } });
  return { server, file };
}

async function status(server: Server, authorization: string): Promise<number> {
  return (await post(server, version, { headers: { Authorization: authorization } })).status;
}

describe('users of a file', () => {
  test('the right password passes, at first and remembered', async ({ lifetime }) => {
    const { server } = await start(lifetime);
    for (let i = 0; i < 3; i++) expect(await status(server, alice)).toBe(200);
  });

  test('a wrong password and an unknown user get the same bytes', async ({ lifetime }) => {
    const { server } = await start(lifetime, { httpd: { auth_username: 'root', auth_password: 'r' } });
    const answers = new Set<string>();
    for (const authorization of [basic('alice', 'x'), basic('nobody', 'x'), basic('root', 'x'), 'Basic !']) {
      const client = await RawClient.connect(server.port);
      client.request('POST', '/mi', version, [json, `Authorization: ${authorization}`]);
      answers.add((await client.rest()).toString('latin1').replace(/^Date: .*\r\n/m, ''));
    }
    expect(answers.size, [...answers].join('\n---\n')).toBe(1);
    expect([...answers].join()).toMatch(/^HTTP\/1\.1 401 /);
  });

  test('what else is wrong with a request is only told to who is let in', async ({ lifetime }) => {
    const { server } = await start(lifetime);
    for (const [method, path, expected] of [
      ['GET', '/zz', 404],
      ['PUT', '/mi', 405],
      ['GET', '/%zz', 400],
    ] as const) {
      const wrong = await ask(server.port, method, path, undefined, [`Authorization: ${basic('alice', path)}`]);
      expect(wrong.status, path).toBe(401);
      expect(wrong.headers.get('connection')).toBe('close');
      // A server that does not remember the credential yet has to wait for the verdict.
      const { server: other } = await start(lifetime);
      const client = await RawClient.connect(other.port);
      expect((await client.ask(method, path, undefined, [`Authorization: ${alice}`])).status, path).toBe(expected);
      // Whether a PUT without a length has a body is in doubt, so that its connection closes.
      if (method === 'GET') {
        expect((await client.ask('GET', '/healthz', undefined, [`Authorization: ${alice}`])).status).toBe(200);
      }
      client.close();
    }
  });

  test('which paths there are is told to nobody who is not let in: each refusal has the same bytes for all', async ({
    lifetime,
  }) => {
    const wrong = { Authorization: basic('alice', 'wrong') };
    const forms = { JSON: { 'Content-Type': 'application/json' }, 'a body like JSON': { 'Content-Type': 'text/x' } };
    for (const [name, httpd, expected] of [
      ['a wrong password', {}, [401]],
      ['many of them', {}, [401, 401, 401, 401, 401, 429]],
      ['an address that is not allowed', { allow_from: '192.0.2.1' }, [403]],
    ] as const) {
      for (const [form, type] of Object.entries(forms)) {
        const answers = new Map<string, string[]>();
        for (const path of ['/mi', '/zz', '/json/version', '/healthz', '/']) {
          const { server } = await start(lifetime, { httpd, mi_json: {} });
          let last = '';
          for (const status of expected) {
            const reply = await post(server, version, { path, headers: { ...type, ...wrong } });
            expect(reply.status, `${name}, ${path}`).toBe(status);
            const { date: _date, ...headers } = reply.headers;
            last = JSON.stringify([headers, reply.body]);
          }
          answers.set(last, [...(answers.get(last) ?? []), path]);
        }
        expect([...answers], `${name}, ${form}`).toHaveLength(1);
      }
    }
  });

  test('a body that does not fit is told of only to who is let in', async ({ lifetime }) => {
    const size = 600_000;
    const chunk = (bytes: number): string => `${bytes.toString(16)}\r\n${' '.repeat(bytes)}\r\n`;
    const head = (login: string): string =>
      `POST /mi HTTP/1.1\r\nHost: x\r\n${json}\r\nAuthorization: ${login}\r\nTransfer-Encoding: chunked\r\n\r\n`;
    for (const [login, bytes, expected] of [
      [basic('alice', 'wrong'), size + 1, 401],
      [basic('alice', 'wrong'), size, 401],
      [alice, size + 1, answers.longBeyondRoom],
      [alice, size, 503],
    ] as const) {
      const httpd = { auth_username: 'root', auth_password: 'r', receive_buf_size: size };
      const { server } = await start(lifetime, { privateMemory: 1, httpd });
      // With this one, all bodies together have no room for another one of that size.
      const other = await RawClient.connect(server.port);
      other.send(`${head(basic('root', 'r'))}${chunk(size / 2)}`);
      await expect.poll(() => bodies(server, basic('root', 'r'))).toBeGreaterThan(0);
      const client = await RawClient.connect(server.port);
      client.send(`${head(login)}${chunk(bytes)}`);
      expect((await client.response()).status).toBe(expected);
      expect(await client.isClosed()).toBe(true);
      other.close();
      await expect.poll(() => bodies(server, basic('root', 'r'))).toBe(0);
    }
  });

  test('a body that arrives while the password is verified is received whole, however it is cut', async ({
    lifetime,
  }) => {
    const body = '{"jsonrpc":"2.0","method":"which","params":["core:version"],"id":"ÄÖÜ"}';
    const { length } = Buffer.from(body);
    for (let cut = 0; cut <= length; cut += 9) {
      const { server } = await start(lifetime);
      const client = await RawClient.connect(server.port);
      const bytes = Buffer.from(body);
      client.send(
        `POST /mi HTTP/1.1\r\nHost: x\r\n${json}\r\nAuthorization: ${alice}\r\nContent-Length: ${length}\r\n\r\n`,
      );
      client.send(bytes.subarray(0, cut));
      await new Promise(setImmediate);
      client.send(bytes.subarray(cut));
      const response = await client.response();
      expect(response.status).toBe(200);
      expect(JSON.parse(response.text).id).toStrictEqual('ÄÖÜ');
      client.close();
    }
  });

  test('chunked bodies, forms, HEAD and GET are held too', async ({ lifetime }) => {
    const login = `Authorization: ${alice}`;
    const chunked = `POST /mi HTTP/1.1\r\nHost: x\r\n${json}\r\n${login}\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const { server } = await start(lifetime);
    const client = await RawClient.connect(server.port);
    client.send(`${chunked}${version.length.toString(16)}\r\n${version}\r\n0\r\n\r\n`);
    expect((await client.response()).text).toMatch(/mi-httpd/);

    const { server: second } = await start(lifetime);
    const form = { 'Content-Type': 'application/x-www-form-urlencoded', 'Sec-Fetch-Site': 'same-origin' };
    const headers = { ...form, Authorization: alice };
    expect((await post(second, 'arg=', { path: '/mi/core/core:version', headers })).body).toMatch(/id="result"/);

    const { server: third } = await start(lifetime);
    const headClient = await RawClient.connect(third.port);
    headClient.request('HEAD', '/mi', undefined, [login]);
    expect((await headClient.response(true)).headers.get('content-type')).toBe('text/html; charset=utf-8');
    headClient.close();

    const { server: fourth } = await start(lifetime);
    const page = await post(fourth, '', { method: 'GET', headers: { 'Content-Type': null, Authorization: alice } });
    expect(page.body).toMatch(/core:version/);
  });

  test('a body over the limit is refused while the password is verified, and its slot freed', async ({ lifetime }) => {
    const { server } = await start(lifetime, { httpd: { receive_buf_size: 256 } });
    const client = await RawClient.connect(server.port);
    client.request('POST', '/mi', ' '.repeat(300), [json, `Authorization: ${alice}`]);
    expect((await client.response()).status).toBe(413);
    expect(await client.isClosed()).toBe(true);
    expect(await bodies(server)).toBe(0);
  });

  test('clients that leave meanwhile leave nothing behind', async ({ lifetime }) => {
    const { server } = await start(lifetime);
    for (let i = 0; i < 20; i++) {
      const client = await RawClient.connect(server.port);
      client.send(
        `POST /mi HTTP/1.1\r\nHost: x\r\n${json}\r\nAuthorization: ${alice}\r\nContent-Length: 43\r\n\r\n{"js`,
      );
      await new Promise(setImmediate);
      client.kill();
    }
    await expect.poll(() => bodies(server)).toBe(0);
  });

  test('many connections at once pass, and are verified as one', async ({ lifetime }) => {
    const { server } = await start(lifetime);
    const statuses = await Promise.all(Array.from({ length: 30 }, () => status(server, alice)));
    expect(new Set(statuses)).toStrictEqual(new Set([200]));
  });

  test('many wrong passwords at once from one address are no more guesses than are free', async ({ lifetime }) => {
    const { server } = await start(lifetime);
    const statuses = await Promise.all(
      Array.from({ length: 30 }, (_, i) => status(server, basic('alice', `guess ${i}`))),
    );
    expect(statuses.filter((one) => one === 401).length, statuses.join()).toBeLessThanOrEqual(5);
    expect(
      statuses.every((one) => one === 401 || one === 429),
      statuses.join(),
    ).toBe(true);
  });
});

describe('tokens', () => {
  test('pass as Bearer, in any letters of the scheme, and not as a password', async ({
    temporaryFile,
    startServer,
  }) => {
    const file = temporaryFile('tokens', tokenLine('exporter', 'mi_abc-_~+/==', 'read'));
    const server = await startServer({ httpd: { auth_tokens: file } });
    expect(await status(server, 'Bearer mi_abc-_~+/==')).toBe(200);
    expect(await status(server, 'bearer  mi_abc-_~+/==')).toBe(200);
    expect(await status(server, 'Bearer mi_abd')).toBe(401);
    expect(await status(server, basic('exporter', 'mi_abc-_~+/=='))).toBe(401);
    expect(await status(server, basic('exporter', ''))).toBe(401);
  });
});

describe('files of accounts', () => {
  test('are read again on reload: new users in, old ones out, also those who were remembered', async ({ lifetime }) => {
    const { server, file } = await start(lifetime);
    expect(await status(server, alice)).toBe(200);
    writeFileSync(file, userLine('bob', 'b', 'read'));
    expect(await server.reload()).toBe(true);
    expect(await status(server, alice)).toBe(401);
    expect(await status(server, basic('bob', 'b'))).toBe(200);
  });

  test('a file that has become wrong keeps the users that were there, and says why', async ({ lifetime }) => {
    const lines: string[] = [];
    const write = (_fields: object, message: string): void => {
      lines.push(message);
    };
    const { server, file } = await start(lifetime, { log: { debug: write, info: write, warn: write, error: write } });
    appendFileSync(file, 'bob:boss:scrypt$1024$1$1$x$y\n');
    expect(await server.reload()).toBe(false);
    expect(lines.at(-1) ?? '').toMatch(/stays: .*users:4: user "bob" has the level "boss"; give read, operate, admin/);
    expect(await status(server, alice)).toBe(200);
  });

  unless(process.platform === 'win32', test)('one that everybody can read is warned of', async ({ lifetime }) => {
    const lines: string[] = [];
    const write = (_fields: object, message: string): void => {
      lines.push(message);
    };
    const { server, file } = await start(lifetime, { log: { debug: write, info: write, warn: write, error: write } });
    expect(lines).toStrictEqual([]);
    chmodSync(file, 0o644);
    await server.reload();
    expect(lines.join()).toMatch(/users.* is readable by everybody/);
  });

  unless(process.platform === 'win32', test)('one that others can write to is warned of', async ({ lifetime }) => {
    const lines: string[] = [];
    const write = (_fields: object, message: string): void => {
      lines.push(message);
    };
    const { server, file } = await start(lifetime, { log: { debug: write, info: write, warn: write, error: write } });
    expect(lines).toStrictEqual([]);
    for (const [mode, who] of [
      [0o660, 'its group'],
      [0o602, 'everybody on this machine'],
    ] as const) {
      chmodSync(file, mode);
      await server.reload();
      expect(lines.join('\n')).toMatch(new RegExp(`users.* is writable by ${who}, .*; run chmod g?o?-w`));
    }
  });

  test('a file that is wrong at the start refuses it, at the line', async ({ temporaryFile, startServer }) => {
    for (const [text, reason] of [
      ['alice:read\n', /users:1: a user is a line name:level:hash/],
      [`${userLine('a', 'x', 'read')}\n${userLine('a', 'y', 'read')}`, /users:3: user "a" is there twice/],
      ['a:read:geheim\n', /users:1: user "a": the password is not of the form scrypt/],
      ['a:read:sha256$00\n', /users:1: user "a"/],
      ['a b:read:x\n', /users:1: the name/],
      [`a:read:scrypt$1048576$64$1$${'A'.repeat(22)}$${'A'.repeat(43)}\n`, /users:1: .*out of range/],
    ] as const) {
      const file = temporaryFile('users', text);
      await expect(startServer({ httpd: { auth_file: file } })).rejects.toThrow(
        expect.toSatisfy((error) => {
          expect(String(error)).toMatch(reason);
          expect(String(error)).not.toMatch(/geheim/);
          return true;
        }),
      );
    }
    await expect(startServer({ httpd: { auth_file: '/nowhere/users' } })).rejects.toThrow(/there is no such file/);
    await expect(startServer({ httpd: { auth_tokens: '/' } })).rejects.toThrow(/file of tokens \/ cannot be read/);
  });
});

async function bodies(server: Server, Authorization = alice): Promise<number> {
  const params = '{"jsonrpc":"2.0","method":"get_statistics","params":[["bodies"]],"id":1}';
  const { body } = await post(server, params, { headers: { Authorization } });
  return JSON.parse(body).result['mem:bodies'];
}
