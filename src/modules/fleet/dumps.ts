import { coded } from '../../base/codes.js';
import { stringify } from '../../base/json.js';
import { reasonOf } from '../../base/text.js';
import { type ClientTls, tooLong } from '../../client/connection.js';
import { type Cursor, Parts, Piecewise, TextCursor } from '../../mi/results/cursor.js';
import { type Splice, SplicedJson } from '../../mi/results/spliced-json.js';
import { jsonChecker } from '../../native/addon.js';
import { connectionTo } from './http.js';
import { Piece } from './links.js';
import { questionBytes } from './messages.js';
import type { Transport } from './transport.js';

/** Dumps that are fetched at once, and bytes of each that wait for their turn. */
const parallel = 4;
const window = 1 << 20;

/** Pieces that a member is asked for ahead, where they go by the broker: 1 MiB. */
const credits = 8;

/** Seconds that a member has for the next bytes. */
const patience = 10;

/** The bytes of a dump, as they come. It throws where the dump has no sound end. */
export type Pull = (signal: AbortSignal) => AsyncIterable<Uint8Array>;

/** Fetches a dump by its one-time link. A link that cannot be reached gives `otherwise` in its place, which nothing was lost for. */
export function pullByHttp(link: string, tls: () => ClientTls, otherwise: Pull): Pull {
  return async function* (signal) {
    const connection = connectionTo(link, { most: 1, authorization: undefined, tls: tls() });
    try {
      const answer = await connection.post('', { signal, timeout: patience, mayRepeat: false }).catch(() => undefined);
      signal.throwIfAborted();
      if (answer?.status !== 200) {
        answer?.drop();
        yield* otherwise(signal);
        return;
      }
      yield* answer.pieces();
    } finally {
      connection.close();
    }
  };
}

/** Fetches a dump piece by piece by the transport, with a few pieces asked for ahead. */
export function pullByPieces(transport: Transport, fleet: string, name: string, token: string): Pull {
  return async function* (signal) {
    const came = new Map<number, Uint8Array>();
    const question = questionBytes({ kind: 'piece', fleet, token });
    const cancels = new Set<() => void>();
    let failure: Error | undefined;
    let wake = (): void => {};
    const ask = (): void => {
      let cancel = (): void => {};
      const done = (): void => {
        cancels.delete(cancel);
        wake();
      };
      const asked = {
        answered: (_name: string, bytes: Uint8Array) => {
          const number = bytes.length < Piece.headSize ? -1 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
          if (number < 0 || bytes[0] === Piece.gone || came.size > credits)
            failure = coded('ERR_CALL', new Error(`${name} has given up its dump`));
          else came.set(number, Uint8Array.from(bytes));
          done();
        },
        missing: (_name: string, reason: string) => {
          failure ??= coded('ERR_CALL', new Error(`${name}: ${reason}`));
          done();
        },
      };
      const questions = new Map([[name, question]]);
      cancel = transport.gather({ subject: { kind: 'piece' }, questions, timeout: patience * 1000, asked });
      cancels.add(cancel);
    };
    const aborted = (): void => wake();
    signal.addEventListener('abort', aborted);
    try {
      for (let count = 0; count < credits; count++) ask();
      for (let next = 0; ; next++) {
        while (!came.has(next)) {
          signal.throwIfAborted();
          if (failure !== undefined) throw failure;
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        const piece = came.get(next);
        came.delete(next);
        if (piece === undefined) return;
        if (piece.length > Piece.headSize) yield piece.subarray(Piece.headSize);
        if (piece[0] === Piece.end) return;
        ask();
      }
    } finally {
      signal.removeEventListener('abort', aborted);
      for (const cancel of cancels) cancel();
    }
  };
}

/** A dump of a node that is to be fetched. */
export interface NodeDump {
  readonly name: string;
  readonly pull: Pull;
}

/** A dump that is being fetched. What has come waits here. */
class Fetch {
  readonly pieces: Uint8Array[] = [];
  bytes = 0;
  isOver = false;
  failure: unknown;
  #resume = (): void => {};

  constructor(
    readonly name: string,
    pull: Pull,
    signal: AbortSignal,
    longest: number,
    changed: () => void,
  ) {
    void this.#run(pull, signal, longest, changed);
  }

  get isFull(): boolean {
    return this.bytes >= window;
  }

  take(): Uint8Array | undefined {
    const piece = this.pieces.shift();
    this.bytes -= piece?.length ?? 0;
    if (!this.isFull) this.#resume();
    return piece;
  }

  /** A text that is no JSON could be read as the answer of another node. */
  async #run(pull: Pull, signal: AbortSignal, longest: number, changed: () => void): Promise<void> {
    const checker = jsonChecker();
    const decoder = new TextDecoder('utf-8', { fatal: true });
    const aborted = (): void => this.#resume();
    signal.addEventListener('abort', aborted);
    try {
      let all = 0;
      for await (const piece of pull(signal)) {
        all += piece.length;
        if (all > longest) throw tooLong(this.name, 'its dump', longest);
        decoder.decode(piece, { stream: true });
        if (checker.push(piece) !== '') throw coded('ERR_CALL', new Error('its dump is no JSON'));
        this.pieces.push(piece);
        this.bytes += piece.length;
        changed();
        while (this.isFull && !signal.aborted) {
          await new Promise<void>((resolve) => {
            this.#resume = resolve;
          });
        }
      }
      decoder.decode();
      if (checker.end() !== '') throw coded('ERR_CALL', new Error('its dump ends early'));
    } catch (error) {
      this.failure = error;
    }
    signal.removeEventListener('abort', aborted);
    this.isOver = true;
    changed();
  }
}

