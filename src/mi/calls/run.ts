import { coded } from '../../base/codes.js';
import { abortReason } from '../../base/lazy-abort.js';
import type { CodedLog } from '../../base/log.js';
import { OwnContext } from '../../base/own-context.js';
import { type Placed, Roster } from '../../base/roster.js';
import { SharedCount } from '../../base/shared-count.js';
import { detailOf, reasonOf } from '../../base/text.js';
import type { Command, Result } from '../commands/command.js';
import type { CommandEntry } from '../commands/command-table.js';
import { type CallParameters, selectParameters } from '../commands/parameters.js';
import { codes, errorMember, MiAnswer, MiError, NothingError, RefusedCall, serverError } from '../errors.js';
import type { CommandCounts, ManagementInterface } from '../management-interface.js';
import { printJson } from '../results/json.js';
import { isLong, printAtOnce, printInTurns } from '../results/long-printer.js';
import { discardResult } from '../results/result.js';
import type { Around } from './around.js';
import type { AuditedCall } from './audit.js';
import { Call, type CallSource, type Client, setEnd, takeEnd, traceFields, traceOf } from './call.js';
import { type CallMessage, isWatched, tellEnd, tellStart } from './channels.js';
import { Eventual, heardBy, listenTo, type Settling } from './eventual.js';
import type { Guard } from './guard.js';

/** A call that is waited for. */
export interface Waited {
  /** Ends the wait, since the client leaves, and aborts the call. Returns whether the call was still waited for. */
  leave(reason?: Error): boolean;
}

/** An answer that begins later. Exactly one of its functions is called. */
export interface LaterAnswer<T> {
  /** The place by which the call is answered from now on; left out, as before. */
  readonly place?: number;
  readonly first: PromiseLike<T>;
  /** Answers, given what {@link first} gave. A failure of it is answered as one of the command. */
  send(first: T): void;
  /** Frees what the answer holds, but not what the face answers an error with. */
  giveUp(): void;
}

/**
 * One way to answer calls: JSON-RPC, a batch, a page, mi_json. The runner calls `result` or `error`, once, unless the
 * client leaves first.
 *
 * `place` is a number that the face chooses for each call, so that the answer to a small call needs no object of its own.
 */
export interface Face<C extends Client | undefined> {
  /** When the time of the calls that begin now began, by `performance.now()`; left out, when the wait for a call begins. */
  readonly since?: number;
  /**
   * Answers with a result, at once or later.
   *
   * @throws anything, which is answered as a failure of the command
   */
  result(client: C, place: number, value: Result, entry: CommandEntry, call: Call): LaterAnswer<unknown> | undefined;
  /** Answers with an error; a {@link RefusedCall} is one that the status tells of, too. */
  error(client: C, place: number, error: MiError, entry: CommandEntry): void;
  /** The place by which a call is answered on a later turn. */
  keep?(client: C, place: number): number;
  /** The call is waited for; it is to be left when the client leaves. */
  wait(client: C, place: number, waited: Waited, entry: CommandEntry): void;
}

/** Limits of the calls of one root. */
interface RunnerOptions {
  /** Calls of asynchronous commands of this server that may run at once, in all threads. */
  readonly maxPending: number;
  /** Those that run, in all threads; left out, there is one. */
  readonly pending?: SharedCount;
  /** Deadline of one call, seconds. */
  readonly timeout: number;
}

/**
 * So many calls of a command are timed. From then on each one that follows a long one is, and else one of
 * {@link timedShare}, which counts for all of these.
 */
const timedCalls = 1024;
/** To look at the clock twice costs a small command a tenth of its time. */
const timedShare = 16;

/** Milliseconds beyond which a call took long: to look at the clock costs next to nothing of it. */
const longCall = 0.02;

/** So many calls of which none is timed come before one that is, and counts for them, too. */
const mostSkipped = timedShare - 1;

/** What a handler gives that answers later. */
type LaterResult = Promise<Result> | Eventual<Result>;

/** `#execute` turns every other thenable into a native promise. */
function isLater(result: Result | LaterResult): result is LaterResult {
  return result instanceof Eventual || result instanceof Promise;
}

