import type { Agent, ClientRequest, IncomingMessage } from 'node:http';
import type { ConnectionOptions } from 'node:tls';
import { coded } from '../base/codes.js';
import { reasonOf } from '../base/text.js';

/** A place where a server is reached. */
export interface Target {
  /** For messages. */
  readonly url: string;
  readonly isSecure: boolean;
  /** True where the URL has a name or password in it. */
  readonly hasLogin: boolean;
  /** Options for `request` of node:http or node:https. */
  readonly options: {
    readonly hostname?: string;
    readonly port?: string;
    readonly socketPath?: string;
    readonly path: string;
  };
}

/**
 * Reads `http://HOST:PORT/mi`, `https://HOST:PORT/mi` or, as the server prints it, `http://unix:/run/mi-httpd.sock:/mi`.
 *
 * @returns undefined when the text is none of these
 */
export function targetOf(text: string): Target | undefined {
  const [, socketPath, localPath] = /^http:\/\/unix:(\/[^:]+):(\/.*)$/.exec(text) ?? [];
  if (socketPath !== undefined && localPath !== undefined) {
    return { url: text, isSecure: false, hasLogin: false, options: { socketPath, path: localPath } };
  }
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') return undefined;
  // Brackets are the URL's, not the address's.
  const hostname = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return {
    url: url.href,
    isSecure: url.protocol === 'https:',
    hasLogin: url.username !== '' || url.password !== '',
    options: { hostname, port: url.port, path: `${url.pathname}${url.search}` },
  };
}

/** The value of the header Authorization for a name and password. */
export function basicLogin(nameAndPassword: string): string {
  return `Basic ${Buffer.from(nameAndPassword).toString('base64')}`;
}

/** The characters of a token; RFC 6750 §2.1. */
export const tokenForm = /^[A-Za-z0-9._~+/-]+=*$/;

/** Certificates of the client, and those that the server's may be signed by, in place of those that Node.js trusts. */
export type ClientTls = Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'passphrase' | 'servername'>;

/** Options of {@link Connection}. */
interface ConnectionSettings {
  /** Connections that are open at once. */
  readonly most: number;
  /** Value of the header Authorization; undefined: no login. */
  readonly authorization: string | undefined;
  readonly tls?: ClientTls | undefined;
}

/** A request. */
interface Sending {
  readonly accept?: string;
  readonly signal?: AbortSignal | undefined;
  /** Seconds until the end of the answer; of one that is read piece by piece, until each piece. */
  readonly timeout: number;
  /** True: it is sent again where the server closed the idle connection at that moment. */
  readonly mayRepeat: boolean;
}

/** Milliseconds after which an idle connection is closed: before servers close theirs, so that no request meets that. */
const idle = 4000;

/** Not imported: a server that asks nobody starts without it, and without TLS. */
function clientOf({ isSecure }: Target): typeof import('node:http') | typeof import('node:https') {
  return isSecure ? process.getBuiltinModule('node:https') : process.getBuiltinModule('node:http');
}

/** Posts requests to one URL over a few connections that stay open. */
export class Connection {
  readonly #target: Target;
  readonly #settings: ConnectionSettings;
  readonly #agent: Agent;

  constructor(target: Target, settings: ConnectionSettings) {
    this.#target = target;
    this.#settings = settings;
    const options = { keepAlive: true, maxSockets: settings.most, timeout: idle };
    const { Agent } = clientOf(target);
    this.#agent = new Agent(options);
  }

  /**
   * Sends a request; gives its answer as soon as it begins.
   *
   * @throws the reason of the signal; Error of the code ERR_TIMEOUT or ERR_CALL, with the error of the system as its cause
   */
  async post(body: string, sending: Sending): Promise<Answer> {
    sending.signal?.throwIfAborted();
    try {
      return await this.#once(body, sending);
    } catch (error) {
      if (!(error instanceof ClosedIdle) || !sending.mayRepeat) throw error;
      return await this.#once(body, sending);
    }
  }

  /** Closes the connections; answers under way are cut. */
  close(): void {
    this.#agent.destroy();
  }

