import { coded } from '../../base/codes.js';
import { abortReason } from '../../base/lazy-abort.js';
import type { CompletedSource } from '../../gateway/chunks.js';
import { type Chunk, chunkLimit } from '../../http/exchange.js';
import type { Call } from '../../mi/calls/call.js';
import type { Failures } from '../../mi/calls/run.js';
import type { MiError } from '../../mi/errors.js';
import { BytesCursor, type Cursor, leastRoom, openParts, Parts, TextCursor } from '../../mi/results/cursor.js';
import { printResult } from '../../mi/results/result.js';
import { IdSlot, Reply, ReplyField, type ReplyKind } from '../../native/layout.js';
import { frameSize, replyHead } from '../../native/reply-window.js';
import type { RequestScanner } from '../../native/scanner.js';
import type { Batch, BatchHost, BatchItem, BatchListener, Settled, SettledResult } from './batch.js';
import { TailCursor } from './replies.js';

/** Milliseconds that replies are kept, for those behind them to come in the same piece. */
const patience = 5;

/** Room that a reply needs to begin: less is left unused. */
const roomToBegin = 64;

/** Most bytes of UTF-8 for one unit of a JavaScript string. */
const bytesPerUnit = 3;

/** Units of a text that is written byte by byte, if it is ASCII: the call that writes any text costs more. */
const longestByHand = 64;

/** Replies that are written at once. */
const writtenAtOnce = 256;

/** Numbers about a reply. */
const replySize = Object.keys(ReplyField).length;

/** The texts of replies that are printed, but not yet written. As one string, to which each is added, they are most of a batch's garbage. */
const texts = Buffer.alloc(chunkLimit);
let textsEnd = 0;
/** Whose texts they are. */
let textsOwner: BatchReply | undefined;

/** Adds a text, for which there is room. Returns its bytes. */
function addText(text: string): number {
  const { length } = text;
  const start = textsEnd;
  if (length <= longestByHand) {
    let at = 0;
    for (; at < length; at++) {
      const unit = text.charCodeAt(at);
      if (unit > 127) break;
      texts[start + at] = unit;
    }
    if (at === length) {
      textsEnd = start + length;
      return length;
    }
  }
  const written = texts.write(text, start, 'utf8');
  textsEnd = start + written;
  return written;
}

/** Memory that a reply is made in. */
interface ReplyMemory {
  /** Where chunks are made. */
  readonly chunk: Buffer;
  /** About replies that are to be written. */
  readonly fields: Int32Array;
}

/** Memories that replies give back for the next ones: new ones would keep the collector busy. */
export class ReplyMemories {
  static readonly #kept = 4;
  readonly #size: number;
  readonly #free: ReplyMemory[] = [];

  /** @param size bytes of a chunk, 64 KiB at most */
  constructor(size: number) {
    this.#size = size;
  }

