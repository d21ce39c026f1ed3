import { BegunChunks, type CompletedSource, PrettyChunks } from '../../gateway/chunks.js';
import { type Chunk, type ChunkSource, chunkLimit, type Exchange } from '../../http/exchange.js';
import type { Failures } from '../../mi/calls/failures.js';
import type { Statistic } from '../../mi/statistics.js';
import type { RequestScanner } from '../../native/native.js';
import { Batch, type BatchHost, type BatchListener } from './batch.js';
import { BatchPrinter } from './batch-printer.js';

/** Milliseconds that replies are kept, for those behind them to come in the same piece. */
const patience = 5;

/**
 * The replies of a batch as one array, in the order of the requests, while later calls still run. They are printed when
 * the client reads; while it does not, calls do not run far ahead.
 */
class BatchReply implements CompletedSource, BatchListener {
  readonly #batch: Batch;
  readonly #printer: BatchPrinter;
  #hasBegun = false;
  /** Whether a chunk is wanted, and the printer's buffer may be written. */
  #isPulled = false;
  #isReleased = false;
  #failure: { readonly error: unknown } | undefined;
  #waiting: { readonly resolve: (chunk: Chunk) => void; readonly reject: (error: unknown) => void } | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param shared where the first chunk is made unless it has to wait, 64 KiB at most */
  constructor(batch: Batch, scanner: RequestScanner, failures: Failures, shared: Buffer) {
    this.#batch = batch;
    this.#printer = new BatchPrinter(batch, scanner, failures, shared, () => this.settled());
  }

  /** Whether the last chunk held the end. */
  get isComplete(): boolean {
    return this.#printer.isEnded && !this.#isPulled;
  }

  get isBlocked(): boolean {
    if (this.#isPulled && !this.#printer.isDue) return false;
    return this.#printer.isWithinReply || this.#batch.first?.settled !== undefined;
  }

  /** The first call begins the calls of the batch. */
  next(): Chunk | Promise<Chunk> {
    if (this.#printer.isEnded) return null;
    this.#isPulled = true;
    if (this.#hasBegun) {
      this.#printer.leaveSharedBuffer();
      this.#print();
      this.#batch.resume(this);
    } else {
      this.#hasBegun = true;
      this.#batch.run(this);
    }
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#printer.isDue) return this.#give();
    this.#printer.leaveSharedBuffer();
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
    this.#failure ??= { error };
    this.#answer();
  }

  /** Nobody waits for the replies any more. */
  giveUp(reason: Error): void {
    this.#printer.abort(reason);
    this.#batch.giveUp(reason);
  }

  release(): void {
    if (this.#isReleased) return;
    const { isComplete } = this;
    this.#isReleased = true;
    this.#waiting = undefined;
    clearTimeout(this.#timer);
    if (!isComplete) this.giveUp(new Error('the reply was given up'));
    this.#printer.release();
  }

  #print(): void {
    if (this.#failure !== undefined) return;
    try {
      this.#printer.print();
    } catch (error) {
      this.#failure = { error };
    }
  }

  #answer(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    if (this.#failure === undefined && !this.#printer.isDue) {
      this.#keep();
      return;
    }
    this.#waiting = undefined;
    if (this.#failure === undefined) waiting.resolve(this.#give());
    else waiting.reject(this.#failure.error);
  }

  /** What is there is not held back for long. */
  #keep(): void {
    if (this.#timer !== undefined || !this.#printer.hasPrinted) return;
    const hurry = (): void => {
      this.#timer = undefined;
      this.#printer.hurry();
      this.#answer();
    };
    try {
      this.#timer = setTimeout(hurry, patience);
    } catch {
      hurry();
    }
  }

  #give(): Chunk {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isPulled = false;
    this.#batch.progressed();
    return this.#printer.take();
  }
}

/** What batches are set to. */
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
    let source: BatchReply | PrettyChunks;
    let first: ReturnType<ChunkSource['next']>;
    try {
      source = this.#pretty ? new PrettyChunks(reply, Buffer.alloc(this.#chunk.length)) : reply;
      first = source.next();
    } catch (error) {
      reply.release();
      throw error;
    }
    if (first instanceof Uint8Array && source.isComplete) {
      exchange.reply(200, first);
      source.release();
    } else {
      this.#streams += 1;
      const rest: ChunkSource = {
        next: () => source.next(),
        release: () => {
          this.#streams -= 1;
          source.release();
        },
      };
      exchange.stream(200, new BegunChunks(first, rest));
    }
  }
}
