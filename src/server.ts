import { totalmem } from 'node:os';
import { dateOf, monotonicTime } from './base/clock.js';
import { coded } from './base/codes.js';
import {
  aBoolean,
  aFunction,
  aNumber,
  anObject,
  checkMembers,
  headerNames,
  listOf,
  type Members,
  oneOf,
  type Wanted,
} from './base/given.js';
import type { JsonValue } from './base/json.js';
import { type CodedLog, type Log, type Notice, quietLog } from './base/log.js';
import { OwnContext } from './base/own-context.js';
import { packageInfo } from './base/package.js';
import { reasonOf } from './base/text.js';
import { parametersFromObject } from './config/parameter.js';
import type { OwnLogin } from './gateway/own-login.js';
import { engineChoices, type NodeHandler } from './http/engine/engine.js';
import type { InjectedRequest } from './http/engine/injected.js';
import type { InheritedSocket } from './http/listen/inherited.js';
import { checkRoot, type RootDeclaration, type Service } from './http/roots.js';
import type { HttpServer } from './http/server.js';
import { servingThreads } from './http/threads/count.js';
import type { ServingThread } from './http/threads/faces.js';
import { mostThreads } from './http/threads/protocol.js';
import type { Reload } from './http/tls/certified-listener.js';
import { LifeCycle, type LoadedModule, ModuleSteps } from './life-cycle.js';
import { CacheSystems } from './mi/cache-systems.js';
import { type Around, withContext } from './mi/calls/around.js';
import { callLocally, type LocalCallOptions } from './mi/calls/local.js';
import { type Level, levels } from './mi/commands/command.js';
import { controlOf, Events } from './mi/events/events.js';
import { EventStreams } from './mi/events/streams.js';
import { LogConsumers, LogLevel } from './mi/log-consumers.js';
import { ManagementInterface } from './mi/management-interface.js';
import { opaque } from './mi/results/json.js';
import { type StatusIdentifier, StatusReports } from './mi/status-reports.js';
import {
  type BuiltInContext,
  type BuiltInInstance,
  type ConfiguredModule,
  isModule,
  loadOwn,
  type Module,
  type ModuleContext,
  type Roots,
  type ServerFacts,
} from './module.js';
import { builtInModules, loadableModules, type ModuleOptions } from './modules/index.js';
import { Opensips } from './modules/opensips/opensips.js';
import { Usrloc } from './modules/usrloc/usrloc.js';

/** Private memory when nothing says otherwise, MB; OpenSIPS' `-M`. */
export const defaultPrivateMemory = 16;

/** Most private memory, MB: a quarter of it is a buffer that every JavaScript engine still gives. */
export const maxPrivateMemory = 4096;

/** Shared memory when nothing says otherwise, MB; OpenSIPS' `-m`. What the process may have is not filled by it. */
function defaultSharedMemory(): number {
  // 0 or more than there is: nothing constrains the process.
  const constrained = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  return Math.min(512, Math.max(1, Math.floor(Math.min(totalmem(), constrained) / 4 / 1024 / 1024)));
}

/** Threads that the parameter of httpd asks for. */
function threadsOfFile(modules: readonly ConfiguredModule[]): number {
  const { threads } = (modules.find(({ module }) => module.name === 'httpd')?.parameters ?? {}) as {
    readonly threads?: number;
  };
  return threads ?? 0;
}

/** Most shared memory, MB. */
export const maxSharedMemory = 1048576;

/** Seconds that a stopping server gives to what runs. */
export const defaultDeadline = 10;

/** More is more than a timer of Node.js takes. */
const longestDeadline = 2_000_000;

const closeOptions: Members<{ deadline: number }> = {
  deadline: {
    text: `seconds from 0 to ${longestDeadline}`,
    is: (value) => typeof value === 'number' && value >= 0 && value <= longestDeadline,
  },
};

const callOptions: Members<LocalCallOptions> = {
  level: oneOf(levels),
  signal: { text: 'an AbortSignal', is: (value) => value instanceof AbortSignal },
};

