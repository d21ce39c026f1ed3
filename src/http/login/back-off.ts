import { processTime } from '../../base/clock.js';
import { SharedTable, type SharedTableMemory } from '../../base/shared-table.js';

/** Failures within {@link failuresRememberedFor} before a login has to wait. */
const freeFailures = 5;

/** Milliseconds for which failures are remembered. */
const failuresRememberedFor = 60_000;

/** Longest wait, seconds. */
const longestWait = 60;

/** Networks that are remembered at once; above it the one that failed the longest ago is forgotten. */
const capacity = 4096;

/**
 * Names with a tally of their own in one network; all further names share `others`, so that none is forgotten for
 * another. As many names that have logged in are remembered.
 */
const namesApart = 16;

/** How much a network can be believed, by its logins so far; the least first. */
export const Standing = { good: 0, new: 1, failing: 2 } as const;
export type Standing = (typeof Standing)[keyof typeof Standing];

/** How a login ended: refused is one that could not be verified. */
export type Outcome = 'succeeded' | 'failed' | 'refused';

/** A login that is being verified. */
export interface Attempt {
  readonly standing: Standing;
  /** To be told once. */
  readonly ended: (outcome: Outcome) => void;
}

/** Numbers of a tally. */
const Of = { failures: 0, shared: 1, running: 2, lastFailure: 3, wait: 4, until: 5, width: 6 } as const;

/** Failures of one party, and how long it has to wait because of them: some of the numbers of a network. */
class Tally {
  constructor(
    readonly cells: Float64Array,
    readonly at: number,
  ) {}

