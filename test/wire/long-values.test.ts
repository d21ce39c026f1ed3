// Long plain values: printed in slices, answered like short ones on every face.
import { describe, expect } from 'vitest';
import {
  command,
  defineModule,
  type JsonValue,
  MiError,
  RecordTable,
  type Result,
  type Server,
  stream,
} from '#src/index.js';
import { rests } from '../support/at-rest.js';
import { silentLog } from '../support/log.js';
import { call, callError, type HttpReply, type PostOptions, post } from '../support/mi-client.js';
import { test } from '../support/test.js';

const rows = Array.from({ length: 5_000 }, (_, id) => ({ id, user: `sip:user${id}@example.com`, state: 'ringing' }));
const huge = Array.from({ length: 300_000 }, (_, id) => ({ id, user: `sip:user${id}@example.com`, state: 'ringing' }));
const circle: unknown[] = [...rows];
circle.push(circle);

const table = new RecordTable<object>().set('a', { a: 1 });

/** Items that note that they are closed. */
const streams = { made: 0, closed: 0 };
function watched(): Result {
  streams.made += 1;
  const iterator: IterableIterator<number> = {
    [Symbol.iterator]: () => iterator,
    next: () => ({ done: true, value: undefined }),
    return: () => {
      streams.closed += 1;
      return { done: true, value: undefined };
    },
  };
  return stream(iterator);
}

const right: Readonly<Record<string, () => unknown>> = {
  list: () => rows,
  object: () => Object.fromEntries(rows.map((row) => [`m${row.id}`, row])),
  nested: () => ({ a: { b: [{ rows }, { toJSON: () => rows }] }, none: undefined, half: '\ud800' }),
  long_text: () => ({ text: '"é😀'.repeat(100_000) }),
  later: async () => ({ rows }),
  text_alone: () => '"é😀'.repeat(100_000),
};
const wrong: Readonly<Record<string, () => unknown>> = {
  map: () => [...rows, new Map([[1, 2]])],
  circle: () => circle,
  thrower: () => [
    ...rows,
    {
      toJSON: () => {
        throw new Error('no text');
      },
    },
  ],
};
const commands = Object.entries({
  ...right,
  ...wrong,
  huge: () => huge,
  parts: () => ({ rows, dump: table.dump(), items: stream([1, 2]) }),
  held: () => [watched(), ...huge, watched()],
  broken: () => [watched(), ...rows, circle],
  refuse: () => refuse(rows),
  refuse_later: async () => refuse({ rows, text: '"é😀'.repeat(100_000) }),
  refuse_huge: () => refuse(huge),
  refuse_map: () => refuse([...rows, new Map([[1, 2]])]),
}).map(([name, run]) => command({ name, help: '-', readOnly: true, run: run as () => Result }));
const modules = [defineModule({ name: 'm', commands })];

function refuse(data: unknown): never {
  throw new MiError(404, 'not found', data as JsonValue);
}

/** How a method is called, and where the result is in the reply. */
const faces: Readonly<
  Record<string, readonly [(method: string) => readonly [string, PostOptions?], (reply: HttpReply) => unknown]>
> = {
  'JSON-RPC': [(method) => [request(method)], ({ body }) => (JSON.parse(body) as { result: unknown }).result],
  'a batch': [
    (method) => [`[${request(method)},${request('version')}]`],
    ({ body }) => (JSON.parse(body) as { result: unknown }[])[0]?.result,
  ],
  'the bare result': [
    (method) => ['', { method: 'GET', path: `/mi/m/${method}?arg=&raw=1` }],
    ({ body }) => JSON.parse(body),
  ],
};

function request(method: string): string {
  return JSON.stringify({ jsonrpc: '2.0', method, id: 1 });
}

