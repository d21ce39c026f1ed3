import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect } from 'vitest';
import { loadUws } from '#src/http/engine/uws/loader.js';
import type { Exchange } from '#src/http/exchange.js';
import { httpCounterNames } from '#src/http/limits/counters.js';
import { HttpServer } from '#src/http/server.js';
import { bundleText } from '../../scripts/bundle.mjs';
import { isNode, openConnection } from '../support/engine.js';
import { options, root } from '../support/http-server.js';
import { ask, RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';

test('a server starts once', async ({ start }) => {
  const { server } = await start([root()]);
  await expect(server.start()).rejects.toThrow(/starts once/);
  server.close();
  await expect(server.start()).rejects.toThrow(/starts once/);
});

test('a server closed while it starts does not listen', async () => {
  const server = new HttpServer(options());
  server.registerRoot(root({ onInit: () => server.close() }));
  await expect(server.start()).rejects.toThrow(/was closed before it listened/);
  expect(server.bound).toBe(undefined);
});

test('too few slots for the counters are refused', () => {
  expect(() => new HttpServer(options({ counters: new Float64Array(httpCounterNames.length - 1) }))).toThrow(/too few/);
});

test('drain finishes a running exchange, refuses new connections, and closes kept ones with their reply', async ({
  start,
}) => {
  const kept: Exchange[] = [];
  const { port, server, until } = await start([
    root({
      onRequest: (exchange) => {
        if (exchange.path === '/now') exchange.reply(200, 'now');
        else kept.push(exchange);
      },
    }),
  ]);
  const running = await RawClient.connect(port);
  const idle = await RawClient.connect(port);
  const active = await RawClient.connect(port);
  expect((await idle.ask('GET', '/t/now')).headers.get('connection')).toBe(openConnection);
  expect((await active.ask('GET', '/t/now')).headers.get('connection')).toBe(openConnection);
  running.request('GET', '/t');
  await until(() => kept.length === 1);
  server.stopAccepting();
  server.stopAccepting();
  let drained = false;
  const draining = server.drain(10_000).then(() => {
    drained = true;
  });
  await expect(RawClient.connect(port)).rejects.toThrow(expect.objectContaining({ code: 'ECONNREFUSED' }));
  const last = await active.ask('GET', '/t/now');
  expect(last.text).toBe('now');
  expect(last.headers.get('connection')).toBe('close');
  expect(await active.isClosed()).toBe(true);
  expect(drained).toBe(false);
  kept[0]?.reply(200, 'finished');
  const response = await running.response();
  expect(response.text).toBe('finished');
  expect(response.headers.get('connection')).toBe('close');
  expect(await running.isClosed()).toBe(true);
  await draining;
  server.close();
  expect(await idle.isClosed()).toBe(true);
  await until(() => server.openConnections === 0);
});

test('drain lets a stream come to its end', async ({ start }) => {
  let chunks = 50;
  const { port, server, until } = await start([
    root({
      onRequest: (exchange) => exchange.flush(200),
      onFlush: async () => {
        await new Promise((resolve) => setTimeout(resolve, 2));
        return chunks-- > 0 ? Buffer.alloc(1000) : null;
      },
    }),
  ]);
  const client = await RawClient.connect(port);
  client.request('GET', '/t');
  await until(() => chunks < 40);
  server.stopAccepting();
  await server.drain(10_000);
  server.close();
  expect((await client.response()).body.length).toBe(50_000);
});

test('a handler may stop or close the server', async ({ start }) => {
  for (const how of ['stop', 'close', 'closeInFlush'] as const) {
    let pulls = 0;
    const { port, server, until } = await start([
      root({
        onRequest: (exchange) => {
          if (how === 'stop') server.stopAccepting();
          if (how === 'close') server.close();
          if (how === 'closeInFlush') exchange.flush(200);
          else expect(exchange.reply(200, 'ok')).toBe(how === 'stop');
        },
        onFlush: () => {
          if (++pulls === 3) server.close();
          return Buffer.alloc(1000);
        },
      }),
    ]);
    const client = await RawClient.connect(port);
    client.request('POST', '/t', 'body');
    const received = (await client.rest()).toString();
    expect(received.endsWith('ok'), how).toBe(how === 'stop');
    await until(() => server.openConnections === 0 && server.openExchanges === 0);
  }
});

test('drain gives up at its deadline; close aborts what is left', async ({ start }) => {
  let kept: Exchange | undefined;
  let gone = 0;
  const { port, server, until, bodies } = await start([
    root({
      onRequest: (exchange) => {
        kept = exchange;
        exchange.onGone = () => gone++;
      },
    }),
  ]);
  const client = await RawClient.connect(port);
  client.request('GET', '/t');
  const uploading = await RawClient.connect(port);
  uploading.send('POST /t HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc');
  await until(() => kept !== undefined && bodies.slotsInUse === 1);
  const { signal } = kept as unknown as Exchange;
  server.stopAccepting();
  const started = performance.now();
  await server.drain(100);
  expect(performance.now() - started).toBeGreaterThanOrEqual(90);
  expect(server.openExchanges).toBe(2);
  server.close();
  server.close();
  await until(() => gone === 1);
  expect(signal.aborted).toBe(true);
  expect((signal.reason as Error).message).toBe('the server stops');
  expect(server.openExchanges).toBe(0);
  expect(bodies.slotsInUse).toBe(0);
  expect(kept?.reply(200, 'too late')).toBe(false);
  await client.closed;
  await uploading.closed;
});

/** Runs a program in a process of its own; resolves with its exit code once it has ended by itself. */
async function run(program: string): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [bundleText(program)]);
  let output = '';
  child.stdout.on('data', (bytes) => (output += String(bytes)));
  child.stderr.on('data', (bytes) => (output += String(bytes)));
  const timer = setTimeout(() => child.kill('SIGKILL'), 8000);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  return { code, output };
}

