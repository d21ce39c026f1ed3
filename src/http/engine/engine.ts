import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * The engine as the rest of http sees it. Another engine is a folder that implements this. What uWebSockets.js does beyond
 * it, and how that is dealt with, is docs/engine-quirks.md.
 */
export interface Engine {
  readonly name: string;
  readonly version: string;
  /** True when it is the HTTP server of Node.js itself. */
  readonly isOfNode: boolean;
  /** True when it can ask clients for certificates. */
  readonly asksForCertificates: boolean;
  /** True when apps of several threads listen at one address, and the kernel spreads connections over them. */
  readonly sharesPorts: boolean;
  readonly tls: TlsAbilities;
  /** Bytes of a body of unknown length that are best sent in one turn of the event loop. */
  readonly chunkSize: number;
  /** Tells in one line that it was loaded in a wrong way, and the remedy; undefined when all is well. */
  readonly notice?: string | undefined;
  /** An app without TLS. */
  open(handlers: EngineHandlers): App;
  /**
   * An app with TLS that begins with this certificate.
   * @param clients given where clients are asked for certificates, which not every engine can
   * @throws Error in one line when the engine cannot change certificates
   */
  openSecure(handlers: EngineHandlers, certificate: LoadedCertificate, clients?: ClientTrust): SecureApp;
  /** @returns undefined when the engine does not take the files; it does not say why */
  loadCertificate(files: CertificateFiles): LoadedCertificate | undefined;
}

/** What an engine can do of a list of ciphers, where not every one can. */
export interface TlsAbilities {
  /** True when it goes by its own order of suites, not by that of the client. */
  readonly hasOwnOrder: boolean;
  /** @param suite of TLS 1.2, by the name that OpenSSL has for it */
  hasSuite(suite: string): boolean;
}

/** Files of a certificate, as the engine is given them. */
export interface CertificateFiles {
  readonly certFile: string;
  /** PEM text in place of what is in {@link certFile}. */
  readonly chain: string | undefined;
  readonly keyFile: string;
  readonly passphrase: string | undefined;
  /** Suites of TLS 1.2, as OpenSSL lists them. */
  readonly ciphers: string;
}

/** Whose certificates of clients are taken. */
export interface ClientTrust {
  /** Certificates of CAs in PEM, one or more. */
  readonly authorities: readonly string[];
  /** Lists of revoked certificates in PEM; undefined: none is looked at. */
  readonly revoked: readonly string[] | undefined;
  /** True when a client without a certificate gets no connection. */
  readonly isRequired: boolean;
}

/** A certificate that the engine has read; used once. */
export interface LoadedCertificate {
  /** Frees it unused. */
  drop(): void;
}

/** Takes the requests and connections of an app. */
export interface EngineHandlers {
  /** Paths whose POST requests come with their route, as it was given, which saves looking it up. */
  readonly posts: readonly { readonly path: string; readonly route: object }[];
  /** Makes the receiver of a response object. Both serve one request after the other. */
  receiver(response: EngineResponse): Receiver;
  opened(connection: Connection): void;
  /** @param hadReply true when it had a reply, as far as the engine tells: see {@link Connection.tellsEveryReply} */
  closed(hadReply: boolean): void;
  /**
   * A client has no connection because of its certificate.
   * @param address '' where it is not known
   * @param reason one clause
   */
  certificateRefused(address: string, reason: string): void;
  /** Makes the reply to what is no request, or none that can be served; the connection closes behind it. */
  refusal(status: number, reason: string, wantsJson: boolean): RefusalReply;
}