  take(): ReplyMemory {
    const fresh = () => ({ chunk: Buffer.alloc(this.#size), fields: new Int32Array(writtenAtOnce * replySize) });
    return this.#free.pop() ?? fresh();
  }

  give(memory: ReplyMemory): void {
    if (this.#free.length < ReplyMemories.#kept) this.#free.push(memory);
  }
}

const opening = '['.charCodeAt(0);
const comma = ','.charCodeAt(0);
const closing = ']'.charCodeAt(0);

/**
 * The replies of a batch as one array, in the order of the requests, while later calls still run. Each is printed when
 * those before it are complete and the client reads; while it does not, calls do not run far ahead.
 */
export class BatchReply implements CompletedSource, BatchListener {
  /** Told once, when the reply has ended or was given up. */
  onReleased: (() => void) | undefined;
  #ready: (() => void) | undefined;
  readonly #batch: Batch;
  readonly #scanner: RequestScanner;
  readonly #failures: Failures;
  readonly #memories: ReplyMemories;
  readonly #memory: ReplyMemory;
  readonly #buffer: Buffer;
  readonly #fields: Int32Array;
  /** Where the buffer is written next. */
  #at = 0;
  #separator = opening;
  /** Replies that are printed, but not yet written into the buffer; their values are in {@link texts}. */
  #printed = 0;
  /** Bytes that they may take. */
  #claimed = 0;
  /** The reply that is printed by cursors, since it is long or made of parts. */
  #parts: Parts | undefined;
  #tail: TailCursor | undefined;
  #call: Call | undefined;
  #command: string | undefined;
  /** Where in the buffer that reply begins, so that a failure can still become its error; -1 when a part of it is sent. */
  #partsAt: number | undefined;
  /** The byte in front of it. */
  #partsSeparator = opening;
  /** Bytes of the id of the reply that is printed. */
  #idLength = 0;
  /** True while a cursor has the buffer. */
  #isFilling = false;
  /** True if the printed bytes are to be sent: the buffer is full, the array ends, or the next part may take long. */
  #isDue = false;
  /** True once the array is closed. */
  #isEnded = false;
  /** True while a chunk is wanted, and the buffer may be written. */
  #isPulled = false;
  #isReleased = false;
  /** A failure that no error reply can tell of: it cuts the connection. */
  #broken: { readonly error: unknown } | undefined;
  #waiting: { readonly resolve: (chunk: Chunk) => void; readonly reject: (error: unknown) => void } | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(batch: Batch, { scanner, runner }: BatchHost, memories: ReplyMemories) {
    this.#batch = batch;
    this.#scanner = scanner;
    this.#failures = runner.failures;
    this.#memories = memories;
    this.#memory = memories.take();
    this.#buffer = this.#memory.chunk;
    this.#fields = this.#memory.fields;
  }

  /** True if the last chunk held the end. */
  get isComplete(): boolean {
    return this.#isEnded && !this.#isPulled;
  }

  get isBlocked(): boolean {
    if (this.#isPulled && !this.#isDue) return false;
    return this.#parts !== undefined || this.#batch.first?.settled !== undefined;
  }

  /** True if the first chunk holds all of the reply. */
  get isWhole(): boolean {
    return this.#isEnded;
  }

  get isReleased(): boolean {
    return this.#isReleased;
  }

  /** Begins the calls. `ready` is told, now or later, when {@link next} has the first chunk. */
  begin(ready: () => void): void {
    this.#ready = ready;
    this.#isPulled = true;
    this.#batch.run(this);
    this.#answer();
  }

  next(): Chunk | Promise<Chunk> {
    if (this.isComplete) return null;
    if (!this.#isPulled) {
      this.#isPulled = true;
      this.#print();
      this.#batch.resume(this);
    }
    if (this.#broken !== undefined) throw this.#broken.error;
    if (this.#isDue) return this.#give();
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#keep();
    });
  }

  print(kind: ReplyKind, text: string, id: number, idEnd: number, idLength: number): boolean {
    if (!this.#isPulled || this.#isDue || this.#isFilling || this.#isReleased) return false;
    if (this.#parts !== undefined || this.#broken !== undefined) return false;
    const bytes = frameSize(kind) + 1 + idLength + text.length * bytesPerUnit;
    if (bytes > this.#room || this.#printed === writtenAtOnce) {
      this.#write();
      if (this.#broken !== undefined || bytes > this.#room) return false;
    }
    if (textsOwner !== this) {
      if (textsOwner !== undefined) textsOwner.#write();
      textsOwner = this;
      textsEnd = 0;
    }
    const at = this.#printed * replySize;
    this.#fields[at + ReplyField.kind] = kind;
    this.#fields[at + ReplyField.length] = addText(text);
    this.#fields[at + ReplyField.id] = id;
    this.#fields[at + ReplyField.idEnd] = idEnd;
    this.#printed += 1;
    this.#claimed += bytes;
    return true;
  }

  settled(): void {
    if (!this.#isPulled || this.#isReleased) return;
    this.#print();
    this.#answer();
  }

  begun(): void {
    this.settled();
  }

  failed(error: unknown): void {
    this.#broken ??= { error };
    this.#answer();
  }

  /** The client is gone. */
  giveUp(reason: Error): void {
    this.#call?.abort(reason);
    this.#batch.giveUp(reason);
  }

  release(): void {
    if (this.#isReleased) return;
    const { isComplete } = this;
    this.#isReleased = true;
    this.#waiting = undefined;
    clearTimeout(this.#timer);
    this.onReleased?.();
    if (!isComplete) this.giveUp(abortReason(coded('ERR_GONE', new Error('the reply was given up'))));
    this.#drop();
    // Otherwise it is still the cursor's.
    if (!this.#isFilling) this.#memories.give(this.#memory);
    this.#parts?.release();
  }

  #answer(): void {
    const ready = this.#ready;
    const waiting = this.#waiting;
    if (this.#isReleased || (waiting === undefined && ready === undefined)) return;
    if (this.#broken === undefined && !this.#isDue) {
      this.#keep();
      return;
    }
    this.#ready = undefined;
    this.#waiting = undefined;
    if (waiting === undefined) ready?.();
    else if (this.#broken === undefined) waiting.resolve(this.#give());
    else waiting.reject(this.#broken.error);
  }

  /** Printed bytes are not held back for long. */
  #keep(): void {
    if (this.#timer !== undefined || !this.#hasPrinted) return;
    const hurry = (): void => {
      this.#timer = undefined;
      if (this.#hasPrinted) this.#isDue = true;
      this.#answer();
    };
    try {
      this.#timer = setTimeout(hurry, patience);
    } catch {
      hurry();
    }
  }

  /** True if printed bytes can be sent. */
  get #hasPrinted(): boolean {
    return this.#at > 0 && !this.#isFilling;
  }

  /** The printed bytes, valid until more are printed. */
  #give(): Chunk {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isPulled = false;
    this.#batch.progressed();
    const chunk = this.#buffer.subarray(0, this.#at);
    this.#at = 0;
    this.#isDue = false;
    if (this.#partsAt !== undefined) this.#partsAt = -1;
    return chunk;
  }

  #print(): void {
    try {
      while (this.#broken === undefined && !this.#isDue && !this.#isFilling && this.#printNext());
      this.#write();
    } catch (error) {
      this.#broken ??= { error };
    }
  }

  /** Bytes that more replies may take. */
  get #room(): number {
    return this.#buffer.length - this.#at - this.#claimed;
  }

  /** Writes what is printed, as far as it is not yet. A failure is {@link #broken}. */
  #write(): void {
    const count = this.#printed;
    if (count === 0) return;
    try {
      const start = this.#at;
      const end = this.#scanner.printReplies(
        this.#buffer,
        start,
        this.#fields,
        count,
        texts,
        textsEnd,
        this.#batch.body,
      );
      if (end < 0) throw coded('ERR_REPLY', new RangeError('replies of a batch do not fit'));
      // Their ids are given back.
      this.#printed = 0;
      this.#buffer[start] = this.#separator;
      this.#separator = comma;
      this.#at = end;
    } catch (error) {
      this.#broken ??= { error };
    }
    this.#drop();
  }

  /** Forgets what is printed and gives the ids of it back. */
  #drop(): void {
    const size = this.#printed * replySize;
    this.#printed = 0;
    this.#claimed = 0;
    if (textsOwner === this) textsOwner = undefined;
    for (let at = 0; at < size; at += replySize) {
      if (this.#fields[at + ReplyField.idEnd] !== 0) continue;
      try {
        this.#scanner.release(this.#fields[at + ReplyField.id] ?? IdSlot.none);
      } catch (error) {
        // The ids behind it are given back all the same.
        this.#failures.ofReply(error);
      }
    }
  }

  /** Prints some more of what is settled, in order, as far as there is room. Returns whether there is more to print. */
  #printNext(): boolean {
    if (this.#parts !== undefined) {
      this.#write();
      if (this.#broken === undefined) this.#fill(this.#parts);
      return true;
    }
    const item = this.#batch.first;
    if (item === undefined) {
      this.#write();
      if (this.#batch.isBegun && this.#broken === undefined) this.#end();
      return false;
    }
    if (item.settled === undefined) return false;
    if (this.#room < roomToBegin) this.#write();
    if (this.#room < roomToBegin) {
      this.#isDue = true;
    } else {
      this.#batch.take();
      this.#begin(item, item.settled);
    }
    return true;
  }

  /** A reply that fails gives its id back, unless what prints it holds it already. */
  #begin({ idSlot, idLength }: BatchItem, settled: Settled): void {
    this.#idLength = idLength;
    try {
      if (settled.kind === 'error') this.#error(settled.error, idSlot);
      else if (settled.kind === 'text') this.#open([new BytesCursor(settled.bytes)], Reply.result, idSlot);
      else this.#result(settled, idSlot);
    } catch (error) {
      if (this.#tail === undefined) this.#scanner.release(idSlot);
      throw error;
    }
  }

  #result({ value, printed: known, call, command, ended }: SettledResult, idSlot: number): void {
    let cursors: readonly Cursor[];
    let isOpened = false;
    try {
      const printed = known ?? printResult(value);
      if (typeof printed === 'string') {
        ended?.();
        this.#text(printed, Reply.result, idSlot);
        return;
      }
      isOpened = true;
      cursors = openParts(printed, ended);
    } catch (error) {
      if (!isOpened) ended?.(true);
      this.#error(this.#failures.errorOf(error, command), idSlot, command);
      return;
    }
    this.#call = call;
    this.#command = command;
    this.#batch.about = command;
    this.#open(cursors, Reply.result, idSlot);
  }

  #error(error: MiError, idSlot: number, command?: string): void {
    this.#text(this.#failures.print(error, command), Reply.error, idSlot);
  }

  #text(text: string, kind: ReplyKind, idSlot: number): void {
    if (!this.print(kind, text, idSlot, 0, this.#idLength)) this.#open([new TextCursor(text)], kind, idSlot);
  }

  #open(cursors: readonly Cursor[], kind: ReplyKind, idSlot: number): void {
    this.#tail = new TailCursor(this.#scanner, idSlot);
    this.#parts = new Parts([new BytesCursor(replyHead(kind)), ...cursors, this.#tail]);
    this.#partsAt = undefined;
    // The bytes before it go first: the cursor keeps the buffer while it waits.
    this.#isDue = this.#parts.isSlow;
  }

  #fill(parts: Parts): void {
    if (this.#room <= leastRoom) {
      this.#isDue = true;
      return;
    }
    if (this.#partsAt === undefined) {
      this.#partsAt = this.#at;
      this.#partsSeparator = this.#separator;
      this.#buffer[this.#at] = this.#separator;
      this.#separator = comma;
      this.#at += 1;
    }
    let written: number | Promise<number>;
    try {
      written = parts.fill(this.#buffer.subarray(this.#at));
    } catch (error) {
      this.#failed(parts, error);
      return;
    }
    if (typeof written === 'number') {
      this.#filled(parts, written);
      return;
    }
    this.#isFilling = true;
    const goOn = (step: () => void): void => {
      this.#isFilling = false;
      if (this.#isReleased) return;
      step();
      this.settled();
    };
    written.then(
      (later) =>
        goOn(() => {
          this.#filled(parts, later);
          // An awaited part is sent at once: the next wait may be long.
          if (later > 0) this.#isDue = true;
        }),
      (error: unknown) => goOn(() => this.#failed(parts, error)),
    );
  }

  #filled(parts: Parts, written: number): void {
    this.#at += written;
    if (parts.isComplete) this.#close();
  }

  /** A failure before anything of the reply is sent becomes its error; later it cuts the connection. */
  #failed(parts: Parts, error: unknown): void {
    if (this.#partsAt === undefined || this.#partsAt < 0 || this.#tail === undefined) {
      this.#broken = { error };
      return;
    }
    this.#at = this.#partsAt;
    this.#separator = this.#partsSeparator;
    const idSlot = this.#tail.keepId();
    const told = this.#failures.errorOf(error, this.#command);
    const command = this.#command;
    try {
      parts.release();
    } catch (cause) {
      this.#failures.ofReply(cause);
    }
    this.#close();
    try {
      this.#error(told, idSlot, command);
    } catch (cause) {
      if (this.#tail === undefined) this.#scanner.release(idSlot);
      this.#broken = { error: cause };
    }
  }

  #close(): void {
    this.#parts = undefined;
    this.#partsAt = undefined;
    this.#tail = undefined;
    this.#call = undefined;
    this.#command = undefined;
    this.#batch.about = undefined;
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
