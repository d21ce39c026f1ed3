import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { unless } from '../../../../test/support/unless.js';
import { SpillRoom, Spool } from './spool.js';
import { UpstreamFailure } from './transport.js';

let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'spool-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

/** Bytes of all memory that is in use. */
function held(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function rest(spool: Spool, size: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const buffer = Buffer.alloc(size);
  for (;;) {
    const length = await spool.fill(buffer);
    if (length === 0) return Buffer.concat(pieces);
    pieces.push(Buffer.from(buffer.subarray(0, length)));
  }
}

describe('a long reply between OpenSIPS and its reader', () => {
  test('comes whole and in order, however both are paced, and gives back its room', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 300 }), fc.nat(3), fc.nat(200)), { maxLength: 60 }),
        fc.integer({ min: 4, max: 100 }),
        async (steps, size) => {
          const room = new SpillRoom(256, 1 << 20, 1 << 20, folder);
          const spool = new Spool(room, () => {});
          const sent: Buffer[] = [];
          const got: Buffer[] = [];
          for (const [length, turns, wanted] of steps) {
            const piece = randomBytes(length);
            sent.push(piece);
            spool.push(Buffer.from(piece));
            for (let index = 0; index < turns; index++) await turn();
            const buffer = Buffer.alloc(Math.max(4, wanted));
            // What has come is more than what was read: it does not wait.
            const unread =
              sent.reduce((sum, one) => sum + one.length, 0) - got.reduce((sum, one) => sum + one.length, 0);
            if (wanted > 100 && unread > 0) got.push(Buffer.from(buffer.subarray(0, await spool.fill(buffer))));
          }
          spool.end();
          got.push(await rest(spool, size));
          spool.release();
          expect(Buffer.concat(got).equals(Buffer.concat(sent))).toBe(true);
          expect(room.used).toBe(0);
        },
      ),
      { numRuns: 40 },
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  test('takes no more memory than it may', async () => {
    const room = new SpillRoom(1000, 1 << 20, 1 << 20, folder);
    const spool = new Spool(room, () => {});
    for (let index = 0; index < 200; index++) {
      spool.push(Buffer.alloc(500, index));
      await turn();
    }
    await expect.poll(() => spool.inMemory).toBeLessThanOrEqual(1000);
    expect(room.used).toBeGreaterThan(90_000);
    expect([room.inMemory, room.inMemory + room.inFiles]).toStrictEqual([spool.inMemory, 100_000]);
    spool.release();
    await expect.poll(() => room.used).toBe(0);
    expect([room.inMemory, room.inFiles]).toStrictEqual([0, 0]);
  });

  test('takes little more memory for small pieces than they have bytes', async () => {
    const room = new SpillRoom(1 << 20, 1 << 20, 1 << 20, folder);
    const spool = new Spool(room, () => {});
    const before = held();
    const count = 300_000;
    // As chunks of a proxy that has a byte in each.
    for (let index = 0; index < count; index++) spool.push(Buffer.from([index & 255]));
    expect(held() - before).toBeLessThan(4_000_000);
    spool.end();
    const all = await rest(spool, 65_536);
    expect(all.length).toBe(count);
    expect(all.every((byte, index) => byte === (index & 255))).toBe(true);
    spool.release();
    expect([room.held, room.used]).toStrictEqual([0, 0]);
  });

  test('takes no more memory than all may together, and gives it back', async () => {
    const room = new SpillRoom(1000, 1 << 20, 1 << 20, folder);
    const spools = Array.from({ length: 100 }, () => new Spool(room, () => {}));
    for (const [index, spool] of spools.entries()) for (let at = 0; at < 4; at++) spool.push(Buffer.alloc(250, index));
    await expect.poll(() => spools.reduce((sum, { inMemory }) => sum + inMemory, 0)).toBeLessThanOrEqual(16_000);
    expect(room.held).toBe(16_000);
    for (const [index, spool] of spools.entries()) {
      spool.end();
      expect(await rest(spool, 300)).toStrictEqual(Buffer.alloc(1000, index));
      spool.release();
    }
    expect([room.held, room.used]).toStrictEqual([0, 0]);
  });

  test('fails for a reader that waits, and for one that comes later', async () => {
    let released = 0;
    const spool = new Spool(new SpillRoom(1000, 1 << 20, 1000, folder), () => {
      released += 1;
    });
    const waiting = spool.fill(Buffer.alloc(10));
    spool.fail(new UpstreamFailure('broken', 'it broke', true));
    await expect(waiting).rejects.toThrow('Server error');
    await expect(spool.fill(Buffer.alloc(10))).rejects.toMatchObject({ reason: 'it broke' });
    spool.release();
    expect(released).toBe(1);
  });

  test('fails when there is no room, or no folder', async () => {
    const small = new Spool(new SpillRoom(10, 1 << 20, 100, folder), () => {});
    small.push(Buffer.alloc(200));
    await expect(small.fill(Buffer.alloc(10))).rejects.toMatchObject({
      kind: 'broken',
      reason: expect.stringContaining('100 bytes'),
    });
    const nowhere = new Spool(new SpillRoom(10, 1 << 20, 1000, join(folder, 'none')), () => {});
    nowhere.push(Buffer.alloc(200));
    await expect(nowhere.fill(Buffer.alloc(10))).rejects.toMatchObject({ reason: expect.stringContaining('ENOENT') });
  });

  const prlimit = spawnSync('prlimit', ['--version']).status === 0 ? false : 'prlimit is not here';
  unless(prlimit, test)('fails where the file takes its end no more, though all has come', async () => {
    const limit = (bytes: string) => execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:`]);
    const room = new SpillRoom(10, 1 << 20, 1 << 20, folder);
    let released = 0;
    const spool = new Spool(room, () => {
      released += 1;
    });
    limit('3000');
    try {
      spool.push(Buffer.alloc(5000));
      spool.end();
      await expect(rest(spool, 1000)).rejects.toMatchObject({
        kind: 'broken',
        reason: expect.stringContaining('a long reply cannot wait in a file'),
      });
    } finally {
      limit('unlimited');
    }
    spool.release();
    // Its transport was free when all had come.
    expect([released, room.inMemory, room.used]).toStrictEqual([0, 0, 0]);
  });

  test('tells when its reader leaves before the end, whatever is under way', async () => {
    for (const length of [0, 5, 5000]) {
      let released = 0;
      const room = new SpillRoom(10, 1 << 20, 10_000, folder);
      const spool = new Spool(room, () => {
        released += 1;
      });
      spool.push(Buffer.alloc(length));
      const reading = spool.fill(Buffer.alloc(4));
      spool.release();
      spool.push(Buffer.alloc(100));
      await reading;
      expect(released).toBe(1);
      await expect.poll(() => room.used).toBe(0);
      expect([room.inMemory, room.inFiles]).toStrictEqual([0, 0]);
    }
  });
});
