import { hostname } from 'node:os';
import { coded } from '../base/codes.js';
import type { CodedLog } from '../base/log.js';
import type { SharedRows } from '../base/rows.js';
import { BodyPool } from '../native/bodies.js';
import { Engines, mountOn, nodeHandlerOf } from './engine/choose.js';
import type { Engine, EngineChoice, EngineHandlers, HostedServer, Mount, NodeHandler } from './engine/engine.js';
import { type InjectedRequest, inject } from './engine/injected.js';
import { chunkLimit } from './exchange.js';
import { AllowedHosts } from './limits/allowed-hosts.js';
import { Connections, type ConnectionsMemory, makeConnectionsMemory, unixReserve } from './limits/connections.js';
import { HttpCounters } from './limits/counters.js';
import { type FileShares, SpareDescriptors, shareOpenFiles } from './limits/open-files.js';
import {
  isLoopback,
  type ListenerOptions,
  type Listening,
  type OpenListener,
  openListener,
  placeOf,
  tryListener,
} from './listen/listener.js';
import { settingName } from './listen/setting.js';
import type { Sessions } from './login/sessions.js';
import type { CompressionSettings } from './request/compression.js';
import { Exchanges } from './request/state-machine.js';
import { type RootDeclaration, RootRegistry } from './roots.js';
import type { Faces, ServingThread } from './threads/faces.js';
import type { SettingsHere } from './threads/protocol.js';
import { Certificates, type CertifiedListener } from './tls/certified-listener.js';
import { ciphersNotice, defaultCiphers } from './tls/ciphers.js';

/** Milliseconds in which a request comes on a connection that the kernel has taken, and the next one on an idle connection. */
const lingering = 1000;

/** Settings of an HTTP server. */
export interface HttpServerOptions {
  /** Where it listens: one or more, each with its own TLS and access settings. */
  readonly listeners: readonly ListenerOptions[];
  /** False: no socket is opened, and the first listener is that of all requests, which are {@link HttpServer.inject injected}. */
  readonly opensSockets?: boolean;
  /** Threads that have the listeners, in place of this one; 0, the default: none. */
  readonly threads?: number;
  /** Told when a thread is lost, and when it serves again. */
  readonly threadsChanged?: () => void;
  /** An app of uWebSockets.js that the roots are served by, in place of listeners. */
  readonly app?: object | undefined;
  /** True: clients of other machines may come by a host of this server without a login. Default false. */
  readonly servesEverybody?: boolean;
  /** Bytes of the response window; a flush handler is asked for at most this much, and 65536, at once. */
  readonly windowSize: number;
  /** Bytes preallocated for a body that arrives in pieces. */
  readonly postBufSize: number;
  /** Largest body that is accepted, bytes; more gets 413. */
  readonly receiveBufSize: number;
  /** Largest sum of all bodies being received in pieces, bytes; more gets 503. */
  readonly bodiesTotal: number;
  /** Seconds without progress after which a reply is cut; 0: never. */
  readonly connTimeout: number;
  /** Seconds that a streamed reply may take as a whole; 0, the default: without limit. */
  readonly replyTimeout?: number;
  /** Bytes of the longest streamed reply; 0, the default: without limit. */
  readonly maxReplySize?: number;
  /** Connections open at once; the next is closed on arrival. Lowered when the limit of open files is lower. */
  readonly maxConnections: number;
  /** Connections of one address (IPv6: one /64) open at once; 0, the default: half of all, but 64 at least. */
  readonly maxConnectionsAddress?: number;
  /** What pages call the server; left out, the host name. */
  readonly name?: string | undefined;
  /** The color of that on pages. */
  readonly color?: string | undefined;
  /** Names, parted by commas, that browsers may reach the server by; addresses and localhost always are. */
  readonly allowedHosts?: string | undefined;
  /** One slot for each of `httpCounterNames`; left out, nobody reads them. */
  readonly counters?: Float64Array;
  /** The memory of {@link counters} for threads that count in it, too, and where in a row they begin. */
  readonly sharedCounters?: { readonly rows: SharedRows; readonly first: number } | undefined;
  /** Seconds for which browsers that came by TLS use nothing else; 0, the default: they are not told. */
  readonly stayEncrypted?: number;
  /** Left out, every reply is sent as it is. */
  readonly compression?: CompressionSettings | undefined;
  /** Body of a refusal for requests that want JSON, where the root has no other; left out, `{"error":reason}`. */
  readonly jsonRefusal?: (status: number, reason: string) => string;
  /** Of browsers that log in by a page; left out, none does. */
  readonly sessions?: Sessions | undefined;
  /** Told when clients are judged by other CAs or lists: a reply without an end would keep a client that is revoked. */
  readonly trustChanged?: () => void;
  readonly log: CodedLog;
  /** uWebSockets.js as the embedder loaded it; left out, the newest of the own ones that works. */
  readonly engine?: object | undefined;
  /** The engine of listeners that do not choose one themselves; left out, `auto`. */
  readonly engineChoice?: EngineChoice | undefined;
  /** Where bodies are joined; left out, one in native memory. */
  readonly bodies?: BodyPool;
}

