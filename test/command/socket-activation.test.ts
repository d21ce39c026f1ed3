// Listen sockets that a service manager hands over: served by, told apart, and kept over a restart.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { checkout, command, Daemon, type LogLine, mi } from '../support/daemon.js';
import { freePort } from '../support/free-port.js';
import { count } from '../support/long.js';
import { RawClient } from '../support/raw-client.js';
import { lacksManager, SocketManager } from '../support/service-manager.js';
import { test } from '../support/test.js';
import { served } from '../support/tls-client.js';
import { unless } from '../support/unless.js';

const local = ['127.0.0.1', 0] as const;

function config(listeners: readonly string[], ...parameters: readonly string[]): string {
  const lines = [...listeners.map((text) => `"listen", "${text}"`), ...parameters];
  const set = lines.map((line) => `modparam("httpd", ${line})\n`).join('');
  return `loadmodule "httpd.so"\n${set}loadmodule "mi_http.so"\n`;
}

/** The same with each listener on an engine. */
function configOf(engine: string, listeners: readonly string[], ...parameters: readonly string[]): string {
  return config(
    listeners.map((text) => `${text};engine=${engine}`),
    ...parameters,
  );
}

/** Calls `version`; gives the status, or throws what the connection ends by. */
async function call(target: { port?: number; socketPath?: string }, agent: Agent | false = false): Promise<number> {
  const body = '{"jsonrpc":"2.0","id":1,"method":"version"}';
  for (;;) {
    const sent = request({
      ...target,
      path: '/mi',
      method: 'POST',
      agent,
      headers: { 'Content-Type': 'application/json' },
    });
    sent.end(body);
    try {
      const [response] = await once(sent, 'response');
      let text = '';
      for await (const piece of response.setEncoding('utf8')) text += piece;
      if (response.statusCode === 200) expect(JSON.parse(text)).toMatchObject({ id: 1 });
      return response.statusCode;
    } catch (error) {
      // The end of an idle connection crosses the next request on it: every client of HTTP/1.1 tries once more.
      if (!sent.reusedSocket) throw error;
    }
  }
}

