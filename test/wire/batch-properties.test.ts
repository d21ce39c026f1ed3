import fc from 'fast-check';
import { describe, expect } from 'vitest';
import { command, defineModule, MiError, RecordTable, type Result, stream } from '#src/index.js';
import { count } from '../support/long.js';
import { post } from '../support/mi-client.js';
import { holds } from '../support/property.js';
import '../support/at-rest.js';
import { silentLog } from '../support/log.js';
import { test } from '../support/test.js';

/** Results of every shape: texts, large ones, parts that are printed later, errors, at once and later. */
function shapes() {
  const table = new RecordTable();
  for (let n = 0; n < 40; n++) table.set(`key${n}`, { n, text: 'é'.repeat(n) });
  async function* slowly(count: number): AsyncGenerator<number> {
    for (let n = 0; n < count; n++) {
      if (n % 7 === 0) await new Promise(setImmediate);
      yield n;
    }
  }
  function* breaks(): Generator<number> {
    if (table.size > 0) throw new Error('no database');
    yield 1;
  }
  const make: Readonly<Record<string, (size: number) => Result | Promise<Result>>> = {
    text: (size) => '日'.repeat(size),
    number: (size) => BigInt(size) * 10n ** 20n,
    list: (size) => ({ list: [...Array(size).keys()], none: null }),
    dump: (size) => ({ size, rows: table.dump(), keys: [table.dump({ as: 'keys' })] }),
    stream: (size) => [stream([...Array(size).keys()]), size],
    slow_stream: (size) => ({ rows: stream(slowly(size)) }),
    broken: (size) => ({ size, rows: [stream(breaks())] }),
    later: async (size) => {
      await new Promise(setImmediate);
      return 'x'.repeat(size);
    },
    fail: (size) => {
      throw new MiError(400 + (size % 100), 'refused', 'é'.repeat(size));
    },
    fail_later: async (size) => {
      await null;
      throw new MiError(500, 'refused later', `${size}`);
    },
  };
  const commands = Object.entries(make).map(([name, give]) =>
    command({ name, help: 'Gives a result.', recipes: [{ size: 'int' }], run: ({ size }) => give(size) }),
  );
  return { module: defineModule({ name: 'shape', commands }), names: Object.keys(make) };
}

const { module, names } = shapes();

const id = fc.oneof(
  fc.constantFrom('null', '1.50', '-0', '1e400', '"\\u0041\\/"', '123456789012345678901', 'true', '[1]'),
  fc.integer().map(String),
  fc.string({ unit: 'grapheme' }).map((text) => JSON.stringify(text)),
);

const request = fc
  .record({
    method: fc.constantFrom(...names, 'no_such'),
    size: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 2000 })),
    id: fc.option(id),
    blanks: fc.constantFrom('', ' ', '\n\t'),
  })
  .map(({ method, size, id, blanks }) => {
    const idMember = id === null ? '' : `,"id":${blanks}${id}`;
    return `${blanks}{"jsonrpc":"2.0","method":"shape:${method}","params":[${size}]${idMember}${blanks}}${blanks}`;
  });

const element = fc.oneof({ weight: 9, arbitrary: request }, fc.json());

describe('batches of anything', () => {
  for (const [windowSize, runs] of [
    [1024, count(40, 1000)],
    [0, count(40, 1000)],
  ] as const) {
    test(`answer what their requests are answered alone, byte for byte, with buf_size ${windowSize}`, async ({
      startServer,
    }) => {
      const server = await startServer({ modules: [module], log: silentLog, httpd: { buf_size: windowSize } });
      const property = fc.asyncProperty(fc.array(element, { minLength: 1, maxLength: 12 }), async (elements) => {
        const alone: string[] = [];
        for (const text of elements) {
          // An array in a batch is no request (JSON-RPC 2.0 §6), alone it is a batch.
          const { body } = await post(server, /^\s*\[/.test(text) ? '0' : text);
          if (body !== '') alone.push(body);
        }
        const { status, body } = await post(server, `[${elements.join(',')}]`);
        expect(status).toBe(alone.length === 0 ? 202 : 200);
        expect(body).toBe(alone.length === 0 ? '' : `[${alone.join(',')}]`);
      });
      await holds(property, { runs, found: [17, 610437913] });
      await expect(server).toBeAtRest();
    });
  }
});
