import { readFile } from 'node:fs/promises';
import { coded, type ErrorCode } from '../base/codes.js';
import { readSmallFile } from '../base/files.js';
import { reasonOf } from '../base/text.js';
import { basicLogin, type ClientTls, Connection, type Target, targetOf, tokenForm } from '../client/connection.js';

/** The server answered a call with an error, or with something that is no answer. */
export class CallError extends Error {
  override readonly name = 'CallError';
  readonly code: ErrorCode = 'ERR_CALL';

  /**
   * @param rpcCode the JSON-RPC code; undefined: the answer is not JSON-RPC
   * @param status the HTTP status
   */
  constructor(
    message: string,
    readonly rpcCode: number | undefined,
    readonly status: number,
  ) {
    super(message);
  }
}

/** Longest answer in bytes: every contact of a batch could be rejected with a long reason. */
const maxAnswer = 67108864;

/** Seconds that one call may take. */
const timeout = 120;

/** Calls MI commands for a verb of the command: parameters go and dumps come as text, which nobody parses. */
export class VerbClient {
  readonly #url: string;
  readonly #connection: Connection;
  #id = 0;

  /**
   * @param connections calls that can run at once
   * @param authorization value of the header; undefined: no login
   */
  constructor({ target, tls }: VerbTarget, connections: number, authorization?: string) {
    this.#url = target.url;
    this.#connection = new Connection(target, { most: connections, authorization, tls });
  }

  /**
   * Calls a command, and again when the server closed the idle connection at that moment; so only commands that may
   * run twice.
   *
   * @param params the params of the request as JSON
   * @throws CallError for an answer that is an error; Error when there is none
   */
  async call(method: string, params: string): Promise<unknown> {
    this.#id += 1;
    const body = `{"jsonrpc":"2.0","method":${JSON.stringify(method)},"params":${params},"id":${this.#id}}`;
    const answer = await this.#connection.post(body, { timeout, mayRepeat: true });
    return resultOf(await answer.text(maxAnswer), answer.status, this.#url);
  }

  /**
   * Calls a command without parameters, and gives its answer piece by piece as it comes, unread.
   *
   * @throws CallError for an answer that is no JSON; Error when there is none, or it ends early
   */
  async *stream(method: string): AsyncGenerator<Buffer, void, undefined> {
    const body = `{"jsonrpc":"2.0","method":${JSON.stringify(method)},"id":1}`;
    const answer = await this.#connection.post(body, { timeout, mayRepeat: false });
    if (answer.status !== 200 || !answer.type.includes('json')) {
      answer.drop();
      throw refusedAnswer(answer.status, this.#url);
    }
    yield* answer.pieces();
  }

  close(): void {
    this.#connection.close();
  }
}

interface Reply {
  readonly result?: unknown;
  readonly error?: { readonly code?: unknown; readonly message?: unknown; readonly data?: unknown };
}

function refusedAnswer(status: number, url: string): CallError {
  return status === 401
    ? new CallError(`${url} asks for a login: give --login FILE`, undefined, status)
    : new CallError(`${url} answers ${status}, which is no JSON-RPC; give the URL of mi_http`, undefined, status);
}

function resultOf(body: string, status: number, url: string): unknown {
  let reply: unknown;
  if (status === 401) throw refusedAnswer(status, url);
  try {
    reply = JSON.parse(body);
  } catch {
    throw refusedAnswer(status, url);
  }
  const { result, error } = (typeof reply === 'object' && reply !== null ? reply : {}) as Reply;
  if (error === undefined && result !== undefined) return result;
  const { code, message, data } = error ?? {};
  const reason = [message, data].filter((part) => typeof part === 'string' && part !== '').join(': ');
  throw new CallError(reason || `answer ${status}`, typeof code === 'number' ? code : undefined, status);
}

/** Where a verb reaches a running server. */
interface VerbTarget {
  readonly target: Target;
  readonly tls: ClientTls | undefined;
}

/**
 * Reads the options `--url` and `--ca` of a verb; see {@link targetOf}.
 *
 * @param caFile PEM file, for https
 * @returns undefined when the text is no URL of a server
 * @throws Error naming the file that cannot be read, or that the URL has a name or password in it
 */
export function verbTarget(text: string, caFile: string | undefined): VerbTarget | undefined {
  const target = targetOf(text);
  if (target === undefined) return undefined;
  if (target.hasLogin) {
    throw coded(
      'ERR_OPTION',
      new Error('option --url has a name or password in it, which others would see; put them into a file for --login'),
    );
  }
  return { target, tls: target.isSecure && caFile !== undefined ? { ca: readCertificates(caFile) } : undefined };
}

/** Bytes of a file of certificates. */
const largestCertificates = 1 << 20;

function readCertificates(file: string): string {
  try {
    return readSmallFile(file, largestCertificates).text;
  } catch (error) {
    throw coded('ERR_OPTION', new Error(`certificates cannot be read: ${file}: ${reasonOf(error)}`));
  }
}

/**
 * The value of the header Authorization.
 * @throws Error naming the file and what is wrong, without what is in it
 */
export async function readLogin(file: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw coded('ERR_OPTION', new Error(`login cannot be read: ${reasonOf(error)}`));
  }
  const [line = ''] = text.split(/\r?\n/, 1);
  if (line.includes(':')) return basicLogin(line);
  if (tokenForm.test(line)) return `Bearer ${line}`;
  throw coded(
    'ERR_OPTION',
    new Error(`login cannot be read: the first line of ${file} is neither a token nor NAME:PASSWORD`),
  );
}
