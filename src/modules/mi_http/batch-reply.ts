import type { Chunk } from '../../httpd/exchange.js';
import type { RequestScanner } from '../../native.js';
import type { Batch, BatchListener } from './batch.js';
import { BatchPrinter } from './batch-printer.js';
import type { Failures } from './failures.js';
import type { CompletedSource } from './reply-chunks.js';

/** Milliseconds that replies are kept, for those behind them to come in the same piece. */
const patience = 5;

/**
 * The replies of a batch as one array, in the order of the requests, while later calls still run. They are printed when
 * the client reads; while it does not, calls do not run far ahead.
 */
export class BatchReply implements CompletedSource, BatchListener {
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
