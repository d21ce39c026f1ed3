// Nothing that was meant as a call is answered 2xx without having run: a client that looks at the status alone, such as
// `curl -f`, may take it for done.
import { describe, expect } from 'vitest';
import { command, defineModule, type Server } from '#src/index.js';
import { startServer } from '../support/mi-client.js';
import { RawClient, type RawResponse } from '../support/raw-client.js';
import { test } from '../support/test.js';

const call = (extra = ''): string => `{"jsonrpc":"2.0","method":"pbx:run"${extra},"id":1}`;

const text = 'a=b&c=d%';

/** JSON as clients send it. */
const bodies: Readonly<Record<string, string>> = {
  call: call(),
  'call with parameters': call(`,"params":["${text}"]`),
  batch: `[${call()}]`,
  'blanks in front': ` \r\n\t${call()}`,
  'a byte order mark in front': `\ufeff${call()}`,
  notification: '{"jsonrpc":"2.0","method":"pbx:run"}',
  'no JSON-RPC': '{"method":"pbx:run"}',
  'cut off': '{"jsonrpc":',
  'a string': '"pbx:run"',
};

/** Types with which clients send it: curl's own, those of sendBeacon and fetch, and none. */
const types: readonly (string | undefined)[] = [
  'application/x-www-form-urlencoded',
  'application/x-www-form-urlencoded; charset=UTF-8',
  'multipart/form-data; boundary=x',
  'multipart/form-data',
  'text/plain;charset=UTF-8',
  'text/json',
  'application/octet-stream',
  'application/xml',
  'application/json',
  'application/json; charset=utf-8',
  'application/json-rpc',
  undefined,
];

const paths = [
  '/mi',
  '/mi/',
  '/mi/pbx',
  '/mi/pbx/pbx:run',
  '/mi/-/style.css',
  '/html',
  '/html/pbx',
  '/html/pbx/pbx:run',
  '/json',
  '/json/pbx:run',
  '/',
  '/healthz',
  '/readyz',
  '/-/style.css',
  '/nowhere',
  '/MI',
];

