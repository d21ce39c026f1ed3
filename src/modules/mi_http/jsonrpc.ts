import type { Log } from '../../base/log.js';
import { stringify } from '../../base/text.js';
import { Failures } from '../../gateway/failures.js';
import type { PendingCalls } from '../../gateway/pending.js';
import { refusalError } from '../../gateway/refusal.js';
import type { Exchange, ReplyHeaders } from '../../http/exchange.js';
import { Call } from '../../mi/calls/call.js';
import type { ManagementInterface } from '../../mi/calls/interface.js';
import type { Result } from '../../mi/commands/command.js';
import type { CommandEntry } from '../../mi/commands/command-table.js';
import type { CallParameters } from '../../mi/commands/parameters.js';
import { codes, explained, MiError, RateLimitError } from '../../mi/errors.js';
import { ConstantResult } from '../../mi/results/constant-result.js';
import type { Piecewise } from '../../mi/results/piecewise.js';
import { discardParts, printResult } from '../../mi/results/print-parts.js';
import { StatisticsSelection } from '../../mi/statistics.js';
import { Outcome, ParamsKind, Reply, RequestScanner } from '../../native/native.js';
import { Batches, type BatchesOptions } from './batch-reply.js';
import { CallReader } from './call-reader.js';
import { type AwaitedReply, Replies, type RepliesOptions } from './replies.js';

/** What JSON-RPC is set to. */
export interface JsonRpcOptions extends RepliesOptions, BatchesOptions {
  /** Values and names of members that one request may have; those of a batch each by itself. */
  readonly maxValues: number;
}

/** In place of an id slot: a notification, which gets no reply. */
const noReply = -2;

/**
 * JSON-RPC 2.0 over HTTP: one request in, one reply out; batches go to {@link Batches}.
 *
 * The hot path of a small command makes one native call, which scans the body where it lies; frame and id are put
 * around the result in the window. The id never becomes a JavaScript value: its bytes are copied into the reply, or
 * wait in a slot of the scanner for one that comes later.
 */
export class JsonRpc {
  readonly #mi: ManagementInterface;
  readonly #scanner: RequestScanner;
  readonly #calls: CallReader;
  readonly #replies: Replies;
  readonly #failures: Failures;
  readonly #pending: PendingCalls;
  readonly #batches: Batches;

  constructor(mi: ManagementInterface, log: Log, pending: PendingCalls, options: JsonRpcOptions) {
    const scanner = new RequestScanner(mi.commands.methods(), options.maxValues);
    this.#mi = mi;
    this.#scanner = scanner;
    this.#calls = new CallReader(mi, scanner);
    this.#replies = new Replies(scanner, options);
    this.#failures = new Failures(log);
    this.#pending = pending;
    const host = { mi, scanner, calls: this.#calls, failures: this.#failures, pending };
    this.#batches = new Batches(host, options);
  }

  /** Request ids held for replies to come; 0 when nothing is pending. */
  get idsHeld(): number {
    return this.#scanner.idsHeld;
  }

  /** Replies that are being streamed through the window. */
  get windowsInUse(): number {
    return this.#replies.streaming + this.#batches.streaming;
  }

  /** Answers one exchange; its body is only read before this returns. */
  handle(exchange: Exchange): void {
    const body = exchange.lentBody;
    if (body.byteLength === 0) {
      exchange.refuse(400, 'the request has no body; POST a JSON-RPC 2.0 object');
      return;
    }
    const scanner = this.#scanner;
    const outcome = scanner.scan(body);
    if (outcome > Outcome.notification) {
      if (outcome === Outcome.batch) this.#handleBatch(exchange);
      else this.#refuse(exchange, outcome);
      return;
    }
    const idSlot = outcome === Outcome.call ? scanner.idSlot : noReply;
    let entry: CommandEntry;
    let given: CallParameters;
    const count = scanner.paramsCount;
    try {
      // Most calls need neither of the methods, which is why they are not asked first.
      given = scanner.paramsKind === ParamsKind.none ? undefined : this.#calls.given(body);
      entry = this.#mi.commands.entries[scanner.command] ?? this.#calls.find(body, exchange);
    } catch (error) {
      this.#answerFailure(exchange, idSlot, undefined, error);
      return;
    }
    this.#run(exchange, idSlot, entry, given, count);
  }

  #handleBatch(exchange: Exchange): void {
    const { body } = exchange;
    const outcome = this.#scanner.scanBatch(body, this.#batches.limit);
    if (outcome === Outcome.batch) this.#batches.run(exchange, body);
    else this.#refuse(exchange, outcome, -1);
  }

