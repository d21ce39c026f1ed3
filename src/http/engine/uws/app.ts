import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { takeListenPlace } from '../../../native/addon.js';
import type {
  App,
  CertificateFiles,
  Engine,
  EngineHandlers,
  ListenSocket,
  LoadedCertificate,
  SecureApp,
} from '../engine.js';
import {
  closeForExit,
  dropsOfClosed,
  onLaterTurn,
  Pace,
  tellOfConnection,
  UwsReply,
  type WriteSizes,
  whenClosable,
  writeSizesOf,
} from './response.js';
import type { UwsApp, UwsDescriptor, UwsListenSocket, UwsModule, UwsRequest, UwsResponse } from './types.js';

/** uWebSockets.js, as it was loaded. */
export class UwsEngine implements Engine {
  readonly name = 'uWebSockets.js';
  readonly isOfNode = false;
  /** It would let those in that show none. */
  readonly asksForCertificates = false;
  /** Elsewhere one thread gets all connections, or the port cannot be shared. */
  readonly sharesPorts = process.platform === 'linux';
  readonly tls = { hasOwnOrder: false, hasSuite: () => true };
  readonly #sizes: WriteSizes;

  constructor(
    readonly version: string,
    readonly uws: UwsModule,
    readonly notice?: string | undefined,
  ) {
    // The engine names itself in every reply unless told not to.
    uws._cfg?.('silent');
    this.#sizes = writeSizesOf(version);
  }

  get chunkSize(): number {
    return this.#sizes.chunk;
  }

