import { shorten } from '../../base/text.js';
import {
  type EventDeliveryCounts,
  type EventParameters,
  type EventSink,
  EventSocketError,
  type Events,
  type EventTransport,
} from './events.js';
import type { RaisedEvent } from './raised.js';

/** UTF-16 units of the events that wait for one reader; further ones are dropped. */
const queueSize = 1_048_576;

/** The events of one reader, who has a reply of this server that does not end. */
export class EventStream implements EventSink {
  readonly #counts: EventDeliveryCounts;
  readonly #closed: () => void;
  #waiting: RaisedEvent[] = [];
  #size = 0;
  #dropped = 0;
  #isOver = false;
  /** Told once when there is something to take, or nothing comes any more. */
  onReady: (() => void) | undefined;

  /** For {@link EventStreams}. */
  constructor(
    readonly socket: string,
    counts: EventDeliveryCounts,
    closed: () => void,
    /** The session that it is read in. */
    readonly session?: string | undefined,
  ) {
    this.#counts = counts;
    this.#closed = closed;
  }

  /** True when nothing comes any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  send(_event: string, _parameters: EventParameters, raised: RaisedEvent): void {
    if (this.#isOver) return;
    const { length } = raised.text;
    if (this.#size > 0 && this.#size + length > queueSize) {
      this.#dropped += 1;
      this.#counts.dropped(1);
      return;
    }
    this.#size += length;
    this.#waiting.push(raised);
    this.#tell();
  }

  /** Takes what waits. Events that were dropped came behind it. */
  take(): { readonly events: readonly RaisedEvent[]; readonly dropped: number } {
    const taken = { events: this.#waiting, dropped: this.#dropped };
    for (const _ of taken.events) this.#counts.sent();
    this.#waiting = [];
    this.#size = 0;
    this.#dropped = 0;
    return taken;
  }

  /** Nothing comes any more; what waits can still be taken. */
  end(): void {
    this.#isOver = true;
    this.#tell();
  }

  close(): void {
    this.#closed();
    this.end();
  }

  #tell(): void {
    const { onReady } = this;
    this.onReady = undefined;
    onReady?.();
  }
}

/** Readers of events by replies of this server. Their sockets are made here, and end with their replies. */
export class EventStreams implements EventTransport {
  readonly protocol = 'sse';
  readonly isAddressed = false;
  /** The roots limit them. */
  readonly maxSubscribers = Number.MAX_SAFE_INTEGER;
  readonly #streams = new Map<string, EventStream>();
  readonly #counts: EventDeliveryCounts;
  #count = 0;

  constructor(counts: EventDeliveryCounts) {
    this.#counts = counts;
  }

  /**
   * @param reader who reads it, as listings of subscribers show it
   * @param session the name of the session that it is read in; undefined: none
   */
  add(reader: string, session?: string): EventStream {
    this.#count += 1;
    const socket = `${this.protocol}:${this.#count}:${reader}`;
    const stream = new EventStream(socket, this.#counts, () => this.#streams.delete(socket), session);
    this.#streams.set(socket, stream);
    return stream;
  }

  /** The reader of a stream has left. */
  remove({ socket }: EventStream, events: Pick<Events, 'unsubscribe'>): void {
    if (this.#streams.has(socket)) events.unsubscribe(socket);
    // One without a subscription is known here alone.
    this.#streams.delete(socket);
  }

  /** @throws EventSocketError for a socket that is none of a stream: readers alone make them */
  canonical(socket: string): string {
    this.open(socket);
    return socket;
  }

  open(socket: string): EventSink {
    const stream = this.#streams.get(socket);
    if (stream !== undefined) return stream;
    const named = JSON.stringify(shorten(socket, 100));
    throw new EventSocketError(`no stream has the socket ${named}; subscribers_list lists all`);
  }

  /** True while a stream is read in a session. */
  isReadIn(session: string): boolean {
    for (const stream of this.#streams.values()) if (stream.session === session) return true;
    return false;
  }

  /** Ends the streams of a session. */
  endOf(session: string): void {
    for (const stream of this.#streams.values()) if (stream.session === session) stream.end();
  }

  /** Ends all streams. Their readers come again, where they may. */
  end(): void {
    for (const stream of this.#streams.values()) stream.end();
  }
}
