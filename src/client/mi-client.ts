import { coded } from '../base/codes.js';
import {
  aBoolean,
  anObject,
  checkGiven,
  checkMembers,
  type Members,
  required,
  shown,
  type Wanted,
} from '../base/given.js';
import { isObject, type JsonValue, stringify } from '../base/json.js';
import { MiError } from '../mi/errors.js';
import {
  type Answer,
  basicLogin,
  type ClientTls,
  ClosedIdle,
  Connection,
  type Target,
  targetOf,
  tokenForm,
  tooLong,
} from './connection.js';

/** The types of one command: a member of the map of a {@link MiClient}. */
export interface MiCommand {
  /** By name or by position; left out: it takes none. Optional: it may be called without. */
  readonly params?: readonly unknown[] | object;
  readonly result: unknown;
}

/** The types of commands by their names, `{ 'pbx:add': { params: { a: number; b: number }; result: number } }`. */
export type MiCommands<Commands> = { readonly [Name in keyof Commands]: MiCommand };

/** The map of a client of which no types are known: every command takes and gives any JSON. */
export interface AnyCommands {
  readonly [command: string]: { readonly params?: readonly unknown[] | object; readonly result: JsonValue };
}

/** The parameters of a call, as they follow the name of its command: left out where it takes none. */
export type MiArguments<Command extends MiCommand> = 'params' extends keyof Command
  ? undefined extends Command['params']
    ? readonly [params?: Command['params']]
    : readonly [params: Command['params']]
  : readonly [params?: undefined];

/** A call of a batch: the name of a command, and its parameters. */
export type MiBatchCall<Commands extends MiCommands<Commands>> = {
  readonly [Name in keyof Commands & string]: readonly [command: Name, ...params: MiArguments<Commands[Name]>];
}[keyof Commands & string];

/** The outcome of a call of a batch: its result, or its error. */
export type MiOutcome<Given = JsonValue> =
  | { readonly result: Given; readonly error?: undefined }
  | { readonly error: MiError; readonly result?: undefined };

/** The outcomes of the calls of a batch, in their order. */
export type MiOutcomes<Commands, Calls extends readonly unknown[]> = {
  -readonly [Place in keyof Calls]: Calls[Place] extends readonly [infer Name extends keyof Commands, ...unknown[]]
    ? Commands[Name] extends { readonly result: infer Given }
      ? MiOutcome<Given>
      : MiOutcome
    : MiOutcome;
};

/** Options of a call of a {@link MiClient}. */
export interface MiCallOptions {
  /** Gives the call up; the server tells its command, whose own signal is aborted. */
  readonly signal?: AbortSignal;
  /** Seconds, in place of those of the client. */
  readonly timeout?: number;
  /**
   * True for a call that may be run twice: it is sent again where the server closed the idle connection at that moment. Default
   * false.
   */
  readonly repeat?: boolean;
}

/** Options of a {@link MiClient}. */
export interface MiClientOptions {
  /** A user of `auth_file`, or a token of `auth_tokens`. Left out, the client does not log in. */
  readonly login?: { readonly name: string; readonly password: string } | { readonly token: string };
  /** Certificates for `https`, in PEM: `ca` by which the server's is signed; `cert` and `key` of the client. */
  readonly tls?: ClientTls;
  /** Seconds that a call may take, and that a stream may take for each piece. Default 120. */
  readonly timeout?: number;
  /** Bytes of the longest answer, and of the longest record of a stream. Default 64 MiB. */
  readonly maxReply?: number;
  /** Connections that are open at once; more calls wait for one of them. Default 4. */
  readonly connections?: number;
}

/** More is more than a timer of Node.js takes. */
const longestTimeout = 2_000_000;

const seconds: Wanted = {
  text: `seconds, more than 0 and at most ${longestTimeout}`,
  is: (value) => typeof value === 'number' && value > 0 && value <= longestTimeout,
};
const aPositive: Wanted = {
  text: 'a whole number from 1 on',
  is: (value) => Number.isSafeInteger(value) && Number(value) > 0,
};
const aName: Wanted = { text: 'a text that is not empty', is: (value) => typeof value === 'string' && value !== '' };

