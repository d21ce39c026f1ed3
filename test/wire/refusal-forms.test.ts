// Refusals are JSON where the request is JSON or asks for it; pages carry their security headers, whoever sends them;
// every reply forbids browsers to guess its type.
import { once } from 'node:events';
import { describe, expect } from 'vitest';
import type { Server } from '#src/index.js';
import { basic } from '../support/accounts.js';
import type { Lifetime } from '../support/lifetime.js';
import { startServer } from '../support/mi-client.js';
import { RawClient, type RawResponse } from '../support/raw-client.js';
import { test } from '../support/test.js';
import { connectTls } from '../support/tls-client.js';
import { noOpenssl } from '../support/tls-files.js';
import { unless } from '../support/unless.js';

const call = '{"jsonrpc":"2.0","method":"version","id":1}';
const faces = { mi_http: {}, mi_html: { root: 'html' }, mi_json: { root: 'json' } };

interface Refused {
  readonly status: number;
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  readonly headers?: readonly string[];
  readonly options?: object;
}

/** Every refusal that the HTTP layer and the faces make of themselves, but those that need time. */
const refusals: readonly Refused[] = [
  { status: 400, method: 'POST', path: '/mi', body: '' },
  { status: 400, method: 'GET', path: '/%zz' },
  { status: 400, method: 'GET', path: '/mi', body: call },
  { status: 400, method: 'GET', path: '/html?method=version' },
  { status: 401, method: 'GET', path: '/mi', options: { auth_username: 'a', auth_password: 'bcd' } },
  { status: 401, method: 'POST', path: '/mi', body: call, options: { auth_username: 'a', auth_password: 'bcd' } },
  { status: 401, method: 'GET', path: '/nowhere', options: { auth_username: 'a', auth_password: 'bcd' } },
  {
    status: 401,
    method: 'GET',
    path: '/mi',
    headers: [`Authorization: ${basic('a', 'wrong')}`],
    options: { auth_username: 'a', auth_password: 'bcd' },
  },
  { status: 403, method: 'GET', path: '/mi', options: { allow_from: '192.0.2.1' } },
  { status: 403, method: 'GET', path: '/mi/core/core:kill?arg=' },
  { status: 403, method: 'GET', path: '/html/core/core:kill?arg=' },
  { status: 403, method: 'GET', path: '/mi', headers: ['Host: evil.example'] },
  { status: 403, method: 'GET', path: '/', headers: ['Host: evil.example'] },
  { status: 404, method: 'GET', path: '/nowhere' },
  { status: 404, method: 'POST', path: '/nowhere', body: call },
  { status: 404, method: 'GET', path: '/mi/nomodule' },
  { status: 404, method: 'GET', path: '/html/core/nocommand' },
  { status: 405, method: 'PUT', path: '/mi', body: call },
  { status: 405, method: 'DELETE', path: '/html' },
  { status: 405, method: 'POST', path: '/', body: call },
  { status: 405, method: 'POST', path: '/healthz', body: call },
  { status: 413, method: 'POST', path: '/mi', body: ' '.repeat(300), options: { receive_buf_size: 256 } },
  { status: 413, method: 'POST', path: '/html', body: ' '.repeat(300), options: { receive_buf_size: 256 } },
  { status: 415, method: 'POST', path: '/mi', body: call, headers: ['Content-Type: text/plain'] },
  { status: 415, method: 'POST', path: '/html', body: call },
  { status: 429, method: 'GET', path: '/mi/core/core:pwd?arg=', options: { rate_limit_address: 1 } },
];

/** How a request says that it wants JSON, or a page. */
const ways: readonly (readonly [name: string, headers: readonly string[], isJson: boolean])[] = [
  ['a JSON body', ['Content-Type: application/json'], true],
  ['a JSON-RPC body', ['Content-Type: application/json-rpc; charset=utf-8'], true],
  ['Accept JSON', ['Accept: application/json'], true],
  ['Accept of axios', ['Accept: application/json, text/plain, */*'], true],
  ['Accept of a browser', ['Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'], false],
  ['Accept HTML before JSON', ['Accept: text/html, application/json;q=0.9'], false],
];

async function refusalOf(t: Lifetime, refused: Refused, headers: readonly string[]): Promise<RawResponse> {
  const { method, path, body, options = {}, headers: own = [], status } = refused;
  const server = await startServer(t, { ...faces, httpd: options });
  const client = await RawClient.connect(server.port);
  t.onTestFinished(() => client.close());
  const isTyped = own.some((line) => line.startsWith('Content-Type'));
  const given = [...own, ...headers.filter((line) => !isTyped || !line.startsWith('Content-Type'))];
  const host = given.some((line) => line.startsWith('Host')) ? [] : ['Host: 127.0.0.1'];
  const length = body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
  const ask = (): void =>
    client.send(`${[`${method} ${path} HTTP/1.1`, ...host, ...given, ...length].join('\r\n')}\r\n\r\n${body ?? ''}`);
  ask();
  let response = await client.response();
  if (status === 429) {
    ask();
    response = await client.response();
  }
  return response;
}

function assertJsonError({ status, text, headers }: RawResponse): void {
  expect(headers.get('content-type') ?? '').toMatch(/^application\/json/);
  const { error } = JSON.parse(text) as { error: { code: number; message: string; data?: string } };
  expect(typeof error.code, `${status} ${text}`).toBe('number');
  expect(typeof error.message).toBe('string');
}

/** The headers of a page: nobody stores, frames or looks through it. */
const pageHeaders: Readonly<Record<string, RegExp>> = {
  'cache-control': /^no-store$/,
  'content-security-policy': /^default-src 'none'; .*frame-ancestors 'none'$/,
  'x-content-type-options': /^nosniff$/,
  'referrer-policy': /^same-origin$/,
  'cross-origin-resource-policy': /^same-origin$/,
};

