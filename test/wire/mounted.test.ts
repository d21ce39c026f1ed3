// A program that has an app of uWebSockets.js serves its MI by that app, beside its own routes.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { describe, expect } from 'vitest';
import { loadUws } from '#src/http/engine/uws/loader.js';
import type { UwsApp, UwsListenSocket, UwsModule } from '#src/http/engine/uws/types.js';
import {
  command,
  createServer,
  defineModule,
  MiClient,
  RecordTable,
  type Server,
  type ServerOptions,
} from '#src/index.js';
import { tokenLine } from '../support/accounts.js';
import type { Lifetime } from '../support/lifetime.js';
import { withResolvers } from '../support/mi-client.js';
import { RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';
import { noOpenssl } from '../support/tls-files.js';
import { unless } from '../support/unless.js';

const table = new RecordTable<{ key: number }>();
for (let key = 0; key < 20_000; key++) table.set(String(key), { key });

/** The call of `hang`: that it runs, and why it was given up. */
const hung = { began: withResolvers<void>(), why: withResolvers<unknown>() };

const pbx = defineModule({
  name: 'pbx',
  commands: [
    command({ name: 'who', help: 'Tells.', readOnly: true, run: (_none, { client }) => client?.remoteAddress ?? '' }),
    command({ name: 'stop', help: 'Stops.', level: 'admin', run: () => 'OK' }),
    command({ name: 'table', help: 'Dumps.', readOnly: true, run: () => table.dump() }),
    command({ name: 'echo', help: 'Echoes.', recipes: [{ value: 'json' }], run: ({ value }) => value }),
    command({
      name: 'hang',
      help: 'Hangs.',
      readOnly: true,
      run: (_none, { signal }) => {
        signal.addEventListener('abort', () => hung.why.resolve(signal.reason));
        hung.began.resolve();
        return new Promise<never>(() => {});
      },
    }),
  ],
});

interface Hosted {
  readonly uws: UwsModule;
  readonly app: UwsApp;
  readonly server: Server;
  readonly port: number;
  readonly url: string;
}

/** An app of the program with a route of its own, which listens, and a server on it. */
async function hosted(
  t: Lifetime,
  options: ServerOptions = {},
  make = (uws: UwsModule): UwsApp => uws.App(),
): Promise<Hosted> {
  hung.began = withResolvers();
  hung.why = withResolvers();
  const { uws } = await loadUws();
  const app = make(uws);
  app.any('/own', (response) => void response.end('own'));
  const port = await new Promise<number>((resolve) => {
    app.listen('127.0.0.1', 0, 0, (socket: UwsListenSocket | false) =>
      resolve(socket === false ? 0 : uws.us_socket_local_port(socket)),
    );
  });
  t.onTestFinished(() => void app.close());
  const server = createServer({ app, modules: [pbx], ...options });
  t.onTestFinished(() => server.close({ deadline: 0 }));
  await server.start();
  return { uws, app, server, port, url: `http://127.0.0.1:${port}` };
}

function clientOf(t: Lifetime, ...given: ConstructorParameters<typeof MiClient>): MiClient {
  const client = new MiClient(...given);
  t.onTestFinished(() => client.close());
  return client;
}

const close = { Connection: 'close' };

/** No request is open, nor counted as a connection. */
async function rests(server: Server): Promise<void> {
  await expect
    .poll(() => server.call('get_statistics', [['connections', 'exchanges']]))
    .toMatchObject({ 'httpd:connections': 0, 'httpd:exchanges': 0 });
}

describe('an app of uWebSockets.js', () => {
  test('serves calls, batches, dumps and pages, and its own routes as before', async ({ lifetime }) => {
    const { server, url } = await hosted(lifetime);
    const client = clientOf(lifetime, `${url}/mi`);
    expect(await client.call('pbx:who')).toBe('127.0.0.1');
    const value = 'x'.repeat(200_000);
    expect(await client.call('pbx:echo', { value })).toBe(value);
    expect(await client.batch([['pbx:who'], ['pbx:gone']])).toMatchObject([{ result: '127.0.0.1' }, { error: {} }]);
    let rows = 0;
    for await (const _row of client.stream('pbx:table')) rows += 1;
    expect(rows).toBe(20_000);
    const page = await fetch(`${url}/mi/pbx`, { headers: { ...close, Accept: 'text/html' } });
    expect([page.status, page.headers.get('content-type')]).toStrictEqual([200, 'text/html; charset=utf-8']);
    const [, style = ''] = /<link rel="stylesheet" href="([^"]+)">/.exec(await page.text()) ?? [];
    expect((await fetch(`${url}${style}`, { headers: close })).headers.get('content-type')).toMatch(/^text\/css/);
    for (const method of ['GET', 'POST', 'DELETE']) {
      expect(await (await fetch(`${url}/own`, { method, headers: close })).text()).toBe('own');
    }
    expect((await fetch(`${url}/healthz`, { headers: close })).status).toBe(404);
    expect([server.port, server.urls, server.isListening]).toStrictEqual([0, [], true]);
    expect(server.engine).toMatch(/^uWebSockets\.js/);
    await rests(server);
  });

  test('is held by logins and levels, its own routes are not', async ({ lifetime, temporaryFile }) => {
    const httpd = { auth_tokens: temporaryFile('tokens', tokenLine('robot', 'token-of-robot', 'operate')) };
    const { server, url } = await hosted(lifetime, { httpd });
    expect((await fetch(`${url}/mi`, { method: 'POST', headers: close, body: '{}' })).status).toBe(401);
    const robot = clientOf(lifetime, `${url}/mi`, { login: { token: 'token-of-robot' } });
    expect(await robot.call('pbx:who')).toBe('127.0.0.1');
    await expect(robot.call('pbx:stop')).rejects.toThrow(expect.objectContaining({ code: -32003 }));
    expect(await (await fetch(`${url}/own`, { headers: close })).text()).toBe('own');
    await rests(server);
  });

  test('is held by limits: of requests at once, bodies and batches', async ({ lifetime }) => {
    const httpd = { max_connections: 1, receive_buf_size: 65536 };
    const { server, url } = await hosted(lifetime, { httpd, mi_http: { max_batch: 2 } });
    const client = clientOf(lifetime, `${url}/mi`);
    await expect(client.call('pbx:echo', { value: 'x'.repeat(70_000) })).rejects.toThrow(
      expect.objectContaining({ data: expect.stringMatching(/receive_buf_size/) }),
    );
    await expect(client.batch([['pbx:who'], ['pbx:who'], ['pbx:who']])).rejects.toThrow(
      expect.objectContaining({ data: expect.stringMatching(/max_batch/) }),
    );
    const control = new AbortController();
    const hanging = client.call('pbx:hang', undefined, { signal: control.signal }).catch(() => {});
    await hung.began.promise;
    const refused = await fetch(`${url}/mi`, { method: 'POST', headers: close, body: '{}' });
    expect([refused.status, await refused.text()]).toStrictEqual([503, expect.stringMatching(/max_connections/)]);
    expect(await (await fetch(`${url}/own`, { headers: close })).text()).toBe('own');
    control.abort();
    await hanging;
    expect(await hung.why.promise).toMatchObject({ name: 'AbortError', code: 'ERR_GONE' });
    await rests(server);
    expect(await client.call('pbx:who')).toBe('127.0.0.1');
  });

  test('serves what follows on one connection, and closes it where it has to', async ({ lifetime }) => {
    const { server, port } = await hosted(lifetime);
    const client = await RawClient.connect(port);
    const body = '{"jsonrpc":"2.0","method":"pbx:who","id":1}';
    const post = `POST /mi HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    client.send(`${post}GET /own HTTP/1.1\r\nHost: a\r\n\r\n${post}`);
    const texts = [await client.response(), await client.response(), await client.response()].map(({ text }) => text);
    expect(texts).toStrictEqual([expect.stringMatching(/127\.0\.0\.1/), 'own', expect.stringMatching(/127\.0\.0\.1/)]);
    const ended = once(client.socket, 'close');
    client.send('POST /mi HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n');
    await ended;
    await rests(server);
  });

  test('goes on when the server is closed, whose roots are 503 then', async ({ lifetime }) => {
    const { server, url } = await hosted(lifetime);
    const client = clientOf(lifetime, `${url}/mi`);
    const waiting = client.call('pbx:hang').catch((error: Error) => error.message);
    await hung.began.promise;
    await server.close({ deadline: 0 });
    expect(await waiting).toMatch(/Server error|answer ended early|ECONNRESET|socket hang up/);
    const gone = await fetch(`${url}/mi`, { method: 'POST', headers: close, body: '{}' });
    expect([gone.status, gone.headers.get('retry-after')]).toStrictEqual([503, '1']);
    expect(await (await fetch(`${url}/own`, { headers: close })).text()).toBe('own');
  });

  test('has several servers, each with roots of its own, and one after the other', async ({ lifetime }) => {
    const { app, server, url } = await hosted(lifetime);
    const another = createServer({ app, mi_http: { root: 'other' }, modules: [pbx] });
    lifetime.onTestFinished(() => another.close({ deadline: 0 }));
    await another.start();
    const taken = createServer({ app });
    await expect(taken.start()).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_ROOT',
        message: 'root path "mi" is served by another server on this app; give one of them another root',
      }),
    );
    const other = clientOf(lifetime, `${url}/other`);
    expect(await other.call('pbx:who')).toBe('127.0.0.1');
    await server.close();
    expect(await other.call('pbx:who')).toBe('127.0.0.1');
    const next = createServer({ app, modules: [pbx] });
    lifetime.onTestFinished(() => next.close({ deadline: 0 }));
    await next.start();
    expect(await clientOf(lifetime, `${url}/mi`).call('pbx:who')).toBe('127.0.0.1');
  });

  unless(noOpenssl, test)('with TLS of its own', async ({ lifetime, files }) => {
    const { certFile, keyFile } = files.make('server');
    const { port } = await hosted(lifetime, {}, (uws) =>
      uws.SSLApp({ cert_file_name: certFile, key_file_name: keyFile }),
    );
    const client = clientOf(lifetime, `https://127.0.0.1:${port}/mi`, { tls: { ca: readFileSync(certFile) } });
    expect(await client.call('pbx:who')).toBe('127.0.0.1');
  });
});

describe('what does not go with an app is told in one line', () => {
  const wrong: readonly (readonly [options: object, message: RegExp])[] = [
    [
      { listen: true },
      /^options app and listen of createServer do not mix: the owner of the app listens; leave listen out$/,
    ],
    [{ engine: 'node' }, /^options app and engine of createServer do not mix: the engine is that of the app/],
    [{ httpd: { engine: 'node' } }, /^options app and httpd\.engine of createServer do not mix/],
    [{ app: {} }, /^app of createServer is \{\}; give an app of uWebSockets\.js, App\(\) or SSLApp\(\)$/],
    [{ app: request }, /^app of createServer is \[Function: request\]; give an app of uWebSockets\.js/],
  ];
  for (const [options, message] of wrong) {
    test(String(message), async ({ onTestFinished }) => {
      const app = (await loadUws()).uws.App();
      onTestFinished(() => void app.close());
      expect(() => createServer({ app, ...options } as ServerOptions)).toThrow(
        expect.objectContaining({ name: 'TypeError', code: 'ERR_ARGUMENT', message: expect.stringMatching(message) }),
      );
    });
  }
});
