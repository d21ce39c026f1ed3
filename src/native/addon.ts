import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { coded } from '../base/codes.js';
import { packageFile } from '../base/package.js';
import { Rows } from '../base/rows.js';
import { checkLayout, ProgressField } from './layout.js';

export type {
  MetricsText,
  NativeBodyPool,
  NativeRecordKeeper,
  NativeRecordTable,
  NativeScanner,
  StandardOutput,
  // biome-ignore lint/style/noRestrictedImports: this is the one door to the addon
} from '../../native/binding.js';

type Addon = typeof import('../../native/binding.js');

/**
 * crate/node, once its numbers are known to be those of layout.ts. Its objects free their state when they are collected.
 * Loaded at once: `require` takes no module that waits at its top level.
 */
export const addon = load();
// An addon of a version before the layout has none.
checkLayout(addon.layout?.() ?? {});

function load(): Addon {
  try {
    return createRequire(import.meta.url)(fileURLToPath(packageFile('native/binding.js'))) as Addon;
  } catch (cause) {
    const platform = `${process.platform}-${process.arch}`;
    const remedy =
      'where it is a dependency, install it again with optional dependencies (not with --omit=optional, and on the ' +
      'machine that runs it); from a clone, run npm run build there, with Rust, and npm install the path of the clone';
    throw coded(
      'ERR_INSTALLATION',
      new Error(`mi-httpd has no native addon for ${platform} here: ${remedy}`, { cause }),
    );
  }
}

/** Texts of metrics, with gaps that numbers are written into. */
export const { metricsText } = addon;

export const {
  recordKeeper: openRecordKeeper,
  recordTable: openRecordTable,
  sharedRecordTable: openSharedRecordTable,
  dumpsOpen,
} = addon;

export const {
  firstHeadLimit,
  listenPlace,
  notifyService,
  standardOutput: openStandardOutput,
  takeListenPlace,
} = addon;

/**
 * Checks JSON text that comes in pieces, cut anywhere; its UTF-8 has to be sound. `push` and `end` tell why it is none, '' while it
 * may be one.
 */
export const { jsonChecker } = addon;

/** Address of the first byte of a buffer; only for comparing the places of buffers. */
export const { memoryAddress } = addon.addresses();

/**
 * Indents compact, valid JSON as a stream: members on lines of their own behind one tab for each container around
 * them, name and value parted by a tab, arrays on one line.
 */
export class PrettyPrinter {
  readonly #native = addon.prettyPrinter();
  readonly #progress = new Uint32Array(Object.keys(ProgressField).length);

  /**
   * Continues with `input` into `output`, which must not share memory. Input that is not {@link consumed} has to be
   * pushed again; the text is complete once all of it is.
   */
  push(input: Uint8Array, output: Uint8Array): void {
    this.#native.push(input, output, this.#progress);
  }

  /** Bytes of input that the last push is done with. */
  get consumed(): number {
    return this.#progress[ProgressField.consumed] ?? 0;
  }

  /** Bytes that the last push wrote to the start of its output. */
  get produced(): number {
    return this.#progress[ProgressField.produced] ?? 0;
  }
}

const escaper = addon.htmlEscaper();
const escapeProgress = new Uint32Array(Object.keys(ProgressField).length);

/**
 * Copies UTF-8 from `input` to `output`, which must not share memory, such that HTML shows it literally. Input may be
 * cut anywhere. An output of 6 bytes or more always makes progress.
 *
 * @returns bytes of input that are done with, and bytes of output that were written
 */
export function escapeHtmlBytes(input: Uint8Array, output: Uint8Array): readonly [consumed: number, produced: number] {
  escaper.push(input, output, escapeProgress);
  return [escapeProgress[ProgressField.consumed] ?? 0, escapeProgress[ProgressField.produced] ?? 0];
}

/** Names of statistics, encoded once, and their values, which JavaScript changes with plain stores. */
export class StatisticsTable {
  readonly #names = addon.statisticNames();
  readonly rows: Rows;
  /** Where sums are printed from. */
  #sums: Float64Array | undefined;
  #size = 0;
  /** Value of each slot, as this thread counts it; one that is not finite is printed as null. */
  readonly values: Float64Array;

  /**
   * @param capacity statistics that can be added
   * @param rows where threads count them, each in a row as wide; left out, this one counts alone
   */
  constructor(
    readonly capacity: number,
    rows = new Rows(Rows.make(capacity)),
  ) {
    this.rows = rows;
    this.values = rows.own;
  }

  /**
   * Adds a statistic by its full name, `group:name`.
   *
   * @returns its slot
   * @throws RangeError when the table is full
   */
  add(name: string): number {
    if (this.#size >= this.capacity) {
      throw coded(
        'ERR_STATISTIC',
        new RangeError(`statistic ${name} is one more than the ${this.capacity} a table was made for`),
      );
    }
    this.#size += 1;
    return this.#names.add(name);
  }

  /** The value of each slot, of all threads together, until it is asked for again. Not to be changed. */
  get sums(): Float64Array {
    const { rows } = this;
    if (rows.others.length === 0) return rows.own;
    this.#sums ??= new Float64Array(this.capacity);
    rows.sums(0, this.#size, this.#sums);
    return this.#sums;
  }

  /** For {@link ReplyWindow}: writes `{"group:name":value,…}` at a position; the one behind it, -1 if it does not fit. */
  print(selection: Uint32Array, window: Uint8Array, at: number): number {
    return this.#names.print(this.sums, selection, window, at);
  }

  /** The same object as bytes of the caller's own, for replies larger than a window. */
  printText(selection: Uint32Array): Uint8Array {
    return this.#names.printAll(this.sums, selection);
  }
}