for (const engine of ['uws', 'node'] as const) {
  unless(lacksManager, describe)(`sockets of the service manager, served by ${engine}`, { concurrent: true }, () => {
    test('are served where a listener has their address, by TCP and by a Unix socket', async ({
      lifetime,
      temporaryFiles,
    }) => {
      const folder = temporaryFiles({});
      const path = join(folder, 'mi.sock');
      const cfg = join(
        temporaryFiles({ 'a.cfg': configOf(engine, ['http:127.0.0.1:0;socket=mi', `unix:${path}`]) }),
        'a.cfg',
      );
      const units = [
        { name: 'mi', address: local },
        { name: 'local', path, mode: 0o600 },
      ];
      const manager = new SocketManager(lifetime, units, ['-f', cfg]);
      const [port = 0] = await manager.ports();
      await manager.line(/serving http:\/\/unix:/);
      expect(manager.lines.join('\n')).toContain(`"url":"http://127.0.0.1:${port}/mi"`);
      expect(await call({ port })).toBe(200);
      expect(await call({ socketPath: path })).toBe(200);
      manager.signal('SIGHUP');
      await manager.line(/serving http:\/\/unix:/, 2);
      // The file is that of the manager, and stays.
      expect(await call({ socketPath: path })).toBe(200);
      manager.signal('SIGTERM');
      expect((await manager.ended).status).toBe(0);
    });

    test('serve TLS, and certificates that are read again', async ({ lifetime, temporaryFiles, files }) => {
      const { certFile, keyFile } = files.make('one.example', { key: 'ec' });
      const listener = `https:127.0.0.1:0;socket=mi;cert=${certFile};key=${keyFile}`;
      const cfg = join(temporaryFiles({ 'a.cfg': configOf(engine, [listener]) }), 'a.cfg');
      const manager = new SocketManager(lifetime, [{ name: 'mi', address: local }], ['-f', cfg]);
      const [port = 0] = await manager.ports();
      const line = await manager.line(/serving https:/);
      expect(await served(port, '/healthz')).toBe('one.example');
      const next = files.make('two.example', { key: 'ec' });
      copyFileSync(next.certFile, certFile);
      copyFileSync(next.keyFile, keyFile);
      process.kill((JSON.parse(line) as LogLine).pid, 'SIGHUP');
      await expect.poll(() => served(port, '/healthz')).toBe('two.example');
      manager.signal('SIGTERM');
      expect((await manager.ended).status).toBe(0);
    });

    test('have the limits of the server', async ({ lifetime, temporaryFiles }) => {
      const text = configOf(engine, ['http:127.0.0.1:0;socket=mi'], '"max_connections", 2');
      const cfg = join(temporaryFiles({ 'a.cfg': text }), 'a.cfg');
      const manager = new SocketManager(lifetime, [{ name: 'mi', address: local }], ['-f', cfg]);
      const [port = 0] = await manager.ports();
      await manager.line(/serving http:/);
      const agent = new Agent({ keepAlive: true });
      lifetime.onTestFinished(() => agent.destroy());
      const held = connect(port, '127.0.0.1');
      lifetime.onTestFinished(() => held.destroy());
      await once(held, 'connect');
      expect(await call({ port }, agent)).toBe(200);
      expect(await call({ port })).toBe(503);
      manager.signal('SIGTERM');
      expect((await manager.ended).status).toBe(0);
    });

    test('a connection that came before the stop has its first request answered, an idle one its next', async ({
      lifetime,
      temporaryFiles,
    }) => {
      const cfg = join(temporaryFiles({ 'a.cfg': configOf(engine, ['http:127.0.0.1:0;socket=mi']) }), 'a.cfg');
      const manager = new SocketManager(lifetime, [{ name: 'mi', address: local }], ['-f', cfg]);
      const [port = 0] = await manager.ports();
      await manager.line(/serving http:/);
      const [fresh, idle] = await Promise.all([RawClient.connect(port), RawClient.connect(port)]);
      for (const client of [fresh, idle]) lifetime.onTestFinished(() => client.kill());
      expect((await idle.ask('GET', '/healthz')).status).toBe(200);
      manager.signal('SIGHUP');
      await manager.line(/finishing what runs/);
      for (const client of [fresh, idle]) client.request('GET', '/healthz');
      for (const client of [fresh, idle]) {
        const { status, headers } = await client.response();
        expect([status, headers.get('connection')]).toStrictEqual([200, 'close']);
        await client.closed;
      }
      await manager.line(/serving http:/, 2);
      manager.signal('SIGTERM');
      expect((await manager.ended).status).toBe(0);
    });

    test('requests meet no gap while the server is restarted', async ({ lifetime, temporaryFiles }) => {
      const path = join(temporaryFiles({}), 'mi.sock');
      const text = configOf(engine, ['http:127.0.0.1:0;socket=mi', `unix:${path}`]);
      const cfg = join(temporaryFiles({ 'a.cfg': text }), 'a.cfg');
      const units = [
        { name: 'mi', address: local },
        { name: 'local', path },
      ];
      const manager = new SocketManager(lifetime, units, ['-f', cfg]);
      const [port = 0] = await manager.ports();
      await manager.line(/serving http:\/\/unix:/);
      const agent = new Agent({ keepAlive: true });
      lifetime.onTestFinished(() => agent.destroy());
      const ways = [
        () => call({ port }),
        () => call({ port }),
        () => call({ socketPath: path }),
        () => call({ port }, agent),
      ];
      const results = new Map<string, number>();
      let isOver = false;
      const clients = ways.map(async (way) => {
        while (!isOver) {
          const result = await way().catch((error: NodeJS.ErrnoException) => error.code ?? error.message);
          results.set(String(result), (results.get(String(result)) ?? 0) + 1);
        }
      });
      const restarts = count(3, 30);
      for (let nth = 2; nth <= restarts + 1; nth++) {
        manager.signal('SIGHUP');
        await manager.line(/serving http:\/\/unix:/, nth);
        for (let i = 0; i < 50; i++) expect(await call({ port })).toBe(200);
      }
      isOver = true;
      await Promise.all(clients);
      expect([...results.keys()]).toStrictEqual(['200']);
      expect(manager.lines.filter((line) => line === 'ended 0').length).toBe(restarts);
      manager.signal('SIGTERM');
      expect((await manager.ended).status).toBe(0);
    });
  });
}

