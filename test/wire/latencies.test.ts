import { describe, expect, vi } from 'vitest';
import { command, defineModule, type Server, stream } from '#src/index.js';
import { silentLog } from '../support/log.js';
import { call, callError, post, withResolvers } from '../support/mi-client.js';
import { test } from '../support/test.js';
import { get } from '../support/web-client.js';

interface Latency {
  readonly command: string;
  readonly calls: number;
  readonly failed: number;
  readonly p50_us: number;
  readonly p90_us: number;
  readonly p99_us: number;
  readonly max_us: number;
  readonly total_us: number;
}

async function latencies(server: Server, name?: string): Promise<readonly Latency[]> {
  const { Commands: commands } = (await call(
    server,
    'statistics:latency',
    name === undefined ? undefined : [name],
  )) as { Commands: readonly Latency[] };
  return commands;
}

async function latency(server: Server, name: string): Promise<Latency> {
  const [found] = await latencies(server, name);
  if (found === undefined) throw new Error(`no latency of ${name}`);
  return found;
}

/** Commands whose calls end when the test says so. */
function pbx() {
  const answered = withResolvers<string>();
  const streamed = withResolvers<number>();
  const module = defineModule({
    name: 'pbx',
    commands: [
      command({ name: 'good', help: 'Answers.', run: () => ({ good: true }) }),
      command({
        name: 'bad',
        help: 'Fails.',
        run: () => {
          throw new Error('bad');
        },
      }),
      command({ name: 'unprintable', help: 'Gives what cannot be printed.', run: () => ({ cyclic: cyclic() }) }),
      command({ name: 'later', help: 'Answers when the test says so.', run: () => answered.promise }),
      command({ name: 'never', help: 'Never answers.', run: () => new Promise<string>(() => {}) }),
      command({
        name: 'items',
        help: 'Streams items, the last one when the test says so.',
        readOnly: true,
        run: () => ({
          items: stream(
            (async function* () {
              yield 1;
              yield await streamed.promise;
            })(),
          ),
        }),
      }),
    ],
  });
  return { module, answered, streamed };
}

function cyclic(): never {
  const one: Record<string, unknown> = {};
  one.self = one;
  return one as never;
}