  open(handlers: EngineHandlers): App {
    return new PlainApp(this.uws, serve(this.uws.App(), handlers, this.#sizes));
  }

  openSecure(handlers: EngineHandlers, certificate: LoadedCertificate): SecureApp {
    return new ReplaceableApp(this.uws, handlers, this.#sizes, certificate);
  }

  loadCertificate({ certFile, chain, keyFile, passphrase, ciphers }: CertificateFiles): UwsCertificate | undefined {
    const load = (file: string): UwsCertificate | undefined => {
      try {
        return new UwsCertificate(
          this.uws.SSLApp({
            cert_file_name: file,
            key_file_name: keyFile,
            ssl_ciphers: ciphers,
            ...(passphrase === undefined ? {} : { passphrase }),
          }),
        );
      } catch {
        return undefined;
      }
    };
    return chain === undefined ? load(certFile) : withFile(chain, load);
  }
}

/** An app of the engine keeps the certificate that it was made with. */
class UwsCertificate implements LoadedCertificate {
  constructor(readonly app: UwsApp) {}

  drop(): void {
    this.app.close();
  }
}

/** Puts certificates, which are no secret, into a file for as long as `use` takes: the engine reads files only. */
function withFile<Result>(text: string, use: (file: string) => Result): Result {
  const folder = mkdtempSync(join(tmpdir(), 'mi-httpd-'));
  try {
    const file = join(folder, 'chain.pem');
    writeFileSync(file, text);
    return use(file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** An app of the engine that serves, and its handlers until it is closed. */
interface ServingApp {
  readonly app: UwsApp;
  forget(): void;
}

/** The functions that the engine is given know this alone: it keeps them as long as the process runs, even of a closed app. */
interface AppState {
  handlers: EngineHandlers | undefined;
  /** By index of its path. */
  readonly routes: object[];
  /** Responses that serve another request. */
  readonly idle: UwsReply[];
  readonly pace: Pace;
}

/** Has an app serve requests. With the path and the method known, two texts less are made of each. */
function serve(app: UwsApp, handlers: EngineHandlers, sizes: WriteSizes): ServingApp {
  const state: AppState = {
    handlers,
    routes: handlers.posts.map(({ route }) => route),
    idle: [],
    pace: new Pace(sizes),
  };
  for (const [index, { path }] of handlers.posts.entries()) app.post(path, postHandler(state, path, index));
  app.any('/*', anyHandler(state));
  app.filter(connectionHandler(state));
  return {
    app,
    forget: () => {
      state.handlers = undefined;
      state.routes.length = 0;
      state.idle.length = 0;
    },
  };
}

// On their own, so that each function knows its state and nothing else.

function postHandler(state: AppState, path: string, index: number) {
  return (response: UwsResponse, request: UwsRequest): void => {
    replyOf(state, response)?.serve(response, request, 'POST', path, state.routes[index]);
  };
}

function anyHandler(state: AppState) {
  return (response: UwsResponse, request: UwsRequest): void => {
    replyOf(state, response)?.serve(response, request, request.getCaseSensitiveMethod(), request.getUrl(), undefined);
  };
}

function replyOf({ handlers, idle, pace }: AppState, response: UwsResponse): UwsReply | undefined {
  if (handlers !== undefined) {
    return dropsOfClosed(pace, response)
      ? undefined
      : (idle.pop() ?? new UwsReply(handlers.receiver, idle, pace, response));
  }
  // A closed app has no connections; the engine ends the process when a request is neither answered nor closed.
  response.close();
  return undefined;
}

function connectionHandler(state: AppState) {
  return (response: UwsResponse, delta: number): void => {
    const { handlers, pace } = state;
    if (handlers !== undefined) tellOfConnection(response, delta, handlers, pace);
  };
}

/** Refuse a second listener on the port instead of sharing it; absent from the exports of some builds. */
const exclusivePort = 1;

/** Share it with other threads: the kernel spreads connections over them (SO_REUSEPORT). */
const sharedPort = 0;

/** The common part of apps with TLS and without: they listen and close the same way. */
abstract class ListeningApp implements App {
  /** All of them; the first one listens. */
  protected abstract readonly apps: readonly ServingApp[];
  readonly #uws: UwsModule;
  readonly #forgetExit: () => void;

  constructor(uws: UwsModule) {
    this.#uws = uws;
    this.#forgetExit = closeAtThreadExit(() => closeForExit(() => this.closeNow()));
  }

  async listen(host: string, port: number, isShared = false): Promise<ListenSocket | undefined> {
    return this.#listenAt(host, port, isShared);
  }

  #listenAt(host: string, port: number, isShared = false): ListenSocket | undefined {
    const { LIBUS_LISTEN_EXCLUSIVE_PORT: exclusive = exclusivePort } = this.#uws;
    const options = isShared ? sharedPort : exclusive;
    const socket = this.#listen((app, opened) => app.listen(host, port, options, opened));
    if (socket === undefined) return undefined;
    return { port: this.#uws.us_socket_local_port(socket), close: () => this.#uws.us_listen_socket_close(socket) };
  }

  async listenUnix(path: string): Promise<ListenSocket | undefined> {
    const socket = this.#listen((app, opened) => app.listen_unix(opened, path));
    if (socket === undefined) return undefined;
    return { port: 0, close: () => this.#uws.us_listen_socket_close(socket) };
  }

  /**
   * The engine listens on sockets that it opened itself. One of them gives up its place within the turn in which it was
   * opened: the loop begins to watch it later, by its number.
   */
  async listenOn(descriptor: number): Promise<ListenSocket | undefined> {
    const socket = this.#listenAt('127.0.0.1', 0);
    if (socket === undefined) return undefined;
    try {
      takeListenPlace(socket.port, descriptor);
    } catch {
      socket.close();
      return undefined;
    }
    return socket;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      whenClosable(() => {
        this.closeNow();
        this.#forgetExit();
        resolve();
      });
    });
  }

  protected closeNow(): void {
    for (const serving of this.apps) closeApp(serving);
  }

  #listen(open: (app: UwsApp, opened: (socket: UwsListenSocket | false) => void) => void): UwsListenSocket | undefined {
    let opened: UwsListenSocket | false = false;
    // The callback runs before this returns.
    for (const { app } of this.apps.slice(0, 1)) {
      open(app, (socket) => {
        opened = socket;
      });
    }
    return opened === false ? undefined : opened;
  }
}

function closeApp({ app, forget }: ServingApp): void {
  app.close();
  forget();
}

class PlainApp extends ListeningApp {
  protected readonly apps: readonly ServingApp[];

  constructor(uws: UwsModule, serving: ServingApp) {
    super(uws);
    this.apps = [serving];
  }
}

/** An app that serves with one certificate, and how many connections it has. */
interface CertifiedApp extends ServingApp {
  readonly descriptor: UwsDescriptor;
  connections: number;
  /** Once it is replaced: sets {@link isClosed}. */
  handover: NodeJS.Timeout | undefined;
  /** Replaced so long ago that no connection is on its way to it any more. */
  isClosed: boolean;
}

/** Milliseconds in which a connection that was accepted reaches the app that it was meant for. */
const handover = 1000;

/**
 * One app has the listen socket, for as long as the listener is open, and gives every connection that arrives to another
 * one, which is replaced when the certificate is: no connection is lost, and those that are open go on as they began. The
 * engine gives the memory of a replaced app (some 20 KB) back to nobody, so that an unchanged certificate makes no new one.
 */
class ReplaceableApp extends ListeningApp implements SecureApp {
  /** It has no certificate and serves nothing itself. */
  readonly #acceptor: UwsApp;
  readonly #handlers: EngineHandlers;
  readonly #sizes: WriteSizes;
  #current: CertifiedApp;
  /** Replaced, but with open connections. */
  readonly #former = new Set<CertifiedApp>();

  constructor(uws: UwsModule, handlers: EngineHandlers, sizes: WriteSizes, certificate: LoadedCertificate) {
    const acceptor = uws.SSLApp({});
    // An embedder may bring any engine.
    if (typeof acceptor.addChildAppDescriptor !== 'function') {
      throw new Error('this HTTP engine cannot change certificates; bring uWebSockets.js 20.51 or later');
    }
    super(uws);
    this.#acceptor = acceptor;
    this.#handlers = handlers;
    this.#sizes = sizes;
    this.#current = this.#serve(certificate);
    acceptor.addChildAppDescriptor(this.#current.descriptor);
  }

  protected override get apps(): readonly ServingApp[] {
    return [{ app: this.#acceptor, forget: () => {} }, this.#current, ...this.#former];
  }

  trust(): void {
    throw new TypeError('this engine asks no client for a certificate');
  }

  replace(certificate: LoadedCertificate): void {
    const next = this.#serve(certificate);
    const former = this.#current;
    // In this order: the engine counts on round through a list, and must never find it shorter than its count.
    this.#acceptor.removeChildAppDescriptor(former.descriptor);
    this.#acceptor.addChildAppDescriptor(next.descriptor);
    this.#current = next;
    this.#former.add(former);
    former.handover = setTimeout(() => {
      former.isClosed = true;
      this.#closeIdle(former);
    }, handover).unref();
  }

  protected override closeNow(): void {
    for (const { handover } of this.#former) clearTimeout(handover);
    super.closeNow();
    this.#former.clear();
  }

  #closeIdle(former: CertifiedApp): void {
    if (!former.isClosed || former.connections > 0 || !this.#former.delete(former)) return;
    whenClosable(() => closeApp(former));
  }

  #serve(certificate: LoadedCertificate): CertifiedApp {
    if (!(certificate instanceof UwsCertificate)) throw new TypeError('the certificate is of another engine');
    const { app } = certificate;
    const { opened, closed } = this.#handlers;
    const { forget } = serve(
      app,
      {
        ...this.#handlers,
        opened: (connection) => {
          served.connections += 1;
          opened(connection);
        },
        closed: (hadReply) => {
          served.connections -= 1;
          closed(hadReply);
          // In this turn the engine is about to close the connection.
          const close = (): void => this.#closeIdle(served);
          if (served.isClosed) onLaterTurn(close, close);
        },
      },
      this.#sizes,
    );
    const served: CertifiedApp = {
      app,
      forget,
      descriptor: app.getDescriptor(),
      connections: 0,
      handover: undefined,
      isClosed: false,
    };
    return served;
  }
}

/** Closes apps that are open when this thread ends. */
const open = new Set<() => void>();

/**
 * Calls `close` when this worker thread ends by itself (`process.exit`, an exception that nobody catches): Node.js aborts the whole
 * process when a thread ends with sockets of the engine open. In the main thread the system closes them.
 *
 * @returns what takes it back once it is closed
 */
function closeAtThreadExit(close: () => void): () => void {
  if (isMainThread) return () => {};
  if (open.size === 0) process.on('exit', closeAll);
  open.add(close);
  return () => {
    open.delete(close);
    if (open.size === 0) process.off('exit', closeAll);
  };
}

function closeAll(): void {
  for (const close of [...open]) close();
}
