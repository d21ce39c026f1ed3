import { randomInt } from 'node:crypto';

/** Memory of a {@link SharedTable}, as a thread can be given it. */
export interface SharedTableMemory {
  readonly buffer: SharedArrayBuffer;
  /** Records that the table holds. */
  readonly capacity: number;
  /** Numbers of a record. */
  readonly width: number;
  /** Of the hashes of keys: nobody outside of the process knows which ones fall together. */
  readonly seeds: readonly [number, number];
}

/** Cells that the table itself has, in front of those of places. A place is told by its number and 1: 0 is none. */
const Own = { lock: 0, size: 16, newest: 17, oldest: 18, free: 19, used: 20, count: 32 } as const;

const Lock = { free: 0, held: 1, awaited: 2 } as const;

/** How often the lock is asked for before the thread sleeps: it is held for a microsecond or two. */
const patience = 200;

/** Cells of a place. */
const Link = { next: 0, newer: 1, older: 2, serial: 3, count: 4 } as const;

/**
 * Records of numbers that several threads share, found by the hashes of texts. It has as much room as it was made with: one
 * record more takes the place of the one that was touched the longest ago. It is as one thread's {@link Recent}, whichever
 * threads touch it.
 *
 * All but {@link keyOf} and {@link size} is done between {@link lock} and {@link unlock}, without a wait, and without a call
 * that might lock again.
 */
export class SharedTable {
  readonly memory: SharedTableMemory;
  /** The numbers of all records; those of a place begin at {@link startOf}. */
  readonly cells: Float64Array;
  readonly #own: Int32Array;
  /** First places of each hash. */
  readonly #heads: Int32Array;
  readonly #links: Int32Array;
  readonly #keys: Float64Array;
  readonly #width: number;

  constructor(memory: SharedTableMemory) {
    const { buffer, capacity, width } = memory;
    this.memory = memory;
    this.#width = width;
    const heads = headsOf(capacity);
    this.#keys = new Float64Array(buffer, 0, capacity);
    this.cells = new Float64Array(buffer, capacity * 8, capacity * width);
    let start = capacity * (1 + width) * 8;
    this.#own = new Int32Array(buffer, start, Own.count);
    start += Own.count * 4;
    this.#heads = new Int32Array(buffer, start, heads);
    start += heads * 4;
    this.#links = new Int32Array(buffer, start, capacity * Link.count);
  }

  static make(capacity: number, width: number): SharedTableMemory {
    const length = capacity * (1 + width) * 8 + (Own.count + headsOf(capacity) + capacity * Link.count) * 4;
    const seed = (): number => randomInt(2 ** 32);
    return { buffer: new SharedArrayBuffer(length), capacity, width, seeds: [seed(), seed()] };
  }

