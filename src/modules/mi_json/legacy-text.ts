import type { ErrorCode } from '../../base/codes.js';
import type { JsonValue } from '../../base/json.js';
import { type LongWork, workInTurns } from '../../base/slice.js';
import { type FirstPart, pullFirstPart, ReplyChunks } from '../../gateway/chunks.js';
import { MiAnswer } from '../../mi/errors.js';
import { openParts, Parts } from '../../mi/results/cursor.js';
import { printResult, type Result } from '../../mi/results/result.js';
import { StatisticsSelection } from '../../mi/statistics.js';
import { printTree, treeOf } from './tree.js';

const chunkSize = 65536;

/** A result does not fit where it has to be whole. */
export class TooLongError extends Error {
  override readonly name = 'TooLongError';
  readonly code: ErrorCode = 'ERR_REPLY';

  constructor(limit: number) {
    super(
      `result is longer than buf_size, ${limit} bytes, which a reply of mi_json has to fit; use JSON-RPC, or raise it`,
    );
  }
}

/**
 * Reads a result whole, dumps and streams in it included, as JSON.
 *
 * @param limit bytes of its JSON at most
 * @param signal when nobody waits any more
 * @throws TooLongError; MiError -32000 for no result, 404 for no statistics; what printing it throws
 */
export function wholeResult(result: Result, limit: number, signal: AbortSignal): string | Promise<string> {
  // OpenSIPS 2.4, whose replies these are; later ones answer with nothing.
  if (result instanceof StatisticsSelection && result.statistics.length === 0) {
    throw new MiAnswer(404, 'Statistics Not Found');
  }
  const printed = printResult(result);
  if (typeof printed === 'string') return within(printed, limit);
  const source = ReplyChunks.own(new Parts(openParts(printed)), chunkSize, () => {});
  const release = (): void => source.release();
  const read = ({ bytes, isWhole }: FirstPart): string => {
    release();
    if (!isWhole) throw new TooLongError(limit);
    return within(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'), limit);
  };
  try {
    const first = pullFirstPart(source, limit);
    if (!(first instanceof Promise)) return read(first);
    signal.addEventListener('abort', release, { once: true });
    return first.then(read).finally(() => {
      signal.removeEventListener('abort', release);
      release();
    });
  } catch (error) {
    release();
    throw error;
  }
}

function within(text: string, limit: number): string {
  if (text.length > limit) throw new TooLongError(limit);
  return text;
}

/** Units of a result that are read and printed in one go. */
const shortResult = 16384;

/** Pieces that are joined to one, before a text of many small ones gets slow to read. */
const joinedAtOnce = 1024;

/**
 * The reply to a result, as mi_json of OpenSIPS 2.x prints it. A long one is read and printed in turns.
 *
 * @param command full name of the command
 * @param json the result, as JSON of this server
 * @param limit bytes of the reply at most
 * @param signal when nobody waits any more; the reply is '' then
 * @throws TooLongError
 */
export function legacyText(
  command: string,
  json: string,
  limit: number,
  signal: AbortSignal,
): string | Promise<string> {
  if (json.length <= shortResult) {
    const text = [...printTree(treeOf(command, parse(json)))].join('');
    if (Buffer.byteLength(text) > limit) throw new TooLongError(limit);
    return text;
  }
  return new Promise((resolve, reject) => {
    const steps = printSteps(command, json, limit);
    const work: LongWork = {
      work: (slice) => {
        try {
          do {
            const step = signal.aborted ? { done: true as const, value: '' } : steps.next();
            if (step.done === true) {
              resolve(step.value);
              return false;
            }
          } while (!slice.isOver);
          return true;
        } catch (error) {
          reject(error);
          return false;
        }
      },
    };
    workInTurns(work);
  });
}

function* printSteps(command: string, json: string, limit: number): Generator<void, string> {
  const value = yield* new JsonPieces(json).parse();
  const texts: string[] = [];
  let pieces: string[] = [];
  let bytes = 0;
  for (const piece of printTree(treeOf(command, value))) {
    bytes += Buffer.byteLength(piece);
    if (bytes > limit) throw new TooLongError(limit);
    pieces.push(piece);
    if (pieces.length === joinedAtOnce) {
      texts.push(pieces.join(''));
      pieces = [];
    }
    yield;
  }
  return texts.join('') + pieces.join('');
}

/** Strings, and integers that a double may not hold exactly. */
const longIntegers = /"[^"\\]*(?:\\.[^"\\]*)*"|(?<![.eE+\d-])-?\d{16,}(?![\d.eE])/g;

/** Parses JSON. Long integers become texts, which print alike, since a number would be rounded. */
function parse(json: string): JsonValue {
  const exact = json.replace(longIntegers, (token) => (token.startsWith('"') ? token : `"${token}"`));
  return JSON.parse(exact) as JsonValue;
}

/** Units of a value that is parsed in one go. */
const piece = 4096;

const code = { quote: 0x22, backslash: 0x5c, openArray: 0x5b, closeArray: 0x5d, open: 0x7b, close: 0x7d, comma: 0x2c };

/** Parses a long JSON text, which has to be valid, piece by piece, as `JSON.parse` does in one go. */
class JsonPieces {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Pauses after each piece. */
  *parse(): Generator<void, JsonValue> {
    this.#skipBlanks();
    const end = this.#endWithin(piece);
    if (end !== -1) {
      const value = parse(this.#text.slice(this.#at, end));
      this.#at = end;
      yield;
      return value;
    }
    const first = this.#text.charCodeAt(this.#at);
    if (first === code.openArray) return yield* this.#array();
    if (first === code.open) return yield* this.#object();
    return this.#string();
  }

  *#array(): Generator<void, JsonValue> {
    const items: JsonValue[] = [];
    this.#at += 1;
    do items.push(yield* this.parse());
    while (this.#goesOn());
    return items;
  }

  *#object(): Generator<void, JsonValue> {
    const object: Record<string, JsonValue> = {};
    this.#at += 1;
    do {
      this.#skipBlanks();
      const name = this.#string();
      this.#skipBlanks();
      // The colon.
      this.#at += 1;
      const value = yield* this.parse();
      // A plain store would set the prototype.
      if (name === '__proto__') {
        Object.defineProperty(object, name, { value, configurable: true, enumerable: true, writable: true });
      } else {
        object[name] = value;
      }
    } while (this.#goesOn());
    return object;
  }

  /** Passes the comma or the end behind an item or a member. */
  #goesOn(): boolean {
    this.#skipBlanks();
    const found = this.#text.charCodeAt(this.#at);
    this.#at += 1;
    return found === code.comma;
  }

  #string(): string {
    const start = this.#at;
    this.#at = this.#stringEnd(start, Infinity);
    return JSON.parse(this.#text.slice(start, this.#at)) as string;
  }

  #skipBlanks(): void {
    while (this.#text.charCodeAt(this.#at) <= 0x20) this.#at += 1;
  }

  /** Where the value that begins here ends; -1 when that is further away than `units`. */
  #endWithin(units: number): number {
    const limit = this.#at + units;
    let depth = 0;
    let at = this.#at;
    while (at < this.#text.length && at <= limit) {
      const unit = this.#text.charCodeAt(at);
      if (unit === code.quote) {
        at = this.#stringEnd(at, limit);
        if (depth === 0) return at > limit ? -1 : at;
        continue;
      }
      if (unit === code.openArray || unit === code.open) depth += 1;
      const isClosing = unit === code.closeArray || unit === code.close;
      // A number or a word ends in front of what follows it.
      if (depth === 0 && (isClosing || unit === code.comma || unit <= 0x20)) return at;
      at += 1;
      if (!isClosing) continue;
      depth -= 1;
      if (depth === 0) return at;
    }
    return at > limit ? -1 : at;
  }

  /** Behind the closing quote of the string that begins at `start`; beyond `limit` as soon as that is sure. */
  #stringEnd(start: number, limit: number): number {
    let at = start + 1;
    for (; at <= limit; at++) {
      const unit = this.#text.charCodeAt(at);
      if (unit === code.quote) return at + 1;
      if (unit === code.backslash) at += 1;
    }
    return at;
  }
}
