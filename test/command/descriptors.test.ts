// A process that has no descriptors left does not spin, goes on serving who is connected, tells the others, and takes them
// again later.
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, readdirSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect } from 'vitest';
import { type Daemon, startDaemon } from '../support/daemon.js';
import type { Lifetime } from '../support/lifetime.js';
import { processorTime } from '../support/processor-time.js';
import { test } from '../support/test.js';
import { served } from '../support/tls-client.js';
import { noOpenssl, TlsFiles } from '../support/tls-files.js';
import { unless } from '../support/unless.js';

const skip = process.platform === 'linux' ? false : 'only Linux tells of descriptors';
const noPrlimit = skip || (spawnSync('prlimit', ['--version']).status === 0 ? false : 'the command prlimit is missing');
const noTools = noPrlimit || noOpenssl;

/** Share of a processor that a server may use which nobody asks anything. One that spins uses nearly all. */
const mostUsed = 0.15;

const modules = (...names: string[]): string => names.map((name) => `loadmodule "${name}.so"\n`).join('');
const eventModules = modules('httpd', 'mi_http', 'event_jsonrpc');
const event = 'E_CORE_SR_STATUS_CHANGED';

/** A server with so many open files at most. */
function startLimited(t: Lifetime, most: number, input = eventModules): Promise<Daemon> {
  const through = ['sh', ['-c', `ulimit -n ${most}; exec "$0" "$@"`, process.execPath]] as const;
  return startDaemon(t, ['-f', '-', '-l', '127.0.0.1', '-p', '0'], { input, through });
}

interface Answer {
  readonly status: number | undefined;
  readonly text: string;
}

interface Call {
  readonly method: string;
  readonly params?: readonly unknown[];
  /** Keeps a connection; left out, the call has its own. */
  readonly agent?: Agent;
}

/** @param to a port, or the path of a Unix socket */
async function call(to: number | string, asked: Call): Promise<Answer> {
  const { method, params = [], agent = false } = asked;
  const headers = { 'Content-Type': 'application/json', Host: 'localhost' };
  const place = typeof to === 'string' ? { socketPath: to } : { host: '127.0.0.1', port: to };
  const sent = request({ ...place, path: '/mi', method: 'POST', headers, agent });
  sent.end(JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 }));
  const [response] = await once(sent, 'response');
  let text = '';
  for await (const piece of response) text += piece;
  return { status: response.statusCode, text };
}

function keptConnection(t: Lifetime): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.onTestFinished(() => agent.destroy());
  return agent;
}

/** Nobody asks anything for a while, and next to nothing is used. */
async function assertIdle({ child: { pid = 0 } }: Daemon): Promise<void> {
  const before = processorTime(pid);
  const from = performance.now();
  await pause(2000);
  const used = (processorTime(pid) - before) / ((performance.now() - from) / 1000);
  expect(used, `${used} of a processor`).toBeLessThan(mostUsed);
}

/** From now on a process has so many open files at most. */
function limitTo({ child }: Daemon, most: number): void {
  execFileSync('prlimit', ['--pid', String(child.pid), `--nofile=${most}:`]);
}

/** The port of a server that accepts subscribers' connections, which are added to `open`, and closed after the test. */
async function receive(t: Lifetime, open: Socket[]): Promise<number> {
  const receiver = createServer((socket) => open.push(socket.on('error', () => {}))).listen(0, '0.0.0.0');
  await once(receiver, 'listening');
  t.onTestFinished(() => {
    receiver.close();
    for (const socket of open) socket.destroy();
  });
  return (receiver.address() as { port: number }).port;
}

/** Opens connections until they are accepted or refused, one after the other. */
async function flood(port: number, count: number, open: Socket[]): Promise<void> {
  for (let at = 0; at < count; at++) {
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    open.push(socket);
    await Promise.race([once(socket, 'connect'), once(socket, 'close'), pause(50)]);
  }
}

/** Whatever opens a connection, until it is served. */
async function servedAgain(ask: () => Promise<unknown>): Promise<void> {
  await expect.poll(() => ask().then(() => true)).toBe(true);
}

/** Told at once, and closed: nothing is sent, which would fail. */
async function assertRefused(to: number | string): Promise<void> {
  const socket = typeof to === 'string' ? connect(to) : connect(to, '127.0.0.1');
  let text = '';
  for await (const bytes of socket.setEncoding('utf8')) text += bytes;
  expect(text).toMatch(/^HTTP\/1\.1 503 .*no file can be opened any more/s);
}

/** The lowest descriptor that is not open: what the next file would be. */
function nextDescriptor({ child: { pid } }: Daemon): number {
  const open = new Set(readdirSync(`/proc/${pid}/fd`).map(Number));
  let next = 0;
  while (open.has(next)) next++;
  return next;
}

