// Handlers in JavaScript, where no compiler tells: what they return or throw wrongly is refused, and named in the log.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { type Client, command, createServer, defineModule, RecordTable, stream, streamObject } from '#src/index.js';
import { call, callError, post } from './mi-client.js';

interface Line {
  readonly message: string;
  readonly fields: { readonly err?: unknown; readonly command?: unknown };
}

const table = new RecordTable<string>();

function* generated(): Generator<number> {
  yield 1;
}

class Nothing {
  readonly #hidden = 1;
  get shown(): number {
    return this.#hidden;
  }
}

const cyclic: unknown[] = [];
cyclic.push({ cyclic });

/** What a handler does, and what the log says of it. */
const wrong: Readonly<Record<string, readonly [run: () => unknown, logged: RegExp]>> = {
  map: [() => new Map([['a', 1]]), /result holds a Map, .*Object\.fromEntries/],
  deep_map: [() => ({ a: [{ b: new Map() }] }), /result holds a Map at \.a\[0\]\.b, /],
  set: [() => ({ set: new Set([1]) }), /a Set at \.set, /],
  error: [() => new Error('x'), /holds an? Error, /],
  error_in_list: [() => ['text', new TypeError('x')], /Error at \[1\]/],
  generator: [() => generated(), /generator or iterable, .*stream\(it\)/],
  generator_in_it: [() => ({ items: generated() }), /generator or iterable at \.items/],
  promise_in_it: [() => ({ later: Promise.resolve(1) }), /promise at \.later, .*await/],
  table: [() => table, /RecordTable: give table\.dump\(\)/],
  table_in_it: [() => ({ all: { table } }), /RecordTable: give table\.dump\(\)/],
  cyclic: [() => cyclic, /nested deeper than 128 levels, or contains itself/],
  later: [async () => ({ map: new Map() }), /a Map at \.map/],
  in_stream: [() => stream([new Map()] as never), /holds a Map/],
  in_members: [() => streamObject([['a', new Set()]] as never), /holds a Set/],
  text: [() => Promise.reject('only a text'), /thrown was no Error but 'only a text'/],
  thrown_object: [
    () => {
      throw { reason: 'busy' };
    },
    /thrown was no Error but \{ reason: 'busy' \}/,
  ],
};

/** What is answered with OpenSIPS' own text, and named in the log all the same. */
const empty: Readonly<Record<string, () => unknown>> = {
  nothing: () => undefined,
  nothing_later: async () => undefined,
};

/** What prints as it always did. */
const right: Readonly<Record<string, readonly [run: () => unknown, printed: unknown]>> = {
  empty_object: [() => ({ a: {}, b: [{}], text: '{}' }), { a: {}, b: [{}], text: '{}' }],
  instance: [() => ({ a: new Nothing(), b: Object.create(null) as object }), { a: {}, b: {} }],
  big: [() => ({ big: 2n ** 53n, none: {} }), { big: 2 ** 53, none: {} }],
  date: [() => [new Date(0), {}], ['1970-01-01T00:00:00.000Z', {}]],
  dump: [() => ({ all: table.dump(), none: {} }), { all: [], none: {} }],
};

const runs = {
  ...Object.fromEntries(Object.entries({ ...wrong, ...right }).map(([name, [run]]) => [name, run])),
  ...empty,
};

async function start(t: { after(done: () => unknown): void }) {
  const lines: Line[] = [];
  const note = (fields: object, message: string): void => void lines.push({ fields, message });
  const log = { debug: () => {}, info: () => {}, warn: note, error: note };
  const clients: Client[] = [];
  const commands = Object.entries(runs).map(([name, run]) =>
    command({ name, help: '-', readOnly: true, run: run as () => string }),
  );
  const who = command({
    name: 'who',
    help: '-',
    run: (_, { client }) => {
      if (client !== undefined) clients.push(client);
      return 'OK';
    },
  });
  const modules = [defineModule({ name: 'm', commands: [...commands, who] })];
  const server = await createServer({ httpd: { ip: '127.0.0.1', port: 0 }, mi_json: {}, log, modules }).start();
  t.after(() => server.close({ deadline: 0 }));
  return { server, lines, clients };
}

describe('what a handler returns or throws wrongly', () => {
  test('is refused, and the log names the command and the mistake', async (t) => {
    const { server, lines } = await start(t);
    for (const [name, [, logged]] of Object.entries(wrong)) {
      lines.length = 0;
      const { code, data } = await callError(server, `m:${name}`);
      assert.deepEqual([code, data], [-32000, `m:${name} failed; the log of the server tells why`], name);
      assert.deepEqual(
        lines.map(({ message, fields }) => [message, fields.command]),
        [[`MI command m:${name} failed`, `m:${name}`]],
      );
      const { err } = lines[0]?.fields ?? {};
      assert.match(err instanceof Error ? err.message : inspect(err), logged, name);
    }
  });

  test('is so on every face', async (t) => {
    const { server, lines } = await start(t);
    const body = '[{"jsonrpc":"2.0","method":"m:deep_map","id":1},{"jsonrpc":"2.0","method":"m:big","id":2}]';
    const [first, second] = JSON.parse((await post(server, body)).body) as Record<string, unknown>[];
    assert.ok(first !== undefined && 'error' in first && second !== undefined && 'result' in second);
    const legacy = await post(server, '', { method: 'GET', path: '/json/m:deep_map' });
    assert.match(legacy.body, /error/i);
    const page = await post(server, '', { method: 'GET', path: '/mi/m/m:deep_map?arg=' });
    assert.match(page.body, /m:deep_map failed/);
    assert.deepEqual([...new Set(lines.map(({ message }) => message))], ['MI command m:deep_map failed']);
    assert.equal(lines.length, 3);
  });

  test('is told where it is nothing at all', async (t) => {
    const { server, lines } = await start(t);
    for (const name of Object.keys(empty)) {
      lines.length = 0;
      assert.equal((await callError(server, `m:${name}`)).data, 'Command handler returned null');
      assert.match(lines[0]?.message ?? '', new RegExp(`^MI command m:${name} returned nothing, .*'OK'$`));
      assert.equal(lines.length, 1);
    }
  });
});

test('empty objects, instances and dates are printed as ever', async (t) => {
  const { server, lines } = await start(t);
  for (const [name, [, printed]] of Object.entries(right)) assert.deepEqual(await call(server, `m:${name}`), printed);
  assert.deepEqual(lines, []);
});

test('a record that holds a map is not set, rather than set to an empty object', () => {
  const records = new RecordTable<object>();
  assert.throws(() => records.set('a', { map: new Map() }), /^TypeError: .*a Map at \.map/);
  assert.equal(records.size, 0);
});

test('the client of a call is a small object that nobody can change', async (t) => {
  const { server, clients } = await start(t);
  await call(server, 'm:who');
  const [client] = clients;
  assert.ok(client !== undefined && Object.isFrozen(client));
  assert.deepEqual(Object.keys(client).sort(), ['caller', 'listener', 'origin', 'remoteAddress']);
  assert.equal(client.remoteAddress, '127.0.0.1');
  assert.doesNotMatch(inspect(client, { depth: 9, showHidden: true }), /exchange|response|headers/i);
});
