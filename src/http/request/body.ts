import type { Log } from '../../base/log.js';
import type { BodyPool } from '../../native/native.js';
import { onLaterTurn } from '../engine/closing.js';
import { type Pipelining, shortestPipeline } from '../limits/pipelining.js';
import type { HttpExchange } from './http-exchange.js';

/** Bytes of replies that the engine keeps back. */
const keptBack = 16384;

/** Receives the bodies of requests: one that arrives whole as it lies, others joined in a slot of the pool. */
export class BodyReceiver {
  readonly #pool: BodyPool;
  readonly #log: Log;
  readonly #whole: (exchange: HttpExchange) => void;
  readonly #last: (exchange: HttpExchange) => void;
  readonly #pipelining: Pipelining;

  /**
   * @param max bytes of the largest body
   * @param whole told when the body of an exchange is complete
   * @param last told instead when the connection closes after its reply
   */
  constructor(
    pool: BodyPool,
    readonly max: number,
    whole: (exchange: HttpExchange) => void,
    last: (exchange: HttpExchange) => void,
    pipelining: Pipelining,
    log: Log,
  ) {
    this.#pipelining = pipelining;
    this.#pool = pool;
    this.#log = log;
    this.#whole = whole;
    this.#last = last;
  }

  /** Takes a piece, which is only lent by the engine. */
  receive(exchange: HttpExchange, chunk: ArrayBuffer, isLast: boolean): void {
    if (exchange.finished || exchange.isBodyRefused) return;
    exchange.isCorked = true;
    const run = this.#pipelining.run(chunk);
    if (run > shortestPipeline && this.#refusesPipelined(exchange, run)) return;
    if (isLast && exchange.bodySlot === -1 && !exchange.mustClose && !exchange.isHeld) {
      // The engine takes its memory back when this returns.
      const isLent = exchange.root.declaration.borrowBody === true;
      exchange.takeBody(isLent ? chunk : chunk.slice(0));
      this.#whole(exchange);
      if (isLent) exchange.dropBody();
      return;
    }
    if (exchange.bodySlot === -1) exchange.bodySlot = this.#pool.open();
    const outcome = chunk.byteLength === 0 ? 0 : this.#pool.push(exchange.bodySlot, new Uint8Array(chunk));
    if (outcome === 1) {
      this.#refuse(exchange);
    } else if (outcome === 2) {
      exchange.refuseItself(503, 'too many bodies are being received; try again', { 'Retry-After': '1' });
    } else if (isLast) {
      const isNow = !exchange.mustClose && !exchange.isHeld;
      const isLent = isNow && exchange.root.declaration.borrowBody === true;
      exchange.takeBody(isLent ? this.#pool.lend(exchange.bodySlot) : this.#pool.take(exchange.bodySlot));
      exchange.bodySlot = -1;
      if (exchange.mustClose) this.#last(exchange);
      else this.#whole(exchange);
      if (isLent) exchange.dropBody();
    } else {
      exchange.isCorked = false;
    }
  }

  /** Gives a slot back. Never fails. */
  free(slot: number): void {
    try {
      this.#pool.free(slot);
    } catch (error) {
      this.#log.error({ err: error }, 'the memory of a body could not be given back');
    }
  }

  /** Why a body is not accepted. */
  tooLarge(size: string): string {
    return `a body ${size} is over the limit of ${this.max} bytes; send less, or raise receive_buf_size`;
  }

  /**
   * One that is too many is refused, and the connection closed when another one follows. The engine keeps short replies
   * back until it has handed over all requests of a piece, and loses them when the connection is closed before; a long one
   * pushes them out, so that whoever sent the requests knows which were served. It may not be told to close by itself:
   * it would hand over the next one all the same, and never its end.
   */
  #refusesPipelined(exchange: HttpExchange, run: number): boolean {
    const limit = this.#pipelining.limitOf(exchange);
    if (run <= limit) return false;
    this.#pipelining.remember(exchange);
    exchange.isBodyRefused = true;
    exchange.isLastAsked = true;
    const reason = `more than ${limit} requests in one piece; wait for replies before sending more`;
    if (run > limit + 1) exchange.drop();
    else exchange.refuseItself(503, reason, { 'Retry-After': '1' }, keptBack);
    return true;
  }

  #refuse(exchange: HttpExchange): void {
    exchange.mustClose = true;
    exchange.isCorked = false;
    exchange.isBodyRefused = true;
    this.#pool.free(exchange.bodySlot);
    exchange.bodySlot = -1;
    onLaterTurn(
      () => exchange.refuseItself(413, this.tooLarge('in chunks')),
      (error) => exchange.cut(error),
    );
  }
}
