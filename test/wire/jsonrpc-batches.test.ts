import { describe, expect } from 'vitest';
import { command, defineModule, MiError, RecordTable, stream } from '#src/index.js';
import { call, post } from '../support/mi-client.js';
import '../support/at-rest.js';
import { test } from '../support/test.js';

const request = (method: string, id?: unknown, params?: unknown): string =>
  JSON.stringify({ jsonrpc: '2.0', method, params, id });
const batch = (...requests: readonly string[]): string => `[${requests.join(',')}]`;
const ok = (result: unknown, id: string): string => `{"jsonrpc":"2.0","result":${JSON.stringify(result)},"id":${id}}`;

/** Commands that note what was run, in order. */
function noting() {
  const noted: unknown[] = [];
  const module = defineModule({
    name: 'part',
    commands: [
      command({
        name: 'note',
        help: 'Notes a value.',
        recipes: [{ value: 'json' }],
        run: ({ value }) => {
          noted.push(value);
          return noted.length;
        },
      }),
      // A copy: a result is printed later when the client is slow to read those before it.
      command({ name: 'list', help: 'Lists what was noted.', run: () => [...noted] as number[] }),
      command({
        name: 'text',
        help: 'Gives a text.',
        recipes: [{ length: 'int' }],
        run: ({ length }) => 'é'.repeat(length),
      }),
      command({
        name: 'refuse',
        help: 'Refuses.',
        run: () => {
          throw new MiError(404, 'not there', 'x'.repeat(100));
        },
      }),
    ],
  });
  return { module, noted };
}

