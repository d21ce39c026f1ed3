import type { Socket } from 'node:dgram';
import { isObject, type JsonValue } from '../../base/json.js';
import type { CodedLog } from '../../base/log.js';
import { reasonOf, shorten } from '../../base/text.js';
import { explained, MiError } from '../../mi/errors.js';
import {
  type EventParameters,
  type EventRelay,
  type Events,
  isEventName,
  type MiEvent,
} from '../../mi/events/events.js';
import { readEventLines, type ToldEvent } from './event-lines.js';
import type { OpensipsNode } from './node.js';
import { nodesOf, valueIn } from './tree.js';

/** Seconds that OpenSIPS keeps a subscription of this server: it ends soon where this one ended without a word. */
const expire = 600;

/** Milliseconds after which subscriptions are renewed. */
const renewal = 200_000;

/** Bytes of datagrams that wait to be read. */
const receiveBuffer = 4 << 20;

/** Names of events that a node may have told of since the start: each one is kept. */
const mostNames = 1024;

/** UTF-16 units of the reason of a node that a line of the log repeats. */
const longestReason = 1024;

/** Told of an event of OpenSIPS. */
type EventListener = (name: string, parameters: EventParameters) => void;

/** Where OpenSIPS sends events to. */
export interface EventAddress {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

/**
 * The events of a node. This server is subscribed to those that are wanted here, with a socket of its own, and raises them here, so
 * that each subscriber gets them as it can.
 */
export class NodeEvents implements EventRelay {
  readonly #node: OpensipsNode;
  readonly #events: Events;
  readonly #log: CodedLog;
  readonly #address: EventAddress;
  /** By the events that OpenSIPS was asked for. */
  readonly #wanted = new Map<MiEvent, Promise<void>>();
  /** Events that this process follows itself, by name. */
  readonly #followed = new Map<string, EventListener>();
  /** Names that it has told of. */
  readonly #names = new Set<string>();
  #isFollowing = false;
  #socket: Promise<Socket> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(node: OpensipsNode, events: Events, log: CodedLog, address: EventAddress) {
    this.#node = node;
    this.#events = events;
    this.#log = log;
    this.#address = address;
  }

  /** Asks which events there are, so that they can be subscribed to here. */
  async #discover(): Promise<void> {
    const told = await this.#node.ask(this.#node.nameOf('events_list') ?? 'events_list', undefined, {
      isReadOnly: true,
    });
    // 2.x has the name as the value of a node.
    const listed = isObject(told) ? nodesOf(told.Events ?? told.Event) : [];
    const names = listed.map((one) => (isObject(one) ? (one.name ?? valueIn(one)) : undefined));
    const texts = names.filter((name): name is string => typeof name === 'string' && isEventName(name));
    for (const name of texts) if (this.#names.size < mostNames) this.#names.add(name);
    this.#events.relay(
      [...this.#names].filter((name) => !this.#followed.has(name)),
      this,
    );
  }

  /** OpenSIPS was started, or started anew: it may have other events, and it has forgotten all subscriptions. */
  async restarted(): Promise<void> {
    await this.#discover();
    this.#renew();
  }

  /** Tells a listener of events, once {@link subscribeFollowed} has subscribed them. Others get them from whom they are told to. */
  follow(names: readonly string[], listener: EventListener): void {
    for (const name of names) this.#followed.set(name, listener);
  }

  /** @throws MiError when OpenSIPS does not take a subscription */
  async subscribeFollowed(): Promise<void> {
    for (const name of this.#followed.keys()) await this.#subscribe(name);
    this.#isFollowing = true;
    this.#renewLater();
  }

  /** An event has a subscriber here. */
  wanted(event: MiEvent): Promise<void> {
    const asked = this.#wanted.get(event);
    if (asked !== undefined) return asked;
    const asking = this.#subscribe(event.name).catch((error: unknown) => {
      this.#wanted.delete(event);
      throw error;
    });
    this.#wanted.set(event, asking);
    this.#renewLater();
    return asking;
  }

  #renewLater(): void {
    this.#timer ??= setInterval(() => this.#renew(), renewal).unref();
  }

  /** Subscribes anew to the events that are still wanted: OpenSIPS forgets subscriptions when it is started anew. */
  #renew(): void {
    if (this.#isFollowing) for (const name of this.#followed.keys()) this.#renewOne(name);
    for (const event of this.#wanted.keys()) {
      if (!event.isWanted) {
        this.#wanted.delete(event);
        continue;
      }
      this.#renewOne(event.name);
    }
  }

  #renewOne(event: string): void {
    this.#subscribe(event).catch((error: unknown) => {
      if (this.#isClosed) return;
      const { name } = this.#node;
      this.#log.warn(
        { code: 'opensips-events-lost', node: name, event },
        `event ${event} of OpenSIPS ${name} is not subscribed: ${problemOf(error)}`,
      );
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    const socket = await this.#socket?.catch(() => undefined);
    socket?.close();
  }

  async #subscribe(event: string): Promise<void> {
    this.#socket ??= this.#open().catch((error: unknown) => {
      this.#socket = undefined;
      throw error;
    });
    const { address, family, port } = (await this.#socket).address();
    const host = family === 'IPv6' ? `[${address}]` : address;
    const command = this.#node.nameOf('event_subscribe') ?? 'event_subscribe';
    const expires = this.#node.hasLines ? String(expire) : expire;
    // To repeat it renews it, so that it may be asked for again.
    await this.#node.ask(command, [event, `udp:${host}:${port}`, expires], { isReadOnly: true, isLarge: false });
  }

  #open(): Promise<Socket> {
    const { host, port } = this.#address;
    const { createSocket } = process.getBuiltinModule('node:dgram');
    const socket = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4', recvBufferSize: receiveBuffer });
    socket.on('message', (message) => this.#received(message));
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(port, host, () => {
        socket.off('error', reject);
        socket.on('error', (error) => this.#failed(error));
        resolve(socket);
      });
    });
  }

  #failed(error: Error): void {
    this.#log.warn(
      { code: 'opensips-event-socket-failed', node: this.#node.name },
      `the socket for events of OpenSIPS ${this.#node.name} fails: ${error.message}`,
    );
  }

  #received(message: Buffer): void {
    const text = message.toString('utf8');
    const told = this.#node.hasLines ? readEventLines(text) : readEvent(text);
    if (told === undefined) return;
    const listener = this.#followed.get(told.name);
    if (listener !== undefined) {
      listener(told.name, told.parameters);
      return;
    }
    const event = this.#events.find(told.name);
    if (event !== undefined && this.#wanted.has(event)) event.raise(told.parameters);
  }
}