/**
 * Runs the calls of one root, whatever face they come by: refuses those that may not begin, checks permissions and
 * limits, chooses the recipe, runs the handler, counts, audits, keeps the deadline, and maps what went wrong to the error
 * that the client is told.
 *
 * A pending call counts until its handler settles, also when its client has left or its deadline has passed: a running
 * handler holds memory, waited for or not.
 */
export class Runner {
  readonly failures: Failures;
  readonly #mi: ManagementInterface;
  readonly #maxPending: number;
  /** Seconds after which a call is given up; 0: nothing is waited for. */
  readonly timeout: number;
  /** Handlers run in it, each call apart. */
  readonly #context = new OwnContext();
  /** Commands that are known to answer later: refused before they run when too many are pending. */
  readonly #later = new Set<CommandEntry>();
  readonly #deadlines = new Deadlines();
  /** Calls of commands of this server that are waited for. Another server limits the calls of its commands: one that hangs keeps no others waiting. */
  readonly #pending: SharedCount;
  /** True while the call that begins is counted among {@link #pending} already. */
  #isReserved = false;

  constructor(mi: ManagementInterface, { maxPending, pending = new SharedCount(), timeout }: RunnerOptions) {
    this.failures = new Failures(mi.log);
    this.#mi = mi;
    this.#maxPending = maxPending;
    this.#pending = pending;
    this.timeout = timeout;
  }

  /** Gives up every call that is waited for: the server stops. */
  stop(): void {
    for (const waiting of this.#deadlines.all()) waiting.refuse(503, 'the server stops');
  }

  /**
   * Runs one call.
   *
   * @param count how many parameters the client wrote; more than `given` holds where it repeated a name
   * @returns true if the call is answered, and nothing keeps its client
   */
  run<C extends Client | undefined>(
    face: Face<C>,
    client: C,
    place: number,
    entry: CommandEntry,
    given: CallParameters,
    count: number,
  ): boolean {
    if (entry.route !== undefined) return this.#runRouted(face, client, place, entry, given, count);
    const { stopReason } = this.#mi;
    if (stopReason === undefined && (this.#later.size === 0 || !this.#later.has(entry)))
      return this.#begin(face, client, place, entry, given, count);
    if (stopReason !== undefined || !this.#pending.take(this.#maxPending)) {
      const reason = stopReason ?? `${this.#maxPending} calls are pending, which is the limit max_pending; try again`;
      face.error(client, place, new RefusedCall(503, reason, 1), entry);
      return false;
    }
    const wasReserved = this.#isReserved;
    this.#isReserved = true;
    try {
      return this.#begin(face, client, place, entry, given, count);
    } finally {
      // It was answered at once, this time.
      if (this.#isReserved) this.#pending.remove();
      this.#isReserved = wasReserved;
    }
  }

  #begin<C extends Client | undefined>(
    face: Face<C>,
    client: C,
    place: number,
    entry: CommandEntry,
    given: CallParameters,
    count: number,
  ): boolean {
    const { guard } = this.#mi;
    const doesWithout =
      entry.command.withoutCall && guard === undefined && this.#mi.around === undefined && !isWatched();
    const call = doesWithout ? Call.none : new Call(entry.fullName, client, this.#mi.log);
    let result: Result | LaterResult;
    let later: LaterAnswer<unknown> | undefined;
    try {
      result =
        guard === undefined
          ? this.#execute(entry, given, count, call)
          : this.#executeGuarded(guard, client, entry, given, count, call);
      if (!isLater(result)) {
        later = face.result(client, place, result, entry, call);
        if (later === undefined) {
          takeEnd(call)?.();
          return call === Call.none;
        }
      }
    } catch (error) {
      takeEnd(call)?.(true, error);
      this.#failed(face, client, place, entry, call, error, false);
      return false;
    }
    const kept = call === Call.none ? new Call(entry.fullName, client, this.#mi.log) : call;
    if (later !== undefined) this.#waitForAnswer(face, client, place, entry, kept, later);
    else this.#waitForHandler(face, client, place, entry, kept, result as LaterResult);
    return false;
  }

  /**
   * Tells the client the error of a call: at once, or once all of it is printed, where that takes long.
   *
   * @param isKept whether the place is that of a reply that comes later
   */
  #failed<C extends Client | undefined>(
    face: Face<C>,
    client: C,
    place: number,
    entry: CommandEntry,
    call: Call,
    error: unknown,
    isKept: boolean,
  ): void {
    const told = this.failures.errorOf(error, entry.fullName, client);
    const printed = this.failures.printLong(told, entry.fullName);
    if (printed === undefined) {
      face.error(client, place, told, entry);
      return;
    }
    let kept = place;
    try {
      if (!isKept) kept = face.keep?.(client, place) ?? place;
    } catch (cause) {
      face.error(client, place, this.failures.errorOf(cause, entry.fullName), entry);
      return;
    }
    this.#wait(face, client, kept, entry, call === Call.none ? new Call(entry.fullName, client, this.#mi.log) : call, {
      first: printed,
      send: (error) => face.error(client, kept, error, entry),
      giveUp: () => {},
    });
  }

  /** Runs what the parameters mean, which may be a command of another server. */
  #runRouted<C extends Client | undefined>(
    face: Face<C>,
    client: C,
    place: number,
    entry: CommandEntry,
    given: CallParameters,
    count: number,
  ): boolean {
    let routed: ReturnType<NonNullable<CommandEntry['route']>> | undefined;
    try {
      routed = entry.route?.(given, count);
    } catch (error) {
      face.error(client, place, this.failures.errorOf(error, entry.fullName), entry);
    }
    return routed !== undefined && this.run(face, client, place, routed.entry, routed.given, routed.count);
  }

  /** Suspends this client alone until the handler settles, its deadline passes or the client leaves. */
  #waitForHandler<C extends Client | undefined>(
    face: Face<C>,
    client: C,
    place: number,
    entry: CommandEntry,
    call: Call,
    first: LaterResult,
  ): void {
    let kept: number;
    try {
      kept = face.keep?.(client, place) ?? place;
    } catch (error) {
      call.abort(abortReason(coded('ERR_ABORTED', new Error('its request cannot be answered later'))));
      discardLater(call, first);
      face.error(client, place, this.failures.errorOf(error, entry.fullName), entry);
      return;
    }
    if (!entry.command.isForeign) this.#later.add(entry);
    const sent = (value: Result): void => {
      const later = face.result(client, kept, value, entry, call);
      if (later === undefined) takeEnd(call)?.();
      else this.#waitForAnswer(face, client, kept, entry, call, later);
    };
    this.#wait(face, client, kept, entry, call, { first, send: sent, giveUp: () => discardLater(call, first) });
  }

