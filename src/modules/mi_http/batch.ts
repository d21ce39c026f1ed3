import { Slice } from '../../base/slice.js';
import { type CompletedSource, PrettyChunks, sendChunks } from '../../gateway/chunks.js';
import { type Chunk, chunkLimit, type Exchange } from '../../http/exchange.js';
import type { Call } from '../../mi/calls/call.js';
import type { Face, Failures, Leave, Runner } from '../../mi/calls/run.js';
import type { CommandEntry } from '../../mi/commands/command-table.js';
import type { CallParameters } from '../../mi/commands/parameters.js';
import { codes, MiError, serverError } from '../../mi/errors.js';
import { BytesCursor, type Cursor, leastRoom, Parts, TextCursor } from '../../mi/results/cursor.js';
import { discardResult, openParts, printResult, type Result } from '../../mi/results/result.js';
import { type Statistic, StatisticsSelection } from '../../mi/statistics.js';
import { Outcome, Reply, type ReplyKind } from '../../native/layout.js';
import { replyHead } from '../../native/reply-window.js';
import type { RequestScanner } from '../../native/scanner.js';
import type { CallReader } from './call-reader.js';
import { TailCursor } from './replies.js';

/** Settings of batches. */
export interface BatchesOptions {
  /** Bytes of the response window. */
  readonly windowSize: number;
  readonly pretty: boolean;
  /** Most elements of a batch. */
  readonly maxBatch: number;
  /** Counts the batches that are run. */
  readonly batches: Statistic;
}

/** Batches of JSON-RPC requests (JSON-RPC 2.0 §6): one array in, one array of replies out, in the same order. */
export class Batches {
  readonly limit: number;
  readonly #host: BatchHost;
  readonly #chunk: Buffer;
  readonly #pretty: boolean;
  readonly #count: Statistic;
  #streams = 0;

  constructor(host: BatchHost, { windowSize, pretty, maxBatch, batches }: BatchesOptions) {
    this.limit = maxBatch;
    this.#count = batches;
    this.#host = host;
    this.#chunk = Buffer.alloc(Math.min(windowSize, chunkLimit));
    this.#pretty = pretty;
  }

  /** Replies that are being streamed. */
  get streaming(): number {
    return this.#streams;
  }

