import { currentSecond } from '../../base/clock.js';
import { coded, type ErrorCode } from '../../base/codes.js';
import {
  aBoolean,
  aNumber,
  anObject,
  aText,
  checkGiven,
  checkMembers,
  type Members,
  oneOf,
  type Wanted,
} from '../../base/given.js';
import { escapesHalfPair, stringify } from '../../base/json.js';
import { type Slice, workInTurns } from '../../base/slice.js';
import { hasHalfPair, shorten } from '../../base/text.js';
import { type NativeRecordTable, openRecordTable, openSharedRecordTable } from '../../native/addon.js';
import { DumpShape, SearchField, Size, Stored, WalkField } from '../../native/layout.js';
import { type Cursor, Piecewise } from './cursor.js';
import { printUnchecked } from './json.js';
import { printWhole } from './long-printer.js';
import {
  type Persistence,
  type PersistOptions,
  persistMembers,
  RecordDatabase,
  type TableKeeper,
} from './record-database.js';
import { nonce, type PrintedRecord, printRecord, type SecondsLeft, styles } from './seconds-left.js';

/** The values to set for a `T` that is read: the seconds until a time may stand for any number in it. */
export type Settable<T> =
  | T
  | (number extends T ? SecondsLeft : never)
  | (T extends object ? { readonly [Member in keyof T]: Settable<T[Member]> } : never);

/** Options of one record. */
export interface RecordOptions {
  /** The time at which {@link RecordTable.due} finds the record, in a unit of the caller's choice. */
  readonly deadline?: number;
}

/** The most that a table takes; what is left out has no limit. */
export interface RecordLimits {
  readonly maxRecords?: number;
  /** Bytes of memory, as {@link RecordTable.usedBytes} counts them. */
  readonly maxBytes?: number;
  /** Bytes of UTF-8 of one record and its key. */
  readonly maxRecordBytes?: number;
}

/** Options of {@link RecordTable.open}. */
export interface KeptTableOptions extends RecordLimits {
  /** Where the records are kept, so that they outlive the process. */
  readonly persist: PersistOptions;
}

const limitMembers: Members<RecordLimits> = { maxRecords: aNumber, maxBytes: aNumber, maxRecordBytes: aNumber };

/**
 * A record has no room in its table, which is as it was.
 *
 * ```ts
 * const calls = new RecordTable<{ caller: string }>({ maxRecords: 1000 });
 * try {
 *   calls.set('a1', { caller: 'alice' });
 * } catch (error) {
 *   if (!(error instanceof RecordLimitError)) throw error;
 *   throw new MiError(503, 'Too many calls', error.message);
 * }
 * ```
 */
export class RecordLimitError extends Error {
  override readonly name = 'RecordLimitError';
  readonly code: ErrorCode = 'ERR_RECORD_LIMIT';

  constructor(
    message: string,
    /** The limit that was met; `memory`: the process got none from the operating system. */
    readonly limit: keyof RecordLimits | 'memory',
  ) {
    super(message);
  }
}

/** Records that are told at once, when a database is written anew. */
const toldAtOnce = 64;

/** Markers and deadline of a record that is told. */
const recordFacts = new Float64Array(2);

let keepRecords: <T>(
  table: RecordTable<T>,
  database: RecordDatabase,
  name: string,
  hasTimes: boolean,
) => Promise<{ records: number; marks: number }>;
let tellRecord: <T>(table: RecordTable<T>, key: string) => boolean;

/**
 * Keeps a table under a name in a database of several tables, and loads what is stored of it.
 *
 * @param hasTimes deadlines are seconds of the clock of the process; records whose times have all come are deleted, not loaded
 * @returns records that were loaded, and the values in them that count down
 */
export function keepIn<T>(
  database: RecordDatabase,
  name: string,
  table: RecordTable<T>,
  hasTimes: boolean,
): Promise<{ records: number; marks: number }> {
  return keepRecords(table, database, name, hasTimes);
}

/** Has a record of a table that is kept written again; returns whether there is one. */
export function writeAgain<T>(table: RecordTable<T>, key: string): boolean {
  return tellRecord(table, key);
}

let numberOf: (table: RecordTable) => number;
let open: (number: number) => RecordTable;

/**
 * The number by which other threads of the process open the same table with {@link openShared}. The table lives as long as any
 * thread holds it.
 */
export function sharedNumberOf<T>(table: RecordTable<T>): number {
  return numberOf(table as RecordTable);
}

