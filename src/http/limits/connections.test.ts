import { expect, test } from 'vitest';
import { inThreads } from '../../../test/support/threads.js';
import { makeConnectionsMemory, NetworkShares } from './connections.js';

const threads = 4;

/** Connections of a thread, and a function that opens one more. */
const opener = `
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const connections = new Connections(limits, new HttpCounters(), log, memory, thread);
  const made = (kind) => {
    let isRefused = false;
    const handlers = connections.handlersOf({ setting: { kind } });
    handlers.opened({
      remoteAddress: '192.0.2.' + thread,
      tellsEveryReply: true,
      onGone() {},
      close() { isRefused = true; },
      refuse() { isRefused = true; },
    });
    return { isRefused, close: () => handlers.closed(true) };
  };
`;

const imports = `
  import { Connections } from '#src/http/limits/connections.js';
  import { HttpCounters } from '#src/http/limits/counters.js';
`;

test('threads together take as many connections as may be open, and none of them is lost', async () => {
  const limits = { max: 100, unix: 10, share: 1000 };
  const memory = makeConnectionsMemory(limits.max + limits.unix, threads + 1);
  const open = new Int32Array(memory.open);
  const rounds = await inThreads<readonly number[]>(
    threads,
    imports,
    `({ limits, memory }, thread) => {
      ${opener}
      const taken = [];
      for (let round = 0; round < 20; round++) {
        const all = Array.from({ length: 40 }, () => made('http'));
        taken.push(all.filter(({ isRefused }) => !isRefused).length);
        for (const one of all) one.close();
      }
      const left = [];
      for (let kept = 0; kept < 40; kept++) left.push(made('http'));
      return [...taken, left.filter(({ isRefused }) => !isRefused).length];
    }`,
    { limits, memory },
  );
  for (const taken of rounds) expect(Math.max(...taken)).toBeLessThanOrEqual(40);
  expect(rounds.reduce((sum, taken) => sum + (taken.at(-1) ?? 0), 0)).toBeLessThanOrEqual(100);
  // Those that are refused are open, too, until they have been told.
  expect(Atomics.load(open, 0)).toBe(threads * 40);
  const [unix, full] = await inThreads<number>(
    2,
    imports,
    `({ limits, memory }, thread) => {
      ${opener}
      return made(thread === 1 ? 'unix' : 'http').isRefused ? 1 : 0;
    }`,
    { limits: { ...limits, max: threads * 40 }, memory },
  );
  expect([unix, full]).toStrictEqual([0, 1]);
});

test('a network has one share in all threads', () => {
  const memory = NetworkShares.make(100);
  // What the tables of the kernel have is none of this test's connections.
  const [one, other] = [0, 1].map((thread) => new NetworkShares(10, () => new Set(), memory, thread));
  new Float64Array(memory.look)[1] = Infinity;
  const answers = Array.from({ length: 12 }, (_, index) => (index % 2 ? one : other)?.arrived('a', 11 + index));
  expect(answers).toStrictEqual([...new Array<boolean>(10).fill(false), true, true]);
  expect(one?.arrived('b', 23)).toBe(false);
});

test('networks without room of their own have one share together', () => {
  const memory = NetworkShares.make(1);
  new Float64Array(memory.look)[1] = Infinity;
  const shares = new NetworkShares(3, () => new Set(), memory);
  const more = Array.from({ length: 5000 }, (_, index) => `n${index}`);
  const refused = more.map((network) => shares.arrived(network, 10_000));
  expect(refused.indexOf(true)).toBe(4097 + 3);
  expect(shares.arrived('n0', 10_000)).toBe(false);
  expect(shares.arrived('another', 10_000)).toBe(true);
});