  /** The call is over when the answer begins, unless the face says when. */
  #waitForAnswer<C extends Client | undefined, T>(
    face: Face<C>,
    client: C,
    place: number,
    entry: CommandEntry,
    call: Call,
    later: LaterAnswer<T>,
  ): void {
    this.#wait(face, client, place, entry, call, {
      ...later,
      send: (first: T) => {
        later.send(first);
        takeEnd(call)?.();
      },
      giveUp: () => {
        takeEnd(call)?.();
        later.giveUp();
      },
    });
  }

  /** Waits for the beginning of an answer, up to the deadline of the call, whatever the call was waited for before. */
  #wait<C extends Client | undefined, T>(
    face: Face<C>,
    client: C,
    place: number,
    entry: CommandEntry,
    call: Call,
    answer: LaterAnswer<T>,
  ): void {
    const now = performance.now();
    call.waitedSince ??= face.since ?? now;
    const expires = call.waitedSince + this.timeout * 1000;
    const at = answer.place ?? place;
    const isCounted = !entry.command.isForeign;
    const waiting = new Waiting(this, face, client, at, entry, call, answer, expires);
    try {
      this.#deadlines.add(waiting, now);
    } catch (error) {
      // Without a deadline nothing is waited for. The face is told later: it does not wait for the call yet.
      waiting.leave(abortReason(coded('ERR_ABORTED', new Error(reasonOf(error)))));
      queueMicrotask(() => waiting.fail(error));
      return;
    }
    if (isCounted && !this.#isReserved) this.#pending.add();
    if (isCounted) this.#isReserved = false;
    listenTo(answer.first, waiting);
    face.wait(client, at, waiting, entry);
  }

  /** For {@link Waiting}: what it waited for has come, or will not. */
  over(waiting: AnyWaiting): void {
    this.#deadlines.delete(waiting);
    if (!waiting.entry.command.isForeign) this.#pending.remove();
  }

  /** For {@link Waiting}: tells the client the error of a call that was waited for. */
  failedLater<C extends Client | undefined>(
    face: Face<C>,
    client: C,
    place: number,
    entry: CommandEntry,
    call: Call,
    error: unknown,
  ): void {
    try {
      this.#failed(face, client, place, entry, call, error, true);
    } catch (cause) {
      this.failures.ofReply(cause);
    }
  }

  #executeGuarded(
    guard: Guard,
    client: Client | undefined,
    entry: CommandEntry,
    given: CallParameters,
    count: number,
    call: Call,
  ): Result | LaterResult {
    const mi = this.#mi;
    const excess = guard.excess(client);
    if (excess !== undefined) {
      // Not audited: a log that everybody can fill tells nothing.
      mi.rateLimited.add(1);
      throw excess;
    }
    const denial = guard.denial(entry, client);
    if (denial !== undefined) {
      mi.denied.add(1);
      mi.audit?.denied(entry, given, call, denial.code);
      throw denial;
    }
    const audited = mi.audit?.begin(entry, given, call);
    if (audited === undefined) return this.#execute(entry, given, count, call);
    let result: Result | LaterResult;
    try {
      result = this.#execute(entry, given, count, call);
    } catch (error) {
      audited.end(outcomeOf(error));
      throw error;
    }
    if (isLater(result)) return endAudited(audited, call, result);
    audited.end('ok');
    return result;
  }

  /**
   * @throws MiError for wrong parameters; whatever the handler throws. A promise that the handler returned is handed on,
   *   and its time is counted when it settles.
   */
  #execute(entry: CommandEntry, given: CallParameters, count: number, call: Call): Result | LaterResult {
    const mi = this.#mi;
    const counts = mi.counts[entry.number] ?? mi.countsOf(entry);
    const weight = weightOf(counts);
    const started = weight > 0 ? performance.now() : 0;
    mi.calls.add(1);
    let result: Result | LaterResult;
    let isAwaited: boolean;
    let message: CallMessage | undefined;
    try {
      const { command } = entry;
      const parameters = selectParameters(command, given, count);
      if (call !== Call.none && isWatched()) {
        message = { call, module: entry.module, error: undefined };
        result = this.#runWatched(message, mi.around, command, parameters);
      } else if (mi.around !== undefined) result = this.#runAround(mi.around, command, parameters, call);
      else if (command.withoutContext) result = command.run(parameters, call);
      else result = this.#context.run(command.run, parameters, call);
      if (result instanceof Eventual && result.isSettled) result = result.outcome();
      // Asking may fail too: a proxy, or a getter. A promise of another realm or library counts too.
      isAwaited =
        typeof result === 'object' && result !== null && 'then' in result && typeof result.then === 'function';
    } catch (error) {
      this.#finished(counts, weight, started, true, message, error);
      mi.errors.add(1);
      throw error;
    }
    if (isAwaited) return this.#settle(entry, counts, call, weight, started, result as PromiseLike<Result>, message);
    // Of another value the time to print it is none to speak of.
    if (call === Call.none || typeof result !== 'object') this.#finished(counts, weight, started, false, message);
    else this.#endLater(counts, call, weight, started, message);
    if (result === undefined) tellNothing(mi, entry);
    return result;
  }

  /** A result may be sent for long. Not within {@link #execute}: its closure would be allocated for every call. */
  #endLater(
    counts: CommandCounts,
    call: Call,
    weight: number,
    started: number,
    message: CallMessage | undefined,
  ): void {
    setEnd(call, (hasFailed = false, error = undefined) =>
      this.#finished(counts, weight, started, hasFailed, message, error),
    );
  }

  /** As {@link #settle}, not within {@link #execute}. What is told and what runs share an asynchronous context. */
  #runWatched(
    message: CallMessage,
    around: Around | undefined,
    command: Command,
    parameters: Parameters<Command['run']>[0],
  ): Result | LaterResult {
    const { call } = message;
    const run = () => promised(command.run(parameters, call));
    return this.#context.run(tellStart<Result | Promise<Result>>, message, () =>
      around === undefined ? run() : around(call, run),
    );
  }

  /** As {@link #settle}, not within {@link #execute}. */
  #runAround(
    around: Around,
    command: Command,
    parameters: Parameters<Command['run']>[0],
    call: Call,
  ): Result | LaterResult {
    return this.#context.run(around, call, () => promised(command.run(parameters, call)));
  }

  /** Not within {@link #execute}: its closures would be allocated for every call. */
  #settle(
    entry: CommandEntry,
    counts: CommandCounts,
    call: Call,
    weight: number,
    started: number,
    result: PromiseLike<Result>,
    message: CallMessage | undefined,
  ): LaterResult {
    const mi = this.#mi;
    mi.pending.add(1);
    counts.isLater = true;
    // Of a call without an object of its own the end of its handler is its end.
    const own = call === Call.none ? new Call(entry.fullName) : call;
    this.#endLater(counts, own, weight, started, message);
    const later = result instanceof Eventual ? result : Promise.resolve(result);
    return heardBy<Result>(later, new Handling(mi, entry, own, own !== call));
  }

  /** A client may drop the 504; the operator has to know which command hangs. */
  tellTimeout({ fullName }: CommandEntry): void {
    if (!this.#mi.lineRate.isDue(`timeout ${fullName}`)) return;
    const seconds = this.timeout;
    const remedy = 'find out what it waits for, or raise mi_timeout';
    this.#mi.log.warn(
      { code: 'command-timeout', command: fullName, seconds },
      `MI command ${fullName} gave no result within ${seconds} s, the limit mi_timeout, and is given up: ${remedy}`,
    );
  }

  #finished(
    counts: CommandCounts,
    weight: number,
    started: number,
    hasFailed: boolean,
    message: CallMessage | undefined,
    error?: unknown,
  ): void {
    if (message !== undefined) {
      message.error = error;
      tellEnd(message, hasFailed);
    }
    const { calls, time, slot } = counts;
    const { latencies } = this.#mi;
    calls?.add(1);
    if (hasFailed && slot !== -1) latencies.fail(slot);
    if (weight === 0) return;
    const milliseconds = performance.now() - started;
    counts.isSlow = milliseconds > longCall;
    const microseconds = milliseconds * 1000;
    time?.add(Math.round(microseconds * weight));
    if (slot !== -1) latencies.count(slot, microseconds, weight);
  }
}