describe('batches', () => {
  test('answer in the order of the requests, each id byte for byte', async ({ startServer }) => {
    const server = await startServer({ modules: [noting().module] });
    const ids = ['1', '"1"', '1.50', '-0', '1e400', '123456789012345678901', '"\\u0041\\/"', '"é😀"', 'null', '""'];
    const body = batch(...ids.map((id) => `{"id": ${id} ,"jsonrpc":"2.0","method":"part:text","params":[2]}`));
    const reply = await post(server, body);
    expect(reply.status).toBe(200);
    expect(reply.headers['content-type']).toBe('application/json');
    expect(reply.body).toBe(`[${ids.map((id) => ok('éé', id)).join(',')}]`);
    await expect(server).toBeAtRest();
  });

  test('run in their order, so that each call sees what those before it have done', async ({ startServer }) => {
    const { module, noted } = noting();
    const server = await startServer({ modules: [module] });
    const calls = ['note', 'list', 'note', 'list'].map((name, id) =>
      request(`part:${name}`, id, name === 'note' ? [id] : undefined),
    );
    const notified = [request('part:note', undefined, ['n']), request('part:list', 4)];
    const { body } = await post(server, batch(...calls, ...notified));
    const results = (JSON.parse(body) as { result: unknown }[]).map(({ result }) => result);
    expect(results).toStrictEqual([1, [0], 2, [0, 2], [0, 2, 'n']]);
    expect(noted).toStrictEqual([0, 2, 'n']);
  });

  test('statistics are those of the moment, also when calls behind them change these', async ({ startServer }) => {
    const server = await startServer({ modules: [noting().module] });
    const statistics = (id: number): string => request('get_statistics', id, [['note-calls']]);
    const { body } = await post(
      server,
      batch(
        statistics(1),
        request('part:note', 2, [1]),
        statistics(3),
        request('reset_statistics', 4, [['note-calls']]),
        statistics(5),
      ),
    );
    const results = (JSON.parse(body) as { result: unknown }[]).map(({ result }) => result);
    const told = [results[0], results[2], results[4]].map((found) => Object.values(found as object)[0]);
    expect(told).toStrictEqual([0, 1, 0]);
  });

  test('errors stand where their results would, and spoil nothing else', async ({ startServer }) => {
    const server = await startServer({ modules: [noting().module] });
    const { body } = await post(
      server,
      batch(
        request('part:refuse', 1),
        request('part:no_such', 2),
        request('part:note', 3),
        '{"jsonrpc":"1.0","method":"part:list","id":4}',
        '{"jsonrpc":"2.0","method":"part:list","id":{}}',
        'true',
        request('part:text', 5, [1]),
      ),
    );
    const replies = JSON.parse(body) as { error?: { code: number; data: string }; id: unknown }[];
    expect(replies.map(({ error, id }) => [error?.code, id])).toStrictEqual([
      [404, 1],
      [-32601, 2],
      [-32602, 3],
      [-32600, 4],
      [-32600, null],
      [-32600, null],
      [undefined, 5],
    ]);
    expect(replies[3]?.error?.data ?? '').toMatch(/jsonrpc.*2\.0/);
    await expect(server).toBeAtRest();
  });

  test('of notifications alone are run and answered 202 without a body', async ({ startServer }) => {
    const { module, noted } = noting();
    const server = await startServer({ modules: [module] });
    const notify = (value: unknown): string => request('part:note', undefined, [value]);
    const { status, body } = await post(server, batch(notify(1), request('part:refuse'), request('nope'), notify(2)));
    expect([status, body]).toStrictEqual([202, '']);
    expect(noted).toStrictEqual([1, 2]);
  });

  test('that are not JSON to their end run nothing', async ({ startServer }) => {
    const { module, noted } = noting();
    const server = await startServer({ modules: [module] });
    const note = request('part:note', 1, [1]);
    for (const body of [`[${note}`, `[${note},]`, `[${note}]x`, `[${note},{"a":}]`, `[${note},"\u0001"]`]) {
      const reply = await post(server, body);
      expect(reply.status).toBe(200);
      expect(reply.body, body).toMatch(/^\{"jsonrpc":"2\.0","error":\{"code":-32700.*"id":null\}$/);
    }
    expect(noted).toStrictEqual([]);
  });

  test('longer than max_batch get one error that names it, whatever follows, and run nothing', async ({
    startServer,
  }) => {
    const { module, noted } = noting();
    const server = await startServer({ modules: [module], mi_http: { max_batch: 3 } });
    const note = request('part:note', 1, [1]);
    expect((JSON.parse((await post(server, batch(note, note, note))).body) as unknown[]).length).toBe(3);
    for (const body of [batch(note, note, note, note), `[${note},${note},${note}, nonsense`]) {
      const { error, id, ...rest } = JSON.parse((await post(server, body)).body);
      expect([error.code, id, rest]).toStrictEqual([-32600, null, { jsonrpc: '2.0' }]);
      expect(error.data).toMatch(/more than 3 requests.*max_batch/);
    }
    expect(noted.length).toBe(3);
  });

  test('are refused when max_batch is 0; other requests are not', async ({ startServer }) => {
    const server = await startServer({ mi_http: { max_batch: 0 } });
    expect((await post(server, batch(request('version', 1)))).body).toMatch(/-32600.*max_batch is 0.*"id":null/);
    expect(await call(server, 'version')).toBeTruthy();
  });

  test('have 1000 requests at most by default', async ({ startServer }) => {
    const server = await startServer();
    const of = (count: number): string => batch(...Array.from({ length: count }, (_, id) => request('pwd', id)));
    const replies = JSON.parse((await post(server, of(1000))).body) as { id: number }[];
    expect(replies.map(({ id }) => id)).toStrictEqual([...Array(1000).keys()]);
    expect((await post(server, of(1001))).body).toMatch(/more than 1000 requests/);
  });

  test('a small window streams what is larger, whatever the cut', async ({ startServer }) => {
    const { module } = noting();
    for (const pretty of [0, 1]) {
      const settings = { httpd: { buf_size: 1024 }, mi_http: { pretty_printing: pretty }, modules: [module] };
      const server = await startServer(settings);
      // Replies that end at, before and behind the end of a chunk; sizes in characters of two bytes.
      const lengths = [...Array(40).keys(), 430, 440, 450, 460, 470, 480, 490, 500, 510, 3000, 1];
      const calls = lengths.map((length, id) => request('part:text', id, [length]));
      const { body } = await post(server, batch(...calls, request('part:refuse', 'r')));
      const replies = JSON.parse(body) as { result?: string; id: unknown }[];
      expect(replies.map(({ result, id }) => [result?.length, id])).toStrictEqual([
        ...lengths.map((length, id) => [length, id]),
        [undefined, 'r'],
      ]);
      if (pretty === 1) expect(body).toMatch(/^\[\{\n\t\t"jsonrpc":\t"2\.0",\n\t\t"result":\t""/);
      await expect(server).toBeAtRest();
    }
  });

  test('dumps and streams in them are printed when their turn comes', async ({ startServer }) => {
    const table = new RecordTable();
    for (let n = 0; n < 5000; n++) table.set(`key${n}`, { n, text: 'x'.repeat(20) });
    const parts = defineModule({
      name: 'large',
      commands: [
        command({
          name: 'dump',
          help: 'Dumps.',
          run: () => ({ rows: table.dump(), also: table.dump({ as: 'keys' }) }),
        }),
        command({
          name: 'stream',
          help: 'Streams.',
          run: () =>
            stream(
              (async function* () {
                for (let n = 0; n < 3000; n++) {
                  if (n % 1000 === 0) await new Promise(setImmediate);
                  yield n;
                }
              })(),
            ),
        }),
        command({ name: 'plain', help: 'Gives a list.', run: () => [...Array(30_000).keys()] }),
      ],
    });
    const server = await startServer({ modules: [parts] });
    const names = ['stream', 'dump', 'plain', 'dump', 'stream', 'stream', 'plain'];
    const reply = await post(server, batch(...names.map((name, id) => request(`large:${name}`, id))));
    expect(reply.headers['transfer-encoding']).toBe('chunked');
    const replies = JSON.parse(reply.body) as { result: unknown; id: number }[];
    expect(replies.map(({ id }) => id)).toStrictEqual([...names.keys()]);
    for (const { result, id } of replies) {
      if (names[id] === 'dump') {
        const { rows, also } = result as { rows: { n: number }[]; also: string[] };
        expect(new Set(rows.map(({ n }) => n)).size).toBe(5000);
        expect(also.length).toBe(5000);
      } else {
        expect(result).toStrictEqual([...Array(names[id] === 'stream' ? 3000 : 30_000).keys()]);
      }
    }
    await expect(server).toBeAtRest();
  });

  test('are counted', async ({ startServer }) => {
    const server = await startServer();
    await post(server, batch(request('pwd', 1), request('pwd')));
    await post(server, '[]');
    await post(server, '[1]');
    const statistics = (await call(server, 'get_statistics', [['batches', 'pwd-calls']])) as object;
    expect(Object.values(statistics).sort()).toStrictEqual([2, 2]);
  });
});
