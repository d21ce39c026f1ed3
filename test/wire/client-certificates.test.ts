// Certificates of clients, which the engine of Node.js asks for: who gets a connection, who is whose user, and what a change
// of the files does to those that are connected.
import { once } from 'node:events';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { describe, expect } from 'vitest';
import { command, createServer, defineModule, type Server, type ServerOptions } from '#src/index.js';
import { basic, tokenLine, userLine } from '../support/accounts.js';
import {
  Authority,
  alternativeNames,
  askingListener,
  type ClientFiles,
  der,
  forServers,
  type Wanted,
} from '../support/authority.js';
import { freePort } from '../support/free-port.js';
import type { Lifetime } from '../support/lifetime.js';
import { silentLog } from '../support/log.js';
import { withResolvers } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { noOpenssl, openssl, type TlsFiles } from '../support/tls-files.js';
import { unless } from '../support/unless.js';

/** What is left of a client: the status of the reply to its call and the whole of that, or 0 where it has no connection. */
interface Answer {
  readonly status: number;
  readonly text: string;
}

const call = '{"jsonrpc":"2.0","method":"get_statistics","params":[["requests"]],"id":1}';

function requestOf(authorization?: string, body = call): string {
  const login = authorization === undefined ? '' : `Authorization: ${authorization}\r\n`;
  const length = Buffer.byteLength(body);
  return `POST /mi HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${login}Content-Length: ${length}\r\n\r\n${body}`;
}

/** A connection that is called on again and again. */
class Client {
  readonly closed: Promise<unknown>;
  readonly #socket: TLSSocket;
  #text = '';
  session: Buffer | undefined;

