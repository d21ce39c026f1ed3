import { randomBytes } from 'node:crypto';
import { currentSecond, secondOf } from '../../base/clock.js';
import { coded } from '../../base/codes.js';
import { collecting } from './cursor.js';

/** Texts that stand in place of a number of seconds. */
export interface SecondsLeftTexts {
  /** For the time 0, e.g. `permanent`; left out, it counts as a time that has come. */
  readonly permanent?: string;
  /** For times that have come; left out, they are printed as 0. */
  readonly expired?: string;
}

const longest = 2 ** 48 - 1;

/**
 * The beginning of the markers of this process. They are printed for {@link printRecord} alone and taken out again by the
 * table, so that the nonce stays secret and no text of a user is taken for a marker.
 */
export const nonce = randomBytes(16).toString('base64url');

/** One way to print the seconds until a time. */
interface Style {
  readonly texts: SecondsLeftTexts;
  /** The beginning of its markers: the nonce, and the number of the style in tables. */
  readonly marker: string;
}

const plain: Style = { texts: {}, marker: `${nonce}0.` };

/** All styles that were ever used, in the order of their numbers. */
export const styles: Style[] = [plain];
const named = new Map([[describe(plain.texts), plain]]);
const known = new WeakMap<SecondsLeftTexts, Style>();

/** The record that is being printed; `toJSON` has no other way to know of it. */
let record: PrintedRecord | undefined;

/** The seconds until a time: a number, or a text, that changes by itself. */
export class SecondsLeft {
  readonly #at: number;
  readonly #style: Style;

  /** For {@link secondsLeftUntil}. @param at a second of {@link currentSecond} */
  constructor(at: number, style: Style) {
    this.#at = at;
    this.#style = style;
  }

  /** The value at a second of {@link currentSecond}. */
  valueAt(now: number): number | string {
    const { permanent, expired } = this.#style.texts;
    if (this.#at === 0 && permanent !== undefined) return permanent;
    return this.#at > now ? this.#at - now : (expired ?? 0);
  }

  /** The value now; within a record that is being set, the marker. */
  toJSON(): number | string {
    if (record === undefined) return this.valueAt(currentSecond());
    record.marks += 1;
    return this.#style.marker + this.#at;
  }
}

/**
 * A value for records of a table, at any depth: the seconds from the time of reading until `at`, never negative.
 * Anywhere else it is printed as it is at that moment.
 *
 * They are counted from now on, and stay right when somebody sets the clock of the machine afterwards.
 *
 * @param at seconds since 1970, an integer from 0 to 2^48 - 1
 * @throws RangeError for another time
 *
 * ```ts
 * const contact = { uri: 'sip:alice@192.0.2.1', expires: secondsLeft(Date.now() / 1000 + 60) };
 * ```
 */
export function secondsLeft(at: number, texts?: SecondsLeftTexts): SecondsLeft {
  if (!Number.isInteger(at) || at < 0 || at > longest) {
    throw coded(
      'ERR_ARGUMENT',
      new RangeError(`time ${at} is not an integer from 0 to ${longest}; give seconds since 1970, rounded`),
    );
  }
  // 0 is no time but a value of its own, and nothing that is over becomes it.
  return secondsLeftUntil(at === 0 ? 0 : Math.min(Math.max(1, secondOf(at)), longest), texts);
}

/** {@link secondsLeft} until a second of {@link currentSecond}; 0: permanent. */
export function secondsLeftUntil(at: number, texts?: SecondsLeftTexts): SecondsLeft {
  return new SecondsLeft(at, texts === undefined ? plain : (known.get(texts) ?? styleOf(texts)));
}

/** A record as JSON with a marker for each {@link SecondsLeft}. */
export interface PrintedRecord {
  /** Undefined for what JSON does not have. */
  text: string | undefined;
  /** Markers in it, or more. */
  marks: number;
}

/** Prints a value by `print` as JSON, with a marker for each {@link SecondsLeft}. */
export function printRecord(print: (value: unknown) => string | undefined, value: unknown): PrintedRecord {
  const outer = record;
  const printed: PrintedRecord = { text: undefined, marks: 0 };
  record = printed;
  try {
    // A dump in a record is stored as what it prints, even if a reply that is being printed sets the record.
    printed.text = collecting(undefined, print, value);
    return printed;
  } finally {
    // A `toJSON` within one record may set another one.
    record = outer;
  }
}

function styleOf(texts: SecondsLeftTexts): Style {
  const name = describe(texts);
  let style = named.get(name);
  if (style === undefined) {
    if (styles.length > 65535)
      throw coded('ERR_ARGUMENT', new RangeError('secondsLeft has been given 65536 different texts; use fewer'));
    style = { texts: { ...texts }, marker: `${nonce}${styles.length}.` };
    styles.push(style);
    named.set(name, style);
  }
  known.set(texts, style);
  return style;
}

function describe({ permanent, expired }: SecondsLeftTexts): string {
  return JSON.stringify([permanent, expired]);
}

/** The texts of a style, as databases have them: `["permanent","expired"]`, null for what is left out. */
export function styleTexts({ texts }: Style): string {
  return describe(texts);
}

/** The number of the style with such texts. */
export function styleNumber(described: string): number {
  const [permanent, expired] = JSON.parse(described) as (string | null)[];
  const texts: SecondsLeftTexts = {
    ...(typeof permanent === 'string' && { permanent }),
    ...(typeof expired === 'string' && { expired }),
  };
  return styles.indexOf(named.get(describe(texts)) ?? styleOf(texts));
}
