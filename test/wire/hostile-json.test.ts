// JSON that is too much of something, and texts that want to become something else: a header, a line of the log.
import { join } from 'node:path';
import { assert, describe, expect } from 'vitest';
import { command, defineModule, type Server } from '#src/index.js';
import { rests } from '../support/at-rest.js';
import { call, post } from '../support/mi-client.js';
import { ask } from '../support/raw-client.js';
import { test } from '../support/test.js';

const echo = defineModule({
  name: 'echo',
  commands: [
    command({ name: 'text', help: 'Gives its text.', recipes: [{ text: 'string' }], run: ({ text }) => text }),
    command({ name: 'int', help: 'Gives its number.', recipes: [{ n: 'int' }], run: ({ n }) => n }),
  ],
});

function request(params: string, method = 'echo:text', id = '1'): string {
  return `{"jsonrpc":"2.0","method":"${method}","params":${params},"id":${id}}`;
}

/** Members with names whose numbers are far apart, so that they meet in a table that is not seeded. */
function members(count: number, nameOf: (n: number) => string): string {
  return Array.from({ length: count }, (_, n) => `"${nameOf(n)}":${n}`).join(',');
}

const collisions: Readonly<Record<string, (n: number) => string>> = {
  numbers: (n) => String(n * 65536),
  'long numbers': (n) => String(4_294_967_296 + n * 16_777_216),
  texts: (n) => n.toString(2).padStart(17, '0').replaceAll('0', 'Aa').replaceAll('1', 'BB'),
};

const code = (body: string): unknown => JSON.parse(body).error?.code;

/** A refusal of what has more values and names than a limit. */
function tooMany(limit: number): (reply: string) => void {
  return (reply) => {
    expect(code(reply)).toBe(-32600);
    const { error, id } = JSON.parse(reply);
    expect(error.data).toMatch(new RegExp(`has more than ${limit} values and names.*max_values`));
    expect(id).toBe(null);
  };
}

/** Sends a body again and again while somebody else calls; both are answered. */
async function whileOthersCall(server: Server, body: string, answered: (reply: string) => void): Promise<void> {
  const replies = Array.from({ length: 5 }, () => post(server, body));
  for (let n = 0; n < 20; n++) expect(await call(server, 'echo:int', [n])).toBe(n);
  for (const reply of await Promise.all(replies)) {
    expect(reply.status).toBe(200);
    answered(reply.body);
  }
}

/** Bytes: four times the default, for more to be told apart. */
const longest = 1 << 20;
const httpd = { receive_buf_size: longest };

describe('hostile JSON', () => {
  test('a body of the largest size is read, one byte more is refused', async ({ startServer }) => {
    const server = await startServer({ modules: [echo], httpd });
    const atRest = await rests(server);
    const around = request('[""]').length;
    const largest = 'x'.repeat(longest - around);
    await whileOthersCall(server, request(`["${largest}"]`), (reply) => expect(JSON.parse(reply).result).toBe(largest));
    const over = await ask(server.port, 'POST', '/mi', request(`["${largest}x"]`), ['Content-Type: application/json']);
    expect(over.status).toBe(413);
    await atRest();
  });

  for (const [open, close] of [
    ['[', ']'],
    ['{"a":', '}'],
  ] as const) {
    test(`nesting of ${open} has a limit, however deep it is`, async ({ startServer }) => {
      const server = await startServer({ modules: [echo], httpd });
      const atRest = await rests(server);
      const nested = (depth: number): string => request(`${open.repeat(depth)}1${close.repeat(depth)}`);
      expect(code((await post(server, nested(127))).body)).toBe(-32602);
      expect(code((await post(server, nested(128))).body)).toBe(-32700);
      const deepest = Math.floor(500_000 / open.length);
      await whileOthersCall(server, nested(deepest), (reply) => expect(code(reply)).toBe(-32700));
      await whileOthersCall(server, open.repeat(deepest), (reply) => expect(code(reply)).toBe(-32700));
      await atRest();
    });
  }

  for (const [name, nameOf] of Object.entries(collisions)) {
    test(`members whose names are ${name} that may collide keep nobody waiting`, async ({ startServer }) => {
      const server = await startServer({ modules: [echo], httpd });
      const atRest = await rests(server);
      const some = members(4000, nameOf);
      await whileOthersCall(server, request(`{${some}}`), (reply) => expect(code(reply)).toBe(-32602));
      await whileOthersCall(server, `{${some},"jsonrpc":"2.0","method":"pwd","id":1}`, (reply) =>
        assert('result' in JSON.parse(reply)),
      );
      const many = members(20_000, nameOf);
      await whileOthersCall(server, request(`{${many}}`), tooMany(8192));
      await whileOthersCall(server, `{${many},"jsonrpc":"2.0","method":"pwd","id":1}`, tooMany(8192));
      await whileOthersCall(
        server,
        `{"jsonrpc":"2.0","method":"pwd","id":1${',"id":1'.repeat(100_000)}}`,
        tooMany(8192),
      );
      await atRest();
    });
  }

  test('a request has at most max_values values and names, whatever follows', async ({ startServer }) => {
    const server = await startServer({ modules: [echo], httpd, mi_http: { max_values: 16 } });
    // Four members of the request with their names, and the parameter.
    const texts = (count: number): string => request(`[[${Array(count).fill('"a"').join(',')}]]`);
    expect(code((await post(server, texts(7))).body)).toBe(-32602);
    tooMany(16)((await post(server, texts(8))).body);
    tooMany(16)((await post(server, request(`[${'1,'.repeat(1000)}nonsense`))).body);
    const { body } = await post(server, `[${request('["a"]')},${texts(8)}]`);
    tooMany(16)(body);
  });

  test('a batch has at most sixteen times as many', async ({ startServer }) => {
    const server = await startServer({ modules: [echo], httpd, mi_http: { max_values: 16 } });
    const calls = (count: number): string => `[${Array(count).fill(request('["a"]')).join(',')}]`;
    expect(JSON.parse((await post(server, calls(28))).body).length).toBe(28);
    tooMany(256)((await post(server, calls(29))).body);
  });

  test('a huge batch runs nothing, and one of the largest size keeps nobody waiting', async ({ startServer }) => {
    const server = await startServer({ modules: [echo], httpd });
    const atRest = await rests(server);
    const batch = (count: number): string =>
      `[${Array.from({ length: count }, (_, n) => request(`[${n}]`, 'echo:int')).join(',')}]`;
    await whileOthersCall(server, batch(13_000), (reply) => expect(code(reply)).toBe(-32600));
    await whileOthersCall(server, `[${'1,'.repeat(500_000)}1]`, (reply) => expect(code(reply)).toBe(-32600));
    await whileOthersCall(server, batch(1000), (reply) => {
      const results = JSON.parse(reply).map(({ result }: { result: number }) => result);
      expect(results).toStrictEqual(Array.from({ length: 1000 }, (_, n) => n));
    });
    await atRest();
  });

  test('numbers of any length are refused or kept, never wrong', async ({ startServer }) => {
    const server = await startServer({ modules: [echo], httpd });
    const atRest = await rests(server);
    const long = '9'.repeat(900_000);
    for (const number of [long, `1e${long}`, `0.4${long}`, `-${long}`, '1e400', '9007199254740993']) {
      const { body } = await post(server, request(`[${number}]`, 'echo:int'));
      if (number.startsWith('0.')) expect(JSON.parse(body).result).toBe(0);
      else expect(code(body), number.slice(0, 20)).toBe(-32602);
      const { body: reply } = await post(server, request('["a"]', 'echo:text', number));
      expect(reply, 'an id is echoed byte for byte').toBe(`{"jsonrpc":"2.0","result":"a","id":${number}}`);
    }
    await atRest();
  });

  test('names of the prototype are names like others', async ({ startServer }) => {
    const server = await startServer({ modules: [echo], httpd });
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      expect(code((await post(server, request(`{"${name}":{"text":"a"}}`))).body)).toBe(-32602);
      expect(code((await post(server, request(`{"text":"a","${name}":1}`))).body)).toBe(-32602);
      expect(code((await post(server, request('[]', name))).body)).toBe(-32601);
    }
    expect('text' in {}).toBe(false);
  });
});

