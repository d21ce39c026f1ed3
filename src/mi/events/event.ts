import { currentSecond } from '../../base/clock.js';
import type { Log } from '../../base/log.js';
import { stringify } from '../../base/text.js';
import type { EventParameters, EventSink, EventValue } from './event-transport.js';

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

/** Told of each event that is raised for somebody. */
export interface EventCounts {
  raised(): void;
}

/** An event that can be raised and subscribed to. */
export class MiEvent {
  readonly subscriptions = new Map<string, Subscription>();
  readonly #log: Log;
  readonly #counts: EventCounts;

  /** For {@link Events}. */
  constructor(
    readonly id: number,
    readonly name: string,
    /** Only a SIP server raises it: clients may subscribe to it, and are never told anything. */
    readonly isForeign: boolean,
    log: Log,
    counts: EventCounts,
  ) {
    this.#log = log;
    this.#counts = counts;
  }

  /** True if the event has subscribers; ask before making costly parameters. */
  get hasSubscribers(): boolean {
    return this.subscriptions.size > 0;
  }

  /**
   * Tells all subscribers, without waiting for them. Values that are neither strings nor finite numbers, which only
   * JavaScript can give, are sent as their JSON text.
   *
   * @returns how many subscribers it was sent to
   */
  raise(parameters: EventParameters = []): number {
    if (!this.hasSubscribers) return 0;
    const now = currentSecond();
    const values = plain(parameters);
    let told = 0;
    for (const { sink, socket } of this.#active(now)) {
      try {
        sink.send(this.name, values);
        told += 1;
      } catch (error) {
        this.#log.error({ err: error, event: this.name, socket }, `event ${this.name} cannot be sent to ${socket}`);
      }
    }
    if (told > 0) this.#counts.raised();
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
  if (typeof value === 'string' || (typeof value === 'number' && Number.isFinite(value))) return value;
  return typeof value === 'bigint' ? value.toString() : value === undefined ? '' : stringify(value);
}
