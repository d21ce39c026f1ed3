import { coded } from '../../base/codes.js';
import { abortReason } from '../../base/lazy-abort.js';
import { type Slice, workFromNow } from '../../base/slice.js';
import type { CallTracer } from '../../gateway/call-tracer.js';
import { retryHeaders } from '../../gateway/jsonrpc-refusal.js';
import { type Chunk, type Exchange, internalError, type ReplyHeaders } from '../../http/exchange.js';
import type { Call } from '../../mi/calls/call.js';
import type { Face, LaterAnswer, Runner, Waited } from '../../mi/calls/run.js';
import type { Result } from '../../mi/commands/command.js';
import type { CommandEntry } from '../../mi/commands/command-table.js';
import type { CallParameters } from '../../mi/commands/parameters.js';
import { codes, explained, MiAnswer, type MiError, RefusedCall } from '../../mi/errors.js';
import type { ManagementInterface } from '../../mi/management-interface.js';
import { ConstantResult, discardResult, printResult } from '../../mi/results/result.js';
import { StatisticsSelection } from '../../mi/statistics.js';
import { IdSlot, Outcome, Reply } from '../../native/layout.js';
import { RequestScanner } from '../../native/scanner.js';
import { Batches, type BatchesOptions } from './batches.js';
import { CallReader } from './call-reader.js';
import { Replies, type RepliesOptions } from './replies.js';

/** Settings of JSON-RPC. */
interface JsonRpcOptions extends RepliesOptions, BatchesOptions {
  /** Values and names of members that one request may have; those of a batch each by itself. */
  readonly maxValues: number;
  /** Undefined: nothing is traced. */
  readonly tracer: CallTracer | undefined;
}

/** Bytes of a body up to which a request is short work. */
const longBody = 32768;

/** Bytes of bodies that may wait for a later turn. What is beyond is answered at once. */
const mostWaiting = 8 << 20;

/** The call of a large body that has been scanned. */
interface LongCall {
  readonly idSlot: number;
  readonly entry: CommandEntry;
  /** As it was written, where calls are traced. */
  readonly method: string | undefined;
  /** Where its parameters are in the body. They are no text before they are parsed: one that waits would grow old, and be collected by long pauses. */
  readonly start: number;
  readonly end: number;
  readonly count: number;
}

const openingBracket = '['.charCodeAt(0);

/**
 * JSON-RPC 2.0 over HTTP: one request in, one reply out; batches go to {@link Batches}.
 *
 * The hot path of a small command makes one native call, which scans the body where it lies; frame and id are put
 * around the result in the window. The id never becomes a JavaScript value: its bytes are copied into the reply, or
 * wait in a slot of the scanner for one that comes later.
 */
export class JsonRpc implements Face<Exchange> {
  /** By their numbers. */
  readonly #entries: readonly CommandEntry[];
  readonly #scanner: RequestScanner;
  readonly #calls: CallReader;
  readonly #replies: Replies;
  readonly #runner: Runner;
  readonly #batches: Batches;
  readonly #tracer: CallTracer | undefined;
  /** Bytes of bodies that wait for a later turn. */
  #waiting = 0;

  constructor(mi: ManagementInterface, runner: Runner, options: JsonRpcOptions) {
    const scanner = new RequestScanner(mi.commands.lastingMethods(), options.maxValues);
    this.#entries = mi.commands.entries;
    this.#scanner = scanner;
    this.#calls = new CallReader(mi);
    this.#replies = new Replies(scanner, options);
    this.#runner = runner;
    this.#tracer = options.tracer;
    const { tracer } = options;
    this.#batches = new Batches({ scanner, calls: this.#calls, runner, entries: this.#entries, tracer }, options);
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
      this.#tracer?.unknown(exchange, 'json');
      exchange.refuse(400, 'the request has no body; POST a JSON-RPC 2.0 object');
    } else if (body.byteLength > longBody) this.#handleLong(exchange);
    // Otherwise the command may have kept its call, and with it its client.
    else if (this.#answer(exchange, body)) exchange.letReuse();
  }