function problemOf(error: unknown): string {
  return shorten(error instanceof MiError ? explained(error) : reasonOf(error), longestReason, '…');
}

/** An event as OpenSIPS sends it, a JSON-RPC notification; undefined for what is none. */
function readEvent(text: string): ToldEvent | undefined {
  try {
    const told: JsonValue = JSON.parse(mended(text));
    if (!isObject(told) || typeof told.method !== 'string') return undefined;
    const parameters = parametersOf(told.params);
    return parameters === undefined ? undefined : { name: told.method, parameters };
  } catch {
    // No JSON, or nested deeper than can be printed: the port takes what any program here sends it.
    return undefined;
  }
}

function parametersOf(params: JsonValue | undefined): EventParameters | undefined {
  if (params === undefined || params === null) return [];
  if (Array.isArray(params)) return params.map(eventValue);
  if (!isObject(params)) return undefined;
  return Object.fromEntries(Object.entries(params).map(([key, value]) => [key, eventValue(value ?? null)]));
}

function eventValue(value: JsonValue): string | number | null {
  if (typeof value === 'string' || typeof value === 'number' || value === null) return value;
  return JSON.stringify(value);
}

const emptyKeys = '"params":{"":';

/** OpenSIPS 4.0 writes parameters without names as members of one empty name, of which a parser keeps the last: as an array they all stay. */
function mended(text: string): string {
  const start = text.indexOf(emptyKeys);
  if (start === -1) return text;
  const open = start + emptyKeys.indexOf('{');
  let result = `${text.slice(0, open)}[`;
  let depth = 0;
  let at = open + 1;
  while (at < text.length) {
    const character = text[at];
    if (character === '"') {
      const end = stringEnd(text, at);
      // A name of the outer object: the value behind its colon is what counts.
      const isName = depth === 0 && text[end] === ':';
      if (!isName) result += text.slice(at, end);
      at = isName ? end + 1 : end;
      continue;
    }
    if (depth === 0 && character === '}') return `${result}]${text.slice(at + 1)}`;
    if (character === '{' || character === '[') depth += 1;
    if (character === '}' || character === ']') depth -= 1;
    result += character;
    at += 1;
  }
  return text;
}

/** The place behind a JSON string that begins at `start`. */
function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}
