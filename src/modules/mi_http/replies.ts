import { coded } from '../../base/codes.js';
import { abortReason } from '../../base/lazy-abort.js';
import { beginReply, PrettyChunks, ReplyChunks, sendChunks } from '../../gateway/chunks.js';
import { type Chunk, type Exchange, heldBodySize, type ReplyHeaders, shortReplySize } from '../../http/exchange.js';
import { linesType } from '../../http/request/head.js';
import { type Call, takeEnd } from '../../mi/calls/call.js';
import type { LaterAnswer } from '../../mi/calls/run.js';
import {
  BytesCursor,
  type Cursor,
  openLines,
  openParts,
  Parts,
  type PrintedResult,
  releaseAll,
  TextCursor,
} from '../../mi/results/cursor.js';
import { LongCursor } from '../../mi/results/long-printer.js';
import type { ConstantResult } from '../../mi/results/result.js';
import type { StatisticsSelection } from '../../mi/statistics.js';
import { Reply, type ReplyKind } from '../../native/layout.js';
import { ConstantReply, ReplyWindow, replyHead } from '../../native/reply-window.js';
import type { RequestScanner } from '../../native/scanner.js';

/** Settings of replies. */
export interface RepliesOptions {
  /** Bytes of the response window; a longer reply is streamed. */
  readonly windowSize: number;
  /** Bytes of its pieces. */
  readonly chunkSize: number;
  readonly pretty: boolean;
}

const longestCounted = 1 << 20;
const noBytes = new Uint8Array(0);
const lineHeaders = { 'Content-Type': linesType };

/** Sends JSON-RPC replies: in one piece through the window where they fit, else as a stream. */
export class Replies {
  readonly #scanner: RequestScanner;
  readonly #window: ReplyWindow;
  readonly #chunk: Buffer;
  readonly #indented: Buffer | undefined;
  #streams = 0;

  constructor(scanner: RequestScanner, { windowSize, chunkSize, pretty }: RepliesOptions) {
    this.#scanner = scanner;
    this.#window = new ReplyWindow(windowSize, pretty);
    this.#chunk = Buffer.alloc(chunkSize);
    this.#indented = pretty ? Buffer.alloc(chunkSize) : undefined;
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
    else
      this.#stream(exchange, status, kind, [new TextCursor(text)], idSlot, { headers, length: () => lengthOf(text) });
  }

  /** Replies with a result that never changes. */
  constant(exchange: Exchange, result: ConstantResult, idSlot: number): void {
    if (this.#indented === undefined) {
      result.reply ??= new ConstantReply(result.text);
      // A longer one would not be copied when it is sent, but kept while the next one is made.
      const fits = result.reply.size <= Math.min(this.#window.size, shortReplySize);
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
    else this.#stream(exchange, 200, Reply.result, [selection.open()], idSlot);
  }

  /**
   * Replies with a result of texts and of parts that are printed as it is sent, all by the same clock.
   *
   * @param call aborted when the reply ends before all of it was printed; over when the reply is
   */
  parts(exchange: Exchange, parts: PrintedResult, idSlot: number, call: Call): LaterAnswer<Chunk> | undefined {
    const cursors = openParts(parts, takeEnd(call));
    const [only] = cursors;
    const length = only instanceof LongCursor ? () => only.length : undefined;
    return this.#stream(exchange, 200, Reply.result, cursors, idSlot, { length, givenUp: () => cut(call) });
  }

  /**
   * Replies with lines of JSON, without a frame. A failure before any of it is sent is answered as always.
   *
   * @param call as for {@link parts}
   */
  lines(exchange: Exchange, printed: PrintedResult, idSlot: number, call: Call): LaterAnswer<Chunk> | undefined {
    const cursors = openLines(printed, takeEnd(call));
    return this.#stream(exchange, 200, undefined, cursors, idSlot, {
      headers: lineHeaders,
      givenUp: () => cut(call),
    });
  }

