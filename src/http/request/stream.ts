import { AsyncResource } from 'node:async_hooks';
import { coded } from '../../base/codes.js';
import type { EngineResponse } from '../engine/engine.js';
import { type Chunk, type ChunkSource, type Exchange, heldBodySize } from '../exchange.js';
import type { RootDeclaration } from '../roots.js';

/** Milliseconds between two looks at a reply that does not move. */
const lookInterval = 4000;
const longestBackOff = 100;

/** How long and how large a streamed reply may become; 0 is without limit. Beyond, the connection is cut. */
export interface StreamLimits {
  /** Milliseconds without progress of the client. */
  readonly clientPatience: number;
  /** Milliseconds for the whole reply. */
  readonly replyPatience: number;
  /** Bytes of the body. */
  readonly maxReply: number;
}

/** The exchange whose reply a stream sends, as the stream knows it. */
export interface StreamOwner {
  readonly limits: StreamLimits;
  /** Milliseconds that the source may give nothing; 0: without limit. */
  readonly sourcePatience: number;
  /** True when the engine may close the connection at the end of the reply. */
  readonly closesAtEnd: boolean;
  /** Writes the head; called once, corked, just before the first bytes of the body. */
  writeHead(): void;
  sent(bytes: number): void;
  /** The reply is complete. */
  ended(isLengthKnown: boolean): void;
  /** The source failed; nothing more is sent. */
  failed(error: unknown, isHeadSent: boolean): void;
  /** The source threw when it was released, which changes nothing for the client. */
  releaseFailed(error: unknown): void;
  /** `who` was too slow; nothing more is sent. */
  timedOut(who: 'client' | 'source' | 'reply', isHeadSent: boolean): void;
}

type State =
  /** A turn is scheduled, or running. */
  | 'moving'
  /** The source has been asked, or will be. */
  | 'waiting'
  /** The client has to read first. */
  | 'blocked'
  | 'over';

/**
 * Sends a reply from a source, at the pace of the client.
 *
 * One piece per turn of the event loop, so that a fast client starves nobody; nothing while the engine holds
 * back-pressure, so that a stalled one costs one piece. With a known length the engine takes what the kernel takes
 * and the rest stays here; without one it keeps what the kernel does not take, of one piece at most.
 */
export class ReplyStream {
  readonly #response: EngineResponse;
  readonly #source: ChunkSource;
  /** Of the handler that gave the source: it is pulled there, whoever asks for more. */
  readonly #context = new AsyncResource('mi-httpd reply');
  readonly #owner: StreamOwner;
  readonly #length: number | undefined;
  readonly #limit: number;
  #state: State = 'moving';
  #isHeadSent = false;
  /** True when the source has given all that it has. */
  #isDrained = false;
  /** The part of the current chunk that has not been taken yet. */
  #rest: Uint8Array | undefined;
  #offset = 0;
  #backOff = 1;
  #backOffTimer: NodeJS.Timeout | undefined;
  #watch: NodeJS.Timeout | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #lastProgress = 0;

  constructor(response: EngineResponse, source: ChunkSource, owner: StreamOwner) {
    this.#response = response;
    this.#source = source;
    this.#owner = owner;
    this.#length = source.length;
    // A body of known length is held anyway: larger pieces are fewer turns, and still far from a stall.
    this.#limit = source.length === undefined ? response.chunkSize : heldBodySize;
    response.onWritable(() => {
      // It may come without need; a second chain of turns must not begin.
      if (this.#state !== 'blocked') return;
      this.#lastProgress = performance.now();
      this.#try(() => this.#schedule());
    });
  }

  /** Begins on the next turn, after the handler has returned. */
  start(): void {
    this.#try(() => {
      this.#limitTime();
      setImmediate(this.#turn);
    });
  }