const clientOptions: Members<MiClientOptions> = {
  login: { text: '{ name, password } or { token }', is: (value) => anObject.is?.(value) === true },
  tls: anObject,
  timeout: seconds,
  maxReply: aPositive,
  connections: aPositive,
};

const callOptions: Members<MiCallOptions> = {
  signal: { text: 'an AbortSignal', is: (value) => value instanceof AbortSignal },
  timeout: seconds,
  repeat: aBoolean,
};

const tokenLogin: Members<{ token: string }> = {
  token: required({
    text: 'a token as auth_tokens has them',
    is: (value) => typeof value === 'string' && tokenForm.test(value),
  }),
};

const basic: Members<{ name: string; password: string }> = {
  name: required({
    text: 'a name without a colon',
    is: (value) => typeof value === 'string' && value !== '' && !value.includes(':'),
  }),
  password: required(aName),
};

/** JSON lines: each record of a dump, and each item of a stream, is one. */
const linesType = 'application/x-ndjson';

const newline = 0x0a;

/**
 * A client of a management server, this one or any that speaks JSON-RPC 2.0 over HTTP, such as OpenSIPS with `mi_http`. Its type
 * parameter says which commands there are; left out, every command takes and gives any JSON.
 *
 * ```ts
 * interface Pbx {
 *   'pbx:add': { params: { a: number; b: number }; result: number };
 *   'pbx:trunks': { result: { name: string; free?: number }[] };
 * }
 * const client = new MiClient<Pbx>('http://127.0.0.1:8888/mi', { login: { name: 'alice', password: 'secret' } });
 * const sum: number = await client.call('pbx:add', { a: 1, b: 2 });
 * const [{ result: trunks }] = await client.batch([['pbx:trunks'], ['pbx:add', { a: 1, b: sum }]]);
 * console.log(trunks);
 * client.close();
 * ```
 *
 * Errors that the server answers with are {@link MiError}. Others have the code ERR_CALL or ERR_TIMEOUT and name the URL.
 */
export class MiClient<Commands extends MiCommands<Commands> = AnyCommands> {
  readonly #target: Target;
  readonly #connection: Connection;
  readonly #timeout: number;
  readonly #longest: number;
  readonly #hasLogin: boolean;
  #id = 0;

  /**
   * @param url as `server.urls` has it: `http://127.0.0.1:8888/mi`, `https://…`, or `http://unix:/run/mi-httpd.sock:/mi`
   * @throws TypeError naming the option that is wrong
   */
  constructor(url: string, options: MiClientOptions = {}) {
    checkMembers('MiClient', options, clientOptions);
    const target = typeof url === 'string' ? targetOf(url) : undefined;
    if (target === undefined) {
      const wanted = '"http://HOST:PORT/mi", "https://HOST:PORT/mi" or "http://unix:/PATH:/mi"';
      throw coded('ERR_ARGUMENT', new TypeError(`URL of MiClient is ${shown(url)}; give ${wanted}`));
    }
    if (target.hasLogin)
      throw coded('ERR_ARGUMENT', new TypeError('URL of MiClient has a name or password in it; give option login'));
    const { login, tls, timeout = 120, maxReply = 64 << 20, connections = 4 } = options;
    this.#target = target;
    this.#timeout = timeout;
    this.#longest = maxReply;
    this.#hasLogin = login !== undefined;
    this.#connection = new Connection(target, { most: connections, authorization: authorizationOf(login), tls });
  }

  /**
   * Runs a command, and gives its result.
   *
   * @param given its parameters, by name or by position, then {@link MiCallOptions}
   * @throws MiError with the code and data that the server answers with; the reason of the signal; Error of the code ERR_CALL or
   *   ERR_TIMEOUT when there is no answer
   */
  async call<Name extends keyof Commands & string>(
    command: Name,
    ...given: [...MiArguments<Commands[Name]>, options?: MiCallOptions]
  ): Promise<Commands[Name]['result']> {
    const [params, options] = partsOf(given);
    this.#id += 1;
    const answer = await this.#post(requestOf(command, params, this.#id), options);
    const outcome = this.#outcomeOf(await this.#read(answer), answer.status);
    if (outcome.error !== undefined) throw outcome.error;
    return outcome.result;
  }