describe('texts that want to be something else', () => {
  const broken = 'x\r\nSet-Cookie: a=b\r\n\r\nHTTP/1.1 200 OK\r\n';

  test('never become headers', async ({ startServer }) => {
    const server = await startServer({ modules: [echo], httpd });
    const path = encodeURIComponent(broken);
    for (const [method, target] of [
      ['GET', `/${path}`],
      ['GET', `/mi/${path}`],
      ['GET', `/mi/echo/${path}`],
      ['GET', `/mi/echo/echo:int?arg=${path}`],
      ['GET', `/mi/core/core:pwd?arg=&raw=1&download=${path}`],
      ['POST', `/mi/${path}`],
    ] as const) {
      const { headers, statusLine } = await ask(server.port, method, target, method === 'POST' ? '{}' : undefined);
      expect(statusLine).toMatch(/^HTTP\/1\.1 [1-5]\d\d [A-Za-z ]+$/);
      expect(headers.has('set-cookie'), target).toBe(false);
    }
    const { headers, text } = await ask(server.port, 'POST', '/mi', request(JSON.stringify([broken])), [
      'Content-Type: application/json',
    ]);
    expect(headers.has('set-cookie')).toBe(false);
    expect(JSON.parse(text).result).toBe(broken);
  });

  test('never become lines of the log', async ({ temporaryFiles, startDaemon }) => {
    const directory = temporaryFiles({
      'fails.mjs': `export default ({ defineModule, command }) => defineModule({
        name: 'fails',
        commands: [command({ name: 'now', help: 'x', recipes: [{ text: 'string' }], run: ({ text }) => { throw new Error(text); } })],
        load: ({ httpd }) => httpd.registerRoot({ module: 'fails', root: 'fails', contentType: 'text/plain',
          onRequest: (exchange) => { throw new Error(exchange.path + exchange.query); } }),
      });`,
      'fails.cfg':
        'loadmodule "httpd.so"\nmodparam("httpd", "ip", "127.0.0.1")\nmodparam("httpd", "port", 0)\n' +
        'loadmodule "mi_http.so"\nloadmodule "./fails.mjs"\n',
    });
    const daemon = await startDaemon(['-f', join(directory, 'fails.cfg')]);
    const forged = '\n{"level":30,"msg":"forged"}\r\n\u001b[2Jforged\u2028forged\0';
    const escaped = encodeURIComponent(forged.replace('\0', ''));
    expect((await ask(daemon.port, 'GET', `/fails/${escaped}?${escaped}`)).status).toBe(500);
    const body = request(JSON.stringify([forged]), 'fails:now');
    const { text } = await ask(daemon.port, 'POST', '/mi', body, ['Content-Type: application/json']);
    expect(code(text)).toBe(-32000);
    const failures = (): unknown[] => daemon.log.filter(({ level }) => level === 50);
    while (failures().length < 2)
      await daemon.line(/failed/).then(() => new Promise((resolve) => setTimeout(resolve, 5)));
    expect(daemon.log.some(({ msg }) => msg === 'forged')).toBe(false);
    expect(
      daemon.lines.some((line) => line.includes('\u001b')),
      'no control character for a terminal',
    ).toBe(false);
  });
});
