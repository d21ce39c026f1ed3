// Handlers in JavaScript, where no compiler tells: what they return or throw wrongly is refused, and named in the log.
import { inspect } from 'node:util';
import { assert, describe, expect, vi } from 'vitest';
import {
  type Client,
  command,
  createServer,
  defineModule,
  type JsonValue,
  MiError,
  RecordTable,
  type Server,
  stream,
  streamObject,
} from '#src/index.js';
import type { Lifetime } from '../support/lifetime.js';
import { silentLog } from '../support/log.js';
import { call, callError, post } from '../support/mi-client.js';
import { test } from '../support/test.js';

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

/** The server that runs, which a handler may give back by mistake. */
const running: { server?: Server } = {};

/** What a handler does, and what the log says of it. */
const wrong: Readonly<Record<string, readonly [run: () => unknown, logged: RegExp]>> = {
  map: [() => new Map([['a', 1]]), /result holds a Map, .*Object\.fromEntries/],
  deep_map: [() => ({ a: [{ b: new Map() }] }), /result holds a Map at \.a\[0\]\.b, /],
  set: [() => ({ set: new Set([1]) }), /a Set at \.set, /],
  error: [() => new Error('x'), /holds an? Error, /],
  mi_error: [() => new MiError(404, 'not found'), /result holds an MiError, .*throw it/],
  mi_error_in_it: [() => ({ a: [new MiError(404)] }), /result holds an MiError/],
  mi_error_in_stream: [() => stream([new MiError(404)] as never), /result holds an MiError/],
  buffer: [() => new ArrayBuffer(2), /result holds a ArrayBuffer, which JSON does not have/],
  shared_buffer: [() => ({ a: new SharedArrayBuffer(2) }), /a SharedArrayBuffer at \.a,/],
  view: [() => ({ a: new DataView(new ArrayBuffer(2)) }), /a DataView at \.a,/],
  intl: [() => [new Intl.NumberFormat('en')], /a Intl\.NumberFormat at \[0\],/],
  server: [() => running.server, /result holds the Server: give/],
  parts_of_it: [() => ({ a: running.server?.events }), /result holds the Events at \.a/],
  status_of_it: [() => running.server?.status, /result holds the StatusReports/],
  error_in_list: [() => ['text', new TypeError('x')], /Error at \[1\]/],
  generator: [() => generated(), /generator or iterable, .*stream\(it\)/],
  generator_in_it: [() => ({ items: generated() }), /generator or iterable at \.items/],
  promise_in_it: [() => ({ later: Promise.resolve(1) }), /promise at \.later, .*await/],
  table: [() => table, /RecordTable: give table\.dump\(\)/],
  table_in_it: [() => ({ all: { table } }), /RecordTable: give table\.dump\(\)/],
  map_of_own_text: [() => ({ toJSON: () => new Map() }), /holds a Map, /],
  map_in_own_text: [() => [{ toJSON: () => ({ a: [new Map()] }) }], /holds a Map at \[0\]\.a\[0\],/],
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
const empty: Readonly<Record<string, readonly [run: () => unknown, what: string]>> = {
  nothing: [() => undefined, 'nothing'],
  nothing_later: [async () => undefined, 'nothing'],
  function: [() => () => 'OK', 'a function'],
  symbol: [() => Symbol('OK'), 'a symbol'],
  own_text: [() => ({ toJSON: () => undefined }), 'an object whose toJSON gives nothing'],
};

/** What prints as it always did. */
const right: Readonly<Record<string, readonly [run: () => unknown, printed: unknown]>> = {
  empty_object: [() => ({ a: {}, b: [{}], text: '{}' }), { a: {}, b: [{}], text: '{}' }],
  instance: [() => ({ a: new Nothing(), b: Object.create(null) as object }), { a: {}, b: {} }],
  big: [() => ({ big: 2n ** 53n, none: {} }), { big: 2 ** 53, none: {} }],
  date: [() => [new Date(0), {}], ['1970-01-01T00:00:00.000Z', {}]],
  dump: [() => ({ all: table.dump(), none: {} }), { all: [], none: {} }],
  own_dump: [() => ({ toJSON: () => table.dump() }), []],
  own_stream: [() => ({ a: { toJSON: () => stream([1, {}]) } }), { a: [1, {}] }],
  own_instance: [() => [{ toJSON: () => new Nothing() }], [{}]],
};

const runs = {
  ...Object.fromEntries(Object.entries({ ...wrong, ...empty, ...right }).map(([name, [run]]) => [name, run])),
};

async function start(t: Lifetime) {
  const lines: Line[] = [];
  const note = (fields: object, message: string): void => void lines.push({ fields, message });
  const log = { ...silentLog, warn: note, error: note };
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
  t.onTestFinished(() => server.close({ deadline: 0 }));
  running.server = server;
  return { server, lines, clients };
}

describe('what a handler returns or throws wrongly', () => {
  test('is refused, and the log names the command and the mistake', async ({ lifetime }) => {
    const { server, lines } = await start(lifetime);
    for (const [name, [, logged]] of Object.entries(wrong)) {
      lines.length = 0;
      const { code, data } = await callError(server, `m:${name}`);
      expect([code, data], name).toStrictEqual([-32000, `m:${name} failed; the log of the server tells why`]);
      expect(lines.map(({ message, fields }) => [message, fields.command])).toStrictEqual([
        [`MI command m:${name} failed`, `m:${name}`],
      ]);
      const { err } = lines[0]?.fields ?? {};
      expect(err instanceof Error ? err.message : inspect(err), name).toMatch(logged);
    }
  });

  test('is so on every face', async ({ lifetime }) => {
    const { server, lines } = await start(lifetime);
    const body = '[{"jsonrpc":"2.0","method":"m:deep_map","id":1},{"jsonrpc":"2.0","method":"m:big","id":2}]';
    const [first, second] = JSON.parse((await post(server, body)).body) as Record<string, unknown>[];
    assert(first !== undefined && 'error' in first && second !== undefined && 'result' in second);
    const legacy = await post(server, '', { method: 'GET', path: '/json/m:deep_map' });
    expect(legacy.body).toMatch(/error/i);
    const page = await post(server, '', { method: 'GET', path: '/mi/m/m:deep_map?arg=' });
    expect(page.body).toMatch(/m:deep_map failed/);
    expect([...new Set(lines.map(({ message }) => message))]).toStrictEqual(['MI command m:deep_map failed']);
    expect(lines.length).toBe(3);
  });

  test('is told where it is nothing at all', async ({ lifetime }) => {
    const { server, lines } = await start(lifetime);
    for (const [name, [, what]] of Object.entries(empty)) {
      lines.length = 0;
      expect((await callError(server, `m:${name}`)).data).toBe('Command handler returned null');
      expect(lines[0]?.message ?? '').toMatch(
        new RegExp(`^MI command m:${name} returned ${what}, which is answered as an error: return a value`),
      );
      expect(lines.length).toBe(1);
    }
  });
});

test('empty objects, instances and dates are printed as ever', async ({ lifetime }) => {
  const { server, lines } = await start(lifetime);
  for (const [name, [, printed]] of Object.entries(right))
    expect(await call(server, `m:${name}`)).toStrictEqual(printed);
  expect(lines).toStrictEqual([]);
});

test('a record that holds a map is not set, rather than set to an empty object', () => {
  const records = new RecordTable<object>();
  expect(() => records.set('a', { map: new Map() })).toThrow(
    expect.objectContaining({ name: 'TypeError', message: expect.stringMatching(/^.*a Map at \.map/) }),
  );
  expect(records.size).toBe(0);
});

test('the client of a call is a small object that nobody can change', async ({ lifetime }) => {
  const { server, clients } = await start(lifetime);
  await call(server, 'm:who');
  const [client] = clients;
  assert(client !== undefined && Object.isFrozen(client));
  expect(Object.keys(client).sort()).toStrictEqual(['caller', 'listener', 'origin', 'remoteAddress']);
  expect(client.remoteAddress).toBe('127.0.0.1');
  expect(inspect(client, { depth: 9, showHidden: true })).not.toMatch(/exchange|response|headers/i);
});

const asPage = { 'Content-Type': null, Accept: 'text/html' };

describe('what cannot be read or printed', () => {
  const fail = (): never => {
    throw new Error('not to be read');
  };
  const thrown: Readonly<Record<string, () => unknown>> = {
    message: () => Object.defineProperty(new Error('x'), 'message', { get: fail }),
    stack: () => Object.defineProperty(new Error('x'), 'stack', { get: fail }),
    proxy: () => new Proxy({}, { get: fail, getPrototypeOf: fail, has: fail }),
    data: () => Object.defineProperty(new MiError(404, 'x', 'y'), 'data', { get: fail }),
  };
  const commands = Object.entries(thrown).map(([name, make]) =>
    command({
      name,
      help: '-',
      readOnly: true,
      run: () => {
        throw make();
      },
    }),
  );

  test('is answered as an error of the command on every face, and calls beside it have theirs', async ({
    onTestFinished,
  }) => {
    // The process has the warnings where no log is given.
    const told = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const modules = [defineModule({ name: 'm', commands })];
    const server = await createServer({ httpd: { ip: '127.0.0.1', port: 0 }, mi_json: {}, modules }).start();
    onTestFinished(() => server.close({ deadline: 0 }));
    for (const name of Object.keys(thrown)) {
      expect((await callError(server, `m:${name}`)).code, name).toBe(-32000);
      const page = await post(server, '', { method: 'GET', path: `/mi/m/m:${name}?arg=`, headers: asPage });
      expect(page.status, name).toBe(500);
      const legacy = await post(server, '', { method: 'GET', path: `/json/m:${name}` });
      expect(legacy.body, name).toMatch(/error/i);
      const calls = [`m:${name}`, 'version'].map((method, id) => ({ jsonrpc: '2.0', method, id }));
      const [first, second] = JSON.parse((await post(server, JSON.stringify(calls))).body) as Record<string, unknown>[];
      assert(first !== undefined && 'error' in first && second !== undefined && 'result' in second, name);
    }
    expect(told.mock.calls.length).toBeGreaterThanOrEqual(Object.keys(thrown).length * 4);
  });
});

describe('data of an MiError', () => {
  const datas: Readonly<Record<string, JsonValue>> = {
    text: 'why',
    object: { trunk: 'north', calls: [1, null, {}] },
    array: [1, 'two'],
    number: 5,
    big: 2n ** 60n,
    nothing: null,
  };
  const commands = Object.entries({ ...datas, map: new Map() as never }).map(([name, data]) =>
    command({
      name,
      help: '-',
      readOnly: true,
      run: () => {
        throw new MiError(404, 'not found', data);
      },
    }),
  );
  const options = {
    httpd: { ip: '127.0.0.1', port: 0 },
    mi_json: {},
    modules: [defineModule({ name: 'm', commands })],
  };

  test('may be any JSON, on every face', async ({ onTestFinished }) => {
    const server = await createServer(options).start();
    onTestFinished(() => server.close({ deadline: 0 }));
    for (const [name, data] of Object.entries(datas)) {
      const seen = typeof data === 'bigint' ? Number(data) : data;
      expect(await callError(server, `m:${name}`)).toStrictEqual({ code: 404, message: 'not found', data: seen });
      const page = await post(server, '', { method: 'GET', path: `/mi/m/m:${name}?arg=`, headers: asPage });
      expect([page.status, /class="error">404 <bdi>not found/.test(page.body)], name).toStrictEqual([200, true]);
      const raw = await post(server, '', { method: 'GET', path: `/mi/m/m:${name}?arg=` });
      expect(JSON.parse(raw.body)).toStrictEqual({ error: { code: 404, message: 'not found', data: seen } });
      expect((await post(server, '', { method: 'GET', path: `/json/m:${name}` })).body).toMatch(/not found/);
    }
  });

  test('is refused by name where it is none, and the log names the command', async ({ onTestFinished }) => {
    const lines: [string, unknown][] = [];
    const log = {
      ...{ ...silentLog, warn: () => {} },
      error: (fields: object, message: string) => void lines.push([message, 'err' in fields ? fields.err : undefined]),
    };
    const server = await createServer({ ...options, log }).start();
    onTestFinished(() => server.close({ deadline: 0 }));
    const { code, data } = await callError(server, 'm:map');
    expect([code, data]).toStrictEqual([-32000, 'the error of the command cannot be printed as JSON']);
    const [line] = lines;
    expect(line?.[0]).toBe('the error of MI command m:map cannot be printed');
    expect(String(line?.[1])).toMatch(/holds a Map at \.data/);
  });
});

test('a statistic that cannot be computed is null, told once, and keeps nobody from the others', async ({
  onTestFinished,
}) => {
  const lines: string[] = [];
  const note = (_: object, message: string): void => void lines.push(message);
  const log = { ...silentLog, warn: note, error: note };
  const values: Readonly<Record<string, () => unknown>> = {
    throws: () => {
      throw new Error('x');
    },
    text: () => '5',
    nothing: () => undefined,
    big: () => 5n,
    right: () => 5,
  };
  const pbx = defineModule({
    name: 'pbx',
    load: ({ mi }) => {
      for (const [name, value] of Object.entries(values)) {
        mi.statistics.add('pbx', name, 'computed', value as () => number);
      }
      return undefined;
    },
  });
  const server = await createServer({ httpd: { ip: '127.0.0.1', port: 0 }, log, modules: [pbx] }).start();
  onTestFinished(() => server.close({ deadline: 0 }));
  for (const item of ['pbx:', 'all', 'pbx:']) {
    const told = (await call(server, 'get_statistics', [[item]])) as Record<string, unknown>;
    const seen = Object.keys(values).map((name) => told[`pbx:${name}`]);
    expect(seen).toStrictEqual([null, null, null, null, 5]);
  }
  expect(lines.sort()).toStrictEqual(
    ['big', 'nothing', 'text', 'throws'].map((name) => `statistic pbx:${name} cannot be computed, which is told once`),
  );
});

test('a stream that fails is logged with its command', async ({ onTestFinished }) => {
  const lines: [string, object][] = [];
  const note = (fields: object, message: string): void => void lines.push([message, fields]);
  const log = { ...silentLog, warn: note, error: note };
  async function* failing(): AsyncGenerator<string> {
    yield 'x'.repeat(200_000);
    await new Promise(setImmediate);
    throw new Error('the calls are gone');
  }
  const calls = command({ name: 'calls', help: '-', run: () => stream(failing()) });
  const modules = [defineModule({ name: 'm', commands: [calls] })];
  const server = await createServer({ httpd: { ip: '127.0.0.1', port: 0 }, log, modules }).start();
  onTestFinished(() => server.close({ deadline: 0 }));
  await expect(call(server, 'm:calls')).rejects.toThrow();
  const [[message, fields] = ['', {}]] = lines;
  expect(message).toBe('streamed reply of root /mi, m:calls, failed');
  assert('about' in fields && fields.about === 'm:calls');
});
