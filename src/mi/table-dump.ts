import { currentSecond } from '../clock.js';
import { aText, checkMembers, type Members, oneOf } from '../given.js';
import type { NativeRecordTable } from '../native.js';
import type { Cursor } from './cursor.js';
import { Piecewise } from './piecewise.js';

/** What a dump prints of each record. */
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
      throw new TypeError(`dump of records has a member name ${JSON.stringify(member)}; give it with as: 'keys'`);
    }
    this.#table = table;
    this.#shape = as === 'records' ? 0 : member === undefined ? 1 : 2;
    this.#member = member ?? '';
  }

  /**
   * Begins to print what the table has now.
   *
   * @param now seconds since 1970 at which all values that depend on time are read
   * @throws RangeError when 1048576 dumps of the table are open
   */
  open(now: number = currentSecond()): DumpCursor {
    // Nothing can fail behind the slot: it would stay open.
    const length = this.#shape === 0 ? this.#table.dumpLength() : -1;
    const slot = this.#table.openDump(this.#shape, this.#member, now);
    if (slot < 0) throw new RangeError('record table has 1048576 dumps open; release those that have ended');
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
    if (buffer.length === 0) throw new RangeError('dump cannot continue into a buffer of 0 bytes; give at least 1');
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