/** Milliseconds that answers to calls given up have to leave. */
const lastAnswers = 1000;

/** Modules that see the server from inside. */
const ourModules: ReadonlySet<Module> = new Set([...builtInModules, ...loadableModules]);

/** Modules that `createServer` loads even without an option. */
const alwaysLoaded: ReadonlySet<string> = new Set(['httpd', 'mi_http']);

/** Status of `core`, identifier `main`. */
const state = { running: 1, initializing: -1, terminating: -2 } as const;

/** Options that servers from a file and servers in a program share. */
export interface ServerSettings {
  /** Where the server logs; a pino logger fits. Left out, warnings and errors become process warnings. */
  readonly log?: Log;
  /**
   * OpenSIPS' `log_level`: -3 alert to 4 debug. Handed to the logger once the server listens, so that the lines
   * and warnings of the start are always written; left out, the logger keeps the level it has.
   */
  readonly logLevel?: number;
  /** Private memory in MB (`-M`), of which the response window is a quarter when `buf_size` is 0; default 16. */
  readonly privateMemory?: number;
  /**
   * Shared memory in MB (`-m`), which the contacts of usrloc may fill; default 512, or a quarter of the memory that the
   * process may have where that is less.
   */
  readonly sharedMemory?: number;
  /** Effect of the MI command `kill`; left out, the command is refused: the process is not the server's own. */
  readonly kill?: () => void;
  /**
   * The least level of callers whom the MI commands `arg` and `pwd` tell the arguments and the working directory of this
   * process; left out, they tell nobody: arguments may hold passwords, and without a login everybody has level `admin`.
   */
  readonly tellProcess?: Level;
  /**
   * uWebSockets.js as you loaded it (`require('uWebSockets.js')`), in place of the binary that comes with this package, whose
   * hash is known. Yours is taken as it is: set `UWS_HTTP_MAX_HEADERS_SIZE=16384` before it is loaded. Or the name of what
   * speaks HTTP, in place of the parameter `engine` of httpd.
   */
  readonly engine?: object | 'auto' | 'uws' | 'node';
  /**
   * Threads that have the listeners, in place of the parameter `threads` of httpd: clients are accepted, read and written there.
   * Modules, commands and what you hand to this server run in the thread that made it, which opens no socket. `auto`: one less
   * than there are cores, and one at least. Default 0: this thread does all.
   */
  readonly threads?: number | 'auto';
  /** Lets clients in, in place of `auth_username`, `auth_file` and `auth_tokens`. */
  readonly authenticate?: OwnLogin;
  /** Runs around every call; see {@link Around}. */
  readonly around?: Around;
  /** Names of headers of HTTP requests that `call.header()` gives, beside those that commands declare. */
  readonly headers?: readonly string[];
  /** True: `currentCall()` knows the call whose handler runs. Promises take longer then. Default false. */
  readonly callContext?: boolean;
  /**
   * False: no socket is opened, and no engine loaded. The server is there for {@link Server.call} and {@link Server.inject},
   * whose requests count as those of its first listener.
   */
  readonly listen?: boolean;
  /**
   * An app of uWebSockets.js, `App()` or `SSLApp()`, that serves the root paths from the start on, as `/mi` and `/mi/…`. No socket is
   * opened: to listen, TLS, and to close the app are its owner's. Requests are held by logins and limits of the first listener.
   */
  readonly app?: object;
}

/** Options of {@link createServer}. */
export interface ServerOptions extends ServerSettings, ModuleOptions {
  /** Your own modules, in load order; `pbx.with({ … })` gives one its parameters. */
  readonly modules?: readonly (Module | ConfiguredModule)[];
}

/** Options that load a module. */
type Loading<Name extends 'usrloc' | 'opensips'> = {
  readonly [Module in Name]: NonNullable<ServerOptions[Module]>;
};

/** The log of the system, beside that of the server: of the command alone. */
export interface SystemLog {
  readonly log: Log;
  /** True if the log of the server is mute once it listens. */
  readonly isAlone: boolean;
}

let checkOfServer: (server: Server) => Promise<readonly Notice[]>;

