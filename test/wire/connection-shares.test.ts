// No address takes the connections of all others: not one that is not allowed, and not one that is.
import { once } from 'node:events';
import { request } from 'node:http';
import { request as requestTls } from 'node:https';
import { connect, type Socket } from 'node:net';
import { describe, expect } from 'vitest';
import { createServer, type Server, type ServerOptions } from '#src/index.js';
import type { Lifetime } from '../support/lifetime.js';
import { silentLog } from '../support/log.js';
import { test } from '../support/test.js';
import { noOpenssl, TlsFiles } from '../support/tls-files.js';
import { unless } from '../support/unless.js';

interface Started {
  readonly server: Server;
  readonly socketPath: string;
  readonly warnings: readonly string[];
}

async function start(t: Lifetime, httpd: NonNullable<ServerOptions['httpd']>, options = ''): Promise<Started> {
  const socketPath = new TlsFiles(t).path('mi.sock');
  const warnings: string[] = [];
  const warn = (_: object, text: string): void => void warnings.push(text);
  const server = createServer({
    httpd: { ...httpd, listen: [`http:127.0.0.1:0${options}`, `unix:${socketPath}`] },
    log: { ...silentLog, warn, error: warn },
  });
  await server.start();
  t.onTestFinished(() => server.close({ deadline: 0 }));
  return { server, socketPath, warnings };
}

/** Connections that send nothing, from one address; those that the server does not close. */
async function idle(t: Lifetime, { server }: Started, count: number, localAddress: string): Promise<Set<Socket>> {
  const open = new Set<Socket>();
  t.onTestFinished(() => {
    for (const socket of open) socket.destroy();
  });
  for (let made = 0; made < count; made++) {
    const socket = connect({ host: '127.0.0.1', port: server.port, localAddress });
    socket.on('error', () => {});
    socket.on('close', () => open.delete(socket));
    open.add(socket);
    await once(socket, 'connect');
    socket.resume();
  }
  return open;
}

async function status(where: object): Promise<number> {
  const sent = request({ path: '/healthz', agent: false, ...where });
  sent.end();
  const [response] = await once(sent, 'response');
  response.resume();
  return response.statusCode;
}

unless(process.platform !== 'linux', describe)('connections of one address', () => {
  test('that is not allowed fill nothing, and the first of them are told why', async ({ lifetime }) => {
    const started = await start(lifetime, { max_connections: 40 }, ';allow=127.0.0.2');
    const { server, socketPath } = started;
    const from = (localAddress: string): object => ({ host: '127.0.0.1', port: server.port, localAddress });
    for (let asked = 0; asked < 50; asked++) expect(await status(from('127.0.0.1'))).toBe(403);
    await idle(lifetime, started, 200, '127.0.0.1');
    expect(await status(from('127.0.0.2'))).toBe(200);
    expect(await status({ socketPath })).toBe(200);
  });

  test('that fills its share leaves room to others, and gets in again when it has left', async ({ lifetime }) => {
    const started = await start(lifetime, { max_connections: 400, max_connections_address: 80 });
    const { server, socketPath } = started;
    const from = (localAddress: string): object => ({ host: '127.0.0.1', port: server.port, localAddress });
    const open = await idle(lifetime, started, 300, '127.0.0.1');
    expect(await status(from('127.0.0.1'))).toBe(503);
    expect(open.size >= 60 && open.size <= 110, `${open.size} are open`).toBe(true);
    expect(await status(from('127.0.0.2'))).toBe(200);
    expect(await status({ socketPath })).toBe(200);
    // One line tells of all of them.
    expect(started.warnings).toStrictEqual([
      expect.stringMatching(/^connections are refused: 80 connections from one address are open, .*counts them$/),
    ]);
    for (const socket of open) socket.destroy();
    await expect.poll(() => status(from('127.0.0.1'))).toBe(200);
  });

  test('or of many leave room to the Unix socket, and are told why', async ({ lifetime }) => {
    const started = await start(lifetime, { max_connections: 20 });
    await idle(lifetime, started, 40, '127.0.0.1');
    const { server, socketPath } = started;
    expect(await status({ host: '127.0.0.1', port: server.port })).toBe(503);
    expect(await status({ socketPath })).toBe(200);
  });

  test('that come and go are not counted as if they stayed', async ({ lifetime }) => {
    const started = await start(lifetime, { max_connections: 400, max_connections_address: 40 });
    const others = await idle(lifetime, started, 30, '127.0.0.3');
    const { server } = started;
    for (let asked = 0; asked < 200; asked++) {
      expect(await status({ host: '127.0.0.1', port: server.port, localAddress: '127.0.0.2' })).toBe(200);
    }
    expect(others.size).toBe(30);
  });
});

unless(process.platform !== 'linux' || noOpenssl, describe)('connections of one address by TLS', () => {
  async function startTls(t: Lifetime, httpd: NonNullable<ServerOptions['httpd']>, options = ''): Promise<Started> {
    const files = new TlsFiles(t);
    const { certFile, keyFile } = files.make('server', { key: 'ec' });
    const listen = [`https:127.0.0.1:0;cert=${certFile};key=${keyFile}${options}`];
    const server = createServer({ httpd: { ...httpd, listen } });
    await server.start();
    t.onTestFinished(() => server.close({ deadline: 0 }));
    return { server, socketPath: '', warnings: [] };
  }

  /** 0: closed without a word, as no reply can be given before the handshake. */
  async function statusTls({ server: { port } }: Started, localAddress: string): Promise<number> {
    const where = { host: '127.0.0.1', port, localAddress, rejectUnauthorized: false };
    const sent = requestTls({ path: '/healthz', agent: false, ...where });
    sent.end();
    try {
      const [response] = await once(sent, 'response');
      response.resume();
      return response.statusCode;
    } catch {
      return 0;
    }
  }

  test('that fills its share before any handshake leaves room to others, and gets in again when it has left', async ({
    lifetime,
  }) => {
    const started = await startTls(lifetime, { max_connections: 400, max_connections_address: 80 });
    const open = await idle(lifetime, started, 300, '127.0.0.1');
    expect(await statusTls(started, '127.0.0.1')).toBe(0);
    expect(open.size >= 60 && open.size <= 110, `${open.size} are open`).toBe(true);
    expect(await statusTls(started, '127.0.0.2')).toBe(200);
    for (const socket of open) socket.destroy();
    await expect.poll(() => statusTls(started, '127.0.0.1')).toBe(200);
  });

  test('that is not allowed, and leaves before its handshake, fills nothing, and is told why when it asks', async ({
    lifetime,
  }) => {
    const started = await startTls(lifetime, { max_connections: 40 }, ';allow=127.0.0.2');
    for (let round = 0; round < 5; round++) {
      const open = await idle(lifetime, started, 10, '127.0.0.1');
      const closed = [...open].map((socket) => once(socket, 'close'));
      for (const socket of open) socket.destroy();
      await Promise.all(closed);
      expect(await statusTls(started, '127.0.0.1')).toBe(403);
    }
    await idle(lifetime, started, 200, '127.0.0.1');
    expect(await statusTls(started, '127.0.0.2')).toBe(200);
  });
});
