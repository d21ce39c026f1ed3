import { type Exchange, heldBodySize } from '../../httpd/exchange.js';
import type { Log } from '../../log.js';
import { Call } from '../../mi/call.js';
import type { Result } from '../../mi/command.js';
import type { CommandEntry } from '../../mi/command-table.js';
import { codes, MiError, serverError } from '../../mi/errors.js';
import { isPromise, type ManagementInterface } from '../../mi/interface.js';
import { printJson } from '../../mi/json.js';
import type { CallParameters } from '../../mi/select.js';
import { StatisticsSelection } from '../../mi/statistics.js';
import { Outcome, ParamsKind, Reply, type ReplyKind, ReplyWindow, RequestScanner } from '../../native.js';
import { PendingCalls } from './pending.js';
import { PrettyChunks } from './pretty-chunks.js';
import { refusalError } from './refusal.js';
import { TextChunks } from './text-chunks.js';

/** What a JSON-RPC root is set to. */
export interface JsonRpcOptions {
  /** Bytes of the response window; a longer reply is streamed. */
  readonly windowSize: number;
  readonly pretty: boolean;
  /** Deadline of one call, seconds. */
  readonly timeout: number;
  /** Calls of asynchronous commands that may run at once. */
  readonly maxPending: number;
}

/** In place of an id slot: a notification, which gets no reply. */
const noReply = -2;

const chunkSize = 65536;

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
  readonly #window: ReplyWindow;
  readonly #pending: PendingCalls;
  /** Commands that are known to answer later: refused before they run when too many are pending. */
  readonly #later = new Set<CommandEntry>();
  readonly #streams = new Set<TextChunks>();
  readonly #chunk = Buffer.alloc(chunkSize);
  readonly #prettyChunk: Buffer | undefined;

  constructor(mi: ManagementInterface, log: Log, options: JsonRpcOptions) {
    this.#mi = mi;
    this.#log = log;
    this.#scanner = new RequestScanner(mi.commands.methods());
    this.#window = new ReplyWindow(options.windowSize, options.pretty);
    this.#pending = new PendingCalls(options.maxPending, options.timeout);
    this.#prettyChunk = options.pretty ? Buffer.alloc(chunkSize) : undefined;
  }

  /** Request ids held for replies to come; 0 when nothing is pending. */
  get idsHeld(): number {
    return this.#scanner.idsHeld;
  }

  /** Replies that are being streamed through the window. */
  get windowsInUse(): number {
    return this.#streams.size;
  }

  /** Answers what is still waited for with 503, because the server stops. */
  stop(): void {
    this.#pending.giveUpAll('the server stops');
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
    if (this.#pending.isFull && this.#later.has(entry)) {
      const reason = `${this.#pending.limit} calls are pending, which is the limit max_pending; try again`;
      this.#answerUnavailable(exchange, idSlot, 503, reason, { 'Retry-After': '1' });
      return;
    }
    const call = new Call(entry.fullName, exchange);
    let result: Result | Promise<Result>;
    try {
      result = this.#mi.run(entry, given, count, call);
    } catch (error) {
      this.#answerFailure(exchange, idSlot, entry, error);
      return;
    }
    if (isPromise(result)) this.#await(exchange, idSlot, entry, call, result);
    else this.#answer(exchange, idSlot, entry, result);
  }

  /** Suspends this connection alone until the handler settles, its deadline passes or the client leaves. */
  #await(exchange: Exchange, idSlot: number, entry: CommandEntry, call: Call, result: PromiseLike<Result>): void {
    this.#later.add(entry);
    const leave = this.#pending.follow(call, result, {
      result: (value) => this.#answer(exchange, idSlot, entry, value),
      failure: (error) => this.#answerFailure(exchange, idSlot, entry, error),
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

  #answer(exchange: Exchange, idSlot: number, entry: CommandEntry, result: Result): void {
    if (idSlot === noReply) {
      exchange.reply(202);
    } else if (result instanceof StatisticsSelection) {
      this.#answerStatistics(exchange, idSlot, result);
    } else {
      this.#answerValue(exchange, idSlot, entry, result);
    }
  }

  #answerStatistics(exchange: Exchange, idSlot: number, selection: StatisticsSelection): void {
    selection.refresh();
    const { table, slots } = selection;
    const reply = this.#window.printStatistics(this.#scanner, table, slots, idSlot);
    if (reply !== undefined) exchange.reply(200, lasting(reply));
    else this.#stream(exchange, 200, Reply.result, JSON.stringify(selection), idSlot);
  }

  #answerValue(exchange: Exchange, idSlot: number, entry: CommandEntry, result: Result): void {
    let text: string | undefined;
    try {
      text = printJson(result);
    } catch (error) {
      this.#answerFailure(exchange, idSlot, entry, error);
      return;
    }
    if (text === undefined) this.#answerError(exchange, idSlot, serverError('Command handler returned null'));
    else this.#send(exchange, 200, Reply.result, text, idSlot);
  }

  #answerFailure(exchange: Exchange, idSlot: number, entry: CommandEntry | undefined, error: unknown): void {
    if (error instanceof MiError) {
      this.#answerError(exchange, idSlot, error);
      return;
    }
    const command = entry?.fullName ?? 'request';
    this.#log.error({ err: error, command }, `MI command ${command} failed`);
    this.#answerError(exchange, idSlot, serverError(`${command} failed; the log of the server tells why`));
  }

  #answerError(exchange: Exchange, idSlot: number, error: MiError): void {
    if (idSlot === noReply) exchange.reply(202);
    else this.#send(exchange, 200, Reply.error, JSON.stringify(error), idSlot);
  }

  /** An error whose HTTP status tells too, so that proxies and pollers see it: 503 and 504. */
  #answerUnavailable(
    exchange: Exchange,
    idSlot: number,
    status: 503 | 504,
    reason: string,
    headers?: Readonly<Record<string, string>>,
  ): void {
    if (idSlot === noReply) exchange.refuse(status, reason, headers);
    else this.#send(exchange, status, Reply.error, JSON.stringify(refusalError(status, reason)), idSlot, headers);
  }

  #send(
    exchange: Exchange,
    status: number,
    kind: ReplyKind,
    text: string,
    idSlot: number,
    headers?: Readonly<Record<string, string>>,
  ): void {
    const reply = this.#window.print(this.#scanner, kind, text, idSlot);
    if (reply === undefined) this.#stream(exchange, status, kind, text, idSlot, headers);
    else exchange.reply(status, lasting(reply), headers);
  }

  #stream(
    exchange: Exchange,
    status: number,
    kind: ReplyKind,
    text: string,
    idSlot: number,
    headers?: Readonly<Record<string, string>>,
  ): void {
    const tail = this.#scanner.tail(idSlot);
    const chunks = new TextChunks(this.#window.head(kind), text, tail, this.#chunk, () => this.#streams.delete(chunks));
    this.#streams.add(chunks);
    const pretty = this.#prettyChunk;
    exchange.stream(status, pretty === undefined ? chunks : new PrettyChunks(chunks, pretty), headers);
  }

  #release(idSlot: number): void {
    if (idSlot >= 0) this.#scanner.release(idSlot);
  }
}

/** A large reply may wait for its client, while the window serves the next call: it gets memory of its own. */
function lasting(reply: Uint8Array): Uint8Array {
  return reply.length > heldBodySize ? Uint8Array.from(reply) : reply;
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