  /** Answers an exchange whose body the scanner has just read as a batch. */
  run(exchange: Exchange, body: Uint8Array): void {
    const { scanner, runner } = this.#host;
    const { failures } = runner;
    const { batchReplies } = scanner;
    this.#count.add(1);
    const batch = new Batch(this.#host, exchange, body);
    if (batchReplies === 0) {
      // "The server MUST NOT return an empty Array and should return nothing at all" (JSON-RPC 2.0 §6).
      exchange.onGone = () => batch.giveUp(new Error('the client left'));
      const failed = (error: unknown): void => {
        batch.giveUp(new Error('the batch failed'));
        failures.ofReply(error);
        exchange.refuse(500, 'internal error; the log of the server tells why');
      };
      batch.run({ isBlocked: false, settled: () => {}, begun: () => void exchange.reply(202), failed });
      return;
    }
    const reply = new BatchReply(batch, scanner, failures, this.#chunk);
    exchange.onGone = () => reply.giveUp(new Error('the client left'));
    try {
      const source = this.#pretty ? new PrettyChunks(reply, Buffer.alloc(this.#chunk.length)) : reply;
      const first = source.next();
      if (!source.isComplete || first instanceof Promise) {
        this.#streams += 1;
        reply.onReleased = () => {
          this.#streams -= 1;
        };
      }
      sendChunks(exchange, 200, first, source);
    } catch (error) {
      reply.release();
      throw error;
    }
  }
}

/** The common parts of the batches of one root. */
interface BatchHost {
  readonly scanner: RequestScanner;
  readonly calls: CallReader;
  readonly runner: Runner;
}

/** A listener to the progress of a batch. */
interface BatchListener {
  /** True if settled replies have to wait for the client to read. */
  readonly isBlocked: boolean;
  /** A reply may be printed when its turn comes. */
  settled(): void;
  /** Every call has begun. */
  begun(): void;
  /** Calls cannot be begun any more; those that run go on until the batch is given up. */
  failed(error: unknown): void;
}

/** The outcome of one call: a value to be printed, the text of statistics as they were, an error. */
type Settled =
  | SettledResult
  | { readonly kind: 'text'; readonly bytes: Uint8Array }
  | { readonly kind: 'error'; readonly error: MiError };

/** The value that a call gave. */
interface SettledResult {
  readonly kind: 'result';
  readonly value: Result;
  readonly call: Call;
  readonly command: string;
}

/** A reply that is owed to an element of a batch. */
interface BatchItem {
  readonly idSlot: number;
  settled: Settled | undefined;
}

/** Milliseconds that calls may run before others get their turn. */
const longestSlice = 0.25;

/** Replies that may wait for a client that does not read, before no more calls begin. */
const runAhead = 64;

/**
 * The calls of one batch. They begin in their order, in slices, and those that answer later run side by side. What a
 * call gave waits as a value, which is smaller than its text, until the replies before it are printed.
 */
class Batch implements Face<Exchange> {
  readonly #host: BatchHost;
  readonly #client: Exchange;
  #listener: BatchListener | undefined;
  /**
   * When the client got something last. No later than the exchange began to wait: a call answers before the exchange is
   * given up.
   */
  since = performance.now();
  /** Calls that are waited for, by their places. */
  readonly #running = new Map<number, Leave>();
  /** Place of the last notification: below those of the replies. */
  #lastNotification = 0;
  /** Replies in the order of the requests; those before {@link #next} are taken. */
  readonly #items: (BatchItem | undefined)[] = [];
  #next = 0;
  #body: Uint8Array;
  #position: number;
  /** Elements that have not begun. */
  #left: number;
  #isBodyOwn = false;
  /** Replies that are settled and not taken. */
  #waiting = 0;
  #isPaused = false;
  #isGivenUp = false;

  /**
   * @param body the body that the scanner has just read with `scanBatch`; only read before {@link run} returns
   * @param client the exchange, whose end {@link giveUp} tells
   */
  constructor(host: BatchHost, client: Exchange, body: Uint8Array) {
    this.#host = host;
    this.#client = client;
    this.#body = body;
    this.#position = host.scanner.batchStart;
    this.#left = host.scanner.batchElements;
  }

  /** True once every call has begun. */
  get isBegun(): boolean {
    return this.#left === 0;
  }

  /** The next reply in order; undefined when its call has not begun, or there is none. */
  get first(): BatchItem | undefined {
    return this.#items[this.#next];
  }

  /** Takes {@link first} out, which is settled; from now on its id and its value are the caller's. */
  take(): void {
    this.#items[this.#next] = undefined;
    this.#next += 1;
    this.#waiting -= 1;
  }

  /** Begins calls for a quarter of a millisecond, and goes on by itself on later turns unless the listener is blocked. */
  run(listener: BatchListener): void {
    if (this.#isGivenUp) return;
    this.#listener = listener;
    try {
      this.#runSlice(listener);
    } catch (error) {
      listener.failed(error);
    }
  }

  #runSlice(listener: BatchListener): void {
    const slice = new Slice(longestSlice);
    while (this.#left > 0 && !this.#isFarAhead(listener)) {
      this.#begin();
      // Not above: a command may have made the client leave.
      if (this.#isGivenUp) return;
      if (slice.isOver) break;
    }
    if (this.#left === 0) {
      this.#body = noBytes;
      listener.begun();
      return;
    }
    this.#keepBody();
    if (this.#isFarAhead(listener)) this.#isPaused = true;
    else setImmediate(() => this.run(listener));
  }

  /** A part of the replies is about to be sent: the wait for the next one begins now. */
  progressed(): void {
    this.since = performance.now();
  }

  /** Goes on when the listener is blocked no more. */
  resume(listener: BatchListener): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.run(listener);
  }

  #isFarAhead(listener: BatchListener): boolean {
    return this.#waiting >= runAhead && listener.isBlocked;
  }

  /** The body is only lent for the first slice; what has begun is not needed any more. */
  #keepBody(): void {
    if (this.#isBodyOwn) return;
    this.#isBodyOwn = true;
    this.#body = this.#body.slice(this.#position);
    this.#position = 0;
  }

  /** The client is gone: aborts the running calls, begins no other, and gives back the memory of the replies. */
  giveUp(reason: Error): void {
    if (this.#isGivenUp) return;
    this.#isGivenUp = true;
    this.#body = noBytes;
    for (const leave of this.#running.values()) leave(reason);
    this.#running.clear();
    for (const item of this.#items.splice(0)) {
      if (item === undefined) continue;
      try {
        this.#host.scanner.release(item.idSlot);
      } catch (error) {
        // The ids behind it are given back all the same.
        this.#host.runner.failures.ofReply(error);
      }
      if (item.settled?.kind !== 'result') continue;
      item.settled.call.abort(reason);
      discardResult(item.settled.value);
    }
  }

  #begin(): void {
    const { scanner, calls, runner } = this.#host;
    this.#left -= 1;
    const outcome = scanner.scanElement(this.#body, this.#position);
    this.#position = scanner.position;
    const place = outcome === Outcome.notification ? --this.#lastNotification : this.#add(scanner.idSlot);
    if (outcome > Outcome.notification) {
      this.error(
        this.#client,
        place,
        outcome === Outcome.tooManyIds
          ? serverError('too many replies wait for their clients; try again')
          : new MiError(codes.invalidRequest, undefined, scanner.reason()),
      );
      return;
    }
    const count = scanner.paramsCount;
    let given: CallParameters;
    let entry: CommandEntry;
    try {
      given = calls.given(this.#body);
      entry = calls.entry(this.#body, this.#client);
    } catch (error) {
      this.error(this.#client, place, runner.failures.errorOf(error));
      return;
    }
    runner.run(this, this.#client, place, entry, given, count);
  }

  #add(idSlot: number): number {
    return this.#items.push({ idSlot, settled: undefined }) - 1;
  }

  /** For the runner. Statistics are printed at once: read later, they would tell of what the calls behind have done. */
  result(_client: Exchange, place: number, value: Result, { fullName }: CommandEntry, call: Call): undefined {
    if (value instanceof StatisticsSelection) {
      this.#settle(place, { kind: 'text', bytes: value.print() });
    } else {
      this.#settle(place, { kind: 'result', value, call, command: fullName });
    }
  }

  /** For the runner. */
  error(_client: Exchange, place: number, error: MiError): void {
    this.#settle(place, { kind: 'error', error });
  }

  /** For the runner. */
  wait(_client: Exchange, place: number, leave: Leave): void {
    this.#running.set(place, leave);
  }

  #settle(place: number, settled: Settled): void {
    this.#running.delete(place);
    const item = this.#items[place];
    if (item === undefined || this.#isGivenUp) {
      // A notification gets neither its result nor its error.
      if (settled.kind === 'result') discardResult(settled.value);
      return;
    }
    item.settled = settled;
    this.#waiting += 1;
    this.#listener?.settled();
  }
}

const noBytes = new Uint8Array(0);

/** Milliseconds that replies are kept, for those behind them to come in the same piece. */
const patience = 5;

/** Room that a reply needs to begin: less is left unused. */
const roomToBegin = 64;

/** Most bytes of UTF-8 for one unit of a JavaScript string. */
const bytesPerUnit = 3;

const opening = '['.charCodeAt(0);
const comma = ','.charCodeAt(0);
const closing = ']'.charCodeAt(0);

/**
 * The replies of a batch as one array, in the order of the requests, while later calls still run. Each is printed when
 * those before it are complete and the client reads; while it does not, calls do not run far ahead.
 */
class BatchReply implements CompletedSource, BatchListener {
  /** Told once, when the reply has ended or was given up. */
  onReleased: (() => void) | undefined;
  readonly #batch: Batch;
  readonly #scanner: RequestScanner;
  readonly #failures: Failures;
  #buffer: Buffer;
  #isBufferShared = true;
  /** Where the buffer is written next. */
  #at = 0;
  #separator = opening;
  /** The reply that is printed by cursors, since it is long or made of parts. */
  #parts: Parts | undefined;
  #tail: TailCursor | undefined;
  #call: Call | undefined;
  #command: string | undefined;
  /** Where in the buffer that reply begins, so that a failure can still become its error; -1 when a part of it is sent. */
  #partsAt: number | undefined;
  /** True while a cursor has the buffer. */
  #isFilling = false;
  /** True if the printed bytes are to be sent: the buffer is full, the array ends, or the next part may take long. */
  #isDue = false;
  /** True once the array is closed. */
  #isEnded = false;
  #hasBegun = false;
  /** True while a chunk is wanted, and the buffer may be written. */
  #isPulled = false;
  #isReleased = false;
  /** A failure that no error reply can tell of: it cuts the connection. */
  #broken: { readonly error: unknown } | undefined;
  #waiting: { readonly resolve: (chunk: Chunk) => void; readonly reject: (error: unknown) => void } | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param shared where the first chunk is made unless it has to wait, 64 KiB at most */
  constructor(batch: Batch, scanner: RequestScanner, failures: Failures, shared: Buffer) {
    this.#batch = batch;
    this.#scanner = scanner;
    this.#failures = failures;
    this.#buffer = shared;
  }

  /** True if the last chunk held the end. */
  get isComplete(): boolean {
    return this.#isEnded && !this.#isPulled;
  }

  get isBlocked(): boolean {
    if (this.#isPulled && !this.#isDue) return false;
    return this.#parts !== undefined || this.#batch.first?.settled !== undefined;
  }

  /** The first call begins the calls of the batch. */
  next(): Chunk | Promise<Chunk> {
    if (this.#isEnded) return null;
    this.#isPulled = true;
    if (this.#hasBegun) {
      this.#leaveSharedBuffer();
      this.#print();
      this.#batch.resume(this);
    } else {
      this.#hasBegun = true;
      this.#batch.run(this);
    }
    if (this.#broken !== undefined) throw this.#broken.error;
    if (this.#isDue) return this.#give();
    this.#leaveSharedBuffer();
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#keep();
    });
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
    if (!isComplete) this.giveUp(new Error('the reply was given up'));
    this.#parts?.release();
  }

  #answer(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    if (this.#broken === undefined && !this.#isDue) {
      this.#keep();
      return;
    }
    this.#waiting = undefined;
    if (this.#broken === undefined) waiting.resolve(this.#give());
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

  /** Goes on in a buffer of its own, for others will use that one. */
  #leaveSharedBuffer(): void {
    if (!this.#isBufferShared) return;
    this.#isBufferShared = false;
    const own = Buffer.allocUnsafe(this.#buffer.length);
    this.#buffer.copy(own, 0, 0, this.#at);
    this.#buffer = own;
  }

  #print(): void {
    try {
      while (this.#broken === undefined && !this.#isDue && !this.#isFilling && this.#printNext());
    } catch (error) {
      this.#broken ??= { error };
    }
  }

  /** Prints some more of what is settled, in order, as far as there is room. Returns whether there is more to print. */
  #printNext(): boolean {
    if (this.#parts !== undefined) {
      this.#fill(this.#parts);
      return true;
    }
    const item = this.#batch.first;
    if (item === undefined) {
      if (this.#batch.isBegun) this.#end();
      return false;
    }
    if (item.settled === undefined) return false;
    if (this.#buffer.length - this.#at < roomToBegin) {
      this.#isDue = true;
    } else {
      this.#batch.take();
      this.#begin(item.idSlot, item.settled);
    }
    return true;
  }

  /** A reply that fails gives its id back, unless what prints it holds it already. */
  #begin(idSlot: number, settled: Settled): void {
    this.#buffer[this.#at] = this.#separator;
    this.#at += 1;
    this.#separator = comma;
    try {
      if (settled.kind === 'error') this.#error(settled.error, idSlot);
      else if (settled.kind === 'text') this.#open([new BytesCursor(settled.bytes)], Reply.result, idSlot);
      else this.#result(settled, idSlot);
    } catch (error) {
      if (this.#tail === undefined) this.#scanner.release(idSlot);
      throw error;
    }
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
    this.#parts = new Parts([new BytesCursor(replyHead(kind)), ...cursors, this.#tail]);
    this.#partsAt = undefined;
    // The bytes before it go first: the cursor keeps the buffer while it waits.
    this.#isDue = this.#parts.isSlow;
  }

  #fill(parts: Parts): void {
    if (this.#buffer.length - this.#at < leastRoom) {
      this.#isDue = true;
      return;
    }
    this.#partsAt ??= this.#at;
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
