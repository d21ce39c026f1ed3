import { randomBytes } from 'node:crypto';
import type { ConnectionOptions, Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import type { CodedLog } from '../../base/log.js';
import { LineRate } from '../../base/log.js';
import { reasonOf } from '../../base/text.js';
import { isLevel } from '../../mi/commands/command.js';
import type { Answering, Asked, Asking, Incoming, Surroundings, Transport } from './transport.js';

/** Files and names by which the broker lets this server in. Files are read at each attempt, so that new ones count. */
export interface NatsLogin {
  readonly nkey?: (() => Uint8Array) | undefined;
  readonly creds?: (() => Uint8Array) | undefined;
  /** `NAME:PASSWORD`, or a token. */
  readonly password?: (() => string) | undefined;
}

/** Settings of the way by a broker. */
export interface NatsSettings {
  readonly servers: readonly string[];
  readonly fleet: string;
  readonly name: string;
  readonly tags: readonly string[];
  /** Whether it is asked, and whether it asks others. */
  readonly isMember: boolean;
  readonly isGatherer: boolean;
  readonly login: NatsLogin;
  readonly tls: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string } | undefined;
  /** Where answers come to. */
  readonly inboxPrefix: string;
  /** Milliseconds between two presences, and between two attempts to reach the broker. */
  readonly presenceInterval: number;
  readonly retryInterval: number;
  readonly log: CodedLog;
}

/** Members that are asked by one question, until they have answered. */
interface Gathering {
  readonly names: readonly string[];
  readonly waiting: Set<string>;
  /** The beginning of the subjects of its questions. */
  readonly subject: string;
  readonly asked: Asked;
  timer: NodeJS.Timeout | undefined;
}

/** Bytes of a message beside its payload. */
const overhead = 1024;

/** Milliseconds that the broker has to answer a connection. */
const patience = 3000;

/**
 * Milliseconds between two looks whether the broker is there. When two have had no answer, it is not: what has said something that is not
 * of the protocol is read no more, and nothing else tells of it.
 */
const pingInterval = 2000;

/**
 * The way by NATS. Each member is asked on a subject of its own, with an inbox of its own for the answer: where the broker lets
 * nobody else subscribe to that subject, nobody else can answer in its name, and that nobody listens is told at once.
 */
export class NatsTransport implements Transport {
  readonly #settings: NatsSettings;
  readonly #around: Surroundings;
  readonly #prefix: string;
  readonly #inbox: string;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #gatherings = new Map<string, Gathering>();
  readonly #lines = new LineRate();
  readonly #running: Promise<void>;
  #connection: NatsConnection | undefined;
  #isUp = false;
  /** Counts connections, and what they go through: what was waited for before is no news then. */
  #stage = 0;
  /** What the broker has against this server, for which the connection was ended. */
  #fault: string | undefined;
  #isClosed = false;
  #wake: (() => void) | undefined;
  #presence: (() => Uint8Array) | undefined;
  #answer: Answering | undefined;
  #timer: NodeJS.Timeout | undefined;
  #toldAt = Number.NEGATIVE_INFINITY;

  /** Begins to connect. */
  constructor(settings: NatsSettings, around: Surroundings) {
    this.#settings = settings;
    this.#around = around;
    this.#prefix = `mi.v1.${settings.fleet}`;
    this.#inbox = `${settings.inboxPrefix}.${randomBytes(9).toString('hex')}`;
    this.#running = this.#run();
  }

  announce(presence: () => Uint8Array): void {
    this.#presence = presence;
    this.#timer = setInterval(() => this.#tell(), this.#settings.presenceInterval);
    this.#tell();
  }

  serve(answer: Answering): void {
    this.#answer = answer;
    this.#subscribeAll();
  }

