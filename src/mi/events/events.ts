import { currentSecond } from '../../base/clock.js';
import { coded, type ErrorCode } from '../../base/codes.js';
import {
  aBoolean,
  aCount,
  aFunction,
  aText,
  checkGiven,
  checkParts,
  type Members,
  required,
  texts,
} from '../../base/given.js';
import { stringify } from '../../base/json.js';
import type { CodedLog } from '../../base/log.js';
import { nearestNames } from '../../base/nearest.js';
import { shorten } from '../../base/text.js';
import { opaque } from '../results/json.js';
import type { Statistics } from '../statistics.js';
import { type EventParameters, type EventValue, type RaisedEvent, RecentEvents } from './raised.js';

export type { EventParameters, EventValue } from './raised.js';

/** Another server that raises events, and has to be told which are wanted. */
export interface EventRelay {
  /**
   * An event has got a subscriber, or one has renewed its subscription.
   * @returns settles when the event comes from now on; rejects with the reason why it does not
   */
  wanted(event: MiEvent): Promise<void>;
}

/** Where the events of one subscriber go. It is shared by all of its subscriptions. */
export interface EventSink {
  /** Sends an event, or drops it and counts that; never waits and never throws. */
  send(event: string, parameters: EventParameters, raised: RaisedEvent): void;
  /** Drops what waits and closes what is open. Called once. */
  close(): void;
}

/** How events are sent: what OpenSIPS' modules `event_*` are. */
export interface EventTransport {
  /** The scheme of its sockets, up to the first colon: `udp`. */
  readonly protocol: string;
  /** Subscribers (sockets, whatever they subscribe to) that there may be at once. */
  readonly maxSubscribers: number;
  /** True if each socket has a connection of its own. */
  readonly isConnected?: boolean;
  /** False if its sockets are no addresses that a client could give. */
  readonly isAddressed?: boolean;
  /**
   * The one way to write a socket, so that its subscriptions are found again.
   * @throws EventSocketError for one that cannot be
   */
  canonical(socket: string): string;
  /**
   * Makes the sink of a socket in canonical form; a name in it is resolved by then.
   * @throws EventSocketError for one that may not be sent to
   */
  open(socket: string): EventSink | Promise<EventSink>;
}

/** A subscriber more than the process can have, and why; 500 for the client. */
export class EventRoomError extends Error {
  override readonly name = 'EventRoomError';
  readonly code: ErrorCode = 'ERR_EVENT_ROOM';
}

/**
 * A socket that cannot be subscribed, and why; 400 for the client.
 *
 * ```ts
 * const canonical: EventTransport['canonical'] = (socket) => {
 *   if (socket === 'pager:') throw new EventSocketError('the number is missing; give pager:NUMBER');
 *   return socket;
 * };
 * ```
 */
export class EventSocketError extends Error {
  override readonly name = 'EventSocketError';
  readonly code: ErrorCode = 'ERR_EVENT_SOCKET';
}

/** Subscribes one socket to one event. */
export class Subscription {
  #begin = currentSecond();

  /** @param expire seconds from now, 0 and more; undefined: for good */
  constructor(
    readonly socket: string,
    readonly sink: EventSink,
    public expire: number | undefined,
  ) {}

  /** Counts anew, from now. */
  renew(expire: number | undefined): void {
    this.#begin = currentSecond();
    this.expire = expire;
  }

  /** Seconds left, 0 or less when it has ended; undefined: for good. */
  ttl(now: number): number | undefined {
    return this.expire === undefined ? undefined : this.#begin + this.expire - now;
  }

  /** True once the subscription is forgotten. In the very second in which it ends it is still listed, as in OpenSIPS. */
  isOver(now: number): boolean {
    return (this.ttl(now) ?? 1) < 0;
  }
}

/** Told of each event that is raised for somebody, and the events that were raised last. */
interface EventHost {
  raised(): void;
  readonly recent: RecentEvents;
}

/** Seconds for which an event is raised on after its last subscriber has left. */
const lingerTime = 300;

let subscribed: (event: MiEvent) => void;

/** Calls a function whenever somebody subscribes to an event, before that is told. */
export let onSubscribed: (event: MiEvent, run: () => void) => void;

