import { describe, expect } from 'vitest';
import { command, createServer, defineModule, MiError } from '#src/index.js';
import { type HttpReply, post } from '../support/mi-client.js';
import '../support/at-rest.js';
import { silentLog } from '../support/log.js';
import { test } from '../support/test.js';

function errorOf(reply: HttpReply): { code: number; message: string; data?: string } {
  expect(reply.headers['content-type']).toBe('application/json');
  const { error, id, jsonrpc, ...rest } = JSON.parse(reply.body);
  expect({ id, jsonrpc, rest }).toStrictEqual({ id: null, jsonrpc: '2.0', rest: {} });
  return error;
}

describe('HTTP outcomes of a JSON-RPC root', () => {
  test('a result is 200 with a length, without charset and trailing newline', async ({ startServer }) => {
    const server = await startServer();
    const reply = await post(server, '{"jsonrpc":"2.0","method":"pwd","id":"x"}');
    expect(reply.status).toBe(200);
    expect(reply.headers['content-type']).toBe('application/json');
    expect(reply.headers['content-length']).toBe(String(Buffer.byteLength(reply.body)));
    expect(reply.body).toBe(`{"jsonrpc":"2.0","result":{"WD":${JSON.stringify(process.cwd())}},"id":"x"}`);
  });

  test('the rest of the path and the query do not matter', async ({ startServer }) => {
    const server = await startServer();
    for (const path of ['/mi', '/mi/', '/mi/any/thing?x=1', '/%6di', '/mi%2fx']) {
      expect((await post(server, '{"jsonrpc":"2.0","method":"pwd","id":1}', { path })).status, path).toBe(200);
    }
  });

  test('a notification is 202 with no body, whatever becomes of it', async ({ startServer }) => {
    const server = await startServer();
    for (const call of ['"method":"version"', '"method":"no_such"', '"method":"version","params":[1,2,3]']) {
      const reply = await post(server, `{"jsonrpc":"2.0",${call}}`);
      expect(reply.status, call).toBe(202);
      expect(reply.body).toBe('');
    }
  });

  test('an empty body is 400 and says so', async ({ startServer }) => {
    const server = await startServer();
    const reply = await post(server, '');
    expect(reply.status).toBe(400);
    const { code, data } = errorOf(reply);
    expect(code).toBe(-32600);
    expect(data ?? '').toMatch(/no body/);
  });

  test('without pages GET is 405 with Allow and the reason; HEAD likewise, without a body', async ({ startServer }) => {
    const server = await startServer({ mi_http: { html: 0 } });
    const get = await post(server, '', { method: 'GET', headers: { 'Content-Type': null } });
    expect(get.status).toBe(405);
    expect(get.headers.allow).toBe('POST');
    expect(errorOf(get).data ?? '').toMatch(/GET/);
    const head = await post(server, '', { method: 'HEAD', headers: { 'Content-Type': null } });
    expect(head.status).toBe(405);
    expect(head.body).toBe('');
  });

  test('without pages only JSON media types are accepted, or none', async ({ startServer }) => {
    const server = await startServer({ mi_http: { html: 0 } });
    const body = '{"jsonrpc":"2.0","method":"version","id":1}';
    for (const type of ['application/json', 'Application/JSON; charset=utf-8', 'application/json-rpc', null]) {
      expect((await post(server, body, { headers: { 'Content-Type': type } })).status, String(type)).toBe(200);
    }
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'text/xml',
    ]) {
      const reply = await post(server, body, { headers: { 'Content-Type': type } });
      expect(reply.status, type).toBe(415);
      expect(errorOf(reply).data ?? '').toMatch(/application\/json/);
    }
  });

  test('a body over receive_buf_size is 413; one of just that size is served', async ({ startServer }) => {
    const server = await startServer({ httpd: { receive_buf_size: 2048 } });
    const call = (size: number): string => {
      const start = '{"jsonrpc":"2.0","method":"pwd","id":1,"x":"';
      return `${start}${'x'.repeat(size - start.length - 2)}"}`;
    };
    expect((await post(server, call(2048))).status).toBe(200);
    const reply = await post(server, call(2049));
    expect(reply.status).toBe(413);
    expect(errorOf(reply).data ?? '').toMatch(/2048/);
  });
});

