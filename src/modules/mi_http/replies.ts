import { BegunChunks, PrettyChunks, ReplyChunks } from '../../gateway/chunks.js';
import {
  type Chunk,
  chunkLimit,
  corkedWithHeadSize,
  type Exchange,
  heldBodySize,
  type ReplyHeaders,
} from '../../http/exchange.js';
import type { LaterAnswer } from '../../mi/calls/run.js';
import type { ConstantResult } from '../../mi/results/constant-result.js';
import { BytesCursor, type Cursor, releaseAll, TextCursor } from '../../mi/results/cursor.js';
import { LongCursor } from '../../mi/results/long-value.js';
import { openParts } from '../../mi/results/open-parts.js';
import type { Piecewise } from '../../mi/results/piecewise.js';
import type { StatisticsSelection } from '../../mi/statistics.js';
import {
  ConstantReply,
  Reply,
  type ReplyKind,
  ReplyWindow,
  type RequestScanner,
  replyHead,
} from '../../native/native.js';
import { TailCursor } from './tail-cursor.js';

/** What replies are set to. */
export interface RepliesOptions {
  /** Bytes of the response window; a longer reply is streamed. */
  readonly windowSize: number;
  readonly pretty: boolean;
}

const longestCounted = 1 << 20;

/** Sends JSON-RPC replies: in one piece through the window where they fit, else as a stream. */
export class Replies {
  readonly #scanner: RequestScanner;
  readonly #window: ReplyWindow;
  readonly #chunk: Buffer;
  readonly #indented: Buffer | undefined;
  #streams = 0;

  constructor(scanner: RequestScanner, { windowSize, pretty }: RepliesOptions) {
    this.#scanner = scanner;
    this.#window = new ReplyWindow(windowSize, pretty);
    this.#chunk = Buffer.alloc(Math.min(windowSize, chunkLimit));
    this.#indented = pretty ? Buffer.alloc(Math.min(windowSize, chunkLimit)) : undefined;
  }

  /** Replies that are being streamed. */
  get streaming(): number {
    return this.#streams;
  }

  /** Replies with the member `kind` of which `text` is the compact JSON. */
  text(
    exchange: Exchange,
    status: number,
    kind: ReplyKind,
    text: string,
    idSlot: number,
    headers?: ReplyHeaders,
  ): void {
    const reply = this.#window.print(this.#scanner, kind, text, idSlot);
    if (reply !== undefined) exchange.reply(status, lasting(reply), headers);
    else this.#streamHeld(exchange, status, kind, [new TextCursor(text)], idSlot, headers, () => lengthOf(text));
  }

