import { currentSecond, dateOf, secondsSet } from '../../base/clock.js';
import { coded } from '../../base/codes.js';
import { aFunction, aNumber, aText, checkMembers, type Members, required } from '../../base/given.js';
import { Slice } from '../../base/slice.js';
import { type NativeRecordKeeper, type NativeRecordTable, openRecordKeeper } from '../../native/addon.js';
import { KeptField, KeptPhase, LoadedField } from '../../native/layout.js';
import { nonce, styleNumber, styles, styleTexts } from './seconds-left.js';

/** Where the records of a table are kept, and how. */
export interface PersistOptions {
  /**
   * The file of the database; made, readable by its owner alone, where there is none. Its folder is made if the one around that is
   * there. One process at a time has it.
   */
  readonly path: string;
  /**
   * Milliseconds within which a change is written, 0 to 60000: what a process that is killed may lose; default 1000. 0: it is written
   * at once, and `flush()` tells when it is.
   */
  readonly interval?: number;
  /**
   * Bytes of changes that wait, at most; default 64 MiB. Where writing is slower than changes come, or fails, more of them are
   * forgotten, and the whole table is written anew as soon as that works again.
   */
  readonly maxPending?: number;
  /** Called when writing fails, and when it works again. */
  readonly onChange?: (persistence: Persistence) => void;
}

export const persistMembers: Members<PersistOptions> = {
  path: required(aText),
  interval: aNumber,
  maxPending: aNumber,
  onChange: aFunction,
};

export const usualInterval = 1000;
export const longestInterval = 60_000;
export const usualPending = 67_108_864;
const leastPending = 65_536;

/** What a database is at, and has done. */
export interface Persistence {
  /** Changes that are not written yet, and their bytes. */
  readonly pending: number;
  readonly pendingBytes: number;
  /** Commits that were made, and those that failed. */
  readonly commits: number;
  readonly failures: number;
  /** Records that were written or deleted. */
  readonly written: number;
  /** Bytes of the file. */
  readonly fileBytes: number;
  /** Why the last commit failed; undefined while they do not. */
  readonly problem: string | undefined;
}

/** Milliseconds of a turn of the loop that loading takes. */
const loadSlice = 2;

/** Seconds by which the clock of the machine has to be set for all times to be written anew. */
const clockStep = 2;

/** Milliseconds between two looks at the clock. */
const clockInterval = 1000;

/** A wish to know when all changes so far are written. */
interface Waiting {
  readonly ticket: number;
  resolve(): void;
  reject(error: Error): void;
}

/** The contents of a table, for writing them anew. */
export interface KeptRecords {
  readonly native: NativeRecordTable;
  /** Tells the keeper of each record; others have their turn after every step. */
  tellAll(): Generator<void, void, undefined>;
}

/** A table's way into the database: it is told of every change. */
export class TableKeeper {
  readonly #native: NativeRecordKeeper;
  readonly #database: RecordDatabase;
  readonly #hasTimes: boolean;

  /** For {@link RecordDatabase.keep}. @param number that of the table */
  constructor(
    native: NativeRecordKeeper,
    database: RecordDatabase,
    readonly number: number,
    hasTimes: boolean,
  ) {
    this.#native = native;
    this.#database = database;
    this.#hasTimes = hasTimes;
  }

  get database(): RecordDatabase {
    return this.#database;
  }

  /** A record was set to what lies in the memory: its key, and right behind it, up to `end`, a text with markers. */
  set(memory: Uint8Array, keyLength: number, end: number, marks: number, deadline: number, isLoose: boolean): void {
    const database = this.#database;
    if (marks > 0) database.learnStyles();
    const time = this.#hasTimes ? deadline + database.ahead : deadline;
    this.#native.set(this.number, memory, keyLength, end, marks, time, isLoose);
  }

  delete(memory: Uint8Array, keyLength: number): void {
    this.#native.delete(this.number, memory, keyLength);
  }

  clear(): void {
    this.#native.clear(this.number);
  }
}

/** A file that keeps the records of tables. A thread of the addon reads and writes it. */
export class RecordDatabase {
  readonly #native: NativeRecordKeeper;
  readonly #figures = new Float64Array(Object.keys(KeptField).length);
  readonly #tables = new Map<string, { readonly keeper: TableKeeper; readonly records: KeptRecords }>();
  readonly #maxPending: number;
  readonly #changed: ((persistence: Persistence) => void) | undefined;
  /** Those who wait for flushes, and for anything to happen. */
  #waiting: Waiting[] = [];
  #listening: (() => void)[] = [];
  /** Keeps the event loop alive while somebody waits. */
  #alive: NodeJS.Timeout | undefined;
  #flushing: Promise<void> | undefined;
  #rewriting: Promise<void> | undefined;
  /** A rewriting has to be done, or begun again. */
  #isIncomplete = false;
  #closing: Promise<void> | undefined;
  #styles = 0;
  /** Numbers of the tables that the file had. */
  #stored = new Set<number>();
  #wasFailing = false;
  readonly #clock: NodeJS.Timeout;
  /** A record that is deleted may be one that is not loaded yet. */
  isLoading = true;
  /** Seconds that the clock of the machine is ahead of {@link currentSecond}. */
  ahead = secondsSet();

