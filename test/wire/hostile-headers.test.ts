// What a client sends costs time in proportion to its length: every header that is looked at, at 16 KB, and forms.
import { describe, expect } from 'vitest';
import type { Server } from '#src/index.js';
import { ownProcessorTime } from '../support/processor-time.js';
import { ask } from '../support/raw-client.js';
import { test } from '../support/test.js';
import { get, postForm } from '../support/web-client.js';

const size = 15_000;

/** Headers that some part of the server reads, with the requests that make it. */
const looked: Readonly<Record<string, readonly string[]>> = {
  Accept: ['/', '/nowhere', '/mi/nomodule'],
  Authorization: ['/mi'],
  Connection: ['/mi'],
  Cookie: ['/mi', 'POST /mi', 'POST /-/login'],
  'Content-Encoding': ['POST /mi'],
  'Content-Type': ['POST /mi', 'POST /mi/core/core:pwd'],
  Host: ['/mi', '/', '/json/pwd'],
  'If-None-Match': ['/-/style.css', '/mi/-/style.css'],
  Origin: ['POST /mi', '/mi/core/core:kill?arg='],
  Referer: ['/mi/core/core:kill?arg='],
  'Sec-Fetch-Site': ['/mi/core/core:kill?arg='],
  'Transfer-Encoding': ['POST /mi'],
  'User-Agent': ['/json/pwd'],
};

/** Beginnings of values, and what is repeated behind them: what makes expressions try again and again. */
const hostile: readonly (readonly [start: string, repeated: string])[] = [
  ['a', ' '],
  ['a', '\t '],
  ['', ','],
  ['', ', ,  ,'],
  ['', 'a ,'],
  ['', ';'],
  ['a', ' ;'],
  ['a;', ' a=" '],
  ['multipart/form-data', ';  boundary=" '],
  ['Basic ', 'A'],
  ['basic', ' '],
  ['Bearer ', ' a'],
  ['W/"', '\\"'],
  ['', 'W/'],
  ['[', ':'],
  ['http://', 'a.'],
  ['http://', '@:'],
  ['', 'close '],
  ['close', ' '],
  ['a;q=', '0'],
];

async function fastest(server: Server, target: string, header: string): Promise<number> {
  const [path = '', method = 'GET'] = target.split(' ').reverse();
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3; round += 1) {
    const begin = ownProcessorTime();
    await ask(server.port, method, path, method === 'POST' ? '{}' : undefined, [header]).catch(() => {});
    least = Math.min(least, ownProcessorTime() - begin);
    if (least < 10) break;
  }
  return least;
}

describe('headers of 15 KB', () => {
  for (const [name, targets] of Object.entries(looked)) {
    test(`${name}: no value costs much more than a plain one of that length`, async ({ startServer }) => {
      // The client calls the server `test`: with another Host no header of a page would be looked at.
      const login = ['Authorization', 'Cookie'].includes(name)
        ? { auth_username: 'a', auth_password: 'eight-letters' }
        : {};
      const httpd = { allowed_hosts: 'test', ...login };
      const server = await startServer({ mi_http: {}, mi_json: { root: 'json' }, httpd });
      for (const target of targets) {
        const usual = await fastest(server, target, `X-Padding: ${'x'.repeat(size)}`);
        for (const [start, repeated] of hostile) {
          const value = (start + repeated.repeat(Math.ceil(size / repeated.length))).slice(0, size);
          const taken = await fastest(server, target, `${name}: ${value}b`);
          expect(taken, `${target} ${start}${repeated}: ${taken} ms, usual ${usual} ms`).toBeLessThan(10 * usual + 50);
        }
      }
    });
  }
});

