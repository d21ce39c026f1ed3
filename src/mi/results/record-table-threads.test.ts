import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { count } from '../../../test/support/long.js';
import { inThreads } from '../../../test/support/threads.js';
import { currentSecond } from '../../base/clock.js';
import { openShared, RecordLimitError, RecordTable, sharedNumberOf } from './record-table.js';
import { secondsLeft } from './seconds-left.js';

const imports = `
  import { openShared } from '#src/mi/results/record-table.js';
  import { secondsLeft, secondsLeftUntil } from '#src/mi/results/seconds-left.js';
  import { currentSecond } from '#src/base/clock.js';
`;

test('a table that other threads set, and change, is one table', async () => {
  const table = new RecordTable<{ from: number; left: number | string }>({ maxRecords: 4 });
  const until = currentSecond() + 1000;
  // Each thread has styles of its own, with numbers of its own.
  const texts = { permanent: 'permanent', expired: 'gone' };
  table.set('home', { from: 0, left: secondsLeft(0, texts) });
  const told = await inThreads<{ home: unknown; error: string; second: number }>(
    3,
    imports,
    `({ number, until }, thread) => {
      const table = openShared(number);
      secondsLeftUntil(1, { expired: 'other' + thread });
      table.set('thread' + thread, { from: thread, left: secondsLeftUntil(until, { expired: 'was ' + thread }) });
      let error = '';
      try { while (table.size < 4); table.set('more', { from: thread, left: 0 }); } catch (thrown) { error = thrown.message; }
      return { home: table.get('home'), error, second: currentSecond() };
    }`,
    { number: sharedNumberOf(table), until },
  );
  for (const { home, error, second } of told) {
    expect(home).toStrictEqual({ from: 0, left: 'permanent' });
    expect(error).toBe(
      'record "more" has no room: the table holds 4 records, the limit maxRecords is 4; delete some or raise it',
    );
    expect(Math.abs(second - currentSecond())).toBeLessThan(1000);
  }
  expect([...table.keys()].sort()).toStrictEqual(['home', 'thread1', 'thread2', 'thread3']);
  const here = openShared<{ from: number; left: number | string }>(sharedNumberOf(table));
  expect([here.limits, here.size]).toStrictEqual([{ maxRecords: 4 }, 4]);
  table.limits = { maxRecords: 5, maxBytes: 900 };
  expect(here.limits).toStrictEqual({ maxRecords: 5, maxBytes: 900 });
  for (const thread of [1, 2, 3]) {
    const cursor = table.dump().open(until + 1);
    const window = new Uint8Array(1000);
    const records: unknown = JSON.parse(Buffer.from(window.subarray(0, cursor.fill(window))).toString());
    expect(records).toContainEqual({ from: thread, left: `was ${thread}` });
    cursor.release();
  }
  expect(() => here.set('long', { from: 0, left: 'x'.repeat(900) })).toThrow(RecordLimitError);
  here.clear();
  expect(table.size).toBe(0);
});

test('the cursor of a page is good in another thread', async () => {
  const table = new RecordTable<number>();
  for (let at = 0; at < 10; at += 1) table.set(`k${at}`, at);
  const first = await table.find('', { limit: 4 });
  const rest = await openShared<number>(sharedNumberOf(table)).find('', { limit: 10, after: first.cursor });
  expect([...first.records, ...rest.records].map(([key]) => key).sort()).toStrictEqual([...table.keys()].sort());
  await expect(async () => new RecordTable().find('', { after: first.cursor })).rejects.toThrow('another table');
});

test('a table that nobody holds cannot be opened', () => {
  expect(() => openShared(4_000_000_000)).toThrow('no record table has the number 4000000000 any more');
});

/** Sets of all writers together. */
const sets = count(30_000, 1_000_000);
const kept = 400;
const passing = 50;

/** What thread 1 and 2 do: each sets its own half of the records, and tells which version is there for sure. */
const write = `
  const own = thread - 1;
  for (let version = 1; done() < sets; version++) {
    for (let at = own; at < kept; at += 2) {
      const length = version % 7 === 0 ? 40 + version % 60 : version % 97 === 0 ? 900 : 30;
      table.set('kept' + at, { at, version, text: mark(at, version, length), left: secondsLeft(until) });
      Atomics.store(acknowledged, at, version);
      Atomics.add(counts, 0, 1);
      if (at % 8 < 2) {
        const key = 'passing' + (at % passing) + '.' + own;
        if (!table.delete(key)) table.set(key, { at: -1, key, version, text: mark(at, version, length), of: at, left: secondsLeft(until) });
      }
    }
  }
`;

