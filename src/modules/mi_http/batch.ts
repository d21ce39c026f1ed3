import { type LongWork, type Slice, workInTurns } from '../../base/slice.js';
import type { CallTracer } from '../../gateway/call-tracer.js';
import type { Exchange } from '../../http/exchange.js';
import { type Call, type EndOfCall, takeEnd } from '../../mi/calls/call.js';
import type { Face, Runner, Waited } from '../../mi/calls/run.js';
import type { CommandEntry } from '../../mi/commands/command-table.js';
import type { CallParameters } from '../../mi/commands/parameters.js';
import { codes, MiAnswer, type MiError, serverError } from '../../mi/errors.js';
import type { PrintedResult } from '../../mi/results/cursor.js';
import { discardResult, printResult, type Result } from '../../mi/results/result.js';
import { StatisticsSelection } from '../../mi/statistics.js';
import { ElementField, IdSlot, Outcome, Reply, type ReplyKind } from '../../native/layout.js';
import { type BatchReading, elementSize, type RequestScanner } from '../../native/scanner.js';
import type { CallReader } from './call-reader.js';

/** The common parts of the batches of one root. */
export interface BatchHost {
  readonly scanner: RequestScanner;
  readonly calls: CallReader;
  readonly runner: Runner;
  /** Commands by their numbers. */
  readonly entries: readonly CommandEntry[];
  /** Undefined: nothing is traced. */
  readonly tracer: CallTracer | undefined;
}

/** A listener to the progress of a batch. */
export interface BatchListener {
  /** True if settled replies have to wait for the client to read. */
  readonly isBlocked: boolean;
  /**
   * Prints a reply whose turn it is. Its bytes are written when {@link settled} or {@link begun} tells so at the latest.
   *
   * @param id where the id begins in the body of the batch, or its slot
   * @param idEnd where the id ends; 0 for one in a slot
   * @param idLength bytes of the id
   * @returns false, and nothing is printed, where that cannot be done at once
   */
  print(kind: ReplyKind, text: string, id: number, idEnd: number, idLength: number): boolean;
  /** Replies may be printed when their turn comes. */
  settled(): void;
  /** Every call has begun. */
  begun(): void;
  /** Calls cannot be begun any more; those that run go on until the batch is given up. */
  failed(error: unknown): void;
}

/** The outcome of one call: a value to be printed, the text of statistics as they were, an error. */
export type Settled =
  | SettledResult
  | { readonly kind: 'text'; readonly bytes: Uint8Array }
  | { readonly kind: 'error'; readonly error: MiError };

/** The value that a call gave. */
export interface SettledResult {
  readonly kind: 'result';
  readonly value: Result;
  /** The value, where it is printed already. */
  readonly printed: PrintedResult | undefined;
  readonly call: Call;
  readonly command: string;
  /** To be called when the reply is printed, or will not be. */
  readonly ended: EndOfCall | undefined;
}

/** A reply that is owed to an element of a batch. */
export interface BatchItem {
  readonly idSlot: number;
  /** Bytes of the id. */
  readonly idLength: number;
  settled: Settled | undefined;
}

/** Replies that may wait for a client that does not read, before no more calls begin. */
const runAhead = 64;

/** Elements that are scanned at once. */
const scannedAtOnce = 64;

/** Memory for what is found about elements, unless a batch uses it. */
let spareElements: Int32Array | undefined = new Int32Array(scannedAtOnce * elementSize);

const noBytes = new Uint8Array(0);

/** The place of no element; lower ones are those of notifications. */
const noPlace = -1;

/**
 * The calls of one batch. They begin in their order, in slices, and those that answer later run side by side. A reply
 * whose turn it is goes to the listener at once. What other calls gave waits as a value, which is smaller than its
 * text, until the replies before it are printed.
 */
export class Batch implements Face<Exchange>, LongWork {
  readonly #host: BatchHost;
  readonly #client: Exchange;
  #listener: BatchListener | undefined;
  /** Where the first calls run. */
  #firstSlice: Slice | undefined;
  /**
   * When the client got something last. No later than the exchange began to wait: a call answers before the exchange is
   * given up.
   */
  since = performance.now();
  /** Calls that are waited for, by their places. */
  readonly #running = new Map<number, Waited>();
  /** Place of the last notification: below those of the replies. */
  #lastNotification = noPlace;
  /** Replies that are owed, in the order of the requests; those before {@link #next} are taken. */
  readonly #items: (BatchItem | undefined)[] = [];
  #next = 0;
  #body: Uint8Array;
  #position: number;
  /** Elements that have not begun. */
  #left: number;
  #isBodyOwn = false;
  /** The place of the element whose call begins, and where its id is. */
  #beginning = noPlace;
  #idStart = 0;
  #idEnd = 0;
  /** Replies that are settled and not taken. */
  #waiting = 0;
  #isPaused = false;
  #isGivenUp = false;