  /** Streams a value, within a frame unless it is of no kind. The id is held, unless it is already, for as long as that lasts. */
  #stream(
    exchange: Exchange,
    status: number,
    kind: ReplyKind | undefined,
    value: Cursor[],
    idSlot: number,
    { headers, length, givenUp }: StreamOptions = {},
  ): LaterAnswer<Chunk> | undefined {
    const head = new BytesCursor(kind === undefined ? noBytes : replyHead(kind));
    const indented = kind === undefined ? undefined : this.#indented;
    let tail: TailCursor | undefined;
    let chunks: ReplyChunks | undefined;
    const giveUp = (): void => {
      tail?.keepId();
      if (chunks === undefined) releaseAll(value);
      else chunks.release();
    };
    let held = idSlot;
    try {
      held = this.#scanner.hold(idSlot);
      const end = new TailCursor(this.#scanner, held, kind !== undefined);
      tail = end;
      const parts = new Parts([head, ...value, end]);
      const own = (shared: Buffer): Buffer => (parts.isSlow ? Buffer.alloc(shared.length) : shared);
      const lengthOfAll = (): number | undefined => {
        const bytes = length?.();
        return bytes === undefined ? undefined : head.bytes.length + bytes + end.length;
      };
      const released = (isComplete: boolean): void => {
        this.#streams -= 1;
        if (!isComplete) givenUp?.();
      };
      // Indenting makes it longer, by how much is not known before.
      const compact = indented === undefined ? lengthOfAll : undefined;
      chunks = new ReplyChunks(parts, own(this.#chunk), released, compact);
      this.#streams += 1;
      const source = indented === undefined ? chunks : new PrettyChunks(chunks, own(indented));
      const later = beginReply(
        () => source.next(),
        (first) => sendChunks(exchange, status, first, source, headers),
        giveUp,
      );
      return later === undefined ? undefined : { ...later, place: held };
    } catch (error) {
      // Nothing has been sent: the caller has another answer, and the id as it gave it.
      giveUp();
      if (held !== idSlot) this.#scanner.release(held);
      throw error;
    }
  }
}

function cut(call: Call): void {
  call.abort(abortReason(coded('ERR_GONE', new Error('the reply was given up'))));
}

interface StreamOptions {
  readonly headers?: ReplyHeaders | undefined;
  /** Tells the bytes of the value, when known. */
  readonly length?: (() => number | undefined) | undefined;
  /** Told when the reply ends before all of it was printed. */
  readonly givenUp?: () => void;
}

/** Prints what follows the value. It holds the id until then, so that it is given back when the client leaves. */
export class TailCursor implements Cursor {
  readonly #scanner: RequestScanner;
  readonly #idSlot: number;
  readonly #isPrinted: boolean;
  #bytes: BytesCursor | undefined;
  #hasId = true;

  /** @param isPrinted false: it prints nothing, and only holds the id */
  constructor(scanner: RequestScanner, idSlot: number, isPrinted = true) {
    this.#scanner = scanner;
    this.#idSlot = idSlot;
    this.#isPrinted = isPrinted;
  }

  /** Bytes it will print; asking takes the id. */
  get length(): number {
    return this.#take().bytes.length;
  }

  fill(buffer: Buffer): number {
    return this.#take().fill(buffer);
  }

  #take(): BytesCursor {
    if (this.#bytes === undefined && !this.#isPrinted) {
      this.release();
      this.#bytes = new BytesCursor(noBytes);
    }
    this.#bytes ??= new BytesCursor(this.#scanner.tail(this.#idSlot));
    this.#hasId = false;
    return this.#bytes;
  }

  /** Leaves the id to the caller. */
  keepId(): number {
    this.#hasId = false;
    return this.#idSlot;
  }

  release(): void {
    if (this.#hasId) this.#scanner.release(this.#idSlot);
    this.#hasId = false;
  }
}

/** Bytes of a text in UTF-8, where counting takes well under a millisecond. */
function lengthOf(text: string): number | undefined {
  return text.length > longestCounted ? undefined : Buffer.byteLength(text);
}

/** A large reply may wait for its client, while the window serves the next call: it gets memory of its own. */
function lasting(reply: Uint8Array): Uint8Array {
  return reply.length > heldBodySize ? Uint8Array.from(reply) : reply;
}