/**
 * The table that another thread has, by its {@link sharedNumberOf}: one set of records, and limits, for all. Each thread may read
 * and change it at any time; what one has set when its call returns is seen by every call that another one begins afterwards.
 * Dumps, searches and walks belong to the thread that began them; the cursor of a page of {@link RecordTable.find} is good in
 * each. Threads count seconds alike (see currentSecond), so that {@link secondsLeft} is the same in all.
 *
 * ```ts
 * // At home:
 * const worker = new Worker(file, { workerData: { contacts: sharedNumberOf(contacts) } });
 * // In the worker, while home holds its table:
 * const contacts = openShared<Contact>(workerData.contacts);
 * ```
 *
 * @throws RangeError when no thread has that table any more
 */
export function openShared<T>(number: number): RecordTable<T> {
  return open(number) as RecordTable<T>;
}

let versionIn: (table: RecordTable, key: string) => number;
let setIn: (
  table: RecordTable,
  key: string,
  value: unknown,
  options: RecordOptions | undefined,
  version: number,
) => boolean;
let deleteIn: (table: RecordTable, key: string, version: number) => boolean;
let marksIn: (table: RecordTable) => number;

/**
 * A number that is another one once the record of a key has changed, in whatever thread. Read it before the record, change that by
 * {@link setUnchanged} or {@link deleteUnchanged}, and begin anew where these give false: then no change of another thread is lost.
 */
export function versionOf<T>(table: RecordTable<T>, key: string): number {
  return versionIn(table as RecordTable, key);
}

/** As {@link RecordTable.set}, if the version of the key is still that one; returns whether it is. */
export function setUnchanged<T>(
  table: RecordTable<T>,
  key: string,
  value: Settable<T>,
  options: RecordOptions | undefined,
  version: number,
): boolean {
  return setIn(table as RecordTable, key, value, options, version);
}

/** As {@link RecordTable.delete}, if the version of the key is still that one; returns whether it is. */
export function deleteUnchanged<T>(table: RecordTable<T>, key: string, version: number): boolean {
  return deleteIn(table as RecordTable, key, version);
}

/** How many values of all records of a table depend on time. */
export function marksOf<T>(table: RecordTable<T>): number {
  return marksIn(table as RecordTable);
}

/** Keys and records pass through it on their way to any table and back; it is never in use when a method returns. */
const memory = Buffer.allocUnsafeSlow(131072);

/**
 * Records by key, held as JSON outside of the JavaScript heap: a million of them cost the garbage collector nothing.
 * Each is encoded once, when it is set, and copied when it is dumped.
 *
 * Keys are any well-formed strings of up to 65,535 bytes of UTF-8. Values that depend on time alone are given as
 * {@link secondsLeft} and are read as what they are by then.
 *
 * The collector does not see how much memory a table holds: {@link RecordTable.clear} one that is no longer needed.
 *
 * ```ts
 * const calls = new RecordTable<{ caller: string; timeout: number }>();
 * calls.set('a1', { caller: 'alice', timeout: secondsLeft(Date.now() / 1000 + 30) });
 * const dump = command({ name: 'calls', help: 'Lists calls.', run: () => ({ calls: calls.dump() }) });
 * ```
 */
export class RecordTable<T = unknown> {
  static {
    numberOf = (table) => {
      table.#isShared = true;
      return table.#native.share();
    };
    open = (number) => {
      const native = openSharedRecordTable(nonce, number);
      if (native === null) {
        throw coded(
          'ERR_ARGUMENT',
          new RangeError(`no record table has the number ${number} any more; keep it where it was made`),
        );
      }
      const table = new RecordTable();
      table.#native = native;
      table.#isShared = true;
      return table;
    };
    versionIn = (table, key) => table.#native.version(memory, writeKey(key, memory));
    setIn = (table, key, value, options, version) => table.#set(key, value, options, version);
    deleteIn = (table, key, version) => table.#delete(key, version);
    marksIn = (table) => table.#native.marks();
  }

  #native: NativeRecordTable = openRecordTable(nonce);
  /** True if other threads have the table, and may set its limits. */
  #isShared = false;
  #styles = 0;
  #limits: RecordLimits = {};
  /** Is told of every change; undefined: the records end with the process. */
  #keeper: TableKeeper | undefined;

  static {
    keepRecords = (table, database, name, hasTimes) => table.#keep(database, name, hasTimes);
    tellRecord = (table, key) => table.#keeper !== undefined && table.#tell(table.#keeper, key);
  }

