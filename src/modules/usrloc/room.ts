import type { Log } from '../../base/log.js';
import type { Statistic } from '../../mi/statistics.js';

/** The most that all domains of a server hold together. */
export interface RoomLimits {
  readonly maxContacts: number;
  /** Bytes of memory. */
  readonly maxBytes: number;
}

/** A consumer of room: a domain. */
interface Occupant {
  readonly contacts: number;
  readonly usedBytes: number;
}

/** The room that the domains of a server share. */
export class Room {
  readonly #domains: () => Iterable<Occupant>;
  readonly #refused: Statistic;
  readonly #log: Log;
  #isFull = false;

  constructor(
    readonly limits: RoomLimits,
    domains: () => Iterable<Occupant>,
    refused: Statistic,
    log: Log,
  ) {
    this.#domains = domains;
    this.#refused = refused;
    this.#log = log;
  }

  get maxContacts(): number {
    return this.limits.maxContacts;
  }

  get maxBytes(): number {
    return this.limits.maxBytes;
  }

  /** Contacts of all domains. */
  get contacts(): number {
    let sum = 0;
    for (const domain of this.#domains()) sum += domain.contacts;
    return sum;
  }

  /** Bytes that all domains use. */
  get bytes(): number {
    let sum = 0;
    for (const domain of this.#domains()) sum += domain.usedBytes;
    return sum;
  }

  /** The limit of a domain that uses so many bytes: what the others leave. */
  bytesFor(used: number): number {
    return Math.max(0, this.maxBytes - (this.bytes - used));
  }

  /** Counts a contact that found no room. The first one is logged, until there was room again. */
  refused(reason: string): void {
    this.#refused.add(1);
    if (this.#isFull) return;
    this.#isFull = true;
    this.#log.error({ contacts: this.contacts, bytes: this.bytes }, `contacts are refused: ${reason}`);
  }

  /** A contact found room. */
  taken(): void {
    this.#isFull = false;
  }
}
