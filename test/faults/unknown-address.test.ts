// A reset right behind a request: by the time the request is looked at, the engine gives no address of its connection.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { Worker } from 'node:worker_threads';
import { describe, expect } from 'vitest';
import { command, createServer, defineModule, type Server, type ServerOptions } from '#src/index.js';
import { basic, tokenLine, userLine } from '../support/accounts.js';
import { noAddress } from '../support/faults/no-address.js';
import { count } from '../support/long.js';
import { post, type startServer } from '../support/mi-client.js';
import { test } from '../support/test.js';
import type { TlsFiles } from '../support/tls-files.js';
import { unless } from '../support/unless.js';

const atOnce = 8;
const body = '{"jsonrpc":"2.0","method":"ran","id":1}';

/** A module that counts how often it ran. */
function counting(): { readonly runs: () => number; readonly modules: NonNullable<ServerOptions['modules']> } {
  let runs = 0;
  const run = (): string => {
    runs += 1;
    return 'OK';
  };
  const module = defineModule({ name: 'seen', commands: [command({ name: 'ran', help: 'Counts.', run })] });
  return { runs: () => runs, modules: [module] };
}

/** In a thread of its own, so that a reset comes while the server looks at the request before it. */
const sender = `
const { parentPort, workerData } = require('node:worker_threads');
const { connect } = require('node:net');
const { port, bytes, times, atOnce } = workerData;
let sent = 0, closed = 0;
function one() {
  if (sent >= times) return;
  sent += 1;
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => {});
  socket.on('connect', () => {
    socket.write(bytes);
    // Anywhere within the time that the server takes to wake up and read.
    const until = performance.now() + (sent % 8) / 200;
    while (performance.now() < until);
    socket.resetAndDestroy();
  });
  socket.on('close', () => {
    closed += 1;
    if (closed === times) parentPort.postMessage('done');
    else one();
  });
}
for (let i = 0; i < atOnce; i++) one();
`;

/** Sends a request, and a reset right behind it, so often. */
async function resetBehind(port: number, times: number, headers: readonly string[] = []): Promise<void> {
  const head = ['POST /mi HTTP/1.1', 'Host: a', 'Content-Type: application/json', `Content-Length: ${body.length}`];
  const bytes = `${[...head, ...headers].join('\r\n')}\r\n\r\n${body}`;
  const worker = new Worker(sender, { eval: true, workerData: { port, bytes, times, atOnce } });
  await once(worker, 'message');
  await worker.terminate();
}

/** A server on a free port and a Unix socket. */
async function startBoth(
  t: Parameters<typeof startServer>[0],
  files: TlsFiles,
  httpd: NonNullable<ServerOptions['httpd']>,
): Promise<{ readonly server: Server; readonly socketPath: string }> {
  const socketPath = files.path('mi.sock');
  const server = createServer({ httpd: { ...httpd, listen: ['http:127.0.0.1:0', `unix:${socketPath}`] } });
  await server.start();
  t.onTestFinished(() => server.close({ deadline: 0 }));
  return { server, socketPath };
}

/** Status of a call by a Unix socket. */
async function statusOfLocal(socketPath: string, Authorization: string): Promise<number | undefined> {
  const sent = request({ socketPath, path: '/mi', agent: false, headers: { Authorization } });
  sent.end();
  const [response] = await once(sent, 'response');
  response.resume();
  return response.statusCode;
}