/** What the others do: they dump, or get, and check each record. */
const read = `
  const window = new Uint8Array(16384);
  let records = 0, dumps = 0;
  const check = (record, before) => {
    records++;
    const at = record.at < 0 ? record.of : record.at;
    if (record.text !== mark(at, record.version, record.text.length)) throw new Error('torn: ' + JSON.stringify(record));
    if (!(record.left > 0)) throw new Error('hole: ' + JSON.stringify(record));
    if (record.at >= 0 && record.version < before[record.at]) throw new Error('lost: ' + JSON.stringify(record) + before[record.at]);
  };
  while (done() < sets || dumps === 0) {
    const before = Array.from(acknowledged, (_, at) => Atomics.load(acknowledged, at));
    if (thread % 2 === 1) {
      const cursor = table.dump().open();
      const pieces = [];
      for (let length = cursor.fill(window); length > 0; length = cursor.fill(window)) {
        pieces.push(Buffer.from(window.subarray(0, length)));
      }
      const seen = new Set();
      for (const record of JSON.parse(Buffer.concat(pieces).toString())) {
        check(record, before);
        const key = record.at < 0 ? record.key : record.at;
        if (seen.has(key)) throw new Error('double: ' + JSON.stringify(record));
        seen.add(key);
      }
      for (let at = 0; at < kept; at++) if (before[at] > 0 && !seen.has(at)) throw new Error('missing: ' + at);
    } else {
      for (let at = 0; at < kept; at++) {
        const version = Atomics.load(acknowledged, at);
        const record = table.get('kept' + at);
        if (record === undefined) { if (version > 0) throw new Error('missing: ' + at); continue; }
        check(record, { [at]: version });
        if (table.has('never' + at)) throw new Error('found what was never there');
      }
    }
    dumps++;
  }
  return { records, dumps };
`;

test(`${sets} sets in two threads, beside dumps and gets in three: none torn, lost or double`, {
  timeout: 300_000,
}, async () => {
  const table = new RecordTable();
  const acknowledged = new Int32Array(new SharedArrayBuffer(4 * kept));
  const counts = new Int32Array(new SharedArrayBuffer(4));
  const told = await inThreads<{ records: number; dumps: number } | undefined>(
    5,
    imports,
    `({ number, acknowledged, counts, sets, kept, passing }, thread) => {
      const table = openShared(number);
      const until = Math.floor(Date.now() / 1000) + 100_000;
      const done = () => Atomics.load(counts, 0);
      const mark = (at, version, length) => (at + ':' + version + ';').repeat(length).slice(0, length);
      if (thread <= 2) {${write}} else {${read}}
    }`,
    { number: sharedNumberOf(table), acknowledged, counts, sets, kept, passing },
  );
  expect(Atomics.load(counts, 0)).toBeGreaterThanOrEqual(sets);
  for (const readers of told.slice(2)) {
    expect(readers?.dumps).toBeGreaterThan(0);
    expect(readers?.records).toBeGreaterThan(0);
  }
  expect(table.size).toBeGreaterThanOrEqual(kept);
  table.clear();
  expect([table.size, table.bytes, table.usedBytes]).toStrictEqual([0, 0, 0]);
});

test('a table outlives the thread that made it while another one holds it', async () => {
  const worker = new Worker(
    (await import('../../../scripts/bundle.mjs')).bundleText(`
      import { parentPort } from 'node:worker_threads';
      import { RecordTable, sharedNumberOf } from '#src/mi/results/record-table.js';
      const table = new RecordTable();
      table.set('a', 'made there');
      parentPort.once('message', () => table.set('b', 'never'));
      parentPort.postMessage(sharedNumberOf(table));
    `),
  );
  const number = await new Promise<number>((resolve) => worker.once('message', resolve));
  const table = openShared<string>(number);
  await worker.terminate();
  expect([table.get('a'), table.size]).toStrictEqual(['made there', 1]);
});