const program = (body: string) => `
  import { connect } from 'node:net';
  import { once } from 'node:events';
  import { tcpSetting } from '#src/http/listen/setting.js';
  import { HttpServer } from '#src/http/server.js';
  const nothing = () => {};
  const log = { debug: nothing, info: nothing, warn: nothing, error: nothing };
  const server = new HttpServer({
    listeners: [{ setting: tcpSetting('http', '127.0.0.1', 0) }], windowSize: 65536, postBufSize: 1024, receiveBufSize: 65536, bodiesTotal: 1 << 20,
    connTimeout: 30, maxConnections: 100, log,
  });
  const kept = [];
  server.registerRoot({
    module: 'test', root: 't', contentType: 'text/plain',
    onRequest: (exchange) => (exchange.path === '/keep' ? kept.push(exchange) : exchange.reply(200, 'ok')),
  });
  ${body}
`;

test('after close nothing keeps the process alive', async () => {
  const { code, output } = await run(
    program(`
      await server.start();
      const { port } = server;
      const idle = connect(port, '127.0.0.1');
      idle.write('GET /t HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n');
      await once(idle, 'data');
      const pending = connect(port, '127.0.0.1');
      pending.write('GET /t/keep HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n');
      while (kept.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      server.close();
      console.log('closed');
    `),
  );
  expect(output).toBe('closed\n');
  expect(code).toBe(0);
});

test('a failed start keeps nothing alive either, nor does a server that never started', async () => {
  const { code, output } = await run(
    program(`
      await server.start();
      const { port } = server;
      const other = new HttpServer({
        listeners: [{ setting: tcpSetting('http', '127.0.0.1', port) }],
        windowSize: 65536, postBufSize: 1024, receiveBufSize: 65536, bodiesTotal: 1 << 20, connTimeout: 30, maxConnections: 100, log,
      });
      await other.start().catch((error) => console.log(error.code));
      const never = new HttpServer({
        listeners: [{ setting: tcpSetting('http', '127.0.0.1', port) }],
        windowSize: 65536, postBufSize: 1024, receiveBufSize: 65536, bodiesTotal: 1 << 20, connTimeout: 30, maxConnections: 100, log,
      });
      never.stopAccepting();
      await never.drain(1000);
      never.close();
      server.close();
    `),
  );
  expect(output).toBe('EADDRINUSE\n');
  expect(code).toBe(0);
});

test('where no engine loads one line says so, and names what is supported', async () => {
  const { code, output } = await run(`
    const { loadUws } = await import('#src/http/engine/uws/loader.js');
    Object.defineProperty(process, 'arch', { value: 'mips' });
    await loadUws().catch((error) => console.log(error.message));
  `);
  expect(output).toMatch(/^no HTTP engine loads on \w+ mips, Node\.js \d[^\n]*; supported on Linux[^\n]*\n$/);
  expect(output).toMatch(/20\.51\.4 for Node\.js 20/);
  expect(code).toBe(0);
});

test('an embedder may bring the engine', async ({ start, skip }) => {
  const { uws } = await loadUws().catch((error: unknown) => {
    if (!isNode) throw error;
    return skip('uWebSockets.js does not load here');
  });
  const { server, port } = await start([root()], { engine: uws });
  expect((await ask(port, 'GET', '/t')).text).toBe('ok');
  expect(server.engine).toMatch(/of the embedder/);
});

test('no mistake of a handler ends the process', async () => {
  const { code, output } = await run(
    program(`
      const roots = {
        nothing: () => {},
        throws: () => { throw new Error('thrown'); },
        rejects: async () => { throw new Error('rejected'); },
        twice: (exchange) => { exchange.reply(200, '1'); exchange.reply(200, '2'); },
        later: (exchange) => { setTimeout(() => exchange.reply(200, 'later'), 50); },
        gone: (exchange) => { exchange.onGone = () => { throw new Error('in onGone'); }; },
      };
      for (const [root, onRequest] of Object.entries(roots)) {
        server.registerRoot({ module: 'test', root, contentType: 'text/plain', timeout: 0.2, onRequest });
      }
      await server.start();
      const { port } = server;
      for (const root of Object.keys(roots)) {
        for (const stay of [true, false]) {
          const client = connect(port, '127.0.0.1');
          client.write('POST /' + root + ' HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 1\\r\\n\\r\\nx');
          if (stay) await once(client, 'data');
          else await new Promise((resolve) => setTimeout(resolve, 10));
          client.destroy();
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 300));
      console.log(server.openExchanges);
      server.close();
    `),
  );
  expect(output).toBe('0\n');
  expect(code).toBe(0);
});