function assertSafe({ status, headers, text }: RawResponse): void {
  expect(headers.get('x-content-type-options'), text).toBe('nosniff');
  if (!(headers.get('content-type') ?? '').startsWith('text/html')) return;
  for (const [name, value] of Object.entries(pageHeaders)) {
    expect(headers.get(name) ?? '(none)', `${status} ${name}`).toMatch(value);
  }
}

describe('the form of a refusal', () => {
  for (const refused of refusals) {
    const { status, method, path, headers = [] } = refused;
    test(`${status} of ${method} ${path} ${headers.join()} is what its request can read`, async ({ lifetime }) => {
      for (const [name, given, isJson] of ways) {
        // A type of its own stays, and a request without a body has none.
        const isBody = given.some((line) => line.startsWith('Content-Type'));
        if (isBody && (refused.body === undefined || headers.length > 0)) continue;
        const response = await refusalOf(lifetime, refused, given);
        if (isJson && path.startsWith('/html') && status === 415) continue;
        expect(response.status, `${name}: ${response.text}`).toBe(status);
        if (isJson) assertJsonError(response);
        assertSafe(response);
      }
    });
  }

  test('429 and 503 of calls that wait for nothing tell when to come back, in JSON too', async ({ lifetime }) => {
    const response = await refusalOf(lifetime, { ...(refusals.at(-1) as Refused) }, ['Accept: application/json']);
    expect(response.headers.get('retry-after')).toBe('1');
  });
});

describe('headers of all replies', () => {
  const paths = [
    '/',
    '/healthz',
    '/mi',
    '/mi/core',
    '/mi/core/core:pwd',
    '/mi/core/core:pwd?arg=',
    '/html',
    '/html/core/core:pwd?arg=',
  ];
  const others = [
    '/mi/core/core:pwd?raw=1',
    '/mi/core/core:which?raw=1&text=1',
    '/json/pwd',
    '/nowhere',
    '/-/style.css',
  ];

  async function everyReply(ask: (head: string) => Promise<RawResponse>): Promise<readonly RawResponse[]> {
    const replies: RawResponse[] = [];
    for (const path of [...paths, ...others]) {
      for (const accept of ['text/html', 'application/json']) {
        replies.push(await ask(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nAccept: ${accept}\r\n\r\n`));
      }
    }
    const head = `POST /mi HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${call.length}\r\n\r\n`;
    replies.push(await ask(head + call));
    return replies;
  }

  test('nosniff in each of them, and all five in each page', async ({ startServer, onTestFinished }) => {
    const server = await startServer(faces);
    const client = await RawClient.connect(server.port);
    onTestFinished(() => client.close());
    const replies = await everyReply((bytes) => {
      client.send(bytes);
      return client.response();
    });
    for (const reply of replies) {
      assertSafe(reply);
      expect(reply.headers.has('strict-transport-security'), 'a plain listener').toBe(false);
    }
    expect(replies.some(({ headers }) => headers.get('content-type')?.startsWith('text/html'))).toBe(true);
  });

  for (const [seconds, expected] of [
    [undefined, 'max-age=86400'],
    [31536000, 'max-age=31536000'],
    [0, undefined],
  ] as const) {
    unless(noOpenssl, test)(`tls_hsts ${seconds ?? 'left out'}`, async ({ files, startServer }) => {
      const { certFile, keyFile } = files.make('hsts', { key: 'ec' });
      const server: Server = await startServer({
        ...faces,
        httpd: {
          tls_cert_file: certFile,
          tls_key_file: keyFile,
          ...(seconds === undefined ? {} : { tls_hsts: seconds }),
        },
      });
      for (const request of [
        'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
        'GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n',
        `POST /mi HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${call.length}\r\n\r\n${call}`,
      ]) {
        const socket = await connectTls(server.port);
        socket.write(request);
        const [bytes] = (await once(socket, 'data')) as [Buffer];
        const found = /^Strict-Transport-Security: (.*)$/im.exec(bytes.toString().replaceAll('\r', ''))?.[1];
        expect(found, request).toBe(expected);
        expect(bytes.toString()).toMatch(/^X-Content-Type-Options: nosniff\r$/im);
        socket.destroy();
      }
    });
  }
});

describe('a body that is encoded', () => {
  for (const encoding of ['gzip', 'GZIP', 'br', 'deflate', 'zstd', 'x-unknown', 'identity, gzip']) {
    test(`${encoding}: 415 naming Content-Encoding`, async ({ startServer }) => {
      const server = await startServer(faces);
      for (const path of ['/mi', '/html', '/json/version']) {
        const client = await RawClient.connect(server.port);
        const type = path === '/html' ? 'application/x-www-form-urlencoded' : 'application/json';
        const response = await client.ask('POST', path, Buffer.from('1f8b08000000', 'hex'), [
          `Content-Type: ${type}`,
          `Content-Encoding: ${encoding}`,
          'Accept: application/json',
        ]);
        expect(response.status, path).toBe(415);
        expect(response.text).toMatch(/Content-Encoding/);
        expect(response.headers.get('accept-encoding')).toBe('identity');
        client.close();
      }
    });
  }

  test('identity is as it is', async ({ startServer, onTestFinished }) => {
    const server = await startServer();
    const client = await RawClient.connect(server.port);
    onTestFinished(() => client.close());
    const headers = ['Content-Type: application/json', 'Content-Encoding: Identity'];
    expect((await client.ask('POST', '/mi', call, headers)).text).toMatch(/"result"/);
  });
});