test('large requests that come together are answered each with its own', async ({ startServer }) => {
  const echo = defineModule({
    name: 'echo',
    commands: [command({ name: 'text', help: 'Gives it back.', recipes: [{ text: 'json' }], run: ({ text }) => text })],
  });
  const server = await startServer({ modules: [echo] });
  const of = (n: number): string => String.fromCharCode(97 + n).repeat(100_000 + n);
  const numbers = [...Array(20).keys()];
  const calls = numbers.map((id) => JSON.stringify({ jsonrpc: '2.0', method: 'echo:text', params: [of(id)], id }));
  const batches = numbers.map((id) => `[${calls[id]}]`);
  const broken = numbers.map((id) => `${calls[id]}${'x'.repeat(id)}`);
  const replies = await Promise.all([...calls, ...batches, ...broken.slice(1)].map((body) => post(server, body)));
  const told = replies.map(({ body }) => JSON.parse(body));
  const whole = numbers.map((id) => ({ jsonrpc: '2.0', result: of(id), id }));
  expect(told.slice(0, 20)).toStrictEqual(whole);
  expect(told.slice(20, 40)).toStrictEqual(whole.map((one) => [one]));
  expect(told.slice(40).map(({ error }) => error.code)).toStrictEqual(Array(19).fill(-32700));
  await expect(server).toBeAtRest();
});

describe('handlers that fail', () => {
  test('an MiError is told as it is; anything else is -32000 and logged with its stack', async ({ startServer }) => {
    const logged: object[] = [];
    const log = { ...silentLog, error: (fields: object) => void logged.push(fields) };
    const failing = defineModule({
      name: 'failing',
      commands: [
        command({
          name: 'refuse',
          help: 'Refuses.',
          run: () => {
            throw new MiError(404, 'AOR not found');
          },
        }),
        command({
          name: 'crash',
          help: 'Throws.',
          run: () => {
            throw new TypeError('secret detail');
          },
        }),
        command({ name: 'crash_later', help: 'Rejects.', run: () => Promise.reject(new Error('secret detail')) }),
        command({ name: 'cycle', help: 'Returns a value that holds itself.', run: () => cyclic() }),
        command({ name: 'nothing', help: 'Returns nothing.', run: () => undefined as never }),
      ],
    });
    const server = await startServer({ log, modules: [failing] });
    const error = async (method: string): Promise<unknown> =>
      JSON.parse((await post(server, `{"jsonrpc":"2.0","method":"${method}","id":1}`)).body).error;
    expect(await error('refuse')).toStrictEqual({ code: 404, message: 'AOR not found' });
    for (const method of ['crash', 'crash_later', 'cycle']) {
      const { code, message, data } = (await error(method)) as { code: number; message: string; data: string };
      expect([code, message]).toStrictEqual([-32000, 'Server error']);
      expect(data).toMatch(new RegExp(`failing:${method}.*log`));
      expect(data).not.toContain('secret');
    }
    expect(await error('nothing')).toStrictEqual({
      code: -32000,
      message: 'Server error',
      data: 'Command handler returned null',
    });
    expect(logged.length).toBe(3);
    expect(
      logged.every((fields) => 'err' in fields && fields.err instanceof Error && fields.err.stack !== undefined),
    ).toBe(true);
  });

  function cyclic(): never {
    const value: { self?: unknown } = {};
    value.self = value;
    return value as never;
  }
});

test('a full server and two servers side by side keep their commands apart', async ({ startServer }) => {
  const one = await startServer({
    modules: [defineModule({ name: 'a', commands: [command({ name: 'mine', help: 'x', run: () => 1 })] })],
  });
  const two = await startServer();
  expect(one.port).not.toBe(two.port);
  const ask = async (server: typeof one): Promise<string> =>
    (await post(server, '{"jsonrpc":"2.0","method":"a:mine","id":1}')).body;
  expect(await ask(one)).toBe('{"jsonrpc":"2.0","result":1,"id":1}');
  expect(await ask(two)).toMatch(/-32601/);
});

test('the same command twice refuses to be built', () => {
  const twice = command({ name: 'x', help: 'x', run: () => 1 });
  expect(() => createServer({ modules: [defineModule({ name: 'm', commands: [twice, twice] })] })).toThrow(/m:x/);
});
