import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect } from 'vitest';
import { HttpServer } from '#src/http/server.js';
import { engineName } from '../support/engine.js';
import { options, root } from '../support/http-server.js';
import { ask, RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

test('a port that another program has is told by name', async ({ onTestFinished }) => {
  const other = createServer();
  other.listen(0, '127.0.0.1');
  await once(other, 'listening');
  onTestFinished(() => void other.close());
  const { port } = other.address() as { port: number };
  const server = new HttpServer(options({ port }));
  await expect(server.start()).rejects.toThrow(
    expect.toSatisfy((error: NodeJS.ErrnoException) => {
      expect(error.code).toBe('EADDRINUSE');
      expect(error.message).toBe(
        `cannot listen on 127.0.0.1:${port}: the port is in use; stop what listens there, or choose another port (EADDRINUSE)`,
      );
      return true;
    }),
  );
});

test('two servers never share a port, whichever addresses they take', async ({ start }) => {
  for (const [first, second] of [
    ['127.0.0.1', '127.0.0.1'],
    ['*', '*'],
    ['*', '127.0.0.1'],
    ['127.0.0.1', '*'],
    ['::1', '*'],
  ] as const) {
    const { port } = await start([root()], { ip: first });
    const server = new HttpServer(options({ ip: second, port }));
    await expect(server.start(), `${first} and ${second}`).rejects.toThrow(
      expect.objectContaining({ code: 'EADDRINUSE' }),
    );
  }
});

test('addresses and ports that are none are refused', async () => {
  for (const port of [70_000, 65_536, -1, 1.5, Number.NaN]) {
    await expect(new HttpServer(options({ port })).start()).rejects.toThrow(/is not an integer from 0 to 65535/);
  }
  for (const ip of ['localhost', '1.2.3', '256.1.1.1', ':::', 'a b', '[::1]']) {
    await expect(new HttpServer(options({ ip })).start()).rejects.toThrow(/is neither an IPv4 nor an IPv6 address/);
  }
  await expect(new HttpServer(options({ ip: '192.0.2.1', port: 18_888 })).start()).rejects.toThrow(
    expect.toSatisfy((error: Error) => {
      expect(error.message).toMatch(
        /^cannot listen on 192\.0\.2\.1:18888: the address is not one of this machine.*EADDRNOTAVAIL/,
      );
      return true;
    }),
  );
});

unless(process.getuid?.() === 0, test)('a privileged port without permission is told', async () => {
  await expect(new HttpServer(options({ port: 80 })).start()).rejects.toThrow(
    expect.objectContaining({ code: 'EACCES' }),
  );
});

test('all addresses means both families, and one means one', async ({ start }) => {
  for (const ip of ['', '*'] as const) {
    const { server, port } = await start(
      [root({ onRequest: (exchange) => void exchange.reply(200, exchange.remoteAddress) })],
      { ip },
    );
    for (const host of ['127.0.0.1', '::1']) {
      const client = await RawClient.connect(port, host);
      expect((await client.ask('GET', '/t')).text).toBe(host);
      client.close();
    }
    expect(server.bound).toBe(`*:${port}`);
    expect(server.urls).toStrictEqual([`http://127.0.0.1:${port}`]);
    expect(server.exposed.length).toBe(1);
  }
  const { server, port } = await start([root()], { ip: '::1' });
  expect(server.bound).toBe(`[::1]:${port}`);
  expect(server.urls).toStrictEqual([`http://[::1]:${port}`]);
  expect(server.exposed.length).toBe(0);
  expect(server.engine).toMatch(engineName);
  await expect(RawClient.connect(port, '127.0.0.1')).rejects.toThrow();
});

test('several servers in one process do not mix', async ({ start }) => {
  const servers = await Promise.all(
    ['one', 'two', 'three'].map((name) => start([root({ onRequest: (exchange) => void exchange.reply(200, name) })])),
  );
  for (const [index, name] of ['one', 'two', 'three'].entries()) {
    const test = servers[index];
    expect((await ask(test?.port ?? 0, 'GET', '/t')).text).toBe(name);
    expect(test?.counter('requests')).toBe(1);
  }
});

test('connections up to the limit are served, the next is closed on arrival', async ({ start }) => {
  const { port, server, counter, until } = await start([root()], { maxConnections: 3 });
  const clients = [];
  for (let i = 0; i < 3; i++) {
    const client = await RawClient.connect(port);
    expect((await client.ask('GET', '/t')).text).toBe('ok');
    clients.push(client);
  }
  const fourth = await RawClient.connect(port);
  fourth.request('GET', '/t');
  expect((await fourth.rest()).toString()).toMatch(
    /^HTTP\/1.1 503 .*\r\n\r\n3 connections are open, the limit max_connections/s,
  );
  await until(() => counter('refused_connections') === 1 && counter('connections') === 3);
  expect(server.openConnections).toBe(3);
  clients[0]?.close();
  await until(() => server.openConnections === 2);
  expect((await ask(port, 'GET', '/t')).text).toBe('ok');
  for (const client of clients) client.close();
});

test('a connection too many is refused with the headers that every refusal has', async ({ start }) => {
  const { port } = await start([root()], { maxConnections: 1 });
  const first = await RawClient.connect(port);
  await first.ask('GET', '/t');
  const second = await RawClient.connect(port);
  const refusal = await second.response();
  const other = await first.ask('GET', '/none', undefined, ['Connection: close']);
  expect(other.status).toBe(404);
  const lasting = new Map([...other.headers].filter(([name]) => name !== 'date' && name !== 'content-length'));
  expect(Object.fromEntries(refusal.headers)).toMatchObject({ ...Object.fromEntries(lasting), 'retry-after': '1' });
  expect([...refusal.headers.keys()].sort()).toStrictEqual([...other.headers.keys(), 'retry-after'].sort());
  expect(refusal.text).toBe('1 connections are open, the limit max_connections; try again later\n');
});

test('a limit of connections above that of open files is lowered', async ({ start }) => {
  const { log } = await start([root()], { maxConnections: 1e9 });
  if (process.platform === 'linux')
    expect(log[0]?.message ?? '').toMatch(/max_connections 1000000000 lowered to \d+: the limit of open files is/);
});

test('a port is free again at once after close', async ({ start }) => {
  const finder = createServer().listen(0, '127.0.0.1');
  await once(finder, 'listening');
  const { port } = finder.address() as { port: number };
  finder.close();
  await once(finder, 'close');
  const first = await start([root()], { port });
  expect(first.port).toBe(port);
  const client = await RawClient.connect(first.port);
  await client.ask('GET', '/t');
  // The server closes first, so that the system keeps the connection in TIME_WAIT on its side.
  first.server.close();
  await client.closed;
  const second = await start([root()], { port: first.port });
  expect((await ask(second.port, 'GET', '/t')).text).toBe('ok');
});