/** Prints the dumps of several nodes as `{"node":…,"result":…}`, several fetched at once, at the pace of the reader. */
class DumpsCursor implements Cursor {
  readonly isSlow = true;
  readonly #left: NodeDump[];
  readonly #open = new Set<Fetch>();
  readonly #abort = new AbortController();
  readonly #longest: number;
  readonly #texts: { readonly open: string; readonly between: string; readonly close: string };
  readonly #encoder = new TextEncoder();
  #separator: string;
  #current: Fetch | undefined;
  #rest: Uint8Array | undefined;
  #isOver = false;
  #wake = (): void => {};

  constructor(dumps: readonly NodeDump[], longest: number, isLines: boolean) {
    this.#left = [...dumps];
    this.#longest = longest;
    this.#texts = isLines ? { open: '', between: '', close: '' } : { open: '[', between: ',', close: ']' };
    this.#separator = this.#texts.open;
    this.#end = isLines ? '}\n' : '}';
  }

  readonly #end: string;

  async fill(buffer: Buffer): Promise<number> {
    for (;;) {
      const bytes = this.#rest ?? this.#next();
      if (bytes === undefined) {
        if (this.#isOver) return 0;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      const length = Math.min(bytes.length, buffer.length);
      buffer.set(bytes.subarray(0, length));
      this.#rest = length < bytes.length ? bytes.subarray(length) : undefined;
      if (length > 0) return length;
    }
  }

  release(): void {
    this.#isOver = true;
    this.#abort.abort();
    this.#wake();
  }

  /** The next bytes; undefined where they have not come yet, or all is printed. */
  #next(): Uint8Array | undefined {
    while (this.#open.size < parallel && this.#left.length > 0) {
      const dump = this.#left.shift();
      if (dump === undefined) break;
      this.#open.add(new Fetch(dump.name, dump.pull, this.#abort.signal, this.#longest, () => this.#wake()));
    }
    if (this.#current === undefined) return this.#begin();
    const piece = this.#current.take();
    if (piece !== undefined) return piece;
    if (!this.#current.isOver) return undefined;
    const { failure } = this.#current;
    // Behind its beginning nothing can be told any more: the reply is cut, so that nobody takes a part for the whole.
    if (failure !== undefined) throw failure;
    this.#open.delete(this.#current);
    this.#current = undefined;
    return this.#encoder.encode(this.#end);
  }

  /** Begins with what is there whole, so that one that breaks off later takes as little as possible with it. */
  #begin(): Uint8Array | undefined {
    if (this.#open.size === 0) {
      if (this.#isOver) return undefined;
      this.#isOver = true;
      return this.#encoder.encode(
        `${this.#separator === this.#texts.open ? this.#texts.open : ''}${this.#texts.close}`,
      );
    }
    const all = [...this.#open];
    const found = all.find(({ isOver }) => isOver) ?? all.find(({ isFull }) => isFull);
    if (found === undefined) return undefined;
    const separator = this.#separator;
    this.#separator = this.#texts.between;
    const start = `${separator}{"node":${stringify(found.name)},`;
    if (found.failure !== undefined) {
      this.#open.delete(found);
      const error = { code: -32000, message: 'Server error', data: reasonOf(found.failure) };
      return this.#encoder.encode(`${start}"error":${stringify(error)}${this.#end}`);
    }
    this.#current = found;
    return this.#encoder.encode(`${start}"result":`);
  }
}

/** The answer to a call with long results: they follow the others, and are fetched while it is sent. */
export class DumpsAnswer extends Piecewise {
  readonly #start: SplicedJson;
  readonly #dumps: readonly NodeDump[];
  readonly #longest: number;

  /**
   * @param start the answer without its last brace
   * @param longest bytes of one dump
   * @param released told when the answer is sent, or given up
   */
  constructor(start: readonly Splice[], dumps: readonly NodeDump[], longest: number, released: () => void) {
    super();
    this.#start = new SplicedJson(start, released);
    this.#dumps = dumps;
    this.#longest = longest;
  }

  open(): Cursor {
    const dumps = new DumpsCursor(this.#dumps, this.#longest, false);
    return new Parts([this.#start.open(), new TextCursor(',"dumps":'), dumps, new TextCursor('}')]);
  }

  /** What is around the dumps, then each dump. */
  openLines(): Cursor {
    return new Parts([this.#start.open(), new TextCursor('}\n'), new DumpsCursor(this.#dumps, this.#longest, true)]);
  }

  override discard(): void {
    this.#start.discard();
  }

  protected whole(): never {
    throw coded(
      'ERR_RESULT',
      new TypeError('dumps of a fleet are printed while the reply is sent: return them as they are'),
    );
  }
}