  /**
   * Runs several commands by one request, side by side; gives their outcomes in the same order.
   *
   * @throws MiError when the server refuses the batch as a whole; else as {@link call}
   */
  async batch<const Calls extends readonly MiBatchCall<Commands>[]>(
    calls: Calls,
    options: MiCallOptions = {},
  ): Promise<MiOutcomes<Commands, Calls>> {
    checkGiven('batch', calls, { text: 'an array of calls, [command, params]', is: Array.isArray });
    checkMembers('call', options, callOptions);
    if (calls.length === 0) return [] as unknown as MiOutcomes<Commands, Calls>;
    const texts = calls.map((one, id) => {
      const [command, params]: readonly unknown[] = one;
      return requestOf(command, params, id);
    });
    const answer = await this.#post(`[${texts.join(',')}]`, options);
    const replies = await this.#read(answer);
    if (!Array.isArray(replies)) throw this.#outcomeOf(replies, answer.status).error ?? this.#noReply(answer.status);
    const byId = new Map<unknown, JsonValue>(replies.map((reply) => [isObject(reply) ? reply.id : undefined, reply]));
    return calls.map((_call, id) => this.#outcomeOf(byId.get(id), answer.status)) as MiOutcomes<Commands, Calls>;
  }

  /**
   * Has a command run without its result: gives nothing once the server has taken the request.
   *
   * @param given as for {@link call}
   */
  async notify<Name extends keyof Commands & string>(
    command: Name,
    ...given: [...MiArguments<Commands[Name]>, options?: MiCallOptions]
  ): Promise<void> {
    const [params, options] = partsOf(given);
    const answer = await this.#post(requestOf(command, params, undefined), options);
    const text = await answer.text(this.#longest);
    if (answer.status >= 200 && answer.status < 300 && text === '') return;
    const { error } = this.#outcomeOf(this.#parsed(text, answer.status), answer.status);
    if (error !== undefined) throw error;
  }

  /**
   * Runs a command, and gives the records of its dump, or the items of its stream, one by one while they come: no more than one of
   * them is held. A result without either is one record. It needs a server of this package.
   *
   * ```ts
   * const client = new MiClient('http://127.0.0.1:8888/mi');
   * for await (const record of client.stream('ul_dump')) console.log(record);
   * ```
   *
   * @param given as for {@link call}; `timeout` is that of each piece
   * @throws as {@link call}; Error when the answer ends early
   */
  async *stream<Item = JsonValue, Name extends keyof Commands & string = keyof Commands & string>(
    command: Name,
    ...given: [...MiArguments<Commands[Name]>, options?: MiCallOptions]
  ): AsyncGenerator<Item, void, undefined> {
    const [params, options] = partsOf(given);
    this.#id += 1;
    const answer = await this.#post(requestOf(command, params, this.#id), options, linesType);
    if (answer.type !== linesType) {
      const { result, error } = this.#outcomeOf(await this.#read(answer), answer.status);
      if (error !== undefined) throw error;
      yield result as Item;
      return;
    }
    for await (const line of this.#lines(answer)) yield this.#parsed(line, answer.status) as Item;
  }

  /** Closes the connections. Calls under way fail. */
  close(): void {
    this.#connection.close();
  }

  /** Closes the connections: for `using client = new MiClient(…)`. */
  [Symbol.dispose](): void {
    this.close();
  }

  async #post(body: string, options: MiCallOptions, accept?: string): Promise<Answer> {
    checkMembers('call', options, callOptions);
    const { signal, timeout = this.#timeout, repeat = false } = options;
    try {
      const sending = { signal, timeout, mayRepeat: repeat };
      return await this.#connection.post(body, accept === undefined ? sending : { ...sending, accept });
    } catch (error) {
      throw error === signal?.reason ? error : withRemedy(error);
    }
  }

  async #read(answer: Answer): Promise<JsonValue> {
    return this.#parsed(await answer.text(this.#longest), answer.status);
  }

  #parsed(text: string, status: number): JsonValue {
    if (status === 401) throw this.#notLoggedIn();
    try {
      return JSON.parse(text) as JsonValue;
    } catch {
      throw this.#noReply(status);
    }
  }

  async *#lines(answer: Answer): AsyncGenerator<string, void, undefined> {
    let rest: Buffer[] = [];
    let length = 0;
    for await (const piece of answer.pieces()) {
      let start = 0;
      for (let end = piece.indexOf(newline); end >= 0; end = piece.indexOf(newline, start)) {
        yield Buffer.concat([...rest, piece.subarray(start, end)]).toString('utf8');
        start = end + 1;
        rest = [];
        length = 0;
      }
      length += piece.length - start;
      if (length > this.#longest) throw tooLong(this.#target.url, 'a record', this.#longest);
      rest.push(piece.subarray(start));
    }
  }

  #outcomeOf(reply: JsonValue | undefined, status: number): MiOutcome<JsonValue> {
    if (!isObject(reply)) throw this.#noReply(status);
    const { result, error } = reply;
    if (result !== undefined) return { result };
    if (!isObject(error) || !Number.isInteger(error.code)) throw this.#noReply(status);
    const { code, message, data } = error;
    return { error: new MiError(Number(code), typeof message === 'string' ? message : undefined, data as JsonValue) };
  }

