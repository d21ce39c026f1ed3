// Threads that have the listeners: to clients the server is the same, whichever of them has their connection.
import { once } from 'node:events';
import { cpSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { Worker } from 'node:worker_threads';
import { describe, expect } from 'vitest';
import { command, createServer, defineModule, type Server, type ServerOptions } from '#src/index.js';
import { basic, temporaryFile, userLine } from '../support/accounts.js';
import { isNode } from '../support/engine.js';
import type { Lifetime } from '../support/lifetime.js';
import { silentLog } from '../support/log.js';
import { call, callError, post, withResolvers } from '../support/mi-client.js';
import { RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';
import { served } from '../support/tls-client.js';
import { noOpenssl, type TestCertificate, TlsFiles } from '../support/tls-files.js';
import { unless } from '../support/unless.js';

const pieces = 400;

/** Commands and a root whose replies come late, come in pieces, or never come. */
function testModule() {
  const waiting: (() => void)[] = [];
  const begun = withResolvers<void>();
  const left = withResolvers<unknown>();
  let served = 0;
  const module = defineModule({
    name: 'late',
    load: ({ httpd }) => {
      httpd.registerRoot({
        module: 'late',
        root: 'late',
        contentType: 'application/octet-stream',
        onRequest: (exchange) => {
          if (exchange.path === '/echo') exchange.reply(200, exchange.body);
          else exchange.flush(200, { 'X-Root': 'late' });
        },
        onFlush: (_, position) => (position >= pieces * 16_384 ? null : Buffer.alloc(16_384, position / 16_384)),
      });
      return {
        commands: [
          command({ name: 'count', help: 'x', run: () => ++served }),
          command({
            name: 'turn',
            help: 'x',
            run: async () => {
              await new Promise<void>((resolve) => waiting.push(resolve));
              return 'done';
            },
          }),
          command({
            name: 'never',
            help: 'x',
            run: (_, { signal }) => {
              signal.addEventListener('abort', () => left.resolve(signal.reason));
              begun.resolve();
              return new Promise<never>(() => {});
            },
          }),
        ],
      };
    },
  });
  return {
    module,
    begun: begun.promise,
    left: left.promise,
    waiting,
    get served() {
      return served;
    },
  };
}

async function start(t: Lifetime, options: ServerOptions = {}): Promise<Server> {
  const server = createServer({
    threads: 2,
    log: silentLog,
    ...options,
    httpd: options.httpd?.listen === undefined ? { ip: '127.0.0.1', port: 0, ...options.httpd } : options.httpd,
  });
  await server.start();
  t.onTestFinished(() => server.close({ deadline: 0 }));
  return server;
}

/** Stops home, and then begins requests, each on a connection that it closes, until one is replied to or there were many. */
const leavingClients = `
  const { once } = require('node:events');
  const { connect } = require('node:net');
  const { parentPort, workerData: { port, gate } } = require('node:worker_threads');
  const head = (method, path, more) => method + ' ' + path + ' HTTP/1.1\\r\\nHost: localhost\\r\\n' + more + '\\r\\n';
  async function leave() {
    let reply = '';
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('data', (bytes) => { reply += bytes; });
    socket.on('error', () => {});
    socket.end(head('POST', '/nothing', 'Content-Length: 5\\r\\n') + 'a');
    await once(socket, 'close');
    return reply;
  }
  (async () => {
    const call = JSON.stringify({ jsonrpc: '2.0', method: 'wait', id: 1 });
    const waiting = connect({ port, host: '127.0.0.1' });
    waiting.write(head('POST', '/mi', 'Content-Type: application/json\\r\\nContent-Length: ' + call.length + '\\r\\n') + call);
    const replies = [];
    while (replies.length < 1000 && !replies.at(-1)) replies.push(await leave());
    Atomics.store(gate, 0, 1);
    Atomics.notify(gate, 0);
    await once(waiting, 'data');
    waiting.destroy();
    parentPort.postMessage(replies);
  })();
`;

/** While home runs a call, makes others on connections of their own, and lets the first one go on when these are answered. */
const callsBeside = `
  const { once } = require('node:events');
  const { connect } = require('node:net');
  const { parentPort, workerData: { port, gate, calls } } = require('node:worker_threads');
  const sent = (call) => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, ...call });
    return 'POST /mi HTTP/1.1\\r\\nHost: a\\r\\nContent-Type: application/json\\r\\nContent-Length: ' + body.length + '\\r\\n\\r\\n' + body;
  };
  const ask = async (call) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.write(sent(call));
    const [reply] = await once(socket.setEncoding('latin1'), 'data');
    socket.destroy();
    return reply.slice(reply.indexOf('{'));
  };
  (async () => {
    const waiting = ask({ method: 'wait' });
    await Atomics.waitAsync(gate, 1, 0).value;
    const replies = [];
    for (let round = 0; round < 8; round++) for (const call of calls) replies.push(await ask(call));
    Atomics.store(gate, 0, 1);
    Atomics.notify(gate, 0);
    replies.push(await waiting);
    parentPort.postMessage(replies);
  })();
`;

function inBody(method: string): string {
  return JSON.stringify({ jsonrpc: '2.0', method, id: 1 });
}

/** Several calls in one piece. */
function inOnePiece(calls: readonly object[], more: readonly string[] = []): string {
  return calls
    .map((one) => {
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, ...one });
      const head = ['POST /mi HTTP/1.1', 'Host: a', 'Content-Type: application/json', ...more];
      return `${[...head, `Content-Length: ${body.length}`].join('\r\n')}\r\n\r\n${body}`;
    })
    .join('');
}