  #get(what: number): number {
    return this.cells[this.at + what] ?? 0;
  }

  #set(what: number, value: number): void {
    this.cells[this.at + what] = value;
  }

  get failures(): number {
    return this.#get(Of.failures);
  }

  /** Those of them that count for the network, too. */
  get shared(): number {
    return this.#get(Of.shared);
  }

  set shared(count: number) {
    this.#set(Of.shared, count);
  }

  /** Logins that are being verified. */
  get running(): number {
    return this.#get(Of.running);
  }

  /** None is left of those of a thread that was lost. */
  set running(count: number) {
    this.#set(Of.running, Math.max(0, count));
  }

  /** Whole seconds left to wait. */
  left(now: number): number {
    const until = this.#get(Of.until);
    return until > now ? Math.ceil((until - now) / 1000) : 0;
  }

  /** Tells whether one more login may be verified: those under way may all fail, and more at once would be more guesses. */
  hasRoom(now: number): boolean {
    this.#forget(now);
    return this.running < Math.max(1, freeFailures - this.failures);
  }

  fail(now: number): void {
    this.#forget(now);
    this.#set(Of.failures, this.failures + 1);
    this.#set(Of.lastFailure, now);
    if (this.failures < freeFailures) return;
    const wait = Math.min(Math.max(1, this.#get(Of.wait) * 2), longestWait);
    this.#set(Of.wait, wait);
    this.#set(Of.until, now + wait * 1000);
  }

  forgive(failures: number): void {
    this.#set(Of.failures, Math.max(0, this.failures - failures));
    if (this.failures >= freeFailures) return;
    this.#set(Of.wait, 0);
    this.#set(Of.until, 0);
  }

  isOver(now: number): boolean {
    this.#forget(now);
    return this.running === 0 && this.failures === 0;
  }

  #forget(now: number): void {
    if (now - this.#get(Of.lastFailure) <= failuresRememberedFor + this.#get(Of.wait) * 1000) return;
    this.#set(Of.failures, 0);
    this.shared = 0;
    this.#set(Of.wait, 0);
  }
}

/** Names of a network with tallies of their own: as many as are counted apart, and as many that have logged in. */
const mostNames = 2 * namesApart;

/** Numbers of a network. */
const NetworkCell = { wasRefused: 0, total: 1, others: 1 + Of.width, names: 1 + 2 * Of.width } as const;
const nameWidth = 1 + Of.width;
const networkWidth = NetworkCell.names + mostNames * nameWidth;

/** The failures of a network. */
class NetworkRecord {
  readonly #cells: Float64Array;
  readonly #start: number;
  readonly total: Tally;
  readonly others: Tally;

  /** @param start where its numbers begin */
  constructor(cells: Float64Array, start: number) {
    this.#cells = cells;
    this.#start = start;
    this.total = new Tally(cells, start + NetworkCell.total);
    this.others = new Tally(cells, start + NetworkCell.others);
  }

  /** True when a login from here could not be verified of late, since too many were waiting. */
  get wasRefused(): boolean {
    return this.#cells[this.#start + NetworkCell.wasRefused] === 1;
  }

  set wasRefused(was: boolean) {
    this.#cells[this.#start + NetworkCell.wasRefused] = was ? 1 : 0;
  }

  /**
   * @param name key of the name
   * @param isKnown true when it has logged in from here
   */
  find(name: number, isKnown: boolean): Tally | undefined {
    const place = this.#place(name);
    if (place >= 0) return new Tally(this.#cells, place + 1);
    return isKnown ? undefined : this.others;
  }

  add(name: number, isKnown: boolean, now: number): Tally {
    const there = this.#place(name);
    if (there >= 0) return new Tally(this.#cells, there + 1);
    if (this.#names >= namesApart) this.#clear(now);
    const place = this.#place(0);
    if (place < 0 || (this.#names >= namesApart && !isKnown)) return this.others;
    this.#cells[place] = name;
    return new Tally(this.#cells, place + 1);
  }

  /** Tells whether nothing is left to remember. */
  isOver(now: number): boolean {
    this.#clear(now);
    return this.#names === 0 && this.total.isOver(now) && this.others.isOver(now);
  }

  /** No login is being verified any more. */
  endAll(): void {
    this.total.running = 0;
    this.others.running = 0;
    for (const place of this.#places()) new Tally(this.#cells, place + 1).running = 0;
  }

  get #names(): number {
    let count = 0;
    for (const place of this.#places()) if (this.#cells[place] !== 0) count += 1;
    return count;
  }

  /** Where the key of a name is, in front of its tally; -1: nowhere. That of no name is 0. */
  #place(name: number): number {
    for (const place of this.#places()) if (this.#cells[place] === name) return place;
    return -1;
  }

  *#places(): Iterable<number> {
    const first = this.#start + NetworkCell.names;
    for (let index = 0; index < mostNames; index++) yield first + index * nameWidth;
  }

  #clear(now: number): void {
    for (const place of this.#places()) {
      if (this.#cells[place] === 0 || !new Tally(this.#cells, place + 1).isOver(now)) continue;
      this.#cells.fill(0, place, place + nameWidth);
    }
  }
}

/** Memory of a {@link BackOff}, as a thread can be given it. */
export interface BackOffMemory {
  readonly records: SharedTableMemory;
  readonly known: SharedTableMemory;
}

/**
 * Makes guessing slow. Failures are counted for each network, and in it for each name, whichever threads its logins come to.
 * With {@link freeFailures} failed logins within a minute either waits 1 second, and twice as long after each further
 * failure, up to a minute. A login that succeeds clears its own name alone.
 *
 * While a name waits, none of its logins is answered, not even one that was verified before: to whoever guesses, that
 * answer would be the verification. While only its network waits, logins that were verified before are answered, and
 * all others count against their name.
 */
export class BackOff {
  #tables: Tables | undefined;

  /**
   * @param now milliseconds of a clock that never goes back, and that all threads have
   * @param memory that of another thread; left out, it is made when it is needed
   */
  constructor(
    readonly now: () => number = processTime,
    memory?: BackOffMemory,
  ) {
    if (memory !== undefined) this.#tables = new Tables(memory);
  }

  /** For the same in another thread. */
  get memory(): BackOffMemory {
    this.#tables ??= new Tables();
    return this.#tables.memory;
  }

  /** Networks that are remembered. */
  get size(): number {
    return this.#tables?.records.size ?? 0;
  }

  /** Whole seconds for which no login of this name from this network is answered; 0: none. */
  wait(network: string, name: string): number {
    if (this.size === 0) return 0;
    return this.#locked((tables) => {
      const key = tables.networkKey(network);
      const record = tables.find(key);
      if (record === undefined) return 0;
      const nameKey = tables.nameKey(name);
      return record.find(nameKey, tables.isKnown(key, nameKey))?.left(this.now()) ?? 0;
    });
  }

  /** Asks for a login to be verified: gives whole seconds after which it may be tried again, or the attempt that it is. */
  begin(network: string, name: string): number | Attempt {
    return this.#locked((tables) => {
      const now = this.now();
      const key = tables.networkKey(network);
      const record = tables.newest(key);
      const nameKey = tables.nameKey(name);
      const tally = record.add(nameKey, tables.isKnown(key, nameKey), now);
      const own = tally.left(now);
      // The same for a name that has logged in here and one that nobody has.
      const wait = Math.max(record.total.left(now), record.others.left(now));
      if (own > 0) return Math.max(own, wait);
      if (wait > 0 || !record.total.hasRoom(now) || !tally.hasRoom(now)) {
        tally.fail(now);
        return Math.max(1, wait, tally.left(now));
      }
      record.total.running += 1;
      tally.running += 1;
      const serial = tables.serialOf(key);
      const ended = (outcome: Outcome): void =>
        this.#locked(() => {
          // A network that was forgotten meanwhile has nothing of this login.
          const isKept = tables.serialOf(key) === serial;
          if (isKept) {
            record.total.running -= 1;
            tally.running -= 1;
            this.#settle(record, tally, outcome);
          }
          if (outcome === 'succeeded') tables.remember(key, nameKey);
          if (isKept && record.isOver(this.now())) tables.forget(key);
        });
      return { standing: standingOf(record, tables.hasKnown(key)), ended };
    });
  }

  /** A thread has ended: logins that it was verifying have no end. */
  lost(): void {
    if (this.size > 0) this.#locked((tables) => tables.endAll());
  }

  #locked<T>(work: (tables: Tables) => T): T {
    this.#tables ??= new Tables();
    const tables = this.#tables;
    tables.records.lock();
    try {
      return work(tables);
    } finally {
      tables.records.unlock();
    }
  }

  #settle(record: NetworkRecord, tally: Tally, outcome: Outcome): void {
    const now = this.now();
    record.wasRefused = outcome === 'refused';
    if (outcome === 'succeeded') {
      record.total.forgive(tally.shared);
      tally.forgive(tally.failures);
      tally.shared = 0;
      return;
    }
    // A login that could not be verified counts as a failure of its name: a cached password would not have come here.
    tally.fail(now);
    if (outcome === 'refused') return;
    tally.shared += 1;
    record.total.fail(now);
  }
}

