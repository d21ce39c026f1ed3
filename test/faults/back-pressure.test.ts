// Calls fail while a large reply waits for its client, which rests before it reads.

import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect } from 'vitest';
import { rests } from '../support/at-rest.js';
import { type FaultKind, faults } from '../support/faults/seams.js';
import { collectUncaught } from '../support/faults/uncaught.js';
import { ChunkedChecker } from '../support/slow-reader.js';
import { test } from '../support/test.js';

// Loaded now, behind the seams.
const { startServer } = await import('../support/mi-client.js');
const { faultyModule, largeSize } = await import('../support/faults/faulty-module.js');

const nothing = (): void => {};

/** What became of a reply; anything else fails. */
type End = 'whole' | 'cut' | 'error';

/** Asks, rests, reads until the server closes. */
async function readLate(port: number, path: string): Promise<End> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', nothing);
  const closed = new Promise((resolve) => socket.on('close', resolve));
  await once(socket, 'connect');
  let head = '';
  let length = 0;
  const checker = new ChunkedChecker(nothing);
  socket.on('data', (bytes: Buffer) => {
    length += bytes.length;
    if (head === '') head = bytes.subarray(0, 400).toString('latin1').split('\r\n\r\n')[0] ?? '';
    if (/^transfer-encoding: chunked/im.test(head)) checker.push(bytes);
  });
  socket.pause();
  socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  await delay(30);
  socket.resume();
  const overdue = await Promise.race([closed.then(() => false), delay(15_000, true, { ref: false })]);
  expect(overdue, 'neither the rest of a reply nor the end of the connection').toBe(false);
  if (head.startsWith('HTTP/1.1 500 ')) return 'error';
  if (head === '') return 'cut';
  expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  const announced = /^content-length: (\d+)/im.exec(head)?.[1];
  if (announced === undefined) {
    if (checker.isComplete) expect(checker.length, 'a reply that ends well is whole').toBe(largeSize);
    return checker.isComplete ? 'whole' : 'cut';
  }
  expect(Number(announced)).toBe(largeSize);
  return length === head.length + 4 + largeSize ? 'whole' : 'cut';
}

/** All of the first calls, in which a stream begins, and some of the many that are like each other. */
function chosen(calls: number): readonly number[] {
  const step = Math.max(1, Math.floor(calls / 12));
  return Array.from({ length: calls }, (_, n) => n + 1).filter((n) => n <= 14 || n % step === 0 || n > calls - 4);
}

describe('when one call fails while a reply waits for its client', () => {
  for (const kind of ['engine', 'timer', 'early timer', 'handler'] satisfies FaultKind[]) {
    for (const path of ['/raw/large', '/raw/large-held']) {
      test(`of kind ${kind}, ${path}`, async ({ lifetime, annotate }) => {
        const unhandled = collectUncaught(lifetime);
        const server = await startServer(lifetime, {
          modules: [faultyModule()],
          log: { debug: nothing, info: nothing, warn: nothing, error: nothing },
          httpd: { conn_timeout: 2 },
        });
        const atRest = await rests(server);
        faults.arm(kind, 0);
        expect(await readLate(server.port, path)).toBe('whole');
        const calls = faults.seen;
        faults.disarm();
        await atRest();
        const ends = { whole: 0, cut: 0, error: 0 };
        for (const n of chosen(calls)) {
          faults.arm(kind, n);
          ends[await readLate(server.port, path)] += 1;
          const { failed } = faults;
          faults.disarm();
          expect(unhandled, `${kind} ${n} (${failed})`).toStrictEqual([]);
          await atRest();
        }
        annotate(`${calls} calls; ${JSON.stringify(ends)}`);
      });
    }
  }
});