describe('latencies', () => {
  test('every call is counted once, those that fail as failed', async ({ startServer }) => {
    const server = await startServer({ log: silentLog, modules: [pbx().module] });
    for (let round = 0; round < 3; round++) await call(server, 'version');
    await callError(server, 'version', [1, 2]);
    for (let round = 0; round < 2; round++) await callError(server, 'bad');
    await callError(server, 'unprintable');
    await call(server, 'good');
    expect(await latency(server, 'version')).toMatchObject({ command: 'core:version', calls: 4, failed: 1 });
    expect(await latency(server, 'pbx:bad')).toMatchObject({ calls: 2, failed: 2 });
    expect(await latency(server, 'pbx:unprintable')).toMatchObject({ calls: 1, failed: 1 });
    const good = await latency(server, 'pbx:good');
    expect(good).toMatchObject({ calls: 1, failed: 0 });
    expect(good.p50_us).toBeLessThanOrEqual(good.p99_us);
    expect(good.p99_us).toBeLessThanOrEqual(good.max_us);
    expect(good.max_us).toBeCloseTo(good.total_us, 5);
    expect(await latency(server, 'pbx:later')).toStrictEqual({
      command: 'pbx:later',
      calls: 0,
      failed: 0,
      p50_us: null,
      p90_us: null,
      p99_us: null,
      max_us: 0,
      total_us: 0,
    });
    const named = (await latencies(server)).map(({ command }) => command);
    expect(named).toContain('core:version');
    expect(named).not.toContain('pbx:later');
  });

  test('one that is given up for time has failed', async ({ startServer }) => {
    const server = await startServer({ log: silentLog, modules: [pbx().module], mi_http: { mi_timeout: 1 } });
    const { status } = await post(server, '{"jsonrpc":"2.0","method":"pbx:never","id":1}');
    expect(status).toBe(504);
    expect(await latency(server, 'pbx:never')).toMatchObject({ calls: 1, failed: 1 });
    expect((await latency(server, 'pbx:never')).max_us).toBeGreaterThan(900_000);
  });

  test('one that answers later is counted when it does', async ({ startServer }) => {
    const { module, answered } = pbx();
    const server = await startServer({ modules: [module] });
    const replied = call(server, 'pbx:later');
    await vi.waitFor(async () => {
      expect(await call(server, 'get_statistics', [['pending']])).toStrictEqual({ 'mi:pending': 1 });
    });
    expect(await latency(server, 'pbx:later')).toMatchObject({ calls: 0 });
    answered.resolve('OK');
    expect(await replied).toBe('OK');
    expect(await latency(server, 'pbx:later')).toMatchObject({ calls: 1, failed: 0 });
  });

  const faces = [
    ['JSON-RPC', (server: Server) => post(server, '{"jsonrpc":"2.0","method":"pbx:items","id":1}')],
    [
      'lines of JSON',
      (server: Server) =>
        post(server, '{"jsonrpc":"2.0","method":"pbx:items","id":1}', { headers: { Accept: 'application/x-ndjson' } }),
    ],
    ['a batch', (server: Server) => post(server, '[{"jsonrpc":"2.0","method":"pbx:items","id":1}]')],
    ['a page', (server: Server) => get(server, '/mi/pbx/items?arg=')],
    ['raw JSON', (server: Server) => get(server, '/mi/pbx/items?arg=&raw=1')],
  ] as const;
  for (const [face, ask] of faces) {
    test(`a stream is counted once, when it ends: ${face}`, async ({ startServer }) => {
      const { module, streamed } = pbx();
      const server = await startServer({ modules: [module] });
      const replied = ask(server);
      await vi.waitFor(async () => {
        expect(await call(server, 'get_statistics', [['pbx_items-calls', 'calls']])).toMatchObject({});
        expect(await call(server, 'get_statistics', [['exchanges']])).toStrictEqual({ 'httpd:exchanges': 2 });
      });
      expect(await latency(server, 'pbx:items')).toMatchObject({ calls: 0 });
      streamed.resolve(2);
      expect((await replied).status).toBe(200);
      expect(await latency(server, 'pbx:items')).toMatchObject({ calls: 1, failed: 0 });
    });
  }

  test('the calls of a batch are counted one by one, and notifications too', async ({ startServer }) => {
    const server = await startServer({ log: silentLog, modules: [pbx().module] });
    const batch = ['version', 'good', 'bad', 'version'].map((method, id) => ({ jsonrpc: '2.0', method, id }));
    await post(server, JSON.stringify([...batch, { jsonrpc: '2.0', method: 'good' }]));
    expect(await latency(server, 'version')).toMatchObject({ calls: 2, failed: 0 });
    expect(await latency(server, 'good')).toMatchObject({ calls: 2, failed: 0 });
    expect(await latency(server, 'bad')).toMatchObject({ calls: 1, failed: 1 });
  });

  test('no call is lost among those that are not timed', async ({ startServer }) => {
    const server = await startServer();
    const batch = JSON.stringify(Array.from({ length: 500 }, (_, id) => ({ jsonrpc: '2.0', method: 'version', id })));
    for (let round = 0; round < 5; round++) await post(server, batch);
    for (let round = 0; round < 7; round++) await call(server, 'version');
    expect(await latency(server, 'version')).toMatchObject({ calls: 2507, failed: 0 });
    expect(await call(server, 'get_statistics', [['version-calls']])).toStrictEqual({ 'mi:version-calls': 2507 });
  });

  test('they are counted anew from a reset on', async ({ startServer }) => {
    const server = await startServer({ modules: [pbx().module] });
    await call(server, 'version');
    await call(server, 'good');
    expect(await call(server, 'statistics:reset_latency', ['version'])).toBe('OK');
    expect(await latency(server, 'version')).toMatchObject({ calls: 0 });
    expect(await latency(server, 'good')).toMatchObject({ calls: 1 });
    expect(await call(server, 'statistics:reset_latency')).toBe('OK');
    expect((await latencies(server)).map(({ command }) => command)).toStrictEqual([
      'statistics:reset_latency',
      // The call that tells them is not over yet.
    ]);
    expect((await callError(server, 'statistics:latency', ['nothing'])).code).toBe(-32601);
  });
});