  /**
   * Opens a table whose records outlive the process: in a file, which a thread of its own reads and writes. What is stored is loaded.
   *
   * A change is written within `persist.interval`, together with all others of that time; a process that is killed loses no more,
   * and the file is whole whatever happens. {@link RecordTable.flush} waits for what changed so far, {@link RecordTable.close} has to
   * be called in the end. Deadlines are kept as they are: give times that mean the same in another process.
   *
   * @throws Error naming the file and what to do: it is in use, damaged, or cannot be opened; TypeError or RangeError for a wrong
   *   option
   *
   * ```ts
   * const calls = await RecordTable.open<{ caller: string }>({ persist: { path: '/var/lib/pbx/calls' } });
   * calls.set('a1', { caller: 'alice' });
   * await calls.flush();
   * await calls.close();
   * ```
   */
  static async open<T = unknown>(options: KeptTableOptions): Promise<RecordTable<T>> {
    checkMembers('options of RecordTable.open', options, { ...limitMembers, persist: anObject });
    const { persist, ...limits } = options;
    checkMembers('persist', persist, persistMembers);
    // New limits leave alone what is there, and so do these.
    const table = new RecordTable<T>(limits);
    table.limits = {};
    const database = await RecordDatabase.open(persist);
    try {
      await table.#keep(database, 'records', false);
    } catch (error) {
      await database.close().catch(() => {});
      throw error;
    }
    database.begin();
    table.limits = limits;
    return table;
  }

  /** @throws RangeError for a limit that is not a number from 0 on */
  constructor(limits: RecordLimits = {}) {
    this.limits = limits;
  }

  /** The most that the table takes. New limits leave alone what is there already. */
  get limits(): RecordLimits {
    return this.#isShared ? limitsOf(this.#native) : this.#limits;
  }

  set limits(limits: RecordLimits) {
    checkMembers('limits of a RecordTable', limits, limitMembers);
    const {
      maxRecords = Number.POSITIVE_INFINITY,
      maxBytes = Number.POSITIVE_INFINITY,
      maxRecordBytes = Number.POSITIVE_INFINITY,
    } = limits;
    for (const [name, limit] of Object.entries({ maxRecords, maxBytes, maxRecordBytes })) {
      if (!(limit >= 0))
        throw coded('ERR_ARGUMENT', new RangeError(`${name} is ${limit}; give a number from 0 on, or leave it out`));
    }
    this.#native.setLimits(maxRecords, maxBytes, maxRecordBytes);
    this.#limits = limits;
  }

  /**
   * Sets the record of a key, and its deadline: one that is not given again is gone.
   *
   * @throws TypeError for a value that is not JSON or a key with half of a surrogate pair, RangeError for a value that
   *   contains itself, {@link RecordLimitError} for one that {@link limits} leave no room for, Error for a key or a
   *   record that is too long for any table; then the table is as it was
   */
  set(key: string, value: Settable<T>, options?: RecordOptions): this {
    this.#set(key, value, options);
    return this;
  }

  /** @param version as it has to be; left out: any @returns false where it is another one: then nothing has changed */
  #set(key: string, value: unknown, options: RecordOptions | undefined, version?: number): boolean {
    checkKey(key);
    const { text, marks } = printed(value);
    if (text === undefined) {
      throw coded(
        'ERR_ARGUMENT',
        new TypeError(`record ${JSON.stringify(key)} is set to a ${typeof value}, which JSON does not have`),
      );
    }
    if (marks > 0 && this.#styles < styles.length) this.#learnStyles();
    const deadline = deadlineOf(options);
    let place = memory;
    if ((key.length + text.length) * 3 > memory.length) {
      const length = Buffer.byteLength(key) + Buffer.byteLength(text);
      if (length > memory.length) place = Buffer.allocUnsafeSlow(length);
    }
    const keyLength = writeKey(key, place);
    const end = keyLength + place.write(text, keyLength);
    const outcome =
      version === undefined
        ? this.#native.set(place, keyLength, end, marks, deadline)
        : this.#native.setUnchanged(place, keyLength, end, marks, deadline, version);
    if (outcome === Stored.changed) return false;
    this.#taken(outcome, key);
    this.#keeper?.set(place, keyLength, end, marks, deadline, false);
    return true;
  }