describe('forms have limits, and max_values counts in them', () => {
  const many = 30_000;
  const forms: readonly (readonly [name: string, body: string])[] = [
    ['words', `arg=${'a+'.repeat(many)}`],
    ['words of one input', `recipe=1&p.statistics=${'a+'.repeat(many)}`],
    ['JSON', `arg=[${'1,'.repeat(many)}1]`],
    ['members', `arg={${'"":1,'.repeat(10_000)}"a":1}`],
    ['one too many', `arg=${'a+'.repeat(1025)}`],
    ['fields', 'a&'.repeat(many)],
    ['ampersands', '&'.repeat(many)],
    ['a long one', `arg=${'a'.repeat(65_533)}`],
  ];
  const told: Readonly<Record<string, RegExp>> = {
    fields: /more than 256 fields/,
    ampersands: /more than 256 fields/,
    'a long one': /a form of 65537 bytes is over the limit of 65536 bytes/,
  };
  for (const root of ['mi', 'html']) {
    for (const [name, body] of forms) {
      test(`${name} on /${root}: 413 with the limit`, async ({ startServer }) => {
        const server = await startServer({ mi_http: {}, mi_html: { root: 'html' } });
        const path = `/${root}/statistics/statistics:get`;
        const { status, body: text } = await postForm(server, path, body, { 'Sec-Fetch-Site': 'same-origin' });
        expect(status, text.slice(0, 300)).toBe(413);
        expect(text).toMatch(told[name] ?? /more than 1024 values, the limit of a form or max_values/);
      });
    }
  }

  test('as many parts of multipart as fields', async ({ startServer }) => {
    const server = await startServer();
    const part = '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n';
    const headers = { 'Content-Type': 'multipart/form-data; boundary=x' };
    const { status, body } = await postForm(server, '/mi/core/core:pwd', `${part.repeat(257)}--x--`, headers);
    expect([status, /more than 256 fields/.test(body)]).toStrictEqual([413, true]);
  });

  test('a query has as many arguments as a form, whatever lies between its ampersands', async ({ startServer }) => {
    const server = await startServer();
    for (const [query, status] of [
      ['&'.repeat(256), 413],
      ['a&'.repeat(256), 413],
      // The last one is the field that runs the command.
      [`${'&'.repeat(254)}arg=mi:`, 200],
    ] as const) {
      expect((await get(server, `/mi/statistics/statistics:get?${query}`)).status, query).toBe(status);
    }
  });

  test('the heads of the parts of multipart have limits', async ({ startServer }) => {
    const server = await startServer();
    const headers = { 'Content-Type': 'multipart/form-data; boundary=x' };
    const ask = async (head: string): Promise<string> => {
      const part = `--x\r\n${head}\r\n\r\nmi:\r\n--x--`;
      const { status, body } = await postForm(server, '/mi/statistics/statistics:get', part, headers);
      return `${status} ${/(?:the heads? of|a Content-Disposition has)[^<]*/.exec(body)?.[0] ?? ''}`.trim();
    };
    const field = 'Content-Disposition: form-data; name="arg"';
    expect(await ask(field)).toBe('200');
    expect(await ask(`${'X: y\r\n'.repeat(7)}${field}`)).toBe('200');
    expect(await ask(`${'X: y\r\n'.repeat(8)}${field}`)).toMatch(/^400 the head of a field has more than 8 lines/);
    expect(await ask(field + '; a=b'.repeat(8))).toMatch(/^400 a Content-Disposition has more than 8 parameters/);
    expect(await ask(`${field}; x="${'%22'.repeat(6000)}"`)).toMatch(
      /^413 the heads of the fields have more than 16384/,
    );
  });

  test('what is refused costs no more than what is taken', async ({ startServer }) => {
    const server = await startServer();
    const time = async (body: string): Promise<number> => {
      let least = Number.POSITIVE_INFINITY;
      for (let round = 0; round < 5; round += 1) {
        const begin = ownProcessorTime();
        await postForm(server, '/mi/statistics/statistics:get', body);
        least = Math.min(least, ownProcessorTime() - begin);
      }
      return least;
    };
    const usual = await time(`arg=${'a+'.repeat(1_000)}`);
    const taken = await time(`arg=${'a+'.repeat(many)}`);
    expect(taken, `${taken} ms against ${usual} ms`).toBeLessThan(4 * usual + 30);
  });

  test('as many as are allowed are taken', async ({ startServer }) => {
    const server = await startServer({ mi_http: { max_values: 16 } });
    const ask = (count: number) => postForm(server, '/mi/statistics/statistics:get', `arg=${'mi:+'.repeat(count)}`);
    expect([(await ask(16)).status, (await ask(17)).status]).toStrictEqual([200, 413]);
    const json = (count: number) =>
      postForm(server, '/mi/statistics/statistics:get', `arg=[["mi:"${',"mi:"'.repeat(count - 1)}]]`);
    expect([(await json(14)).status, (await json(15)).status]).toStrictEqual([200, 413]);
  });
});
