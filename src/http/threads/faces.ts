import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import { fileURLToPath } from 'node:url';
import { SHARE_ENV, Worker } from 'node:worker_threads';
import { coded, codedBySystem, type LogCode } from '../../base/codes.js';
import { type CodedLog, type Fields, LineRate } from '../../base/log.js';
import { packageFile } from '../../base/package.js';
import { Recent } from '../../base/recent.js';
import { Rows } from '../../base/rows.js';
import { SharedCount } from '../../base/shared-count.js';
import { detailOf, reasonOf } from '../../base/text.js';
import type { Engine, EngineHandlers, EngineResponse, FixedHead, Receiver } from '../engine/engine.js';
import type { Caller } from '../exchange.js';
import { Counter, type CounterSlot, type HttpCounters } from '../limits/counters.js';
import {
  cannotListen,
  certifiedListener,
  type ListenerOptions,
  type OpenListener,
  placeOf,
  probeShared,
} from '../listen/listener.js';
import { closeAtExit } from './exit.js';
import { digestOf } from './here.js';
import { JudgingEngine } from './judging-engine.js';
import { Outbox } from './outbox.js';
import { PortHead, PortReply, type ReplyPort } from './port-reply.js';
import {
  Asked,
  bodiesWord,
  closedWord,
  type FaceListener,
  type FaceSettings,
  type FromFace,
  type FromHome,
  type ReloadedFiles,
  reloadsWord,
  requestsWord,
  type SentError,
  type SentPiece,
  type SettingsHere,
  sharedWords,
  stoppedWord,
  Told,
  usersWord,
} from './protocol.js';

/** Starts of a thread within {@link restartsCounted} after which the next one waits. */
const mostRestarts = 3;
const restartsCounted = 60_000;

/** Milliseconds that a face has to read a certificate, and to close what it has open when the process ends. */
const patience = 1000;

/** Milliseconds that a face has to end. */
const endPatience = 5000;

/** Most heads that faces know by number. */
const mostFixed = 256;

/** Young generation of a face, MB: that of the command, whose flag is not given to threads. */
const youngGeneration = 6;

/** Credentials that the threads were told of lately, and milliseconds after which they are told again. */
const mostAdmitted = 4096;
const admittedAgain = 60_000;

/** Lines that each thread writes once a minute, and all of them together no more often; counters tell how many there were. */
const onceAMinute: ReadonlySet<LogCode> = new Set(['connections-refused', 'connections-without-request']);

/** A face, as it is told of. */
export interface ServingThread {
  /** From 1. */
  readonly id: number;
  readonly isServing: boolean;
  readonly connections: number;
  /** Requests whose reply has not ended. */
  readonly exchanges: number;
}

interface FacesOptions {
  readonly count: number;
  readonly listeners: readonly ListenerOptions[];
  readonly engineOf: (listener: ListenerOptions) => Promise<Engine>;
  /** Takes the requests of a listener. */
  readonly handlersOf: (listener: ListenerOptions) => Pick<EngineHandlers, 'receiver' | 'certificateRefused'>;
  readonly settings: Omit<FaceSettings, 'index' | 'listeners' | 'shared' | 'here'>;
  /** The calls that a thread serves by itself, by its number from 1 on; undefined: none. */
  readonly hereOf: (thread: number) => Omit<SettingsHere, 'key'> | undefined;
  /** Takes what the root tells that serves calls in threads. */
  readonly toldByRoot: (told: unknown) => void;
  /** Bytes of a body of unknown length that are best given at once. */
  readonly chunkSize: number;
  readonly counters: HttpCounters;
  readonly log: CodedLog;
  /** Forgets what a thread had, by its number from 1 on. */
  readonly lost: (thread: number) => void;
  /** Told when a thread is lost, and when it serves again. */
  readonly changed: () => void;
}