  /**
   * Sets the record of a key to a JSON text (RFC 8259) in UTF-8. It is validated and kept without blanks, otherwise as
   * it is: numbers of any size and repeated members stay.
   *
   * @throws Error saying what is wrong at which byte, {@link RecordLimitError}; then the table is as it was
   */
  setJson(key: string, json: Uint8Array, options?: RecordOptions): this {
    checkKey(key);
    const deadline = deadlineOf(options);
    checkGiven('json of a record', json, aByteArray);
    if (escapesHalfPair(Buffer.from(json.buffer, json.byteOffset, json.length).toString('latin1'))) {
      throw coded(
        'ERR_ARGUMENT',
        new TypeError(`record ${JSON.stringify(key)} has half of a surrogate pair; give well-formed text`),
      );
    }
    const length = Buffer.byteLength(key) + json.length;
    const place = length > memory.length ? Buffer.allocUnsafeSlow(length) : memory;
    place.set(json, writeKey(key, place));
    this.#taken(this.#native.setJson(place, length - json.length, length, deadline), key);
    this.#keeper?.set(place, length - json.length, length, 0, deadline, true);
    return this;
  }

  /** Sets many records; one that is refused ends it, and those before it are set. */
  setMany(records: Iterable<readonly [key: string, value: Settable<T>]>): this {
    for (const [key, value] of records) this.set(key, value);
    return this;
  }

  /** The record of a key as it is now; undefined when there is none. */
  get(key: string): T | undefined {
    const text = this.#read(key);
    return text === undefined ? undefined : (JSON.parse(text.toString()) as T);
  }

  /** As {@link get}, as compact JSON in bytes of the caller's own. */
  getJson(key: string): Uint8Array | undefined {
    const text = this.#read(key);
    return text === undefined ? undefined : new Uint8Array(text);
  }

  has(key: string): boolean {
    return this.#native.has(memory, writeKey(key, memory));
  }

