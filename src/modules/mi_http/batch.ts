import type { Failures } from '../../gateway/failures.js';
import type { Leave, PendingCalls } from '../../gateway/pending.js';
import { refusalError } from '../../gateway/refusal.js';
import type { Call, Client } from '../../mi/calls/call.js';
import type { ManagementInterface } from '../../mi/calls/interface.js';
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
  readonly mi: ManagementInterface;
  readonly scanner: RequestScanner;
  readonly calls: CallReader;
  readonly failures: Failures;
  readonly pending: PendingCalls;
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
export class Batch {
  readonly #host: BatchHost;
  readonly #client: Client;
  /** When the time of the calls that begin now began: when the client got something last. */
  #since = performance.now();
  readonly #running = new Set<Leave>();
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
  constructor(host: BatchHost, client: Client, body: Uint8Array) {
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
    try {
      this.#runSlice(listener);
    } catch (error) {
      listener.failed(error);
    }
  }

  #runSlice(listener: BatchListener): void {
    const until = performance.now() + slice;
    while (this.#left > 0 && !this.#isFarAhead(listener)) {
      this.#begin(listener);
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
    this.#since = performance.now();
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
    for (const leave of this.#running) leave(reason);
    this.#running.clear();
    for (const item of this.#items.splice(0)) {
      if (item === undefined) continue;
      try {
        if (item.idSlot >= 0) this.#host.scanner.release(item.idSlot);
      } catch (error) {
        // Those behind it are given back all the same.
        this.#host.failures.ofReply(error);
      }
      if (item.settled?.kind !== 'result') continue;
      item.settled.call.abort(reason);
      discardParts(item.settled.value);
    }
  }

  #begin(listener: BatchListener): void {
    const { scanner, calls } = this.#host;
    this.#left -= 1;
    const outcome = scanner.scanElement(this.#body, this.#position);
    this.#position = scanner.position;
    const item = outcome === Outcome.notification ? undefined : this.#add(scanner.idSlot);
    if (outcome > Outcome.notification) {
      const error =
        outcome === Outcome.tooManyIds
          ? serverError('too many replies wait for their clients; try again')
          : new MiError(codes.invalidRequest, undefined, scanner.reason());
      this.#settle(item, { kind: 'error', error }, listener);
      return;
    }
    const count = scanner.paramsCount;
    let given: CallParameters;
    let entry: CommandEntry;
    try {
      given = calls.given(this.#body);
      entry = calls.entry(this.#body, this.#client);
    } catch (error) {
      this.#settle(item, this.#error(error), listener);
      return;
    }
    this.#run(item, entry, given, count, listener);
  }

  #run(
    item: BatchItem | undefined,
    entry: CommandEntry,
    given: CallParameters,
    count: number,
    listener: BatchListener,
  ): void {
    const { mi, pending } = this.#host;
    const refusal = mi.stopReason ?? pending.refusal(entry);
    if (refusal !== undefined) {
      this.#settle(item, { kind: 'error', error: refusalError(503, refusal) }, listener);
      return;
    }
    const call = mi.callOf(entry, this.#client);
    let result: Result | Promise<Result>;
    try {
      result = mi.run(entry, given, count, call);
    } catch (error) {
      this.#settle(item, this.#error(error, entry.fullName), listener);
      return;
    }
    if (!(result instanceof Promise)) {
      this.#settle(item, resultOf(result, call, entry), listener);
      return;
    }
    this.#await(item, entry, call.lasting(entry.fullName, this.#client), result, listener);
  }

  #await(
    item: BatchItem | undefined,
    entry: CommandEntry,
    call: Call,
    result: Promise<Result>,
    listener: BatchListener,
  ): void {
    const { pending } = this.#host;
    pending.later.add(entry);
    // No later than the exchange began to wait: the call answers before the exchange is given up.
    call.waitedSince = this.#since;
    const settle = (settled: Settled): void => {
      this.#running.delete(leave);
      this.#settle(item, settled, listener);
    };
    const leave = pending.follow(call, result, {
      result: (value) => settle(resultOf(value, call, entry)),
      failure: (error) => settle(this.#error(error, entry.fullName)),
      late: (value) => discardParts(value),
      givenUp: (status, reason) => settle({ kind: 'error', error: refusalError(status, reason) }),
    });
    this.#running.add(leave);
  }

  #add(idSlot: number): BatchItem {
    const item = { idSlot, settled: undefined };
    this.#items.push(item);
    return item;
  }

  #settle(item: BatchItem | undefined, settled: Settled, listener: BatchListener): void {
    if (item === undefined || this.#isGivenUp) {
      // Nobody gets the result of a notification, nor its error.
      if (settled.kind === 'result') discardParts(settled.value);
      return;
    }
    item.settled = settled;
    this.#waiting += 1;
    listener.settled();
  }

  #error(error: unknown, command?: string): Settled {
    return { kind: 'error', error: this.#host.failures.errorOf(error, command) };
  }
}

const noBytes = new Uint8Array(0);

/** Statistics are printed at once: read later, they would tell of what the calls behind have done. */
function resultOf(value: Result, call: Call, { fullName }: CommandEntry): Settled {
  if (!(value instanceof StatisticsSelection)) return { kind: 'result', value, call, command: fullName };
  value.refresh();
  return { kind: 'text', bytes: value.table.printText(value.slots) };
}
