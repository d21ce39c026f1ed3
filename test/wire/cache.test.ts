import { describe, expect, vi } from 'vitest';
import { defineModule, type Server } from '#src/index.js';
import { silentLog } from '../support/log.js';
import { call, callError } from '../support/mi-client.js';
import { test } from '../support/test.js';

async function held(server: Server): Promise<Record<string, number>> {
  return (await call(server, 'get_statistics', [['cachedb_local:']])) as Record<string, number>;
}

describe('cache_store, cache_fetch, cache_remove', () => {
  test('a value is stored, told, replaced and removed', async ({ startServer }) => {
    const server = await startServer({ cachedb_local: {} });
    const value = '<b>"x"&\'y\'</b>\nl2\t€ 😀';
    expect(await call(server, 'cache_store', ['local', 'k', value])).toBe('OK');
    expect(await call(server, 'cache_fetch', ['local', 'k'])).toStrictEqual({ key: 'k', value });
    expect(await call(server, 'cache:store', { system: 'local', attr: 'k', value: 4294967296 })).toBe('OK');
    expect(await call(server, 'cache:fetch', ['local', 'k'])).toStrictEqual({ key: 'k', value: '4294967296' });
    expect((await held(server))['cachedb_local:cache_entries']).toBe(1);
    expect(await call(server, 'cache_remove', ['local', 'k'])).toBe('OK');
    expect(await call(server, 'cache_remove', ['local', 'k'])).toBe('OK');
    expect(await callError(server, 'cache_fetch', ['local', 'k'])).toStrictEqual({
      code: 400,
      message: 'Value not found',
    });
    expect(await held(server)).toStrictEqual({ 'cachedb_local:cache_entries': 0, 'cachedb_local:cache_bytes': 0 });
  });

  test('wrong parameters are refused with the texts of OpenSIPS', async ({ startServer }) => {
    const server = await startServer({ cachedb_local: {} });
    const refusals: readonly (readonly [string, unknown[], string])[] = [
      ['cache_store', ['', 'k', 'v'], 'Empty memory cache id'],
      ['cache_store', ['local', '', 'v'], 'Empty attribute name'],
      ['cache_store', ['local', 'k', ''], 'Empty value'],
      ['cache_store', ['local', 'k', 'v', -1], 'Negative expire value'],
      ['cache_store', ['local', 'k', 'v', 'x'], "Bad type for parameter 'expire'"],
      ['cache_fetch', ['', 'k'], 'Empty memory cache id'],
      ['cache_fetch', ['local', ''], 'Empty attribute name'],
      ['cache_remove', ['', 'k'], 'Empty memory cache id'],
      ['cache_remove', ['local', ''], 'Empty attribute name'],
    ];
    for (const [method, params, data] of refusals) {
      expect(await callError(server, method, params)).toStrictEqual({ code: -32602, message: 'Invalid params', data });
    }
    expect((await callError(server, 'cache_store', ['local'])).data ?? '').toMatch(/^Too few or too many parameters/);
  });

  test('a system that is not there fails with the code of OpenSIPS, and the reason', async ({ startServer }) => {
    const server = await startServer({ cachedb_local: {} });
    for (const [operation, params] of [
      ['store', ['zzz', 'k', 'v']],
      ['fetch', ['zzz', 'k']],
      ['remove', ['zzz', 'k']],
    ] as const) {
      const { code, message, data } = await callError(server, `cache_${operation}`, params);
      expect([code, message]).toStrictEqual([500, `Cache ${operation} command failed`]);
      expect(data).toBe('no cache is named "zzz"; there is local');
    }
    const { data } = await callError(await startServer(), 'cache_fetch', ['local', 'k']);
    expect(data).toBe('no cache is named "local"; add loadmodule "cachedb_local.so"');
  });

  test('values expire, on time and for good', async ({ startServer }) => {
    const now = performance.now.bind(performance);
    let ahead = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => now() + ahead);
    const server = await startServer({ cachedb_local: {} });
    // At home: this clock is that of one thread.
    await server.call('cache_store', ['local', 'short', 'v', 10]);
    await server.call('cache_store', ['local', 'long', 'v', 0]);
    ahead += 5_000;
    expect(await server.call('cache_fetch', ['local', 'short'])).toStrictEqual({ key: 'short', value: 'v' });
    ahead += 5_000;
    await expect(server.call('cache_fetch', ['local', 'short'])).rejects.toThrow('Value not found');
    ahead += 1e12;
    expect(await server.call('cache_fetch', ['local', 'long'])).toStrictEqual({ key: 'long', value: 'v' });
    expect((await held(server))['cachedb_local:cache_entries']).toBe(1);
  });

  test('expired values leave without being asked for', async ({ startServer }) => {
    const server = await startServer({ cachedb_local: { cache_clean_period: 1 } });
    for (let i = 0; i < 50; i += 1) await call(server, 'cache_store', ['local', `k${i}`, 'v', 1]);
    await call(server, 'cache_store', ['local', 'kept', 'v']);
    await expect.poll(() => held(server)).toMatchObject({ 'cachedb_local:cache_entries': 1 });
    expect(await call(server, 'cache_fetch', ['local', 'kept'])).toStrictEqual({ key: 'kept', value: 'v' });
  });

  test('entries and bytes are bounded; replacing counts what it frees', async ({ startServer }) => {
    const server = await startServer({ cachedb_local: { max_entries: 2, max_bytes: 2048 } });
    await call(server, 'cache_store', ['local', 'a', 'v']);
    await call(server, 'cache_store', ['local', 'b', 'v']);
    const full = await callError(server, 'cache_store', ['local', 'c', 'v']);
    expect([full.code, full.message]).toStrictEqual([500, 'Cache store command failed']);
    expect(full.data ?? '').toMatch(/holds 2 entries, the limit max_entries/);
    const big = await callError(server, 'cache_store', ['local', 'a', 'x'.repeat(1000)]);
    expect(big.data ?? '').toMatch(/of 2048 bytes, and this entry takes 2130; raise max_bytes/);
    // A refused value leaves the one that was there.
    expect(await call(server, 'cache_fetch', ['local', 'a'])).toStrictEqual({ key: 'a', value: 'v' });
    expect(await call(server, 'cache_store', ['local', 'a', 'x'.repeat(800)])).toBe('OK');
    expect(await call(server, 'cache_store', ['local', 'a', 'y'.repeat(800)])).toBe('OK');
    expect(await held(server)).toStrictEqual({
      'cachedb_local:cache_entries': 2,
      'cachedb_local:cache_bytes': 2 * 801 + 128 + 2 * 2 + 128,
    });
  });

  test('systems share a collection by their URLs', async ({ startServer }) => {
    const server = await startServer({
      cachedb_local: {
        cachedb_url: ['local:one:///c', 'local:two:///c', 'local:///other'],
        cache_collections: 'c; other=5',
      },
    });
    await call(server, 'cache_store', ['local:one', 'k', 'v']);
    expect(await call(server, 'cache_fetch', ['local:two', 'k'])).toStrictEqual({ key: 'k', value: 'v' });
    expect((await callError(server, 'cache_fetch', ['local', 'k'])).message).toBe('Value not found');
    await expect(startServer({ cachedb_local: { cachedb_url: ['redis://x'] } })).rejects.toThrow(
      /give local:\/\/\/COLLECTION/,
    );
    await expect(startServer({ cachedb_local: { enable_restart_persistency: 1 } })).rejects.toThrow(
      /end with the server/,
    );
  });

  test('a module of the user adds a cache of its own, which may answer later or fail', async ({ startServer }) => {
    const logged: string[] = [];
    const store = new Map<string, string>();
    const remote = defineModule({
      name: 'remote',
      load: ({ caches }) => {
        caches.add('remote', {
          store: async (key, value) => void store.set(key, value),
          fetch: async (key) => store.get(key),
          remove: async () => {
            throw new Error('the wire is cut');
          },
        });
        return undefined;
      },
    });
    const log = { ...silentLog, error: (_: object, message: string) => void logged.push(message) };
    const server = await startServer({ modules: [remote], log });
    expect(await call(server, 'cache_store', ['remote', 'k', 'v'])).toBe('OK');
    expect(await call(server, 'cache_fetch', ['remote', 'k'])).toStrictEqual({ key: 'k', value: 'v' });
    expect((await callError(server, 'cache_fetch', ['remote', 'none'])).message).toBe('Value not found');
    const { code, message } = await callError(server, 'cache_remove', ['remote', 'k']);
    expect([code, message]).toStrictEqual([500, 'Cache remove command failed']);
    expect(logged).toStrictEqual(['cache remote failed to remove']);
  });
});