/** As `check` of a server, for the command, which prints the codes too. */
export function checkOf(server: Server): Promise<readonly Notice[]> {
  return checkOfServer(server);
}

/** A management server: modules, their MI commands and root paths, and the HTTP server that serves them. */
export class Server {
  readonly #mi: ManagementInterface;
  readonly #main: StatusIdentifier;
  readonly #eventStreams: EventStreams;
  readonly #modules: LoadedModule[] = [];
  readonly #steps: ModuleSteps;
  readonly #log: CodedLog;
  readonly #httpd: HttpServer;
  readonly #applyLogLevel: () => void;
  /** Declare and raise events of your own; clients subscribe with `event_subscribe`. */
  readonly events: Events;
  /** Tell what is ready and what is not, for `sr_get_status` and `/readyz`. */
  readonly status: StatusReports;
  readonly #life = new LifeCycle({
    start: (goOn) => this.#start(goOn),
    close: (deadline) => this.#close(deadline),
  });

  /**
   * @param modules modules with their checked parameters, in load order; the built-in ones are not among them
   * @param configFiles files that they were read from
   * @param sockets listen sockets that the service manager has opened
   * @param system where lines go beside `settings.log`
   * @throws Error when a needed module is missing, or two modules have one name or register the same thing;
   *   RangeError for private memory out of range
   */
  constructor(
    modules: readonly ConfiguredModule[],
    settings: ServerSettings,
    configFiles: readonly string[] = [],
    sockets: readonly InheritedSocket[] = [],
    system?: SystemLog,
  ) {
    const privateMemory = settings.privateMemory ?? defaultPrivateMemory;
    if (!(privateMemory > 0 && privateMemory <= maxPrivateMemory)) {
      throw coded(
        'ERR_ARGUMENT',
        new RangeError(`privateMemory is ${privateMemory}; give more than 0 and at most ${maxPrivateMemory} MB`),
      );
    }
    const sharedMemory = settings.sharedMemory ?? defaultSharedMemory();
    if (!(sharedMemory > 0 && sharedMemory <= maxSharedMemory)) {
      throw coded(
        'ERR_ARGUMENT',
        new RangeError(`sharedMemory is ${sharedMemory}; give more than 0 and at most ${maxSharedMemory} MB`),
      );
    }
    const target = settings.log ?? quietLog;
    const logConsumers = new LogConsumers(target, system?.log);
    this.#log = logConsumers.log;
    this.#steps = new ModuleSteps(this.#log);
    const threads = servingThreads(settings, threadsOfFile(modules));
    this.#mi = new ManagementInterface(this.#log, threads + 1);
    this.#mi.around = settings.callContext === true ? withContext(settings.around) : settings.around;
    this.#mi.headers = settings.headers ?? [];
    const logLevel = new LogLevel(target, settings.logLevel ?? 3);
    this.#applyLogLevel = () => {
      if (settings.logLevel !== undefined) logLevel.apply();
      logLevel.hold();
      if (system?.isAlone === true) logConsumers.stderror.isMuted = true;
    };
    const created = monotonicTime();
    const facts: ServerFacts = {
      ...packageInfo,
      startedAt: () => dateOf(created / 1000) * 1000,
      upTime: () => Math.floor((monotonicTime() - created) / 1000),
      privateMemory: Math.floor(privateMemory * 1024 * 1024),
      sharedMemory: Math.floor(sharedMemory * 1024 * 1024),
      kill: settings.kill,
      tellProcess: settings.tellProcess,
      configFiles,
      engine: settings.engine,
      sockets,
      opensSockets: (settings.listen ?? true) && settings.app === undefined,
      app: settings.app,
      threads,
      perThread: modules.flatMap(({ module: { name, perThread: url }, parameters }) =>
        url === undefined ? [] : [{ name, url, parameters }],
      ),
      authenticate: settings.authenticate,
    };
    let httpd: HttpServer | undefined;
    this.events = new Events(this.#log, this.#mi.statistics);
    this.status = new StatusReports(this.events.declare('E_CORE_SR_STATUS_CHANGED'));
    this.#main = this.status.add('core', { status: state.initializing, details: 'initializing' });
    this.#main.report('initializing');
    const { events, status } = this;
    const eventStreams = new EventStreams(events.counts);
    events.addTransport(eventStreams);
    this.#eventStreams = eventStreams;
    const caches = new CacheSystems();
    const { log } = logConsumers;
    const common = { mi: this.#mi, log, logLevel, logConsumers, events, eventStreams, status, caches, facts };
    const names = new Set<string>();
    const builtIn = builtInModules.map((module) => ({ module, parameters: {} }));
    for (const { module, parameters } of [...builtIn, ...inOrderOfNeed(modules)]) {
      const isOurs = ourModules.has(module);
      const needed = (): HttpServer => {
        if (httpd === undefined)
          throw coded('ERR_MODULE', new Error(`module ${module.name} needs httpd; add loadmodule "httpd.so"`));
        return httpd;
      };
      const inside: BuiltInContext<never> & ModuleContext<never> = {
        ...common,
        parameters: parameters as never,
        thread: 0,
        get httpd() {
          return needed();
        },
        apiOf: (name) => this.#modules.find((loaded) => loaded.name === name)?.instance.api,
        forThreads: () =>
          Object.fromEntries(this.#modules.map(({ name, instance }) => [name, instance.forThreads?.()])),
      };
      const outside: ModuleContext<never> = {
        ...{
          parameters: inside.parameters,
          thread: 0,
          log,
          mi: { statistics: this.#mi.statistics },
          events,
          status,
          caches,
        },
        get httpd() {
          return rootRegistry(needed());
        },
      };
      if (names.has(module.name))
        throw coded('ERR_MODULE', new Error(`two modules are named ${module.name}; give one another name`));
      names.add(module.name);
      const instance: BuiltInInstance = isOurs ? (module.load(inside) ?? {}) : loadOwn(module, outside);
      if (isOurs) httpd ??= instance.httpd;
      this.#modules.push({ name: module.name, isOurs, instance });
      for (const command of [...module.commands, ...(instance.commands ?? [])]) {
        this.#mi.commands.add(module.name, command);
      }
    }
    if (httpd === undefined)
      throw coded(
        'ERR_MODULE',
        new Error('module httpd is not loaded, so nothing can be served; add loadmodule "httpd.so"'),
      );
    const own = modules.filter(({ module }) => !ourModules.has(module)).map(({ module }) => module.name);
    this.#mi.commands.checkAliases(new Set(own));
    this.#httpd = httpd;
    const { mostConnections, limitConnections } = controlOf(this.events);
    httpd.leaveOpenFiles(mostConnections, limitConnections);
    this.#mi.seal();
  }

  /**
   * Starts the modules, then listens. Called again, it gives what came of the first call: a server that runs goes on.
   *
   * @returns this server, listening
   * @throws Error in one line when a module fails to start, the address cannot be listened on (in use, no permission, not of
   *   this machine), or the server was closed; when a module waits for it within its own start
   */
  async start(): Promise<this> {
    const { running } = this.#steps;
    if (running !== undefined) throw waitsForItself('start', running);
    await this.#life.start();
    return this;
  }

  async #start(goOn: () => void): Promise<void> {
    for (const { code, text } of await this.#look()) this.#log.warn({ code }, text);
    for (const module of this.#modules) {
      goOn();
      await this.#steps.start(module, 'start');
    }
    goOn();
    this.#steps.rest();
    await this.#httpd.start();
    goOn();
    this.#main.set(state.running, 'running');
    this.#main.report('initialization completed, ready now');
    this.#tellExposed();
    this.#beginHistory();
    this.#applyLogLevel();
  }

  #beginHistory(): void {
    for (const statistic of this.#mi.history.begin()) {
      const { code, text } = missingNotice(statistic);
      this.#log.warn({ code, statistic }, text);
    }
  }

  /**
   * Reads users and tokens again, and opens the audit log anew. What is wrong is logged, and stays as it was.
   *
   * @returns whether all went well, in all threads
   */
  async reload(): Promise<boolean> {
    const isGood = await this.#steps.reload(this.#modules);
    return (await this.#httpd.reloadThreads()) && isGood;
  }

  /** So that one in a result is refused by name. */
  get [opaque](): string {
    return 'Server';
  }

  /**
   * Runs a command without a socket, by the runner of the calls that come over HTTP: parameters and results are JSON, as they
   * are there.
   *
   * ```ts
   * const { uptime } = await server.call('core:uptime') as { uptime: number };
   * await server.call('pbx:resize', { trunk: 'a', capacity: 30 }, { level: 'operate', signal: AbortSignal.timeout(1000) });
   * ```
   *
   * @param params by name or by position; left out, none
   * @returns the result, as a client reads it
   * @throws MiError with what a client is told; the reason of the signal; Error when the server does not run
   */
  async call(
    command: string,
    params?: readonly unknown[] | object,
    options: LocalCallOptions = {},
  ): Promise<JsonValue> {
    checkMembers('call', options, callOptions);
    const runner = this.#modules.map(({ instance }) => instance.runner).find((one) => one !== undefined);
    if (runner === undefined)
      throw coded('ERR_STATE', new Error('module mi_http is not loaded, whose runner makes calls'));
    if (!this.#httpd.isListening)
      throw coded('ERR_STATE', new Error('the server does not run; await start() before the first call'));
    return callLocally(this.#mi, runner, command, params, options);
  }

  /**
   * Serves an HTTP request without a socket, by all that holds one of the first listener: logins, limits, hosts.
   *
   * ```ts
   * const body = '{"jsonrpc":"2.0","method":"which","id":1}';
   * const response = await server.inject({ url: '/mi', headers: { 'Content-Type': 'application/json' }, body });
   * console.log(response.status, await response.json());
   * ```
   *
   * @param request a `Request` of fetch, or its parts
   * @param options.remoteAddress where it comes from, beside a `Request`; default `127.0.0.1`
   * @throws the reason of the signal; an error of the code ERR_GONE where a connection would be closed without a reply
   */
  inject(
    request: InjectedRequest | Request,
    { remoteAddress }: { readonly remoteAddress?: string } = {},
  ): Promise<Response> {
    return this.#httpd.inject(request, remoteAddress);
  }

  /**
   * A handler that serves this server's roots from an HTTP server of the program, with `listen: false` on no port beside: of
   * `node:http`, Express and others that are built on it. Requests are held by logins and limits of the first listener. Clients
   * of other machines are served where they have to log in.
   *
   * ```ts
   * const server = await createServer({ listen: false }).start();
   * createHttpServer(server.nodeHandler()).listen(8080);
   * ```
   */
  nodeHandler(): NodeHandler {
    return this.#httpd.nodeHandler();
  }

  /** Closes the server: for `await using server = await createServer().start()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The port of the first listener that has one, else 0; useful after `port: 0`. */
  get port(): number {
    return this.#httpd.port;
  }

  /**
   * The URL of every root path on every listener, in order of their declaration: `http://127.0.0.1:8888/mi`;
   * on a Unix socket as nginx writes it, `http://unix:/run/mi-httpd.sock:/mi`.
   */
  get urls(): readonly string[] {
    const roots = this.#httpd.roots.map(({ root }) => root).reverse();
    return this.#httpd.urls.flatMap((url) => roots.map((root) => `${url}/${root}`));
  }

  /** The user location service, for a registrar in the same process; undefined when module usrloc is not loaded. */
  get usrloc(): Usrloc | undefined {
    return this.#modules.map(({ instance }) => instance.api).find((api) => api instanceof Usrloc);
  }

  /** The OpenSIPS servers that this one is a front for; undefined when module opensips is not loaded. */
  get opensips(): Opensips | undefined {
    return this.#modules.map(({ instance }) => instance.api).find((api) => api instanceof Opensips);
  }

  /** The threads that have the listeners; none with the option `threads` 0. */
  get threads(): readonly ServingThread[] {
    return this.#httpd.threads;
  }

  /** Name and version of the HTTP engine. */
  get engine(): string {
    return this.#httpd.engine;
  }

  /** True while it takes requests: from the end of its start to the begin of its stop. */
  get isListening(): boolean {
    return this.#httpd.isListening;
  }

  /**
   * Tries what the start tries, such as loading certificates and opening files, without listening and without leaving
   * anything behind. It logs what the start would log before it listens.
   *
   * @returns what should be known although nothing is wrong and is not logged, one line each; the start logs it
   * @throws Error in one line when the server could not start
   */
  async check(): Promise<readonly string[]> {
    return (await this.#check()).map(({ text }) => text);
  }

  async #check(): Promise<readonly Notice[]> {
    const notices = await this.#look();
    this.#steps.rest();
    await this.#httpd.check();
    this.#tellExposed();
    return [...notices, ...this.#mi.history.unknown.map(missingNotice)];
  }

  static {
    checkOfServer = (server) => server.#check();
  }

  #tellExposed(): void {
    for (const { isOurs, instance } of this.#modules) if (isOurs) instance.exposed?.();
  }

  /** The part that the start and the check share, before anything runs. */
  async #look(): Promise<readonly Notice[]> {
    const notices: Notice[] = [];
    for (const module of this.#modules) {
      const told = await this.#steps.start<readonly (string | Notice)[]>(module, 'check');
      notices.push(
        ...(told ?? []).map((one) => (typeof one === 'string' ? ({ code: 'module-notice', text: one } as const) : one)),
      );
    }
    if (this.#httpd.roots.length === 0) {
      const text = 'no root path is registered, so every request gets 404; add loadmodule "mi_http.so"';
      notices.push({ code: 'no-root', text });
    }
    return notices;
  }

  /**
   * Reads certificates and keys again. Open connections go on with those they have; where new files are bad, the former
   * certificate stays, which is logged.
   *
   * @returns what came of it, for each listener with TLS
   */
  reloadTls(): readonly Reload[] {
    return this.#httpd.certificates?.reload() ?? [];
  }

  /**
   * Stops: accepts no more, finishes what runs, then closes. Nothing is left open. A second call waits for the first. A start
   * under way is given up first.
   *
   * @param options.deadline seconds for what runs; then pending calls are answered 503; default 10. Modules have what is left
   *   of them to stop and to finish, each a second at least; one that is not done by then is logged, and the others go on.
   * @throws TypeError for a wrong option; Error when a module waits for it within its own start or stop, which it waits for
   */
  close(options: { readonly deadline?: number } = {}): Promise<void> {
    try {
      checkMembers('close', options, closeOptions);
    } catch (error) {
      return Promise.reject(error);
    }
    const closed = this.#life.close((options.deadline ?? defaultDeadline) * 1000);
    const { running } = this.#steps;
    if (running === undefined) return closed;
    const refused = Promise.reject(waitsForItself('close', running));
    // A caller that does not await it causes no unhandled rejection.
    refused.catch(() => {});
    closed.catch(() => {});
    return refused;
  }

  async #close(deadline: number): Promise<void> {
    const until = performance.now() + deadline;
    this.#main.set(state.terminating, 'terminating');
    this.#main.report('terminating');
    this.#httpd.stopAccepting();
    // They would go on until the deadline.
    this.#eventStreams.end();
    await this.#httpd.linger(deadline);
    await this.#httpd.drain(until - performance.now());
    // Before any module stops: no handler runs without what its module needs.
    this.#mi.stop('the server stops');
    this.#mi.history.stop();
    for (const module of this.#modules.toReversed()) await this.#steps.end(module, 'stop', until);
    controlOf(this.events).close();
    // Calls that the modules gave up are answered by now; the answers have to leave.
    await this.#httpd.drain(lastAnswers);
    await this.#httpd.close();
    for (const module of this.#modules) await this.#steps.end(module, 'finish', until);
    this.#steps.rest();
  }
}

/**
 * Makes a server with httpd, mi_http and your own modules. Nothing listens before `start()`.
 *
 * ```ts
 * const server = await createServer({ httpd: { ip: '127.0.0.1', port: 0 } }).start();
 * console.log(server.urls);
 * await server.close();
 * ```
 *
 * @throws ParameterError that lists every wrong parameter of a module; TypeError for an option that does not exist
 */
export function createServer(
  options: ServerOptions & Loading<'usrloc'> & Loading<'opensips'>,
): Server & { readonly usrloc: Usrloc; readonly opensips: Opensips };
export function createServer(options: ServerOptions & Loading<'usrloc'>): Server & { readonly usrloc: Usrloc };
export function createServer(options: ServerOptions & Loading<'opensips'>): Server & { readonly opensips: Opensips };
export function createServer(options?: ServerOptions): Server;
export function createServer(options: ServerOptions = {}): Server {
  checkOptions(options);
  const modules: ConfiguredModule[] = loadableModules.flatMap((module) => {
    const given = options[module.name];
    const parameters = given === undefined && alwaysLoaded.has(module.name) ? {} : given;
    return parameters === undefined ? [] : [{ module, parameters }];
  });
  for (const own of options.modules ?? []) {
    modules.push('module' in own ? own : { module: own, parameters: {} });
  }
  const checked = modules.map(({ module, parameters }) => ({
    module,
    parameters: parametersFromObject(module.name, module.parameters, parameters),
  }));
  return new Server(checked, options);
}

/** Names of the functions of {@link Log} that have to be there. */
const logMethods = ['debug', 'info', 'warn', 'error'];

/** Names of the functions of an app that are used. */
const appMethods = ['any', 'post', 'filter'];

const parametersOfModule: Wanted = { text: 'an object of parameters' };

const oneEngine = oneOf(engineChoices);

const ownOptions: Members<Omit<ServerOptions, keyof ModuleOptions>> = {
  modules: listOf('an array of what defineModule or its method with returns', () => true),
  log: {
    text: `a logger with ${logMethods.join(', ')}`,
    is: (value) =>
      typeof value === 'object' &&
      value !== null &&
      logMethods.every((name) => typeof (value as Readonly<Record<string, unknown>>)[name] === 'function'),
  },
  logLevel: {
    text: 'a whole number from -3 (alert) to 4 (debug)',
    is: (value) => Number.isInteger(value) && Number(value) >= -3 && Number(value) <= 4,
  },
  privateMemory: aNumber,
  sharedMemory: aNumber,
  kill: aFunction,
  tellProcess: oneOf(levels),
  threads: {
    text: `a whole number from 0 to ${mostThreads}, or 'auto'`,
    is: (value) => value === 'auto' || (Number.isInteger(value) && Number(value) >= 0 && Number(value) <= mostThreads),
  },
  authenticate: aFunction,
  around: aFunction,
  headers: headerNames,
  callContext: aBoolean,
  listen: aBoolean,
  app: {
    text: 'an app of uWebSockets.js, App() or SSLApp()',
    is: (value) =>
      anObject.is?.(value) === true &&
      appMethods.every((name) => typeof (value as Readonly<Record<string, unknown>>)[name] === 'function'),
  },
  engine: {
    text: `an object, or one of ${oneEngine.text}`,
    is: (value) => anObject.is?.(value) === true || oneEngine.is?.(value) === true,
  },
};

/** A misspelt option would be ignored, and could leave the server open to all. */
function checkOptions(options: ServerOptions): void {
  const ofModules = Object.fromEntries(loadableModules.map(({ name }) => [name, parametersOfModule]));
  checkMembers('createServer', options, { ...ofModules, ...ownOptions });
  checkApp(options);
  for (const [index, own] of (options.modules ?? []).entries()) {
    const given: unknown = typeof own === 'object' && own !== null && 'module' in own ? own.module : own;
    if (!isModule(given)) {
      throw coded(
        'ERR_ARGUMENT',
        new TypeError(`modules[${index}] is no module; give what defineModule or its method with returns`),
      );
    }
  }
}

/** @throws TypeError for an option that an app leaves no place for */
function checkApp({ app, listen, engine, httpd }: ServerOptions): void {
  if (app === undefined) return;
  const refuse = (what: string, remedy: string): never => {
    throw coded('ERR_ARGUMENT', new TypeError(`options app and ${what} of createServer do not mix: ${remedy}`));
  };
  if (listen === true) refuse('listen', 'the owner of the app listens; leave listen out');
  if (engine !== undefined) refuse('engine', 'the engine is that of the app; leave engine out');
  if (httpd?.engine !== undefined && httpd.engine !== 'auto' && httpd.engine !== 'uws')
    refuse('httpd.engine', 'the engine is that of the app; leave it out');
}

/** Told of a statistic that cannot be kept over time. */
function missingNotice(name: string): Notice {
  return {
    code: 'history-missing',
    text: `parameter history names "${name}", which is no statistic, or one more than there is room for; list_statistics lists all`,
  };
}

function waitsForItself(what: 'start' | 'close', step: string): Error {
  return coded(
    'ERR_STATE',
    new Error(`${what} is called within ${step}, for which it waits; do not wait for it there`),
  );
}

/** Load order, but a module comes after those it needs, whatever order the file has them in. */
function inOrderOfNeed(modules: readonly ConfiguredModule[]): readonly ConfiguredModule[] {
  const ordered = new Set<ConfiguredModule>();
  const visit = (configured: ConfiguredModule, path: readonly string[]): void => {
    const { name, needs } = configured.module;
    if (path.includes(name))
      throw coded('ERR_MODULE', new Error(`modules need each other: ${[...path, name].join(' -> ')}`));
    for (const needed of needs) {
      const found = modules.find(({ module }) => module.name === needed);
      if (found === undefined) {
        throw coded(
          'ERR_MODULE',
          new Error(
            `module ${name} needs ${needed}; load it too: loadmodule "${needed}.so", or an option of createServer`,
          ),
        );
      }
      visit(found, [...path, name]);
    }
    ordered.add(configured);
  };
  for (const configured of modules) visit(configured, []);
  return [...ordered];
}

/** The registry of root paths for modules of the user's own: their handlers run in a context of their own, as commands do. */
function rootRegistry(httpd: HttpServer): Roots {
  const context = new OwnContext();
  return Object.freeze({
    registerRoot(declaration: RootDeclaration): void {
      checkRoot(declaration);
      // All other members are inherited, also those of a class.
      const own = Object.create(declaration) as {
        -readonly [Name in
          | 'accepts'
          | 'choose'
          | 'onInit'
          | 'onRequest'
          | 'onFlush'
          | 'refuse']?: RootDeclaration[Name];
      };
      own.onRequest = (exchange) => context.run(requested, declaration, exchange);
      const { module, root, accepts, choose, onFlush, onInit, refuse } = declaration;
      if (accepts !== undefined) {
        own.accepts = (mediaType) => context.run(() => accepts.call(declaration, mediaType), undefined, undefined);
      }
      if (choose !== undefined) {
        own.choose = (request) => {
          const service = context.run(() => choose.call(declaration, request), undefined, undefined);
          if (service === undefined) return undefined;
          const { keepsHeaders = true } = service;
          return { keepsHeaders, onRequest: (exchange) => context.run(requested, service, exchange) };
        };
      }
      if (refuse !== undefined) {
        own.refuse = (...given) => context.run(() => refuse.apply(declaration, given), undefined, undefined);
      }
      if (onInit !== undefined) {
        own.onInit = async () => {
          try {
            await onInit.call(declaration);
          } catch (error) {
            const what = `onInit of root path "${root}" of module ${module}`;
            throw coded('ERR_MODULE', new Error(`${what} failed: ${reasonOf(error)}`, { cause: error }));
          }
        };
      }
      if (onFlush !== undefined) {
        own.onFlush = (exchange, position, max) =>
          context.run(() => onFlush.call(declaration, exchange, position, max), undefined, undefined);
      }
      httpd.registerRoot(own as RootDeclaration);
    },
  });
}

function requested(service: Service, exchange: Parameters<Service['onRequest']>[0]) {
  return service.onRequest(exchange);
}