  #notLoggedIn(): Error {
    const { url } = this.#target;
    const text = this.#hasLogin
      ? `${url} refuses the login: give option login a name and password of auth_file, or a token of auth_tokens`
      : `${url} asks for a login: give option login`;
    return coded('ERR_CALL', new Error(text));
  }

  #noReply(status: number): Error {
    const { url } = this.#target;
    return coded('ERR_CALL', new Error(`${url} answers ${status}, which is no JSON-RPC; give the URL of mi_http`));
  }
}

function authorizationOf(login: MiClientOptions['login']): string | undefined {
  if (login === undefined) return undefined;
  if ('token' in login) {
    checkMembers('login of MiClient', login, tokenLogin);
    return `Bearer ${login.token}`;
  }
  checkMembers('login of MiClient', login, basic);
  return basicLogin(`${login.name}:${login.password}`);
}

/** The arguments behind the name of a command. */
function partsOf(given: readonly unknown[]): readonly [params: unknown, options: MiCallOptions] {
  const [params, options = {}] = given;
  return [params, options as MiCallOptions];
}

function requestOf(command: unknown, params: unknown, id: number | undefined): string {
  checkGiven('command of MiClient', command, aName);
  if (params !== undefined)
    checkGiven(`parameters of ${command}`, params, {
      text: 'an array or an object',
      is: (value) => typeof value === 'object' && value !== null,
    });
  return stringify({ jsonrpc: '2.0', method: command, params, id });
}

/** What helps against errors of the system, by their codes. */
const remedies: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'start the server, or give the URL where it listens',
  ENOENT: 'start the server, or give the path of its Unix socket',
  ENOTFOUND: 'give the name or address of the host',
  EACCES: 'give this user access to the socket',
  EPROTO: 'the port speaks no TLS: give http in place of https',
  ERR_SSL_WRONG_VERSION_NUMBER: 'the port speaks no TLS: give http in place of https',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'the port speaks no TLS: give http in place of https',
  ECONNRESET: 'a port that speaks TLS wants https; a server closes connections that are over its limits',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'give the certificates that it may be signed by as tls.ca',
  SELF_SIGNED_CERT_IN_CHAIN: 'give the certificates that it may be signed by as tls.ca',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'give the certificates that it may be signed by as tls.ca',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'give the certificates that it may be signed by as tls.ca',
  ERR_TLS_CERT_ALTNAME_INVALID: 'give the URL by a name of the certificate, or that name as tls.servername',
};

function withRemedy(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { cause } = error as { readonly cause?: { readonly code?: unknown } };
  const remedy =
    error instanceof ClosedIdle
      ? 'the connection was closed before an answer came, so that the command may have run; give repeat: true for one that may run twice'
      : remedies[String(cause?.code)];
  return remedy === undefined ? error : coded('ERR_CALL', new Error(`${error.message}; ${remedy}`, { cause }));
}
