// A program serves its MI beside what it serves already: by node:http, Express, Fastify and Hono.
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import fastify from 'fastify';
import { Hono } from 'hono';
import { describe, expect } from 'vitest';
import { command, createServer, defineModule, RecordTable, type Server, type ServerOptions } from '#src/index.js';
import type { Lifetime } from '../support/lifetime.js';
import { withResolvers } from '../support/mi-client.js';
import { test } from '../support/test.js';

/** The part of Express that is used here: it brings no types. */
interface Express extends RequestListener {
  use(path: string, handler: unknown): void;
  use(handler: unknown): void;
  get(path: string, handler: (request: unknown, response: { send(text: string): void }) => void): void;
}
const express = createRequire(import.meta.url)('express') as { (): Express; json(): unknown };

const table = new RecordTable<{ key: number }>();
for (let key = 0; key < 20_000; key++) table.set(String(key), { key });

const gone = { reason: withResolvers<Error & { code?: string }>(), began: withResolvers<void>() };

const pbx = defineModule({
  name: 'pbx',
  commands: [
    command({ name: 'who', help: 'Tells.', readOnly: true, run: (_none, { client }) => client?.remoteAddress ?? '' }),
    command({ name: 'table', help: 'Dumps.', readOnly: true, run: () => table.dump() }),
    command({
      name: 'hang',
      help: 'Hangs.',
      readOnly: true,
      run: (_none, { signal }) => {
        signal.addEventListener('abort', () => gone.reason.resolve(signal.reason));
        gone.began.resolve();
        return new Promise<never>(() => {});
      },
    }),
  ],
});

function hosted(t: Lifetime, options: ServerOptions = {}): Promise<Server> {
  const server = createServer({ listen: false, modules: [pbx], ...options });
  t.onTestFinished(() => server.close({ deadline: 0 }));
  return server.start();
}

/** Listens with a handler; gives the URL. */
async function listening(t: Lifetime, handler: RequestListener): Promise<string> {
  const host = createHttpServer(handler);
  const { promise, resolve } = withResolvers<void>();
  host.listen(0, '127.0.0.1', resolve);
  await promise;
  t.onTestFinished(() => {
    host.closeAllConnections();
    host.close();
  });
  return `http://127.0.0.1:${(host.address() as AddressInfo).port}`;
}

const json = { 'Content-Type': 'application/json' };
const body = (method: string): string => JSON.stringify({ jsonrpc: '2.0', method, id: 1 });

/** Posts to a path, and gives the status and what is replied. */
async function ask(url: string, method: string, headers: Readonly<Record<string, string>> = {}) {
  const response = await fetch(url, { method: 'POST', headers: { ...json, ...headers }, body: body(method) });
  const text = await response.text();
  return { status: response.status, text, result: text.startsWith('{') ? JSON.parse(text).result : undefined };
}

