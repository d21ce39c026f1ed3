import { processTime } from '../../base/clock.js';
import { coded } from '../../base/codes.js';
import { Slice } from '../../base/slice.js';
import type { Cache } from '../../mi/cache-systems.js';
import {
  deleteUnchanged,
  openShared,
  RecordTable,
  setUnchanged,
  sharedNumberOf,
  versionOf,
} from '../../mi/results/record-table.js';

/** Bytes that an entry is counted with beside its key and value. */
export const entryOverhead = 128;

/** Bytes of the longest key, which is that of a record table. */
const longestKey = 65_535;

/** The most that the caches of a server hold together. */
export interface CacheLimits {
  readonly maxEntries: number;
  /** Up to 2147483647. */
  readonly maxBytes: number;
}

const Word = { entries: 0, bytes: 1 } as const;

/** Room that the caches of a server share, in all threads. */
export class CacheRoom {
  readonly limits: CacheLimits;
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(limits: CacheLimits, memory = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)) {
    this.limits = limits;
    this.memory = memory;
    this.#words = new Int32Array(memory);
  }

  get entries(): number {
    return Atomics.load(this.#words, Word.entries);
  }

  get bytes(): number {
    return Atomics.load(this.#words, Word.bytes);
  }

  /** Takes room for what an entry has more than the one before it. @throws RangeError when there is too little; none is taken then */
  take(bytes: number, entries: number, size: number): void {
    const { maxEntries, maxBytes } = this.limits;
    if (!this.#add(Word.bytes, bytes, maxBytes)) {
      throw coded(
        'ERR_CACHE',
        new RangeError(
          `the cache holds ${this.bytes} of ${maxBytes} bytes, and this entry takes ${size}; raise max_bytes`,
        ),
      );
    }
    if (!this.#add(Word.entries, entries, maxEntries)) {
      this.give(bytes, 0);
      throw coded(
        'ERR_CACHE',
        new RangeError(`the cache holds ${this.entries} entries, the limit max_entries; remove some`),
      );
    }
  }

  give(bytes: number, entries: number): void {
    Atomics.sub(this.#words, Word.bytes, bytes);
    Atomics.sub(this.#words, Word.entries, entries);
  }

  #add(word: number, amount: number, most: number): boolean {
    if (amount === 0) return true;
    for (let now = Atomics.load(this.#words, word); now + amount <= most; ) {
      const seen = Atomics.compareExchange(this.#words, word, now, now + amount);
      if (seen === now) return true;
      now = seen;
    }
    return false;
  }
}

/** A value, and the {@link processTime} at which it is gone; 0: never. */
type Entry = readonly [value: string, expiresAt: number];

/**
 * A cache in the memory of this process, of one collection, which all threads share. What does not fit is refused; nothing is
 * driven out.
 */
export class LocalCache implements Cache {
  readonly #room: CacheRoom;
  readonly #table: RecordTable<Entry>;

  constructor(room: CacheRoom, table = new RecordTable<Entry>()) {
    this.#room = room;
    this.#table = table;
  }

  /** For {@link openCaches}. */
  get shared(): number {
    return sharedNumberOf(this.#table);
  }

  /** @throws RangeError when there is no room for it */
  store(key: string, value: string, expire: number): void {
    const room = this.#room;
    const length = Buffer.byteLength(key);
    if (length > longestKey) {
      throw coded('ERR_CACHE', new RangeError(`the key has ${length} bytes; give ${longestKey} at most`));
    }
    const size = sizeOf(key, value);
    const expiresAt = expire === 0 ? 0 : processTime() + expire * 1000;
    const options = expire === 0 ? undefined : { deadline: expiresAt };
    for (;;) {
      const version = versionOf(this.#table, key);
      const before = this.#table.get(key);
      const more = before === undefined ? size : size - sizeOf(key, before[0]);
      const entries = before === undefined ? 1 : 0;
      // What becomes free is free when the entry is there.
      const taken = Math.max(0, more);
      room.take(taken, entries, size);
      let isStored = false;
      try {
        isStored = setUnchanged(this.#table, key, [value, expiresAt], options, version);
      } finally {
        if (!isStored) room.give(taken, entries);
      }
      if (isStored) {
        room.give(taken - more, 0);
        return;
      }
    }
  }

  fetch(key: string): string | undefined {
    const entry = this.#table.get(key);
    if (entry === undefined) return undefined;
    if (!isOver(entry)) return entry[0];
    this.#remove(key, isOver);
    return undefined;
  }

  remove(key: string): void {
    this.#remove(key, () => true);
  }

  #remove(key: string, isWanted: (entry: Entry) => boolean): void {
    for (;;) {
      const version = versionOf(this.#table, key);
      const entry = this.#table.get(key);
      if (entry === undefined || !isWanted(entry)) return;
      if (!deleteUnchanged(this.#table, key, version)) continue;
      this.#room.give(sizeOf(key, entry[0]), 1);
      return;
    }
  }

  /** Removes what has expired, in slices between which other work has its turn. */
  async clean(signal: AbortSignal): Promise<void> {
    const slice = new Slice();
    for (const keys of this.#table.due(processTime())) {
      for (const key of keys) {
        this.#remove(key, isOver);
        if (!slice.isOver) continue;
        await slice.rest();
        if (signal.aborted) return;
      }
    }
  }
}

function isOver([, expiresAt]: Entry): boolean {
  return expiresAt !== 0 && expiresAt <= processTime();
}

/** Two bytes for each character: what V8 needs at most. */
function sizeOf(key: string, value: string): number {
  return 2 * (key.length + value.length) + entryOverhead;
}

/** The caches of module cachedb_local, as a thread is told of them. */
interface SharedCaches {
  readonly limits: CacheLimits;
  readonly memory: SharedArrayBuffer;
  /** Numbers of tables, by the names of systems. */
  readonly systems: ReadonlyMap<string, number>;
}

/** For {@link openCaches} in another thread. */
export function shareCaches(caches: ReadonlyMap<string, LocalCache>, { limits, memory }: CacheRoom): SharedCaches {
  return { limits, memory, systems: new Map([...caches].map(([system, cache]) => [system, cache.shared])) };
}

/**
 * The caches of home in this thread, by the names of their systems.
 *
 * @param given what {@link shareCaches} gave; undefined: there are none
 */
export function openCaches(given: unknown): ReadonlyMap<string, Cache> {
  if (given === undefined) return new Map();
  const { limits, memory, systems } = given as SharedCaches;
  const room = new CacheRoom(limits, memory);
  return new Map([...systems].map(([system, table]) => [system, new LocalCache(room, openShared(table))]));
}
