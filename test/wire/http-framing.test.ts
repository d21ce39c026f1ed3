import { expect } from 'vitest';
import { answers, openConnection } from '../support/engine.js';
import { root } from '../support/http-server.js';
import { RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const echo = root({
  onRequest: (exchange) =>
    void exchange.reply(200, `${exchange.method} ${Buffer.from(exchange.body).toString('latin1')}`),
});

const post = (headers: string, body = '') => `POST /t HTTP/1.1\r\nHost: test\r\n${headers}\r\n${body}`;

/** What a request must get: a body of 200, or a status and whether the connection is closed after it. */
type Outcome = string | { readonly status: number; readonly closed: boolean };

const closedWith = (status: number): Outcome => ({ status, closed: true });

const table: readonly (readonly [name: string, request: string, outcome: Outcome])[] = [
  ['no length', post(''), closedWith(200)],
  ['length 0', post('Content-Length: 0\r\n'), 'POST '],
  ['empty length', post('Content-Length:\r\n'), answers.emptyLength === 200 ? 'POST ' : closedWith(400)],
  ['length 5', post('Content-Length: 5\r\n', 'hello'), 'POST hello'],
  ['negative length', post('Content-Length: -5\r\n', 'hello'), closedWith(400)],
  ['signed length', post('Content-Length: +5\r\n', 'hello'), closedWith(400)],
  ['length with text', post('Content-Length: 5abc\r\n', 'hello'), closedWith(400)],
  ['hexadecimal length', post('Content-Length: 0x5\r\n', 'hello'), closedWith(400)],
  ['list of lengths', post('Content-Length: 5, 5\r\n', 'hello'), closedWith(400)],
  ['length of 19 digits', post('Content-Length: 1000000000000000000\r\n'), closedWith(answers.longLength)],
  ['length of 18 digits', post('Content-Length: 100000000000000000\r\n'), closedWith(413)],
  ['two different lengths', post('Content-Length: 3\r\nContent-Length: 5\r\n', 'hello'), closedWith(400)],
  ['two equal lengths', post('Content-Length: 5\r\nContent-Length: 5\r\n', 'hello'), closedWith(400)],
  ['an empty length and another', post('Content-Length:\r\nContent-Length: 5\r\n', 'hello'), closedWith(400)],
  ['length in two cases', post('content-length: 5\r\nCONTENT-LENGTH: 6\r\n', 'hello'), closedWith(400)],
  ['length and coding', post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'), closedWith(400)],
  ['coding and length', post('Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', '0\r\n\r\n'), closedWith(400)],
  ['coding gzip', post('Transfer-Encoding: gzip\r\n', '0\r\n\r\n'), closedWith(400)],
  ['coding identity', post('Transfer-Encoding: identity\r\n', '0\r\n\r\n'), closedWith(400)],
  ['coding gzip, chunked', post('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'), closedWith(400)],
  ['coding xchunked', post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n'), closedWith(400)],
  ['coding with parameter', post('Transfer-Encoding: chunked;a=b\r\n', '0\r\n\r\n'), closedWith(400)],
  ['two codings', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'), closedWith(400)],
  [
    'two codings, one empty',
    post('Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n', '0\r\n\r\n'),
    closedWith(400),
  ],
  [
    'empty chunked',
    post('Transfer-Encoding: chunked\r\n', '0\r\n\r\n'),
    answers.chunked === 'open' ? 'POST ' : closedWith(200),
  ],
  ['bad chunk size', post('Transfer-Encoding: chunked\r\n', 'ZZ\r\nhello\r\n0\r\n\r\n'), closedWith(400)],
  ['no Host', 'GET /t HTTP/1.1\r\n\r\n', closedWith(400)],
  ['two Hosts', 'GET /t HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', closedWith(400)],
  ['folded header', 'GET /t HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n', closedWith(400)],
  ['space before colon', 'GET /t HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n', closedWith(400)],
  ['NUL in a header', 'GET /t HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n', closedWith(400)],
  ['HTTP/1.0', 'GET /t HTTP/1.0\r\nHost: a\r\n\r\n', closedWith(answers.http10)],
  [
    'absolute form',
    'GET http://a/t HTTP/1.1\r\nHost: a\r\n\r\n',
    answers.absoluteForm === 200 ? 'GET ' : closedWith(505),
  ],
  ['bare line feeds', 'GET /t HTTP/1.1\nHost: a\n\n', closedWith(505)],
  ['a GET with a body', 'GET /t HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello', 'GET '],
  [
    'a GET with two lengths',
    'GET /t HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n',
    closedWith(400),
  ],
  [
    'an unknown path with two lengths',
    'POST /n HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n',
    closedWith(400),
  ],
];

for (const [name, request, outcome] of table) {
  test(`framing: ${name}`, async ({ start }) => {
    const { port } = await start([echo]);
    const client = await RawClient.connect(port);
    client.send(request);
    const response = await client.response();
    if (typeof outcome === 'string') {
      expect(response.status).toBe(200);
      expect(response.text).toBe(outcome);
      expect((await client.ask('GET', '/t')).text, 'the connection goes on').toBe('GET ');
    } else {
      expect(response.status, response.text).toBe(outcome.status);
      expect(await client.isClosed(), client.unread).toBe(outcome.closed);
    }
    client.close();
  });
}

const smuggled = 'GET /t/smuggled HTTP/1.1\r\nHost: a\r\n\r\n';

const suspicious: readonly (readonly [name: string, request: string])[] = [
  ['two lengths', post('Content-Length: 0\r\nContent-Length: 100\r\n')],
  ['a GET with two lengths', 'GET /t HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 100\r\n\r\n'],
  ['two codings', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n')],
  ['a chunked body', post('Transfer-Encoding: chunked\r\n', '3\r\nabc\r\n0\r\n\r\n')],
  ['an empty chunked body', post('Transfer-Encoding: chunked\r\n', '0\r\n\r\n')],
  ['a chunked body that is too large', post('Transfer-Encoding: chunked\r\n', '6\r\nabcdef\r\n0\r\n\r\n')],
  ['a chunked GET', 'GET /t HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['a chunked HEAD', 'HEAD /t HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['a chunked body to nowhere', 'POST /n HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['a body that is too large', post('Content-Length: 6\r\n', 'abcdef')],
  ['a length hidden behind a field without a name', post(': x\r\nContent-Length: 100\r\n')],
  ['a coding hidden behind a field without a name', post(': x\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n')],
  ['an unknown method without a length', 'PUT /t HTTP/1.1\r\nHost: a\r\n: x\r\nContent-Length: 100\r\n\r\n'],
];

for (const [name, request] of suspicious) {
  // Where chunks are parsed strictly the connection goes on.
  const goesOn = answers.chunked === 'open' && /chunked (?:body|GET|HEAD)$/.test(name);
  unless(goesOn && 'these chunks are parsed strictly', test)(
    `nothing is served after ${name}, in the same segment or a later one`,
    async ({ start }) => {
      const served: string[] = [];
      const { port, until, server } = await start(
        [
          root({
            onRequest: (exchange) => {
              served.push(exchange.path);
              exchange.reply(200, 'ok');
            },
          }),
        ],
        { receiveBufSize: 5 },
      );
      const together = await RawClient.connect(port);
      together.send(request + smuggled);
      const later = await RawClient.connect(port);
      later.send(request);
      await later.response(request.startsWith('HEAD'));
      later.send(smuggled);
      expect((await later.rest()).length).toBe(0);
      await together.rest();
      await until(() => server.openConnections === 0 && server.openExchanges === 0);
      expect(served.includes('/smuggled')).toBe(false);
    },
  );
}

test('a chunked body is decoded, and its connection closed afterwards', async ({ start }) => {
  const { port, counter } = await start([echo]);
  const client = await RawClient.connect(port);
  client.send(post('Transfer-Encoding: chunked\r\n', '3\r\nabc\r\n'));
  client.send('2\r\nde\r\n0\r\n\r\n');
  const response = await client.response();
  expect(response.text).toBe('POST abcde');
  expect(response.headers.get('connection')).toBe(answers.chunked === 'open' ? openConnection : 'close');
  if (answers.chunked === 'open') client.close();
  expect(await client.isClosed()).toBe(true);
  expect(counter('bytes_in')).toBe(5);
});

test('a HEAD request with a coding is closed after its reply too', async ({ start }) => {
  const { port } = await start([echo]);
  const client = await RawClient.connect(port);
  client.send('HEAD /t HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n');
  expect((await client.response(true)).status).toBe(200);
  if (answers.chunked === 'open') expect((await client.ask('GET', '/t')).text).toBe('GET ');
  else expect(await client.isClosed(), client.unread).toBe(true);
  client.close();
});

test('a request may be split at any byte', async ({ start }) => {
  const { port } = await start([echo]);
  const request = post('Content-Length: 5\r\nContent-Type: text/plain\r\n', 'hello');
  for (let split = 1; split < request.length; split++) {
    const client = await RawClient.connect(port);
    client.send(request.slice(0, split));
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    client.send(request.slice(split));
    expect((await client.response()).text, `split at ${split}`).toBe('POST hello');
    client.close();
  }
});

test('a head of up to 16 KiB is taken, which is more than the engine takes by itself', async ({ start }) => {
  const { port } = await start([echo]);
  const client = await RawClient.connect(port);
  expect((await client.ask('GET', '/t', undefined, [`X-Long: ${'x'.repeat(15_000)}`])).status).toBe(200);
  client.send(`GET /t HTTP/1.1\r\nHost: a\r\nX-Long: ${'x'.repeat(20_000)}`);
  expect((await client.response()).status).toBe(431);
  expect(process.env.UWS_HTTP_MAX_HEADERS_SIZE, 'the environment is left as it was').toBe(undefined);
});

test('Expect: 100-continue is answered before the body', async ({ start }) => {
  const { port } = await start([echo]);
  const client = await RawClient.connect(port);
  client.send(post('Content-Length: 5\r\nExpect: 100-continue\r\n'));
  expect((await client.response(true)).statusLine).toBe('HTTP/1.1 100 Continue');
  client.send('hello');
  expect((await client.response()).text).toBe('POST hello');
  client.close();
});
