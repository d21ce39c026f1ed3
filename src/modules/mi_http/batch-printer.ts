import type { Call } from '../../mi/calls/call.js';
import type { Failures } from '../../mi/calls/failures.js';
import type { MiError } from '../../mi/errors.js';
import { BytesCursor, type Cursor, releaseAll, TextCursor } from '../../mi/results/cursor.js';
import { openParts } from '../../mi/results/open-parts.js';
import { printResult } from '../../mi/results/print-parts.js';
import { Reply, type ReplyKind, type RequestScanner, replyHead } from '../../native/native.js';
import type { Batch, Settled, SettledResult } from './batch.js';
import { TailCursor } from './tail-cursor.js';

/** Room that a reply needs to begin: less is left unused. */
const roomToBegin = 64;

/** Less room than this is left unused: some cursors need it for one character. */
const leastRoom = 4;

/** Most bytes of UTF-8 for one unit of a JavaScript string. */
const bytesPerUnit = 3;

const opening = '['.charCodeAt(0);
const comma = ','.charCodeAt(0);
const closing = ']'.charCodeAt(0);

/** Prints the replies of a batch into a buffer, each when those before it are complete. */
export class BatchPrinter {
  readonly #batch: Batch;
  readonly #scanner: RequestScanner;
  readonly #failures: Failures;
  readonly #later: () => void;
  #buffer: Buffer;
  #isBufferShared = true;
  /** Where it is written next. */
  #at = 0;
  #separator = opening;
  /** The reply that is printed by cursors, since it is long or made of parts. */
  #parts: Cursor[] = [];
  #tail: TailCursor | undefined;
  #call: Call | undefined;
  #command: string | undefined;
  /** Where in the buffer it begins, so that a failure can still become its error; -1 when a part of it is sent. */
  #partsAt: number | undefined;
  /** Whether a cursor has the buffer. */
  #isFilling = false;
  #isDue = false;
  #isEnded = false;
  #isReleased = false;
  #broken: { readonly error: unknown } | undefined;

  /**
   * @param shared the buffer, until {@link leaveSharedBuffer}
   * @param later told when {@link print} can go on, after a part that was waited for
   */
  constructor(batch: Batch, scanner: RequestScanner, failures: Failures, shared: Buffer, later: () => void) {
    this.#batch = batch;
    this.#scanner = scanner;
    this.#failures = failures;
    this.#buffer = shared;
    this.#later = later;
  }

  /** Whether what is printed should be taken: it is full, it is the end, or what comes next may take long. */
  get isDue(): boolean {
    return this.#isDue;
  }

  /** Whether the array is closed. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Whether there is something to take. */
  get hasPrinted(): boolean {
    return this.#at > 0 && !this.#isFilling;
  }

  /** Whether a reply has begun and not ended. */
  get isWithinReply(): boolean {
    return this.#parts.length > 0;
  }

