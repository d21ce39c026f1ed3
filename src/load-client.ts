import { Agent, type ClientRequest, request } from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';
import type { LoadTarget } from './load-target.js';

/** The server answered a call with an error, or with something that is no answer. */
export class CallError extends Error {
  override readonly name = 'CallError';

  /**
   * @param code the JSON-RPC code; undefined: the answer is not JSON-RPC
   * @param status the HTTP status
   */
  constructor(
    message: string,
    readonly code: number | undefined,
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

  close(): void {
    this.#agent.destroy();
  }

  #post(body: string, isFirst: boolean): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { url, isSecure, options } = this.#target;
      const sent: ClientRequest = (isSecure ? secureRequest : request)({
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
      sent.on('timeout', () => sent.destroy(new Error(`no answer within ${timeout} s`)));
      sent.on('error', (error: NodeJS.ErrnoException) => {
        const wasClosed = sent.reusedSocket && ['ECONNRESET', 'EPIPE'].includes(error.code ?? '');
        reject(isFirst && wasClosed ? closedIdle : new Error(`${url}: ${error.message || error.code}`));
      });
      sent.on('response', (response) => {
        const pieces: Buffer[] = [];
        let length = 0;
        response.on('data', (piece: Buffer) => {
          length += piece.length;
          pieces.push(piece);
          if (length > maxAnswer) response.destroy(new Error(`answer is longer than ${maxAnswer} bytes`));
        });
        response.on('error', (error) => reject(new Error(`${url}: ${error.message}`)));
        response.on('end', () => {
          try {
            resolve(resultOf(Buffer.concat(pieces).toString('utf8'), response.statusCode ?? 0, url));
          } catch (error) {
            reject(error);
          }
        });
      });
      sent.end(body);
    });
  }
}

/** The server closed a connection that was kept open, before it saw the request. */
const closedIdle = new Error('the server closed the idle connection');

interface Answer {
  readonly result?: unknown;
  readonly error?: { readonly code?: unknown; readonly message?: unknown; readonly data?: unknown };
}

function resultOf(body: string, status: number, url: string): unknown {
  let answer: unknown;
  if (status === 401) throw new CallError(`${url} asks for a login: give --login FILE`, undefined, status);
  try {
    answer = JSON.parse(body);
  } catch {
    throw new CallError(`${url} answers ${status}, which is no JSON-RPC; give the URL of mi_http`, undefined, status);
  }
  const { result, error } = (typeof answer === 'object' && answer !== null ? answer : {}) as Answer;
  if (error === undefined && result !== undefined) return result;
  const { code, message, data } = error ?? {};
  const reason = [message, data].filter((part) => typeof part === 'string' && part !== '').join(': ');
  throw new CallError(reason || `answer ${status}`, typeof code === 'number' ? code : undefined, status);
}
