import type { Exchange, ReplyHeaders } from '../../httpd/exchange.js';
import type { Log } from '../../log.js';
import { Call } from '../../mi/call.js';
import type { Result } from '../../mi/command.js';
import type { CommandEntry } from '../../mi/command-table.js';
import { codes, MiError, RateLimitError, serverError } from '../../mi/errors.js';
import type { ManagementInterface } from '../../mi/interface.js';
import { printJson } from '../../mi/json.js';
import { discardParts, printParts } from '../../mi/print-parts.js';
import type { CallParameters } from '../../mi/select.js';
import { StatisticsSelection } from '../../mi/statistics.js';
import { Outcome, ParamsKind, Reply, RequestScanner } from '../../native.js';
import type { PendingCalls } from './pending.js';
import { refusalError } from './refusal.js';
import { type AwaitedReply, Replies, type RepliesOptions } from './replies.js';

/** In place of an id slot: a notification, which gets no reply. */
const noReply = -2;

/**
 * JSON-RPC 2.0 over HTTP: one request in, one reply out.
 *
 * The hot path of a small command makes two native calls: one scans the body where it lies, one
 * frames the reply in the window. The id never becomes a JavaScript value; the scanner holds its
 * bytes in a slot until the reply is framed.
 */
export class JsonRpc {
  readonly #mi: ManagementInterface;
  readonly #log: Log;
  readonly #scanner: RequestScanner;
  readonly #replies: Replies;
  readonly #pending: PendingCalls;

  constructor(mi: ManagementInterface, log: Log, pending: PendingCalls, options: RepliesOptions) {
    this.#mi = mi;
    this.#log = log;
    this.#scanner = new RequestScanner(mi.commands.methods());
    this.#replies = new Replies(this.#scanner, options);
    this.#pending = pending;
  }

  /** Request ids held for replies to come; 0 when nothing is pending. */
  get idsHeld(): number {
    return this.#scanner.idsHeld;
  }

  /** Replies that are being streamed through the window. */
  get windowsInUse(): number {
    return this.#replies.streaming;
  }

  /** Answers one exchange; its body is only read before this returns. */
  handle(exchange: Exchange): void {
    const { body } = exchange;
    if (body.length === 0) {
      exchange.refuse(400, 'the request has no body; POST a JSON-RPC 2.0 object');
      return;
    }
    const scanner = this.#scanner;
    const outcome = scanner.scan(body);
    if (outcome === Outcome.parseError || outcome === Outcome.invalidRequest) {
      const code = outcome === Outcome.parseError ? codes.parseError : codes.invalidRequest;
      this.#answerError(exchange, scanner.idSlot, new MiError(code, undefined, scanner.reason()));
      return;
    }
    const idSlot = outcome === Outcome.call ? scanner.idSlot : noReply;
    let entry: CommandEntry;
    let given: CallParameters;
    const count = scanner.paramsCount;
    try {
      // Before anything else runs: the ranges are those of the last scan, and the body is only lent.
      given = scanner.paramsKind === ParamsKind.none ? undefined : parse(body, scanner.paramsStart, scanner.paramsEnd);
      entry = this.#mi.commands.entries[scanner.command] ?? this.#mi.commands.find(methodText(body, scanner));
    } catch (error) {
      this.#answerFailure(exchange, idSlot, undefined, error);
      return;
    }
    this.#run(exchange, idSlot, entry, given, count);
  }

