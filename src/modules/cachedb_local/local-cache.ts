import { Slice } from '../../base/slice.js';
import type { Cache } from '../../mi/cache-systems.js';

/** Bytes that an entry takes beside its key and value: about what V8 needs for it. */
export const entryOverhead = 128;

/** Room that the caches of a server share. */
export interface Room {
  readonly maxEntries: number;
  readonly maxBytes: number;
  entries: number;
  bytes: number;
}

interface Entry {
  readonly value: string;
  /** By `performance.now()`; Infinity: never. */
  readonly expiresAt: number;
}

/** A cache in the memory of this process, of one collection. What does not fit is refused; nothing is driven out. */
export class LocalCache implements Cache {
  readonly #entries = new Map<string, Entry>();
  readonly #room: Room;

  constructor(room: Room) {
    this.#room = room;
  }

  /** @throws RangeError when there is no room for it */
  store(key: string, value: string, expire: number): void {
    const room = this.#room;
    const before = this.#entries.get(key);
    const freed = before === undefined ? 0 : sizeOf(key, before.value);
    const size = sizeOf(key, value);
    if (room.bytes - freed + size > room.maxBytes) {
      throw new RangeError(
        `the cache holds ${room.bytes} of ${room.maxBytes} bytes, and this entry takes ${size}; raise max_bytes`,
      );
    }
    if (before === undefined && room.entries >= room.maxEntries) {
      throw new RangeError(`the cache holds ${room.entries} entries, the limit max_entries; remove some`);
    }
    this.remove(key);
    this.#entries.set(key, {
      value,
      expiresAt: expire === 0 ? Number.POSITIVE_INFINITY : performance.now() + expire * 1000,
    });
    room.bytes += size;
    room.entries += 1;
  }

  fetch(key: string): string | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.expiresAt > performance.now()) return entry.value;
    this.remove(key);
    return undefined;
  }

  remove(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#room.bytes -= sizeOf(key, entry.value);
    this.#room.entries -= 1;
  }

  /** Removes what has expired, in slices between which other work has its turn. */
  async clean(signal: AbortSignal): Promise<void> {
    const slice = new Slice();
    for (const [key, { expiresAt }] of this.#entries) {
      if (expiresAt <= performance.now()) this.remove(key);
      if (!slice.isOver) continue;
      await slice.rest();
      if (signal.aborted) return;
    }
  }
}

/** Two bytes for each character: what V8 needs at most. */
function sizeOf(key: string, value: string): number {
  return 2 * (key.length + value.length) + entryOverhead;
}
