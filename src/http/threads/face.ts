import { AddressList } from '../../base/address.js';
import { shown } from '../../base/given.js';
import type { CodedLog, Log } from '../../base/log.js';
import { Rows } from '../../base/rows.js';
import { reasonOf } from '../../base/text.js';
import { BodyPool } from '../../native/bodies.js';
import { Engines } from '../engine/choose.js';
import { type EngineHandlers, FixedHead, type RefusalReply } from '../engine/engine.js';
import { chunkLimit } from '../exchange.js';
import { Connections } from '../limits/connections.js';
import { type CounterSlot, HttpCounters } from '../limits/counters.js';
import { type OpenListener, openListener } from '../listen/listener.js';
import { engineRefusal, Refusals } from '../request/refusal.js';
import { ReplyHead } from '../request/reply-head.js';
import { Exchanges } from '../request/state-machine.js';
import { type RootDeclaration, RootRegistry } from '../roots.js';
import { type CallsHere, ListenerHere } from './here.js';
import { Outbox, type Sender } from './outbox.js';
import {
  Asked,
  bodiesWord,
  closedWord,
  type FaceListener,
  type FaceSettings,
  type FromFace,
  type FromHome,
  type LogLevel,
  type ReloadedFiles,
  reloadsWord,
  requestsWord,
  type SentError,
  type SentFields,
  type SettingsHere,
  stoppedWord,
  Told,
  usersWord,
} from './protocol.js';
import { Relay, type RelayHost } from './relay.js';

/** The port of a face to home. */
interface FacePort extends Sender<FromFace> {
  on(event: 'message', listener: (messages: readonly FromHome[]) => void): unknown;
  /** Nothing keeps this thread alive any more. */
  close(): void;
}

/** Milliseconds between two looks at what waits for home: the engine closes what it has not heard of for 8 seconds. */
const keepAliveInterval = 4000;

type JsonRefusal = (status: number, reason: string) => string;

/** Makes the root whose calls are served in this thread. @param tellHome sends to home, before the reply that is made next */
export type MakeRoot = (calls: unknown, log: Log, tellHome: (told: unknown) => void) => Promise<RootHere>;

/** A root whose calls are served in the thread that they come to. */
export interface RootHere {
  readonly declaration: RootDeclaration;
  readonly calls: CallsHere;
  /** Calls that are waited for are answered with 503, and none begins any more. */
  giveUp(reason: string): void;
  /** Reads files again. @returns whether all went well */
  reload(): Promise<boolean>;
  /** Frees what it has loaded. Never fails. */
  stop(): Promise<void>;
}

/** Home logs the same of the certificates, which it reads too. */
const silent: CodedLog = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/**
 * A thread that serves: it has an engine, and listens. What clients send goes to home as it comes, and what home replies goes to
 * them. It knows neither roots nor logins.
 */
export class Face implements RelayHost {
  readonly connections: Connections;
  readonly counters: HttpCounters;
  readonly log: Log;
  readonly clientPatience: number;
  readonly replyPatience: number;
  readonly #port: FacePort;
  readonly #settings: FaceSettings;
  readonly #shared: Int32Array;
  readonly #outbox: Outbox<FromFace>;
  readonly #engines: Engines;
  readonly #refusals: Refusals;
  readonly #relays = new Map<number, Relay>();
  readonly #fixed: FixedHead[] = [];
  /** By the number of the listener. */
  readonly #open = new Map<number, OpenListener>();
  /** By the number of the listener: those with calls that are served in this thread. */
  readonly #here = new Map<number, ListenerHere>();
  /** False where home sees the memory that they are counted in. */
  readonly #tellsCounters: boolean;
  readonly #keeping: NodeJS.Timeout;
  /** Serves calls in this thread, once it is there. */
  #root: RootHere | undefined;
  /** Settles when all is there to serve with. */
  readonly #isReady: Promise<void>;
  #exchanges = 0;
  /** Of bodies that are kept until they are whole. */
  #keptBytes = 0;
  #isClosed = false;