  private constructor({ path, interval = usualInterval, maxPending = usualPending, onChange }: PersistOptions) {
    this.#maxPending = maxPending;
    this.#changed = onChange;
    this.#native = openRecordKeeper(path, interval, maxPending, nonce, () => this.#told());
    this.#tellClock();
    this.#clock = setInterval(() => this.#lookAtClock(), clockInterval);
    this.#clock.unref();
  }

  /**
   * Opens a database, or makes it. Every page is compared with its checksum. {@link begin} has to follow.
   *
   * @throws Error naming the file and the remedy: it is in use, damaged, of another program or a later version, or cannot be opened
   */
  static async open(options: PersistOptions): Promise<RecordDatabase> {
    checkMembers('persist', options, persistMembers);
    const { interval = usualInterval, maxPending = usualPending } = options;
    if (!(interval >= 0 && interval <= longestInterval))
      throw coded(
        'ERR_ARGUMENT',
        new RangeError(`interval of persist is ${interval}; give 0 to ${longestInterval} milliseconds`),
      );
    if (!(maxPending >= leastPending))
      throw coded(
        'ERR_ARGUMENT',
        new RangeError(`maxPending of persist is ${maxPending}; give ${leastPending} bytes or more`),
      );
    const database = new RecordDatabase(options);
    await database.#until(() => database.#figure('phase') !== KeptPhase.opening);
    if (database.#figure('phase') === KeptPhase.failed) throw database.#unusable();
    database.#stored = new Set(database.tables.keys());
    return database;
  }

  /** Names of the tables that are stored. */
  get tables(): readonly string[] {
    return this.#native.tables();
  }

  get persistence(): Persistence {
    this.#native.figures(this.#figures);
    const figure = (name: keyof typeof KeptField): number => this.#figures[KeptField[name]] ?? 0;
    return {
      pending: figure('pending'),
      pendingBytes: figure('pendingBytes'),
      commits: figure('commits'),
      failures: figure('failures'),
      written: figure('written'),
      fileBytes: figure('fileBytes'),
      problem: figure('isFailing') === 1 ? this.#native.reason() : undefined,
    };
  }

  /**
   * Keeps a table from now on. Changes are told to what it returns.
   *
   * @param hasTimes deadlines are seconds of {@link currentSecond}; records whose times have all come are deleted, not loaded
   */
  keep(name: string, records: KeptRecords, hasTimes: boolean): TableKeeper {
    const keeper = new TableKeeper(this.#native, this, this.#native.table(name), hasTimes);
    this.#tables.set(name, { keeper, records });
    return keeper;
  }

  /**
   * Loads what is stored of a table, in slices of the loop. Records that the table has, or had since it is kept, stay as they are.
   *
   * @returns records that were loaded, and the values in them that count down
   * @throws Error for a file that cannot be read
   */
  async load(
    keeper: TableKeeper,
    table: NativeRecordTable,
    hasTimes: boolean,
  ): Promise<{ records: number; marks: number }> {
    const sum = { records: 0, marks: 0 };
    if (!this.#stored.delete(keeper.number)) return sum;
    const numbers = Uint32Array.from(this.#native.styles(), styleNumber);
    this.#native.load(keeper.number, numbers, hasTimes);
    const counts = new Uint32Array(Object.keys(LoadedField).length);
    let window = Buffer.allocUnsafeSlow(131072);
    const slice = new Slice(loadSlice);
    for (;;) {
      const length = this.#native.nextLength();
      if (length > window.length) window = Buffer.allocUnsafeSlow(length);
      if (length > 0) {
        const outcome = table.setLoaded(window, this.#native.take(window, counts));
        if (outcome < 0)
          throw coded(
            'ERR_PERSIST',
            new Error('the process gets no memory for the records of the database; give it more'),
          );
        sum.records += counts[LoadedField.records] ?? 0;
        sum.marks += counts[LoadedField.marks] ?? 0;
        if (slice.isOver) await slice.rest();
        continue;
      }
      if (this.#figure('phase') === KeptPhase.failed) throw this.#unusable();
      if (this.#figure('isLoaded') === 1) return sum;
      await this.#next();
      slice.begin();
    }
  }

  /** Ends the loading: changes are written from now on. */
  begin(): void {
    this.isLoading = false;
    this.#native.begin();
  }

  /** Tells the database of styles that it does not know. */
  learnStyles(): void {
    if (this.#styles === styles.length) return;
    // What is stored may have styles that nobody has used yet.
    if (this.#styles === 0) this.#native.styles().forEach(styleNumber);
    for (const [number, style] of styles.entries()) {
      if (number >= this.#styles) this.#native.addStyle(number, styleTexts(style));
    }
    this.#styles = styles.length;
  }

  /**
   * Waits until all changes so far are written. All who ask within a turn of the event loop share one commit.
   *
   * @throws Error why they could not be; they are kept, and tried again
   */
  flush(): Promise<void> {
    this.#flushing ??= new Promise((resolve, reject) => {
      setImmediate(() => {
        this.#flushing = undefined;
        // What was told before is written by a close.
        const whole = this.#closing ?? this.#rewriting?.then(() => this.#commit()) ?? this.#commit();
        whole.then(resolve, reject);
      });
    });
    return this.#flushing;
  }

  /**
   * Writes all tables anew, beside the changes that come.
   *
   * @throws Error why they could not be
   */
  async rewrite(): Promise<void> {
    this.#rewriting ??= this.#rewrite().finally(() => {
      this.#rewriting = undefined;
    });
    await this.#rewriting;
    await this.#commit();
  }

  /**
   * Writes what waits, and gives the file back. Changes are not kept from then on.
   *
   * @throws Error how many changes could not be written, and why
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearInterval(this.#clock);
    // What was forgotten is still in the tables.
    if (this.#isIncomplete || this.#figure('isBehind') === 1) await this.rewrite().catch(() => {});
    this.#native.close();
    await this.#until(() => this.#figure('phase') === KeptPhase.closed || this.#figure('phase') === KeptPhase.failed);
    const { pending, problem } = this.persistence;
    if (problem !== undefined) {
      const lost = this.#isIncomplete ? 'changes' : `${pending} changes`;
      throw coded('ERR_PERSIST', new Error(`${lost} could not be written, and are lost: ${problem}`));
    }
  }

  /** Has all changes so far written, but for those that were forgotten. */
  #commit(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ticket: this.#native.flush(), resolve, reject });
      this.#keepAlive();
    });
  }

  async #rewrite(): Promise<void> {
    const slice = new Slice();
    this.#isIncomplete = true;
    do {
      this.#native.beginAnew();
      for (const { keeper, records } of this.#tables.values()) {
        for (const _ of records.tellAll()) {
          // The rest of the room is for changes that come meanwhile.
          while (this.#figure('pendingBytes') > this.#maxPending / 4) await this.#commit();
          if (slice.isOver) await slice.rest();
        }
        this.#native.complete(keeper.number);
      }
    } while (this.#figure('isBehind') === 1);
    this.#isIncomplete = false;
  }

  #figure(name: keyof typeof KeptField): number {
    this.#native.figures(this.#figures);
    return this.#figures[KeptField[name]] ?? 0;
  }

  #unusable(): Error {
    clearInterval(this.#clock);
    return coded('ERR_PERSIST', new Error(this.#native.reason()));
  }

  /** Something has happened, in the other thread. */
  #told(): void {
    const listening = this.#listening;
    this.#listening = [];
    for (const listener of listening) listener();
    const done = this.#figure('done');
    const failed = this.#figure('failed');
    const isFailing = this.#figure('isFailing') === 1;
    const isBehind = this.#figure('isBehind') === 1;
    if (isBehind) this.#isIncomplete = true;
    const isOver = ({ ticket }: Waiting): boolean => ticket <= done || ticket <= failed;
    const over = this.#waiting.filter(isOver);
    this.#waiting = this.#waiting.filter((one) => !isOver(one));
    for (const { ticket, resolve, reject } of over) {
      if (ticket <= done && !isBehind) resolve();
      else reject(coded('ERR_PERSIST', new Error(`records are not written: ${this.#problem(isFailing)}`)));
    }
    this.#keepAlive();
    if (isFailing !== this.#wasFailing) {
      this.#wasFailing = isFailing;
      this.#changed?.(this.persistence);
    }
    if (this.#isIncomplete && !isFailing && this.#rewriting === undefined && this.#closing === undefined) {
      // Where it fails, the next commit that works begins it again.
      this.rewrite().catch(() => {});
    }
  }

  #problem(isFailing: boolean): string {
    return isFailing
      ? this.#native.reason()
      : 'all are being written anew, since more changed than there is room for, or the file was gone';
  }

  #tellClock(): void {
    this.#native.setClock(dateOf(currentSecond()), this.ahead);
  }

  /** Times in the database are those of the machine's clock: when that is set, they are written anew. */
  #lookAtClock(): void {
    const ahead = secondsSet();
    const isSet = Math.abs(ahead - this.ahead) >= clockStep;
    if (isSet) this.ahead = ahead;
    this.#tellClock();
    if (isSet) this.rewrite().catch(() => {});
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await this.#next();
  }

  #next(): Promise<void> {
    return new Promise((resolve) => {
      this.#listening.push(() => {
        resolve();
      });
      this.#keepAlive();
    });
  }

  #keepAlive(): void {
    const isNeeded = this.#waiting.length + this.#listening.length > 0;
    if (isNeeded) {
      this.#alive ??= setInterval(() => {}, 2 ** 30);
    } else {
      clearInterval(this.#alive);
      this.#alive = undefined;
    }
  }
}