  /** Deletes a record; returns whether there was one. */
  delete(key: string): boolean {
    const keyLength = writeKey(key, memory);
    const isDeleted = this.#native.delete(memory, keyLength);
    if (isDeleted || this.#keeper?.database.isLoading === true) this.#keeper?.delete(memory, keyLength);
    return isDeleted;
  }

  #delete(key: string, version: number): boolean {
    const keyLength = writeKey(key, memory);
    const outcome = this.#native.deleteUnchanged(memory, keyLength, version);
    if (outcome === Stored.changed) return false;
    if (outcome === Stored.added || this.#keeper?.database.isLoading === true) this.#keeper?.delete(memory, keyLength);
    return true;
  }

  /** Deletes all records and frees their memory. */
  clear(): void {
    this.#native.clear();
    this.#keeper?.clear();
  }

  /**
   * Waits until all changes so far are written. All who ask within a turn of the event loop share one commit. Without `persist` it
   * has nothing to wait for.
   *
   * @throws Error why they could not be; they are kept, and tried again
   */
  async flush(): Promise<void> {
    await this.#keeper?.database.flush();
  }

  /**
   * Of a table with `persist`: writes what waits, and gives the file back. The records stay in memory, and further changes are
   * not kept.
   *
   * @throws Error how many changes could not be written, and why
   */
  async close(): Promise<void> {
    await this.#keeper?.database.close();
  }

  /** What the database of a table with `persist` is at, and has done. */
  get persistence(): Persistence | undefined {
    return this.#keeper?.database.persistence;
  }

  /** Records in the table. */
  get size(): number {
    return this.#native.size();
  }

  /** Bytes of all keys and records in UTF-8; what {@link secondsLeft} prints counts nothing. */
  get bytes(): number {
    return this.#native.bytes();
  }

  /**
   * The bytes that `maxBytes` limits: {@link bytes}, and about 80 for each record and 12 for each {@link secondsLeft}. The memory
   * that the table holds is at most a few percent more.
   */
  get usedBytes(): number {
    return this.#native.usedBytes();
  }

  /** Bytes of memory that the table holds. */
  get heldBytes(): number {
    return this.#native.heldBytes();
  }

  /** Share of {@link heldBytes} that is not {@link bytes}, from 0 to 1: the table's own needs and free room. */
  get fragmentation(): number {
    return 1 - this.bytes / this.heldBytes;
  }

  /**
   * The keys that are there now, in no order, each once. The table may change meanwhile: keys that are deleted before
   * their turn are left out, as are new ones.
   */
  *keys(): Generator<string, void, undefined> {
    for (const keys of this.#walk(Number.POSITIVE_INFINITY)) {
      // They come many at a time, and may be deleted between two turns.
      for (const key of keys) if (this.has(key)) yield key;
    }
  }

  /**
   * The keys of records whose deadline is at or before `now`, in batches. Each looks at no more than 8192 records, in
   * well under a millisecond, and may be empty, so that a caller can do other things in between.
   *
   * @throws RangeError unless `now` is finite
   */
  due(now: number): Generator<readonly string[], void, undefined> {
    if (!Number.isFinite(now))
      throw coded('ERR_ARGUMENT', new RangeError(`time ${now} is not finite; give one to compare deadlines with`));
    return this.#walk(now);
  }

  /**
   * All records as an array, to be put anywhere into the result of a command. It is printed piece by piece at the pace
   * of the reader, while the table may change; {@link DumpCursor} tells what is promised then.
   */
  dump(options: DumpOptions = {}): TableDump {
    return new TableDump(this.#native, options);
  }

  /**
   * The records that have a text: in their key, or in a text, number, true, false or null anywhere in them. Letters of ASCII
   * are equal in either case; all other characters have to be the same, in case and in accents. Names of members are not looked
   * at, nor what {@link secondsLeft} prints. An empty text finds every record.
   *
   * The search goes through the table in slices of half a millisecond, between which others have their turn, and the table may
   * change. Promised: a record that is there from start to end is looked at once, as it is when its turn comes, over all pages;
   * one that is added meanwhile is not looked at, one that is deleted may be missing.
   *
   * @throws TypeError or RangeError for a wrong option, or a cursor of another table; what the signal is aborted with
   *
   * ```ts
   * const contacts = new RecordTable<{ contact: string; agent: string }>();
   * const { records, cursor, matched } = await contacts.find('yealink', { by: 'agent', limit: 50 });
   * const next = cursor === undefined ? undefined : await contacts.find('yealink', { by: 'agent', limit: 50, after: cursor });
   * ```
   */
  find(text: string, options: FindOptions = {}): Promise<Found<T>> {
    checkGiven('text to find', text, aText);
    checkMembers('options of find', options, findMembers);
    const { by, except, limit = usualFindLimit, after, count = true, signal } = options;
    if (!(Number.isInteger(limit) && limit >= 0 && limit <= mostFound)) {
      throw coded('ERR_ARGUMENT', new RangeError(`limit of find is ${limit}; give an integer from 0 to ${mostFound}`));
    }
    const walk = new Uint32Array(Object.keys(WalkField).length);
    // Tells cursors of this table from those of another one, and of another process.
    const ownMark = this.#native.mark().toString(36);
    if (after === undefined) this.#native.beginWalk(walk);
    else readCursor(after, ownMark, walk);
    // Well-formed texts have none of these, and halves would be found in UTF-8 as what they are replaced with.
    if (hasHalfPair(text) || hasHalfPair(by ?? ''))
      return Promise.resolve({ records: [], cursor: undefined, matched: 0, scanned: 0 });
    const slot = this.#native.openSearch(walk, text, by, except, limit, count, currentSecond());
    if (slot < 0) {
      throw coded('ERR_RECORD_LIMIT', new RangeError(`record table has ${Size.slots} searches open; wait for them`));
    }
    return search<T>(this.#native, slot, ownMark, signal);
  }

  /** @throws TypeError: a table in a result has to say how it is to be printed */
  toJSON(): never {
    throw coded('ERR_RESULT', new TypeError('result holds a RecordTable: give table.dump()'));
  }

  /** Loads what is stored under a name, and keeps all changes from now on. */
  async #keep(database: RecordDatabase, name: string, hasTimes: boolean): Promise<{ records: number; marks: number }> {
    const before = [...this.keys()];
    const records = { native: this.#native, tellAll: () => this.#tellAll() };
    const keeper = database.keep(name, records, hasTimes);
    this.#keeper = keeper;
    database.learnStyles();
    this.#learnStyles();
    for (const key of before) this.#tell(keeper, key);
    return database.load(keeper, this.#native, hasTimes);
  }

  *#tellAll(): Generator<void, void, undefined> {
    const keeper = this.#keeper;
    if (keeper === undefined) return;
    let told = 0;
    for (const keys of this.#walk(Number.POSITIVE_INFINITY)) {
      for (const key of keys) {
        this.#tell(keeper, key);
        told += 1;
        if (told % toldAtOnce === 0) yield;
      }
      yield;
    }
  }

  /** Tells the keeper of a record as it is; returns whether there is one. */
  #tell(keeper: TableKeeper, key: string): boolean {
    const keyLength = writeKey(key, memory);
    let place = memory;
    let end = this.#native.getMarked(place, keyLength, recordFacts);
    // Another thread may set a longer one meanwhile.
    while (end > place.length) {
      place = Buffer.allocUnsafeSlow(end);
      end = this.#native.getMarked(place, writeKey(key, place), recordFacts);
    }
    if (end < 0) return false;
    const [marks = 0, deadline = Number.POSITIVE_INFINITY] = recordFacts;
    keeper.set(place, keyLength, end, marks, deadline, false);
    return true;
  }

  *#walk(due: number): Generator<string[], void, undefined> {
    const walk = new Uint32Array(Object.keys(WalkField).length);
    this.#native.beginWalk(walk);
    while (walk[WalkField.next] !== walk[WalkField.end]) {
      const length = this.#native.walk(memory, walk, due);
      const keys: string[] = [];
      for (let at = 0; at < length; ) {
        const start = at + Size.keyLength;
        at = start + memory.readUInt32LE(at);
        keys.push(memory.toString('utf8', start, at));
      }
      yield keys;
    }
  }

  /** The record as it is now, in memory that is valid until the next call of any table. */
  #read(key: string): Buffer | undefined {
    const now = currentSecond();
    const keyLength = writeKey(key, memory);
    let place = memory;
    let length = this.#native.get(place, keyLength, now);
    // Another thread may set a longer one meanwhile.
    while (length > place.length) {
      place = Buffer.allocUnsafeSlow(length);
      place.write(key, 0);
      length = this.#native.get(place, keyLength, now);
    }
    return length < 0 ? undefined : place.subarray(0, length);
  }