describe('node:http', () => {
  test('serves calls, dumps and pages', async ({ lifetime }) => {
    const server = await hosted(lifetime);
    const url = await listening(lifetime, server.nodeHandler());
    expect((await ask(`${url}/mi`, 'pbx:who')).result).toBe('127.0.0.1');
    expect((await ask(`${url}/mi`, 'pbx:table')).result.length).toBe(20_000);
    const page = await fetch(`${url}/mi`, { headers: { Accept: 'text/html' } });
    expect([page.status, page.headers.get('content-type')]).toStrictEqual([200, 'text/html; charset=utf-8']);
    expect(await page.text()).toMatch(/<h1/);
    expect((await fetch(`${url}/nowhere`)).status).toBe(404);
    expect(await server.call('get_statistics', [['connections', 'exchanges']])).toStrictEqual({
      'httpd:connections': 0,
      'httpd:exchanges': 0,
    });
  });

  test('is held by logins and limits', async ({ lifetime }) => {
    const httpd = { auth_username: 'alice', auth_password: 'a long enough one', receive_buf_size: 1024 };
    const server = await hosted(lifetime, { httpd });
    const url = await listening(lifetime, server.nodeHandler());
    const login = { Authorization: `Basic ${btoa('alice:a long enough one')}` };
    expect((await ask(`${url}/mi`, 'which')).status).toBe(401);
    expect((await ask(`${url}/mi`, 'pbx:who', login)).result).toBe('127.0.0.1');
    expect((await ask(`${url}/mi`, 'x'.repeat(2000), login)).status).toBe(413);
    const refused = await server.inject(new Request('http://localhost/mi'), { remoteAddress: '192.0.2.7' });
    expect(refused.status).toBe(401);
  });

  test('without a login serves this machine alone', async ({ lifetime }) => {
    const server = await hosted(lifetime);
    const request = { url: '/mi', headers: json, body: body('pbx:who'), remoteAddress: '192.0.2.7' };
    const refused = await server.inject(request);
    expect(refused.status).toBe(403);
    expect(await refused.text()).toMatch(/nobody has to log in here, so only this machine is served/);
    const open = await hosted(lifetime, { httpd: { allow_unauthenticated: 1 } });
    expect(await (await open.inject(request)).json()).toMatchObject({ result: '192.0.2.7' });
  });

  test('a client that leaves gives its call up', async ({ lifetime }) => {
    const server = await hosted(lifetime);
    const url = await listening(lifetime, server.nodeHandler());
    const controller = new AbortController();
    const left = fetch(`${url}/mi`, {
      method: 'POST',
      headers: json,
      body: body('pbx:hang'),
      signal: controller.signal,
    });
    const failed = expect(left).rejects.toThrow();
    await gone.began.promise;
    controller.abort();
    await failed;
    expect(await gone.reason.promise).toMatchObject({ name: 'AbortError', code: 'ERR_GONE' });
  });

  test('of a server that does not run is 503', async ({ lifetime }) => {
    const server = createServer({ listen: false });
    const url = await listening(lifetime, server.nodeHandler());
    expect((await ask(`${url}/mi`, 'which')).status).toBe(503);
    await server.start();
    expect((await ask(`${url}/mi`, 'which')).status).toBe(200);
    await server.close();
    expect((await ask(`${url}/mi`, 'which')).status).toBe(503);
  });
});

test('Express: as middleware at the top, and below a path', async ({ lifetime }) => {
  const server = await hosted(lifetime);
  const app = express();
  app.use('/admin', server.nodeHandler());
  app.use(server.nodeHandler());
  app.use(express.json());
  app.get('/own', (_request, response) => void response.send('own'));
  app.use('/late', server.nodeHandler());
  const url = await listening(lifetime, app);
  expect((await ask(`${url}/mi`, 'pbx:who')).result).toBe('127.0.0.1');
  expect((await ask(`${url}/admin/mi`, 'pbx:table')).result.length).toBe(20_000);
  expect(await (await fetch(`${url}/own`)).text()).toBe('own');
  const late = await ask(`${url}/late/mi`, 'pbx:who');
  expect(late.status).toBe(500);
  expect(late.text).toMatch(/mount this handler in front of what parses bodies/);
});

test('Fastify: in a plugin that leaves bodies alone', async ({ lifetime }) => {
  const server = await hosted(lifetime);
  const app = fastify();
  lifetime.onTestFinished(() => app.close());
  app.get('/own', async () => 'own');
  app.register(async (plugin) => {
    plugin.removeAllContentTypeParsers();
    plugin.addContentTypeParser('*', (_request, _payload, done) => done(null));
    const handler = server.nodeHandler();
    for (const path of ['/mi', '/mi/*']) {
      plugin.all(path, (request, reply) => {
        reply.hijack();
        handler(request.raw, reply.raw);
      });
    }
  });
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  expect((await ask(`${url}/mi`, 'pbx:who')).result).toBe('127.0.0.1');
  expect((await ask(`${url}/mi`, 'pbx:table')).result.length).toBe(20_000);
  expect(await (await fetch(`${url}/own`)).text()).toBe('own');
});

test('Hono, and all that has requests of fetch: by inject', async ({ lifetime }) => {
  const server = await hosted(lifetime);
  const app = new Hono();
  app.get('/own', (c) => c.text('own'));
  app.all('/mi/*', (c) => server.inject(c.req.raw, { remoteAddress: '127.0.0.9' }));
  const reply = await app.request('/mi', { method: 'POST', headers: json, body: body('pbx:who') });
  expect(await reply.json()).toMatchObject({ result: '127.0.0.9' });
  const dumped = await app.request('/mi', { method: 'POST', headers: json, body: body('pbx:table') });
  expect(((await dumped.json()) as { result: unknown[] }).result.length).toBe(20_000);
  expect(await (await app.request('/own')).text()).toBe('own');
});
