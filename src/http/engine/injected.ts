import { coded } from '../../base/codes.js';
import { abortReason } from '../../base/lazy-abort.js';
import { DirectReply } from './direct-reply.js';
import {
  type EngineHandlers,
  type EngineRequest,
  type EngineResponse,
  type FixedHead,
  leastChunk,
  type Taken,
} from './engine.js';
import { mentionsJson } from './node/request.js';

/** A request that comes without a socket. */
export interface InjectedRequest {
  /** Default GET, or POST where there is a body. */
  readonly method?: string;
  /** Path and query, `/mi?x=1`; of a whole URL the rest counts as the header Host. */
  readonly url: string;
  /** As objects and lists of `fetch`; Host and Content-Length are added where they are left out. */
  readonly headers?: Readonly<Record<string, string>> | readonly (readonly [name: string, value: string])[];
  readonly body?: string | Uint8Array;
  /** Where it comes from: limits by address count it there. Default `127.0.0.1`. */
  readonly remoteAddress?: string;
  /** Gives it up, as a client that leaves does. */
  readonly signal?: AbortSignal;
}

/** Bytes of a body that may wait for their reader. */
const highWater = 65536;

/** The head of a request that comes without a socket. */
class InjectedHead implements EngineRequest {
  readonly method: string;
  readonly path: string;
  /** The body, in memory of its own. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #query: string | undefined;
  readonly #fields: readonly (readonly [name: string, value: string])[];

  /** @throws TypeError for a URL that is none */
  constructor({ method, url, headers = [], body = '' }: InjectedRequest) {
    const { host, pathname, search } = new URL(url, 'http://localhost');
    const bytes = new Uint8Array(typeof body === 'string' ? Buffer.from(body) : body);
    this.bytes = bytes;
    this.method = method ?? (bytes.length > 0 ? 'POST' : 'GET');
    this.path = pathname;
    this.#query = search === '' ? undefined : search.slice(1);
    const given: readonly (readonly [string, string])[] = Array.isArray(headers) ? headers : Object.entries(headers);
    const fields = given.map(([name, value]) => [name.toLowerCase(), value] as const);
    const adds = (name: string): boolean => !fields.some(([other]) => other === name);
    if (adds('host')) fields.push(['host', host]);
    if ((bytes.length > 0 || this.method === 'POST') && adds('content-length')) {
      fields.push(['content-length', String(bytes.length)]);
    }
    this.#fields = fields;
  }

  getQuery(): string | undefined {
    return this.#query;
  }

  getHeader(lowerCaseName: string): string {
    return this.#fields.find(([name]) => name === lowerCaseName)?.[1] ?? '';
  }

  forEach(visit: (lowerCaseName: string, value: string) => void): void {
    for (const [name, value] of this.#fields) visit(name, value);
  }
}

/** The response to a request that comes without a socket: what the server sends becomes a `Response`. */
class InjectedReply extends DirectReply implements EngineResponse {
  readonly remoteAddress: string;
  readonly remotePort = 0;
  readonly certificate = undefined;
  readonly chunkSize = leastChunk;
  readonly response: Promise<Response>;
  /** True once the body is asked for. */
  isAwaited = false;
  #resolve: (response: Response) => void = () => {};
  #reject: (reason: unknown) => void = () => {};
  #fields: [string, string][] = [];
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #writable: (() => void) | undefined;
  #isEnded = false;
  readonly #ended: () => void;
  #gone: () => void = () => {};

  /** @param ended told when the reply has ended, was closed, or its reader has left */
  constructor(remoteAddress: string, ended: () => void) {
    super();
    this.remoteAddress = remoteAddress;
    this.#ended = ended;
    this.response = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** @param gone told when the reader of the reply leaves */
  leavesBy(gone: () => void): void {
    this.#gone = gone;
  }

  /** The client leaves: nothing more is sent. */
  leave(reason: unknown): void {
    if (this.#isEnded) return;
    this.#end();
    this.#fail(reason);
    this.#gone();
  }

  #end(): void {
    this.#isEnded = true;
    this.#ended();
  }

  #fail(reason: unknown): void {
    this.#reject(reason);
    this.#controller?.error(reason);
  }

  awaitBody(): void {
    this.isAwaited = true;
  }

  takesWhole(): boolean {
    return true;
  }

  writeHeader(name: string, value: string): void {
    // As they go over the wire: a text of Latin-1 whose characters are the bytes.
    this.#fields.push([name, Buffer.from(value).toString('latin1')]);
  }

  writeFixedHead({ headers }: FixedHead): void {
    for (const [name, value] of headers) this.#fields.push([name, value]);
  }

