// Probes of request smuggling and of a parser's patience, beyond those of http-framing: what each gets, that nothing
// hidden behind it is served where its end is in doubt, and that nothing is left of it.
import { describe, expect } from 'vitest';
import { answers, pipelinesLittle } from '../support/engine.js';
import { root } from '../support/http-server.js';
import { RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const hidden = 'GET /t/hidden HTTP/1.1\r\nHost: a\r\n\r\n';

const get = (fields: string, line = 'GET /t HTTP/1.1'): string => `${line}\r\nHost: a\r\n${fields}\r\n`;
const post = (fields: string, body: string): string => `POST /t HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n${body}`;
const coded = (field: string): string => post(field, '3\r\nabc\r\n0\r\n\r\n');
const chunked = (body: string): string => post('Transfer-Encoding: chunked', body);

/**
 * `refused`: this status, and closed; `last`: 200, and closed; `whole`: this status, and its end is beyond doubt; `nothing`:
 * closed when it has been idle.
 */
type Outcome = { readonly refused: number } | { readonly whole: number } | 'last' | 'nothing';

const whole: Outcome = { whole: 200 };
const bad: Outcome = { refused: 400 };
const version: Outcome = { refused: 505 };
/** A body in chunks that is served. */
const served: Outcome = answers.chunked === 'open' ? whole : 'last';
const upgrade: Outcome = answers.upgrade === 'open' ? whole : 'last';
/** What the engines do not answer alike. */
const given = (answer: number | string): Outcome =>
  typeof answer === 'string'
    ? 'nothing'
    : answer >= 300
      ? { refused: answer }
      : answer > 200
        ? { whole: answer }
        : served;
const badLine = given(answers.badLine);
const tooLarge: Outcome = { refused: 431 };
const mega = 'a'.repeat(1 << 20);

const probes: readonly (readonly [name: string, request: string, outcome: Outcome])[] = [
  ['a coding in capitals', coded('TRANSFER-ENCODING: CHUNKED'), served],
  ['a coding with a capital', coded('Transfer-Encoding: Chunked'), served],
  ['a coding behind a tab', coded('Transfer-Encoding:\tchunked'), served],
  ['a coding before a blank', coded('Transfer-Encoding: chunked '), served],
  ['a coding and a comma', coded('Transfer-Encoding: chunked,'), bad],
  ['a coding behind a vertical tab', coded('Transfer-Encoding: \x0bchunked'), bad],
  ['a coding in quotes', coded('Transfer-Encoding: "chunked"'), bad],
  ['a coding with a NUL', coded('Transfer-Encoding: chunked\0'), bad],
  ['a coding before the colon', coded('Transfer-Encoding : chunked'), bad],
  ['a blank before a coding', coded(' Transfer-Encoding: chunked'), bad],
  ['a coding on a folded line', coded('Transfer-Encoding:\r\n chunked'), bad],
  ['a coding folded onto another field', coded('X: a\r\n\tTransfer-Encoding: chunked'), bad],
  ['a coding behind a bare line feed', coded('X: a\nTransfer-Encoding: chunked'), bad],
  ['no coding', coded('Transfer-Encoding:'), bad],
  ['identity, then chunked', coded('Transfer-Encoding: identity, chunked'), bad],
  ['a coding and a length', coded('Transfer-Encoding: chunked\r\nContent-Length: 3'), bad],
  ['a length and an unknown coding', coded('Content-Length: 3\r\nTransfer-Encoding: xchunked'), bad],
  ['a length with a blank in it', post('Content-Length: 1 3', 'abc'), bad],
  ['a length with a fraction', post('Content-Length: 3.0', 'abc'), bad],
  ['a length with an exponent', post('Content-Length: 3e0', 'abc'), bad],
  ['a length with a comma', post('Content-Length: 3,', 'abc'), bad],
  ['a length before a blank', post('Content-Length: 3 ', 'abc'), whole],
  ['a length with zeros', post('Content-Length: 0003', 'abc'), whole],
  ['a chunk size in capitals', chunked(`A\r\n${'b'.repeat(10)}\r\n0\r\n\r\n`), served],
  ['a chunk size with zeros', chunked('0000003\r\nabc\r\n0\r\n\r\n'), served],
  ['a chunk size with 0x', chunked('0x3\r\nabc\r\n0\r\n\r\n'), bad],
  ['a negative chunk size', chunked('-3\r\nabc\r\n0\r\n\r\n'), bad],
  ['a chunk size of 72 bits', chunked('ffffffffffffffffff\r\nabc\r\n0\r\n\r\n'), bad],
  ['a chunk size of 2^63', chunked('8000000000000000\r\nabc\r\n0\r\n\r\n'), given(answers.largeChunk)],
  ['bare line feeds between chunks', chunked('3\nabc\n0\n\n'), given(answers.looseChunk)],
  ['a blank behind a chunk size', chunked('3 \r\nabc\r\n0\r\n\r\n'), given(answers.looseChunk)],
  ['no line end behind a chunk', chunked('3\r\nabcXX0\r\n\r\n'), given(answers.badChunk)],
  [
    'a chunk extension of 100 kB',
    chunked(`3;${'a'.repeat(100_000)}\r\nabc\r\n0\r\n\r\n`),
    given(answers.longExtension),
  ],
  ['a trailer', chunked('3\r\nabc\r\n0\r\nX: y\r\n\r\n'), given(answers.trailers)],
  ['bare carriage returns', 'GET /t HTTP/1.1\rHost: a\r\r', badLine],
  ['bare line feeds at the end', 'GET /t HTTP/1.1\r\nHost: a\n\n', bad],
  ['a NUL in the path', get('', 'GET /t\0 HTTP/1.1'), badLine],
  ['a NUL in the method', get('', 'GE\0T /t HTTP/1.1'), badLine],
  ['a NUL in a name', get('X\0: a\r\n'), bad],
  ['a field without a colon', get('abc\r\n'), bad],
  ['fifty Hosts', get('Host: b\r\n'.repeat(50)), bad],
  ['two blanks', get('', 'GET  /t HTTP/1.1'), given(answers.blanks)],
  ['tabs for blanks', get('', 'GET\t/t\tHTTP/1.1'), badLine],
  ['no version', 'GET /t\r\n\r\n', version],
  ['HTTP/1.2', get('', 'GET /t HTTP/1.2'), version],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', version],
  ['OPTIONS *', get('', 'OPTIONS * HTTP/1.1'), given(answers.optionsAll)],
  ['CONNECT', get('', 'CONNECT a:80 HTTP/1.1'), given(answers.connect)],
  ['a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', badLine],
  [
    'an upgrade to HTTP/2',
    get('Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMA\r\n'),
    upgrade,
  ],
  ['an upgrade to WebSocket', get('Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: YQ==\r\n'), upgrade],
  ['98 fields', get('X: a\r\n'.repeat(97)), whole],
  ['200 fields', get('X: a\r\n'.repeat(200)), tooLarge],
  ['100,000 fields', get('X: a\r\n'.repeat(100_000)), tooLarge],
  ['a path of 1 MiB', get('', `GET /${mega} HTTP/1.1`), tooLarge],
  ['a value of 1 MiB', get(`X: ${mega}\r\n`), tooLarge],
  ['a name of 1 MiB', get(`${mega}: a\r\n`), tooLarge],
  ['1 MiB without a line end', mega, given(answers.noLine)],
];

describe('hostile framing', () => {
  for (const [name, request, outcome] of probes) {
    // Of these the request that follows in the same piece is served.
    const isFollowed = typeof outcome === 'object' && 'whole' in outcome;
    unless(isFollowed && pipelinesLittle, test)(name, async ({ start }) => {
      const paths: string[] = [];
      const { port, server, bodies, until } = await start(
        [
          root({
            onRequest: (exchange) => {
              paths.push(exchange.path);
              exchange.reply(200, exchange.body);
            },
          }),
        ],
        outcome === 'nothing' ? { connTimeout: 1 } : {},
      );
      const together = await RawClient.connect(port);
      together.send(request + hidden);
      const alone = await RawClient.connect(port);
      alone.send(request);
      if (typeof outcome === 'object' && 'whole' in outcome) {
        expect((await alone.response()).status).toBe(outcome.whole);
        expect((await alone.ask('GET', '/t')).status, 'the connection goes on').toBe(200);
        expect((await together.response()).status).toBe(outcome.whole);
        expect((await together.response()).status, 'what follows is a request of its own').toBe(200);
        alone.close();
        together.close();
      } else {
        if (outcome !== 'nothing')
          expect((await alone.response()).status).toBe(outcome === 'last' ? 200 : outcome.refused);
        alone.send(hidden);
        expect((await alone.rest()).length, 'closed').toBe(0);
        const all = (await together.rest()).toString('latin1');
        expect(all.split('HTTP/1.1 ').length, 'one reply at most').toBeLessThanOrEqual(2);
        expect(paths.includes('/hidden')).toBe(false);
      }
      await until(() => server.openConnections === 0 && server.openExchanges === 0);
      expect(bodies.slotsInUse).toBe(0);
    });
  }
});

/** The addresses are 6.6.6.6 and 2001:db8::1. */
const prefaces: Readonly<Record<string, string>> = {
  'of version 2, IPv4': '0d0a0d0a000d0a515549540a2111000c060606067f00000100010002',
  'of version 2, IPv6': `0d0a0d0a000d0a515549540a21210024${'20010db8000000000000000000000001'.repeat(2)}00010002`,
  'of version 2, local': '0d0a0d0a000d0a515549540a20000000',
  'of version 1': Buffer.from('PROXY TCP4 6.6.6.6 127.0.0.1 1 2\r\n').toString('hex'),
  'of version 2, longer than a head may be': `0d0a0d0a000d0a515549540a2111ffff${'00'.repeat(0xffff)}`,
};

for (const [name, hex] of Object.entries(prefaces)) {
  test(`a PROXY preface ${name} changes no address`, async ({ start }) => {
    const addresses: string[] = [];
    const { port, server, until } = await start([
      root({
        onRequest: (exchange) => {
          addresses.push(exchange.remoteAddress);
          exchange.reply(200, 'ok');
        },
      }),
    ]);
    const client = await RawClient.connect(port);
    client.send(Buffer.concat([Buffer.from(hex, 'hex'), Buffer.from(get('X-Forwarded-For: 6.6.6.6\r\n'))]));
    const { status } = await client.response();
    expect([200, answers.proxyPreface, 431, 505], `${status}`).toContain(status);
    expect(addresses).toStrictEqual(status === 200 ? ['127.0.0.1'] : []);
    client.close();
    await until(() => server.openConnections === 0);
  });
}