  /** Begins now; for bytes that are there already. */
  startNow(): void {
    this.#try(() => {
      this.#limitTime();
      this.#turn();
    });
  }

  /** For what the engine or a timer calls: nothing may be thrown back into them. */
  #try(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#fail(error);
    }
  }

  #limitTime(): void {
    const { replyPatience } = this.#owner.limits;
    if (replyPatience === 0 || this.#source.isEndless === true) return;
    this.#deadline = setTimeout(() => {
      this.#finish();
      this.#owner.timedOut('reply', this.#isHeadSent);
    }, replyPatience);
  }

  /** The client has left: frees everything. Harmless when the stream is over. */
  abort(): void {
    this.#finish();
  }

  readonly #turn = (): void => {
    if (this.#state === 'over') return;
    this.#state = 'moving';
    this.#try(() => {
      if (this.#isDrained) this.#end();
      else if (this.#rest === undefined) this.#pull();
      else this.#write(this.#rest);
    });
  };

  #schedule(): void {
    this.#state = 'moving';
    setImmediate(this.#turn);
  }

  /** Tells whether the next step ends the reply, which has to wait for a turn in which the connection may be closed. */
  #waitsToEnd(): boolean {
    if (this.#response.mayClose || !this.#owner.closesAtEnd) return false;
    this.#state = 'moving';
    this.#response.later(this.#turn, (error) => this.#fail(error));
    return true;
  }

  #pull(): void {
    const next = this.#context.runInAsyncScope(this.#source.next, this.#source);
    if (next === null || next instanceof Uint8Array) {
      this.#accept(next);
      return;
    }
    next.then(
      (chunk) => {
        if (this.#state !== 'over') this.#try(() => this.#accept(chunk));
      },
      (error: unknown) => this.#fail(error),
    );
    this.#wait();
  }

  #accept(chunk: Chunk): void {
    // Not `this.#state`: a source may have made the client leave.
    if (this.#state === 'over') return;
    if (chunk === null) {
      this.#end();
    } else if (chunk.length === 0) {
      this.#wait();
      this.#backOffTimer = setTimeout(this.#turn, this.#backOff);
      this.#backOff = Math.min(this.#backOff * 2, longestBackOff);
    } else {
      this.#backOff = 1;
      this.#lastProgress = performance.now();
      this.#write(chunk);
    }
  }

  #end(): void {
    checkWhole(this.#offset, this.#length);
    this.#isDrained = true;
    if (this.#waitsToEnd()) return;
    this.#response.endBody(this.#head);
    this.#complete();
  }

  #write(chunk: Uint8Array): void {
    const length = this.#length;
    checkNoMore(this.#offset + chunk.length, length);
    const { maxReply } = this.#owner.limits;
    if (maxReply > 0 && this.#source.isEndless !== true && this.#offset + chunk.length > maxReply) {
      throw coded(
        'ERR_REPLY',
        new RangeError(`the reply is longer than ${maxReply} bytes; ask for less, or raise max_reply_size`),
      );
    }
    const piece = chunk.length > this.#limit ? chunk.subarray(0, this.#limit) : chunk;
    if (this.#offset + piece.length === length && this.#waitsToEnd()) {
      this.#keep(chunk, 0);
      return;
    }
    const { bytes, isFree, isComplete } =
      length === undefined
        ? this.#response.write(piece, this.#head)
        : this.#response.writeOf(length, this.#offset, piece, this.#head);
    // Meanwhile the client may have been found gone.
    if ((this.#state as State) === 'over') return;
    this.#offset += bytes;
    this.#owner.sent(bytes);
    if (bytes > 0) this.#lastProgress = performance.now();
    if (isComplete) {
      this.#complete();
      return;
    }
    this.#keep(chunk, bytes);
    if (isFree) this.#schedule();
    else this.#block();
  }

  /** Keeps what was not taken: a copy where the source may use its memory again before the next turn. */
  #keep(chunk: Uint8Array, taken: number): void {
    if (taken >= chunk.length) {
      this.#rest = undefined;
    } else {
      const rest = chunk.subarray(taken);
      this.#rest = this.#rest === undefined && chunk.length <= heldBodySize ? Uint8Array.from(rest) : rest;
    }
  }

  /** Writes the head; undefined once it is written. */
  get #head(): (() => void) | undefined {
    return this.#isHeadSent ? undefined : this.#writeHead;
  }

  readonly #writeHead = (): void => {
    this.#isHeadSent = true;
    this.#owner.writeHead();
  };

  #wait(): void {
    if (this.#state === 'moving') this.#state = 'waiting';
    this.#watchOver();
  }

  #block(): void {
    this.#state = 'blocked';
    this.#watchOver();
  }

  /** From the first pause on, somebody has to look after the engine's timer and after those who are slow. */
  #watchOver(): void {
    if (this.#lastProgress === 0) this.#lastProgress = performance.now();
    if (this.#watch !== undefined) return;
    const { limits } = this.#owner;
    const sourcePatience = this.#sourcePatience;
    const shortest = Math.min(limits.clientPatience || Infinity, sourcePatience || Infinity);
    this.#watch = setInterval(() => this.#try(() => this.#look()), Math.max(50, Math.min(lookInterval, shortest / 4)));
  }

  get #sourcePatience(): number {
    return this.#source.isEndless === true ? 0 : this.#owner.sourcePatience;
  }

  #look(): void {
    if (this.#state === 'moving' || this.#state === 'over') return;
    const who = this.#state === 'blocked' ? 'client' : 'source';
    const patience = who === 'client' ? this.#owner.limits.clientPatience : this.#sourcePatience;
    if (patience > 0 && performance.now() - this.#lastProgress >= patience) {
      this.#finish();
      this.#owner.timedOut(who, this.#isHeadSent);
      return;
    }
    this.#response.keepAlive();
    // The kernel takes more some time before it says so: that is progress too, seen only by trying.
    if (who === 'client' && this.#length !== undefined && this.#rest !== undefined) this.#turn();
  }

  #complete(): void {
    this.#finish();
    this.#owner.ended(this.#length !== undefined);
  }

  #fail(error: unknown): void {
    if (this.#state === 'over') return;
    this.#finish();
    this.#owner.failed(error, this.#isHeadSent);
  }

  #finish(): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.#rest = undefined;
    clearTimeout(this.#backOffTimer);
    clearInterval(this.#watch);
    clearTimeout(this.#deadline);
    try {
      this.#context.runInAsyncScope(this.#source.release, this.#source);
    } catch (error) {
      this.#owner.releaseFailed(error);
    }
  }
}

/** @throws RangeError when a source ends before it has given what it announced */
export function checkWhole(given: number, announced: number | undefined): void {
  if (announced !== undefined && given < announced) {
    throw coded('ERR_REPLY', new RangeError(`the source gave ${given} bytes, ${announced} were announced`));
  }
}

/** @throws RangeError when a source has given more than it announced */
export function checkNoMore(given: number, announced: number | undefined): void {
  if (announced !== undefined && given > announced) {
    throw coded('ERR_REPLY', new RangeError(`the source gave more than the ${announced} bytes that were announced`));
  }
}

/** A body that is there already, handed over as it is. */
export class HeldBody implements ChunkSource {
  readonly length: number;
  #body: Uint8Array | null;

  constructor(body: Uint8Array) {
    this.length = body.length;
    this.#body = body;
  }

  next(): Chunk {
    const body = this.#body;
    this.#body = null;
    return body;
  }

  release(): void {
    this.#body = null;
  }
}

/** The body of a reply as the flush handler of a root gives it. */
export class FlushedBody implements ChunkSource {
  readonly #onFlush: NonNullable<RootDeclaration['onFlush']>;
  readonly #exchange: Exchange;
  readonly #max: number;
  #position = 0;

  /**
   * @param max most bytes asked for at once
   * @throws TypeError naming the root that has no flush handler
   */
  constructor(declaration: RootDeclaration, exchange: Exchange, max: number) {
    if (declaration.onFlush === undefined) {
      throw coded(
        'ERR_REPLY',
        new TypeError(
          `root "${declaration.root}" of module ${declaration.module} has no onFlush; declare it or use reply()`,
        ),
      );
    }
    this.#onFlush = declaration.onFlush.bind(declaration);
    this.#exchange = exchange;
    this.#max = max;
  }

  next(): Chunk | Promise<Chunk> {
    const given = this.#onFlush(this.#exchange, this.#position, this.#max);
    return given instanceof Promise ? given.then((later) => this.#count(later)) : this.#count(given);
  }

  release(): void {}

  #count(given: Chunk | string): Chunk {
    const chunk = typeof given === 'string' ? Buffer.from(given) : given;
    if (chunk !== null) this.#position += chunk.length;
    return chunk;
  }
}
