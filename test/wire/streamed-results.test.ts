import { once } from 'node:events';
import { Agent, type IncomingMessage, request as sendRequest } from 'node:http';
import { connect } from 'node:net';
import { describe, expect } from 'vitest';
import { command, defineModule, RecordTable, type Result, secondsLeft, stream, streamObject } from '#src/index.js';
import { silentLog } from '../support/log.js';
import { call, post, withResolvers } from '../support/mi-client.js';
import { test } from '../support/test.js';

/** A module whose command `part:give` gives what `make` makes. */
function giving(make: () => Result) {
  const give = command({ name: 'give', help: 'Gives a value.', run: () => make() });
  return defineModule({ name: 'part', commands: [give] });
}

const ask = '{"jsonrpc":"2.0","method":"part:give","id":7}';
const request = `POST /mi HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${ask.length}\r\n\r\n${ask}`;

function* count(to: number): Generator<number> {
  for (let n = 0; n < to; n++) yield n;
}

async function* countLater(to: number): AsyncGenerator<number> {
  for (let n = 0; n < to; n++) {
    if (n % 1000 === 0) await new Promise(setImmediate);
    yield n;
  }
}

describe('dumps of record tables', () => {
  function table(size: number): RecordTable {
    const records = new RecordTable();
    for (let n = 0; n < size; n++) records.set(`user${n}`, { AOR: `user${n}`, text: '"ž😀\n', Contacts: [n] });
    return records;
  }

  for (const pretty_printing of [0, 1]) {
    test(`stand anywhere, several of them, beside other values; pretty_printing ${pretty_printing}`, async ({
      startServer,
    }) => {
      const [small, large] = [table(3), table(20_000)];
      const make = (): Result => ({
        Domains: [
          { name: 'location', hash_size: 512, AORs: large.dump() },
          { name: 'other', AORs: small.dump({ as: 'keys', member: 'AOR' }) },
        ],
        empty: table(0).dump(),
        again: small.dump(),
        text: 'behind',
      });
      const server = await startServer({ modules: [giving(make)], mi_http: { pretty_printing } });
      const { status, body } = await post(server, ask);
      expect(status).toBe(200);
      const { result, id } = JSON.parse(body);
      expect(id).toBe(7);
      const records = (size: number): unknown[] =>
        Array.from({ length: size }, (_, n) => ({ AOR: `user${n}`, text: '"ž😀\n', Contacts: [n] }));
      expect(result).toStrictEqual({
        Domains: [
          { name: 'location', hash_size: 512, AORs: records(20_000) },
          { name: 'other', AORs: [{ AOR: 'user0' }, { AOR: 'user1' }, { AOR: 'user2' }] },
        ],
        empty: [],
        again: records(3),
        text: 'behind',
      });
    });
  }

  test('that are short leave in one piece, with a length', async ({ startServer }) => {
    const server = await startServer({ modules: [giving(() => ({ rows: table(5).dump() }))] });
    const { headers, body } = await post(server, ask);
    expect(headers['content-length']).toBe(String(Buffer.byteLength(body)));
  });

  test('print the time that is left when they are sent', async ({ startServer }) => {
    const records = new RecordTable<{ expires: number | string }>();
    const at = Math.floor(Date.now() / 1000);
    records.set('a', { expires: secondsLeft(at + 1000) });
    records.set('b', { expires: secondsLeft(0, { permanent: 'permanent' }) });
    records.set('c', { expires: secondsLeft(at - 5, { expired: 'expired' }) });
    const server = await startServer({ modules: [giving(() => records.dump())] });
    const [a, b, c] = (await call(server, 'part:give')) as { expires: number | string }[];
    expect(Number(a?.expires) >= 990 && Number(a?.expires) <= 1000, String(a?.expires)).toBe(true);
    expect([b?.expires, c?.expires]).toStrictEqual(['permanent', 'expired']);
  });

  test('free their cursor and the id when the client leaves half-way', async ({ startServer }) => {
    const large = table(200_000);
    const server = await startServer({ modules: [giving(() => large.dump())] });
    const socket = connect(server.port, '127.0.0.1');
    socket.write(request);
    await once(socket, 'readable');
    const busy = (await call(server, 'get_statistics', [['windows_in_use']])) as Record<string, number>;
    expect(busy['mem:windows_in_use']).toBe(1);
    socket.destroy();
    for (;;) {
      const counts = (await call(server, 'get_statistics', [['windows_in_use', 'ids_held', 'aborted']])) as Record<
        string,
        number
      >;
      if (counts['httpd:aborted'] === 0) continue;
      expect(counts).toStrictEqual({ 'mem:windows_in_use': 0, 'mem:ids_held': 0, 'httpd:aborted': 1 });
      break;
    }
  });

  test('keep the connection for the next call', async ({ startServer, onTestFinished }) => {
    const server = await startServer({ modules: [giving(() => table(5000).dump())] });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    for (let round = 0; round < 5; round++) {
      expect(JSON.parse((await post(server, ask, { agent })).body).result.length).toBe(5000);
      expect((await post(server, '{"jsonrpc":"2.0","method":"pwd","id":1}', { agent })).body).toMatch(/"WD"/);
    }
    expect(await call(server, 'get_statistics', [['connections_total']])).toStrictEqual({
      'httpd:connections_total': 2,
    });
  });
});

