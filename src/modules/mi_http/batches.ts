import { type ChunkSource, chunkLimit, type Exchange } from '../../httpd/exchange.js';
import type { Statistic } from '../../mi/statistics.js';
import { Batch, type BatchHost } from './batch.js';
import { BatchReply } from './batch-reply.js';
import { PrettyChunks } from './pretty-chunks.js';
import { BegunChunks } from './reply-chunks.js';

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
    const { scanner, failures } = this.#host;
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
