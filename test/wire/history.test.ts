import { describe, expect, onTestFinished, vi } from 'vitest';
import { createServer, defineModule, type Server } from '#src/index.js';
import { call, callError } from '../support/mi-client.js';
import { test } from '../support/test.js';

interface Part {
  readonly resolution: number;
  readonly timestamps: readonly number[];
  readonly series: readonly {
    readonly name: string;
    readonly kind: string;
    readonly values: readonly (number | null)[];
  }[];
}

async function history(server: Server, items: readonly string[], ...more: readonly number[]): Promise<readonly Part[]> {
  const { History: parts } = (await call(server, 'statistics:history', [items, ...more])) as {
    History: readonly Part[];
  };
  return parts;
}

/** The values of a single series that are there, once there are so many. */
async function valuesOf(server: Server, name: string, least: number): Promise<readonly (number | null)[]> {
  return vi.waitFor(
    async () => {
      const [part] = await history(server, [name]);
      const values = part?.series[0]?.values ?? [];
      expect(values.filter((value) => value !== null).length).toBeGreaterThanOrEqual(least);
      return values;
    },
    { timeout: 20_000, interval: 100 },
  );
}

describe('history', () => {
  test('lists what it keeps, within its memory', async ({ startServer }) => {
    const server = await startServer({ usrloc: {}, cachedb_local: {}, event_datagram: {} });
    const { Series: series } = (await call(server, 'statistics:history')) as {
      Series: readonly { name: string; kind: string; kept: readonly { resolution: number; range: number }[] }[];
    };
    const names = series.map(({ name }) => name);
    expect(names.length).toBeGreaterThan(30);
    expect(names.length * (600 + 2880) * 8).toBeLessThan(1_700_000);
    for (const name of ['mi:calls', 'mi:latency_p99_us', 'mem:resident', 'usrloc:registered_users'])
      expect(names).toContain(name);
    expect(series.find(({ name }) => name === 'mi:calls')).toStrictEqual({
      name: 'mi:calls',
      kind: 'counter',
      kept: [
        { resolution: 1, range: 600 },
        { resolution: 30, range: 86400 },
      ],
    });
  });

  test('has a value each second, with its time', async ({ startServer }) => {
    const server = await startServer();
    const values = await valuesOf(server, 'mi:calls', 3);
    const known = values.flatMap((value) => (value === null ? [] : [value]));
    expect(known).toStrictEqual([...known].sort((a, b) => a - b));
    const [part] = await history(server, ['calls', 'mem:'], 5);
    expect(part?.resolution).toBe(1);
    expect(part?.timestamps.length).toBe(5);
    const times = part?.timestamps ?? [];
    expect(times.map((time, index) => time - index)).toStrictEqual(times.map(() => times[0]));
    expect(Math.abs((times.at(-1) ?? 0) - Date.now() / 1000)).toBeLessThan(5);
    expect(part?.series.map(({ name }) => name)).toContain('mem:resident');
    expect(part?.series.every(({ values }) => values.length === 5)).toBe(true);
    const [coarse] = await history(server, ['calls'], 86400);
    expect(coarse?.resolution).toBe(30);
    expect(coarse?.timestamps.length).toBe(2880);
    expect((coarse?.timestamps[0] ?? 0) % 1).toBe(0);
    expect(coarse?.series[0]?.values.at(-1)).toBeGreaterThan(0);
    const [long] = await history(server, ['calls'], 86400, 1);
    expect(long?.resolution).toBe(1);
    expect(long?.timestamps.length).toBe(600);
  });

  test('survives that the clock of the machine is set', async ({ startServer }) => {
    const server = await startServer();
    const before = await valuesOf(server, 'mi:calls', 2);
    const first = before.findIndex((value) => value !== null);
    const day = 86_400_000;
    const { now } = Date;
    const set = vi.spyOn(Date, 'now').mockImplementation(() => now() - day);
    onTestFinished(() => set.mockRestore());
    const values = await valuesOf(server, 'mi:calls', 4);
    const [part] = await history(server, ['calls']);
    expect(Math.abs((part?.timestamps.at(-1) ?? 0) - (now() - day) / 1000)).toBeLessThan(5);
    expect(values.findIndex((value) => value !== null)).toBeLessThan(first);
    set.mockImplementation(() => now() + day);
    await valuesOf(server, 'mi:calls', 5);
    const [ahead] = await history(server, ['calls'], 60);
    expect(Math.abs((ahead?.timestamps.at(-1) ?? 0) - (now() + day) / 1000)).toBeLessThan(5);
  });

  test('a computed statistic that is slow is read seldom, and one that fails has gaps', async ({ startServer }) => {
    let reads = 0;
    const pbx = defineModule({
      name: 'pbx',
      load: ({ mi: { statistics } }) => {
        statistics.add('pbx', 'slow', 'computed', () => {
          reads += 1;
          const until = performance.now() + 30;
          while (performance.now() < until);
          return 7;
        });
        statistics.add('pbx', 'broken', 'computed', () => {
          throw new Error('broken');
        });
        statistics.add('pbx', 'left', 'gauge').value = 5;
        return undefined;
      },
    });
    const told: string[] = [];
    const quiet = (): void => {};
    const warn = (_fields: object, message: string): void => void told.push(message);
    const server = await startServer({
      modules: [pbx],
      httpd: { history: 'pbx:slow, broken, pbx:nothing' },
      log: { debug: quiet, info: quiet, warn, error: quiet },
    });
    await valuesOf(server, 'mi:calls', 4);
    expect(reads).toBe(1);
    const [part] = await history(server, ['pbx:']);
    const values = new Map(part?.series.map((one) => [one.name, one.values]));
    expect(values.get('pbx:slow')?.filter((value) => value !== null)).toStrictEqual([7]);
    expect(values.get('pbx:broken')?.filter((value) => value !== null)).toStrictEqual([]);
    expect(values.has('pbx:left')).toBe(false);
    expect(told.filter((line) => line.includes('history'))).toStrictEqual([
      'parameter history names "pbx:nothing", which is no statistic, or one more than there is room for; list_statistics lists all',
    ]);
  });

  test('what is named and is no statistic is told by a check, too', async () => {
    const names = 'core:nothing, usrloc:location-contacts, mi:calls, pending, tm:none';
    const server = createServer({ httpd: { history: names, port: 0 }, usrloc: {}, prometheus: {} });
    const told = (await server.check()).filter((text) => text.includes('history'));
    expect(told.map((text) => text.split(',')[0])).toStrictEqual([
      'parameter history names "core:nothing"',
      'parameter history names "tm:none"',
    ]);
    await server.close();
  });

  test('what is wrong is told', async ({ startServer }) => {
    const server = await startServer();
    expect(await callError(server, 'statistics:history', [['zzz']])).toMatchObject({ code: 404 });
    expect(await callError(server, 'statistics:history', [['calls'], 0])).toMatchObject({ code: -32602 });
    expect(await callError(server, 'statistics:history', [['calls'], 60, -1])).toMatchObject({ code: -32602 });
    expect(await callError(server, 'statistics:history', ['calls'])).toMatchObject({ code: -32602 });
    const off = await startServer({ httpd: { history: 'off' } });
    expect(await callError(off, 'statistics:history', [['calls']])).toMatchObject({
      code: 404,
      message: 'No history is kept',
    });
  });
});