/** An event that can be raised and subscribed to. */
export class MiEvent {
  static {
    onSubscribed = (event, run) => event.#onSubscribed.push(run);
    subscribed = (event) => {
      for (const run of event.#onSubscribed) run();
    };
  }

  readonly subscriptions = new Map<string, Subscription>();
  /** When its last subscriber left, by {@link currentSecond}. */
  #leftAt = Number.NEGATIVE_INFINITY;
  /** Other servers that raise it. */
  readonly sources = new Set<EventRelay>();
  readonly #onSubscribed: (() => void)[] = [];
  readonly #log: CodedLog;
  readonly #host: EventHost;

  /** For {@link Events}. */
  constructor(
    readonly id: number,
    readonly name: string,
    /** Only a SIP server raises it: clients may subscribe to it, and are never told anything. */
    readonly isForeign: boolean,
    log: CodedLog,
    host: EventHost,
  ) {
    this.#log = log;
    this.#host = host;
  }

  /** True if the event has subscribers. */
  get hasSubscribers(): boolean {
    return this.subscriptions.size > 0;
  }

  /**
   * True if raising the event is of use; ask before making costly parameters. It has subscribers, or had one in the last five
   * minutes: a reader that comes again gets what was raised meanwhile.
   */
  get isWanted(): boolean {
    if (this.hasSubscribers) return true;
    return this.#host.recent.most > 0 && currentSecond() - this.#leftAt <= lingerTime;
  }

  /** For {@link Events}: ends the subscription of a socket. */
  drop(socket: string): void {
    if (this.subscriptions.delete(socket) && !this.hasSubscribers) this.#leftAt = currentSecond();
  }

  /**
   * Tells all subscribers, without waiting for them. Values that are neither strings nor finite numbers, which only
   * JavaScript can give, are sent as their JSON text.
   *
   * @returns how many subscribers it was sent to
   */
  raise(parameters: EventParameters = []): number {
    const { recent } = this.#host;
    if (!this.hasSubscribers && recent.most === 0) return 0;
    const now = currentSecond();
    const values = plain(parameters);
    const raised = recent.add(this.name, values);
    let told = 0;
    for (const { sink, socket } of this.#active(now)) {
      try {
        sink.send(this.name, values, raised);
        told += 1;
      } catch (error) {
        this.#log.error(
          { code: 'event-not-sent', err: error, event: this.name, socket },
          `event ${this.name} cannot be sent to ${socket}`,
        );
      }
    }
    if (told > 0) this.#host.raised();
    return told;
  }

  /** Subscriptions that have not ended. */
  #active(now: number): readonly Subscription[] {
    return [...this.subscriptions.values()].filter((one) => (one.ttl(now) ?? 1) > 0);
  }
}

function plain(parameters: EventParameters): EventParameters {
  if (Array.isArray(parameters)) return (parameters as readonly EventValue[]).map(plainValue);
  return Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, plainValue(value)]));
}

function plainValue(value: unknown): EventValue {
  if (typeof value === 'string' || value === null || (typeof value === 'number' && Number.isFinite(value)))
    return value;
  return typeof value === 'bigint' ? value.toString() : value === undefined ? '' : stringify(value);
}

/** Seconds that a subscription lasts when nothing is said, as in OpenSIPS. */
export const defaultExpire = 3600;

/** Milliseconds between two searches for subscriptions that have ended. */
const searchInterval = 5000;

const transportMembers: Members<EventTransport> = {
  protocol: required({
    text: "a word of letters, digits, '+', '.' and '-', such as 'udp'",
    is: (value) => typeof value === 'string' && /^[A-Za-z][A-Za-z0-9+.-]*$/.test(value),
  }),
  maxSubscribers: required(aCount),
  isConnected: aBoolean,
  isAddressed: aBoolean,
  canonical: required(aFunction),
  open: required(aFunction),
};

const eventName = /^E_[A-Z0-9_]{1,62}$/;

/** True for a name that an event may have. */
export function isEventName(name: string): boolean {
  return eventName.test(name);
}

/** The counts of the transports. */
export interface EventDeliveryCounts {
  /** Handed to the operating system. */
  sent(): void;
  /** Given up, because nobody takes them or too many wait. */
  dropped(count: number): void;
}