/** What functions of others are given of a result. */
function promised(result: Result | LaterResult): Result | Promise<Result> {
  return result instanceof Eventual ? result.then() : result;
}

/** The client gets OpenSIPS' error for it; the author of the command has to know, too. */
function tellNothing(mi: ManagementInterface, { fullName }: CommandEntry): void {
  const remedy = "return a value; a plain success is 'OK'";
  mi.log.warn(
    { code: 'command-returned-nothing', command: fullName },
    `MI command ${fullName} returned nothing, which is answered as an error: ${remedy}`,
  );
}

/** A handler that has not settled. */
class Handling implements Settling<Result> {
  readonly #mi: ManagementInterface;
  readonly #entry: CommandEntry;
  readonly #call: Call;
  readonly #endsHere: boolean;

  /** @param endsHere whether its end is that of the call */
  constructor(mi: ManagementInterface, entry: CommandEntry, call: Call, endsHere: boolean) {
    this.#mi = mi;
    this.#entry = entry;
    this.#call = call;
    this.#endsHere = endsHere;
  }

  fulfilled(value: Result): void {
    this.#mi.pending.add(-1);
    if (this.#endsHere) takeEnd(this.#call)?.();
    if (value === undefined) tellNothing(this.#mi, this.#entry);
  }

  rejected(error: unknown): void {
    this.#mi.pending.add(-1);
    this.#mi.errors.add(1);
    takeEnd(this.#call)?.(true, error);
  }
}

/** Waits for the beginning of an answer. An object and no closures, which cost more than all else of a small call. */
class Waiting<C extends Client | undefined, T> implements Placed, Waited, Settling<T> {
  place = -1;
  readonly #runner: Runner;
  readonly #face: Face<C>;
  readonly #client: C;
  readonly #at: number;
  readonly #call: Call;
  readonly #answer: LaterAnswer<T>;
  #isWaiting = true;

  /** @param expires time by `performance.now()` from which on it is waited for no longer */
  constructor(
    runner: Runner,
    face: Face<C>,
    client: C,
    at: number,
    readonly entry: CommandEntry,
    call: Call,
    answer: LaterAnswer<T>,
    readonly expires: number,
  ) {
    this.#runner = runner;
    this.#face = face;
    this.#client = client;
    this.#at = at;
    this.#call = call;
    this.#answer = answer;
  }

  fulfilled(value: T): void {
    this.#runner.over(this);
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    try {
      this.#answer.send(value);
    } catch (error) {
      this.fail(error);
    }
  }

  rejected(error: unknown): void {
    this.#runner.over(this);
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    this.#answer.giveUp();
    this.fail(error);
  }

  leave(reason: Error = abortReason(coded('ERR_GONE', new Error('the client left')))): boolean {
    const wasWaiting = this.#isWaiting;
    this.#isWaiting = false;
    this.#call.abort(reason);
    if (wasWaiting) this.#answer.giveUp();
    return wasWaiting;
  }

  /** Gives it up, which the client is told with this status. */
  refuse(status: 503 | 504, reason: string): void {
    const error = status === 504 ? coded('ERR_TIMEOUT', new Error(reason)) : coded('ERR_ABORTED', new Error(reason));
    if (this.#isWaiting) takeEnd(this.#call)?.(true, error);
    if (this.leave(abortReason(error))) this.fail(new RefusedCall(status, reason));
  }

  /** Its time is over. */
  expire(): void {
    if (!this.#isWaiting) return;
    this.#runner.tellTimeout(this.entry);
    this.refuse(504, `${this.entry.fullName} gave no result within ${this.#runner.timeout} s, the limit mi_timeout`);
  }

  fail(error: unknown): void {
    takeEnd(this.#call)?.(true, error);
    this.#runner.failedLater(this.#face, this.#client, this.#at, this.entry, this.#call, error);
  }
}

/** One, whatever it waits for. */
type AnyWaiting = Pick<Waiting<Client | undefined, unknown>, 'place' | 'entry' | 'expires' | 'expire' | 'refuse'>;

/** Milliseconds by which a timer may be early: it counts whole ones. */
const timerGrain = 1;

/** All that a runner waits for, with one timer: that of the deadline which was the next one when it was set. */
class Deadlines {
  readonly #waiting = new Roster<AnyWaiting>();
  #timer: NodeJS.Timeout | undefined;
  /** When it is due. */
  #due = Number.POSITIVE_INFINITY;

  /** Those that are waited for now. */
  all(): readonly AnyWaiting[] {
    return [...this.#waiting.items];
  }

  add(waiting: AnyWaiting, now: number): void {
    if (waiting.expires < this.#due) this.#set(waiting.expires, now);
    // The timer keeps the process running while something is waited for, and not otherwise.
    else if (this.#waiting.size === 0) this.#timer?.ref();
    this.#waiting.add(waiting);
  }

  delete(waiting: AnyWaiting): void {
    if (this.#waiting.delete(waiting) && this.#waiting.size === 0) this.#timer?.unref();
  }

  #set(due: number, now: number): void {
    clearTimeout(this.#timer);
    this.#due = Number.POSITIVE_INFINITY;
    this.#timer = setTimeout(() => this.#expire(), Math.floor(due - now));
    this.#due = due;
  }

  #expire(): void {
    this.#timer = undefined;
    this.#due = Number.POSITIVE_INFINITY;
    const now = performance.now();
    let next = Number.POSITIVE_INFINITY;
    for (const waiting of this.all()) {
      if (waiting.expires <= now + timerGrain) waiting.expire();
      else next = Math.min(next, waiting.expires);
    }
    if (next < this.#due) this.#set(next, now);
  }
}

function discardLater(call: Call, later: LaterResult): void {
  const fulfilled = (value: Result): void => {
    takeEnd(call)?.();
    discardResult(value);
  };
  listenTo(later, { fulfilled, rejected: () => {} });
}

/** The calls that the time of the next one of a command counts for; 0: it is not timed. */
function weightOf(counts: CommandCounts): number {
  const { skipped, calls } = counts;
  const isTimed = skipped >= mostSkipped || counts.isSlow || counts.isLater || (calls?.own ?? 0) < timedCalls;
  counts.skipped = isTimed ? 0 : skipped + 1;
  return isTimed ? skipped + 1 : 0;
}

/** The outcome that an error of a handler is. */
function outcomeOf(error: unknown): number {
  return error instanceof MiError ? error.code : codes.serverError;
}

/** Writes the audit line when the call settles, or, since it may never settle, when it is given up. */
function endAudited(audited: AuditedCall, call: Call, result: LaterResult): LaterResult {
  call.onAbort = () => audited.end('given_up');
  const settled = (outcome: 'ok' | number): void => {
    if (call.onAbort === undefined) return;
    call.onAbort = undefined;
    audited.end(outcome);
  };
  return heardBy(result, {
    fulfilled: () => settled('ok'),
    rejected: (error) => settled(outcomeOf(error)),
  });
}

/** Errors are printed in it: a store that a `toJSON` in one enters is not seen by other calls. */
const context = new OwnContext();

/** Maps the failures of calls to the errors that clients are told, and logs the rest. */
export class Failures {
  readonly #log: CodedLog;

  constructor(log: CodedLog) {
    this.#log = log;
  }

  /** An MiError as it is. Anything else is logged with its stack, and the client is told no detail of it. */
  errorOf(error: unknown, command = 'request', client?: CallSource): MiError {
    if (!isMiError(error)) {
      const fields = { err: error, command, ...traceFields(traceOf(client)) };
      this.#log.error({ code: 'command-failed', ...fields }, `MI command ${command} failed`);
      return serverError(`${command} failed; the log of the server tells why`);
    }
    if (error instanceof NothingError) {
      this.#log.warn(
        { code: 'command-returned-nothing', command },
        `MI command ${command} returned ${error.what}, which is answered as an error: return a value`,
      );
    }
    return error;
  }

  /** Logs that a result failed behind its beginning, which the client has. */
  ofRest(error: unknown, command: string): void {
    this.#log.error(
      { code: 'command-result-cut', err: error, command },
      `MI command ${command} failed behind the beginning of its result${detailOf(error)}`,
    );
  }

  /** Logs that an error reply failed. */
  ofReply(error: unknown): void {
    this.#log.error({ code: 'error-reply-failed', err: error }, 'an error reply failed');
  }

  /** An error whose `data` takes long to print, once that is done; undefined for all others. */
  printLong(error: MiError, command: string): Promise<MiError> | undefined {
    try {
      if (!isLong(error.data)) return undefined;
    } catch {
      // Of a proxy: printing tells.
      return undefined;
    }
    return printInTurns(errorMember(error)).then(
      (text) => new PrintedError(error, text),
      (cause: unknown) => this.#notPrintable(cause, command),
    );
  }

  /** The error member of a reply. Commands in JavaScript put all sorts of things into an error. */
  print(error: MiError, command = 'request'): string {
    if (error instanceof PrintedError) return error.text;
    try {
      const member = errorMember(error);
      const text = typeof member.data === 'object' ? context.run(printAtOnce, member, undefined) : printJson(member);
      if (text !== undefined) return text;
      return JSON.stringify(this.#notPrintable(undefined, command));
    } catch (cause) {
      return JSON.stringify(this.#notPrintable(cause, command));
    }
  }

  #notPrintable(cause: unknown, command: string): MiError {
    this.#log.error(
      { code: 'error-not-printable', err: cause, command },
      `the error of MI command ${command} cannot be printed`,
    );
    return serverError('the error of the command cannot be printed as JSON');
  }
}

/** An error that is printed already. */
class PrintedError extends MiAnswer {
  constructor(
    { code, message, data }: MiError,
    readonly text: string,
  ) {
    super(code, message, data);
  }
}

/** Asking may fail too: of a proxy. */
function isMiError(error: unknown): error is MiError {
  try {
    return error instanceof MiError;
  } catch {
    return false;
  }
}