unless(process.platform === 'win32', describe)('an address that the engine does not give', () => {
  const times = count(1_600, 8_000);

  for (const [name, listen] of [
    ['allow of a listener', 'http:127.0.0.1:0;allow=192.0.2.1'],
    ['allow_from', 'http:127.0.0.1:0'],
  ] as const) {
    test(`${name} runs nothing of a client that it excludes`, async ({ onTestFinished }) => {
      const { runs, modules } = counting();
      const allow = name === 'allow_from' ? { allow_from: '192.0.2.1' } : {};
      const server = createServer({ httpd: { listen: [listen], ...allow }, modules });
      await server.start();
      onTestFinished(() => server.close({ deadline: 0 }));
      await resetBehind(server.port, times);
      expect(runs()).toBe(0);
    });
  }

  /** Calls with no address in sight; gives status and error code. */
  async function withoutAddress(server: Server, headers: Readonly<Record<string, string>> = {}): Promise<number[]> {
    noAddress.inRequests = true;
    try {
      const { status, body: text } = await post(server, body, { headers });
      return [status, status === 200 ? (JSON.parse(text).error?.code ?? 0) : 0];
    } finally {
      noAddress.inRequests = false;
    }
  }

  for (const [rule, httpd, headers, expected] of [
    ['allow_from', { allow_from: '127.0.0.0/8' }, {}, [403, 0]],
    ['allow', { listen: ['http:127.0.0.1:0;allow=0.0.0.0/0,::/0'] }, {}, [403, 0]],
    ['rate_limit_address', { rate_limit_address: 100 }, {}, [200, -32003]],
    ['a wrong password', { auth_username: 'a', auth_password: 'right' }, { Authorization: basic('a', 'no') }, [403, 0]],
    ['a password', { auth_username: 'a', auth_password: 'right' }, { Authorization: basic('a', 'right') }, [403, 0]],
    ['no rule that depends on it', {}, {}, [200, 0]],
  ] as const) {
    test(`${rule}: ${expected}`, async ({ onTestFinished }) => {
      const { runs, modules } = counting();
      const ip = 'listen' in httpd ? {} : { ip: '127.0.0.1', port: 0 };
      const server = createServer({ httpd: { ...ip, ...(httpd as object) }, modules });
      await server.start();
      onTestFinished(() => server.close({ deadline: 0 }));
      // Known once, it is still not known for the next.
      await post(server, body, { headers });
      const before = runs();
      expect(await withoutAddress(server, headers)).toStrictEqual(expected);
      expect(runs() - before).toBe(expected[0] === 200 && expected[1] === 0 ? 1 : 0);
    });
  }

  test('is not the address of a token or of nobody, so that what needs none runs, audited as unknown', async ({
    files,
    startServer,
  }) => {
    const audit = files.path('audit.log');
    const { runs, modules } = counting();
    const auth_tokens = files.write('tokens', tokenLine('watcher', 'mi_watcher', 'admin'));
    const server = await startServer({ httpd: { auth_tokens, audit_file: audit }, modules });
    const headers = { Authorization: 'Bearer mi_watcher' };
    await resetBehind(server.port, times, [`Authorization: ${headers.Authorization}`]);
    expect(await withoutAddress(server, headers)).toStrictEqual([200, 0]);
    await server.close({ deadline: 0 });
    const from = readFileSync(audit, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).from);
    expect(from.length).toBe(runs());
    expect([...new Set(from)].filter((one) => one !== '127.0.0.1' && one !== 'unknown')).toStrictEqual([]);
  });

  test('a limit of calls of an address runs nothing that it cannot count', async ({ startServer }) => {
    const { runs, modules } = counting();
    const server = await startServer({ httpd: { rate_limit_address: 1 }, modules });
    const before = performance.now();
    await resetBehind(server.port, times);
    const seconds = (performance.now() - before) / 1000;
    expect(runs(), `${runs()} calls in ${seconds} s`).toBeLessThanOrEqual(2 + seconds);
  });

  test('wrong passwords sent so lock nobody out of the Unix socket, and are no guesses', async ({
    files,
    lifetime,
  }) => {
    const auth_file = files.write('users', userLine('alice', 'pw', 'read'));
    const { server, socketPath } = await startBoth(lifetime, files, { auth_file });
    await resetBehind(server.port, 320, [`Authorization: ${basic('alice', 'wrong')}`]);
    for (let i = 0; i < 10; i++) {
      expect(await withoutAddress(server, { Authorization: basic('alice', `${i}`) })).toStrictEqual([403, 0]);
    }
    expect(await statusOfLocal(socketPath, basic('alice', 'pw'))).toBe(200);
  });
});
