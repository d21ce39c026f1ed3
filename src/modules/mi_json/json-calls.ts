import type { Log } from '../../base/log.js';
import { browserHeaders, crossSiteRefusal } from '../../gateway/browser.js';
import type { PendingCalls } from '../../gateway/pending.js';
import type { Exchange } from '../../http/exchange.js';
import type { AllowedHosts } from '../../http/limits/allowed-hosts.js';
import { Call } from '../../mi/calls/call.js';
import { toldOf } from '../../mi/calls/failure.js';
import { isPromise, type ManagementInterface } from '../../mi/calls/interface.js';
import type { Result } from '../../mi/commands/command.js';
import type { CommandEntry } from '../../mi/commands/command-table.js';
import { codes, explained, type MiError, RateLimitError } from '../../mi/errors.js';
import { discardParts } from '../../mi/results/print-parts.js';
import { fromWords, type Submitted } from '../../web/arguments.js';
import { legacyText } from './legacy-text.js';
import { printError } from './tree.js';
import { wholeResult } from './whole-result.js';

/** Request headers that the calls are judged by. */
export const judgedHeaders = [...browserHeaders, 'user-agent'] as const;

/** What the calls of one server are set to. */
interface JsonCallsOptions {
  readonly pending: PendingCalls;
  readonly hosts: AllowedHosts;
  /** Bytes of the longest reply, as in 2.x the size of its buffer. */
  readonly longestReply: number;
}

/** MI commands by GET, with the replies of OpenSIPS 2.x: always status 200, errors in the body. */
export class JsonCalls {
  readonly #mi: ManagementInterface;
  readonly #log: Log;
  readonly #options: JsonCallsOptions;

  constructor(mi: ManagementInterface, log: Log, options: JsonCallsOptions) {
    this.#mi = mi;
    this.#log = log;
    this.#options = options;
  }

  handle(exchange: Exchange): void {
    if (exchange.method === 'POST') {
      exchange.reply(200, printError(406, 'Unexpected method'));
      return;
    }
    // A HEAD request runs nothing: nobody could see the result.
    if (exchange.method === 'HEAD') {
      exchange.reply(200);
      return;
    }
    const [, name = ''] = exchange.path.split('/', 2);
    if (name === '') {
      this.#error(exchange, internalError);
      return;
    }
    let command = name;
    try {
      const entry = this.#mi.find(name, exchange);
      command = entry.fullName;
      this.#run(exchange, entry);
    } catch (error) {
      this.#failed(exchange, command, error);
    }
  }

  #run(exchange: Exchange, entry: CommandEntry): void {
    const { pending } = this.#options;
    const refusal = this.#refusal(exchange, entry);
    if (refusal !== undefined) {
      exchange.reply(403, printError(403, refusal));
      return;
    }
    const reason = this.#mi.stopReason ?? pending.refusal(entry);
    if (reason !== undefined) {
      exchange.reply(503, printError(503, reason), { 'Retry-After': '1' });
      return;
    }
    const call = new Call(entry.fullName, exchange);
    const { given, count } = legacyParameters(entry, exchange.argument('params') ?? '');
    const result = this.#mi.run(entry, given, count, call);
    if (isPromise(result)) pending.later.add(entry);
    const text = isPromise(result)
      ? Promise.resolve(result).then((value) => this.#text(entry, call, value))
      : this.#text(entry, call, result);
    if (typeof text === 'string') exchange.reply(200, text);
    else this.#await(exchange, entry, call, text);
  }

  #await(exchange: Exchange, { fullName }: CommandEntry, call: Call, text: Promise<string>): void {
    const leave = this.#options.pending.follow(call, text, {
      result: (value) => exchange.reply(200, value),
      failure: (error) => this.#failed(exchange, fullName, error),
      late: () => {},
      givenUp: (status, reason) => exchange.reply(status, printError(status, reason)),
    });
    exchange.onGone = () => {
      leave();
    };
  }

  /** The reply to a result; whatever it consists of is read whole before. */
  #text({ fullName }: CommandEntry, call: Call, result: Result): string | Promise<string> {
    const { longestReply } = this.#options;
    if (call.signal.aborted) {
      discardParts(result);
      return '';
    }
    const printed = (json: string): string | Promise<string> => legacyText(fullName, json, longestReply, call.signal);
    const whole = wholeResult(result, longestReply, call.signal);
    return whole instanceof Promise ? whole.then(printed) : printed(whole);
  }

  /**
   * Why a browser may not run this command: any page can make it send a GET request. What tells a browser is that it
   * says where the request comes from, or its name, which no page can change.
   */
  #refusal(exchange: Exchange, { command, fullName }: CommandEntry): string | undefined {
    const isBrowser =
      ['sec-fetch-site', 'origin', 'referer'].some((name) => exchange.header(name) !== undefined) ||
      /^mozilla\//i.test(exchange.header('user-agent') ?? '');
    if (!isBrowser) return undefined;
    const hostRefusal = this.#options.hosts.refusal(exchange);
    if (hostRefusal !== undefined || command.readOnly) return hostRefusal;
    const refusal = crossSiteRefusal(exchange);
    return refusal === undefined ? undefined : `${fullName} may change the state of the server, and ${refusal}`;
  }

  #failed(exchange: Exchange, command: string, error: unknown): void {
    if (error instanceof RateLimitError) {
      const headers = { 'Retry-After': String(error.retryAfter) };
      exchange.reply(429, printError(429, explained(error)), headers);
      return;
    }
    const told = legacyError(toldOf(error, command, this.#log));
    if (told === undefined) exchange.reply(200, '');
    else this.#error(exchange, told);
  }

  #error(exchange: Exchange, { code, message }: { readonly code: number; readonly message: string }): void {
    exchange.reply(200, printError(code, message));
  }
}

/**
 * The parameters of `?params=A,B,C`, by position. A comma cannot be escaped; an empty last value is none. Where the
 * last parameter is a list, it takes those that are left over.
 */
function legacyParameters({ command, fullName }: CommandEntry, params: string): Submitted {
  const values = params.split(',');
  if (values.at(-1) === '') values.pop();
  return fromWords(command, asNow(fullName, values));
}

/** Parameters of 2.x that 3.x dropped or renamed. */
function asNow(command: string, values: readonly string[]): readonly string[] {
  // An unused one, sixth of nine.
  if (command === 'usrloc:add' && values.length === 9) return values.toSpliced(5, 1);
  if (command === 'usrloc:dump' && values[0] === 'brief') return ['1'];
  return values;
}

/** What a failed command told in 2.x; undefined for codes below 400, which were none of a failure. */
function legacyError(error: MiError): { code: number; message: string } | undefined {
  const { code, message } = error;
  switch (code) {
    case codes.methodNotFound:
      return { code: 500, message: 'Command not found' };
    case codes.methodAmbiguous:
      return { code: 500, message: `Command ambiguous, ${explained(error)}` };
    case codes.permissionDenied:
      return { code: 403, message: explained(error) };
    case codes.invalidParams: {
      const isCount = explained(error).startsWith('Too few or too many parameters');
      return { code: 400, message: isCount ? 'Too few or too many arguments' : explained(error) };
    }
  }
  if (code < 0) return internalError;
  return code < 400 ? undefined : { code, message };
}

/** A command that gave nothing, or more than fits. */
const internalError = { code: 500, message: 'Internal server error' } as const;