  /** Records that it has. */
  get size(): number {
    return Atomics.load(this.#own, Own.size);
  }

  lock(): void {
    for (let tries = 0; tries < patience; tries++) {
      if (Atomics.compareExchange(this.#own, Own.lock, Lock.free, Lock.held) === Lock.free) return;
    }
    while (Atomics.exchange(this.#own, Own.lock, Lock.awaited) !== Lock.free) {
      Atomics.wait(this.#own, Own.lock, Lock.awaited);
    }
  }

  unlock(): void {
    if (Atomics.exchange(this.#own, Own.lock, Lock.free) === Lock.awaited) Atomics.notify(this.#own, Own.lock, 1);
  }

  /** The key of a text: a whole number of 52 bits, so that two texts have one in no real run. */
  keyOf(text: string): number {
    let [one, other] = this.memory.seeds;
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      one = Math.imul(one ^ code, 0x85ebca6b);
      other = Math.imul(other ^ code, 0xc2b2ae35);
      one ^= one >>> 15;
      other ^= other >>> 13;
    }
    one = Math.imul(one ^ (other >>> 16), 0x9e3779b1);
    other = Math.imul(other ^ (one >>> 15), 0x85ebca77);
    return ((one ^ (other >>> 13)) >>> 0) + ((other ^ (one >>> 16)) & 0xfffff) * 2 ** 32;
  }

  /** The place of a record; -1: there is none. */
  find(key: number): number {
    let next = this.#heads[this.#headOf(key)] ?? 0;
    while (next > 0) {
      if (this.#keys[next - 1] === key) return next - 1;
      next = this.#link(next - 1, Link.next);
    }
    return -1;
  }

  /** Makes a record, which is the newest; its numbers are 0. @returns its place */
  add(key: number): number {
    const { capacity } = this.memory;
    if (this.#get(Own.size) >= capacity) this.delete(this.#get(Own.oldest) - 1);
    let place = this.#get(Own.free) - 1;
    if (place >= 0) this.#own[Own.free] = this.#link(place, Link.next);
    else {
      place = this.#get(Own.used);
      this.#own[Own.used] = place + 1;
    }
    this.#keys[place] = key;
    const start = this.startOf(place);
    this.cells.fill(0, start, start + this.#width);
    const head = this.#headOf(key);
    this.#setLink(place, Link.next, this.#heads[head] ?? 0);
    this.#heads[head] = place + 1;
    this.#setLink(place, Link.serial, this.serialOf(place) + 1);
    this.#linkNewest(place);
    Atomics.add(this.#own, Own.size, 1);
    return place;
  }

  /** Makes a record the newest. */
  touch(place: number): void {
    if (this.#get(Own.newest) === place + 1) return;
    this.#unlinkAge(place);
    this.#linkNewest(place);
  }

  delete(place: number): void {
    const head = this.#headOf(this.#keys[place] ?? 0);
    const next = this.#link(place, Link.next);
    let before = (this.#heads[head] ?? 0) - 1;
    if (before === place) this.#heads[head] = next;
    else {
      while (before >= 0 && this.#link(before, Link.next) !== place + 1) before = this.#link(before, Link.next) - 1;
      if (before >= 0) this.#setLink(before, Link.next, next);
    }
    this.#unlinkAge(place);
    this.#setLink(place, Link.serial, this.serialOf(place) + 1);
    this.#setLink(place, Link.next, this.#get(Own.free));
    this.#own[Own.free] = place + 1;
    Atomics.sub(this.#own, Own.size, 1);
  }

  /** Deletes all records. */
  clear(): void {
    for (let place = this.oldest; place >= 0; place = this.oldest) this.delete(place);
  }

  /** The place of the record that was touched the longest ago; -1 without any. */
  get oldest(): number {
    return this.#get(Own.oldest) - 1;
  }

  /** The place of the one that was touched after this one; -1: none was. */
  newerThan(place: number): number {
    return this.#link(place, Link.newer) - 1;
  }

  /** Where the numbers of a place begin in {@link cells}. */
  startOf(place: number): number {
    return place * this.#width;
  }

  /** Of one place another one as soon as it has another record. */
  serialOf(place: number): number {
    return this.#link(place, Link.serial);
  }

  #headOf(key: number): number {
    // A key is a hash: its low bits do.
    return (key | 0) & (this.#heads.length - 1);
  }

  #get(cell: number): number {
    return this.#own[cell] ?? 0;
  }

  #link(place: number, link: number): number {
    return this.#links[place * Link.count + link] ?? 0;
  }

  #setLink(place: number, link: number, value: number): void {
    this.#links[place * Link.count + link] = value;
  }

  #linkNewest(place: number): void {
    const newest = this.#get(Own.newest);
    this.#setLink(place, Link.newer, 0);
    this.#setLink(place, Link.older, newest);
    if (newest > 0) this.#setLink(newest - 1, Link.newer, place + 1);
    else this.#own[Own.oldest] = place + 1;
    this.#own[Own.newest] = place + 1;
  }

  #unlinkAge(place: number): void {
    const newer = this.#link(place, Link.newer);
    const older = this.#link(place, Link.older);
    if (newer > 0) this.#setLink(newer - 1, Link.older, older);
    else this.#own[Own.newest] = older;
    if (older > 0) this.#setLink(older - 1, Link.newer, newer);
    else this.#own[Own.oldest] = newer;
  }
}

/** Twice as many as places, so that few share one; a power of 2. */
function headsOf(capacity: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(2, capacity * 2)));
}