  /**
   * @param body the body that {@link reading} has read whole; it is only lent until {@link run} returns
   * @param client the exchange, whose end {@link giveUp} tells
   * @param slice the first calls run in what is left of it
   */
  constructor(host: BatchHost, client: Exchange, body: Uint8Array, reading: BatchReading, slice: Slice) {
    this.#host = host;
    this.#client = client;
    this.#body = body;
    this.#position = reading.start;
    this.#left = reading.elements;
    this.#firstSlice = slice;
  }

  /** True once every call has begun. */
  get isBegun(): boolean {
    return this.#left === 0;
  }

  /** The memory that ids of replies are ranges of. */
  get body(): Uint8Array {
    return this.#body;
  }

  /** The next reply that is owed; undefined when its call has not begun, or there is none. */
  get first(): BatchItem | undefined {
    return this.#items[this.#next];
  }

  /** Takes {@link first} out, which is settled; from now on its id and its value are the caller's. */
  take(): void {
    this.#items[this.#next] = undefined;
    this.#next += 1;
    this.#waiting -= 1;
  }

  /** Begins calls, and goes on by itself on later turns unless the listener is blocked. */
  run(listener: BatchListener): void {
    this.#listener = listener;
    const slice = this.#firstSlice;
    this.#firstSlice = undefined;
    if (slice === undefined || !this.work(slice)) return;
    this.#queue(listener);
  }