/** What the server alone does with its events: modules, which have them too, do not reach it. */
interface EventsControl {
  /** Connections that subscribers may have at once, by their transports. */
  readonly mostConnections: number;
  /** From now on subscribers have so many connections at most. */
  readonly limitConnections: (most: number) => void;
  /** Ends all subscriptions; nothing can be subscribed any more. */
  close(): void;
}

let controlOfEvents: (events: Events) => EventsControl;

/** For the server. */
export function controlOf(events: Events): EventsControl {
  return controlOfEvents(events);
}

interface SharedSink {
  readonly sink: EventSink;
  readonly protocol: string;
  uses: number;
}

/**
 * The events of a server, who subscribed to them, and the transports that carry them (OpenSIPS' event interface).
 *
 * ```ts
 * const trunkDown = server.events.declare('E_PBX_TRUNK_DOWN');
 * trunkDown.raise({ trunk: 'north', calls: 12 });
 * ```
 */
export class Events {
  readonly #log: CodedLog;
  readonly #events = new Map<string, MiEvent>();
  readonly #transports = new Map<string, EventTransport>();
  readonly #sinks = new Map<string, SharedSink>();
  readonly #raised: { add(amount: number): void };
  #timer: NodeJS.Timeout | undefined;
  /** Connections that the limit of open files leaves to subscribers. */
  #mostConnections = Number.POSITIVE_INFINITY;
  #isClosed = false;
  /** For transports. */
  readonly counts: EventDeliveryCounts;
  /** The events that were raised last. */
  readonly recent = new RecentEvents();

