import { renameSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https';
import { createServer as createNetServer, type ListenOptions, Server as NetServer, type Socket } from 'node:net';
import { basename, dirname, join } from 'node:path';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import { isMainThread } from 'node:worker_threads';
import type { App, ClientTrust, EngineHandlers, ListenSocket, LoadedCertificate, SecureApp } from '../engine.js';
import { Offenders, pipelinedTooMany } from '../offenders.js';
import { certificateFault, faultCode, optionsOf, trustOptions } from './certificate.js';
import { addressOf, NodeConnection } from './connection.js';
import { NodeReply } from './reply.js';
import { mentionsJson, NodeRequest } from './request.js';

/** Bytes of the longest head. */
const headLimit = 16384;

/** Milliseconds between two looks at the heads that arrive. */
const longestLook = 1000;

/** How much longer a head may take than a connection may stand still. */
const headShare = 1.1;

/** How much longer a whole request may take than a connection may stand still. */
const requestShare = 10;

const faults: Readonly<Record<string, readonly [status: number, reason: string]>> = {
  HPE_HEADER_OVERFLOW: [431, `the head of the request is over the limit of ${headLimit} bytes`],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'the chunk extensions are too long'],
  HPE_PAUSED_H2_UPGRADE: [505, 'HTTP/2 is not served here; use HTTP/1.1'],
  HPE_INVALID_VERSION: [505, 'this version of HTTP is not served here; use HTTP/1.1'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'the request did not arrive in time'],
};

/** The common part of apps with TLS and without. */
abstract class NodeApp<S extends Server | SecureServer> implements App {
  protected readonly server: S;
  protected readonly handlers: EngineHandlers;
  readonly #open = new Set<NodeConnection>();
  /** By the sockets that HTTP is spoken on. */
  readonly #bySocket = new Map<Socket, NodeConnection>();
  #closed: (() => void) | undefined;
  readonly #offenders = new Offenders();
  #turn = 0;
  #isTurnTimed = false;

