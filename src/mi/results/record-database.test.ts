import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { assert, describe, expect } from 'vitest';
import { test } from '../../../test/support/test.js';
import { currentSecond } from '../../base/clock.js';
import { RecordDatabase } from './record-database.js';
import { type KeptTableOptions, keepIn, RecordTable } from './record-table.js';
import { secondsLeft } from './seconds-left.js';

const texts = { permanent: 'ever', expired: 'over' };

describe('a table whose records last', () => {
  test('has in the next process what it had: values, JSON as it was, times, deadlines', async ({ temporaryFiles }) => {
    const path = join(temporaryFiles({}), 'folder', 'records');
    const first = await RecordTable.open<unknown>({ persist: { path } });
    expect(first.size).toBe(0);
    const later = Math.floor(Date.now() / 1000) + 1000;
    first.set('a', { left: secondsLeft(later, texts), ever: secondsLeft(0, texts), plain: secondsLeft(later) });
    first.setJson('json', Buffer.from(' { "n" : 18446744073709551616 } '), { deadline: 5 });
    first.set('due', 'x', { deadline: 7.5 }).set('gone', 1).set('ž€😀', ['ž€😀']).set('', null);
    first.delete('gone');
    await first.flush();
    expect(first.persistence).toMatchObject({ pending: 0, failures: 0, problem: undefined });
    expect(first.persistence?.commits).toBeGreaterThan(0);
    // Written by the close.
    first.set('last', true);
    await first.close();
    first.set('late', 1);
    expect(first.size).toBe(7);

    const second = await RecordTable.open<Record<string, unknown>>({ persist: { path } });
    expect([...second.keys()].sort()).toStrictEqual(['', 'a', 'due', 'json', 'last', 'ž€😀']);
    const a = second.get('a');
    expect(a).toStrictEqual({ left: a?.plain, ever: 'ever', plain: expect.any(Number) });
    expect(a?.plain).toSatisfy((left: number) => left > 900 && left <= 1000);
    expect(Buffer.from(second.getJson('json') ?? []).toString()).toBe('{"n":18446744073709551616}');
    expect([...second.due(6)].flat()).toStrictEqual(['json']);
    expect([...second.due(8)].flat().sort()).toStrictEqual(['due', 'json']);
    second.clear();
    second.set('only', {});
    await second.close();
    const third = await RecordTable.open({ persist: { path, interval: 0 } });
    expect([...third.keys()]).toStrictEqual(['only']);
    await third.close();
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('is as large as its file; limits hold for what comes', async ({ temporaryFiles }) => {
    const path = join(temporaryFiles({}), 'records');
    const big = await RecordTable.open<string>({ persist: { path } });
    for (let index = 0; index < 5000; index++) big.set(`key${index}`, 'x'.repeat(index % 700));
    big.set('long', 'y'.repeat(300_000));
    await big.close();
    const next = await RecordTable.open<string>({ persist: { path }, maxRecords: 10 });
    expect([next.size, next.get('long')?.length, next.get('key699')?.length]).toStrictEqual([5001, 300_000, 699]);
    expect(() => next.set('another', '')).toThrow(/maxRecords/);
    await next.close();
  });

  test('is opened once; what is wrong is told with the file and the remedy', async ({ temporaryFiles }) => {
    const folder = temporaryFiles({ text: 'of another program' });
    const path = join(folder, 'records');
    const open = (at: string) => RecordTable.open({ persist: { path: at } });
    const table = await open(path);
    await expect(open(path)).rejects.toThrow(`${path} is in use by another process; stop that one`);
    table.set('a', 1);
    await table.close();
    await table.close();
    await (await open(path)).close();
    for (const [at, message] of [
      [join(folder, 'text'), /text is not a database of mi-httpd and was left as it is; give another path/],
      [folder, /is no file; give the path of a file$/],
      [join(folder, 'a', 'b', 'c'), /neither its folder nor the one around that is there; make the folder$/],
      ['/proc/records', /cannot be opened: /],
    ] as const) {
      await expect(open(at)).rejects.toThrow(
        expect.objectContaining({ code: 'ERR_PERSIST', message: expect.stringMatching(message) }),
      );
    }
    for (const [options, message] of [
      [{}, /path/],
      [{ path, interval: -1 }, /interval of persist is -1; give 0 to 60000 milliseconds/],
      [{ path, maxPending: 1 }, /maxPending of persist is 1; give 65536 bytes or more/],
      [{ path, file: 1 }, /has no option "file"/],
    ] as const) {
      const given = { persist: options } as unknown as KeptTableOptions;
      await expect(RecordTable.open(given)).rejects.toThrow(message);
    }
  });

  test('whatever byte of its file is altered, it has all records or none, and the file stays', async ({
    temporaryFiles,
  }) => {
    const path = join(temporaryFiles({}), 'records');
    const table = await RecordTable.open<string>({ persist: { path } });
    for (let index = 0; index < 800; index++) table.set(`key${index}`, `text ${index}`);
    await table.close();
    const whole = readFileSync(path);
    let damaged = 0;
    for (let at = 0; at < whole.length; at += Math.ceil(whole.length / 60)) {
      const altered = Buffer.from(whole);
      altered[at] = (altered[at] ?? 0) ^ 0x55;
      writeFileSync(path, altered);
      const opened = await RecordTable.open<string>({ persist: { path } }).catch((error: Error) => error.message);
      if (typeof opened === 'string') {
        damaged += 1;
        expect(opened, `byte ${at}`).toContain(path);
        continue;
      }
      expect(opened.size, `byte ${at}`).toBe(800);
      for (let index = 0; index < 800; index++) expect(opened.get(`key${index}`)).toBe(`text ${index}`);
      await opened.close();
    }
    expect(damaged).toBeGreaterThan(10);
  });

  test('its file does not grow with changes, and becomes smaller with the records', async ({ temporaryFiles }) => {
    const path = join(temporaryFiles({}), 'records');
    const table = await RecordTable.open<string>({ persist: { path, interval: 60_000 } });
    const change = async (round: number): Promise<number> => {
      for (let index = 0; index < 1000; index++) table.set(`key${index}`, `${round} ${'x'.repeat(1000)}`);
      for (let index = 0; index < 1000; index++) table.set(`new${round} ${index}`, 'x'.repeat(1000));
      for (let index = 0; index < 1000; index++) table.delete(`new${round - 1} ${index}`);
      await table.flush();
      return statSync(path).size;
    };
    let most = 0;
    for (let round = 0; round < 40; round++) most = Math.max(most, await change(round));
    // Twice what changes in a commit, with all that is there, and steps of doubling.
    expect(most).toBeLessThan(6 * 2 * 1000 * 1100);
    table.clear();
    table.set('last', 'x');
    await table.close();
    const next = await RecordTable.open<string>({ persist: { path } });
    expect(next.size).toBe(1);
    await next.close();
    expect(statSync(path).size).toBeLessThan(most / 4);
  });

  test('more changes than there is room for are forgotten, and everything is written anew', async ({
    temporaryFiles,
  }) => {
    const path = join(temporaryFiles({}), 'records');
    const table = await RecordTable.open<string>({ persist: { path, interval: 60_000, maxPending: 65_536 } });
    table.set('deleted', 'x').set('stays', 'x');
    await table.flush();
    table.delete('deleted');
    for (let index = 0; index < 2000; index++) table.set(`key${index}`, 'x'.repeat(100));
    expect(table.persistence?.pendingBytes).toBeLessThanOrEqual(65_536);
    await table.close();
    const next = await RecordTable.open<string>({ persist: { path } });
    expect([next.size, next.has('deleted'), next.has('stays')]).toStrictEqual([2001, false, true]);
    await next.close();
  });

  test('calls of one turn share a commit', async ({ temporaryFiles }) => {
    const path = join(temporaryFiles({}), 'records');
    const table = await RecordTable.open<number>({ persist: { path, interval: 60_000 } });
    await table.flush();
    const before = table.persistence?.commits ?? 0;
    await Promise.all(
      Array.from({ length: 500 }, async (_none, index) => {
        table.set(`key${index}`, index);
        await table.flush();
      }),
    );
    expect((table.persistence?.commits ?? 0) - before).toBe(1);
    expect(table.persistence?.written).toBe(500);
    await table.close();
    await expect(table.flush()).resolves.toBe(undefined);
  });

  test('what a program changes while it is loaded stays as the program has it', async ({ temporaryFiles }) => {
    const path = join(temporaryFiles({}), 'records');
    const fill = await RecordDatabase.open({ path });
    const before = new RecordTable<number>();
    await keepIn(fill, 'records', before, false);
    fill.begin();
    for (let index = 0; index < 20_000; index++) before.set(`key${index}`, 1);
    await fill.close();
    const database = await RecordDatabase.open({ path });
    expect(database.tables).toStrictEqual(['records']);
    const table = new RecordTable<number>().set('key1', 2).set('own', 2);
    const loading = keepIn(database, 'records', table, false);
    table.set('key2', 3);
    await setImmediate();
    table.delete('key19999');
    const { records } = await loading;
    expect(records).toBeGreaterThan(19_990);
    expect([table.size, table.get('key1'), table.get('key2'), table.has('key19999')]).toStrictEqual([
      20_000,
      2,
      3,
      false,
    ]);
    database.begin();
    await database.close();
    const next = await RecordTable.open<number>({ persist: { path } });
    expect([next.size, next.get('key1'), next.get('own'), next.get('key2')]).toStrictEqual([20_000, 2, 2, 3]);
    await next.close();
  });

  test('records whose times have come are deleted, where deadlines are times', async ({ temporaryFiles }) => {
    const path = join(temporaryFiles({}), 'records');
    const open = async (hasTimes: boolean) => {
      const database = await RecordDatabase.open({ path });
      const table = new RecordTable<unknown>();
      await keepIn(database, 'records', table, hasTimes);
      database.begin();
      return { database, table };
    };
    const first = await open(true);
    const now = currentSecond();
    first.table.set('over', [secondsLeft(now - 5)], { deadline: now - 5 });
    first.table.set('half', [secondsLeft(now - 5), secondsLeft(now + 500)], { deadline: now - 5 });
    first.table.set('ever', [secondsLeft(0, texts)]);
    await first.database.close();
    const second = await open(true);
    expect([...second.table.keys()].sort()).toStrictEqual(['ever', 'half']);
    expect([...second.table.due(currentSecond())].flat()).toStrictEqual(['half']);
    await second.database.close();
    const third = await open(false);
    expect(third.table.has('over')).toBe(false);
    await third.database.close();
    assert(third.table.size === 2);
  });
});