  constructor(log: CodedLog, statistics: Statistics) {
    this.#log = log;
    this.#raised = statistics.add('evi', 'events_raised', 'counter', { help: 'Events raised for anybody.' });
    const sent = statistics.add('evi', 'events_sent', 'counter', {
      help: 'Notifications handed to the operating system.',
    });
    const dropped = statistics.add('evi', 'events_dropped', 'counter', {
      help: 'Notifications given up: too long, too many waiting, or the connection broke.',
    });
    this.counts = { sent: () => sent.add(1), dropped: (count) => dropped.add(count) };
    statistics.add('evi', 'event_subscribers', 'computed', () => this.#sinks.size, {
      help: 'Sockets subscribed to any event.',
    });
  }

  static {
    controlOfEvents = (events) => ({
      mostConnections: events.#mostAsked,
      limitConnections: (most) => {
        events.#mostConnections = most;
      },
      close: () => events.#close(),
    });
  }

  /** So that one in a result is refused by name. */
  get [opaque](): string {
    return 'Events';
  }

  /** All events, in the order in which they were declared. */
  get all(): readonly MiEvent[] {
    return [...this.#events.values()];
  }

  /**
   * Declares an event, so that it is listed, can be subscribed to and raised.
   *
   * @throws RangeError for a name that is not `E_` and up to 62 capital letters, digits and `_`; Error for one that is
   *   there
   */
  declare(name: string): MiEvent {
    this.#checkName(name);
    return this.#declare(name, false);
  }

  /**
   * Declares events that only a SIP server raises, so that clients which subscribe to everything they know need not be
   * changed.
   *
   * @throws as {@link declare}, for the first name that is wrong; then none of them is declared
   */
  declareForeign(names: readonly string[]): void {
    checkGiven('names of events', names, texts);
    for (const name of names) this.#checkName(name);
    for (const name of new Set(names)) this.#declare(name, true);
  }

  /** Declares events that another server raises, as far as they are not declared yet; names that none can have are left out. */
  relay(names: readonly string[], source: EventRelay): void {
    for (const name of new Set(names)) {
      if (!eventName.test(name)) continue;
      const event = this.#events.get(name) ?? this.#declare(name, true);
      event.sources.add(source);
    }
  }

  #checkName(name: string): void {
    checkGiven('name of an event', name, aText);
    if (!eventName.test(name)) {
      throw coded(
        'ERR_EVENT',
        new RangeError(`"${name}" is no name of an event; give E_ and 1 to 62 capital letters, digits and "_"`),
      );
    }
    if (this.#events.has(name))
      throw coded('ERR_EVENT', new Error(`event ${name} is declared already; keep what declare returned`));
  }

  #declare(name: string, isForeign: boolean): MiEvent {
    const host = { raised: () => this.#raised.add(1), recent: this.recent };
    const event = new MiEvent(this.#events.size, name, isForeign, this.#log, host);
    this.#events.set(name, event);
    return event;
  }

  find(name: string): MiEvent | undefined {
    return this.#events.get(name);
  }

  /**
   * Raises an event by its name, see {@link MiEvent.raise}.
   *
   * @throws Error for one that was not declared
   */
  raise(name: string, parameters?: EventParameters): number {
    const event = this.#events.get(name);
    if (event !== undefined) return event.raise(parameters);
    const [near] = nearestNames(name, this.#events.keys());
    const hint = near === undefined ? 'declare it first' : `did you mean ${near}?`;
    throw coded('ERR_EVENT', new Error(`event ${name} is not declared; ${hint}`));
  }

  get #mostAsked(): number {
    return [...this.#transports.values()].reduce(
      (sum, { isConnected, maxSubscribers }) => sum + (isConnected === true ? maxSubscribers : 0),
      0,
    );
  }

  /** @throws TypeError for what is no transport; Error when another one has its protocol */
  addTransport(transport: EventTransport): void {
    checkParts('event transport', transport, transportMembers);
    const { protocol } = transport;
    if (this.#transports.has(protocol)) {
      throw coded(
        'ERR_EVENT',
        new Error(`two event transports are named ${protocol}; give one of them another protocol`),
      );
    }
    this.#transports.set(protocol, transport);
  }

  /**
   * Subscribes a socket (`udp:127.0.0.1:8888`) to an event, or sets a subscription to a new time.
   *
   * @param expire seconds from now, 0 ends it; undefined: for good
   * @throws EventSocketError for a socket that cannot be used, or one subscriber too many; EventRoomError for one too many for
   *   the limit of open files
   */
  subscribe(event: MiEvent, socket: string, expire: number | undefined): void | Promise<void> {
    const transport = this.#transportOf(socket);
    const canonical = transport.canonical(socket);
    this.#forget();
    const subscription = event.subscriptions.get(canonical);
    if (subscription !== undefined) {
      subscription.renew(expire);
      return;
    }
    const shared = this.#sinks.get(canonical);
    if (shared !== undefined) {
      this.#add(event, canonical, shared, expire);
      return;
    }
    this.#checkRoom(transport);
    const sink = transport.open(canonical);
    if (!(sink instanceof Promise)) {
      this.#opened(event, canonical, transport, sink, expire);
      return;
    }
    return sink.then((opened) => this.#opened(event, canonical, transport, opened, expire));
  }

  /**
   * Subscribes this server with those that raise the event.
   *
   * @throws what they refuse it with, where none of them can; then the socket is not subscribed either
   */
  async subscribeAtSources(event: MiEvent, socket: string): Promise<void> {
    const asked = await Promise.allSettled([...event.sources].map((source) => source.wanted(event)));
    const failed = asked.find((one) => one.status === 'rejected');
    if (failed === undefined || asked.some(({ status }) => status === 'fulfilled')) return;
    await this.subscribe(event, socket, 0);
    throw failed.reason;
  }

  /**
   * Ends all subscriptions of a socket, and closes it.
   *
   * @returns false when it has none
   * @throws EventSocketError for a socket that cannot be
   */
  unsubscribe(socket: string): boolean {
    const canonical = this.#transportOf(socket).canonical(socket);
    for (const event of this.#events.values()) event.drop(canonical);
    const shared = this.#sinks.get(canonical);
    this.#sinks.delete(canonical);
    shared?.sink.close();
    return shared !== undefined;
  }

  /**
   * The events that names mean.
   *
   * @param names with `*` at the end of one for all that begin so
   * @returns the first name that means none in place of them
   */
  named(names: readonly string[]): readonly MiEvent[] | string {
    const found = new Set<MiEvent>();
    for (const name of names) {
      const { size } = found;
      const isAny = name.endsWith('*');
      const start = name.slice(0, -1);
      for (const event of isAny ? this.all : [this.#events.get(name)]) {
        if (event !== undefined && (!isAny || event.name.startsWith(start))) found.add(event);
      }
      if (found.size === size && (isAny || !this.#events.has(name))) return name;
    }
    return [...found];
  }

  /** The subscription of a socket, however it is written. */
  subscription(event: MiEvent, socket: string): Subscription | undefined {
    try {
      return event.subscriptions.get(this.#transportOf(socket).canonical(socket));
    } catch (error) {
      if (error instanceof EventSocketError) return undefined;
      throw error;
    }
  }

  /** The subscriptions of an event, without those that are over. */
  subscriptionsOf(event: MiEvent): readonly Subscription[] {
    this.#forgetOf(event, currentSecond());
    return [...event.subscriptions.values()];
  }

  /** Ends all subscriptions; nothing can be subscribed any more. */
  #close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    for (const event of this.#events.values()) event.subscriptions.clear();
    for (const [socket, { sink }] of this.#sinks) {
      try {
        sink.close();
      } catch (error) {
        this.#log.error(
          { code: 'subscriber-not-closed', err: error, socket },
          `event subscriber ${socket} failed to close`,
        );
      }
    }
    this.#sinks.clear();
  }

  #transportOf(socket: string): EventTransport {
    const [protocol = ''] = socket.split(':', 1);
    const transport = this.#transports.get(protocol);
    if (transport !== undefined) return transport;
    const addressed = [...this.#transports.values()].filter(({ isAddressed = true }) => isAddressed);
    const known = addressed.map((one) => `${one.protocol}:`).join(' or ');
    const remedy = known === '' ? 'no transport is loaded; add loadmodule "event_datagram.so"' : `give ${known}`;
    throw new EventSocketError(`no event transport for socket ${JSON.stringify(shorten(socket, 100))}; ${remedy}`);
  }

  #opened(event: MiEvent, socket: string, transport: EventTransport, sink: EventSink, expire: number | undefined) {
    // While a name was resolved, another call may have come first, or the server have stopped.
    const first = this.#sinks.get(socket);
    if (first !== undefined || this.#isClosed) {
      sink.close();
      if (first === undefined) throw new EventSocketError('the server stops');
    } else {
      try {
        this.#checkRoom(transport);
      } catch (error) {
        sink.close();
        throw error;
      }
    }
    const shared = first ?? { sink, protocol: transport.protocol, uses: 0 };
    this.#sinks.set(socket, shared);
    const subscription = event.subscriptions.get(socket);
    if (subscription === undefined) this.#add(event, socket, shared, expire);
    else subscription.renew(expire);
  }

  #add(event: MiEvent, socket: string, shared: SharedSink, expire: number | undefined): void {
    shared.uses += 1;
    event.subscriptions.set(socket, new Subscription(socket, shared.sink, expire));
    subscribed(event);
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => this.#forget(), searchInterval);
    // Subscribers are no reason for a process to stay.
    this.#timer.unref();
  }

  #checkRoom({ protocol, maxSubscribers, isConnected }: EventTransport): void {
    const there = this.#sinksOf((one) => one === protocol);
    if (there >= maxSubscribers) {
      throw new EventSocketError(
        `${there} sockets are subscribed by ${protocol}, the limit max_subscribers; end one, or raise the limit`,
      );
    }
    if (isConnected !== true) return;
    const connected = this.#sinksOf((one) => this.#transports.get(one)?.isConnected === true);
    if (connected < this.#mostConnections) return;
    throw new EventRoomError(
      `${connected} sockets are subscribed by TCP, as many as the limit of open files leaves connections for; end one, ` +
        'or raise it (ulimit -n)',
    );
  }

  #sinksOf(isMeant: (protocol: string) => boolean): number {
    let count = 0;
    for (const { protocol } of this.#sinks.values()) if (isMeant(protocol)) count += 1;
    return count;
  }

  /** Drops the subscriptions that are over, and the sinks that nobody uses then. */
  #forget(): void {
    const now = currentSecond();
    for (const event of this.#events.values()) this.#forgetOf(event, now);
    if (this.#sinks.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #forgetOf(event: MiEvent, now: number): void {
    for (const [socket, subscription] of event.subscriptions) {
      if (!subscription.isOver(now)) continue;
      event.drop(socket);
      const shared = this.#sinks.get(socket);
      if (shared === undefined) continue;
      shared.uses -= 1;
      if (shared.uses > 0) continue;
      this.#sinks.delete(socket);
      shared.sink.close();
    }
  }
}