  constructor(port: number, options: ConnectionOptions = {}) {
    this.#socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
    this.closed = new Promise((resolve) => this.#socket.on('close', resolve));
    this.#socket.on('error', () => {});
    this.#socket.on('session', (session) => {
      this.session = session;
    });
    this.#socket.on('data', (piece: Buffer) => {
      this.#text += piece.toString('latin1');
    });
  }

  /** The reply to a call; status 0 when there is none, because the connection has ended. */
  async ask(authorization?: string, body?: string): Promise<Answer> {
    this.#text = '';
    this.#socket.write(requestOf(authorization, body));
    for (;;) {
      const text = this.#text;
      const [head = '', content = ''] = text.split('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? Number.NaN);
      if (content.length >= length) return { status: Number(text.slice(9, 12)), text };
      if (this.#socket.closed) return { status: 0, text };
      await Promise.race([once(this.#socket, 'data'), this.closed]).catch(() => {});
    }
  }

  async shake(): Promise<void> {
    await once(this.#socket, 'secureConnect');
  }

  get isReused(): boolean {
    return this.#socket.isSessionReused();
  }

  end(): void {
    this.#socket.destroy();
  }
}

interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

interface Running {
  readonly server: Server;
  readonly lines: readonly Line[];
  readonly caFile: string;
  readonly crlFile: string;
  readonly users: string;
  /** A connection of a client. */
  open(client?: ClientFiles, options?: ConnectionOptions): Client;
  /** The reply to one call on a connection of its own. */
  ask(client?: ClientFiles, authorization?: string, options?: ConnectionOptions): Promise<Answer>;
  /** Resolves with the first line of the log that matches. */
  logged(pattern: RegExp): Promise<Line>;
}

interface Given {
  readonly authority: Authority;
  /** Lines of client_users; none: there is no such file. */
  readonly users?: string;
  readonly options?: string;
  readonly list?: string;
  readonly address?: string;
  readonly httpd?: ServerOptions['httpd'];
  readonly modules?: ServerOptions['modules'];
  /** Options by which the listener is none that asks. */
  readonly others?: readonly string[];
}

async function start(
  t: Lifetime,
  files: TlsFiles,
  { authority, users, options = '', list, address = '127.0.0.1', httpd, modules = [], others = [] }: Given,
): Promise<Running> {
  const lines: Line[] = [];
  const waiting = new Set<() => void>();
  const write = (level: string) => (fields: object, message: string) => {
    lines.push({ level, message, fields: { ...fields } });
    for (const look of waiting) look();
  };
  const crlFile = files.path('clients.crl');
  if (list !== undefined) writeFileSync(crlFile, list);
  const { listen, caFile } = askingListener(
    files,
    authority,
    options + (list === undefined ? '' : `;client_crl=${crlFile}`),
  );
  const usersFile = files.path('client-users');
  if (users !== undefined) files.write('client-users', users);
  const server = createServer({
    modules,
    httpd: {
      ...httpd,
      ...(users === undefined ? {} : { client_users: usersFile }),
      listen: [listen.replace('127.0.0.1', address), ...others],
    },
    log: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
  });
  await server.start();
  t.onTestFinished(() => server.close({ deadline: 0 }));
  const open = (client?: ClientFiles, given: ConnectionOptions = {}): Client => {
    const connection = new Client(server.port, { ...(client && { cert: client.cert, key: client.key }), ...given });
    t.onTestFinished(() => connection.end());
    return connection;
  };
  return {
    server,
    lines,
    caFile,
    crlFile,
    users: usersFile,
    open,
    ask: async (client, authorization, given) => {
      const connection = open(client, given);
      const answer = await connection.ask(authorization);
      connection.end();
      return answer;
    },
    logged: (pattern) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = lines.find(({ message }) => pattern.test(message));
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      }),
  };
}

const versions = ['TLSv1.2', 'TLSv1.3'] as const;

const only = (version: (typeof versions)[number]): ConnectionOptions => ({ minVersion: version, maxVersion: version });

unless(noOpenssl, describe)('certificates of clients', () => {
  for (const version of versions) {
    const given = only(version);

    test(`required: who shows none, or a bad one, has no connection, by ${version}`, async ({ files, lifetime }) => {
      const authority = new Authority();
      const [alice, revoked] = [authority.issue('alice'), authority.issue('alice')];
      authority.revoke(revoked);
      const { ask, lines, server } = await start(lifetime, files, {
        authority,
        list: authority.list(),
        users: 'alice:read:cn=alice\n',
        httpd: { auth_tokens: files.write('tokens', tokenLine('robot', 'mi_robot', 'admin')) },
      });
      expect((await ask(alice, undefined, given)).status).toBe(200);
      const elsewhere = new Authority('Other CA');
      const bad: readonly (readonly [client: ClientFiles | undefined, reason: RegExp])[] = [
        [undefined, /there is none$/],
        [revoked, /it is revoked$/],
        [elsewhere.issue('alice'), /no CA of client_ca has signed it$/],
        [new Authority().issue('alice'), /its CA has a name of client_ca and another key$/],
        [authority.issue('alice', { until: Date.now() - 1000 }), /it has expired/],
        [authority.issue('alice', { from: Date.now() + 3_600_000 }), /it is not valid yet/],
        [authority.issue('alice', { purposes: [forServers] }), /it is not made for clients/],
        [new Authority('Deeper CA', authority).issue('alice'), /no CA of client_ca has signed it$/],
      ];
      for (const [client, reason] of bad) {
        const before = lines.length;
        // No login makes up for it.
        expect(await ask(client, 'Bearer mi_robot', given), String(reason)).toStrictEqual({ status: 0, text: '' });
        const warned = () => lines.slice(before).filter(({ level }) => level === 'warn');
        await expect.poll(() => warned().length, { message: String(reason) }).toBe(1);
        const told = warned();
        expect(told[0]?.message).toMatch(
          /^certificate of a client from 127\.0\.0\.1 refused by https:127\.0\.0\.1:0: /,
        );
        expect(told[0]?.message).toMatch(reason);
        expect(told[0]?.fields).toMatchObject({ address: '127.0.0.1' });
      }
      const { text } = await ask(alice, undefined, given);
      expect(text).toContain('200 OK');
      const count = '{"jsonrpc":"2.0","method":"get_statistics","params":[["access_denied"]],"id":1}';
      const client = new Client(server.port, { cert: alice.cert, key: alice.key, ...given });
      expect((await client.ask(undefined, count)).text).toContain(`"httpd:access_denied":${bad.length}`);
      client.end();
    });

    test(`optional: without one there are logins, and a bad one has no connection, by ${version}`, async ({
      files,
      lifetime,
    }) => {
      const authority = new Authority();
      const revoked = authority.issue('alice');
      authority.revoke(revoked);
      const { ask, logged } = await start(lifetime, files, {
        authority,
        list: authority.list(),
        options: ';client_cert=optional',
        users: 'alice:read:cn=alice\n',
        httpd: { auth_tokens: files.write('tokens', tokenLine('robot', 'mi_robot', 'admin')) },
      });
      expect((await ask(authority.issue('alice'), undefined, given)).status).toBe(200);
      const without = await ask(undefined, undefined, given);
      expect(without.status).toBe(401);
      expect(without.text).toContain('show a certificate, or log in');
      expect((await ask(undefined, 'Bearer mi_robot', given)).status).toBe(200);
      for (const bad of [
        revoked,
        new Authority().issue('alice'),
        authority.issue('alice', { until: Date.now() - 1000 }),
      ]) {
        expect(await ask(bad, 'Bearer mi_robot', given)).toStrictEqual({ status: 0, text: '' });
      }
      await logged(/refused by https:127\.0\.0\.1:0: it is revoked$/);
    });

    test(`no session of before lets a client in, by ${version}`, async ({ files, lifetime }) => {
      const authority = new Authority();
      const alice = authority.issue('alice');
      const { open, server, caFile } = await start(lifetime, files, {
        authority,
        options: ';client_cert=optional',
        users: 'alice:read:cn=alice\n',
      });
      for (const client of [alice, undefined, alice]) {
        // The last one when the files have been read again.
        writeFileSync(caFile, `${readFileSync(caFile, 'utf8')}${new Authority('Other CA').cert}`);
        server.reloadTls();
        const first = open(client, given);
        const { status } = await first.ask();
        expect(status).toBe(client === undefined ? 401 : 200);
        const { session } = first;
        // The certificate of the session counts no more than a session without any.
        const second = open(undefined, { ...given, ...(session === undefined ? {} : { session }) });
        expect((await second.ask()).status).toBe(401);
        expect(second.isReused).toBe(false);
      }
    });
  }

  unless(process.platform !== 'linux', test)(
    'two connections from one port of a machine, to two addresses of the server, are two clients',
    async ({ files, lifetime }) => {
      const authority = new Authority();
      const { server } = await start(lifetime, files, {
        authority,
        options: ';client_cert=optional',
        users: 'alice:read:cn=alice\n',
        address: '0.0.0.0',
      });
      const alice = authority.issue('alice');
      const localPort = await freePort();
      const first = connectPlain({ port: server.port, host: '127.0.0.1', localPort, localAddress: '127.0.0.1' });
      await once(first, 'connect');
      const second = connectPlain({ port: server.port, host: '127.0.0.2', localPort, localAddress: '127.0.0.1' });
      await once(second, 'connect');
      const nobody = new Client(0, { socket: first });
      await nobody.shake();
      const known = new Client(0, { socket: second, cert: alice.cert, key: alice.key });
      await known.shake();
      expect((await known.ask()).status).toBe(200);
      expect((await nobody.ask()).status).toBe(401);
      expect((await known.ask()).status).toBe(200);
      for (const client of [nobody, known]) client.end();
    },
  );

  test('a client does not become a CA by signing others', async ({ files, lifetime }) => {
    const authority = new Authority();
    const { ask, lines } = await start(lifetime, files, { authority, users: 'admin:admin:cn=admin\n' });
    for (const isPlain of [false, true]) {
      const mallory = new Authority('mallory', authority, undefined, isPlain ? 'plain' : 'client');
      const admin = mallory.issue('admin');
      const { status } = await ask({ ...admin, cert: admin.cert + mallory.cert });
      expect(status).toBe(0);
    }
    await expect
      .poll(() => lines.filter(({ message }) => /refused by .*: .*what has signed it is no CA$/.test(message)).length)
      .toBe(2);
  });

  test('a certificate with what the engine has no name for is refused in words', async ({ files, lifetime }) => {
    const authority = new Authority();
    const { ask, logged } = await start(lifetime, files, { authority, users: 'admin:admin:cn=admin\n' });
    // A critical extension that is unknown.
    const [type, critical] = [der(0x06, Buffer.from([0x2a, 0x03, 0x04])), der(0x01, Buffer.from([0xff]))];
    const extensions = [der(0x30, type, critical, der(0x04, 'x'))];
    expect((await ask(authority.issue('admin', { extensions }))).status).toBe(0);
    await logged(
      /refused by .*: OpenSSL rejects it, or what has signed it; openssl verify -purpose sslclient tells why$/,
    );
  });

  test('no second handshake within a connection brings another certificate', async ({ files, lifetime }) => {
    const authority = new Authority();
    const { server } = await start(lifetime, files, {
      authority,
      options: ';client_cert=optional',
      users: 'alice:read:cn=alice\n',
    });
    const socket = connect({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false, maxVersion: 'TLSv1.2' });
    await once(socket, 'secureConnect');
    const outcome = await new Promise<string>((resolve) => {
      socket.on('error', ({ message }) => resolve(message));
      socket.renegotiate({ rejectUnauthorized: false }, (error) => resolve(error === null ? 'done' : error.message));
    });
    expect(outcome).toMatch(/no[_ ]renegotiation/i);
    socket.destroy();
  });

  test('clients fill no log with their certificates', async ({ files, lifetime }) => {
    const authority = new Authority();
    const { ask, lines, server } = await start(lifetime, files, { authority, users: 'alice:read:cn=alice\n' });
    const [mallory, alice] = [authority.issue('mallory'), authority.issue('alice')];
    for (let time = 0; time < 20; time++) {
      expect((await ask(mallory)).status).toBe(403);
      expect((await ask()).status).toBe(0);
    }
    expect(lines.filter(({ level }) => level === 'warn').length).toBe(16);
    const count = '{"jsonrpc":"2.0","method":"get_statistics","params":[["access_denied"]],"id":1}';
    const client = new Client(server.port, { cert: alice.cert, key: alice.key });
    expect((await client.ask(undefined, count)).text).toContain('"httpd:access_denied":40');
    client.end();
  });

  test('the user is the caller: level, audit, limit of calls', async ({ files, lifetime }) => {
    const authority = new Authority();
    const audit_file = files.path('audit.log');
    const { open, server } = await start(lifetime, files, {
      authority,
      users: '# by their certificates\nalice:read:cn=alice\n\nbob:admin:cn=bob\n',
      options: ';level=operate',
      httpd: { audit_file, rate_limit_user: 3 },
    });
    const [alice, bob] = [open(authority.issue('alice')), open(authority.issue('bob'))];
    const reset = '{"jsonrpc":"2.0","method":"reset_statistics","params":[["requests"]],"id":1}';
    expect((await alice.ask(undefined, reset)).text).toMatch(/-32003.*alice has level read/);
    expect((await bob.ask(undefined, '{"jsonrpc":"2.0","method":"kill","id":1}')).text).toMatch(
      /needs level admin; bob has level operate/,
    );
    expect((await alice.ask()).status).toBe(200);
    for (let call = 0; call < 5; call++) await alice.ask();
    expect((await alice.ask()).text).toMatch(/rate_limit_user/);
    await server.close();
    const lines = readFileSync(audit_file, 'utf8').trimEnd().split('\n');
    const audited = lines.slice(0, 3).map((line) => {
      const { who, level, command, outcome, certificate } = JSON.parse(line);
      return { who, level, command, outcome, certificate };
    });
    expect(audited).toStrictEqual([
      { who: 'alice', level: 'read', command: 'statistics:reset', outcome: -32003, certificate: undefined },
      { who: 'bob', level: 'operate', command: 'core:kill', outcome: -32003, certificate: undefined },
      { who: 'alice', level: 'read', command: 'statistics:get', outcome: 'ok', certificate: undefined },
    ]);
  });

  test('a login beside a certificate is verified, and gets no more than the certificate has', async ({
    files,
    lifetime,
  }) => {
    const authority = new Authority();
    const audit_file = files.path('audit.log');
    const { open, ask, server } = await start(lifetime, files, {
      authority,
      users: 'device:read:cn=device\nboss:admin:cn=boss\n',
      httpd: {
        audit_file,
        auth_file: files.write('users', userLine('carol', 'pw', 'admin') + userLine('dave', 'pw', 'read')),
        auth_tokens: files.write('tokens', tokenLine('robot', 'mi_robot', 'admin')),
      },
    });
    const kill = '{"jsonrpc":"2.0","method":"reload_tls","id":1}';
    const device = open(authority.issue('device'));
    for (const login of [basic('carol', 'pw'), 'Bearer mi_robot', basic('carol', 'pw')]) {
      expect((await device.ask(login, kill)).text).toMatch(/needs level admin; (carol|robot) has level read/);
    }
    const boss = open(authority.issue('boss'));
    expect((await boss.ask(basic('dave', 'pw'), kill)).text).toMatch(/dave has level read/);
    expect((await boss.ask(basic('carol', 'pw'), kill)).text).toContain('"result"');
    expect((await boss.ask(undefined, kill)).text).toContain('"result"');
    for (const wrong of [basic('carol', 'guess'), 'Bearer mi_guess', 'Basic !', 'Other x', basic('boss', '')]) {
      expect((await ask(authority.issue('boss'), wrong)).status, wrong).toBe(401);
    }
    await server.close();
    const lines = readFileSync(audit_file, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ who, certificate, level }) => [who, certificate, level])).toStrictEqual([
      ['carol', 'device', 'read'],
      ['robot', 'device', 'read'],
      ['carol', 'device', 'read'],
      ['dave', 'boss', 'read'],
      ['carol', 'boss', 'admin'],
      ['boss', undefined, 'admin'],
    ]);
  });

  test('a certificate of nobody, or of several, is refused with 403, whatever else is sent', async ({
    files,
    lifetime,
  }) => {
    const authority = new Authority();
    for (const options of ['', ';client_cert=optional']) {
      const { ask, lines, server } = await start(lifetime, files, {
        authority,
        options,
        users: 'alice:admin:cn=alice\nbob:read:dns=bob.example.org\n',
        httpd: { auth_tokens: files.write('tokens', tokenLine('robot', 'mi_robot', 'admin')) },
      });
      const mallory = authority.issue('mallory');
      for (const login of [undefined, 'Bearer mi_robot']) {
        const { status, text } = await ask(mallory, login);
        expect(status).toBe(403);
        expect(text).toContain('the certificate of this client is of no user');
        expect(text).not.toContain('mallory');
      }
      const { message, fields } = lines.filter(({ level }) => level === 'warn').at(-1) ?? { message: '', fields: {} };
      expect(message).toBe(
        `the certificate of a client from 127.0.0.1 is of no user: CN=mallory, sha256=${mallory.fingerprint}`,
      );
      expect(fields).toMatchObject({ subject: 'CN=mallory', fingerprint: mallory.fingerprint, path: '/mi' });
      const both = authority.issue('alice', { names: [[0x82, 'bob.example.org']] });
      expect(await ask(both)).toMatchObject({ status: 403, text: expect.stringContaining('is of several users') });
      expect(lines.some(({ message }) => message.includes('several users, alice and bob'))).toBe(true);
      await server.close();
    }
  });

  describe('which user', () => {
    const uuid = 'urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6';
    const text = (tag: number, value: string | Buffer) => der(tag, value);
    const cn = (value: string | Buffer): Wanted => ({ subject: [['CN', value]] });
    const cases: readonly (readonly [line: string, wanted: Wanted, isLetIn: boolean])[] = [
      ['cn=alice', cn('alice'), true],
      ['cn=alice', cn(text(0x13, 'alice')), true],
      ['cn=alice', cn(text(0x1e, Buffer.from('alice', 'utf16le').swap16())), true],
      [
        'cn=alice',
        {
          subject: [
            ['O', 'Example'],
            [
              ['CN', 'alice'],
              ['UID', '7'],
            ],
          ],
        },
        true,
      ],
      ['cn=José: #1, "x"', cn('José: #1, "x"'), true],
      ['cn=alice', { ...cn('alice'), kind: 'plain' }, true],
      ['cn=alice', cn('Alice'), false],
      ['cn=alice', cn('alice '), false],
      ['cn=alice', cn('alice\0'), false],
      ['cn=alice', cn('alice\0.evil.org'), false],
      ['cn=alice', cn(text(0x13, 'alice\0x')), false],
      ['cn=alice', cn('bob\nCN=alice'), false],
      ['cn=alice', cn('bob,CN=alice'), false],
      ['cn=alice', cn('bob/CN=alice'), false],
      ['cn=alice', cn('bob+CN=alice'), false],
      ['cn=alice', cn('"bob, CN=alice"'), false],
      ['cn=alice', cn('alic\u0435'), false],
      ['cn=alice', cn(text(0x14, 'alice')), false],
      [
        'cn=alice',
        {
          subject: [
            ['CN', 'bob'],
            ['CN', 'alice'],
          ],
        },
        false,
      ],
      [
        'cn=alice',
        {
          subject: [
            ['CN', 'alice'],
            ['CN', 'bob'],
          ],
        },
        false,
      ],
      [
        'cn=alice',
        {
          subject: [
            ['CN', 'alice'],
            ['CN', 'alice'],
          ],
        },
        false,
      ],
      [
        'cn=alice',
        {
          subject: [
            [
              ['CN', 'alice'],
              ['CN', 'bob'],
            ],
          ],
        },
        false,
      ],
      [
        'cn=alice',
        {
          subject: [
            ['O', 'alice'],
            ['OU', 'CN=alice'],
          ],
        },
        false,
      ],
      ['cn=alice', { subject: [], names: [[0x82, 'alice']] }, false],
      [
        'cn=alice',
        {
          subject: [],
          extensions: [],
          names: [[0xa4, der(0x30, der(0x31, der(0x30, Buffer.from('0603550403', 'hex'), der(0x0c, 'alice'))))]],
        },
        false,
      ],
      [
        'subject=CN=alice,O=Example',
        {
          subject: [
            ['O', 'Example'],
            ['CN', 'alice'],
          ],
        },
        true,
      ],
      [
        'subject=cn=alice,2.5.4.10=Example',
        {
          subject: [
            ['O', text(0x13, 'Example')],
            ['CN', 'alice'],
          ],
        },
        true,
      ],
      [
        'subject=UID=7+CN=alice',
        {
          subject: [
            [
              ['CN', 'alice'],
              ['UID', '7'],
            ],
          ],
        },
        true,
      ],
      [
        'subject=CN=a\\, CN\\=admin,O=\\"x\\"\\+\\;',
        {
          subject: [
            ['O', '"x"+;'],
            ['CN', 'a, CN=admin'],
          ],
        },
        true,
      ],
      [
        'subject=CN=\\C3\\A9,O=é',
        {
          subject: [
            ['O', 'é'],
            ['CN', 'é'],
          ],
        },
        true,
      ],
      ['subject=CN=\\ x\\20', cn(' x '), true],
      ['subject=1.3.6.1.4.1.99999.1=#0C0161', { subject: [['1.3.6.1.4.1.99999.1', 'a']] }, true],
      [
        'subject=CN=alice,O=Example',
        {
          subject: [
            ['CN', 'alice'],
            ['O', 'Example'],
          ],
        },
        false,
      ],
      [
        'subject=CN=alice,O=Example',
        {
          subject: [
            ['O', 'Example'],
            ['OU', 'x'],
            ['CN', 'alice'],
          ],
        },
        false,
      ],
      [
        'subject=CN=alice,O=Example',
        {
          subject: [
            ['O', 'Example'],
            ['CN', 'alice'],
            ['OU', 'x'],
          ],
        },
        false,
      ],
      [
        'subject=CN=alice,O=Example',
        {
          subject: [
            [
              ['O', 'Example'],
              ['CN', 'alice'],
            ],
          ],
        },
        false,
      ],
      [
        'subject=CN=alice+O=Example',
        {
          subject: [
            ['O', 'Example'],
            ['CN', 'alice'],
          ],
        },
        false,
      ],
      ['subject=CN=alice,O=Example', cn('alice,O=Example'), false],
      ['subject=CN=alice,O=Example', cn('alice","2.5.4.10=Example'), false],
      ['subject=CN=alice,O=Example', { subject: [['O', 'Example\nCN=alice']] }, false],
      [
        'subject=CN=alice,O=Example',
        {
          subject: [
            ['O', 'Example\0'],
            ['CN', 'alice'],
          ],
        },
        false,
      ],
      [
        'subject=CN=alice,O=Example',
        {
          subject: [
            ['O', 'example'],
            ['CN', 'alice'],
          ],
        },
        false,
      ],
      ['dns=Client.Example.ORG', { names: [[0x82, 'cLIENT.example.org']] }, true],
      [
        'dns=b.example.org',
        {
          names: [
            [0x82, 'a.example.org'],
            [0x82, 'b.example.org'],
          ],
        },
        true,
      ],
      ['dns=client.example.org', cn('client.example.org'), false],
      ['dns=client.example.org', { names: [[0x82, '*.example.org']] }, false],
      ['dns=client.example.org', { names: [[0x82, 'client.example.org\0.evil.org']] }, false],
      ['dns=client.example.org', { names: [[0x82, 'client.example.org\0']] }, false],
      ['dns=client.example.org', { names: [[0x82, 'evil.org, DNS:client.example.org']] }, false],
      ['dns=client.example.org', { names: [[0x82, 'client.example.org.']] }, false],
      [
        'dns=client.example.org',
        {
          names: [
            [0x81, 'client.example.org'],
            [0x86, 'dns:client.example.org'],
          ],
        },
        false,
      ],
      ['dns=client.example.org', { names: [[0x82, 'client.example.org ']] }, false],
      ['dns=client.example.org', { names: [[0x82, 'client.\u212Axample.org']] }, false],
      ['email=alice@example.org', { names: [[0x81, 'alice@EXAMPLE.org']] }, true],
      ['email=alice@example.org', { names: [[0x81, 'Alice@example.org']] }, false],
      ['email=alice@example.org', { names: [[0x81, 'alice@example.org\0@evil.org']] }, false],
      ['email=alice@example.org', { names: [[0x82, 'alice@example.org']] }, false],
      ['email=alice@example.org', { subject: [['emailAddress', text(0x16, 'alice@example.org')]] }, false],
      ['email=alice@example.org', { names: [[0x81, 'bob@evil.org, email:alice@example.org']] }, false],
      ['uri=spiffe://example.org/alice', { names: [[0x86, 'spiffe://example.org/alice']] }, true],
      [`uri=${uuid}`, { names: [[0x86, uuid]] }, true],
      ['uri=spiffe://example.org/alice', { names: [[0x86, 'spiffe://example.org/alice/x']] }, false],
      ['uri=spiffe://example.org/alice', { names: [[0x86, 'SPIFFE://example.org/alice']] }, false],
      ['uri=spiffe://example.org/alice', { names: [[0x86, 'spiffe://example.org/alice\0']] }, false],
      [
        'uri=spiffe://example.org/alice',
        { names: [[0x86, 'spiffe://evil.org/, URI:spiffe://example.org/alice']] },
        false,
      ],
    ];

    test('is told by what a certificate has, and by nothing that looks like it', async ({ files, lifetime }) => {
      const authority = new Authority();
      for (const line of new Set(cases.map(([text]) => text))) {
        const { ask, server } = await start(lifetime, files, { authority, users: `someone:read:${line}\n` });
        for (const [, wanted, isLetIn] of cases.filter(([text]) => text === line)) {
          const { status } = await ask(authority.issue('x', wanted));
          expect(status, `${line} and ${JSON.stringify(wanted)}`).toBe(isLetIn ? 200 : 403);
        }
        await server.close();
      }
    });

    test('is told by a subject as openssl prints it, whatever is in it', async ({ files, lifetime }) => {
      const authority = new Authority();
      const values = [
        'a, CN=admin',
        '"quoted, CN=x"',
        '#hash',
        'a#b',
        'x+y',
        'a=b',
        'back\\slash',
        'semi;colon',
        '<less>',
      ];
      const subjects: readonly NonNullable<Wanted['subject']>[] = [
        ...[...values, ' both ', 'é', '日本', '😀', "it's", 'a/b', 'a:b', '%41', '*'].map(
          (value) => [['CN', value]] as const,
        ),
        [
          ['CN', 'admin'],
          ['O', 'a'],
        ],
        [
          ['O', 'a'],
          ['CN', 'admin'],
        ],
        [
          [
            ['O', 'a'],
            ['CN', 'admin'],
          ],
        ],
        [
          ['O', 'a,CN=admin'],
          ['UID', '1'],
        ],
        [
          ['emailAddress', der(0x16, 'a@b.org')],
          ['C', der(0x13, 'DE')],
        ],
        [
          ['1.3.6.1.4.1.99999.7', 'custom'],
          ['CN', 'admin'],
        ],
      ];
      const clients = subjects.map((subject) => authority.issue('x', { subject }));
      const lines = clients.map(({ cert }, index) => {
        const file = files.write('client.pem', cert);
        const printed = openssl('x509', '-noout', '-subject', '-nameopt', 'RFC2253', '-in', file).replace(/\n$/, '');
        // Blanks at the end of a line are none of it.
        return `user${index}:read:${printed.replace(/\\ $/, '\\20')}\n`;
      });
      expect(lines.every((line) => /:subject=\S/.test(line))).toBe(true);
      const audit_file = files.path('audit.log');
      const { ask, server } = await start(lifetime, files, { authority, users: lines.join(''), httpd: { audit_file } });
      for (const client of clients) expect((await ask(client)).status).toBe(200);
      await server.close();
      const audited = readFileSync(audit_file, 'utf8').trimEnd().split('\n');
      expect(audited.map((line) => JSON.parse(line).who)).toStrictEqual(lines.map((_, index) => `user${index}`));
    });

    test('is told by its fingerprint, however that is written', async ({ files, lifetime }) => {
      const authority = new Authority();
      const [one, two] = [authority.issue('same'), authority.issue('same')];
      const written = (one.fingerprint.match(/../g) ?? []).join(':').toUpperCase();
      const { ask } = await start(lifetime, files, { authority, users: `one:read:sha256=${written}\n` });
      expect((await ask(one)).status).toBe(200);
      expect((await ask(two)).status).toBe(403);
    });

    test('is told to the log in ASCII, whatever the name', async ({ files, lifetime }) => {
      const authority = new Authority();
      const { ask, lines } = await start(lifetime, files, { authority, users: 'a:read:cn=a\n' });
      const subject = [
        ['O', 'é\u202e"x"'],
        ['CN', 'a, CN=admin#\\'],
      ] as const;
      await ask(authority.issue('x', { subject }));
      await ask(authority.issue('x', { subject: [['CN', 'a\r\n2026 ERROR all is lost\0']] }));
      await ask(authority.issue('x', { subject: [['CN', 'x'.repeat(5000)]] }));
      const shown = lines.flatMap(({ fields: { subject } }) => (typeof subject === 'string' ? [subject] : []));
      expect(shown[0]).toBe('CN=a\\, CN\\=admin#\\\\,O=\\C3\\A9\\E2\\80\\AE\\"x\\"');
      expect(shown[1]).toBe('CN=(unreadable)');
      expect(shown[2]?.length).toBe(203);
    });

    test('a certificate with alternative names twice has none', async ({ files, lifetime }) => {
      const authority = new Authority();
      const { ask } = await start(lifetime, files, { authority, users: 'a:read:dns=a.org\n' });
      const names = [[0x82, 'a.org']] as const;
      const twice = await ask(authority.issue('x', { names, extensions: [alternativeNames([[0x82, 'b.org']])] }));
      expect([0, 403]).toContain(twice.status);
    });
  });

  describe('when the files change', () => {
    const users = 'alice:read:cn=alice\nbob:read:cn=bob\n';

    test('a user who is removed is refused on the connection that is open, and the others go on', async ({
      files,
      lifetime,
    }) => {
      const authority = new Authority();
      const running = await start(lifetime, files, { authority, users });
      const [alice, bob] = [running.open(authority.issue('alice')), running.open(authority.issue('bob'))];
      expect([(await alice.ask()).status, (await bob.ask()).status]).toStrictEqual([200, 200]);
      // It is noticed.
      writeFileSync(running.users, 'bob:read:cn=bob\n');
      await running.logged(/users are known by the certificates in the new client_users/);
      expect([(await alice.ask()).status, (await bob.ask()).status]).toStrictEqual([403, 200]);
      // A file that is wrong changes nothing.
      for (const [text, reason] of [
        ['bob:read:cn=\n', /:1: client user "bob": the common name is empty/],
        ['', /has none; add one such as/],
      ] as const) {
        writeFileSync(running.users, text);
        await running.logged(new RegExp(`the former client_users stay: .*${reason.source}`));
        expect((await bob.ask()).status).toBe(200);
        expect(await running.server.reload()).toBe(false);
        expect((await bob.ask()).status).toBe(200);
      }
      writeFileSync(running.users, users);
      expect(await running.server.reload()).toBe(true);
      expect((await running.ask(authority.issue('alice'))).status).toBe(200);
    });

    test('httpd:reload_users reads them again', async ({ files, lifetime }) => {
      const authority = new Authority();
      const running = await start(lifetime, files, { authority, users: 'alice:admin:cn=alice\n' });
      const alice = running.open(authority.issue('alice'));
      const reload = '{"jsonrpc":"2.0","method":"httpd:reload_users","id":1}';
      expect((await alice.ask(undefined, reload)).text).toContain('"result":"OK"');
      writeFileSync(running.users, 'alice:admin:name=alice\n');
      expect((await alice.ask(undefined, reload)).text).toMatch(
        /Users not reloaded.*tells no certificate; give cn=, subject=/,
      );
      writeFileSync(running.users, 'alice:read:cn=alice\n');
      expect((await alice.ask(undefined, reload)).text).toContain('"result":"OK"');
      expect((await alice.ask(undefined, reload)).text).toContain('alice has level read');
    });

    test('a certificate that is revoked loses the connection that is open, and gets no other', async ({
      files,
      lifetime,
    }) => {
      const authority = new Authority();
      const [one, two] = [authority.issue('alice'), authority.issue('bob')];
      const running = await start(lifetime, files, { authority, users, list: authority.list() });
      const [alice, bob] = [running.open(one), running.open(two)];
      expect([(await alice.ask()).status, (await bob.ask()).status]).toStrictEqual([200, 200]);
      authority.revoke(one);
      writeFileSync(running.crlFile, authority.list());
      const [reload] = running.server.reloadTls();
      expect(reload?.outcome).toBe('reloaded');
      await Promise.all([alice.closed, bob.closed]);
      expect((await running.ask(one)).status).toBe(0);
      expect((await running.ask(two)).status).toBe(200);
      expect(running.server.reloadTls()[0]?.outcome).toBe('unchanged');
      await running.logged(
        /clients of 127\.0\.0\.1:\d+ are judged by the new client_ca and client_crl, and connect anew/,
      );
    });

    test('a stream of events, which has no end, ends where its client may be revoked', async ({ files, lifetime }) => {
      const authority = new Authority();
      const alice = authority.issue('alice');
      const running = await start(lifetime, files, { authority, users, list: authority.list() });
      const asked = request({
        port: running.server.port,
        path: '/mi/live',
        headers: { Accept: 'text/event-stream' },
        cert: alice.cert,
        key: alice.key,
        rejectUnauthorized: false,
      }).end();
      asked.on('error', () => {});
      const [response] = (await once(asked, 'response')) as [IncomingMessage];
      expect(response.statusCode).toBe(200);
      authority.revoke(alice);
      writeFileSync(running.crlFile, authority.list());
      response.resume();
      const closed = once(response, 'close');
      expect(running.server.reloadTls()[0]?.outcome).toBe('reloaded');
      await closed;
    });

    test('a reply that is on its way arrives, and ends the connection of a former list', async ({
      files,
      lifetime,
    }) => {
      const authority = new Authority();
      const alice = authority.issue('alice');
      const { promise: asked, resolve: tellAsked } = withResolvers<void>();
      const { promise: leave, resolve: giveLeave } = withResolvers<void>();
      const slow = defineModule({
        name: 'slow',
        commands: [
          command({
            name: 'answer',
            level: 'read',
            help: 'Answers when it is let.',
            run: async () => {
              tellAsked();
              await leave;
              return 'x'.repeat(300_000);
            },
          }),
        ],
      });
      const running = await start(lifetime, files, { authority, users, list: authority.list(), modules: [slow] });
      const client = running.open(alice);
      const answer = client.ask(undefined, '{"jsonrpc":"2.0","method":"slow:answer","id":1}');
      await asked;
      authority.revoke(alice);
      writeFileSync(running.crlFile, authority.list());
      running.server.reloadTls();
      giveLeave();
      const { status, text } = await answer;
      expect(status).toBe(200);
      expect(text.length).toBeGreaterThan(300_000);
      await client.closed;
    });

    test('a handshake that began before goes by the files of now', async ({ files, lifetime }) => {
      const authority = new Authority();
      const alice = authority.issue('alice');
      const running = await start(lifetime, files, { authority, users, list: authority.list() });
      // Connected, and no word of TLS yet.
      const raw = connectPlain(running.server.port, '127.0.0.1');
      raw.on('error', () => {});
      lifetime.onTestFinished(() => void raw.destroy());
      await once(raw, 'connect');
      // It has been accepted when a later one has been served.
      expect((await running.ask(alice)).status).toBe(200);
      authority.revoke(alice);
      writeFileSync(running.crlFile, authority.list());
      running.server.reloadTls();
      const late = new Client(0, { socket: raw, cert: alice.cert, key: alice.key });
      expect(await late.ask()).toStrictEqual({ status: 0, text: '' });
    });

    test('a list, or another CA, is noticed, and a bad one leaves the former', async ({ files, lifetime }) => {
      const authority = new Authority();
      const alice = authority.issue('alice');
      const running = await start(lifetime, files, { authority, users, list: authority.list() });
      const reloads = (): string | undefined => running.server.reloadTls()[0]?.problem;
      const open = running.open(alice);
      const other = new Authority();
      for (const [file, text, problem] of [
        [running.crlFile, '', /client_crl .*: there is no list of revoked certificates in PEM format in it$/],
        [running.crlFile, authority.list({ until: Date.now() - 1000 }), /number 1 in it ended on 20.*make a new one/],
        [running.crlFile, authority.list({ from: Date.now() + 1e6 }), /is not valid before 20.*check the clock/],
        [running.crlFile, other.list(), /number 1 in it is by no CA of client_ca/],
        [running.crlFile, authority.list().replace(/\n[^-]{9}/, '\nAAAAAAAAA'), /number 1 in it is damaged/],
        [running.crlFile, authority.list() + authority.list().slice(0, 99), /client_crl .*: 1 of 2 in it are whole/],
        [running.caFile, '', /client_ca .*: there is no certificate in PEM format in it$/],
        [running.caFile, alice.cert, /there is no root in it/],
        [running.caFile, authority.cert + other.cert, /there is no list of CA .* in it/],
        [running.caFile, authority.cert.replace(/\n[^-]{9}/, '\nAAAAAAAAA'), /number 1 in it is damaged/],
        [
          running.caFile,
          authority.cert + other.cert.slice(0, -9),
          /client_ca .*: 1 of 2 in it are whole: write it anew/,
        ],
      ] as const) {
        const before = readFileSync(file);
        writeFileSync(file, text);
        expect(reloads()).toMatch(problem);
        expect((await running.ask(alice)).status).toBe(200);
        writeFileSync(file, before);
      }
      expect((await open.ask()).status).toBe(200);
      expect(running.server.reloadTls()[0]?.outcome).toBe('unchanged');
      expect(running.lines.some(({ message }) => /keeps its former client_ca and client_crl: /.test(message))).toBe(
        true,
      );
      // One of the same name: those that were let in are not any more, and the other way round.
      writeFileSync(running.caFile, other.cert);
      writeFileSync(running.crlFile, other.list());
      await open.closed;
      expect((await running.ask(alice)).status).toBe(0);
      expect((await running.ask(other.issue('alice'))).status).toBe(200);
    });

    test('a new list counts where the certificate of the server is bad, and the other way round', async ({
      files,
      lifetime,
    }) => {
      const authority = new Authority();
      const alice = authority.issue('alice');
      const running = await start(lifetime, files, { authority, users, list: authority.list() });
      const certFile = files.path('server.pem');
      const good = readFileSync(certFile);
      writeFileSync(certFile, 'broken');
      authority.revoke(alice);
      writeFileSync(running.crlFile, authority.list());
      const [reload] = running.server.reloadTls();
      expect(reload).toMatchObject({ outcome: 'kept', problem: expect.stringContaining('server.pem') });
      expect((await running.ask(alice)).status).toBe(0);
      expect((await running.ask(authority.issue('bob'))).status).toBe(200);
      writeFileSync(certFile, good);
    });

    test('a certificate that expires while it is connected is refused', async ({ files, lifetime }) => {
      const authority = new Authority();
      const until = Math.ceil(Date.now() / 1000) * 1000 + 3000;
      const running = await start(lifetime, files, { authority, users });
      const alice = running.open(authority.issue('alice', { until }));
      expect((await alice.ask()).status).toBe(200);
      for (;;) {
        const { status, text } = await alice.ask();
        if (status === 200) continue;
        expect(status).toBe(403);
        expect(text).toContain('the certificate of this client has expired');
        break;
      }
      expect(Date.now()).toBeGreaterThanOrEqual(until);
    });
  });

  describe('at the start', () => {
    test('what lets nobody in, or everybody, is told', async ({ files, lifetime }) => {
      const authority = new Authority();
      const known = 'alice:read:cn=alice\n';
      const tokens = files.write('tokens', tokenLine('robot', 'mi_robot', 'admin'));
      const cases: readonly (readonly [given: Partial<Given>, reason: RegExp])[] = [
        [{}, /asks for certificates, and no user has one: set client_users/],
        [{ options: ';auth=off;client_cert=optional' }, /auth=off and client_cert=optional, which lets everybody in/],
        [{ users: known, others: ['http:127.0.0.1:0'] }, /listener http:127\.0\.0\.1:0 asks for no certificates, and/],
        [{ users: 'alice:read\n' }, /client-users:1: a client user is a line name:level:cn=NAME, or subject=/],
        [{ users: 'alice:root:cn=a\n' }, /:1: client user "alice" has the level "root"; give read, operate, admin/],
        [{ users: `${known}alice:read:cn=b\n` }, /:2: client user "alice" is there twice/],
        [{ users: `${known}#\nbob:read:cn=alice\n` }, /:3: client user "bob" has the certificates of "alice"/],
        [
          { users: 'a:read:dns=a.org\nb:read:dns=A.ORG\n' },
          /:2: client user "b" has the certificates of "a"; remove one of the lines/,
        ],
        [{ users: 'a:read:subject=C = DE, CN = a\n' }, /character 2: a = belongs behind C; give it as openssl x509/],
        [{ users: 'a:read:subject=C=DE, CN=a\n' }, /character 6: an attribute such as CN= is missing/],
        [{ users: 'a:read:subject=/C=DE/CN=a\n' }, /character 1: an attribute such as CN= is missing/],
        [{ users: 'a:read:subject=CN="a, b"\n' }, /character 4: CN has no value|the character "\\"" needs a/],
        [{ users: 'a:read:subject=XX=a\n' }, /there is no attribute "XX"/],
        [{ users: 'a:read:subject=CN=a\\x\n' }, /a \\ has no character behind it that needs one/],
        [{ users: 'a:read:subject=CN=\\FF\n' }, /the value is not UTF-8/],
        [{ users: 'a:read:subject=CN=a\\0A\n' }, /control characters/],
        [{ users: 'a:read:subject=CN=a ,O=b\n' }, /there is a blank beside the value/],
        [{ users: 'a:read:subject=1.2.3=#0500\n' }, /behind # there is no text/],
        [{ users: 'a:read:subject=\n' }, /an attribute such as CN= is missing/],
        [{ users: 'a:read:dns=*.example.org\n' }, /the value is none; give a host name without wildcard/],
        [{ users: 'a:read:email=alice\n' }, /the value is none; give an address/],
        [{ users: 'a:read:uri=alice\n' }, /the value is none; give an absolute URI/],
        [{ users: 'a:read:sha256=00\n' }, /the value is none; give the 64 hexadecimal digits/],
        [{ users: 'a:read:toString=x\n' }, /tells no certificate/],
        [{ users: known, options: ';client_cert=maybe' }, /option client_cert is "maybe": give require or optional/],
        [{ users: known, list: '' }, /client_crl .*: there is no list of revoked certificates/],
        [{ users: known, httpd: { client_users: '' } }, /client_users|it is empty/],
        [
          { users: known, others: ['https:127.0.0.1:0;client_crl=/x'] },
          /option client_crl is given without client_ca: name the file of the CA/,
        ],
        [{ users: known, others: ['http:127.0.0.1:0;client_ca=/x'] }, /option client_ca is for https, not for http/],
        [
          { users: known, httpd: { audit_file: files.path('client-users') } },
          /audit_file .* and client_users .* are one file/,
        ],
        [
          { users: known, httpd: { audit_file: files.path('clients.pem') } },
          /and the client_ca of listener .* are one file/,
        ],
      ];
      for (const [given, reason] of cases) {
        const { users, httpd, ...rest } = given;
        const isEmpty = httpd !== undefined && 'client_users' in httpd;
        const all = {
          authority,
          ...rest,
          ...(users === undefined || isEmpty ? {} : { users }),
          ...(httpd ? { httpd } : {}),
        };
        await expect(start(lifetime, files, all), String(reason)).rejects.toThrow(reason);
      }
      const { lines, server } = await start(lifetime, files, {
        authority,
        options: ';auth=off;level=read',
        httpd: { auth_tokens: tokens },
      });
      expect(lines.filter(({ level }) => level === 'warn')).toStrictEqual([]);
      await server.close();
    });

    test('the lack of an engine that asks and of a user is one error', async ({ files, lifetime }) => {
      const authority = new Authority();
      const { listen } = askingListener(files, authority, '');
      const both = /no user has one: set client_users.*; only the engine node asks: add ;engine=node too, or modparam/;
      for (const engine of ['', ';engine=uws', ';engine=auto']) {
        const httpd = { listen: [listen.replace(';engine=node', engine)], engine: 'uws' };
        expect(() => createServer({ httpd }), engine).toThrow(both);
      }
      const alone = { httpd: { listen: [listen.replace(';engine=node', '')], engine: 'node' } };
      expect(() => createServer(alone)).toThrow(/with a certificate of client_ca$/);
      const users = 'alice:read:cn=alice\n';
      const others = [listen.replace(';engine=node', ';engine=uws').replace('127.0.0.1', '127.0.0.2')];
      await expect(start(lifetime, files, { authority, users, others })).rejects.toThrow(
        /: client_ca asks clients for/,
      );
    });

    test('a parameter has every https listener ask, but for those with options of their own', async ({
      files,
      lifetime,
    }) => {
      const [authority, own] = [new Authority(), new Authority('Own CA')];
      const revoked = authority.issue('alice');
      authority.revoke(revoked);
      const { certFile: cert, keyFile: key } = files.make('server', { key: 'ec' });
      const listener = (options: string): string => `https:127.0.0.1:0;engine=node;cert=${cert};key=${key}${options}`;
      const server = createServer({
        httpd: {
          listen: [
            listener(''),
            listener(';client_cert=require'),
            listener(`;client_ca=${files.write('own.pem', own.cert)}`),
            listener(';client_cert=off'),
          ],
          client_ca: files.write('clients.pem', authority.cert),
          client_cert: 'optional',
          client_crl: files.write('clients.crl', authority.list()),
          client_users: files.write('client-users', 'alice:read:cn=alice\n'),
          auth_tokens: files.write('tokens', tokenLine('robot', 'mi_robot', 'admin')),
        },
        log: silentLog,
      });
      await server.start();
      lifetime.onTestFinished(() => server.close({ deadline: 0 }));
      const ask = async (url: string, client?: ClientFiles): Promise<number> => {
        const connection = new Client(Number(new URL(url).port), client && { cert: client.cert, key: client.key });
        const { status } = await connection.ask(undefined);
        connection.end();
        return status;
      };
      const outcomes: number[][] = [];
      for (const url of server.urls) {
        const clients = [authority.issue('alice'), revoked, own.issue('alice'), undefined];
        outcomes.push(await Promise.all(clients.map((client) => ask(url, client))));
      }
      expect(outcomes).toStrictEqual([
        [200, 0, 0, 401],
        [200, 0, 0, 0],
        [0, 0, 200, 401],
        [401, 401, 401, 401],
      ]);
    });

    test('parameters that lead nowhere are told, and those that contradict are errors', async ({ files }) => {
      const { certFile: cert, keyFile: key } = files.make('server', { key: 'ec' });
      const ca = files.write('clients.pem', new Authority().cert);
      const listener = `https:127.0.0.1:0;engine=node;cert=${cert};key=${key}`;
      for (const [httpd, reason] of [
        [{ listen: [listener], client_crl: '/x' }, /parameter client_crl is set without client_ca: name the file/],
        [{ listen: [`${listener};client_cert=off;client_ca=${ca}`] }, /has client_cert=off and client_ca; remove one/],
        [{ listen: [`${listener};client_cert=optional`] }, /option client_cert is given without client_ca/],
        [{ listen: [listener], client_ca: ca, client_cert: 'off' }, /client_cert.*give require or optional/],
        [{ listen: [`${listener};auth=off`], client_ca: ca, client_cert: 'optional' }, /lets everybody in/],
      ] as const) {
        expect(() => createServer({ httpd }), String(reason)).toThrow(reason);
      }
      const lines: string[] = [];
      const warn = (_fields: object, message: string): void => void lines.push(message);
      const log = { ...silentLog, warn, error: warn };
      const server = createServer({ httpd: { listen: ['http:127.0.0.1:0'], client_ca: ca }, log });
      await server.start();
      await server.close();
      expect(lines).toStrictEqual([expect.stringMatching(/^client_ca is set, but no listener speaks TLS/)]);
    });

    test('a key beside the CA, and users beside auth=off, are told', async ({ files, lifetime }) => {
      const authority = new Authority();
      const key = files.make('other').keyFile;
      const both = { cert: authority.cert + readFileSync(key, 'utf8') } as Authority;
      const users = 'alice:read:cn=alice\n';
      const warnings = async (given: Omit<Given, 'authority'>): Promise<readonly string[]> => {
        const { lines, server } = await start(lifetime, files, { authority: both, ...given });
        await server.close();
        return lines.filter(({ level }) => level === 'warn').map(({ message }) => message);
      };
      const ofKey = expect.stringMatching(/^client_ca .*clients\.pem: there is a private key in it, by which/);
      expect(await warnings({ users })).toStrictEqual([ofKey]);
      const ofUsers = expect.stringMatching(
        /^client_users is set, but where certificates are asked for, auth=off lets/,
      );
      expect(await warnings({ users, options: ';auth=off;level=read' })).toEqual(
        expect.arrayContaining([ofUsers, ofKey]),
      );
    });

    test('with auth=off every certificate of the CA is let in, and no other', async ({ files, lifetime }) => {
      const authority = new Authority();
      const { ask } = await start(lifetime, files, { authority, options: ';auth=off;level=read' });
      expect((await ask(authority.issue('anybody'))).status).toBe(200);
      expect((await ask()).status).toBe(0);
      expect((await ask(new Authority().issue('anybody'))).status).toBe(0);
    });

    test('without client_users a certificate opens the door, and logins tell the user', async ({ files, lifetime }) => {
      const authority = new Authority();
      const { ask } = await start(lifetime, files, {
        authority,
        httpd: { auth_tokens: files.write('tokens', tokenLine('robot', 'mi_robot', 'admin')) },
      });
      const device = authority.issue('device');
      expect((await ask(device)).status).toBe(401);
      expect((await ask(device, 'Bearer mi_robot')).status).toBe(200);
      expect((await ask(undefined, 'Bearer mi_robot')).status).toBe(0);
    });

    test('a deeper CA is trusted by its root alone, which has to be there', async ({ files, lifetime }) => {
      const root = new Authority('Root');
      const deeper = new Authority('Deeper', root);
      const users = 'alice:read:cn=alice\n';
      await expect(start(lifetime, files, { authority: deeper, users })).rejects.toThrow(/there is no root in it/);
      const both = { cert: deeper.cert + root.cert } as Authority;
      const { ask, server } = await start(lifetime, files, { authority: both, users });
      expect((await ask(deeper.issue('alice'))).status).toBe(200);
      await server.close();
      const [lists, ofRoot] = [deeper.list(), root.list()];
      await expect(start(lifetime, files, { authority: both, users, list: lists })).rejects.toThrow(
        /there is no list of CA "O=Example\\nCN=Root" in it/,
      );
      const bob = deeper.issue('alice');
      deeper.revoke(bob);
      const listed = await start(lifetime, files, { authority: both, users, list: `${deeper.list()}${ofRoot}` });
      expect((await listed.ask(bob)).status).toBe(0);
      expect((await listed.ask(deeper.issue('alice'))).status).toBe(200);
      root.revoke(deeper);
      writeFileSync(listed.crlFile, `${deeper.list()}${root.list()}`);
      listed.server.reloadTls();
      expect((await listed.ask(deeper.issue('alice'))).status, 'its CA is revoked').toBe(0);
      await listed.server.close();
      const { ask: askRoot } = await start(lifetime, files, { authority: root, users });
      const alice = deeper.issue('alice');
      expect((await askRoot(alice)).status, 'the client does not send its CA').toBe(0);
      expect((await askRoot({ ...alice, cert: alice.cert + deeper.cert })).status).toBe(200);
    });

    test('files that others may write are warned of', async ({ files, lifetime }) => {
      const authority = new Authority();
      const running = await start(lifetime, files, { authority, users: 'a:read:cn=a\n', list: authority.list() });
      for (const file of [running.caFile, running.crlFile, running.users]) chmodSync(file, 0o666);
      await running.server.reload();
      writeFileSync(running.crlFile, authority.list());
      running.server.reloadTls();
      const warnings = running.lines.filter(({ level }) => level === 'warn').map(({ message }) => message);
      expect(warnings).toEqual([
        expect.stringMatching(/file of client users .* is writable by everybody on this machine.*chmod go-w/),
        expect.stringMatching(/file of client users .* is readable by everybody on this machine/),
        expect.stringMatching(/client_ca .* is writable by everybody on this machine, who could let themselves in/),
        expect.stringMatching(
          /client_crl .* is writable by everybody on this machine, who could let revoked clients in/,
        ),
      ]);
    });
  });
});