  /**
   * @param jsonRefusal body of a refusal for requests that want JSON
   * @param rootHere makes the root whose calls are served in this thread
   */
  constructor(port: FacePort, settings: FaceSettings, jsonRefusal: JsonRefusal, rootHere: MakeRoot) {
    this.#port = port;
    this.#settings = settings;
    this.#shared = new Int32Array(settings.shared);
    this.clientPatience = settings.clientPatience;
    this.replyPatience = settings.replyPatience;
    const { here } = settings;
    const row = here && new Rows(here.counters, settings.index + 1).own;
    this.counters = new HttpCounters(row?.subarray(here?.firstCounter));
    this.#tellsCounters = here === undefined;
    this.#outbox = new Outbox(port, setImmediate, () => this.#countersChanged());
    this.log = this.#logByHome();
    this.#engines = new Engines({ patience: settings.clientPatience });
    this.#refusals = new Refusals(jsonRefusal, this.log);
    const { connections: max, unix, share } = settings.limits;
    this.connections = new Connections(
      { max, unix, share },
      this.counters,
      this.log,
      settings.connections,
      settings.index + 1,
    );
    this.#isReady = here === undefined ? Promise.resolve() : this.#prepare(here, rootHere, jsonRefusal);
    // Told when it is to listen.
    this.#isReady.catch(() => {});
    port.on('message', (messages) => {
      for (const message of messages) this.#take(message);
    });
    this.#keeping = setInterval(() => {
      for (const relay of this.#relays.values()) relay.keepAlive();
    }, keepAliveInterval);
    this.#keeping.unref();
    // A line about what ends this thread has to leave.
    process.on('exit', this.#outbox.send);
  }