/** A refusal that the engine sends. It adds what the head of every reply of its own has, and that the connection closes. */
export interface RefusalReply {
  readonly statusLine: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** Takes the requests of one response object. Nothing may be thrown back into the engine. */
export interface Receiver {
  /** A request has come; its object is valid until this returns. By then it is watched, or has its reply. */
  request(request: EngineRequest, method: string, path: string, route: object | undefined): void;
  /** A piece of the body has come; its memory is lent until this returns. */
  bodyPiece(piece: ArrayBuffer | Uint8Array, isLast: boolean): void;
  /**
   * More than `limit` requests have come without a wait for replies: this one is to be refused, and no other of its
   * connection is served.
   *
   * @param length bytes that the refusal has at least; undefined: the connection is closed without one
   */
  tooMany(limit: number, length: number | undefined): void;
  /** The connection has gone before the reply had ended. */
  gone(): void;
}

/** The head of a request. */
export interface EngineRequest {
  /** Undefined without a question mark. */
  getQuery(): string | undefined;
  /** The first value of that name, '' when absent. */
  getHeader(lowerCaseName: string): string;
  forEach(visit: (lowerCaseName: string, value: string) => void): void;
}

/** An app and its listen sockets. */
export interface App {
  /**
   * @param isShared true where other threads of the process listen there too, which not every engine can; default false
   * @returns undefined when the engine cannot listen there; it does not say why
   */
  listen(host: string, port: number, isShared?: boolean): Promise<ListenSocket | undefined>;
  listenUnix(path: string): Promise<ListenSocket | undefined>;
  /**
   * Listens on a listen socket that is open already. Its descriptor is the app's from now on.
   * @returns undefined when the engine cannot
   */
  listenOn(descriptor: number): Promise<ListenSocket | undefined>;
  /** Closes every connection, now or in a later turn. */
  close(): Promise<void>;
}

export interface SecureApp extends App {
  /** Serves new connections with this certificate; those that are open go on with the one they began with. */
  replace(certificate: LoadedCertificate): void;
  /**
   * Takes certificates of clients by this from now on. Connections that came by the former one end: at once, or behind the
   * replies that are on their way.
   */
  trust(clients: ClientTrust): void;
}

export interface ListenSocket {
  /** 0 of a Unix socket. */
  readonly port: number;
  /** Takes no new connections. */
  close(): void;
}

/** A connection that has just come. */
export interface Connection {
  /** '' where it is not known. */
  readonly remoteAddress: string;
  /** True when the engine tells of every reply at the end of a connection; else of a last one with a body of known length. */
  readonly tellsEveryReply: boolean;
  /** Refuses it by 503 and this reason, and closes. */
  refuse(reason: string): void;
  close(): void;
  /** Calls back when it goes before its first request. */
  onGone(gone: () => void): void;
}

/** The head of a reply of status 200, used again and again. */
export class FixedHead {
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** All of it behind the version of HTTP, up to the end of the last header. */
  readonly bytes: Uint8Array;