/** The threads that serve in place of this one, which is their home. */
export class Faces {
  readonly #options: FacesOptions;
  readonly #shared: Int32Array<SharedArrayBuffer>;
  readonly #locks: Server[] = [];
  #listeners: readonly FaceListener[] = [];
  #faces: Face[] = [];
  /** By number of the listener; 0: not known yet, or none. */
  #ports: number[] = [];
  /** Of the names of credentials. */
  readonly #key = randomBytes(32).toString('base64');
  /** When the threads were told of credentials, by their names. */
  readonly #admitted = new Recent<number>(mostAdmitted);
  readonly #restarts = new Set<NodeJS.Timeout>();
  /** When threads were started again. */
  readonly #starts: number[] = [];
  readonly #rate = new LineRate();
  #isStopping = false;
  #isClosed = false;
  #forgetExit: () => void = () => {};

  constructor(options: FacesOptions) {
    this.#options = options;
    this.#shared = sharedWords(options.count);
  }

  /**
   * Starts the threads, which listen then.
   *
   * @returns the listeners, as they are known here: to stop and to close them is up to {@link stop} and {@link close}
   * @throws Error in one line that says what cannot be listened on or served, and why
   */
  async open(): Promise<readonly OpenListener[]> {
    const { listeners, count } = this.#options;
    const described: FaceListener[] = [];
    const secures: OpenListener['secure'][] = [];
    for (const [number, listener] of listeners.entries()) {
      const engine = await this.#options.engineOf(listener);
      const face = faceListener(listener, engine);
      described.push(face);
      const judge = new JudgingEngine(engine, (what) => this.#reload(number, what));
      secures.push(certifiedListener(judge, listener, noHandlers, this.#options.log));
      if (face.isShared) await probeShared(listener.setting);
    }
    this.#listeners = described;
    this.#ports = described.map(({ setting, isShared }) => (isShared ? setting.port : 0));
    for (const number of this.#ports.keys()) await this.#lock(number);
    this.#forgetExit = closeAtExit(() => this.#closeNow());
    // The first one finds the ports that are asked for as 0.
    for (let index = 0; index < count; index++) {
      this.#refuseWhenClosed();
      const face = new Face(index, this.#host());
      this.#faces.push(face);
      if (index === 0) await this.#listens(face);
    }
    await Promise.all(this.#faces.slice(1).map((face) => this.#listens(face)));
    return listeners.map((options, number) => {
      const place = placeOf(options.setting, this.#ports[number] ?? 0);
      return { options, secure: secures[number], ...place, stop: () => {}, close: async () => {} };
    });
  }

  #refuseWhenClosed(): void {
    if (this.#isClosed) throw coded('ERR_STATE', new Error('the HTTP server was closed before it listened'));
  }

  async #listens(face: Face): Promise<void> {
    const hadPorts = [...this.#ports];
    for (const [number, port = 0] of (await face.listen(this.#ports)).entries()) {
      if (port !== 0) this.#ports[number] = port;
    }
    for (const [number, port] of this.#ports.entries()) if (port !== hadPorts[number]) await this.#lock(number);
  }

  /**
   * Keeps another server of this kind from the same port: the kernel would share it with that. Two that start at once may both
   * find it free.
   */
  async #lock(number: number): Promise<void> {
    const listener = this.#listeners[number];
    const port = this.#ports[number] ?? 0;
    if (listener?.isShared !== true || port === 0 || process.platform !== 'linux') return;
    const { address } = listener.setting;
    const lock = createServer((connection) => connection.destroy());
    const problem = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
      lock.on('error', resolve);
      lock.listen({ path: `\0mi-httpd:${address}:${port}`, exclusive: true }, () => resolve(undefined));
    });
    if (problem?.code === 'EADDRINUSE') throw cannotListen(address, port, 'EADDRINUSE');
    lock.unref();
    this.#locks.push(lock);
  }

  /** What the threads need of this one. */
  #host(): FaceHost {
    const { handlersOf, listeners, counters, log, settings, chunkSize, changed, toldByRoot } = this.#options;
    return {
      shared: this.#shared,
      hereOf: (index) => {
        const here = this.#options.hereOf(index + 1);
        return here && { ...here, key: this.#key };
      },
      toldByRoot,
      handlers: listeners.map((listener) => handlersOf(listener)),
      counters,
      log,
      isDue: (code) => !onceAMinute.has(code) || this.#rate.isDue(code),
      chunkSize,
      settings: { ...settings, listeners: this.#listeners, shared: this.#shared.buffer },
      lost: (face, reason) => {
        if (this.#isClosed) return;
        log.error(
          { code: 'thread-lost', thread: face.index + 1, err: reason },
          `thread ${face.index + 1} has ended, and its connections with it${detailOf(reason)}; it is started again`,
        );
        this.#options.lost(face.index + 1);
        changed();
        if (!this.#isStopping) this.#restart(face.index);
      },
    };
  }

  #restart(index: number): void {
    const now = performance.now();
    while ((this.#starts[0] ?? now) < now - restartsCounted) this.#starts.shift();
    const [oldest = now] = this.#starts;
    const wait = this.#starts.length < mostRestarts ? 0 : Math.max(0, oldest + restartsCounted - now);
    // As long as it waits nothing else may keep the process alive.
    const timer = setTimeout(() => {
      this.#restarts.delete(timer);
      void this.#startAgain(index);
    }, wait);
    this.#restarts.add(timer);
  }

  async #startAgain(index: number): Promise<void> {
    if (this.#isStopping || this.#isClosed) return;
    const { log, changed } = this.#options;
    this.#starts.push(performance.now());
    for (const word of [bodiesWord(index), requestsWord(index)]) Atomics.store(this.#shared, word, 0);
    let face: Face | undefined;
    try {
      // Where the system gives no thread, this throws.
      face = new Face(index, this.#host());
      this.#faces[index] = face;
      await face.listen(this.#ports);
    } catch (error) {
      if (this.#isClosed) return;
      log.error(
        { code: 'thread-not-started', thread: index + 1, err: error },
        `thread ${index + 1} cannot serve: ${reasonOf(error)}`,
      );
      await face?.close();
      if (!this.#isStopping) this.#restart(index);
      return;
    }
    if (this.#isStopping) face.stop();
    log.warn({ code: 'thread-back', thread: index + 1 }, `thread ${index + 1} serves again`);
    changed();
  }

  get threads(): readonly ServingThread[] {
    return this.#faces.map(({ index, isServing, connections, exchanges }) => ({
      id: index + 1,
      isServing,
      connections,
      exchanges,
    }));
  }

  get openConnections(): number {
    return this.#faces.reduce((sum, { connections }) => sum + connections, 0);
  }

  /** Takes no new connections from now on. */
  stop(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    for (const timer of this.#restarts) clearTimeout(timer);
    this.#waitFor(stoppedWord, (face) => face.stop());
    for (const lock of this.#locks.splice(0)) lock.close();
  }

  /** Waits until every thread has replied to all that it has taken, as `Connections` has it. */
  async drained(deadline: number): Promise<void> {
    await Promise.all(this.#faces.map((face) => face.drained(deadline, false)));
  }

  /** Waits until no thread has a connection open. */
  async emptied(deadline: number): Promise<void> {
    await Promise.all(this.#faces.map((face) => face.drained(deadline, true)));
  }

  /** Calls that threads run by themselves and wait for are answered with 503. */
  giveUp(reason: string): void {
    for (const face of this.#faces) if (face.isLive) face.ask([Asked.giveUp, reason]);
  }

  /** Has what threads have loaded read its files again. @returns whether all went well */
  async reload(): Promise<boolean> {
    const all = await Promise.all(this.#faces.map((face) => face.reload()));
    return all.every((isGood) => isGood);
  }

  /** Closes every connection, and ends the threads. Never fails. */
  async close(): Promise<void> {
    this.stop();
    this.#isClosed = true;
    await Promise.all(this.#faces.map((face) => face.close()));
    this.#forgetExit();
  }

  /** Other users may log in: no thread goes by those of before any more. */
  usersChanged(): void {
    Atomics.add(this.#shared, usersWord, 1);
  }

  /** Credentials have let somebody in: the threads know it before the reply has left. */
  admit(listener: ListenerOptions, authorization: string, origin: string, caller: Caller): void {
    const number = this.#options.listeners.indexOf(listener);
    const digest = digestOf(this.#key, origin, authorization);
    const now = performance.now();
    const users = Atomics.load(this.#shared, usersWord);
    const name = `${number} ${users} ${digest}`;
    if (now - (this.#admitted.get(name) ?? Number.NEGATIVE_INFINITY) < admittedAgain) return;
    this.#admitted.set(name, now);
    const { name: callerName, method, grant } = caller;
    for (const face of this.#faces) {
      if (face.isLive) face.ask([Asked.admitted, number, digest, { name: callerName, method, grant }, users]);
    }
  }

  /** A certificate has changed: every thread has it when this returns. */
  #reload(number: number, what: ReloadedFiles): void {
    this.#waitFor(reloadsWord, (face) => face.ask([Asked.reload, number, what]));
  }

  /** The process ends: it may not with sockets of an engine open in a thread. @returns false when one does not close */
  #closeNow(): boolean {
    this.#isClosed = true;
    return this.#waitFor(closedWord, (face) => face.ask([Asked.close]));
  }

  /** Asks the threads for something, and waits without a turn of the loop until the words of all have changed. */
  #waitFor(wordOf: (index: number) => number, ask: (face: Face) => void): boolean {
    const until = performance.now() + patience;
    const asked = this.#faces
      .filter((face) => face.isLive)
      .map((face) => ({ face, word: wordOf(face.index), before: Atomics.load(this.#shared, wordOf(face.index)) }));
    for (const { face } of asked) ask(face);
    return asked
      .map(({ word, before }) => Atomics.wait(this.#shared, word, before, Math.max(0, until - performance.now())))
      .every((outcome) => outcome !== 'timed-out');
  }
}

/** Handlers of apps that no connection ever reaches. */
const noHandlers: EngineHandlers = {
  posts: [],
  receiver: () => ({ request: () => {}, bodyPiece: () => {}, tooMany: () => {}, gone: () => {} }),
  opened: () => {},
  closed: () => {},
  certificateRefused: () => {},
  refusal: () => ({ statusLine: '503 Service Unavailable', headers: [], body: '' }),
};

/** The threads share TCP alone, where their engine can; all else the first one has for itself. */
function faceListener({ setting, tls, access, inherited = [] }: ListenerOptions, engine: Engine): FaceListener {
  return {
    setting,
    tls,
    engine: engine.isOfNode ? 'node' : 'uws',
    allowed: access?.allowed,
    inherited,
    isShared: setting.kind !== 'unix' && inherited.length === 0 && engine.sharesPorts,
    callers: access === undefined ? 'all' : access.callers,
    backOff: access?.callers === 'remembered' ? access.backOff?.memory : undefined,
  };
}

/** The home of a face, as that sees it. */
interface FaceHost {
  readonly shared: Int32Array<SharedArrayBuffer>;
  /** By number of the listener. */
  readonly handlers: readonly {
    readonly receiver: (response: EngineResponse) => Receiver;
    readonly certificateRefused: (address: string, reason: string) => void;
  }[];
  readonly counters: HttpCounters;
  readonly log: CodedLog;
  /** Tells of a line of a thread whether it is to be written. */
  readonly isDue: (code: LogCode) => boolean;
  readonly chunkSize: number;
  readonly settings: Omit<FaceSettings, 'index' | 'here'>;
  readonly hereOf: (index: number) => SettingsHere | undefined;
  readonly toldByRoot: (told: unknown) => void;
  /** It has ended by itself. */
  readonly lost: (face: Face, reason: unknown) => void;
}

/** One thread that serves, as its home sees it. */
class Face implements ReplyPort {
  readonly chunkSize: number;
  readonly #host: FaceHost;
  readonly #worker: Worker;
  readonly #outbox: Outbox<FromHome>;
  readonly #replies = new Map<number, PortReply>();
  /** By number of the listener: those that are free. */
  readonly #idle: readonly PortReply[][];
  readonly #fixed = new Map<FixedHead, number>();
  readonly #drained = new Set<() => void>();
  readonly #reloaded = new Set<(isGood: boolean) => void>();
  readonly #ended: Promise<void>;
  #listening: ((ports: readonly (number | undefined)[]) => void) | undefined;
  #failed: ((error: Error) => void) | undefined;
  #reason: unknown;
  #isClosing = false;
  isLive = true;
  isServing = false;
  readonly #here: SettingsHere | undefined;
  /** Its open connections, as all threads count them. */
  readonly #open: SharedCount;
  /** Those that it has told of. */
  #told = 0;

  constructor(
    readonly index: number,
    host: FaceHost,
  ) {
    this.#host = host;
    this.chunkSize = host.chunkSize;
    this.#idle = host.handlers.map(() => []);
    for (const word of [closedWord(index), stoppedWord(index)]) Atomics.store(host.shared, word, 0);
    this.#here = host.hereOf(index);
    this.#open = new SharedCount(host.settings.connections.open, index + 1);
    const settings: FaceSettings = { ...host.settings, index, here: this.#here };
    const file = this.#here?.loadsModules === true ? 'dist/face-modules.js' : 'dist/face.js';
    this.#worker = new Worker(fileURLToPath(packageFile(file)), {
      workerData: settings,
      env: SHARE_ENV,
      execArgv: [],
      name: `mi-httpd ${index + 1}`,
      resourceLimits: { maxYoungGenerationSizeMb: youngGeneration },
    });
    this.#outbox = new Outbox(this.#worker, queueMicrotask);
    this.#worker.on('message', (messages: readonly FromFace[]) => this.#takeAll(messages));
    this.#worker.on('error', (error) => {
      this.#reason = error;
    });
    this.#ended = new Promise((resolve) => {
      this.#worker.on('exit', (code) => {
        resolve();
        this.#end(this.#reason ?? coded('ERR_THREAD', new Error(`it ended with code ${code}`)));
      });
    });
  }

  get connections(): number {
    if (this.#here === undefined) return this.#told;
    return this.isLive ? this.#open.own : 0;
  }

  /** Requests that home has. */
  get exchanges(): number {
    return this.#replies.size;
  }

  /** @returns the ports that it listens at @throws Error in one line */
  listen(ports: readonly number[]): Promise<readonly (number | undefined)[]> {
    return new Promise((resolve, reject) => {
      this.#listening = resolve;
      this.#failed = reject;
      this.ask([Asked.listen, ports]);
    });
  }

  stop(): void {
    this.ask([Asked.stop]);
  }

  drained(deadline: number, untilEmpty: boolean): Promise<void> {
    if (!this.isLive) return Promise.resolve();
    return new Promise((resolve) => {
      this.#drained.add(resolve);
      this.ask([Asked.drain, deadline, untilEmpty]);
    });
  }

  /** @returns whether all that it has loaded has read its files again */
  reload(): Promise<boolean> {
    if (!this.isLive) return Promise.resolve(true);
    return new Promise((resolve) => {
      this.#reloaded.add(resolve);
      this.ask([Asked.reloadLoaded]);
    });
  }

  async close(): Promise<void> {
    if (!this.isLive) return;
    this.#isClosing = true;
    this.ask([Asked.close]);
    for (const exchange of [...this.#replies.keys()]) this.#gone(exchange);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, endPatience);
    });
    await Promise.race([this.#ended, late]);
    clearTimeout(timer);
  }

  /** Sends at once. */
  ask(message: FromHome): void {
    this.#outbox.tell(message);
    this.#outbox.send();
  }

  // For replies.

  tell(message: FromHome, transferred?: ArrayBuffer): void {
    if (this.isLive) this.#outbox.tell(message, transferred);
  }

  numberOf(head: FixedHead): number | undefined {
    const known = this.#fixed.get(head);
    if (known !== undefined || this.#fixed.size >= mostFixed) return known;
    const number = this.#fixed.size;
    this.#fixed.set(head, number);
    this.tell([Asked.fixed, head.headers]);
    return number;
  }

  ended(exchange: number): void {
    this.#replies.delete(exchange);
  }

  // From the thread.

  #takeAll(messages: readonly FromFace[]): void {
    for (const message of messages) this.#take(message);
    this.#outbox.send();
  }

  #take(message: FromFace): void {
    switch (message[0]) {
      case Told.head:
        this.#request(message);
        break;
      case Told.body: {
        const [, exchange, piece, isLast] = message;
        this.#bodyPiece(this.#replies.get(exchange), piece, isLast);
        break;
      }
      case Told.tooMany:
        this.#replies.get(message[1])?.receiver.tooMany(message[2], message[3]);
        break;
      case Told.gone:
        this.#gone(message[1]);
        break;
      case Told.taken:
        this.#replies.get(message[1])?.taken(message[2]);
        break;
      case Told.count:
        this.#count(message[1], message[2]);
        break;
      case Told.log: {
        const [, level, fields, text] = message;
        const { err } = fields;
        if (fields.code !== undefined && !this.#host.isDue(fields.code)) break;
        const told = err === undefined ? fields : { ...fields, err: errorOf(err) };
        // A line of a module of the user's own has no code.
        this.#host.log[level](told as Fields, text);
        break;
      }
      case Told.certificateRefused:
        this.#host.handlers[message[1]]?.certificateRefused(message[2], message[3]);
        break;
      case Told.listening:
        this.isServing = true;
        this.#listening?.(message[1]);
        break;
      case Told.failed: {
        const [, sent, code] = message;
        const error = errorOf(sent);
        this.#failed?.(code === undefined ? error : codedBySystem(code, error));
        break;
      }
      case Told.drained:
        this.#tellDrained();
        break;
      case Told.byRoot:
        this.#host.toldByRoot(message[1]);
        break;
      case Told.reloaded:
        this.#tellReloaded(message[1]);
        break;
    }
  }

  #bodyPiece(reply: PortReply | undefined, piece: SentPiece, isLast: boolean): void {
    reply?.takeBody(this.#takenBody(piece), isLast);
  }

  #takenBody(piece: SentPiece): Uint8Array {
    const bytes = typeof piece === 'string' ? Buffer.from(piece, 'latin1') : new Uint8Array(piece);
    Atomics.sub(this.#host.shared, bodiesWord(this.index), bytes.byteLength);
    return bytes;
  }

  #request(message: HeadMessage): void {
    const [, exchange, listener, method, path, query, fields, remoteAddress, isLast, certificate, body] = message;
    Atomics.sub(this.#host.shared, requestsWord(this.index), 1);
    const idle = this.#idle[listener];
    const handlers = this.#host.handlers[listener];
    if (idle === undefined || handlers === undefined) return;
    const reply = idle.pop() ?? new PortReply(handlers.receiver, this, idle);
    reply.begin(exchange, remoteAddress, isLast, certificate);
    this.#replies.set(exchange, reply);
    const bytes = body === undefined ? undefined : this.#takenBody(body);
    reply.take(new PortHead(query, fields === '' ? [] : fields.split('\n')), method, path, bytes);
  }

  #gone(exchange: number): void {
    const reply = this.#replies.get(exchange);
    this.#replies.delete(exchange);
    reply?.gone();
  }

  #count(slot: CounterSlot, amount: number): void {
    this.#host.counters.add(slot, amount);
    if (slot === Counter.connections) this.#told += amount;
  }

  #tellDrained(): void {
    for (const resolve of this.#drained) resolve();
    this.#drained.clear();
  }

  #tellReloaded(isGood: boolean): void {
    for (const resolve of this.#reloaded) resolve(isGood);
    this.#reloaded.clear();
  }

  #end(reason: unknown): void {
    const hasServed = this.isServing;
    this.isLive = false;
    this.isServing = false;
    this.#outbox.close();
    for (const exchange of [...this.#replies.keys()]) this.#gone(exchange);
    this.#host.counters.add(Counter.connections, -this.#told);
    this.#told = 0;
    if (this.#here !== undefined) {
      // Its counters stay; of connections it has none any more.
      const { counters, firstCounter } = this.#here;
      new Rows(counters).row(this.index + 1)[firstCounter + Counter.connections] = 0;
    }
    this.#tellDrained();
    this.#tellReloaded(true);
    const hasFailed = this.#failed;
    hasFailed?.(coded('ERR_THREAD', new Error(`a thread that should serve has ended: ${reasonOf(reason)}`)));
    if (hasServed && !this.#isClosing) this.#host.lost(this, reason);
  }
}

type HeadMessage = Extract<FromFace, readonly [typeof Told.head, ...unknown[]]>;

/** An error as it was in its thread. */
function errorOf({ name, message, stack }: SentError): Error {
  return Object.assign(Object.create(Error.prototype) as Error, { name, message, stack });
}