  gather({ subject, questions, timeout, asked }: Asking): () => void {
    const token = randomBytes(12).toString('hex');
    const names = [...questions.keys()];
    const beginning =
      subject.kind === 'piece' ? `${this.#prefix}.piece.node.` : `${this.#prefix}.call.${subject.level}.node.`;
    const gathering: Gathering = { names, waiting: new Set(names), subject: beginning, asked, timer: undefined };
    const end = (): void => {
      clearTimeout(gathering.timer);
      this.#gatherings.delete(token);
    };
    gathering.timer = setTimeout(() => {
      end();
      for (const name of gathering.waiting) asked.missing(name, `no answer within ${timeout / 1000} s`, true);
    }, timeout);
    this.#gatherings.set(token, gathering);
    for (const [index, name] of names.entries()) {
      const problem = this.#send(`${beginning}${name}`, questions.get(name), `${this.#inbox}.${token}.${index}`);
      if (problem !== undefined && this.#settle(token, gathering, name)) asked.missing(name, problem, false);
    }
    return end;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#tell();
    this.#isClosed = true;
    this.#isUp = false;
    clearInterval(this.#timer);
    for (const { timer } of this.#gatherings.values()) clearTimeout(timer);
    this.#gatherings.clear();
    this.#wake?.();
    const connection = this.#connection;
    // An attempt to connect ends by itself, and is given up then.
    if (connection === undefined) return;
    if (!connection.isClosed()) {
      try {
        // Who asks from now on is told at once that nobody is here.
        for (const subscription of this.#subscriptions.values()) subscription.unsubscribe();
        // A broker that does not answer keeps nobody waiting.
        await Promise.race([connection.flush(), wait(500).promise]);
      } catch {
        // It is away.
      }
      await connection.close();
    }
    await this.#running;
  }

  /** @returns why it was not sent */
  #send(subject: string, bytes: Uint8Array | undefined, reply: string): string | undefined {
    const connection = this.#connection;
    if (connection === undefined || !this.#isUp) return `the broker ${this.#place} is away`;
    const room = (connection.info?.max_payload ?? 0) - overhead;
    if (bytes === undefined || bytes.length > room)
      return `the question has ${bytes?.length} bytes, and the broker takes ${room}`;
    try {
      connection.publish(subject, bytes, { reply });
      return undefined;
    } catch (error) {
      return reasonOf(error);
    }
  }

  /** @returns true if the member has been waited for until now */
  #settle(token: string, gathering: Gathering, name: string): boolean {
    if (!gathering.waiting.delete(name)) return false;
    if (gathering.waiting.size === 0) {
      clearTimeout(gathering.timer);
      this.#gatherings.delete(token);
    }
    return true;
  }

  get #place(): string {
    return this.#settings.servers.join(', ');
  }

  /** Connects, and again whenever the connection has ended for good, as after a login that the broker takes no more. */
  async #run(): Promise<void> {
    const { retryInterval } = this.#settings;
    const loaded = await import('@nats-io/transport-node');
    // It is CommonJS, of which a bundle has all exports in `default`, and nothing beside.
    const library = loaded.default ?? loaded;
    while (!this.#isClosed) {
      try {
        const connection = await library.connect(this.#options(library));
        if (this.#isClosed) {
          await connection.close();
          return;
        }
        this.#connection = connection;
        this.#subscriptions.clear();
        void this.#up();
        for await (const status of connection.status()) {
          if (status.type === 'disconnect') this.#down(this.#fault ?? 'the connection is lost');
          else if (status.type === 'error' && status.error instanceof library.errors.PermissionViolationError)
            this.#denied(status.error.operation, status.error.subject);
          else if (status.type === 'error') {
            // Some faults leave a connection that lacks something, and would for ever: the next one may be better.
            this.#fault = reasonOf(status.error);
            this.#down(this.#fault);
            void connection.close();
          }
        }
        const reason = await connection.closed();
        this.#down(this.#fault ?? (reason instanceof Error ? reasonOf(reason) : 'the connection is closed'));
      } catch (error) {
        this.#down(reasonOf(error));
      }
      this.#connection = undefined;
      if (this.#isClosed) return;
      const waiting = wait(retryInterval);
      this.#wake = waiting.end;
      await waiting.promise;
    }
  }

  #options(library: typeof import('@nats-io/transport-node')): ConnectionOptions {
    const { servers, login, tls, name } = this.#settings;
    const [user, pass] = login.password === undefined ? [] : splitLogin(login.password());
    const authenticator =
      login.nkey !== undefined
        ? library.nkeyAuthenticator(login.nkey())
        : login.creds !== undefined
          ? library.credsAuthenticator(login.creds())
          : undefined;
    return {
      servers: [...servers],
      name: `mi-httpd ${name}`,
      // Each attempt is one of ours: it reads the files anew, and its fault is told.
      reconnect: false,
      timeout: patience,
      pingInterval,
      ...(authenticator === undefined ? {} : { authenticator }),
      ...(user === undefined ? {} : pass === undefined ? { token: user } : { user, pass }),
      ...(tls === undefined ? {} : { tls: { ...tls } }),
    };
  }

  /** Subscribes, and is there when the broker has taken that. */
  async #up(): Promise<void> {
    this.#stage += 1;
    const stage = this.#stage;
    this.#fault = undefined;
    this.#subscribeAll();
    try {
      await this.#connection?.flush();
    } catch {
      // It has gone away, which its status tells.
      return;
    }
    // The status tells a fault a little later than the flush ends.
    await new Promise(setImmediate);
    if (stage !== this.#stage || this.#isClosed) return;
    this.#isUp = true;
    this.#around.changed(undefined);
    this.#tell();
    // Who is there tells it at once, and not within the next seconds.
    if (this.#settings.isGatherer) this.#publish(`${this.#prefix}.who`);
  }

  #down(reason: string): void {
    this.#stage += 1;
    this.#isUp = false;
    if (!this.#isClosed) this.#around.changed(`the broker ${this.#place} is away: ${reason}`);
  }

  #denied(operation: string, subject: string): void {
    for (const [token, gathering] of this.#gatherings) {
      if (operation !== 'publish' || !subject.startsWith(gathering.subject)) continue;
      const name = subject.slice(gathering.subject.length);
      const reason = `the broker does not let this server publish to ${subject}`;
      if (this.#settle(token, gathering, name)) gathering.asked.missing(name, reason, false);
    }
    if (!this.#lines.isDue(`${operation} ${subject.split('.').slice(0, 5).join('.')}`)) return;
    this.#settings.log.warn(
      { code: 'fleet-permission-denied', subject },
      `the broker denies this server the ${operation} of ${subject}: give its user the right`,
    );
  }

  #publish(subject: string, bytes?: Uint8Array): void {
    try {
      if (this.#isUp) this.#connection?.publish(subject, bytes);
    } catch {
      // It has just gone away, which its status tells.
    }
  }

  #tell(): void {
    if (this.#presence === undefined || !this.#settings.isMember) return;
    this.#toldAt = performance.now();
    this.#publish(`${this.#prefix}.presence.${this.#settings.name}`, this.#presence());
  }

  #subscribeAll(): void {
    const { isMember, isGatherer, name, tags } = this.#settings;
    if (isGatherer) {
      const before = `${this.#prefix}.presence.`;
      this.#subscribe(`${before}>`, ({ subject, data }) => void this.#around.heard(data, subject.slice(before.length)));
      this.#subscribe(`${this.#inbox}.>`, (message) => this.#replied(message));
    }
    if (!isMember || this.#answer === undefined) return;
    // Many who ask at once are answered once.
    this.#subscribe(`${this.#prefix}.who`, () => {
      if (performance.now() - this.#toldAt > 100) this.#tell();
    });
    const targets = ['all', `node.${name}`, ...tags.map((tag) => `group.${tag}`)];
    for (const target of targets)
      this.#subscribe(`${this.#prefix}.call.*.${target}`, (message) => this.#asked(message));
    this.#subscribe(`${this.#prefix}.piece.node.${name}`, (message) => this.#asked(message));
  }

  #subscribe(subject: string, take: (message: Msg) => void): void {
    const connection = this.#connection;
    if (connection === undefined || this.#subscriptions.get(subject)?.isClosed() === false) return;
    try {
      const subscription = connection.subscribe(subject, {
        callback: (error, message) => {
          // Of one that the broker denies its status tells, too.
          if (error === null) take(message);
        },
      });
      this.#subscriptions.set(subject, subscription);
    } catch {
      // It has just gone away, which its status tells.
    }
  }

  #replied({ subject, data, headers }: Msg): void {
    const start = this.#inbox.length + 1;
    const dot = subject.indexOf('.', start);
    const token = subject.slice(start, dot);
    const gathering = this.#gatherings.get(token);
    const name = gathering?.names[Number(subject.slice(dot + 1))];
    if (gathering === undefined || name === undefined || !this.#settle(token, gathering, name)) return;
    const { asked } = gathering;
    const isNobody = data.length === 0 && headers?.code === 503;
    if (isNobody) asked.missing(name, 'it is not connected to the broker', false);
    else asked.answered(name, data);
  }

  #asked(message: Msg): void {
    const { subject, data, reply } = message;
    // Nobody would learn what came of it.
    if (reply === undefined || reply === '' || this.#answer === undefined) return;
    const [kind, level = ''] = subject.slice(this.#prefix.length + 1).split('.');
    const room = (this.#connection?.info?.max_payload ?? 0) - overhead;
    const incoming: Incoming = {
      bytes: data,
      level: kind === 'call' && isLevel(level) ? level : undefined,
      origin: 'fleet',
      login: undefined,
      room,
    };
    this.#answer(incoming).then(
      (bytes) => {
        if (!(bytes instanceof Uint8Array) || !this.#isUp) return;
        try {
          message.respond(bytes);
        } catch {
          // The asker finds that there is no answer.
        }
      },
      () => {},
    );
  }
}

/** `NAME:PASSWORD`, or a token alone. */
export function splitLogin(text: string): readonly [user: string, password?: string] {
  const colon = text.indexOf(':');
  return colon === -1 ? [text] : [text.slice(0, colon), text.slice(colon + 1)];
}

function wait(milliseconds: number): { readonly promise: Promise<void>; readonly end: () => void } {
  let end = (): void => {};
  const promise = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    end = () => {
      clearTimeout(timer);
      resolve();
    };
  });
  return { promise, end };
}