  constructor(headers: FixedHead['headers']) {
    this.headers = headers;
    this.bytes = Buffer.from(['200 OK', ...headers.map(([name, value]) => `${name}: ${value}`)].join('\r\n'), 'latin1');
  }
}

/** The part of a piece of a body that the engine has taken. */
export interface Taken {
  readonly bytes: number;
  /** True when the client takes more now. */
  readonly isFree: boolean;
  /** True when the reply is complete. */
  readonly isComplete: boolean;
}

/** The least {@link Engine.chunkSize}, bytes. */
export const leastChunk = 65280;

/**
 * The response to one request, until it has ended, was closed or its client has gone. Then the object serves another
 * request, when it is let.
 */
export interface EngineResponse {
  /** Tells the receiver when the connection goes. */
  watch(): void;
  /** Tells the receiver of the body, piece by piece. */
  awaitBody(): void;
  /** The address of the other end, '' where it is not known. */
  readonly remoteAddress: string;
  /** The port of the other end, 0 where it is not known. */
  readonly remotePort: number;
  /**
   * The certificate of the client in DER, found to be valid when the connection was made; undefined without one. Within a
   * connection it is the same object.
   */
  readonly certificate: Uint8Array | undefined;
  /** The same as {@link Connection.tellsEveryReply}. */
  readonly tellsEveryReply: boolean;
  /** The same as {@link Engine.chunkSize}. */
  readonly chunkSize: number;
  /**
   * Tells whether the request is to be the last one of its connection; asked once for each.
   * @param isEndDoubtful true when a lenient parser may misread where it ends
   */
  isLastDue(isEndDoubtful: boolean): boolean;
  /** Tells whether this turn has lasted long: the request is better served in a later one, see {@link later}. */
  isTurnLong(): boolean;
  /**
   * Tells whether a body of so many bytes, one or more, may be given to {@link end}; otherwise it is given to
   * {@link writeOf}. Asked once for each body.
   */
  takesWhole(length: number, isClosing: boolean): boolean;
  /** True when what is written is sent together: within a call of the receiver. Else use {@link cork}. */
  readonly isCorked: boolean;
  cork(write: () => void): void;
  /** True when the connection may be closed now, also by the end of a reply. Else use {@link later}. */
  readonly mayClose: boolean;
  /**
   * Runs something in a later turn, in which connections may be closed; at once where they always may.
   *
   * A reply after which nothing may be served on its connection waits for one, too: while it is pending, the engine
   * closes the connection when anything follows, and nothing of that is served.
   *
   * @param cut runs when `run` fails, or where there is no later turn
   */
  later(run: () => void, cut: (error: unknown) => void): void;
  /** The status line, first; left out for 200. */
  writeStatus(line: string): void;
  writeHeader(name: string, value: string): void;
  /** Writes status line and headers of a head that many replies have. */
  writeFixedHead(head: FixedHead): void;
  /**
   * Ends the reply with its whole body.
   * @param isClosing true when the connection closes behind it
   * @param isLastAsked true when the client asks for that
   */
  end(body: string | Uint8Array, isClosing: boolean, isLastAsked: boolean): void;
  /**
   * Ends a reply without a body.
   * @param length of the body that it would have; undefined: none is told
   * @param isClosing true when the connection closes behind it, which costs the length
   * @param isLastAsked true when the client is to close it
   */
  endHead(length: number | undefined, isClosing: boolean, isLastAsked: boolean): void;
  /**
   * Sends of a body of `total` bytes what the client takes; the last byte ends the reply.
   * @param writeHead writes the head, before the first piece
   */
  writeOf(total: number, offset: number, piece: Uint8Array, writeHead: (() => void) | undefined): Taken;
  /** Sends a piece of a body of unknown length, as much of it as the client takes. */
  write(piece: Uint8Array, writeHead: (() => void) | undefined): Taken;
  /** Ends a body of unknown length. */
  endBody(writeHead: (() => void) | undefined): void;
  /** Calls back when the client takes more; also without need. */
  onWritable(writable: () => void): void;
  /** Keeps the engine from closing a connection on which nothing moves. */
  keepAlive(): void;
  /**
   * Reads nothing more from the client until {@link readOn}, or its end: a client that has closed its sending side is not gone
   * yet. For a moment, since one that has gone is not noticed either.
   */
  holdReading(): void;
  readOn(): void;
  /** Closes the connection without another word, now or in a later turn. Never fails. */
  close(): void;
  /** The reply has ended and nothing knows this object, nor its receiver, any more: both serve another request. */
  reuse(): void;
}

/** The engines that can be asked for. */
export const engineChoices = ['auto', 'uws', 'node'] as const;

/** `auto`: uWebSockets.js where it loads, else the HTTP server of Node.js. */
export type EngineChoice = (typeof engineChoices)[number];

/** Says what is wrong with the name of an engine, undefined when nothing is. */
export function engineProblem(name: string): string | undefined {
  return isEngineChoice(name) ? undefined : 'give auto, uws or node';
}

export function isEngineChoice(name: string): name is EngineChoice {
  return (engineChoices as readonly string[]).includes(name);
}

/**
 * Serves a request of an HTTP server of the program: of `node:http`, and of Express, Connect and others that are built on it.
 *
 * @param next where it is given, it is called for requests of paths that are not of this server
 */
export type NodeHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  next?: (error?: unknown) => void,
) => void;

/** The roots of a server on an app of the program, until it is closed. The app keeps the routes, which answer 503 then. */
export interface Mount {
  /** Cuts replies that have not ended. */
  close(): void;
}

/** The part of a server that takes requests of hosts. */
export interface HostedServer {
  /** Undefined while it does not run. */
  readonly handlers: EngineHandlers | undefined;
  /** True when a path leads to something here. */
  serves(path: string): boolean;
  /** Why a client of this address is not served; undefined: it is. */
  refusal(address: string): string | undefined;
}