unless(skip, describe)('descriptors', () => {
  for (const subscribers of [90, 100]) {
    unless(noPrlimit, test)(
      `${subscribers} subscribers and clients that use them up do not make the server spin`,
      async ({ lifetime }) => {
        const server = await startLimited(lifetime, 1024);
        const open: Socket[] = [];
        const port = await receive(lifetime, open);
        const agent = keptConnection(lifetime);
        for (let at = 1; at <= subscribers; at++) {
          const params = [event, `jsonrpc:127.1.0.${at}:${port}`, 600];
          expect((await call(server.port, { method: 'event_subscribe', params, agent })).text).toMatch(/"result":"OK"/);
        }
        limitTo(server, 128);
        await call(server.port, { method: 'raise_event', params: [event, ['x']], agent });
        await flood(server.port, 100, open);
        // Clients are not accepted any more, or refused: what spins does so now.
        await server.line(/no file can be opened any more/);
        await pause(1100);
        await assertIdle(server);
        expect((await call(server.port, { method: 'pwd', agent })).text, 'who is connected is served').toMatch(
          /"result"/,
        );
        await assertRefused(server.port);
        for (const socket of open) socket.destroy();
        await servedAgain(async () => expect((await call(server.port, { method: 'pwd' })).status).toBe(200));
      },
    );
  }

  /** With a listener of each kind, and a limit that is lowered to what is open. */
  async function startShort(t: Lifetime) {
    const files = new TlsFiles(t);
    const [one, two] = [files.make('one'), files.make('two')];
    const [cert, key, path] = [files.path('live.pem'), files.path('live.key'), files.path('mi.sock')];
    const use = ({ certFile, keyFile }: typeof one): void => {
      copyFileSync(certFile, cert);
      copyFileSync(keyFile, key);
    };
    use(one);
    const listen = ['http:127.0.0.1:0', `https:127.0.0.1:0;cert=${cert};key=${key}`, `unix:${path}`];
    const input = `${modules('httpd')}${listen.map((value) => `modparam("httpd", "listen", "${value}")\n`).join('')}${modules('mi_http')}`;
    const server = await startDaemon(t, ['-f', '-'], { input });
    const secure = Number(/:(\d+)\/mi/.exec(await server.line(/serving https:/))?.[1]);
    const agent = keptConnection(t);
    await call(server.port, { method: 'pwd', agent });
    const limit = (most: number): void => limitTo(server, most);
    limit(nextDescriptor(server));
    // Accepting these fails over and over.
    const waiting = ['', '', ''].map(() => connect(server.port, '127.0.0.1').on('error', () => {}));
    t.onTestFinished(() => waiting.map((socket) => socket.destroy()));
    await server.line(/no file can be opened any more.*: new connections are refused/);
    return { server, secure, agent, unix: path, limit, use, two };
  }

  unless(noTools, test)(
    'a limit that is lowered later leaves every listener answering, and takes nothing for good',
    async ({ lifetime }) => {
      const { server, secure, agent, unix, limit, use, two } = await startShort(lifetime);
      await assertIdle(server);
      expect((await call(server.port, { method: 'pwd', agent })).text, 'who is connected is served').toMatch(
        /"result"/,
      );
      await assertRefused(server.port);
      await assertRefused(unix);
      await expect(served(secure, '/healthz'), 'before its handshake nothing can be told by TLS').rejects.toThrow();
      use(two);
      server.signal('SIGHUP');
      await server.line(/keeps its former certificate|get the new certificate/);
      await assertIdle(server);
      limit(1024);
      await server.line(/files can be opened again/);
      expect((await call(server.port, { method: 'pwd' })).status).toBe(200);
      expect((await call(unix, { method: 'pwd' })).status).toBe(200);
      server.signal('SIGHUP');
      await servedAgain(async () => expect(await served(secure, '/healthz')).toBe('two'));
    },
  );

  unless(noTools, test)('a server without descriptors stops when it is told to', async ({ lifetime }) => {
    const { server } = await startShort(lifetime);
    server.signal('SIGTERM');
    expect((await server.ended).status).toBe(0);
  });

  test('the limit of connections leaves event modules theirs', async ({ lifetime }) => {
    const server = await startLimited(lifetime, 512);
    await server.line(/max_connections 10000 lowered to 348: the limit of open files is 512/);
  });

  test('subscribers beyond what a low limit leaves them are refused, and clients never reach the limit', async ({
    files,
    startDaemon,
    lifetime,
  }) => {
    const path = files.path('mi.sock');
    const listen = ['http:127.0.0.1:0', `unix:${path}`].map((value) => `modparam("httpd", "listen", "${value}")\n`);
    const set = `${listen.join('')}modparam("httpd", "max_connections", 400)\n`;
    const through = ['sh', ['-c', 'ulimit -n 160; exec "$0" "$@"', process.execPath]] as const;
    const input = `${modules('httpd', 'mi_http', 'event_stream')}${set}`;
    const server = await startDaemon(['-f', '-'], { input, through });
    await server.line(/max_connections 400 lowered to 32: the limit of open files is 160/);
    const open: Socket[] = [];
    const port = await receive(lifetime, open);
    const agent = keptConnection(lifetime);
    const answers: string[] = [];
    for (let at = 1; at <= 95; at++) {
      const params = [event, `tcp:127.1.0.${at}:${port}`, 600];
      answers.push((await call(server.port, { method: 'event_subscribe', params, agent })).text);
    }
    expect(answers.filter((text) => text.includes('"result":"OK"')).length).toBe(32);
    for (const text of answers.slice(32)) expect(text).toMatch(/"code":500,.*limit of open files.*ulimit -n/);
    await call(server.port, { method: 'raise_event', params: [event, ['x']], agent });
    await expect.poll(() => open.length).toBeGreaterThanOrEqual(32);
    await flood(server.port, 200, open);
    expect((await call(path, { method: 'pwd' })).status).toBe(200);
    await pause(1100);
    expect(server.lines.join('\n')).not.toMatch(/no file can be opened/);
  });
});
