import { readFile } from 'node:fs/promises';
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';
import { coded, type ErrorCode } from '../base/codes.js';
import { readSmallFile } from '../base/files.js';
import { reasonOf } from '../base/text.js';

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

/** Calls MI commands of a server over a few connections that stay open. */
export class MiClient {
  readonly #target: LoadTarget;
  readonly #agent: Agent;
  #id = 0;

  /**
   * @param connections calls that can run at once
   * @param authorization value of the header; undefined: no login
   */
  constructor(
    target: LoadTarget,
    connections: number,
    readonly authorization?: string,
  ) {
    this.#target = target;
    const options = { keepAlive: true, maxSockets: connections };
    this.#agent = target.isSecure ? new SecureAgent(options) : new Agent(options);
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
    try {
      return await this.#post(body, true);
    } catch (error) {
      if (error !== closedIdle) throw error;
      return this.#post(body, false);
    }
  }

  /**
   * Calls a command without parameters, and gives its answer piece by piece as it comes, unread.
   *
   * @throws CallError for an answer that is no JSON; Error when there is none, or it ends early
   */
  async *stream(method: string): AsyncGenerator<Buffer, void, undefined> {
    const { url } = this.#target;
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = this.#request(`{"jsonrpc":"2.0","method":${JSON.stringify(method)},"id":1}`);
      sent.on('timeout', () => sent.destroy(coded('ERR_TIMEOUT', new Error(`no answer within ${timeout} s`))));
      sent.on('error', (error: NodeJS.ErrnoException) =>
        reject(coded('ERR_CALL', new Error(`${url}: ${error.message || error.code}`))),
      );
      sent.on('response', resolve);
    });
    const { statusCode: status = 0, headers } = response;
    if (status !== 200 || !/json/.test(headers['content-type'] ?? '')) {
      response.destroy();
      throw refusedAnswer(status, url);
    }
    try {
      yield* response as AsyncIterable<Buffer>;
    } catch (error) {
      throw coded('ERR_CALL', new Error(`${url}: answer ended early: ${reasonOf(error)}`));
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  #request(body: string): ClientRequest {
    const { isSecure, options } = this.#target;
    const sent = (isSecure ? secureRequest : request)({
      ...options,
      method: 'POST',
      agent: this.#agent,
      headers: {
        'Content-Type': 'application/json',
        'Content-Length': Buffer.byteLength(body),
        ...(this.authorization === undefined ? {} : { Authorization: this.authorization }),
      },
      timeout: timeout * 1000,
    });
    sent.end(body);
    return sent;
  }

  #post(body: string, isFirst: boolean): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { url } = this.#target;
      const sent = this.#request(body);
      sent.on('timeout', () => sent.destroy(coded('ERR_TIMEOUT', new Error(`no answer within ${timeout} s`))));
      sent.on('error', (error: NodeJS.ErrnoException) => {
        const wasClosed = sent.reusedSocket && ['ECONNRESET', 'EPIPE'].includes(error.code ?? '');
        reject(
          isFirst && wasClosed ? closedIdle : coded('ERR_CALL', new Error(`${url}: ${error.message || error.code}`)),
        );
      });
      sent.on('response', (response) => {
        const pieces: Buffer[] = [];
        let length = 0;
        response.on('data', (piece: Buffer) => {
          length += piece.length;
          pieces.push(piece);
          if (length > maxAnswer)
            response.destroy(coded('ERR_CALL', new Error(`answer is longer than ${maxAnswer} bytes`)));
        });
        response.on('error', (error) => reject(coded('ERR_CALL', new Error(`${url}: ${error.message}`))));
        response.on('end', () => {
          try {
            resolve(resultOf(Buffer.concat(pieces).toString('utf8'), response.statusCode ?? 0, url));
          } catch (error) {
            reject(error);
          }
        });
      });
    });
  }
}

/** The server closed a connection that was kept open, before it saw the request. */
const closedIdle = coded('ERR_CALL', new Error('the server closed the idle connection'));

interface Answer {
  readonly result?: unknown;
  readonly error?: { readonly code?: unknown; readonly message?: unknown; readonly data?: unknown };
}

function refusedAnswer(status: number, url: string): CallError {
  return status === 401
    ? new CallError(`${url} asks for a login: give --login FILE`, undefined, status)
    : new CallError(`${url} answers ${status}, which is no JSON-RPC; give the URL of mi_http`, undefined, status);
}

function resultOf(body: string, status: number, url: string): unknown {
  let answer: unknown;
  if (status === 401) throw refusedAnswer(status, url);
  try {
    answer = JSON.parse(body);
  } catch {
    throw refusedAnswer(status, url);
  }
  const { result, error } = (typeof answer === 'object' && answer !== null ? answer : {}) as Answer;
  if (error === undefined && result !== undefined) return result;
  const { code, message, data } = error ?? {};
  const reason = [message, data].filter((part) => typeof part === 'string' && part !== '').join(': ');
  throw new CallError(reason || `answer ${status}`, typeof code === 'number' ? code : undefined, status);
}

/** Where a running server is reached. */
interface LoadTarget {
  /** For messages. */
  readonly url: string;
  readonly isSecure: boolean;
  /** Options for `request` of node:http or node:https. */
  readonly options: {
    readonly hostname?: string;
    readonly port?: string;
    readonly socketPath?: string;
    readonly path: string;
    /** Certificates that the server's may be signed by, in place of those that Node.js trusts. */
    readonly ca?: string;
  };
}

/**
 * Reads `http://HOST:PORT/mi`, `https://HOST:PORT/mi` or, as the server prints it, `http://unix:/run/mi-httpd.sock:/mi`.
 *
 * @param caFile PEM file, for https
 * @returns undefined when the text is none of these
 * @throws Error naming the file that cannot be read, or that the URL has a name or password in it
 */
export function loadTarget(text: string, caFile: string | undefined): LoadTarget | undefined {
  const [, socketPath, localPath] = /^http:\/\/unix:(\/[^:]+):(\/.*)$/.exec(text) ?? [];
  if (socketPath !== undefined && localPath !== undefined) {
    return { url: text, isSecure: false, options: { socketPath, path: localPath } };
  }
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') return undefined;
  if (url.username !== '' || url.password !== '') {
    throw coded(
      'ERR_OPTION',
      new Error('option --url has a name or password in it, which others would see; put them into a file for --login'),
    );
  }
  // Brackets are the URL's, not the address's.
  const hostname = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const isSecure = url.protocol === 'https:';
  const options = {
    hostname,
    port: url.port,
    path: `${url.pathname}${url.search}`,
    ...(isSecure && caFile !== undefined ? { ca: readCertificates(caFile) } : {}),
  };
  return { url: url.href, isSecure, options };
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
  if (line.includes(':')) return `Basic ${Buffer.from(line).toString('base64')}`;
  if (/^[A-Za-z0-9._~+/-]+=*$/.test(line)) return `Bearer ${line}`;
  throw coded(
    'ERR_OPTION',
    new Error(`login cannot be read: the first line of ${file} is neither a token nor NAME:PASSWORD`),
  );
}