  /**
   * Prints what is settled, in order, as far as there is room.
   *
   * @throws what a part of a reply throws that has been sent in part already
   */
  print(): void {
    while (!this.#isDue && !this.#isFilling) {
      if (this.#broken !== undefined) throw this.#broken.error;
      if (this.#parts.length > 0) {
        this.#fill();
        continue;
      }
      const item = this.#batch.first;
      if (item === undefined) {
        if (this.#batch.isBegun) this.#end();
        return;
      }
      if (item.settled === undefined) return;
      if (this.#buffer.length - this.#at < roomToBegin) {
        this.#isDue = true;
      } else {
        this.#batch.take();
        this.#withId(item.idSlot, item.settled);
      }
    }
  }

  /** Makes what is printed due. */
  hurry(): void {
    if (this.hasPrinted) this.#isDue = true;
  }

  /** What is printed, until {@link print} is called again. */
  take(): Uint8Array {
    const chunk = this.#buffer.subarray(0, this.#at);
    this.#at = 0;
    this.#isDue = false;
    if (this.#partsAt !== undefined) this.#partsAt = -1;
    return chunk;
  }

  /** Goes on in a buffer of its own, for others will use that one. */
  leaveSharedBuffer(): void {
    if (!this.#isBufferShared) return;
    this.#isBufferShared = false;
    const own = Buffer.allocUnsafe(this.#buffer.length);
    this.#buffer.copy(own, 0, 0, this.#at);
    this.#buffer = own;
  }

  /** Aborts the call whose result is being printed. */
  abort(reason: Error): void {
    this.#call?.abort(reason);
  }

  release(): void {
    this.#isReleased = true;
    releaseAll(this.#parts);
  }

  /** A reply that fails gives its id back, unless what prints it holds it already. */
  #withId(idSlot: number, settled: Settled): void {
    try {
      this.#begin(idSlot, settled);
    } catch (error) {
      if (this.#tail === undefined && idSlot >= 0) this.#scanner.release(idSlot);
      throw error;
    }
  }

  #begin(idSlot: number, settled: Settled): void {
    this.#buffer[this.#at] = this.#separator;
    this.#at += 1;
    this.#separator = comma;
    if (settled.kind === 'error') this.#error(settled.error, idSlot);
    else if (settled.kind === 'text') this.#open([new BytesCursor(settled.bytes)], Reply.result, idSlot);
    else this.#result(settled, idSlot);
  }

  #result({ value, call, command }: SettledResult, idSlot: number): void {
    let cursors: readonly Cursor[];
    try {
      const printed = printResult(value);
      if (typeof printed === 'string') {
        this.#text(printed, Reply.result, idSlot);
        return;
      }
      cursors = openParts(printed);
    } catch (error) {
      this.#error(this.#failures.errorOf(error, command), idSlot, command);
      return;
    }
    this.#call = call;
    this.#command = command;
    this.#open(cursors, Reply.result, idSlot);
  }

  #error(error: MiError, idSlot: number, command?: string): void {
    this.#text(this.#failures.print(error, command), Reply.error, idSlot);
  }

  #text(text: string, kind: ReplyKind, idSlot: number): void {
    const start = this.#at;
    const end = replyHead(kind).length + text.length * bytesPerUnit;
    if (end <= this.#buffer.length - start) {
      const written = this.#buffer.write(text, start + replyHead(kind).length, 'utf8');
      const behind = start + replyHead(kind).length + written;
      const replyEnd = this.#scanner.finish(this.#buffer, start, kind, behind, idSlot);
      if (replyEnd >= 0) {
        this.#at = replyEnd;
        return;
      }
    }
    this.#open([new TextCursor(text)], kind, idSlot);
  }

  #open(cursors: readonly Cursor[], kind: ReplyKind, idSlot: number): void {
    this.#tail = new TailCursor(this.#scanner, idSlot);
    this.#parts = [new BytesCursor(replyHead(kind)), ...cursors, this.#tail];
    this.#partsAt = undefined;
    // What is there goes first: the buffer will be the cursor's for as long as it takes.
    this.#isDue = cursors.some((cursor) => cursor.isSlow === true);
  }

  #fill(): void {
    const [part] = this.#parts;
    if (part === undefined) return;
    if (this.#buffer.length - this.#at < leastRoom) {
      this.#isDue = true;
      return;
    }
    this.#partsAt ??= this.#at;
    let written: number | Promise<number>;
    try {
      written = part.fill(this.#buffer.subarray(this.#at));
    } catch (error) {
      this.#failed(error);
      return;
    }
    if (typeof written === 'number') {
      this.#filled(written);
      return;
    }
    this.#isFilling = true;
    written.then(
      (later) =>
        this.#filledLater(() => {
          this.#filled(later);
          // What has been waited for is sent at once: the next wait may be long.
          if (later > 0) this.#isDue = true;
        }),
      (error: unknown) => this.#filledLater(() => this.#failed(error)),
    );
  }

  #filledLater(go: () => void): void {
    this.#isFilling = false;
    if (this.#isReleased) return;
    go();
    this.#later();
  }

  #filled(written: number): void {
    this.#at += written;
    if (written > 0) return;
    this.#parts.shift()?.release();
    if (this.#parts.length === 0) this.#close();
  }

  /** A failure before anything of the reply is sent becomes its error; later it cuts the connection. */
  #failed(error: unknown): void {
    if (this.#partsAt === undefined || this.#partsAt < 0 || this.#tail === undefined) {
      this.#broken = { error };
      return;
    }
    this.#at = this.#partsAt;
    const idSlot = this.#tail.keepId();
    const told = this.#failures.errorOf(error, this.#command);
    try {
      releaseAll(this.#parts);
    } catch (cause) {
      this.#failures.ofReply(cause);
    }
    this.#close();
    try {
      this.#error(told, idSlot, this.#command);
    } catch (cause) {
      if (this.#tail === undefined && idSlot >= 0) this.#scanner.release(idSlot);
      this.#broken = { error: cause };
    }
  }

  #close(): void {
    this.#partsAt = undefined;
    this.#tail = undefined;
    this.#call = undefined;
    this.#command = undefined;
  }

  #end(): void {
    // Where it does not fit, it is a chunk of its own.
    if (this.#at < this.#buffer.length) {
      this.#buffer[this.#at] = closing;
      this.#at += 1;
      this.#isEnded = true;
    }
    this.#isDue = true;
  }
}