describe('streams', () => {
  for (const [name, make] of [
    ['a generator', () => stream(count(100_000))],
    ['an asynchronous generator', () => stream(countLater(100_000))],
    ['an array', () => stream(Array.from(count(100_000)))],
  ] as const) {
    test(`an array from ${name}`, async ({ startServer }) => {
      const server = await startServer({ modules: [giving(() => ({ before: 1, rows: make(), after: [make()] }))] });
      const { result, id } = JSON.parse((await post(server, ask)).body);
      const rows = Array.from(count(100_000));
      expect({ result, id }).toStrictEqual({ result: { before: 1, rows, after: [rows] }, id: 7 });
    });
  }

  test('objects, empty ones, and items larger than a chunk', async ({ startServer }) => {
    const long = 'ž😀'.repeat(100_000);
    const make = (): Result => ({
      none: stream([]),
      nothing: streamObject([]),
      members: streamObject([
        ['a', 1],
        ['b"', long],
        ['c', null],
      ]),
      items: stream([long, [long]]),
    });
    for (const pretty_printing of [0, 1]) {
      const server = await startServer({ modules: [giving(make)], mi_http: { pretty_printing } });
      expect(JSON.parse((await post(server, ask)).body).result).toStrictEqual({
        none: [],
        nothing: {},
        members: { a: 1, 'b"': long, c: null },
        items: [long, [long]],
      });
    }
  });

  test('two at once do not mix', async ({ startServer }) => {
    let next = 0;
    async function* own(mark: number): AsyncGenerator<number> {
      for (let n = 0; n < 30_000; n++) {
        if (n % 500 === 0) await new Promise(setImmediate);
        yield mark;
      }
    }
    const server = await startServer({ modules: [giving(() => stream(own(next++)))] });
    const bodies = await Promise.all([post(server, ask), post(server, ask), post(server, ask)]);
    const marks = bodies.map(({ body }) => new Set(JSON.parse(body).result));
    expect(marks.every((set) => set.size === 1)).toBe(true);
    expect(new Set(marks.flatMap((set) => [...set])).size).toBe(3);
  });

  test('send what is there while the next item takes its time', async ({ startServer }) => {
    const next = withResolvers<void>();
    async function* slow(): AsyncGenerator<number> {
      yield 1;
      yield 2;
      await next.promise;
      yield 3;
    }
    const server = await startServer({ modules: [giving(() => stream(slow()))] });
    // Decoded from chunks: on a busy machine what was there at first may come in several of them.
    const asked = sendRequest({ port: server.port, path: '/mi', method: 'POST', agent: false });
    asked.setHeader('Content-Type', 'application/json').end(ask);
    const [reply] = (await once(asked, 'response')) as [IncomingMessage];
    let received = '';
    reply.setEncoding('utf8').on('data', (text) => {
      received += text;
    });
    while (!received.includes('[1,2')) await once(reply, 'data');
    next.resolve();
    await once(reply, 'end');
    expect(JSON.parse(received).result).toStrictEqual([1, 2, 3]);
  });

  test('of the letters of a string', async ({ startServer }) => {
    const server = await startServer({ modules: [giving(() => stream('ab'))] });
    expect(await call(server, 'part:give')).toStrictEqual(['a', 'b']);
  });

  test('are pulled at the pace of the client, and closed when it leaves', async ({ startServer }) => {
    const closed = withResolvers<number>();
    const aborted = withResolvers<void>();
    const watched = defineModule({
      name: 'part',
      commands: [
        command({
          name: 'give',
          help: 'Gives without end.',
          run: (_parameters, { signal }) => {
            signal.addEventListener('abort', () => aborted.resolve());
            return stream(endless());
          },
        }),
      ],
    });
    function* endless(): Generator<string> {
      let given = 0;
      try {
        for (;;) {
          given++;
          yield 'x'.repeat(1000);
        }
      } finally {
        closed.resolve(given);
      }
    }
    const server = await startServer({ modules: [watched] });
    const socket = connect(server.port, '127.0.0.1');
    socket.write(request);
    await once(socket, 'readable');
    socket.pause();
    // While the client does not read, others are served and little more is produced than the kernel takes.
    for (let round = 0; round < 200; round++) await call(server, 'version');
    socket.destroy();
    await aborted.promise;
    expect(await closed.promise).toBeLessThan(50_000);
  });

  test('that fail in the middle cut the connection, are counted and logged', async ({ startServer }) => {
    const logged: object[] = [];
    const log = { ...silentLog, error: (fields: object) => void logged.push(fields) };
    function* failing(): Generator<string> {
      for (let n = 0; n < 1000; n++) yield 'x'.repeat(1000);
      throw new Error('the database is gone');
    }
    const server = await startServer({ log, modules: [giving(() => stream(failing()))] });
    await expect(post(server, ask)).rejects.toThrow(/aborted|ECONNRESET|terminated/);
    expect(await call(server, 'get_statistics', [['stream_errors', 'windows_in_use']])).toStrictEqual({
      'httpd:stream_errors': 1,
      'mem:windows_in_use': 0,
    });
    expect(logged.length).toBe(1);
  });

  test('that fail at once are answered with an error', async ({ startServer }) => {
    const failing = {
      [Symbol.iterator]() {
        throw new Error('no database');
      },
    };
    const server = await startServer({ modules: [giving(() => stream(failing as never))] });
    expect((await post(server, ask)).body).toMatch(/"error":\{"code":-32000.*"id":7\}$/);
    expect(await call(server, 'get_statistics', [['windows_in_use', 'ids_held']])).toStrictEqual({
      'mem:windows_in_use': 0,
      'mem:ids_held': 0,
    });
  });
});

describe('limits of a reply', () => {
  test('max_reply_size cuts a runaway reply; one of just that size passes', async ({ startServer }) => {
    const limit = 300_000;
    let length = 0;
    const server = await startServer({
      httpd: { max_reply_size: limit },
      modules: [giving(() => stream(['x'.repeat(length)]))],
    });
    length = limit - '{"jsonrpc":"2.0","result":[""],"id":7}'.length;
    expect((await post(server, ask)).body.length).toBe(limit);
    length += 1;
    await expect(post(server, ask)).rejects.toThrow(/aborted|ECONNRESET|terminated/);
    expect(await call(server, 'get_statistics', [['stream_errors']])).toStrictEqual({ 'httpd:stream_errors': 1 });
  });

  test('reply_timeout cuts a reply that is not read whole in time', async ({ startServer }) => {
    const server = await startServer({
      httpd: { reply_timeout: 1, conn_timeout: 0 },
      modules: [giving(() => stream(count(100_000_000)))],
    });
    const socket = connect(server.port, '127.0.0.1');
    socket.write(request);
    socket.resume();
    await once(socket, 'close');
    expect(await call(server, 'get_statistics', [['timeouts']])).toStrictEqual({ 'httpd:timeouts': 1 });
  });
});
