import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'vitest';
import { HttpServer } from '#src/http/server.js';
import { options, root, start } from '../support/http-server.js';
import { ask, RawClient } from '../support/raw-client.js';
import { unless } from '../support/unless.js';

test('a port that another program has is told by name', async (t) => {
  const other = createServer();
  other.listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.onTestFinished(() => void other.close());
  const { port } = other.address() as { port: number };
  const server = new HttpServer(options({ port }));
  await assert.rejects(server.start(), (error: NodeJS.ErrnoException) => {
    assert.equal(error.code, 'EADDRINUSE');
    assert.equal(
      error.message,
      `cannot listen on 127.0.0.1:${port}: the port is in use; stop what listens there, or choose another port (EADDRINUSE)`,
    );
    return true;
  });
});

test('two servers never share a port, whichever addresses they take', async (t) => {
  for (const [first, second] of [
    ['127.0.0.1', '127.0.0.1'],
    ['*', '*'],
    ['*', '127.0.0.1'],
    ['127.0.0.1', '*'],
    ['::1', '*'],
  ] as const) {
    const { port } = await start(t, [root()], { ip: first });
    const server = new HttpServer(options({ ip: second, port }));
    await assert.rejects(server.start(), { code: 'EADDRINUSE' }, `${first} and ${second}`);
  }
});

test('addresses and ports that are none are refused', async () => {
  for (const port of [70_000, 65_536, -1, 1.5, Number.NaN]) {
    await assert.rejects(new HttpServer(options({ port })).start(), /is not an integer from 0 to 65535/);
  }
  for (const ip of ['localhost', '1.2.3', '256.1.1.1', ':::', 'a b', '[::1]']) {
    await assert.rejects(new HttpServer(options({ ip })).start(), /is neither an IPv4 nor an IPv6 address/);
  }
  await assert.rejects(new HttpServer(options({ ip: '192.0.2.1', port: 18_888 })).start(), (error: Error) => {
    assert.match(
      error.message,
      /^cannot listen on 192\.0\.2\.1:18888: the address is not one of this machine.*EADDRNOTAVAIL/,
    );
    return true;
  });
});

unless(process.getuid?.() === 0, test)('a privileged port without permission is told', async () => {
  await assert.rejects(new HttpServer(options({ port: 80 })).start(), { code: 'EACCES' });
});

test('all addresses means both families, and one means one', async (t) => {
  for (const ip of ['', '*'] as const) {
    const { server, port } = await start(
      t,
      [root({ onRequest: (exchange) => void exchange.reply(200, exchange.remoteAddress) })],
      { ip },
    );
    for (const host of ['127.0.0.1', '::1']) {
      const client = await RawClient.connect(port, host);
      assert.equal((await client.ask('GET', '/t')).text, host);
      client.close();
    }
    assert.equal(server.bound, `*:${port}`);
    assert.deepEqual(server.urls, [`http://127.0.0.1:${port}`]);
    assert.equal(server.exposed.length, 1);
  }
  const { server, port } = await start(t, [root()], { ip: '::1' });
  assert.equal(server.bound, `[::1]:${port}`);
  assert.deepEqual(server.urls, [`http://[::1]:${port}`]);
  assert.equal(server.exposed.length, 0);
  assert.match(server.engine, /^uWebSockets\.js \d+\.\d+/);
  await assert.rejects(RawClient.connect(port, '127.0.0.1'));
});

test('several servers in one process do not mix', async (t) => {
  const servers = await Promise.all(
    ['one', 'two', 'three'].map((name) =>
      start(t, [root({ onRequest: (exchange) => void exchange.reply(200, name) })]),
    ),
  );
  for (const [index, name] of ['one', 'two', 'three'].entries()) {
    const test = servers[index];
    assert.equal((await ask(test?.port ?? 0, 'GET', '/t')).text, name);
    assert.equal(test?.counter('requests'), 1);
  }
});

test('connections up to the limit are served, the next is closed on arrival', async (t) => {
  const { port, server, counter, until } = await start(t, [root()], { maxConnections: 3 });
  const clients = [];
  for (let i = 0; i < 3; i++) {
    const client = await RawClient.connect(port);
    assert.equal((await client.ask('GET', '/t')).text, 'ok');
    clients.push(client);
  }
  const fourth = await RawClient.connect(port);
  fourth.request('GET', '/t');
  assert.match(
    (await fourth.rest()).toString(),
    /^HTTP\/1.1 503 .*\r\n\r\n3 connections are open, the limit max_connections/s,
  );
  assert.equal(counter('refused_connections'), 1);
  assert.equal(counter('connections'), 3);
  assert.equal(server.openConnections, 3);
  clients[0]?.close();
  await until(() => server.openConnections === 2);
  assert.equal((await ask(port, 'GET', '/t')).text, 'ok');
  for (const client of clients) client.close();
});

test('a limit of connections above that of open files is lowered', async (t) => {
  const { log } = await start(t, [root()], { maxConnections: 1e9 });
  if (process.platform === 'linux')
    assert.match(log[0]?.message ?? '', /max_connections 1000000000 lowered to \d+: the limit of open files is/);
});

test('a port is free again at once after close', async (t) => {
  const finder = createServer().listen(0, '127.0.0.1');
  await once(finder, 'listening');
  const { port } = finder.address() as { port: number };
  finder.close();
  await once(finder, 'close');
  const first = await start(t, [root()], { port });
  assert.equal(first.port, port);
  const client = await RawClient.connect(first.port);
  await client.ask('GET', '/t');
  // The server closes first, so that the system keeps the connection in TIME_WAIT on its side.
  first.server.close();
  await client.closed;
  const second = await start(t, [root()], { port: first.port });
  assert.equal((await ask(second.port, 'GET', '/t')).text, 'ok');
});