  /** @throws RecordLimitError for a number that tells of no room */
  #taken(outcome: number, key: string): void {
    if (outcome >= 0) return;
    const what = `record ${JSON.stringify(shorten(key, 64))} has no room`;
    const { maxRecords, maxBytes, maxRecordBytes } = this.limits;
    switch (outcome) {
      case Stored.tooManyRecords:
        throw new RecordLimitError(
          `${what}: the table holds ${this.size} records, the limit maxRecords is ${maxRecords}; delete some or raise it`,
          'maxRecords',
        );
      case Stored.tooManyBytes:
        throw new RecordLimitError(
          `${what}: the table uses ${this.usedBytes} bytes, the limit maxBytes is ${maxBytes}; delete some or raise it`,
          'maxBytes',
        );
      case Stored.recordTooLong:
        throw new RecordLimitError(
          `${what}: it is longer than the limit maxRecordBytes, ${maxRecordBytes} bytes; shorten it or raise the limit`,
          'maxRecordBytes',
        );
      default:
        throw new RecordLimitError(`${what}: the process gets no more memory; delete some or give it more`, 'memory');
    }
  }

  #learnStyles(): void {
    for (const { texts } of styles.slice(this.#styles)) {
      this.#native.addStyle(jsonOf(texts.permanent), jsonOf(texts.expired));
    }
    this.#styles = styles.length;
  }
}

const aByteArray: Wanted = { text: 'a Uint8Array of JSON', is: (value) => value instanceof Uint8Array };

/** Writes a key to the start of a memory; its length there. */
function writeKey(key: string, place: Buffer): number {
  checkKey(key);
  const length = place.write(key, 0);
  // Two keys with different halves of surrogate pairs would be one in UTF-8; ASCII has none.
  if (length !== key.length && /\p{Surrogate}/u.test(key)) {
    throw coded(
      'ERR_ARGUMENT',
      new TypeError(`key ${JSON.stringify(key)} has half of a surrogate pair; give well-formed text`),
    );
  }
  return length;
}

function limitsOf(table: NativeRecordTable): RecordLimits {
  const limits = new Float64Array(3);
  table.limits(limits);
  const [maxRecords, maxBytes, maxRecordBytes] = limits;
  const all = Object.entries({ maxRecords, maxBytes, maxRecordBytes });
  return Object.fromEntries(all.filter(([, limit]) => limit !== Number.POSITIVE_INFINITY));
}

function jsonOf(text: string | undefined): string {
  return text === undefined ? '' : stringify(text);
}

const recordMembers: Members<RecordOptions> = { deadline: aNumber };