const methods = ['POST', 'GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

async function serve(t: Parameters<typeof startServer>[0], options: object = {}) {
  const seen: { texts: unknown[]; readonly runs: number } = {
    texts: [],
    get runs() {
      return this.texts.length;
    },
  };
  const pbx = defineModule({
    name: 'pbx',
    commands: [
      command({
        name: 'run',
        readOnly: true,
        help: 'Runs.',
        recipes: [{}, { text: 'string' }],
        run: ({ text: given }) => {
          seen.texts.push(given);
          return 'ran';
        },
      }),
    ],
  });
  const server = await startServer(t, {
    mi_http: {},
    mi_html: { root: 'html' },
    mi_json: { root: 'json' },
    modules: [pbx],
    ...options,
  });
  return { seen, server };
}

async function ask(
  server: Server,
  method: string,
  path: string,
  body?: string,
  headers: readonly string[] = [],
): Promise<RawResponse> {
  const client = await RawClient.connect(server.port);
  const length = body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: 127.0.0.1', ...headers, ...length, '', body ?? ''];
  client.send(Buffer.from(lines.join('\r\n')));
  const response = await client.response(method === 'HEAD');
  client.close();
  return response;
}

/** Whether the body is an error, as JSON-RPC and mi_json tell one with status 200. */
function isTold({ text, headers, status }: RawResponse): boolean {
  // A notification that is no call, and one that fails, gets no reply (JSON-RPC 2.0 §4.1).
  if (!(headers.get('content-type') ?? '').startsWith('application/json') || status === 202) return false;
  const reply: unknown = JSON.parse(text);
  return [reply].flat().every((one) => typeof one === 'object' && one !== null && 'error' in one);
}

describe('what was meant as a call', () => {
  for (const method of methods) {
    for (const [html, name] of [
      [1, 'with pages'],
      [0, 'without'],
    ] as const) {
      test(`${method} with JSON, mi_http ${name}: 2xx only when it ran, or the body tells an error`, async ({
        lifetime,
      }) => {
        const { seen, server } = await serve(lifetime, { mi_http: { html } });
        for (const path of paths) {
          for (const type of types) {
            for (const [what, body] of Object.entries(bodies)) {
              seen.texts = [];
              const headers = type === undefined ? [] : [`Content-Type: ${type}`];
              const response = await ask(server, method, path, body, headers);
              if (response.status >= 300) continue;
              const context = `${method} ${path} ${type} ${what}: ${response.status} ${response.text.slice(0, 200)}`;
              // What the body says, and not only what the path does.
              const wanted = body.includes(text) ? text : undefined;
              expect(seen.texts.includes(wanted) || isTold(response), context).toBe(true);
            }
          }
        }
      });
    }
  }

  test('a call that is sent as a form or without a type is 415, with a JSON-RPC error and the line to type', async ({
    lifetime,
  }) => {
    const { server } = await serve(lifetime);
    for (const path of ['/mi', '/mi/pbx', '/mi/pbx/pbx:run', '/html', '/html/pbx/pbx:run']) {
      for (const type of ['application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', undefined]) {
        if (type === undefined && path.startsWith('/mi')) continue;
        for (const body of [call(), `[${call()}]`, `\ufeff ${call()}`]) {
          const { status, text, headers } = await ask(
            server,
            'POST',
            path,
            body,
            type === undefined ? ['Accept: text/html'] : [`Content-Type: ${type}`, 'Accept: text/html'],
          );
          expect(status, `${path} ${type} ${text}`).toBe(415);
          expect(headers.get('content-type')).toBe('application/json');
          const { jsonrpc, error, id } = JSON.parse(text);
          expect([jsonrpc, error.code, id]).toStrictEqual(['2.0', -32600, null]);
          expect(error.data).toMatch(/curl -H 'Content-Type: application\/json' -d '\{.*\}' http:\/\/HOST:PORT\/mi$/);
        }
      }
    }
  });

  const urls: readonly (readonly [method: string, path: string, body?: string])[] = [
    ['GET', '/mi?jsonrpc=2.0&method=pbx:run&id=1'],
    ['GET', '/mi/?method=pbx:run'],
    ['GET', '/mi/pbx?arg='],
    ['GET', '/mi/pbx?raw=1'],
    ['GET', '/mi?raw=1'],
    ['GET', '/mi/pbx/pbx:run?params=a'],
    ['GET', '/html/pbx/pbx:run?method=run'],
    ['GET', '/html?arg=pbx:run'],
    ['GET', `/mi?${encodeURIComponent(call())}`],
    ['GET', '/mi?{}'],
    ['GET', '/mi?version'],
    ['GET', '/mi?cmd=ul_dump'],
    ['GET', '/mi?x=1'],
    ['GET', '/mi/pbx?x=1'],
    ['GET', '/mi/pbx/pbx:run?foo=1'],
    ['GET', '/mi/pbx/pbx:run?foo'],
    ['GET', '/html?version'],
    ['POST', '/mi', 'method=pbx:run'],
    ['POST', '/mi/pbx', 'arg='],
    ['POST', '/mi/pbx/pbx:run', ''],
    ['POST', '/mi/pbx/pbx:run', 'text=a'],
    ['POST', '/mi/-/style.css', 'arg='],
    ['POST', '/html', 'arg=pbx:run'],
    ['POST', '/html/pbx/pbx:run', 'x=1'],
  ];
  for (const [method, path, body] of urls) {
    test(`${method} ${path} ${body ?? ''} is refused: nothing would run`, async ({ lifetime }) => {
      const { seen, server } = await serve(lifetime);
      const headers = body === undefined ? [] : ['Content-Type: application/x-www-form-urlencoded'];
      const { status, text } = await ask(server, method, path, body, headers);
      expect(status, text).toBe(400);
      expect(text).toMatch(/nothing is run/);
      const asked = await ask(server, method, path, body, [...headers, 'Accept: application/json']);
      expect([asked.status, JSON.parse(asked.text).error.code]).toStrictEqual([400, -32600]);
      expect(seen.runs).toBe(0);
    });
  }

  test('JSON in a field of a form is refused as JSON without a type is', async ({ lifetime }) => {
    const { seen, server } = await serve(lifetime);
    const urlencoded = 'application/x-www-form-urlencoded';
    const multipart = 'multipart/form-data; boundary=b';
    const escaped = encodeURIComponent(call());
    const inParts = `--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n${call()}\r\n--b--\r\n`;
    for (const path of ['/mi', '/mi/pbx', '/mi/pbx/pbx:run', '/html']) {
      for (const [type, body] of [
        [urlencoded, call()],
        [urlencoded, escaped],
        [urlencoded, `%20${encodeURIComponent(`[${call()}]`)}`],
        [urlencoded, `a=${escaped}`],
        [multipart, inParts],
      ] as const) {
        const { status, text, headers } = await ask(server, 'POST', path, body, [`Content-Type: ${type}`]);
        expect([status, headers.get('content-type')], `${path} ${body}`).toStrictEqual([415, 'application/json']);
        const { error } = JSON.parse(text);
        expect(error.data).toMatch(/^the body is JSON.*; send JSON as application\/json: curl .*HOST:PORT\/mi$/);
      }
    }
    expect(seen.runs).toBe(0);
  });

  test('a call by GET gives who asks for JSON the bare result', async ({ lifetime }) => {
    const { seen, server } = await serve(lifetime);
    for (const path of ['/mi/pbx/pbx:run?arg=', '/html/pbx/pbx:run?arg=']) {
      const { status, text, headers } = await ask(server, 'GET', path, undefined, ['Accept: application/json']);
      expect([status, headers.get('content-type'), text], path).toStrictEqual([200, 'application/json', '"ran"']);
    }
    expect(seen.runs).toBe(2);
  });

  test('a bare result needs no field arg', async ({ lifetime }) => {
    const { seen, server } = await serve(lifetime);
    const { status, text } = await ask(server, 'GET', '/mi/pbx/pbx:run?raw=1');
    expect([status, text, seen.runs]).toStrictEqual([200, '"ran"', 1]);
  });

  test('pages are still pages', async ({ lifetime }) => {
    const { server } = await serve(lifetime);
    for (const path of [
      '/',
      '/mi',
      '/mi/pbx',
      '/mi/pbx/pbx:run',
      '/html',
      '/html/pbx/pbx:run',
      '/mi?',
      '/mi/pbx/pbx:run?form',
    ]) {
      const { status, text } = await ask(server, 'GET', path, undefined, ['Accept: text/html']);
      expect([status, /<!doctype html>/.test(text)], path).toStrictEqual([200, true]);
    }
  });

  test('a byte order mark in front of JSON is named', async ({ lifetime }) => {
    const { seen, server } = await serve(lifetime);
    for (const body of [`\ufeff${call()}`, `\ufeff \n${call()}`, `\ufeff[${call()}]`]) {
      const { text } = await ask(server, 'POST', '/mi', body, ['Content-Type: application/json']);
      expect(text).toMatch(/"code":-32700,.*"data":"a byte order mark.*without one.*at byte 0"/);
    }
    expect(seen.runs).toBe(0);
  });
});