  /** Answers what is no request, or no batch as a whole. */
  #refuse(exchange: Exchange, outcome: number, idSlot = this.#scanner.idSlot): void {
    const code = outcome === Outcome.parseError ? codes.parseError : codes.invalidRequest;
    this.#answerError(exchange, idSlot, new MiError(code, undefined, this.#scanner.reason()));
  }

  #run(exchange: Exchange, idSlot: number, entry: CommandEntry, given: CallParameters, count: number): void {
    const refusal = this.#mi.stopReason ?? this.#pending.refusal(entry);
    if (refusal !== undefined) {
      this.#answerUnavailable(exchange, idSlot, 503, refusal, { 'Retry-After': '1' });
      return;
    }
    const call = this.#mi.callOf(entry, exchange);
    let result: Result | Promise<Result>;
    try {
      result = this.#mi.run(entry, given, count, call);
    } catch (error) {
      this.#answerFailure(exchange, idSlot, entry, error);
      return;
    }
    // Not by its `then`, which was asked for already: what answers later comes as a promise of this realm.
    if (result instanceof Promise) {
      this.#await(exchange, idSlot, entry, call.lasting(entry.fullName, exchange), result);
      return;
    }
    this.#answer(exchange, idSlot, entry, call, result);
    // With a call of its own the command may have kept it, and with it its client.
    if (call === Call.none) exchange.release();
  }

  /** Suspends this connection alone until the handler settles, its deadline passes or the client leaves. */
  #await(exchange: Exchange, shortSlot: number, entry: CommandEntry, call: Call, result: PromiseLike<Result>): void {
    let idSlot: number;
    try {
      idSlot = this.#scanner.hold(shortSlot);
    } catch (error) {
      // The call runs, and nobody will get what it gives.
      call.abort(new Error('its request cannot be answered later'));
      result.then(discardParts, () => {});
      this.#answerFailure(exchange, shortSlot, entry, error);
      return;
    }
    exchange.about = entry.fullName;
    this.#pending.later.add(entry);
    const leave = this.#pending.follow(call, result, {
      result: (value) => this.#answer(exchange, idSlot, entry, call, value),
      failure: (error) => this.#answerFailure(exchange, idSlot, entry, error),
      late: (value) => discardParts(value),
      givenUp: (status, reason) => this.#answerUnavailable(exchange, idSlot, status, reason),
    });
    if (idSlot === noReply) {
      // Nobody waits for the result of a notification (JSON-RPC 2.0 §4.1): accepted as soon as it runs.
      exchange.reply(202);
    } else {
      exchange.onGone = () => {
        if (leave()) this.#release(idSlot);
      };
    }
  }

  #answer(exchange: Exchange, idSlot: number, entry: CommandEntry, call: Call, result: Result): void {
    if (idSlot === noReply) {
      exchange.reply(202);
      discardParts(result);
      return;
    }
    try {
      if (result instanceof ConstantResult) {
        this.#replies.constant(exchange, result, idSlot);
        return;
      }
      if (result instanceof StatisticsSelection) {
        this.#replies.statistics(exchange, result, idSlot);
        return;
      }
      const printed = printResult(result);
      if (typeof printed === 'string') {
        this.#replies.text(exchange, 200, Reply.result, printed, idSlot);
      } else {
        this.#answerParts(exchange, idSlot, entry, call.lasting(entry.fullName, exchange), printed);
      }
    } catch (error) {
      this.#answerFailure(exchange, idSlot, entry, error);
    }
  }

  #answerParts(
    exchange: Exchange,
    shortSlot: number,
    entry: CommandEntry,
    call: Call,
    parts: readonly (string | Piecewise)[],
  ): void {
    const idSlot = this.#scanner.hold(shortSlot);
    exchange.about = entry.fullName;
    try {
      // What is printed later is printed for this client alone.
      exchange.onGone = () => call.abort(new Error('the client left'));
      const givenUp = (): void => call.abort(new Error('the reply was given up'));
      const awaited = this.#replies.parts(exchange, parts, idSlot, givenUp);
      if (awaited !== undefined) this.#awaitFirst(exchange, idSlot, entry, call, awaited);
    } catch (error) {
      this.#answerFailure(exchange, idSlot, entry, error);
    }
  }

  /** Nothing is sent before the first item is there: until then a failure is answered as that of the command. */
  #awaitFirst(
    exchange: Exchange,
    idSlot: number,
    entry: CommandEntry,
    call: Call,
    { first, send, giveUp }: AwaitedReply,
  ): void {
    const leave = this.#pending.follow(call, first, {
      result: send,
      failure: (error) => {
        giveUp();
        this.#answerFailure(exchange, idSlot, entry, error);
      },
      late: () => {},
      givenUp: (status, reason) => {
        giveUp();
        this.#answerUnavailable(exchange, idSlot, status, reason);
      },
    });
    exchange.onGone = () => {
      if (!leave()) {
        call.abort(new Error('the client left'));
        return;
      }
      giveUp();
      this.#release(idSlot);
    };
  }

  #answerFailure(exchange: Exchange, idSlot: number, entry: CommandEntry | undefined, error: unknown): void {
    this.#answerError(exchange, idSlot, this.#failures.errorOf(error, entry?.fullName), entry?.fullName);
  }

  #answerError(exchange: Exchange, idSlot: number, error: MiError, command?: string): void {
    if (error instanceof RateLimitError) {
      const headers = { 'Retry-After': String(error.retryAfter) };
      if (idSlot === noReply) exchange.refuse(429, explained(error), headers);
      else this.#sendError(exchange, 429, this.#failures.print(error, command), idSlot, headers);
    } else if (idSlot === noReply) exchange.reply(202);
    else this.#sendError(exchange, 200, this.#failures.print(error, command), idSlot);
  }

  /** The last resort: when this fails too, the refusal is one without the id. */
  #sendError(exchange: Exchange, status: number, text: string, idSlot: number, headers?: ReplyHeaders): void {
    try {
      this.#replies.text(exchange, status, Reply.error, text, idSlot, headers);
    } catch (error) {
      this.#failures.ofReply(error);
      this.#release(idSlot);
      exchange.refuse(500, 'internal error; the log of the server tells why');
    }
  }

  /** An error whose HTTP status tells too, so that proxies and pollers see it: 503 and 504. */
  #answerUnavailable(
    exchange: Exchange,
    idSlot: number,
    status: 503 | 504,
    reason: string,
    headers?: ReplyHeaders,
  ): void {
    if (idSlot === noReply) exchange.refuse(status, reason, headers);
    else this.#sendError(exchange, status, stringify(refusalError(status, reason)), idSlot, headers);
  }

  #release(idSlot: number): void {
    if (idSlot >= 0) this.#scanner.release(idSlot);
  }
}