/** Calls until every thread has had one, each on a connection of its own. */
async function onEveryThread(server: Server, ask: () => Promise<void>): Promise<void> {
  for (let round = 0; round < 16; round++) await ask();
  expect(server.threads.every(({ isServing }) => isServing)).toBe(true);
}

unless(isNode, describe)('a server with threads', () => {
  test('answers calls, batches and pages as one without', async ({ lifetime }) => {
    const plain = await start(lifetime, { threads: 0 });
    const server = await start(lifetime);
    expect(server.threads).toHaveLength(2);
    expect(plain.threads).toStrictEqual([]);
    await onEveryThread(server, async () => {
      expect(await call(server, 'which')).toStrictEqual(await call(plain, 'which'));
    });
    const batch = '[{"jsonrpc":"2.0","method":"version","id":1},{"jsonrpc":"2.0","method":"version","id":"b"},7]';
    for (const [body, options] of [
      [batch, {}],
      ['{', {}],
      ['{"jsonrpc":"2.0","method":"nothing","id":1}', {}],
      ['', { method: 'GET', path: '/-/style.css' }],
      ['', { method: 'HEAD', path: '/' }],
      ['', { method: 'GET', path: '/nowhere' }],
      ['', { method: 'PUT', path: '/mi' }],
      ['x', { headers: { 'Content-Type': 'text/plain' } }],
      ['', { method: 'GET', path: '/healthz' }],
    ] as const) {
      const [one, other] = [await post(server, body, options), await post(plain, body, options)];
      // A batch that takes long is sent while it is made.
      const told = ({ headers: { date: _, ...headers }, status, body: text }: typeof one) =>
        body === batch ? [status, text] : [status, headers, text];
      expect(told(one), body).toStrictEqual(told(other));
    }
  });

  test('serves several requests of a connection, and long bodies both ways', async ({ lifetime }) => {
    const { module } = testModule();
    const server = await start(lifetime, { modules: [module] });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    lifetime.onTestFinished(() => agent.destroy());
    const body = Buffer.alloc(200_000, 'abc');
    for (let round = 0; round < 5; round++) {
      const echoed = await post(server, body, { path: '/late/echo', agent });
      expect([echoed.status, body.equals(echoed.bytes)]).toStrictEqual([200, true]);
      const { bytes, headers } = await post(server, '', { method: 'GET', path: '/late/stream', agent });
      expect(headers['x-root']).toBe('late');
      expect(bytes.length).toBe(pieces * 16_384);
      expect(bytes.every((byte, at) => byte === Math.floor(at / 16_384) % 256)).toBe(true);
    }
  });

  test('takes a body in chunks, and refuses one that is too long', async ({ lifetime }) => {
    const { module } = testModule();
    const server = await start(lifetime, { modules: [module], httpd: { receive_buf_size: 100_000 } });
    const send = async (size: number): Promise<[number | undefined, number]> => {
      const sent = request({ host: '127.0.0.1', port: server.port, path: '/late/echo', method: 'POST', agent: false });
      sent.on('error', () => {});
      for (let at = 0; at < size; at += 10_000) sent.write(Buffer.alloc(10_000, 'x'));
      sent.end();
      const [response] = await once(sent, 'response');
      let length = 0;
      for await (const piece of response) length += piece.length;
      return [response.statusCode, length];
    };
    expect(await send(60_000)).toStrictEqual([200, 60_000]);
    expect((await send(200_000))[0]).toBe(413);
  });

  test('tells a handler that its client has left', async ({ lifetime }) => {
    const { module, begun, left } = testModule();
    const server = await start(lifetime, { modules: [module] });
    const client = await RawClient.connect(server.port);
    client.request('POST', '/mi', '{"jsonrpc":"2.0","method":"never","id":1}', ['Content-Type: application/json']);
    await begun;
    client.socket.destroy();
    expect(String(await left)).toMatch(/the client left/);
    await expect
      .poll(() => server.threads.map(({ connections, exchanges }) => connections + exchanges))
      .toStrictEqual([0, 0]);
  });

  test('refuses what clients send and leave while home has no time for it', async ({ lifetime }) => {
    const gate = new Int32Array(new SharedArrayBuffer(4));
    const module = defineModule({
      name: 'gate',
      load: () => ({ commands: [command({ name: 'wait', help: 'x', run: () => Atomics.wait(gate, 0, 0, 60_000) })] }),
    });
    const server = await start(lifetime, { threads: 1, modules: [module], httpd: { max_connections: 100 } });
    const client = new Worker(leavingClients, { eval: true, workerData: { port: server.port, gate } });
    const [replies] = (await once(client, 'message')) as [readonly string[]];
    const [first = '', ...rest] = [...new Set(replies)];
    expect([first, rest.length]).toStrictEqual(['', 1]);
    expect(rest[0]).toMatch(/^HTTP\/1\.1 503 [\s\S]*too many requests wait to be read; try again/);
    expect(await call(server, 'which')).toContain('wait');
  });

  test('answers calls that need nothing of home while home is busy', async ({ lifetime }) => {
    const gate = new Int32Array(new SharedArrayBuffer(8));
    const wait = (): string => {
      Atomics.store(gate, 1, 1);
      Atomics.notify(gate, 1);
      Atomics.wait(gate, 0, 0, 60_000);
      return Atomics.load(gate, 0) === 1 ? 'after the others' : 'too early';
    };
    const module = defineModule({
      name: 'gate',
      load: () => ({ commands: [command({ name: 'wait', help: 'Waits.', run: wait })] }),
    });
    const server = await start(lifetime, { modules: [module] });
    const calls = [
      { method: 'version' },
      { method: 'which', params: ['gate:'] },
      { method: 'help', params: { mi_cmd: 'gate:wait' } },
      { method: 'get_statistics', params: [['calls']] },
    ];
    const client = new Worker(callsBeside, { eval: true, workerData: { port: server.port, gate, calls } });
    const [texts] = (await once(client, 'message')) as [readonly string[]];
    const results = texts.map((text) => JSON.parse(text).result);
    expect(results.at(-1)).toBe('after the others');
    const [version, which, help, statistics] = results.slice(-5);
    expect(version).toStrictEqual(await server.call('version'));
    expect(which).toStrictEqual(['gate:wait']);
    expect(help).toStrictEqual({ Help: 'Waits.', 'Exported by': 'gate' });
    // All of them, whichever thread has run them: with that which waits, and this one.
    expect(statistics).toStrictEqual({ 'mi:calls': 33 });
    expect(await server.call('get_statistics', [['calls', 'core-version-calls']])).toMatchObject({ 'mi:calls': 35 });
  });

  test('serves several calls in one piece where no home is asked, and replies to clients that have closed their side', async ({
    lifetime,
  }) => {
    const { module } = testModule();
    const server = await start(lifetime, { modules: [module] });
    const client = await RawClient.connect(server.port);
    const calls = ['version', 'uptime', 'which', 'version', 'late:count'].map((method) => ({ method }));
    client.send(inOnePiece(calls));
    for (const _ of calls) expect((await client.response()).status).toBe(200);
    const half = await RawClient.connect(server.port);
    half.socket.end(inOnePiece([{ method: 'late:count' }]));
    expect(JSON.parse((await half.response()).text).result).toBe(2);
    const later = await RawClient.connect(server.port);
    later.socket.end(inOnePiece([{ method: 'late:never' }]));
    expect((await later.rest()).length).toBe(0);
    client.close();
  });

  test('lets nobody in whom home does not, from the reply on by which users change', async ({ lifetime }) => {
    const line = (name: string, level: 'read' | 'admin'): string => userLine(name, 'pw', level);
    const auth_file = temporaryFile(lifetime, 'users', line('alice', 'read') + line('root', 'admin'));
    const server = await start(lifetime, {
      threads: 3,
      httpd: { auth_file, deny_commands: 'uptime', rate_limit_user: 1000 },
    });
    const ask = async (who: string, method: string): Promise<readonly [status: number, error: number | undefined]> => {
      const body = JSON.stringify({ jsonrpc: '2.0', method, id: 1 });
      const reply = await post(server, body, { headers: { Authorization: basic(who, 'pw') } });
      return [reply.status, JSON.parse(reply.body).error?.code];
    };
    for (let round = 0; round < 12; round++) {
      expect(await ask('alice', 'version')).toStrictEqual([200, undefined]);
      expect(await ask('alice', 'uptime')).toStrictEqual([200, -32003]);
      expect(await ask('alice', 'kill')).toStrictEqual([200, -32003]);
      expect((await post(server, inBody('version'))).status).toBe(401);
    }
    expect(await server.call('get_statistics', [['denied']])).toStrictEqual({ 'mi:denied': 24 });
    writeFileSync(auth_file, line('root', 'admin'));
    expect(await ask('root', 'reload_users')).toStrictEqual([200, undefined]);
    for (let round = 0; round < 4; round++) expect((await ask('alice', 'version'))[0]).toBe(401);
    expect(await ask('root', 'version')).toStrictEqual([200, undefined]);
  });

  test('holds the rate of calls over all threads, also of those that they run', async ({ lifetime }) => {
    const server = await start(lifetime, { threads: 3, httpd: { rate_limit_address: 5 } });
    const statuses: number[] = [];
    for (let round = 0; round < 40; round++) statuses.push((await post(server, inBody('version'))).status);
    const { 'mi:rate_limited': limited } = (await server.call('get_statistics', [['rate_limited']])) as {
      'mi:rate_limited': number;
    };
    expect(limited).toBeGreaterThan(0);
    expect(statuses.filter((status) => status === 429)).toHaveLength(limited);
  });

  test('has home run every call that is audited or that the program runs within something', async ({ lifetime }) => {
    const seen: string[] = [];
    const server = await start(lifetime, {
      around: (call, next) => {
        seen.push(call.command);
        return next();
      },
    });
    for (let round = 0; round < 6; round++) await call(server, 'version');
    expect(seen).toStrictEqual(Array.from({ length: 6 }, () => 'core:version'));
  });

  test('stops under load, and loses no call', async ({ lifetime }) => {
    const late = testModule();
    const server = await start(lifetime, { modules: [late.module], threads: 3 });
    let answered = 0;
    let refused = 0;
    const clients = Array.from({ length: 12 }, async () => {
      for (;;) {
        const reply = await post(server, '{"jsonrpc":"2.0","method":"count","id":1}').catch(() => undefined);
        if (reply?.status === 200) answered += 1;
        else {
          // No connection was made, or the call was not run.
          expect([undefined, 503]).toContain(reply?.status);
          refused += 1;
          return;
        }
      }
    });
    const pending = call(server, 'turn');
    await expect.poll(() => [late.waiting.length, answered > 200]).toStrictEqual([1, true]);
    const closed = server.close();
    late.waiting[0]?.();
    expect(await pending).toBe('done');
    await closed;
    await Promise.all(clients);
    // Every call that was run has been answered.
    expect([late.served, refused]).toStrictEqual([answered, 12]);
  });

  test('holds the limit of connections over all threads together', async ({ lifetime }) => {
    const server = await start(lifetime, { httpd: { max_connections: 10 }, threads: 3 });
    const open = await Promise.all(Array.from({ length: 10 }, () => RawClient.connect(server.port)));
    lifetime.onTestFinished(() => {
      for (const { socket } of open) socket.destroy();
    });
    await expect.poll(() => server.threads.reduce((sum, { connections }) => sum + connections, 0)).toBe(10);
    for (let more = 0; more < 8; more++)
      expect((await post(server, '', { method: 'GET', path: '/healthz' })).status).toBe(503);
    for (const { socket } of open.slice(5)) socket.destroy();
    await expect.poll(async () => (await post(server, '', { method: 'GET', path: '/healthz' })).status).toBe(200);
  });

  test('counts requests and connections of all threads, and audits each call once', async ({ lifetime }) => {
    const { module } = testModule();
    const credentials = { auth_username: 'admin', auth_password: 'a-good-password-1' };
    const server = await start(lifetime, { modules: [module], httpd: credentials });
    const headers = { Authorization: `Basic ${Buffer.from('admin:a-good-password-1').toString('base64')}` };
    const ask = async (method: string): Promise<unknown> => {
      const { status, body } = await post(server, JSON.stringify({ jsonrpc: '2.0', method, id: 1 }), { headers });
      expect(status).toBe(200);
      return JSON.parse(body).result;
    };
    expect((await post(server, '{"jsonrpc":"2.0","method":"count","id":1}')).status).toBe(401);
    for (let round = 0; round < 20; round++) await ask('count');
    const { Calls } = (await ask('httpd:audit_recent')) as { Calls: { command: string; who: string }[] };
    expect(Calls.filter(({ command: name, who }) => name === 'late:count' && who === 'admin')).toHaveLength(20);
    const counts = await server.call('get_statistics', [
      ['requests', 'connections_total', 'replies_2xx', 'replies_4xx'],
    ]);
    expect(counts).toStrictEqual({
      'httpd:requests': 22,
      'httpd:connections_total': 22,
      'httpd:replies_2xx': 21,
      'httpd:replies_4xx': 1,
    });
  });

  unless(noOpenssl, test)('serves new certificates from all threads at once', async ({ files, lifetime }) => {
    const both = [files.make('one'), files.make('two')] as const;
    const [certFile, keyFile] = [files.path('live.pem'), files.path('live.key')];
    const use = (one: TestCertificate): void => {
      cpSync(one.certFile, certFile);
      cpSync(one.keyFile, keyFile);
    };
    use(both[0]);
    const server = await start(lifetime, { threads: 3, httpd: { tls_cert_file: certFile, tls_key_file: keyFile } });
    for (let round = 0; round < 6; round++) {
      const now = both[round % 2] ?? both[0];
      use(now);
      server.reloadTls();
      for (let client = 0; client < 6; client++) expect(await served(server.port, '/healthz')).toBe(now.name);
    }
  });

  test('serves a Unix socket beside', async ({ lifetime }) => {
    const socketPath = new TlsFiles(lifetime).path('mi.sock');
    const server = await start(lifetime, { httpd: { listen: ['http:127.0.0.1:0', `unix:${socketPath}`] } });
    const client = connect(socketPath);
    client.write('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    const [reply] = await once(client.setEncoding('latin1'), 'data');
    expect(reply).toMatch(/^HTTP\/1\.1 200 /);
    expect(server.urls).toContain(`http://unix:${socketPath}:/mi`);
    client.destroy();
  });

  test('refuses what threads cannot have, by name', async () => {
    const refused: readonly [ServerOptions, RegExp][] = [
      [{ listen: false }, /threads and option listen do not mix/],
      [{ engine: {} }, /threads and option engine do not mix/],
      [{ threads: 65 }, /threads/],
      [{ threads: 1.5 }, /threads/],
    ];
    for (const [options, reason] of refused) expect(() => createServer({ threads: 2, ...options })).toThrow(reason);
  });

  test('has metrics of each thread by its number', async ({ lifetime }) => {
    const server = await start(lifetime, { threads: 3, prometheus: {} });
    const open = await Promise.all(Array.from({ length: 9 }, () => RawClient.connect(server.port)));
    lifetime.onTestFinished(() => {
      for (const { socket } of open) socket.destroy();
    });
    await expect.poll(() => server.threads.reduce((sum, { connections }) => sum + connections, 0)).toBe(9);
    const { body } = await post(server, '', { method: 'GET', path: '/metrics' });
    const values = (name: string): readonly (readonly [thread: number, value: number])[] =>
      [...body.matchAll(new RegExp(`^mi_httpd_thread_${name}\\{thread="(\\d)"\\} (\\d+)$`, 'gm'))].map(
        ([, thread, value]) => [Number(thread), Number(value)] as const,
      );
    expect(values('serving')).toStrictEqual([
      [1, 1],
      [2, 1],
      [3, 1],
    ]);
    // With that which asks.
    expect(values('connections').reduce((sum, [, count]) => sum + count, 0)).toBe(10);
    expect(values('requests').reduce((sum, [, count]) => sum + count, 0)).toBe(1);
  });

  test('does not share its port with another server', async ({ lifetime }) => {
    const server = await start(lifetime);
    for (const threads of [0, 1, 2]) {
      const other = createServer({ threads, log: silentLog, httpd: { ip: '127.0.0.1', port: server.port } });
      await expect(other.start()).rejects.toThrow(/the port is in use/);
    }
    expect(await callError(server, 'nothing')).toMatchObject({ code: -32601 });
  });
});