function standingOf(record: NetworkRecord, isKnown: boolean): Standing {
  if (record.wasRefused || record.total.failures > 0) return Standing.failing;
  return isKnown ? Standing.good : Standing.new;
}

/** The memory of a {@link BackOff}. The lock of {@link records} is held for both tables. */
class Tables {
  /** Failures of networks. */
  readonly records: SharedTable;
  /** Networks of logins that succeeded, with the keys of their names. */
  readonly #known: SharedTable;

  constructor(
    readonly memory: BackOffMemory = {
      records: SharedTable.make(capacity, networkWidth),
      known: SharedTable.make(capacity, namesApart),
    },
  ) {
    this.records = new SharedTable(memory.records);
    this.#known = new SharedTable(memory.known);
  }

  networkKey(network: string): number {
    return this.records.keyOf(network);
  }

  /** Short, whatever a client sends as a name; never 0. */
  nameKey(name: string): number {
    return this.records.keyOf(name) + 1;
  }

  find(network: number): NetworkRecord | undefined {
    const place = this.records.find(network);
    return place < 0 ? undefined : this.#record(place);
  }

  /** The record of a network, found or made, which is the newest. */
  newest(network: number): NetworkRecord {
    const found = this.records.find(network);
    const place = found < 0 ? this.records.add(network) : found;
    this.records.touch(place);
    return this.#record(place);
  }

  forget(network: number): void {
    const place = this.records.find(network);
    if (place >= 0) this.records.delete(place);
  }

  /** Another one once the network was forgotten, and has a record again; -1 without one. */
  serialOf(network: number): number {
    const place = this.records.find(network);
    return place < 0 ? -1 : this.records.serialOf(place) * capacity + place;
  }

  hasKnown(network: number): boolean {
    return this.#known.find(network) >= 0;
  }

  isKnown(network: number, name: number): boolean {
    const place = this.#known.find(network);
    if (place < 0) return false;
    const start = this.#known.startOf(place);
    return this.#known.cells.subarray(start, start + namesApart).includes(name);
  }

  /** A name has logged in. */
  remember(network: number, name: number): void {
    const found = this.#known.find(network);
    const place = found < 0 ? this.#known.add(network) : found;
    this.#known.touch(place);
    if (this.isKnown(network, name)) return;
    const start = this.#known.startOf(place);
    const free = this.#known.cells.subarray(start, start + namesApart).indexOf(0);
    if (free >= 0) this.#known.cells[start + free] = name;
  }

  endAll(): void {
    const { records } = this;
    for (let place = records.oldest; place >= 0; place = records.newerThan(place)) this.#record(place).endAll();
  }

  #record(place: number): NetworkRecord {
    return new NetworkRecord(this.records.cells, this.records.startOf(place));
  }
}