unless(lacksManager, describe)('sockets of the service manager', { concurrent: true }, () => {
  for (const [address, ip] of [
    ['127.0.0.1', '127.0.0.1'],
    ['0.0.0.0', '*'],
    ['::', '*'],
    ['::1', '0:0:0:0:0:0:0:1'],
  ] as const) {
    test(`are those of ip ${ip} and port, at ${address}`, async ({ lifetime, temporaryFiles }) => {
      const cfg = join(temporaryFiles({ 'a.cfg': config([], '"allow_unauthenticated", 1') }), 'a.cfg');
      const args = ['-f', cfg, '-l', ip, '-p', 'PORT'];
      const manager = new SocketManager(lifetime, [{ address: [address, 0] }], args);
      const [port = 0] = await manager.ports();
      await manager.line(/serving http:/);
      const host = address.includes(':') ? '[::1]' : '127.0.0.1';
      expect((await mi(`http://${host}:${port}/mi`, 'version')).status).toBe(200);
      manager.signal('SIGTERM');
      expect((await manager.ended).status).toBe(0);
    });
  }

  test('are no business of a process that they are not for', async ({ lifetime }) => {
    const args = ['-f', join(checkout, 'mi-httpd.cfg'), '-l', '127.0.0.1', '-p', '0'];
    const manager = new SocketManager(lifetime, [{ address: local }], args, { LISTEN_PID: '1' });
    const [port] = await manager.ports();
    const line = await manager.line(/serving http:/);
    expect(line).not.toContain(`:${port}/`);
    manager.signal('SIGTERM');
    expect((await manager.ended).status).toBe(0);
  });

  for (const [what, units, listeners, reason] of [
    [
      'a socket that no listener has',
      [{ name: 'mi.socket', address: local }],
      ['http:127.0.0.1:8888', 'unix:/run/nowhere/mi.sock'],
      /socket "mi\.socket" at 127\.0\.0\.1:\d+, and no listener is there \(http:127\.0\.0\.1:8888, unix:\/run\/nowhere/,
    ],
    [
      'a socket without a name that no listener has',
      [{ address: local }],
      ['http:127.0.0.1:8888;socket=mi'],
      /socket "unknown" at 127\.0\.0\.1:\d+, and no listener is there/,
    ],
    [
      'a socket of the right name at another address',
      [{ name: 'mi', address: ['0.0.0.0', 0] }],
      ['http:127.0.0.1:0;socket=mi'],
      /socket "mi" at 0\.0\.0\.0:\d+, and the listener that asks for it is http:127\.0\.0\.1:0/,
    ],
    [
      'a socket of datagrams',
      [{ name: 'mi', address: local, isDatagram: true }],
      ['http:127.0.0.1:0;socket=mi'],
      /socket "mi" of the service manager, descriptor 3, cannot be listened on: it takes no connections/,
    ],
  ] as const) {
    test(`${what} is an error that names both`, async ({ lifetime, temporaryFiles }) => {
      const cfg = join(temporaryFiles({ 'a.cfg': config(listeners) }), 'a.cfg');
      const { status, stderr, stdout } = await new SocketManager(lifetime, units, ['-f', cfg]).ended;
      expect(stderr).toMatch(reason);
      expect(status).not.toBe(0);
      expect(stdout).not.toMatch(/serving/);
    });
  }

  test('a socket that a listener asks for and that is not there is an error, a low port is good for -c', async ({
    runCommand,
    temporaryFiles,
  }) => {
    const cfg = join(temporaryFiles({ 'a.cfg': config(['http:127.0.0.1:80;socket=mi.socket']) }), 'a.cfg');
    expect(await runCommand(['-c', '-f', cfg])).toMatchObject({ status: 0, stderr: '' });
    expect(await runCommand(['-f', cfg])).toRefuse(
      /cannot listen on http:127\.0\.0\.1:80: the service manager hands over no socket "mi\.socket"; .*;socket=mi\.socket out/,
    );
  });

  test('a Unix socket that more users may connect to than the listener says is refused', async ({
    lifetime,
    temporaryFiles,
  }) => {
    const path = join(temporaryFiles({}), 'mi.sock');
    const cfg = join(temporaryFiles({ 'a.cfg': config([`unix:${path}`]) }), 'a.cfg');
    const { status, stderr } = await new SocketManager(lifetime, [{ path, mode: 0o666 }], ['-f', cfg]).ended;
    expect(stderr).toMatch(/has mode 0666, and the listener 0660: set SocketMode=0660 .*, or ;mode=0666/);
    expect(status).toBe(1);
  });

  test('a Unix socket whose file has gone is an error that tells why', async ({ lifetime, temporaryFiles }) => {
    const path = join(temporaryFiles({}), 'mi.sock');
    const cfg = join(temporaryFiles({ 'a.cfg': config([`unix:${path}`]) }), 'a.cfg');
    const manager = new SocketManager(lifetime, [{ path }], ['-f', cfg]);
    await manager.line(/serving http:/);
    rmSync(path);
    manager.signal('SIGHUP');
    const { status, stderr } = await manager.ended;
    expect(stderr).toMatch(/hands over its socket, but the file is gone; .*RuntimeDirectoryPreserve=yes/);
    expect(status).toBe(1);
  });
});

const lacksActivator =
  spawnSync('systemd-socket-activate', ['--version']).status === 0 ? false : 'systemd-socket-activate is not installed';

unless(lacksActivator, describe)('systemd-socket-activate', () => {
  for (const named of [true, false]) {
    test(`starts the server with the first connection, ${named ? 'by name' : 'by address'}`, async ({
      lifetime,
      temporaryFiles,
    }) => {
      const port = await freePort();
      const listener = `http:127.0.0.1:${port}${named ? ';socket=mi' : ''}`;
      const cfg = join(temporaryFiles({ 'a.cfg': config([listener]) }), 'a.cfg');
      const name = named ? ['--fdname=mi'] : [];
      const args = ['-l', `127.0.0.1:${port}`, ...name, process.execPath, command, '-f', cfg];
      const daemon = new Daemon(lifetime, 'systemd-socket-activate', args);
      await expect.poll(() => call({ port }).catch(() => 0)).toBe(200);
      await daemon.line(new RegExp(`serving http://127.0.0.1:${port}/mi`));
      daemon.signal('SIGTERM');
      expect((await daemon.ended).status).toBe(0);
    });
  }
});