describe('a long plain value', () => {
  for (const [face, [ask, read]] of Object.entries(faces)) {
    for (const pretty of [0, 1] as const) {
      test(`is answered like a short one: ${face}${pretty === 1 ? ', indented' : ''}`, async ({ startServer }) => {
        const server = await startServer({ modules, log: silentLog, mi_http: { pretty_printing: pretty } });
        const rested = await rests(server);
        for (const [name, make] of Object.entries(right)) {
          const value: unknown = JSON.parse(JSON.stringify(await make()).replaceAll('\\ud800', '\ufffd'));
          expect(read(await post(server, ...ask(`m:${name}`))), name).toStrictEqual(value);
        }
        const whole = { rows, dump: [{ a: 1 }], items: [1, 2] };
        expect(read(await post(server, ...ask('m:parts')))).toStrictEqual(whole);
        for (const name of Object.keys(wrong)) {
          const reply = await post(server, ...ask(`m:${name}`));
          expect(reply.body, name).toMatch(/-32000/);
          expect(reply.body, name).not.toMatch(/sip:user/);
          expect(reply.status).toBe(face === 'the bare result' ? 500 : 200);
        }
        await rested();
      });
    }
  }

  test('is answered with its length when it is one text', async ({ startServer }) => {
    const server = await startServer({ modules });
    const { headers, bytes } = await post(server, request('m:list'));
    expect(Number(headers['content-length'])).toBe(bytes.length);
  });

  test('is shown on a page, and refused by mi_json when it does not fit', async ({ startServer }) => {
    const server = await startServer({ modules, mi_json: {}, log: silentLog });
    const headers = { 'Content-Type': null };
    const page = await post(server, '', { method: 'GET', path: '/mi/m/m:list?arg=', headers });
    expect(page.body).toMatch(/sip:user0@.*<p class="cut" id="rest" data-shown="\d+" data-bytes="\d+">/s);
    const failed = await post(server, '', { method: 'GET', path: '/mi/m/m:map?arg=', headers });
    expect(failed.body).toMatch(/m:map failed/);
    const legacy = async (name: string) => (await post(server, '', { method: 'GET', path: `/json/m:${name}` })).body;
    expect(await legacy('list')).toMatch(/"sip:user4999@/);
    for (const name of ['huge', 'map']) expect(await legacy(name)).toMatch(/^\{"error"/);
  });

  for (const [name, method] of [
    ['', 'm:huge'],
    [' as the data of an error', 'm:refuse_huge'],
  ] as const)
    test(`lets the event loop turn, and other calls be answered, while it is printed${name}`, async ({
      startServer,
    }) => {
      const server = await startServer({ modules });
      const shares: number[] = [];
      // A busy machine stops a process at any time, which no printing can help: the best of some rounds counts.
      while (shares.length < 6 && Math.min(...shares) > 0.25) {
        const before = performance.now();
        JSON.stringify(huge);
        const atOnce = performance.now() - before;
        const { longest, answered } = await longestTurn(server, method);
        expect(answered, `${answered} calls`).toBeGreaterThan(5);
        shares.push(longest / atOnce);
      }
      expect(Math.min(...shares), `turns as parts of the time at once: ${shares}`).toBeLessThanOrEqual(0.25);
    });

  test('is answered as the data of an error', async ({ startServer }) => {
    const lines: string[] = [];
    const server = await startServer({
      modules,
      log: { ...silentLog, error: (_: object, text: string) => void lines.push(text) },
    });
    const text = '"é😀'.repeat(100_000);
    for (const [method, data] of [
      ['m:refuse', rows],
      ['m:refuse_later', { rows, text }],
    ] as const) {
      const error = { code: 404, message: 'not found', data };
      expect(await callError(server, method)).toStrictEqual(error);
      const batch = await post(server, `[${request(method)},${request('version')},${request(method)}]`);
      const told = (JSON.parse(batch.body) as { error?: unknown }[]).map((one) => one.error);
      expect(told).toStrictEqual([error, undefined, error]);
      const raw = await post(server, '', { method: 'GET', path: `/mi/m/${method}?arg=&raw=1` });
      expect(JSON.parse(raw.body)).toStrictEqual({ error });
    }
    const reason = 'the error of the command cannot be printed as JSON';
    expect(await callError(server, 'm:refuse_map')).toMatchObject({ code: -32000, data: reason });
    expect(lines).toStrictEqual(['the error of MI command m:refuse_map cannot be printed']);
    expect((await post(server, '{"jsonrpc":"2.0","method":"m:refuse"}')).status).toBe(202);
  });

  test('gives back its parts when its client leaves, nobody wants it, or it fails', async ({ startServer }) => {
    const server = await startServer({ modules, log: silentLog });
    const rested = await rests(server);
    const left = new AbortController();
    const options = { method: 'POST', headers: { 'Content-Type': 'application/json' }, signal: left.signal };
    const reply = fetch(`http://127.0.0.1:${server.port}/mi`, { ...options, body: request('m:held') });
    await expect.poll(() => streams.made).toBeGreaterThan(0);
    left.abort();
    await expect(reply).rejects.toThrow();
    await post(server, '{"jsonrpc":"2.0","method":"m:held"}');
    await expect.poll(() => streams.closed).toBe(4);
    await post(server, request('m:broken'));
    await expect.poll(() => streams.closed).toBe(streams.made);
    await rested();
  });
});

/** How long the longest turn of the event loop is until the reply to a call begins, which is once all is printed. */
async function longestTurn(
  server: Server,
  method: string,
): Promise<{ readonly longest: number; readonly answered: number }> {
  let hasBegun = false;
  const options = { method: 'POST', headers: { 'Content-Type': 'application/json' } };
  const reply = fetch(`http://127.0.0.1:${server.port}/mi`, { ...options, body: request(method) }).then((response) => {
    hasBegun = true;
    return response.body?.cancel();
  });
  let answered = 0;
  const calls = (async () => {
    for (; !hasBegun; answered += 1) await call(server, 'version');
  })();
  let longest = 0;
  for (let last = performance.now(); !hasBegun; ) {
    await new Promise(setImmediate);
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }
  await Promise.all([reply, calls]);
  return { longest, answered };
}