  /** Replies with a result that never changes. */
  constant(exchange: Exchange, result: ConstantResult, idSlot: number): void {
    if (this.#indented === undefined) {
      result.reply ??= new ConstantReply(result.text);
      // A longer one would not be copied when it is sent, but kept while the next one is made.
      const fits = result.reply.size <= Math.min(this.#window.size, corkedWithHeadSize);
      const reply = fits ? result.reply.print(this.#scanner, idSlot) : undefined;
      if (reply !== undefined) {
        exchange.reply(200, reply);
        return;
      }
    }
    this.text(exchange, 200, Reply.result, result.text, idSlot);
  }

  /** Replies with the statistics as they are now. */
  statistics(exchange: Exchange, selection: StatisticsSelection, idSlot: number): void {
    selection.refresh();
    const { table, slots } = selection;
    const reply = this.#window.printStatistics(this.#scanner, table, slots, idSlot);
    if (reply !== undefined) exchange.reply(200, lasting(reply));
    else this.#streamHeld(exchange, 200, Reply.result, [new BytesCursor(table.printText(slots))], idSlot);
  }

  /** Streams a value. The id is held, unless it is already, for as long as that lasts. */
  #streamHeld(
    exchange: Exchange,
    status: number,
    kind: ReplyKind,
    value: readonly Cursor[],
    idSlot: number,
    headers?: ReplyHeaders,
    length?: () => number | undefined,
    givenUp?: () => void,
  ): LaterAnswer<Chunk> | undefined {
    let held = idSlot;
    try {
      held = this.#scanner.hold(idSlot);
    } catch (error) {
      releaseAll([...value]);
      throw error;
    }
    try {
      return this.#stream(exchange, status, held, this.#framed(kind, value, held, length), headers, givenUp);
    } catch (error) {
      // The caller has another answer, and the id as it gave it.
      if (held !== idSlot) this.#scanner.release(held);
      throw error;
    }
  }

  /**
   * Replies with a result of texts and of parts that are printed as it is sent, all by the same clock.
   *
   * @param givenUp told when the reply ends before all of it was printed
   * @returns undefined when the reply has begun
   */
  parts(
    exchange: Exchange,
    parts: readonly (string | Piecewise)[],
    idSlot: number,
    givenUp: () => void,
  ): LaterAnswer<Chunk> | undefined {
    const cursors = openParts(parts);
    const [only] = cursors;
    const length = only instanceof LongCursor ? () => only.length : undefined;
    return this.#streamHeld(exchange, 200, Reply.result, cursors, idSlot, undefined, length, givenUp);
  }

  #framed(
    kind: ReplyKind,
    cursors: readonly Cursor[],
    idSlot: number,
    lengthOfValue: () => number | undefined = () => undefined,
  ): FramedCursors {
    const head = new BytesCursor(replyHead(kind));
    const tail = new TailCursor(this.#scanner, idSlot);
    const length = (): number | undefined => {
      const value = lengthOfValue();
      return value === undefined ? undefined : head.bytes.length + value + tail.length;
    };
    return { cursors: [head, ...cursors, tail], tail, length };
  }

  #stream(
    exchange: Exchange,
    status: number,
    idSlot: number,
    { cursors, tail, length }: FramedCursors,
    headers?: ReplyHeaders,
    givenUp?: () => void,
  ): LaterAnswer<Chunk> | undefined {
    const isSlow = cursors.some((cursor) => cursor.isSlow === true);
    const own = (shared: Buffer): Buffer => (isSlow ? Buffer.alloc(shared.length) : shared);
    let buffer: Buffer;
    try {
      buffer = own(this.#chunk);
    } catch (error) {
      tail.keepId();
      releaseAll(cursors);
      throw error;
    }
    const released = (isComplete: boolean): void => {
      this.#streams -= 1;
      if (!isComplete) givenUp?.();
    };
    // Indenting makes it longer, by how much is not known before.
    const chunks = new ReplyChunks(cursors, buffer, released, this.#indented === undefined ? length : undefined);
    this.#streams += 1;
    const giveUp = (): void => {
      tail.keepId();
      chunks.release();
    };
    let source: ReplyChunks | PrettyChunks;
    let first: Chunk | Promise<Chunk>;
    try {
      source = this.#indented === undefined ? chunks : new PrettyChunks(chunks, own(this.#indented));
      first = source.next();
    } catch (error) {
      // Nothing has been sent: the caller answers with an error, and with this id.
      giveUp();
      throw error;
    }
    const send = (first: Chunk): void => {
      if (first !== null && source.isComplete) {
        exchange.reply(status, first, headers);
        source.release();
        return;
      }
      let begun: BegunChunks;
      try {
        // Asks for the length, for which the id is taken.
        begun = new BegunChunks(first, source);
      } catch (error) {
        giveUp();
        throw error;
      }
      exchange.stream(status, begun, headers);
    };
    if (first instanceof Promise) return { place: idSlot, first, send, giveUp };
    send(first);
    return undefined;
  }
}

interface FramedCursors {
  readonly cursors: Cursor[];
  readonly tail: TailCursor;
  /** Bytes of all of them, when known; asking takes the id. */
  length(): number | undefined;
}

/** Bytes of a text in UTF-8, where counting takes well under a millisecond. */
function lengthOf(text: string): number | undefined {
  return text.length > longestCounted ? undefined : Buffer.byteLength(text);
}

/** A large reply may wait for its client, while the window serves the next call: it gets memory of its own. */
function lasting(reply: Uint8Array): Uint8Array {
  return reply.length > heldBodySize ? Uint8Array.from(reply) : reply;
}
