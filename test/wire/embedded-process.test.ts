// What an embedded server does to, and tells of, the process that it is part of: nothing, unless it is given.
import { AsyncLocalStorage } from 'node:async_hooks';
import { expect } from 'vitest';
import { createServer, defineModule, type Server, type ServerOptions } from '#src/index.js';
import type { Lifetime } from '../support/lifetime.js';
import { callError, post, withResolvers } from '../support/mi-client.js';
import { test } from '../support/test.js';

const storage = new AsyncLocalStorage<string>();

/** Starts a server with these options alone, as a program does. */
async function embedded(t: Lifetime, options: ServerOptions): Promise<Server> {
  const server = await createServer({ httpd: { ip: '127.0.0.1', port: 0 }, ...options }).start();
  t.onTestFinished(() => server.close({ deadline: 0 }));
  return server;
}

test('kill, arg and pwd are refused, and the refusal names the option', async ({ onTestFinished, lifetime }) => {
  const signals: string[] = [];
  const note = (): void => void signals.push('SIGTERM');
  process.on('SIGTERM', note);
  onTestFinished(() => void process.off('SIGTERM', note));
  const server = await embedded(lifetime, {});
  const options = { kill: 'kill', arg: 'tellProcess', pwd: 'tellProcess' };
  for (const [command, option] of Object.entries(options)) {
    for (const name of [command, `core:${command}`]) {
      const { code, data } = await callError(server, name);
      expect(code, name).toBe(-32003);
      expect(String(data), name).toMatch(new RegExp(`^core:${command} is off: .* the option ${option}$`));
    }
  }
  await new Promise(setImmediate);
  expect(signals).toStrictEqual([]);
});

test('given their options they do what a program wants, for the level that it wants', async ({ lifetime }) => {
  const { promise, resolve } = withResolvers<void>();
  const listen = ['http:127.0.0.1:0;level=read', 'http:127.0.0.1:0'];
  const server = await embedded(lifetime, { httpd: { listen }, kill: resolve, tellProcess: 'admin' });
  // The first listener is the one that gets the call.
  for (const command of ['arg', 'pwd', 'kill']) {
    expect(String((await callError(server, command)).data)).toMatch(/needs level admin; callers here have level read$/);
  }
  const body = (method: string): string => JSON.stringify({ jsonrpc: '2.0', method, id: 1 });
  const asAdmin = async (method: string): Promise<unknown> => {
    const headers = { 'Content-Type': 'application/json', Connection: 'close' };
    const response = await fetch(server.urls.at(-1) ?? '', { method: 'POST', headers, body: body(method) });
    return ((await response.json()) as { result: unknown }).result;
  };
  expect(await asAdmin('arg')).toStrictEqual(process.argv);
  expect(await asAdmin('pwd')).toStrictEqual({ WD: process.cwd() });
  expect(await asAdmin('kill')).toBe('OK');
  await promise;
});

test('a module of a program gets what it may add to, and nothing to close the server with', async ({ lifetime }) => {
  let seen: Readonly<Record<string, unknown>> = {};
  const paths: string[] = [];
  const module = defineModule({
    name: 'curious',
    load: (context) => {
      seen = { ...context, httpd: context.httpd };
      context.httpd.registerRoot({
        module: 'curious',
        root: 'curious',
        contentType: 'text/plain',
        onRequest: (exchange) => {
          paths.push(storage.getStore() ?? 'nothing');
          storage.enterWith(exchange.path);
          exchange.flush(200);
        },
        onFlush: (_exchange, position) => (position === 0 ? (storage.getStore() ?? 'nothing') : null),
      });
      return undefined;
    },
  });
  const server = await embedded(lifetime, { modules: [module] });
  const names = ['caches', 'events', 'httpd', 'log', 'mi', 'parameters', 'status', 'thread'];
  expect(Object.keys(seen).sort()).toStrictEqual(names);
  expect(Object.keys(seen.mi as object)).toStrictEqual(['statistics']);
  expect(Object.keys(seen.httpd as object)).toStrictEqual(['registerRoot']);
  // What a handler of a root enters is seen by no other request.
  for (const path of ['a', 'b']) {
    const reply = await post(server, '', { method: 'GET', path: `/curious/${path}` });
    expect([reply.status, reply.body]).toStrictEqual([200, 'nothing']);
  }
  expect(paths).toStrictEqual(['nothing', 'nothing']);
});
