// The rest of a server: once all its clients have left, it has given back everything. Every test on the wire ends with this.

import { readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import type { Server } from '#src/index.js';
import { call } from './mi-client.js';

/** The counts of a server with one client, the one that asks. */
const atRest = {
  'httpd:connections': 1,
  'httpd:exchanges': 1,
  'mem:bodies': 0,
  'mem:body_slots': 0,
  'mem:windows_in_use': 0,
  'mem:ids_held': 0,
  'mem:dumps_open': 0,
  'mem:compressions': 0,
  'mi:pending': 0,
};

const names = Object.keys(atRest).map((name) => name.slice(name.indexOf(':') + 1));

/** Resources of a process that the server itself does not count. */
interface ProcessCounts {
  readonly timers: number;
  /** 0 where the system does not tell. */
  readonly descriptors: number;
}

/** Timers that keep this process alive, and its open descriptors. */
function processCounts(): ProcessCounts {
  const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout' || name === 'Immediate').length;
  return { timers, descriptors: openDescriptors() };
}

function openDescriptors(): number {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return 0;
  }
}

/** Milliseconds that a close may take on a loaded machine. */
const usualPatience = 10_000;

/** The first counts that are as expected, else the last ones. */
async function awaited<T>(expected: T, counts: () => T | Promise<T>, patience: number): Promise<T> {
  const deadline = performance.now() + patience;
  for (let wait = 1; ; wait = Math.min(wait * 2, 100)) {
    const found = await counts();
    if (isDeepStrictEqual(found, expected) || performance.now() > deadline) return found;
    await delay(wait);
  }
}

/** Waits until the counts of this process are those again. `expect.poll` has a timer, which would be counted. */
export async function reaches(expected: ProcessCounts, patience = usualPatience): Promise<void> {
  expect(await awaited(expected, processCounts, patience)).toStrictEqual(expected);
}

expect.extend({
  async toBeAtRest(server: Server, patience = usualPatience) {
    const found = await awaited<unknown>(atRest, () => call(server, 'get_statistics', [names]), patience);
    return {
      pass: isDeepStrictEqual(found, atRest),
      message: () => 'the server holds something of requests that are over',
      actual: found,
      expected: atRest,
    };
  },
});

declare module 'vitest' {
  interface Matchers<T> {
    /** Waits until the one client that a server has is the one that asks, and nothing of another request is held. */
    toBeAtRest(patience?: number): Promise<T>;
  }
}

/**
 * Remembers the counts of a process without clients; the function that it gives waits until that is so again and the server is
 * at rest. To be called when the server listens and nothing is connected.
 */
export async function rests(server: Server, patience = usualPatience): Promise<() => Promise<void>> {
  await expect(server).toBeAtRest();
  const before = await settled();
  return async () => {
    await expect(server).toBeAtRest(patience);
    await reaches(before, patience);
  };
}

/**
 * The counts of a process once they no longer change: a close takes its time, and a timer by which the
 * runner of tests reports takes 100 ms.
 */
export async function settled(): Promise<ProcessCounts> {
  let last = processCounts();
  for (let same = 0; same < 60; ) {
    await delay(2);
    const now = processCounts();
    same = now.timers === last.timers && now.descriptors === last.descriptors ? same + 1 : 0;
    last = now;
  }
  return last;
}