  #once(body: string, { accept, signal, timeout }: Sending): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { url } = this.#target;
      const sent = this.#request(body, accept);
      let answer: Answer | undefined;
      const patience = new Patience(signal, timeout, url, (reason) => {
        reject(reason);
        if (answer === undefined) sent.destroy();
        else answer.drop(reason);
      });
      sent.on('close', () => patience.end());
      sent.on('error', (error: NodeJS.ErrnoException) => {
        const wasClosed = sent.reusedSocket && ['ECONNRESET', 'EPIPE'].includes(error.code ?? '');
        const Kind = wasClosed ? ClosedIdle : Error;
        // Those of OpenSSL end with a line.
        const reason = (error.message || String(error.code)).trim();
        reject(coded('ERR_CALL', new Kind(`${url}: ${reason}`, { cause: error })));
      });
      sent.on('response', (response) => {
        answer = new Answer(response, url, patience);
        resolve(answer);
      });
    });
  }

  #request(body: string, accept: string | undefined): ClientRequest {
    const { options } = this.#target;
    const { authorization, tls = {} } = this.#settings;
    const sent = clientOf(this.#target).request({
      ...options,
      ...tls,
      method: 'POST',
      agent: this.#agent,
      headers: {
        'Content-Type': 'application/json',
        'Content-Length': Buffer.byteLength(body),
        ...(accept === undefined ? {} : { Accept: accept }),
        ...(authorization === undefined ? {} : { Authorization: authorization }),
      },
    });
    sent.end(body);
    return sent;
  }
}

/** The server closed a connection that was kept open, perhaps before it saw the request. */
export class ClosedIdle extends Error {}

/** Gives a request up when its signal says so, or its time is over. */
class Patience {
  reason: unknown;
  readonly #signal: AbortSignal | undefined;
  readonly #milliseconds: number;
  readonly #giveUp: (reason: unknown) => void;
  readonly #late: () => void;
  #timer: NodeJS.Timeout | undefined;
  #hasEnded = false;

  constructor(signal: AbortSignal | undefined, seconds: number, url: string, giveUp: (reason: unknown) => void) {
    this.#signal = signal;
    this.#milliseconds = seconds * 1000;
    this.#giveUp = giveUp;
    this.#late = () => this.#end(coded('ERR_TIMEOUT', new Error(`${url}: no answer within ${seconds} s`)));
    signal?.addEventListener('abort', this.#aborted);
    this.begin();
  }

  readonly #aborted = (): void => this.#end(this.#signal?.reason);

  #end(reason: unknown): void {
    this.end();
    this.reason = reason;
    this.#giveUp(reason);
  }

  /** Counts the time anew. */
  begin(): void {
    clearTimeout(this.#timer);
    if (!this.#hasEnded) this.#timer = setTimeout(this.#late, this.#milliseconds);
  }

  /** Time does not count. */
  rest(): void {
    clearTimeout(this.#timer);
  }

  end(): void {
    this.#hasEnded = true;
    this.rest();
    this.#signal?.removeEventListener('abort', this.#aborted);
  }
}

/** The answer to a request, from its head on. It is to be read to its end, or dropped. */
export class Answer {
  readonly #response: IncomingMessage;
  readonly #url: string;
  readonly #patience: Patience;

  constructor(response: IncomingMessage, url: string, patience: Patience) {
    this.#response = response;
    this.#url = url;
    this.#patience = patience;
  }

  get status(): number {
    return this.#response.statusCode ?? 0;
  }

  /** The media type, without its parameters. */
  get type(): string {
    return this.#response.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  }

  /** Leaves the rest unread. */
  drop(reason?: unknown): void {
    this.#response.destroy(reason instanceof Error ? reason : undefined);
  }

  /**
   * The body as it comes. The time of each piece counts anew, and none while its reader is busy.
   * @throws the reason for which it was given up; Error when it ends early
   */
  async *pieces(): AsyncGenerator<Buffer, void, undefined> {
    const { reason } = this.#patience;
    if (reason !== undefined) throw reason;
    this.#patience.begin();
    try {
      for await (const piece of this.#response as AsyncIterable<Buffer>) {
        this.#patience.rest();
        yield piece;
        this.#patience.begin();
      }
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /**
   * The body, whole.
   * @param longest bytes
   * @throws as {@link pieces}; Error when it is longer
   */
  async text(longest: number): Promise<string> {
    return (await this.bytes(longest)).toString('utf8');
  }

  /** As {@link text}, as it came. */
  async bytes(longest: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    let length = 0;
    try {
      for await (const piece of this.#response as AsyncIterable<Buffer>) {
        length += piece.length;
        if (length > longest) break;
        pieces.push(piece);
      }
    } catch (error) {
      throw this.#failure(error);
    }
    if (length > longest) throw tooLong(this.#url, 'an answer', longest);
    return Buffer.concat(pieces);
  }

  #failure(error: unknown): unknown {
    return (
      this.#patience.reason ??
      coded('ERR_CALL', new Error(`${this.#url}: answer ended early: ${reasonOf(error)}`, { cause: error }))
    );
  }
}

/** @param what `an answer` */
export function tooLong(url: string, what: string, longest: number): Error {
  return coded('ERR_CALL', new Error(`${url}: ${what} is longer than ${longest} bytes`));
}