  #run(exchange: Exchange, idSlot: number, entry: CommandEntry, given: CallParameters, count: number): void {
    if (this.#pending.refuses(entry)) {
      const reason = `${this.#pending.limit} calls are pending, which is the limit max_pending; try again`;
      this.#answerUnavailable(exchange, idSlot, 503, reason, { 'Retry-After': '1' });
      return;
    }
    const call = new Call(entry.fullName, exchange);
    let result: Result | Promise<Result>;
    try {
      result = this.#mi.run(entry, given, count, call);
    } catch (error) {
      this.#answerFailure(exchange, idSlot, call, error);
      return;
    }
    // Not by its `then`, which was asked for already: what answers later comes as a promise of this realm.
    if (result instanceof Promise) this.#await(exchange, idSlot, entry, call, result);
    else this.#answer(exchange, idSlot, call, result);
  }

  /** Suspends this connection alone until the handler settles, its deadline passes or the client leaves. */
  #await(exchange: Exchange, idSlot: number, entry: CommandEntry, call: Call, result: PromiseLike<Result>): void {
    this.#pending.later.add(entry);
    const leave = this.#pending.follow(call, result, {
      result: (value) => this.#answer(exchange, idSlot, call, value),
      failure: (error) => this.#answerFailure(exchange, idSlot, call, error),
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

  #answer(exchange: Exchange, idSlot: number, call: Call, result: Result): void {
    if (idSlot === noReply) {
      exchange.reply(202);
      discardParts(result);
      return;
    }
    try {
      if (result instanceof StatisticsSelection) {
        this.#replies.statistics(exchange, result, idSlot);
        return;
      }
      const printed = printParts(result);
      if (typeof printed === 'string') {
        this.#replies.text(exchange, 200, Reply.result, printed, idSlot);
      } else if (printed === undefined) {
        this.#answerError(exchange, idSlot, serverError('Command handler returned null'));
      } else {
        // What is printed later is printed for this client alone.
        exchange.onGone = () => call.abort(new Error('the client left'));
        const givenUp = (): void => call.abort(new Error('the reply was given up'));
        const awaited = this.#replies.parts(exchange, printed, idSlot, givenUp);
        if (awaited !== undefined) this.#awaitFirst(exchange, idSlot, call, awaited);
      }
    } catch (error) {
      this.#answerFailure(exchange, idSlot, call, error);
    }
  }

  /** Nothing is sent before the first item is there: until then a failure is answered as that of the command. */
  #awaitFirst(exchange: Exchange, idSlot: number, call: Call, { first, send, giveUp }: AwaitedReply): void {
    const leave = this.#pending.follow(call, first, {
      result: send,
      failure: (error) => {
        giveUp();
        this.#answerFailure(exchange, idSlot, call, error);
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

  #answerFailure(exchange: Exchange, idSlot: number, call: Call | undefined, error: unknown): void {
    if (error instanceof MiError) {
      this.#answerError(exchange, idSlot, error);
      return;
    }
    const command = call?.command ?? 'request';
    this.#log.error({ err: error, command }, `MI command ${command} failed`);
    this.#answerError(exchange, idSlot, serverError(`${command} failed; the log of the server tells why`));
  }

  #answerError(exchange: Exchange, idSlot: number, error: MiError): void {
    if (error instanceof RateLimitError) {
      const headers = { 'Retry-After': String(error.retryAfter) };
      if (idSlot === noReply) exchange.refuse(429, error.data ?? error.message, headers);
      else this.#sendError(exchange, 429, this.#printError(error), idSlot, headers);
    } else if (idSlot === noReply) exchange.reply(202);
    else this.#sendError(exchange, 200, this.#printError(error), idSlot);
  }

  /** The last resort: when this fails too, the refusal is one without the id. */
  #sendError(exchange: Exchange, status: number, text: string, idSlot: number, headers?: ReplyHeaders): void {
    try {
      this.#replies.text(exchange, status, Reply.error, text, idSlot, headers);
    } catch (error) {
      this.#log.error({ err: error }, 'an error reply failed');
      this.#release(idSlot);
      exchange.refuse(500, 'internal error; the log of the server tells why');
    }
  }

  /** Commands in JavaScript put all sorts of things into an error. */
  #printError(error: MiError): string {
    try {
      const text = printJson(error);
      if (text !== undefined) return text;
    } catch (cause) {
      this.#log.error({ err: cause }, 'the error of an MI command cannot be printed');
    }
    return JSON.stringify(serverError('the error of the command cannot be printed as JSON'));
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
    else this.#sendError(exchange, status, JSON.stringify(refusalError(status, reason)), idSlot, headers);
  }

  #release(idSlot: number): void {
    if (idSlot >= 0) this.#scanner.release(idSlot);
  }
}

function parse(body: Uint8Array, start: number, end: number): CallParameters {
  return JSON.parse(text(body, start, end)) as CallParameters;
}

function methodText(body: Uint8Array, scanner: RequestScanner): string {
  return JSON.parse(text(body, scanner.methodStart, scanner.methodEnd)) as string;
}

function text(body: Uint8Array, start: number, end: number): string {
  return Buffer.from(body.buffer, body.byteOffset + start, end - start).toString('utf8');
}
