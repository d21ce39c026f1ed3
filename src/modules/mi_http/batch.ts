import type { Exchange } from '../../http/exchange.js';
import type { Call } from '../../mi/calls/call.js';
import type { Face, Leave, Runner } from '../../mi/calls/run.js';
import type { Result } from '../../mi/commands/command.js';
import type { CommandEntry } from '../../mi/commands/command-table.js';
import type { CallParameters } from '../../mi/commands/parameters.js';
import { codes, MiError, serverError } from '../../mi/errors.js';
import { discardParts } from '../../mi/results/print-parts.js';
import { StatisticsSelection } from '../../mi/statistics.js';
import { Outcome, type RequestScanner } from '../../native/native.js';
import type { CallReader } from './call-reader.js';

/** What the batches of one root share. */
export interface BatchHost {
  readonly scanner: RequestScanner;
  readonly calls: CallReader;
  readonly runner: Runner;
}

/** Who wants to know how a batch gets on. */
export interface BatchListener {
  /** Whether what is settled has to wait for the client to read. */
  readonly isBlocked: boolean;
  /** A reply may be printed when its turn comes. */
  settled(): void;
  /** Every call has begun. */
  begun(): void;
  /** Calls cannot be begun any more; those that run go on until the batch is given up. */
  failed(error: unknown): void;
}

/** What is known of one reply: nothing yet, a value to be printed, the text of statistics as they were, an error. */
export type Settled =
  | { readonly kind: 'result'; readonly value: Result; readonly call: Call; readonly command: string }
  | { readonly kind: 'text'; readonly bytes: Uint8Array }
  | { readonly kind: 'error'; readonly error: MiError };

/** The value that a call gave. */
export type SettledResult = Settled & { readonly kind: 'result' };

/** A reply that is owed to an element of a batch. */
export interface BatchItem {
  readonly idSlot: number;
  settled: Settled | undefined;
}

/** Milliseconds that calls may run before others get their turn. */
const slice = 0.25;

/** Replies that may wait for a client that does not read, before no more calls begin. */
const runAhead = 64;

/**
 * The calls of one batch. They begin in their order, in slices, and those that answer later run side by side. What a
 * call gave waits as a value, which is smaller than its text, until the replies before it are printed.
 */
export class Batch implements Face<Exchange> {
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
   * @param body what the scanner has just read with `scanBatch`; only read before {@link run} returns
   * @param client who is told to be gone by {@link giveUp}
   */
  constructor(host: BatchHost, client: Exchange, body: Uint8Array) {
    this.#host = host;
    this.#client = client;
    this.#body = body;
    this.#position = host.scanner.batchStart;
    this.#left = host.scanner.batchElements;
  }

  /** Whether every call has begun. */
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
    const until = performance.now() + slice;
    while (this.#left > 0 && !this.#isFarAhead(listener)) {
      this.#begin();
      // Not above: a command may have made the client leave.
      if (this.#isGivenUp) return;
      if (performance.now() >= until) break;
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

  /** A part of the replies is about to be sent: whoever waits for the next one begins to do so later. */
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

  /** Nobody waits any more: aborts what runs, begins nothing, and gives back what the replies hold. */
  giveUp(reason: Error): void {
    if (this.#isGivenUp) return;
    this.#isGivenUp = true;
    this.#body = noBytes;
    for (const leave of this.#running.values()) leave(reason);
    this.#running.clear();
    for (const item of this.#items.splice(0)) {
      if (item === undefined) continue;
      try {
        if (item.idSlot >= 0) this.#host.scanner.release(item.idSlot);
      } catch (error) {
        // Those behind it are given back all the same.
        this.#host.runner.failures.ofReply(error);
      }
      if (item.settled?.kind !== 'result') continue;
      item.settled.call.abort(reason);
      discardParts(item.settled.value);
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
      value.refresh();
      this.#settle(place, { kind: 'text', bytes: value.table.printText(value.slots) });
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
      // Nobody gets the result of a notification, nor its error.
      if (settled.kind === 'result') discardParts(settled.value);
      return;
    }
    item.settled = settled;
    this.#waiting += 1;
    this.#listener?.settled();
  }
}

const noBytes = new Uint8Array(0);
