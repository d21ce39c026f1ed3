import { expect, test } from 'vitest';
import { quietLog } from '../../base/log.js';
import { ManagementInterface } from '../../mi/management-interface.js';
import { RecordTable, sharedNumberOf } from '../../mi/results/record-table.js';
import type { ThreadContext } from '../here.js';
import { type ContactsGiven, usrlocHere } from './here.js';
import { type SharedDomain, SharedWord } from './usrloc.js';

/** What home would have given a thread, with the tables that are told. */
function contextWith(directory: RecordTable<SharedDomain>, words: Int32Array<SharedArrayBuffer>): ThreadContext {
  const mi = new ManagementInterface(quietLog);
  mi.statistics.add('mem', 'usrloc_refused', 'counter');
  const usrloc: ContactsGiven = {
    directory: sharedNumberOf(directory),
    words: words.buffer,
    options: { useDomain: false, newestFirst: false, keyValues: false, maxContacts: 10, maxBytes: 1_000_000 },
    answers: { hashSize: 512, firstFlag: undefined },
  };
  const others = new ManagementInterface(quietLog, {
    statistics: mi.statistics.shared,
    latencies: mi.latencies.shared,
    slots: new Map(),
    thread: 0,
  });
  const facts = { name: 'x', version: '1', startedAt: () => 0, upTime: () => 0 };
  return { mi: others, log: quietLog, facts, isToldAtHome: () => false, given: { usrloc } };
}

test('home is asked where a table is gone, and for changes once it has to see them', () => {
  const directory = new RecordTable<SharedDomain>();
  const location = new RecordTable<never>();
  directory.set('location', [sharedNumberOf(location), 0]);
  const words = new Int32Array(new SharedArrayBuffer(8));
  const made = usrlocHere(contextWith(directory, words));
  const takes = (name: string): boolean | undefined =>
    made.find(({ command }) => command.name === name)?.takes?.(undefined);
  expect([takes('dump'), takes('add')]).toStrictEqual([true, true]);
  words[SharedWord.isWatched] = 1;
  expect([takes('dump'), takes('add')]).toStrictEqual([true, false]);
  directory.set('gone', [2 ** 32 - 1, 1]);
  expect([takes('dump'), takes('add')]).toStrictEqual([false, false]);
  directory.delete('gone');
  expect(takes('dump')).toBe(true);
});