  #queue(listener: BatchListener): void {
    try {
      this.#keepBody();
      workInTurns(this);
    } catch (error) {
      listener.failed(error);
    }
  }

  /** Begins calls as long as the slice lasts; returns whether there are more to begin. */
  work(slice: Slice): boolean {
    const listener = this.#listener;
    if (listener === undefined || this.#isGivenUp) return false;
    try {
      this.#beginSome(listener, slice);
      if (this.#isGivenUp) return false;
      if (this.#left === 0) {
        listener.begun();
        this.#body = noBytes;
        return false;
      }
      listener.settled();
      this.#keepBody();
      this.#isPaused = this.#isFarAhead(listener);
      return !this.#isPaused;
    } catch (error) {
      listener.failed(error);
      return false;
    }
  }

  /** Names the command whose reply is being printed, for the log. */
  set about(command: string | undefined) {
    this.#client.about = command;
  }

  /** A part of the replies is about to be sent: the wait for the next one begins now. */
  progressed(): void {
    this.since = performance.now();
  }

  /** Goes on when the listener is blocked no more. */
  resume(listener: BatchListener): void {
    if (!this.#isPaused || this.#isGivenUp) return;
    this.#isPaused = false;
    this.#queue(listener);
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
    for (const waited of this.#running.values()) waited.leave(reason);
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
      discardSettled(item.settled);
    }
  }

  /** Begins calls until the slice is over, or the listener has no room for more replies. */
  #beginSome(listener: BatchListener, slice: Slice): void {
    const elements = spareElements ?? new Int32Array(scannedAtOnce * elementSize);
    spareElements = undefined;
    try {
      const wasBlocked = listener.isBlocked;
      while (this.#left > 0) {
        const count = Math.min(this.#left, scannedAtOnce);
        const next = this.#host.scanner.scanElements(this.#body, this.#position, count, elements);
        for (let at = 0; at < count * elementSize; at += elementSize) {
          if (this.#waiting > 0 && (wasBlocked ? this.#isFarAhead(listener) : listener.isBlocked)) return;
          this.#left -= 1;
          const isLast = at === (count - 1) * elementSize;
          this.#position = isLast ? next : (elements[at + elementSize + ElementField.start] ?? next);
          this.#begin(elements, at);
          // A command may have made the client leave.
          if (this.#isGivenUp || (slice.isOverAfterStep() && this.#left > 0)) return;
        }
      }
    } finally {
      spareElements = elements;
    }
  }

  #begin(elements: Int32Array, at: number): void {
    const { scanner, calls, runner, entries, tracer } = this.#host;
    const outcome = elements[at + ElementField.outcome] ?? 0;
    this.#idStart = elements[at + ElementField.idStart] ?? 0;
    this.#idEnd = elements[at + ElementField.idEnd] ?? 0;
    const place = outcome === Outcome.notification ? --this.#lastNotification : this.#items.length;
    this.#beginning = place;
    if (outcome > Outcome.notification) {
      tracer?.unknown(this.#client, 'json');
      const reason = scanner.reasonOfElement(this.#body, elements[at + ElementField.start] ?? 0);
      this.error(this.#client, place, new MiAnswer(codes.invalidRequest, undefined, reason));
      return;
    }
    const count = elements[at + ElementField.paramsCount] ?? 0;
    const methodStart = elements[at + ElementField.methodStart] ?? 0;
    const methodEnd = elements[at + ElementField.methodEnd] ?? 0;
    let given: CallParameters;
    let entry: CommandEntry | undefined;
    try {
      const paramsEnd = elements[at + ElementField.paramsEnd] ?? 0;
      given =
        paramsEnd === 0 ? undefined : calls.given(this.#body, elements[at + ElementField.paramsStart] ?? 0, paramsEnd);
      entry = entries[elements[at + ElementField.command] ?? -1];
      entry ??= calls.find(this.#body, methodStart, methodEnd, this.#client);
    } catch (error) {
      tracer?.unknown(this.#client, 'json', calls.methodOf(this.#body, methodStart, methodEnd));
      this.error(this.#client, place, runner.failures.errorOf(error));
      return;
    }
    tracer?.called(this.#client, 'json', calls.methodOf(this.#body, methodStart, methodEnd), entry, given);
    runner.run(this, this.#client, place, entry, given, count);
    if (this.#beginning === place && place >= 0 && !this.#isGivenUp) this.#owe(place);
  }

  /** The reply to the call that has begun comes later, or has to wait. */
  #owe(place: number): BatchItem {
    this.#beginning = noPlace;
    const length = this.#idEnd - this.#idStart;
    let item: BatchItem = { idSlot: IdSlot.none, idLength: noId.length, settled: undefined };
    if (this.#idEnd > 0) {
      try {
        const idSlot = this.#host.scanner.holdId(this.#body, this.#idStart, this.#idEnd);
        item = { idSlot, idLength: length, settled: undefined };
      } catch {
        const error = serverError('too many replies wait for their clients; try again');
        const waited = this.#running.get(place);
        this.#running.delete(place);
        waited?.leave(error);
        item.settled = { kind: 'error', error };
        this.#waiting += 1;
      }
    }
    this.#items.push(item);
    return item;
  }

  /** For the runner. Statistics are printed at once: read later, they would tell of what the calls behind have done. */
  result(_client: Exchange, place: number, value: Result, { fullName }: CommandEntry, call: Call): undefined {
    if (value instanceof StatisticsSelection) {
      this.#settle(place, { kind: 'text', bytes: value.print() });
      return;
    }
    let printed: PrintedResult | undefined;
    if (this.#isNext(place)) {
      printed = printResult(value);
      if (typeof printed === 'string' && this.#print(Reply.result, printed)) return;
    }
    this.#settle(place, { kind: 'result', value, printed, call, command: fullName, ended: takeEnd(call) });
  }

  /** For the runner. */
  error(_client: Exchange, place: number, error: MiError): void {
    if (this.#isNext(place) && this.#print(Reply.error, this.#host.runner.failures.print(error))) return;
    this.#settle(place, { kind: 'error', error });
  }

  /** For the runner. */
  wait(_client: Exchange, place: number, waited: Waited): void {
    this.#running.set(place, waited);
  }

  /** True if a reply can be printed now: its call begins, and no reply before it is owed. */
  #isNext(place: number): boolean {
    return place === this.#beginning && place === this.#next && !this.#isGivenUp;
  }

  #print(kind: ReplyKind, text: string): boolean {
    const end = this.#idEnd;
    const id = end === 0 ? IdSlot.none : this.#idStart;
    const idLength = end === 0 ? noId.length : end - id;
    if (this.#listener?.print(kind, text, id, end, idLength) !== true) return false;
    this.#beginning = noPlace;
    return true;
  }

  #settle(place: number, settled: Settled): void {
    this.#running.delete(place);
    const item = place === this.#beginning && place >= 0 && !this.#isGivenUp ? this.#owe(place) : this.#items[place];
    if (item === undefined || item.settled !== undefined || this.#isGivenUp) {
      // A notification gets neither its result nor its error.
      if (settled.kind === 'result') discardSettled(settled);
      return;
    }
    item.settled = settled;
    this.#waiting += 1;
    this.#listener?.settled();
  }
}

function discardSettled({ value, ended }: SettledResult): void {
  ended?.();
  discardResult(value);
}

const noId = 'null';
