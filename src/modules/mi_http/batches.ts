import { coded } from '../../base/codes.js';
import { abortReason } from '../../base/lazy-abort.js';
import { type LongWork, type Slice, workFromNow } from '../../base/slice.js';
import { PrettyChunks, sendChunks } from '../../gateway/chunks.js';
import { chunkLimit, type Exchange, internalError } from '../../http/exchange.js';
import type { Statistic } from '../../mi/statistics.js';
import { Outcome } from '../../native/layout.js';
import { BatchReading } from '../../native/scanner.js';
import { Batch, type BatchHost } from './batch.js';
import { BatchReply, ReplyMemories } from './batch-reply.js';

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

/** Bytes of a batch that are read between two looks at the clock. */
const readAtOnce = 32768;

/** Batches of JSON-RPC requests (JSON-RPC 2.0 §6): one array in, one array of replies out, in the same order. */
export class Batches {
  readonly #host: BatchHost;
  readonly #limit: number;
  readonly #memory: ReplyMemories;
  readonly #chunkSize: number;
  readonly #pretty: boolean;
  readonly #count: Statistic;
  #streams = 0;

  constructor(host: BatchHost, { windowSize, pretty, maxBatch, batches }: BatchesOptions) {
    this.#limit = maxBatch;
    this.#count = batches;
    this.#host = host;
    this.#chunkSize = Math.min(windowSize, chunkLimit);
    this.#memory = new ReplyMemories(this.#chunkSize);
    this.#pretty = pretty;
  }

  /** Replies that are being streamed. */
  get streaming(): number {
    return this.#streams;
  }

  /**
   * Answers an exchange whose body is a batch, should it be JSON. Those that come when others have used up the turn wait
   * for a later one.
   *
   * @param body only lent until this returns
   * @param refuse answers a batch that is refused as a whole, when the scanner has just told why
   */
  run(exchange: Exchange, body: Uint8Array, refuse: (outcome: number) => void): void {
    const arrival = new BatchArrival(this.#host, this.#limit, exchange, body, {
      refuse,
      begin: (reading, known, slice) => this.#begin(exchange, known, reading, slice),
    });
    if (!workFromNow(arrival)) arrival.keepBody();
  }

  #begin(exchange: Exchange, body: Uint8Array, reading: BatchReading, slice: Slice): void {
    const { failures } = this.#host.runner;
    this.#count.add(1);
    const batch = new Batch(this.#host, exchange, body, reading, slice);
    if (reading.replies === 0) {
      // "The server MUST NOT return an empty Array and should return nothing at all" (JSON-RPC 2.0 §6).
      exchange.onGone = () => batch.giveUp(clientLeft());
      const failed = (error: unknown): void => {
        batch.giveUp(abortReason(coded('ERR_GONE', new Error('the batch failed'))));
        failures.ofReply(error);
        exchange.refuse(500, internalError);
      };
      const begun = (): void => void exchange.reply(202);
      batch.run({ isBlocked: false, print: () => false, settled: () => {}, begun, failed });
      return;
    }
    const reply = new BatchReply(batch, this.#host, this.#memory);
    const source = this.#pretty ? new PrettyChunks(reply, Buffer.alloc(this.#chunkSize)) : reply;
    exchange.onGone = () => {
      reply.giveUp(clientLeft());
      reply.release();
    };
    reply.begin(() => {
      exchange.onGone = () => reply.giveUp(clientLeft());
      try {
        if (reply.isWhole) sendChunks(exchange, 200, source.next(), source);
        else exchange.stream(200, source);
      } catch (error) {
        reply.release();
        failures.ofReply(error);
        exchange.refuse(500, 'internal error; the log of the server tells why');
      }
    });
    if (reply.isReleased) return;
    this.#streams += 1;
    reply.onReleased = () => {
      this.#streams -= 1;
    };
  }
}

function clientLeft(): Error {
  return abortReason(coded('ERR_GONE', new Error('the client left')));
}

/** The ways on for a batch that has arrived. */
interface Ways {
  readonly refuse: (outcome: number) => void;
  /** Runs it, all of which is JSON; its first calls in what is left of the slice. */
  readonly begin: (reading: BatchReading, body: Uint8Array, slice: Slice) => void;
}

/** A batch that has arrived, and is read whole before any of it is run. */
class BatchArrival implements LongWork {
  readonly #host: BatchHost;
  readonly #limit: number;
  readonly #exchange: Exchange;
  readonly #ways: Ways;
  readonly #reading = new BatchReading();
  #body: Uint8Array | undefined;

  constructor(host: BatchHost, limit: number, exchange: Exchange, body: Uint8Array, ways: Ways) {
    this.#host = host;
    this.#limit = limit;
    this.#exchange = exchange;
    this.#body = body;
    this.#ways = ways;
  }

  /** The body is only lent while the handler of the exchange runs. */
  keepBody(): void {
    this.#body = this.#body?.slice();
  }

  work(slice: Slice): boolean {
    if (this.#exchange.finished) return false;
    try {
      return this.#read(slice);
    } catch (error) {
      this.#body = undefined;
      this.#host.runner.failures.ofReply(error);
      this.#exchange.refuse(500, internalError);
      return false;
    }
  }

  #read(slice: Slice): boolean {
    const body = this.#body;
    if (body === undefined) return false;
    const reading = this.#reading;
    let outcome: number;
    do {
      outcome = this.#host.scanner.readBatch(body, this.#limit, reading, reading.position + readAtOnce);
    } while (outcome === Outcome.batchGoesOn && !slice.isOver);
    if (outcome === Outcome.batchGoesOn) return true;
    this.#body = undefined;
    if (outcome === Outcome.batch) this.#ways.begin(reading, body, slice);
    else this.#ways.refuse(outcome);
    return false;
  }
}