  end(body: string | Uint8Array): void {
    this.#end();
    // A copy: what is given is lent.
    const bytes = Buffer.from(body as string);
    this.#answer(bytes, bytes.length);
  }

  endHead(length: number | undefined): void {
    this.#end();
    this.#answer(null, length);
  }

  writeOf(total: number, offset: number, piece: Uint8Array, writeHead: (() => void) | undefined): Taken {
    this.#begin(writeHead, total);
    const isComplete = offset + piece.length === total;
    const isFree = this.#push(piece);
    if (isComplete) this.#close();
    return { bytes: piece.length, isFree, isComplete };
  }

  write(piece: Uint8Array, writeHead: (() => void) | undefined): Taken {
    this.#begin(writeHead, undefined);
    return { bytes: piece.length, isFree: this.#push(piece), isComplete: false };
  }

  endBody(writeHead: (() => void) | undefined): void {
    this.#begin(writeHead, undefined);
    this.#close();
  }

  #begin(writeHead: (() => void) | undefined, length: number | undefined): void {
    if (writeHead === undefined) return;
    writeHead();
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => this.#writable?.(),
        cancel: (reason) => this.leave(reason),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: highWater }),
    );
    this.#answer(body, length);
  }

  #answer(body: Uint8Array | ReadableStream<Uint8Array> | null, length: number | undefined): void {
    if (length !== undefined) this.#fields.push(['Content-Length', String(length)]);
    const head = { status: this.status, statusText: this.reason, headers: this.#fields };
    this.#resolve(new Response(body, head));
  }

  #push(piece: Uint8Array): boolean {
    this.#controller?.enqueue(Uint8Array.from(piece));
    return (this.#controller?.desiredSize ?? 0) > 0;
  }

  #close(): void {
    this.#end();
    this.#controller?.close();
  }

  onWritable(writable: () => void): void {
    this.#writable = writable;
  }

  close(): void {
    if (this.#isEnded) return;
    this.#end();
    this.#fail(abortReason(coded('ERR_GONE', new Error('the server closed the connection'))));
  }
}

/** Takes requests that come without a socket. */
export type InjectionHandlers = Pick<EngineHandlers, 'receiver' | 'refusal' | 'opened' | 'closed'>;

/** @returns what it says as a request of {@link InjectedRequest} */
async function plain(request: Request): Promise<InjectedRequest> {
  const { method, url, signal } = request;
  return { method, url, signal, headers: [...request.headers], body: new Uint8Array(await request.arrayBuffer()) };
}

/**
 * Has a request served that comes without a socket. For the limits it counts as a connection.
 *
 * @param from the address that it comes from, where it tells none
 * @param refusal tells why a client of an address is not served; undefined: it is
 * @throws the reason of the signal; an error of the code ERR_GONE where a connection would be closed without a reply
 */
export async function inject(
  handlers: InjectionHandlers,
  given: InjectedRequest | Request,
  from: string | undefined,
  refusal: (address: string) => string | undefined,
): Promise<Response> {
  const request: InjectedRequest = given instanceof Request ? await plain(given) : given;
  const { remoteAddress = from ?? '127.0.0.1', signal } = request;
  signal?.throwIfAborted();
  const head = new InjectedHead(request);
  const leave = (): void => reply.leave(signal?.reason);
  const reply = new InjectedReply(remoteAddress, () => {
    signal?.removeEventListener('abort', leave);
    handlers.closed(true);
  });
  signal?.addEventListener('abort', leave);
  let isRefused = false;
  const refuse = (status: number, reason: string): void => {
    const wantsJson = mentionsJson(`${head.getHeader('accept')} ${head.getHeader('content-type')}`);
    const { statusLine, headers, body } = handlers.refusal(status, reason, wantsJson);
    reply.writeStatus(statusLine);
    for (const [name, value] of headers) reply.writeHeader(name, value);
    reply.end(body);
  };
  handlers.opened({
    remoteAddress,
    tellsEveryReply: true,
    refuse: (reason) => {
      isRefused = true;
      refuse(503, reason);
    },
    close: () => {
      isRefused = true;
      reply.close();
    },
    onGone: () => {},
  });
  const reason = isRefused ? undefined : refusal(remoteAddress);
  if (reason !== undefined) refuse(403, reason);
  if (isRefused || reason !== undefined) return reply.response;
  const taker = handlers.receiver(reply);
  reply.leavesBy(() => taker.gone());
  taker.request(head, head.method, head.path, undefined);
  if (reply.isAwaited) taker.bodyPiece(head.bytes.buffer, true);
  return reply.response;
}
