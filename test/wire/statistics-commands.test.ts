import assert from 'node:assert/strict';
import { beforeAll, describe, test } from 'vitest';
import { defineModule, type Server, type Statistic } from '#src/index.js';
import { suiteLifetime } from '../support/lifetime.js';
import { call, callError, post, startServer } from '../support/mi-client.js';

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
    assert.deepEqual(await call(server, 'get_statistics', [['rings']]), { 'pbx:rings': 3 });
    assert.deepEqual(await call(server, 'statistics:get', { statistics: ['PBX:'] }), {
      'pbx:rings': 3,
      'pbx:load': 0.25,
    });
    const all = (await call(server, 'get_statistics', [['all']])) as Record<string, number>;
    assert.equal(all['pbx:rings'], 3);
    const groups = new Set(Object.keys(all).map((name) => name.slice(0, name.indexOf(':'))));
    assert.deepEqual([...groups].sort(), ['core', 'evi', 'httpd', 'mem', 'mi', 'pbx']);
    assert.ok(Object.values(all).every((value) => typeof value === 'number'));
  });
  test('computed ones are read each time', async () => {
    load = 1e21;
    assert.deepEqual(await call(server, 'get_statistics', [['load']]), { 'pbx:load': 1e21 });
    load = Number.NaN;
    assert.match(
      (await post(server, '{"jsonrpc":"2.0","method":"get_statistics","params":[["load"]],"id":1}')).body,
      /"pbx:load":null/,
    );
    load = 0.25;
  });
  test('unknown items are skipped, and an answer without any is no error to pollers', async () => {
    assert.deepEqual(await call(server, 'get_statistics', [['zzz', 'rings', '', ':']]), { 'pbx:rings': 3 });
    for (const item of ['zzz', 'zzz:', 'pbx:rings', '', ':']) {
      assert.deepEqual(await call(server, 'get_statistics', [[item]]), {}, item);
      assert.deepEqual(await call(server, 'list_statistics', [[item]]), {}, item);
    }
  });
  test('a repeated item is one member', async () => {
    const { body } = await post(
      server,
      '{"jsonrpc":"2.0","method":"get_statistics","params":[["rings","rings","pbx:"]],"id":1}',
    );
    assert.equal(body.split('"pbx:rings"').length, 2);
  });
  test('wrong types', async () => {
    assert.equal((await callError(server, 'get_statistics', ['all'])).data, "Bad type for parameter 'statistics'");
    assert.equal((await callError(server, 'get_statistics', [[]])).data, "Empty array in parameter 'statistics'");
    assert.match((await callError(server, 'get_statistics')).data ?? '', /Too few or too many parameters/);
  });
  test('list', async () => {
    assert.deepEqual(await call(server, 'list_statistics', [['pbx:', 'zzz']]), {
      'pbx:rings': 'incremental',
      'pbx:load': 'non-incremental',
    });
    assert.deepEqual(await call(server, 'list_statistics', [['Rings']]), { rings: 'incremental' });
    const all = (await call(server, 'list_statistics')) as Record<string, string>;
    assert.equal(all['core:timestamp'], 'non-incremental');
    assert.deepEqual(await call(server, 'list_statistics', [['all']]), {});
  });
  test('reset', async () => {
    assert.equal(await call(server, 'reset_statistics', [['rings', 'load']]), 'OK');
    assert.deepEqual(await call(server, 'get_statistics', [['pbx:']]), { 'pbx:rings': 0, 'pbx:load': 0.25 });
    assert.deepEqual(await callError(server, 'reset_statistics', [['pbx:']]), {
      code: 404,
      message: 'Statistics Not Found',
    });
    rings?.add(9);
    assert.equal(await call(server, 'reset_all_statistics'), 'OK');
    assert.equal(rings?.value, 0);
  });
  test('calls, errors, times and HTTP counts are counted', async () => {
    await call(server, 'reset_all_statistics');
    await call(server, 'version');
    await callError(server, 'version', [1, 2]);
    await post(server, '', { method: 'PUT', headers: { 'Content-Type': null } });
    const counts = (await call(server, 'get_statistics', [['all']])) as Record<string, number>;
    assert.equal(counts['mi:version-calls'], 2);
    assert.equal(counts['mi:errors'], 1);
    assert.ok((counts['mi:calls'] ?? 0) >= 3);
    assert.ok('mi:version-time_us' in counts);
    assert.ok((counts['httpd:requests'] ?? 0) >= 4);
    assert.ok((counts['httpd:replies_2xx'] ?? 0) >= 2);
    assert.equal(counts['httpd:replies_4xx'], 1);
    assert.ok((counts['httpd:bytes_in'] ?? 0) > 100 && (counts['httpd:bytes_out'] ?? 0) > 100);
    assert.ok((counts['httpd:connections'] ?? 0) >= 1);
    assert.ok((counts['mem:resident'] ?? 0) > 1e7);
  });
  test('all of them fit a window of any size', async (t) => {
    const small = await startServer(t, { httpd: { buf_size: 1024 }, mi_http: { pretty_printing: 1 } });
    const all = (await call(small, 'get_statistics', [['all']])) as Record<string, number>;
    assert.ok(Object.keys(all).length > 40);
  });
});

test('a slip in the name of a statistic is told in the log, once, and harms no poller', async (t) => {
  const told: string[] = [];
  const quiet = (): void => {};
  const warn = (_fields: object, message: string): void => {
    if (message.includes('statistic')) told.push(message);
  };
  const server = await startServer(t, { log: { debug: quiet, info: quiet, warn, error: quiet } });
  for (let round = 0; round < 3; round++) {
    assert.deepEqual(await call(server, 'get_statistics', [['core', 'MI:Pending', 'zzz', '']]), {});
    assert.deepEqual(await call(server, 'list_statistics', [['core', 'zzz:zzz', 'mi:uptime']]), {});
  }
  assert.deepEqual(told, [
    'a client asks for the statistic "core", which is not there; write "core:"',
    'a client asks for the statistic "mi:pending", which is not there; write "pending"',
  ]);
});