/** Few records have an empty object: those are printed anew, so that what only looks empty is refused wherever it stands. */
function printed(value: unknown): PrintedRecord {
  const record = printRecord(printUnchecked, value);
  return record.text?.includes('{}') === true ? printRecord(printWhole, value) : record;
}

/** Whatever else the options have is looked at only where it is wrong: records are set by the thousand. */
function deadlineOf(options: RecordOptions | undefined): number {
  if (options === undefined) return Number.POSITIVE_INFINITY;
  let isRight = typeof options === 'object' && options !== null;
  for (const name in options) isRight &&= name === 'deadline';
  const deadline = options?.deadline ?? Number.POSITIVE_INFINITY;
  if (Number.isNaN(deadline))
    throw coded('ERR_ARGUMENT', new RangeError('deadline is not a number; give a time or leave it out'));
  if (!isRight || typeof deadline !== 'number') checkMembers('options of a record', options, recordMembers);
  return deadline;
}

function checkKey(key: string): void {
  if (typeof key !== 'string') checkGiven('key of a record', key, aText);
}

/** Records that one page of a search has at most. */
export const mostFound = 1000;
const usualFindLimit = 100;

/** How {@link RecordTable.find} searches, and how much it gives. */
export interface FindOptions {
  /** Name of a member, at any depth: its values alone are looked at, and what arrays have that are its values. */
  readonly by?: string | undefined;
  /** Records to give at most, from 0 to 1000; default 100. Large ones make it fewer: 1 MiB of JSON is given at once. */
  readonly limit?: number;
  /** The cursor of the page before. */
  readonly after?: string | undefined;
  /** Key of a record that is neither given nor counted. */
  readonly except?: string | undefined;
  /** False to end where the page is full, so that `matched` and `scanned` say nothing of what is behind it; default true. */
  readonly count?: boolean;
  /** Ends the search. */
  readonly signal?: AbortSignal | undefined;
}

const findMembers: Members<FindOptions> = {
  by: aText,
  limit: aNumber,
  after: aText,
  except: aText,
  count: aBoolean,
  signal: { text: 'an AbortSignal', is: (value) => value instanceof AbortSignal },
};

/** What {@link RecordTable.find} has found. */
export interface Found<T> {
  /** Keys and records, in no order, but that of all pages is the same. */
  readonly records: readonly (readonly [key: string, record: T])[];
  /** For the next page; undefined if there is none. */
  readonly cursor: string | undefined;
  /** Records from the cursor of the page before on that have the text. */
  readonly matched: number;
  /** Records from there on that were looked at. */
  readonly scanned: number;
}

/** Does the work of {@link RecordTable.find}. */
function search<T>(
  table: NativeRecordTable,
  slot: number,
  mark: string,
  signal: AbortSignal | undefined,
): Promise<Found<T>> {
  return new Promise((resolve, reject) => {
    const progress = new Uint32Array(Object.keys(SearchField).length);
    const records: (readonly [string, T])[] = [];
    const work = (slice: Slice): boolean => {
      try {
        do {
          signal?.throwIfAborted();
          const room = progress[SearchField.room] ?? 0;
          const window = room > memory.length ? Buffer.allocUnsafeSlow(room) : memory;
          const length = table.search(slot, window, progress);
          if (length > 0) records.push(...(JSON.parse(`[${window.toString('utf8', 0, length)}]`) as [string, T][]));
        } while (progress[SearchField.isOver] === 0 && !slice.isOver);
        if (progress[SearchField.isOver] === 0) return true;
        const hasMore = progress[SearchField.hasMore] === 1;
        const { next, end, mark: generation } = SearchField;
        const place = [next, end, generation].map((field) => (progress[field] ?? 0).toString(36));
        resolve({
          records,
          cursor: hasMore ? [mark, ...place].join('.') : undefined,
          matched: progress[SearchField.matched] ?? 0,
          scanned: progress[SearchField.scanned] ?? 0,
        });
      } catch (error) {
        reject(error);
      }
      table.closeSearch(slot);
      return false;
    };
    workInTurns({ work });
  });
}

/** Reads the cursor of a page. @throws RangeError for one that a table with this mark has not given */
function readCursor(cursor: string, mark: string, walk: Uint32Array): void {
  const [of, ...places] = cursor.split('.');
  const numbers = places.map((place) => Number.parseInt(place, 36));
  const isRight = numbers.length === walk.length && numbers.every((number) => number >= 0 && number < 2 ** 32);
  if (of !== mark || !isRight || numbers.map((number) => number.toString(36)).join('.') !== places.join('.')) {
    throw coded('ERR_ARGUMENT', new RangeError('the cursor is of another table, or of another run; search anew'));
  }
  walk.set(numbers);
}