  async #prepare(here: SettingsHere, rootHere: MakeRoot, jsonRefusal: JsonRefusal): Promise<void> {
    this.#root = await rootHere(here.calls, this.log, (told) => {
      this.tell([Told.byRoot, told]);
      this.#outbox.send();
    });
    this.#serveHere(here, this.#root, jsonRefusal);
  }

  /** Some calls are served in this thread. */
  #serveHere(here: SettingsHere, { declaration, calls }: RootHere, jsonRefusal: JsonRefusal): void {
    const { maxBody, postBufSize, maxReply, compression, key } = here;
    const { clientPatience, replyPatience, stayEncrypted, limits, listeners } = this.#settings;
    const roots = new RootRegistry();
    roots.register(declaration);
    const exchanges = new Exchanges({
      roots,
      connections: this.connections,
      bodies: new BodyPool(postBufSize, maxBody, limits.bodies),
      maxBody,
      flushLimit: chunkLimit,
      limits: { clientPatience, replyPatience, maxReply },
      stayEncrypted,
      compression,
      jsonRefusal,
      counters: this.counters,
      log: this.log,
    });
    const usersNow = (): number => Atomics.load(this.#shared, usersWord);
    for (const [number, { setting, callers, backOff }] of listeners.entries()) {
      if (callers !== undefined)
        this.#here.set(number, new ListenerHere(exchanges, calls, { setting, callers, backOff }, key, usersNow));
    }
  }

  // For its exchanges.

  begin(relay: Relay): number {
    this.#exchanges += 1;
    this.#relays.set(this.#exchanges, relay);
    return this.#exchanges;
  }

  forget(exchange: number): void {
    this.#relays.delete(exchange);
    this.#outbox.wake();
  }

  tell(message: FromFace, transferred?: ArrayBuffer): void {
    this.#outbox.tell(message, transferred);
  }

  get turn(): number {
    return this.#outbox.turn;
  }

  fixedHead(number: number): FixedHead | undefined {
    return this.#fixed[number];
  }

  takesRequest(): boolean {
    const { connections, unix } = this.#settings.limits;
    const word = requestsWord(this.#settings.index);
    // Each connection may have one. More than that are of clients that have left while home had no time for them.
    if (Atomics.load(this.#shared, word) >= connections + unix) return false;
    Atomics.add(this.#shared, word, 1);
    return true;
  }

  takesBody(bytes: number): boolean {
    const word = bodiesWord(this.#settings.index);
    if (Atomics.load(this.#shared, word) + bytes > this.#settings.limits.bodies) return false;
    Atomics.add(this.#shared, word, bytes);
    return true;
  }

  keepsBody(bytes: number): boolean {
    if (this.#keptBytes + bytes > this.#settings.limits.bodies) return false;
    this.#keptBytes += bytes;
    return true;
  }

  letsBody(bytes: number): void {
    this.#keptBytes -= bytes;
  }

  refusal(listener: number, status: number, reason: string): RefusalReply {
    return this.#refusalOf(this.#replyHeadOf(this.#settings.listeners[listener]), status, reason, false);
  }

  // From home.

  #take(message: FromHome): void {
    switch (message[0]) {
      case Asked.fixed:
        this.#fixed.push(new FixedHead(message[1]));
        break;
      case Asked.listen:
        void this.#listen(message[1]);
        break;
      case Asked.stop:
        this.#stop();
        break;
      case Asked.drain:
        void this.#drain(message[1], message[2]);
        break;
      case Asked.reload:
        this.#reload(message[1], message[2]);
        break;
      case Asked.giveUp:
        this.#root?.giveUp(message[1]);
        break;
      case Asked.reloadLoaded:
        void this.#reloadLoaded();
        break;
      case Asked.close:
        void this.#close();
        break;
      case Asked.admitted:
        this.#here.get(message[1])?.admit(message[2], message[3], message[4]);
        break;
      default:
        this.#reply(message, this.#relays.get(message[1]));
    }
  }

  #reply(message: FromHome, relay: Relay | undefined): void {
    if (relay === undefined) return;
    try {
      switch (message[0]) {
        case Asked.whole:
          relay.whole(message[2], message[3], message[4], message[5]);
          break;
        case Asked.bare:
          relay.bare(message[2], message[3], message[4], message[5]);
          break;
        case Asked.begin:
          relay.begin(message[2], message[3], message[4]);
          break;
        case Asked.piece:
          relay.piece(message[2]);
          break;
        case Asked.end:
          relay.endBody();
          break;
        case Asked.cut:
          relay.cutByHome();
          break;
        case Asked.later:
          relay.comesLater();
          break;
      }
    } catch (error) {
      relay.cut(error);
    }
  }

  async #listen(ports: readonly number[]): Promise<void> {
    try {
      await this.#isReady;
      for (const [number, listener] of this.#settings.listeners.entries()) {
        if (this.#isClosed) break;
        if (this.#settings.index > 0 && !listener.isShared) continue;
        const open = await this.#openListener(number, listener, ports[number] ?? 0);
        this.#open.set(number, open);
        this.connections.listensOn(open.port);
        // It was told to stop before it listened.
        if (this.connections.isStopping) open.stop();
        if (this.#isClosed) {
          await this.#closeListeners();
          return;
        }
      }
      this.tell([Told.listening, this.#settings.listeners.map((_, number) => this.#open.get(number)?.port)]);
    } catch (error) {
      const { code } = error as { readonly code?: unknown };
      this.tell([Told.failed, sentError(error), typeof code === 'string' ? code : undefined]);
    }
    this.#outbox.send();
  }

  async #openListener(number: number, listener: FaceListener, port: number): Promise<OpenListener> {
    const { setting, tls, inherited, isShared, allowed } = listener;
    const engine = await this.#engines.of(listener.engine);
    const list = allowed === undefined ? undefined : new AddressList(allowed);
    const excludes = list && ((origin: string): boolean => !list.includes(origin));
    const limited = { setting, access: excludes && { excludes } };
    const options = {
      setting: port === 0 ? setting : { ...setting, port },
      ...(tls === undefined ? {} : { tls }),
      inherited,
      isShared,
    };
    const replyHead = this.#replyHeadOf(listener);
    const counted = this.connections.handlersOf(limited);
    const handlers: EngineHandlers = {
      posts: this.#settings.posts.map((path) => ({ path, route: {} })),
      receiver: (response) => new Relay(this, number, response, excludes, this.#here.get(number)),
      refusal: (status, reason, wantsJson) => this.#refusalOf(replyHead, status, reason, wantsJson),
      certificateRefused: (address, reason) => this.tell([Told.certificateRefused, number, address, reason]),
      opened: (connection) => {
        counted.opened(connection);
        this.#outbox.wake();
      },
      closed: (hadReply) => {
        counted.closed(hadReply);
        this.#outbox.wake();
      },
    };
    return openListener(engine, options, handlers, silent);
  }

  #replyHeadOf(listener: FaceListener | undefined): ReplyHead {
    return new ReplyHead(listener?.setting.kind === 'https' ? this.#settings.stayEncrypted : 0);
  }

  #refusalOf(replyHead: ReplyHead, status: number, reason: string, wantsJson: boolean): RefusalReply {
    return engineRefusal(this.#refusals, replyHead, status, reason, wantsJson);
  }

  #stop(): void {
    // A listen socket is closed once: the engine would look into memory that it has freed.
    if (this.connections.isStopping) return;
    this.connections.stop();
    for (const listener of this.#open.values()) listener.stop();
    this.#done(stoppedWord(this.#settings.index));
  }

  async #drain(deadline: number, untilEmpty: boolean): Promise<void> {
    await (untilEmpty ? this.connections.emptied(deadline) : this.connections.drained(deadline));
    this.tell([Told.drained]);
    this.#outbox.send();
  }

  /** Home may wait for it. */
  #done(word: number): void {
    Atomics.add(this.#shared, word, 1);
    Atomics.notify(this.#shared, word);
  }

  /** Home waits until this is done. */
  #reload(number: number, what: ReloadedFiles): void {
    const secure = this.#open.get(number)?.secure;
    try {
      if (what === 'certificate') secure?.reload();
      else secure?.reloadTrust();
    } catch (error) {
      const listener = this.#open.get(number)?.bound;
      this.log.error(
        { code: 'certificate-kept', listener },
        `${listener} keeps its former certificate in one thread: ${reasonOf(error)}`,
      );
    }
    this.#done(reloadsWord(this.#settings.index));
  }

  async #reloadLoaded(): Promise<void> {
    this.tell([Told.reloaded, (await this.#root?.reload()) ?? true]);
    this.#outbox.send();
  }

  async #close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#keeping);
    this.connections.stop();
    await this.#closeListeners();
    this.#outbox.send();
    this.#done(closedWord(this.#settings.index));
    await this.#root?.stop();
    this.#outbox.send();
    this.#port.close();
    // A module may have left something open, or not have got done with its start.
    if (this.#settings.here?.loadsModules === true) process.exit();
  }

  async #closeListeners(): Promise<void> {
    const open = [...this.#open.values()];
    this.#open.clear();
    await Promise.all(open.map((listener) => listener.close()));
  }

  // To home.

  /** Counters change more often than messages are sent, and have to be right when what is behind them is served. */
  #countersChanged(): readonly FromFace[] {
    if (!this.#tellsCounters) return [];
    const { values } = this.counters;
    const changes: FromFace[] = [];
    for (let slot = 0; slot < values.length; slot++) {
      const amount = values[slot] ?? 0;
      if (amount === 0) continue;
      values[slot] = 0;
      changes.push([Told.count, slot as CounterSlot, amount]);
    }
    return changes;
  }

  #logByHome(): Log {
    const write =
      (level: LogLevel) =>
      (fields: object, message: string): void =>
        this.tell([Told.log, level, cloneable(fields), message]);
    return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
  }
}

function sentError(error: unknown): SentError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), stack: undefined };
  const { name, message, stack } = error;
  return { name, message, stack };
}

/** Fields of a line, such that they can be sent: an error as its text. */
function cloneable({ err, ...fields }: { readonly err?: unknown }): SentFields {
  const sent = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, sendable(value)]));
  return err === undefined ? sent : { ...sent, err: sentError(err) };
}

/** A value of a field, or what it looks like where it cannot be sent: modules of the user's own write what they like. */
function sendable(value: unknown): unknown {
  if (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol') return value;
  try {
    return structuredClone(value);
  } catch {
    return shown(value);
  }
}