  /** Large bodies take long to scan, and their parameters to parse: those that arrive together are answered in turns. */
  #handleLong(exchange: Exchange): void {
    let { body } = exchange;
    const { length } = body;
    // Batches are read in slices.
    if (body[0] === openingBracket || this.#waiting + length > mostWaiting) {
      this.#answer(exchange, body);
      return;
    }
    let waiting = 0;
    let call: LongCall | undefined;
    let isScanned = false;
    const work = (slice: Slice): boolean => {
      try {
        if (!isScanned && !exchange.finished) {
          isScanned = true;
          call = this.#scanLong(exchange, body);
          if (call !== undefined && slice.isOver) return true;
        }
        if (call !== undefined) this.#runLong(exchange, body, call);
      } catch (error) {
        this.#runner.failures.ofReply(error);
        exchange.refuse(500, internalError);
      }
      this.#waiting -= waiting;
      return false;
    };
    if (workFromNow({ work })) return;
    body = body.slice();
    waiting = length;
    this.#waiting += waiting;
  }

  /** Reads as much of a body as is needed to run its call; undefined where it has none, which is answered. */
  #scanLong(exchange: Exchange, body: Uint8Array): LongCall | undefined {
    const scanner = this.#scanner;
    const outcome = scanner.scan(body);
    if (outcome > Outcome.notification) {
      this.#refuse(exchange, outcome);
      return undefined;
    }
    const idSlot = outcome === Outcome.call ? scanner.hold(scanner.idSlot) : IdSlot.noReply;
    try {
      const { command, methodStart, methodEnd, paramsStart, paramsEnd, paramsCount: count } = scanner;
      const method = this.#tracer && this.#calls.methodOf(body, methodStart, methodEnd);
      const entry = this.#entries[command] ?? this.#calls.find(body, methodStart, methodEnd, exchange);
      return { idSlot, entry, method, start: paramsStart, end: paramsEnd, count };
    } catch (error) {
      this.#traceUnknown(exchange, body);
      this.error(exchange, idSlot, this.#runner.failures.errorOf(error));
      return undefined;
    }
  }

  #runLong(exchange: Exchange, body: Uint8Array, call: LongCall): void {
    const { idSlot, entry, method, start, end, count } = call;
    if (exchange.finished) {
      this.#scanner.release(idSlot);
      return;
    }
    let given: CallParameters;
    try {
      given = this.#calls.given(body, start, end);
    } catch (error) {
      this.error(exchange, idSlot, this.#runner.failures.errorOf(error));
      return;
    }
    if (method !== undefined) this.#tracer?.called(exchange, 'json', method, entry, given);
    this.#runner.run(this, exchange, idSlot, entry, given, count);
  }

  /** @returns true if nothing keeps the exchange */
  #answer(exchange: Exchange, body: Uint8Array | ArrayBuffer): boolean {
    const scanner = this.#scanner;
    const outcome = scanner.scan(body);
    if (outcome > Outcome.notification) {
      if (outcome === Outcome.batch) {
        const bytes = body instanceof Uint8Array ? body : new Uint8Array(body);
        this.#batches.run(exchange, bytes, (refused) => this.#refuse(exchange, refused, IdSlot.none));
      } else this.#refuse(exchange, outcome);
      return false;
    }
    const idSlot = outcome === Outcome.call ? scanner.idSlot : IdSlot.noReply;
    let entry: CommandEntry;
    let given: CallParameters;
    const count = scanner.paramsCount;
    try {
      // Most calls need neither `given` nor `find`, so the cheap checks come first.
      const { paramsEnd } = scanner;
      given = paramsEnd === 0 ? undefined : this.#calls.given(body, scanner.paramsStart, paramsEnd);
      entry =
        this.#entries[scanner.command] ?? this.#calls.find(body, scanner.methodStart, scanner.methodEnd, exchange);
    } catch (error) {
      this.#traceUnknown(exchange, body);
      this.error(exchange, idSlot, this.#runner.failures.errorOf(error));
      return false;
    }
    if (this.#tracer !== undefined) {
      const method = this.#calls.methodOf(body, scanner.methodStart, scanner.methodEnd);
      this.#tracer.called(exchange, 'json', method, entry, given);
    }
    return this.#runner.run(this, exchange, idSlot, entry, given, count);
  }

  /** The method that the scanner has just found leads to no command. */
  #traceUnknown(exchange: Exchange, body: Uint8Array | ArrayBuffer): void {
    if (this.#tracer === undefined) return;
    const { methodStart, methodEnd } = this.#scanner;
    this.#tracer.unknown(exchange, 'json', this.#calls.methodOf(body, methodStart, methodEnd));
  }

  /** Answers what is no request, or no batch as a whole. */
  #refuse(exchange: Exchange, outcome: number, idSlot = this.#scanner.idSlot): void {
    this.#tracer?.unknown(exchange, 'json');
    const code = outcome === Outcome.parseError ? codes.parseError : codes.invalidRequest;
    this.error(exchange, idSlot, new MiAnswer(code, undefined, this.#scanner.reason()));
  }

  /** For the runner: replies with a result. */
  result(
    exchange: Exchange,
    idSlot: number,
    value: Result,
    { fullName }: CommandEntry,
    call: Call,
  ): LaterAnswer<Chunk> | undefined {
    if (idSlot === IdSlot.noReply) {
      exchange.reply(202);
      discardResult(value);
      return undefined;
    }
    if (exchange.wantsLines) {
      exchange.about = fullName;
      exchange.onGone = () => call.abort(abortReason(coded('ERR_GONE', new Error('the client left'))));
      return this.#replies.lines(exchange, printResult(value), idSlot, call);
    }
    if (value instanceof ConstantResult) {
      this.#replies.constant(exchange, value, idSlot);
      return undefined;
    }
    if (value instanceof StatisticsSelection) {
      this.#replies.statistics(exchange, value, idSlot);
      return undefined;
    }
    const printed = printResult(value);
    if (typeof printed === 'string') {
      this.#replies.text(exchange, 200, Reply.result, printed, idSlot);
      return undefined;
    }
    exchange.about = fullName;
    // The parts are printed for this client alone.
    exchange.onGone = () => call.abort(abortReason(coded('ERR_GONE', new Error('the client left'))));
    return this.#replies.parts(exchange, printed, idSlot, call);
  }

  /** For the runner: replies with an error. The status tells of a refused call, so that proxies and pollers see it. */
  error(exchange: Exchange, idSlot: number, error: MiError, entry?: CommandEntry): void {
    const refused = error instanceof RefusedCall ? error : undefined;
    const headers = refused && retryHeaders(refused);
    if (idSlot !== IdSlot.noReply) {
      const text = this.#runner.failures.print(error, entry?.fullName);
      this.#sendError(exchange, refused?.status ?? 200, text, idSlot, headers);
    } else if (refused !== undefined) exchange.refuse(refused.status, explained(refused), headers);
    else exchange.reply(202);
  }

  /** For the runner: the id of a reply that comes on a later turn. */
  keep(_exchange: Exchange, idSlot: number): number {
    return this.#scanner.hold(idSlot);
  }

  /** For the runner: the reply comes later, and this connection alone waits. */
  wait(exchange: Exchange, idSlot: number, waited: Waited, { fullName }: CommandEntry): void {
    exchange.about = fullName;
    if (idSlot === IdSlot.noReply) {
      // A notification gets no result (JSON-RPC 2.0 §4.1): it is accepted as soon as it runs.
      exchange.reply(202);
      return;
    }
    exchange.onGone = () => {
      if (waited.leave()) this.#scanner.release(idSlot);
    };
  }

  /** The last resort: when this fails too, the refusal is one without the id. */
  #sendError(exchange: Exchange, status: number, text: string, idSlot: number, headers?: ReplyHeaders): void {
    try {
      this.#replies.text(exchange, status, Reply.error, text, idSlot, headers);
    } catch (error) {
      this.#runner.failures.ofReply(error);
      this.#scanner.release(idSlot);
      exchange.refuse(500, internalError);
    }
  }
}