  constructor(server: S, handlers: EngineHandlers, patience: number) {
    this.server = server;
    this.handlers = handlers;
    // A head that trickles in gets 408. One that stands still is closed by the timeout of its socket, which comes first.
    server.headersTimeout = Math.ceil(patience * headShare);
    server.requestTimeout = patience * requestShare;
    server.keepAliveTimeout = patience;
    server.timeout = patience;
    // The length of the head is limited; of more fields than this Node.js would leave the last ones out.
    server.maxHeadersCount = 0;
    server.on('connection', (socket: Socket) => this.#opened(socket));
    server.on(
      'request',
      orClose((request, response) => this.#request(request, response, false)),
    );
    server.on(
      'checkContinue',
      orClose((request, response) => this.#request(request, response, true)),
    );
    server.on(
      'checkExpectation',
      orClose((request) => this.#refuse(request, 417, 'this expectation cannot be met')),
    );
    server.on(
      'connect',
      orClose((request) => {
        // Node.js takes its own listeners away: without this one a reply that is on its way would never go on.
        const drained = this.#bySocket.get(request.socket)?.drained;
        if (drained !== undefined) request.socket.on('drain', drained);
        this.#refuse(request, 405, 'method CONNECT is not served here');
      }),
    );
    server.on('clientError', (error, socket) => this.#failed(error, socket as Socket));
    server.on('timeout', (socket: Socket) => {
      if (this.#bySocket.get(socket)?.isBusy !== true) socket.destroy();
    });
  }

  /** The socket that HTTP is spoken on is there: of TLS it comes later than the connection. */
  protected attachSocket(connection: NodeConnection, socket: Socket): void {
    connection.socket = socket;
    connection.drained = drainedOf(socket);
    this.#bySocket.set(socket, connection);
    // Node.js takes its own listener away from one that CONNECT has come on: its reset would end the process.
    socket.on('error', () => {});
  }

  protected abstract arrived(connection: NodeConnection): void;

  /** Closes connections, those that serve behind their replies. */
  protected endThose(isMeant: (connection: NodeConnection) => boolean): void {
    for (const connection of [...this.#open].filter(isMeant)) connection.finish();
  }

  #opened(raw: Socket): void {
    const connection = new NodeConnection(raw, this.handlers.refusal);
    this.#open.add(connection);
    raw.on('close', () => this.#gone(connection));
    raw.on('end', () => {
      if (connection.pending > 0 || raw.writableLength > 0) return;
      // It has no more to come, and nothing to wait for: it counts no longer.
      this.#gone(connection);
      raw.destroy();
    });
    this.arrived(connection);
    this.handlers.opened(connection);
  }

  #gone(connection: NodeConnection): void {
    if (!this.#open.delete(connection)) return;
    this.#bySocket.delete(connection.socket);
    // As uWebSockets.js does: first that there is one less, then whose reply it was.
    this.handlers.closed(connection.hadReply);
    connection.closed();
    if (this.#open.size === 0) this.#closed?.();
  }

  #request(message: IncomingMessage, response: ServerResponse, isContinueDue: boolean): void {
    const connection = this.#bySocket.get(message.socket);
    if (connection === undefined) return;
    connection.settle();
    if (connection.isLast) return;
    const request = new NodeRequest(message);
    if (request.fault !== undefined) {
      connection.refuseAndClose(...request.fault, request.wantsJson);
      return;
    }
    const limit = this.#offenders.limitOf(connection);
    const isTooMany = connection.pending >= limit || connection.countIn(this.#turnNow()) > limit;
    if (isTooMany) this.#offenders.remember(connection);
    if (isTooMany && !hasBody(message)) {
      connection.refuseAndClose(503, pipelinedTooMany(limit), request.wantsJson);
      return;
    }
    const reply = new NodeReply(this.handlers.receiver, connection, message, response, {
      isContinueDue,
      tooMany: isTooMany ? limit : undefined,
    });
    connection.began(reply);
    response.on('finish', () => connection.ended(reply));
    reply.receiver.request(request, message.method ?? '', request.path, undefined);
  }

  /** A number that is another one in each turn of the event loop. */
  #turnNow(): number {
    if (!this.#isTurnTimed) {
      setImmediate(this.#nextTurn);
      this.#isTurnTimed = true;
    }
    return this.#turn;
  }

  readonly #nextTurn = (): void => {
    this.#turn += 1;
    this.#isTurnTimed = false;
    if (!this.#offenders.isEmpty) this.#offenders.forget(performance.now());
  };

  #refuse(message: IncomingMessage, status: number, reason: string): void {
    const connection = this.#bySocket.get(message.socket);
    if (connection === undefined || connection.isLast) return;
    connection.refuseAndClose(status, reason, new NodeRequest(message).wantsJson);
  }

  /** The parser refuses what came, or the connection failed. */
  #failed(error: NodeJS.ErrnoException, socket: Socket): void {
    const connection = this.#bySocket.get(socket);
    const { code = '' } = error;
    const isOfParser = code.startsWith('HPE_') || code === 'ERR_HTTP_REQUEST_TIMEOUT';
    if (connection === undefined || !isOfParser || !socket.writable) {
      socket.destroy();
      return;
    }
    connection.settle();
    // What follows a request that asks for the end of the connection, or a refusal.
    if (connection.isLast || code === 'HPE_CLOSED_CONNECTION') return;
    // Nothing came, or the client has left within a request.
    if (socket.bytesRead === 0 || code === 'HPE_INVALID_EOF_STATE') {
      socket.destroy();
      return;
    }
    const { rawPacket, reason = error.message } = error as {
      readonly rawPacket?: Buffer;
      readonly reason?: string;
    } & Error;
    const fault = faults[code] ?? ([400, `the request is malformed: ${reason}`] as const);
    connection.refuseAndClose(...fault, mentionsJson(rawPacket?.toString('latin1', 0, headLimit) ?? ''));
  }

  listen(host: string, port: number): Promise<ListenSocket | undefined> {
    return this.#listen({ host, port, exclusive: true });
  }

  async listenUnix(path: string): Promise<ListenSocket | undefined> {
    // Under a name of its own first: Node.js removes the file of that name at the end, whoever has it by then.
    const hidden = join(dirname(path), `.${basename(path).slice(0, 4)}${process.pid.toString(36)}`);
    const umask = isMainThread ? process.umask(0o177) : undefined;
    let listening: Promise<ListenSocket | undefined>;
    try {
      listening = this.#listen({ path: hidden });
    } finally {
      if (umask !== undefined) process.umask(umask);
    }
    const socket = await listening;
    if (socket !== undefined) renameSync(hidden, path);
    return socket;
  }

  listenOn(descriptor: number): Promise<ListenSocket | undefined> {
    const options = { fd: descriptor, exclusive: true };
    if (!this.server.listening) return this.#listen(options);
    // A server of Node.js listens on one socket. The connections of others are handed to it.
    const { server } = this;
    const other = createNetServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      Object.assign(socket, { server });
      server.emit('connection', socket);
    });
    return this.#listen(options, other);
  }

  #listen(
    options: ListenOptions & { readonly fd?: number },
    server: NetServer = this.server,
  ): Promise<ListenSocket | undefined> {
    return new Promise((resolve) => {
      const failed = (): void => resolve(undefined);
      server.once('error', failed);
      server.listen(options, () => {
        server.off('error', failed);
        server.on('error', () => {});
        const address = server.address();
        resolve({
          port: typeof address === 'object' ? (address?.port ?? 0) : 0,
          // The close of net: the one of http would also close idle connections, and stop timing slow heads. The server of
          // Bun is none of net.
          close: () => void (server instanceof NetServer ? NetServer.prototype.close : closeOf(server)).call(server),
        });
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#closed = resolve;
      this.server.close();
      for (const connection of this.#open) connection.destroy();
      if (this.#open.size === 0) resolve();
    });
  }
}

function closeOf({ close }: { readonly close: NetServer['close'] }): NetServer['close'] {
  return close;
}

/** What Node.js calls when a client takes more: it is there before an app is told of the socket. */
function drainedOf(socket: Socket): (() => void) | undefined {
  return socket.listeners('drain').at(-1) as (() => void) | undefined;
}

/** Closes the connection of a request that cannot be taken: an error would end the process. */
function orClose(take: (request: IncomingMessage, response: ServerResponse) => void): typeof take {
  return (request, response) => {
    try {
      take(request, response);
    } catch {
      request.socket.destroy();
    }
  };
}

/** Tells whether a request is one whose body is waited for: then its root tells why it is refused. */
function hasBody({ method, headers }: IncomingMessage): boolean {
  return (
    method === 'POST' && (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0)
  );
}

function optionsFor(patience: number): ServerOptions {
  return {
    maxHeaderSize: headLimit,
    insecureHTTPParser: false,
    // A request without one gets a reply that tells so.
    requireHostHeader: false,
    connectionsCheckingInterval: patience === 0 ? longestLook : Math.min(longestLook, Math.ceil(patience / 4)),
  };
}

export class PlainNodeApp extends NodeApp<Server> {
  constructor(handlers: EngineHandlers, patience: number) {
    super(createServer(optionsFor(patience)), handlers, patience);
  }

  protected override arrived(connection: NodeConnection): void {
    this.attachSocket(connection, connection.raw);
  }
}

export class SecureNodeApp extends NodeApp<SecureServer> implements SecureApp {
  /** Before their handshakes, by where they come from and lead to: the socket of TLS does not tell which one it is on. */
  readonly #arrived = new Map<string, NodeConnection>();
  #certificate: SecureContextOptions;
  #clients: ClientTrust | undefined;

  constructor(
    handlers: EngineHandlers,
    patience: number,
    certificate: SecureContextOptions,
    clients: ClientTrust | undefined,
  ) {
    const handshakeTimeout = patience === 0 ? {} : { handshakeTimeout: patience };
    const options = {
      ...optionsFor(patience),
      ...handshakeTimeout,
      // Without HTTP/1.0 here, clients that ask for it by ALPN, such as curl -0, would have no connection.
      ALPNProtocols: ['http/1.1', 'http/1.0'],
      ...certificate,
      ...trustOptions(clients),
    };
    super(createSecureServer(options), handlers, patience);
    this.#certificate = certificate;
    this.#clients = clients;
    this.server.on('secureConnection', (socket: TLSSocket) => {
      const place = placeOf(socket);
      const connection = this.#arrived.get(place);
      this.#arrived.delete(place);
      if (connection === undefined) socket.destroy();
      else if (clients === undefined) this.attachSocket(connection, socket);
      else this.#judge(connection, socket);
    });
    if (clients !== undefined) this.server.on('tlsClientError', (error, socket) => this.#shakeFailed(error, socket));
  }

  /** A handshake has ended. Node.js has ended the connection where a certificate is required and is not good. */
  #judge(connection: NodeConnection, socket: TLSSocket): void {
    const certificate = socket.getPeerX509Certificate()?.raw;
    // A session that is resumed counts as valid without any certificate.
    const isGood = socket.authorized && !socket.isSessionReused();
    if (certificate === undefined ? this.#clients?.isRequired === true : !isGood) {
      this.handlers.certificateRefused(connection.remoteAddress, certificateFault(socket));
      connection.destroy();
      return;
    }
    connection.certificate = certificate;
    this.attachSocket(connection, socket);
  }

  #shakeFailed({ code }: NodeJS.ErrnoException, socket: TLSSocket): void {
    const isMissing = code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE';
    if (!isMissing && faultCode(socket) === undefined) return;
    // Node.js has closed the socket of TLS, which then knows no address; the one below it does.
    const { _parent: raw = socket } = socket as { readonly _parent?: Socket };
    this.handlers.certificateRefused(addressOf(raw), isMissing ? 'there is none' : certificateFault(socket));
  }

  protected override arrived(connection: NodeConnection): void {
    const place = placeOf(connection.raw);
    // Of one that has gone unseen, and whose ends are taken again.
    this.#arrived.get(place)?.destroy();
    this.#arrived.set(place, connection);
    connection.raw.on('close', () => {
      if (this.#arrived.get(place) === connection) this.#arrived.delete(place);
    });
  }

  replace(certificate: LoadedCertificate): void {
    this.#renewContext(optionsOf(certificate), this.#clients);
  }

  trust(clients: ClientTrust): void {
    this.#renewContext(this.#certificate, clients);
    // A handshake under way goes by what was trusted when it began.
    this.endThose((connection) => connection.certificate !== undefined || connection.socket === connection.raw);
  }

  #renewContext(certificate: SecureContextOptions, clients: ClientTrust | undefined): void {
    this.server.setSecureContext({ ...certificate, ...trustOptions(clients) });
    this.#certificate = certificate;
    this.#clients = clients;
  }
}

function placeOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