type MakeCallsHere = (thread: number) => Pick<SettingsHere, 'calls' | 'loadsModules'> | undefined;

/** A root as it is listed. */
export interface ListedRoot {
  readonly module: string;
  readonly root: string;
  readonly about: string | undefined;
  /** True when a link to it leads anywhere. */
  readonly servesGet: boolean;
}

/**
 * An HTTP/1.1 server whose paths are served by the roots registered with it. Several fit in one process.
 *
 * It goes one way: roots are registered, it is started, it stops accepting, drains, and closes.
 */
export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #roots = new RootRegistry();
  readonly #counters: HttpCounters;
  readonly #allowedHosts: AllowedHosts;
  #connections: Connections;
  /** Of the connections of all threads. */
  #memory: ConnectionsMemory;
  #bodies: BodyPool | undefined;
  readonly #engines: Engines;
  /** Those that serve. */
  readonly #serving = new Set<Engine>();
  #nodeListeners = 0;
  #open: OpenListener[] = [];
  #faces: Faces | undefined;
  /** Those of the first listener, for requests that come without a socket. */
  #handlers: EngineHandlers | undefined;
  #mount: Mount | undefined;
  /** Makes what threads need to serve calls of a root by themselves. */
  #callsHere: MakeCallsHere | undefined;
  #toldByThreads: (told: unknown) => void = () => {};
  #certificates: Certificates | undefined;
  /** Connections to subscribers of events that are wanted, and who is told how many there may be. */
  #subscribers: { readonly most: number; readonly told: (possible: number) => void } = { most: 0, told: () => {} };
  readonly #spares: SpareDescriptors;
  #state: 'new' | 'starting' | 'listening' | 'stopping' | 'closed' = 'new';

  /** @throws RangeError when there are too few counters */
  constructor(options: HttpServerOptions) {
    this.#options = options;
    const { engine: given, engineChoice: choice, connTimeout } = options;
    this.#engines = new Engines({ given, choice, patience: connTimeout * 1000 });
    this.#counters = new HttpCounters(options.counters);
    this.#spares = new SpareDescriptors(options.log);
    this.#allowedHosts = new AllowedHosts(options.allowedHosts ?? '');
    // No connection comes before the start, which finds out how many there may be.
    this.#memory = makeConnectionsMemory(1);
    this.#connections = this.#limitedTo(this.#wantedFiles());
  }

  /**
   * Registers a root path; see {@link RootDeclaration}.
   * @throws Error when the root is not one segment, is taken (naming both modules), or the server has started
   */
  registerRoot(declaration: RootDeclaration): void {
    const { module, root } = declaration;
    if (this.#state !== 'new') {
      throw coded(
        'ERR_STATE',
        new Error(`module ${module}: root path "${root}" is registered too late; register it before start()`),
      );
    }
    this.#roots.register(declaration);
  }

  /**
   * Registers one exact path, such as `/` or `/name`; not listed among {@link roots}.
   * @param isOpen true where it is served without a login, on listeners where browsers log in by a page; `everywhere`: on all
   * @throws Error when it is taken or the server has started
   */
  registerPath(declaration: RootDeclaration, isOpen: boolean | 'everywhere' = false): void {
    const { module, root } = declaration;
    if (this.#state !== 'new')
      throw coded('ERR_STATE', new Error(`module ${module}: path "/${root}" is registered too late`));
    this.#roots.registerPath(declaration, isOpen);
  }

  /** The sessions of browsers; undefined where nobody has one. */
  get sessions(): Sessions | undefined {
    return this.#options.sessions;
  }

  /**
   * Has threads serve calls of a root by themselves.
   *
   * @param make gives the plain data that a thread makes the root of, by its number from 1 on; undefined: home serves all
   * @param told takes what the root tells there
   */
  serveInThreads(make: MakeCallsHere, told: (told: unknown) => void): void {
    this.#callsHere = make;
    this.#toldByThreads = told;
  }

  /** Calls that threads run by themselves and wait for are answered with 503, and none begins any more. */
  giveUpInThreads(reason: string): void {
    this.#faces?.giveUp(reason);
  }

  /** Has what is loaded in each thread read its files again. @returns whether all went well */
  async reloadThreads(): Promise<boolean> {
    return (await this.#faces?.reload()) ?? true;
  }

  /** Other users may log in from now on. */
  usersChanged(): void {
    this.#faces?.usersChanged();
  }

  /** Keeps more headers of the requests of a root, for commands that ask for them: in lower case, before it listens. */
  keepHeaders(root: string, headers: readonly string[]): void {
    this.#roots.keepHeaders(root, headers);
  }

  /**
   * Leaves descriptors to connections to subscribers of events.
   *
   * @param told gets how many there may be when it starts: fewer where the limit of open files is low
   */
  leaveOpenFiles(most: number, told: (possible: number) => void): void {
    this.#subscribers = { most, told };
  }

  /** True for an address of this machine, by a number or `localhost`, and a port at which this server listens itself. */
  listensAt(host: string, port: number): boolean {
    const address = host === 'localhost' ? '127.0.0.1' : host;
    const isLocal = address.startsWith('127.') || address === '::1';
    return this.#sockets.some(
      ({ setting }) =>
        setting.kind !== 'unix' &&
        setting.port === port &&
        (setting.address === address || (isLocal && ['*', '0.0.0.0', '::'].includes(setting.address))),
    );
  }

  /** What pages call this server. */
  get name(): string {
    return this.#options.name ?? hostname();
  }

  /** The color of its name on pages. */
  get color(): string | undefined {
    return this.#options.color;
  }

  /** Which Host headers browsers may come with. */
  get allowedHosts(): AllowedHosts {
    return this.#allowedHosts;
  }

  /** True when it listens and is not stopping. */
  get isListening(): boolean {
    return this.#state === 'listening';
  }

  /** The registered roots, newest first. */
  get roots(): readonly ListedRoot[] {
    return this.#roots.newestFirst.map(({ declaration: { module, root, about }, servesGet }) => ({
      module,
      root,
      about,
      servesGet,
    }));
  }

  /**
   * Runs the `onInit` of every root, newest first, then listens.
   *
   * @throws Error in one line when an `onInit` fails, no engine loads, or an address cannot be listened on; then it
   *   listens on none
   */
  async start(): Promise<void> {
    if (this.#state !== 'new')
      throw coded('ERR_STATE', new Error(`an HTTP server starts once; this one is ${this.#state}`));
    const { listeners, log } = this.#options;
    this.#state = 'starting';
    // Early, as the lowest numbers last longest when the limit is lowered.
    this.#spares.start();
    try {
      await this.#loadEngines();
      this.#bodies = this.#options.bodies ?? this.#nativeBodies();
      for (const { declaration } of this.#roots.newestFirst) await declaration.onInit?.();
      this.#refuseWhenClosed();
      const files = shareOpenFiles(this.#wantedFiles(), log);
      this.#memory = this.#memoryFor(files);
      this.#connections = this.#limitedTo(files);
      this.#subscribers.told(files.subscribers);
      const exchanges = this.#exchanges(this.#bodies);
      const [first] = listeners;
      const handlersOf = (listener: ListenerOptions): EngineHandlers => ({
        ...exchanges.handlersFor(listener),
        ...this.#connections.handlersOf(listener),
      });
      this.#handlers = first && handlersOf(first);
      if (this.#threads > 0) this.#open = [...(await this.#startFaces(exchanges, files))];
      else await this.#openListeners(handlersOf);
      this.#refuseWhenClosed();
      this.#certificates = new Certificates(this.#open, log, this.#options.trustChanged);
      await this.#tellCiphers();
      await this.#mountRoots();
      this.#refuseWhenClosed();
      this.#state = 'listening';
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async #openListeners(handlersOf: (listener: ListenerOptions) => EngineHandlers): Promise<void> {
    for (const listener of this.#sockets) {
      const engine = await this.#engineOf(listener);
      const open = await openListener(engine, listener, handlersOf(listener), this.#options.log);
      this.#open.push(open);
      this.#connections.listensOn(open.port);
      this.#refuseWhenClosed();
    }
  }

  /** Has threads listen, whose requests are served here. The engine has been loaded here first: it asks for its limit once. */
  async #startFaces(exchanges: Exchanges, { connections, unix }: FileShares): Promise<readonly OpenListener[]> {
    // Loaded late: most servers do without.
    const { Faces } = await import('./threads/faces.js');
    this.#refuseWhenClosed();
    for (const listener of this.#sockets) {
      const { access } = listener;
      if (access?.callers !== 'remembered') continue;
      access.admitted = (...given) => this.#faces?.admit(listener, ...given);
    }
    const { bodiesTotal, maxConnectionsAddress: share = 0, connTimeout, replyTimeout = 0, log } = this.#options;
    this.#faces = new Faces({
      count: this.#threads,
      listeners: this.#sockets,
      engineOf: (listener) => this.#engineOf(listener),
      handlersOf: (listener) => exchanges.handlersFor(listener),
      settings: {
        posts: this.#roots.newestFirst.map(({ declaration: { root } }) => `/${root}`),
        limits: { connections, unix, share, bodies: bodiesTotal },
        connections: this.#memory,
        clientPatience: connTimeout * 1000,
        replyPatience: replyTimeout * 1000,
        stayEncrypted: this.#options.stayEncrypted ?? 0,
      },
      hereOf: (thread) => this.#hereOf(thread),
      toldByRoot: (told) => this.#toldByThreads(told),
      chunkSize: this.chunkSize,
      counters: this.#counters,
      log,
      lost: (thread) => this.#connections.lost(thread),
      changed: this.#options.threadsChanged ?? (() => {}),
    });
    return this.#faces.open();
  }

  #hereOf(thread: number): Omit<SettingsHere, 'key'> | undefined {
    const { sharedCounters, receiveBufSize, postBufSize, maxReplySize = 0, compression } = this.#options;
    if (sharedCounters === undefined) return undefined;
    const calls = this.#callsHere?.(thread);
    if (calls === undefined) return undefined;
    return {
      ...calls,
      counters: sharedCounters.rows,
      firstCounter: sharedCounters.first,
      maxBody: receiveBufSize,
      postBufSize,
      maxReply: maxReplySize,
      compression,
    };
  }

  /** Threads that serve; none where no socket is opened. */
  get #threads(): number {
    return this.#sockets.length === 0 ? 0 : (this.#options.threads ?? 0);
  }

  /** The threads that serve in place of this one. */
  get threads(): readonly ServingThread[] {
    return this.#faces?.threads ?? [];
  }

  /**
   * Tries what {@link start} tries, without listening, and logs the warnings of it.
   *
   * @throws Error in one line that says why it could not start
   */
  async check(): Promise<void> {
    const { log } = this.#options;
    await this.#loadEngines();
    shareOpenFiles(this.#wantedFiles(), log);
    const holders: (Pick<Listening, 'options' | 'bound'> & { readonly secure: CertifiedListener | undefined })[] = [];
    try {
      for (const options of this.#sockets) {
        const secure = await tryListener(await this.#engineOf(options), options, log);
        holders.push({ options, bound: settingName(options.setting), secure });
      }
      new Certificates(holders, log).close();
    } finally {
      await Promise.all(holders.map(({ secure }) => secure?.app.close()));
    }
    await this.#tellCiphers();
  }

  /** The listeners that have a socket. */
  get #sockets(): readonly ListenerOptions[] {
    const { listeners, opensSockets = true } = this.#options;
    return opensSockets ? listeners : [];
  }

  /**
   * Serves a request that comes without a socket, as one of the first listener: by its logins and limits.
   *
   * @throws Error when the server does not run; what {@link inject} throws
   */
  async inject(request: InjectedRequest | Request, remoteAddress?: string): Promise<Response> {
    if (this.#handlers === undefined || !this.isListening)
      throw coded('ERR_STATE', new Error('the server does not run; await start() before the first request'));
    const handlers = this.#handlers;
    return inject(handlers, request, remoteAddress, (address) => this.#hostedRefusal(address));
  }

  /** Makes what serves requests of an HTTP server of the program, as those of the first listener. */
  nodeHandler(): NodeHandler {
    return nodeHandlerOf(this.#hosted);
  }

  /** What hosts of this server know of it. */
  get #hosted(): HostedServer {
    const handlersNow = (): EngineHandlers | undefined => (this.isListening ? this.#handlers : undefined);
    return {
      get handlers() {
        return handlersNow();
      },
      serves: (path) => this.#roots.findCommon(path) !== undefined || this.#roots.find(path) !== undefined,
      refusal: (address) => this.#hostedRefusal(address),
    };
  }

  async #mountRoots(): Promise<void> {
    const { app } = this.#options;
    if (app === undefined || this.#handlers === undefined) return;
    const roots = this.roots.map(({ root }) => root);
    try {
      this.#mount = await mountOn(app, this.#hosted, this.#handlers, roots);
    } catch (error) {
      throw error instanceof Error && !('code' in error) ? coded('ERR_ENGINE', error) : error;
    }
  }

  /** Why a client that comes by a host of this server is not served: where nobody has to log in, only this machine is. */
  #hostedRefusal(address: string): string | undefined {
    const { listeners, servesEverybody = false } = this.#options;
    if (servesEverybody || address === '' || isLoopback(address)) return undefined;
    if (listeners[0]?.access?.needsLogin === true) return undefined;
    return 'nobody has to log in here, so only this machine is served: let users log in, or set allow_unauthenticated of httpd';
  }

  /** Closes every listener to new connections. From now on every reply closes its connection. */
  stopAccepting(): void {
    if (this.#state !== 'listening') return;
    this.#state = 'stopping';
    this.#certificates?.close();
    this.#connections.stop();
    this.#spares.stop();
    for (const listener of this.#open) listener.stop();
    this.#faces?.stop();
  }

  /**
   * Waits for requests of connections that have come, where the next server is to go on with the same listen socket: to its
   * clients this one and the next are one. Call {@link stopAccepting} first.
   * @param deadline milliseconds after which it is not waited for any longer
   */
  async linger(deadline: number): Promise<void> {
    const isOneOfMany = this.#open.some(({ options }) => (options.inherited ?? []).length > 0);
    if (isOneOfMany) await (this.#faces ?? this.#connections).emptied(Math.min(deadline, lingering));
  }

  /**
   * Waits until what runs has been answered. Call {@link stopAccepting} first.
   * @param deadline milliseconds after which it is not waited for any longer
   */
  drain(deadline: number): Promise<void> {
    return this.#faces === undefined ? this.#connections.drained(deadline) : this.#drainAll(this.#faces, deadline);
  }

  /** What a thread has taken is answered here. */
  async #drainAll(faces: Faces, deadline: number): Promise<void> {
    const until = performance.now() + deadline;
    await faces.drained(deadline);
    await this.#connections.drained(Math.max(0, until - performance.now()));
  }

  /** Closes everything at once: clients that still wait are cut, their exchanges are gone. Never fails. */
  async close(): Promise<void> {
    if (this.#state === 'closed' && this.#open.length === 0 && this.#faces === undefined) return;
    this.#connections.stop();
    this.#state = 'closed';
    this.#spares.stop();
    this.#certificates?.close();
    this.#mount?.close();
    // Begun now: who called this within a handler finds its client gone.
    const faces = this.#faces?.close();
    await Promise.all(this.#open.splice(0).map((listener) => listener.close()));
    await faces;
    this.#faces = undefined;
  }

  /** The certificates of the listeners with TLS; undefined before it listens. */
  get certificates(): Certificates | undefined {
    return this.#certificates;
  }

  get openConnections(): number {
    return this.#connections.open + (this.#faces?.openConnections ?? 0);
  }

  /** Requests whose reply has not ended. */
  get openExchanges(): number {
    return this.#connections.exchanges;
  }

  /** Bytes of all bodies that are being received in pieces. */
  get bodyBytes(): number {
    return this.#bodies?.bytesHeld ?? 0;
  }

  /** Bodies that are being received in pieces. */
  get bodySlots(): number {
    return this.#bodies?.slotsInUse ?? 0;
  }

  /** Bytes of the response window, as set. */
  get windowSize(): number {
    return this.#options.windowSize;
  }

  /** Bytes of a long reply that are best given at once; known once started. */
  get chunkSize(): number {
    return Math.max(chunkLimit, ...[...this.#serving].map((engine) => engine.chunkSize));
  }

  /** Name and version of the engine, such as `uWebSockets.js 20.51.4`, or of both where two serve; known once started. */
  get engine(): string {
    const names = [...this.#serving].map(({ name, version }) => `${name} ${version}`);
    if (names.length > 0) return names.join(' and ');
    return this.#options.app === undefined ? 'no engine loaded' : 'uWebSockets.js of the embedder';
  }

  /** Listeners that the HTTP server of Node.js serves. */
  get nodeListeners(): number {
    return this.#nodeListeners;
  }

  /** Loads the engines of all listeners, and tells of those that are not what was wished for. */
  async #loadEngines(): Promise<void> {
    for (const listener of this.#sockets) {
      const engine = await this.#engineOf(listener);
      if (engine.isOfNode) this.#nodeListeners += 1;
      if (this.#serving.has(engine)) continue;
      this.#serving.add(engine);
      if (engine.notice !== undefined) this.#options.log.warn({ code: 'engine-replaced' }, engine.notice);
    }
  }

  async #engineOf({ setting }: ListenerOptions): Promise<Engine> {
    try {
      return await this.#engines.of(setting.options.get('engine'));
    } catch (error) {
      throw error instanceof Error ? coded('ERR_ENGINE', error) : error;
    }
  }

  /** The listeners in order of declaration; before and after it listens, as they are set. */
  get listening(): readonly Listening[] {
    if (this.#open.length > 0) return this.#open;
    return this.#sockets.map((options) => ({ options, ...placeOf(options.setting, options.setting.port) }));
  }

  /** The port of the first listener that has one; before it listens, the one that is set; 0 for none. */
  get port(): number {
    return this.listening.find(({ options }) => options.setting.kind !== 'unix')?.port ?? 0;
  }

  /** `127.0.0.1:8888, /run/x.sock`: what is listened on; undefined when nothing is. */
  get bound(): string | undefined {
    return this.#open.length === 0 ? undefined : this.#open.map(({ bound }) => bound).join(', ');
  }

  /** Where clients on this machine reach the listeners: `http://127.0.0.1:8888`, `http://unix:/run/x.sock:`. */
  get urls(): readonly string[] {
    return this.listening.map(({ url }) => url);
  }

  /** The listeners that other machines can reach. */
  get exposed(): readonly Listening[] {
    return this.listening.filter(({ isLocal }) => !isLocal);
  }

  /** The default is nobody's wish, so that it is no reason to warn. */
  async #tellCiphers(): Promise<void> {
    const told = new Set<string>();
    for (const listener of this.#options.listeners) {
      const ciphers = listener.tls?.ciphers;
      if (ciphers === undefined) continue;
      const notice = ciphersNotice(ciphers, (await this.#engineOf(listener)).tls);
      if (notice === undefined || told.has(notice)) continue;
      told.add(notice);
      this.#options.log[ciphers === defaultCiphers ? 'info' : 'warn']({ code: 'tls-ciphers-unmet', ciphers }, notice);
    }
  }

  #wantedFiles(): FileShares {
    const { maxConnections } = this.#options;
    const unix = this.#sockets.some(({ setting }) => setting.kind === 'unix') ? unixReserve : 0;
    return { connections: maxConnections, unix, subscribers: this.#subscribers.most };
  }

  #memoryFor({ connections, unix }: FileShares): ConnectionsMemory {
    return makeConnectionsMemory(connections + unix, this.#threads + 1);
  }

  #limitedTo({ connections, unix }: FileShares): Connections {
    const { maxConnectionsAddress = 0, log } = this.#options;
    const limits = { max: connections, unix, share: maxConnectionsAddress };
    return new Connections(limits, this.#counters, log, this.#memory);
  }

  #nativeBodies(): BodyPool {
    const { postBufSize, receiveBufSize, bodiesTotal } = this.#options;
    return new BodyPool(postBufSize, receiveBufSize, bodiesTotal);
  }

  #exchanges(bodies: BodyPool): Exchanges {
    const { receiveBufSize, windowSize, connTimeout, replyTimeout = 0, maxReplySize = 0, log } = this.#options;
    return new Exchanges({
      roots: this.#roots,
      connections: this.#connections,
      bodies,
      maxBody: receiveBufSize,
      flushLimit: Math.min(windowSize, chunkLimit),
      limits: { clientPatience: connTimeout * 1000, replyPatience: replyTimeout * 1000, maxReply: maxReplySize },
      stayEncrypted: this.#options.stayEncrypted ?? 0,
      compression: this.#options.compression,
      jsonRefusal: this.#options.jsonRefusal,
      counters: this.#counters,
      log,
    });
  }

  #refuseWhenClosed(): void {
    if (this.#state === 'closed') throw coded('ERR_STATE', new Error('the HTTP server was closed before it listened'));
  }
}
