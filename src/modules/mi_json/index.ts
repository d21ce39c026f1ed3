import { defineParameters } from '../../config/parameter.js';
import { browserHeaders, isBrowser } from '../../gateway/browser.js';
import type { CallTracer } from '../../gateway/call-tracer.js';
import { retryHeaders } from '../../gateway/jsonrpc-refusal.js';
import type { Exchange } from '../../http/exchange.js';
import type { AllowedHosts } from '../../http/limits/allowed-hosts.js';
import { crossSiteRefusal } from '../../http/login/same-origin.js';
import { type Face, type LaterAnswer, Runner, type Waited } from '../../mi/calls/run.js';
import type { Result } from '../../mi/commands/command.js';
import type { CommandEntry } from '../../mi/commands/command-table.js';
import { fromWords, type Submitted } from '../../mi/commands/parameters.js';
import { codes, explained, type MiError, RefusedCall } from '../../mi/errors.js';
import type { ManagementInterface } from '../../mi/management-interface.js';
import { defineBuiltIn } from '../../module.js';
import { callParameters, headersOf, rootProblem } from '../call-parameters.js';
import { tracingOf } from '../tracing.js';
import { legacyText, wholeResult } from './legacy-text.js';
import { printError } from './tree.js';

/** Request headers that the calls are judged by. */
const judgedHeaders = [...browserHeaders, 'user-agent'] as const;

/** Settings of the calls of one server. */
interface JsonCallsOptions {
  readonly runner: Runner;
  readonly hosts: AllowedHosts;
  /** Bytes of the longest reply, as in 2.x the size of its buffer. */
  readonly longestReply: number;
  /** Undefined: nothing is traced. */
  readonly tracer: CallTracer | undefined;
}

/** MI commands by GET, with the replies of OpenSIPS 2.x: always status 200, errors in the body. */
class JsonCalls implements Face<Exchange> {
  readonly #mi: ManagementInterface;
  readonly #options: JsonCallsOptions;

  constructor(mi: ManagementInterface, options: JsonCallsOptions) {
    this.#mi = mi;
    this.#options = options;
  }

  handle(exchange: Exchange): void {
    if (exchange.method === 'POST') {
      exchange.reply(200, printError(406, 'Unexpected method'));
      return;
    }
    // A HEAD request runs nothing: its reply has no result.
    if (exchange.method === 'HEAD') {
      exchange.reply(200);
      return;
    }
    const [, name = ''] = exchange.path.split('/', 2);
    if (name === '') {
      this.#error(exchange, internalError);
      return;
    }
    const { runner, tracer } = this.#options;
    let entry: CommandEntry | undefined;
    let submitted: Submitted;
    try {
      entry = this.#mi.find(name, exchange);
      const refusal = this.#refusal(exchange, entry);
      if (refusal !== undefined) {
        exchange.reply(403, printError(403, refusal));
        return;
      }
      submitted = legacyParameters(entry, exchange.argument('params') ?? '');
    } catch (error) {
      if (entry === undefined) tracer?.unknown(exchange, 'json', name);
      this.error(exchange, 0, runner.failures.errorOf(error, entry?.fullName ?? name));
      return;
    }
    tracer?.called(exchange, 'json', name, entry, submitted.given);
    runner.run(this, exchange, 0, entry, submitted.given, submitted.count);
  }

  /** For the runner: replies with a result, which is read whole before. */
  result(
    exchange: Exchange,
    _place: number,
    value: Result,
    { fullName }: CommandEntry,
  ): LaterAnswer<string> | undefined {
    const { longestReply } = this.#options;
    const left = new AbortController();
    const printed = (json: string): string | Promise<string> => legacyText(fullName, json, longestReply, left.signal);
    const send = (text: string): void => void exchange.reply(200, text);
    const whole = wholeResult(value, longestReply, left.signal);
    const first = whole instanceof Promise ? whole.then(printed) : printed(whole);
    if (typeof first !== 'string') return { first, send, giveUp: () => left.abort() };
    send(first);
    return undefined;
  }

  /** For the runner: replies with an error. */
  error(exchange: Exchange, _place: number, error: MiError): void {
    if (error instanceof RefusedCall) {
      exchange.reply(error.status, printError(error.status, explained(error)), retryHeaders(error));
      return;
    }
    const told = legacyError(error);
    if (told === undefined) exchange.reply(200, '');
    else this.#error(exchange, told);
  }

  /** For the runner. */
  wait(exchange: Exchange, _place: number, waited: Waited): void {
    exchange.onGone = () => void waited.leave();
  }

  /**
   * Why a browser may not run this command: any page can make it send a GET request.
   */
  #refusal(exchange: Exchange, { command, fullName }: CommandEntry): string | undefined {
    if (!isBrowser(exchange)) return undefined;
    const hostRefusal = this.#options.hosts.refusal(exchange);
    if (hostRefusal !== undefined || command.readOnly) return hostRefusal;
    const refusal = crossSiteRefusal(exchange);
    return refusal === undefined ? undefined : `${fullName} may change the state of the server, and ${refusal}`;
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

/** The error of a failed command in 2.x; undefined for codes below 400, which were no failures. */
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

/** Parameters of mi_json, with the names of OpenSIPS 2.x as aliases. */
const parameters = defineParameters({
  root: {
    type: 'string',
    default: 'json',
    aliases: ['mi_json_root'],
    help: 'root path: commands are run by GET /[root]/COMMAND?params=A,B',
    check: rootProblem,
  },
  ...callParameters,
});

/** MI over HTTP as OpenSIPS 2.x had it in JSON, for clients of that time (docs/compatibility.md, "mi_json"). */
export const miJsonModule = defineBuiltIn({
  name: 'mi_json',
  parameters,
  needs: ['httpd'],
  load(context) {
    const { httpd, mi, parameters } = context;
    const { root, mi_timeout: timeout, max_pending: maxPending } = parameters;
    const runner = new Runner(mi, { maxPending, timeout });
    const tracing = tracingOf(context, 'mi_json', parameters);
    let calls: JsonCalls | undefined;
    httpd.registerRoot({
      module: 'mi_json',
      root,
      contentType: 'application/json',
      body: 'raw',
      refusesGetBody: true,
      headers: judgedHeaders,
      timeout,
      refuse: (status, reason) => printError(status, reason),
      onInit: () => {
        httpd.keepHeaders(root, headersOf(mi));
        calls = new JsonCalls(mi, {
          runner,
          hosts: httpd.allowedHosts,
          longestReply: httpd.windowSize,
          tracer: tracing.tracer(),
        });
      },
      onRequest: (exchange) => calls?.handle(exchange),
    });
    return { check: () => tracing.check(), stop: () => runner.stop() };
  },
});