/** The form of each record in a dump. */
export interface DumpOptions {
  /** The whole record (default), or its key. */
  readonly as?: 'records' | 'keys';
  /** With `keys`: each key becomes an object with this one member. Left out, it is a plain string. */
  readonly member?: string;
}

const dumpMembers: Members<DumpOptions> = { as: oneOf(['records', 'keys']), member: aText };

/**
 * The records of a table as a JSON array, to stand anywhere in the result of a command. It is nothing but the wish to
 * dump: what it prints is read when its turn in the reply comes.
 */
export class TableDump extends Piecewise {
  readonly #table: NativeRecordTable;
  readonly #shape: number;
  readonly #member: string;

  /** For {@link RecordTable.dump}. */
  constructor(table: NativeRecordTable, options: DumpOptions) {
    super();
    checkMembers('dump', options, dumpMembers);
    const { as = 'records', member } = options;
    if (as === 'records' && member !== undefined) {
      throw coded(
        'ERR_ARGUMENT',
        new TypeError(`dump of records has a member name ${JSON.stringify(member)}; give it with as: 'keys'`),
      );
    }
    this.#table = table;
    this.#shape = as === 'records' ? DumpShape.records : member === undefined ? DumpShape.keys : DumpShape.members;
    this.#member = member ?? '';
  }

  /**
   * Begins to print what the table has now.
   *
   * @param now seconds since 1970 at which all values that depend on time are read
   * @throws RangeError when 1048576 dumps of the table are open
   */
  open(now: number = currentSecond()): DumpCursor {
    return this.#open(now, false);
  }

  /** As {@link open}, as lines of JSON: one for each record. */
  openLines(now: number = currentSecond()): DumpCursor {
    return this.#open(now, true);
  }

  #open(now: number, isLines: boolean): DumpCursor {
    // Nothing can fail behind the slot: it would stay open.
    const length = this.#shape === DumpShape.records && !isLines ? this.#table.dumpLength() : -1;
    const slot = this.#table.openDump(this.#shape, this.#member, now, isLines);
    if (slot < 0) {
      throw coded(
        'ERR_RECORD_LIMIT',
        new RangeError(`record table has ${Size.slots} dumps open; release those that have ended`),
      );
    }
    return new DumpCursor(this.#table, slot, length < 0 ? undefined : length);
  }

  /** All records as values, which takes memory for all of them: this is what `JSON.stringify` prints. */
  protected whole(): unknown {
    return JSON.parse(this.#readAll());
  }

  #readAll(): string {
    const cursor = this.open();
    const decoder = new TextDecoder();
    const window = new Uint8Array(65536);
    let text = '';
    try {
      for (let length = cursor.fill(window); length > 0; length = cursor.fill(window)) {
        text += decoder.decode(window.subarray(0, length), { stream: true });
      }
    } finally {
      cursor.release();
    }
    return text;
  }
}

/**
 * A dump under way. Promised: a record that is there from start to end appears once, whole, as it is when its turn
 * comes; one that is added or deleted meanwhile may be missing; the text is always a complete JSON array.
 */
export class DumpCursor implements Cursor {
  readonly #table: NativeRecordTable;
  /** -1 once it is given back: its number is another dump's some day. */
  #slot: number;

  /** For {@link TableDump.open}. */
  constructor(
    table: NativeRecordTable,
    slot: number,
    /** Bytes of the whole text if the table stays as it is; undefined when it has values that depend on time. */
    readonly length: number | undefined,
  ) {
    this.#table = table;
    this.#slot = slot;
  }

  /**
   * Continues into `buffer`, which is filled to its end unless the text ends before. A long record is continued by the
   * next call. After the end, which releases the cursor, it writes nothing.
   *
   * @returns bytes written; 0 when the text is complete
   * @throws RangeError for an empty buffer
   */
  fill(buffer: Uint8Array): number {
    if (buffer.length === 0)
      throw coded('ERR_ARGUMENT', new RangeError('dump cannot continue into a buffer of 0 bytes; give at least 1'));
    const length = this.#table.fill(this.#slot, buffer);
    if (length === 0) this.release();
    return length;
  }

  /** Ends the dump; to be called when its end is not reached. */
  release(): void {
    this.#table.release(this.#slot);
    this.#slot = -1;
  }
}
