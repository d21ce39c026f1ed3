import { assert, beforeAll, describe, expect } from 'vitest';
import { defineModule, type Server, type Statistic } from '#src/index.js';
import { suiteLifetime } from '../support/lifetime.js';
import { call, callError, post, startServer } from '../support/mi-client.js';
import { test } from '../support/test.js';

describe('statistics', () => {
  const lifetime = suiteLifetime();
  let rings: Statistic | undefined;
  let load = 0.25;
  let server: Server;
  beforeAll(async () => {
    server = await startServer(lifetime, {
      modules: [
        defineModule({
          name: 'pbx',
          load: ({ mi: { statistics } }) => {
            rings = statistics.add('pbx', 'rings', 'counter');
            statistics.add('pbx', 'load', 'computed', () => load);
            return undefined;
          },
        }),
      ],
    });
    rings?.add(3);
  });

  test('get: a name, a group, all, in any case', async () => {
    expect(await call(server, 'get_statistics', [['rings']])).toStrictEqual({ 'pbx:rings': 3 });
    expect(await call(server, 'statistics:get', { statistics: ['PBX:'] })).toStrictEqual({
      'pbx:rings': 3,
      'pbx:load': 0.25,
    });
    const all = (await call(server, 'get_statistics', [['all']])) as Record<string, number>;
    expect(all['pbx:rings']).toBe(3);
    const groups = new Set(Object.keys(all).map((name) => name.slice(0, name.indexOf(':'))));
    expect([...groups].sort()).toStrictEqual(['core', 'evi', 'httpd', 'mem', 'mi', 'pbx']);
    expect(Object.values(all).every((value) => typeof value === 'number')).toBe(true);
  });
  test('computed ones are read each time', async () => {
    load = 1e21;
    expect(await call(server, 'get_statistics', [['load']])).toStrictEqual({ 'pbx:load': 1e21 });
    load = Number.NaN;
    expect((await post(server, '{"jsonrpc":"2.0","method":"get_statistics","params":[["load"]],"id":1}')).body).toMatch(
      /"pbx:load":null/,
    );
    load = 0.25;
  });
  test('unknown items are skipped, and an answer without any is no error to pollers', async () => {
    expect(await call(server, 'get_statistics', [['zzz', 'rings', '', ':']])).toStrictEqual({ 'pbx:rings': 3 });
    for (const item of ['zzz', 'zzz:', 'pbx:rings', '', ':']) {
      expect(await call(server, 'get_statistics', [[item]]), item).toStrictEqual({});
      expect(await call(server, 'list_statistics', [[item]]), item).toStrictEqual({});
    }
  });
  test('a repeated item is one member', async () => {
    const { body } = await post(
      server,
      '{"jsonrpc":"2.0","method":"get_statistics","params":[["rings","rings","pbx:"]],"id":1}',
    );
    expect(body.split('"pbx:rings"').length).toBe(2);
  });
  test('wrong types', async () => {
    expect((await callError(server, 'get_statistics', ['all'])).data).toBe("Bad type for parameter 'statistics'");
    expect((await callError(server, 'get_statistics', [[]])).data).toBe("Empty array in parameter 'statistics'");
    expect((await callError(server, 'get_statistics')).data ?? '').toMatch(/Too few or too many parameters/);
  });
  test('list', async () => {
    expect(await call(server, 'list_statistics', [['pbx:', 'zzz']])).toStrictEqual({
      'pbx:rings': 'incremental',
      'pbx:load': 'non-incremental',
    });
    expect(await call(server, 'list_statistics', [['Rings']])).toStrictEqual({ rings: 'incremental' });
    const all = (await call(server, 'list_statistics')) as Record<string, string>;
    expect(all['core:timestamp']).toBe('non-incremental');
    expect(await call(server, 'list_statistics', [['all']])).toStrictEqual({});
  });
  test('reset', async () => {
    expect(await call(server, 'reset_statistics', [['rings', 'load']])).toBe('OK');
    expect(await call(server, 'get_statistics', [['pbx:']])).toStrictEqual({ 'pbx:rings': 0, 'pbx:load': 0.25 });
    expect(await callError(server, 'reset_statistics', [['pbx:']])).toStrictEqual({
      code: 404,
      message: 'Statistics Not Found',
    });
    rings?.add(9);
    expect(await call(server, 'reset_all_statistics')).toBe('OK');
    expect(rings?.value).toBe(0);
  });
  test('calls, errors, times and HTTP counts are counted', async () => {
    await call(server, 'reset_all_statistics');
    await call(server, 'version');
    await callError(server, 'version', [1, 2]);
    await post(server, '', { method: 'PUT', headers: { 'Content-Type': null } });
    const counts = (await call(server, 'get_statistics', [['all']])) as Record<string, number>;
    expect(counts['mi:version-calls']).toBe(2);
    expect(counts['mi:errors']).toBe(1);
    expect(counts['mi:calls'] ?? 0).toBeGreaterThanOrEqual(3);
    assert('mi:version-time_us' in counts);
    expect(counts['httpd:requests'] ?? 0).toBeGreaterThanOrEqual(4);
    expect(counts['httpd:replies_2xx'] ?? 0).toBeGreaterThanOrEqual(2);
    expect(counts['httpd:replies_4xx']).toBe(1);
    expect((counts['httpd:bytes_in'] ?? 0) > 100 && (counts['httpd:bytes_out'] ?? 0) > 100).toBe(true);
    expect(counts['httpd:connections'] ?? 0).toBeGreaterThanOrEqual(1);
    expect(counts['mem:resident'] ?? 0).toBeGreaterThan(1e7);
  });
  test('all of them fit a window of any size', async ({ startServer }) => {
    const small = await startServer({ httpd: { buf_size: 1024 }, mi_http: { pretty_printing: 1 } });
    const all = (await call(small, 'get_statistics', [['all']])) as Record<string, number>;
    expect(Object.keys(all).length).toBeGreaterThan(40);
  });
});

test('a slip in the name of a statistic is told in the log, once, and harms no poller', async ({ startServer }) => {
  const told: string[] = [];
  const quiet = (): void => {};
  const warn = (_fields: object, message: string): void => {
    if (message.includes('statistic')) told.push(message);
  };
  const server = await startServer({ log: { debug: quiet, info: quiet, warn, error: quiet } });
  for (let round = 0; round < 3; round++) {
    expect(await call(server, 'get_statistics', [['core', 'MI:Pending', 'zzz', '']])).toStrictEqual({});
    expect(await call(server, 'list_statistics', [['core', 'zzz:zzz', 'mi:uptime']])).toStrictEqual({});
  }
  expect(told).toStrictEqual([
    'a client asks for the statistic "core", which is not there; write "core:"',
    'a client asks for the statistic "mi:pending", which is not there; write "pending"',
  ]);
});
