import { coded } from '../../base/codes.js';
import { aFunction, checkGiven } from '../../base/given.js';
import type { CodedLog } from '../../base/log.js';
import { type EventParameters, type Events, type MiEvent, onSubscribed } from '../../mi/events/events.js';
import type { Contact } from './contact.js';

/** Events of a domain; each carries the contact as it is now, or was last. */
export type DomainEvent = 'insert' | 'update' | 'delete' | 'expire';

/** A listener; what it throws, or rejects with later, is logged and changes nothing. */
export type DomainListener = (aor: string, contact: Contact) => void;

/** Receiver of the events of all domains. */
export interface DomainPublisher {
  /** An address of record has got its first contact, or lost its last one. */
  aor(what: 'insert' | 'delete', domain: string, aor: string): void;
  /** @param contact called only if a listener needs it */
  contact(what: DomainEvent, domain: string, aor: string, contact: () => Contact): void;
  /** Calls a function when somebody subscribes to what it publishes. */
  onSubscribed?(run: () => void): void;
}

/** The listeners of a domain. */
export class DomainEvents {
  readonly #listeners: Readonly<Record<DomainEvent, Set<DomainListener>>> = {
    insert: new Set(),
    update: new Set(),
    delete: new Set(),
    expire: new Set(),
  };

  /**
   * @param publisher gets every event too
   * @param watched called when a listener is added
   */
  constructor(
    readonly log: CodedLog,
    readonly domain = '',
    readonly publisher?: DomainPublisher | undefined,
    readonly watched: () => void = () => {},
  ) {}

  add(event: DomainEvent, listener: DomainListener): void {
    checkGiven(`listener of usrloc for "${event}"`, listener, aFunction);
    this.#of(event).add(listener);
    this.watched();
  }

  remove(event: DomainEvent, listener: DomainListener): void {
    this.#of(event).delete(listener);
  }

  /** Tells every listener that is there now. `contact` is only called when there is one. */
  emit(event: DomainEvent, aor: string, contact: () => Contact): void {
    this.publisher?.contact(event, this.domain, aor, contact);
    const listeners = this.#of(event);
    if (listeners.size === 0) return;
    const told = contact();
    for (const listener of [...listeners]) {
      try {
        // A listener may be asynchronous, and an unhandled rejection ends the process.
        const returned: unknown = listener(aor, told);
        if (returned instanceof Promise) returned.catch((error: unknown) => this.#failed(event, error));
      } catch (error) {
        this.#failed(event, error);
      }
    }
  }

  /** Tells that an address of record has got its first contact, or lost its last one. */
  emitAor(event: 'insert' | 'delete', aor: string): void {
    this.publisher?.aor(event, this.domain, aor);
  }

  #failed(event: DomainEvent, error: unknown): void {
    this.log.error({ code: 'contact-listener-failed', err: error, event }, `listener of usrloc for "${event}" failed`);
  }

  #of(event: DomainEvent): Set<DomainListener> {
    const listeners = Object.hasOwn(this.#listeners, event) ? this.#listeners[event] : undefined;
    if (listeners === undefined) {
      throw coded(
        'ERR_CONTACT',
        new TypeError(`event ${JSON.stringify(event)} is none of insert, update, delete and expire`),
      );
    }
    return listeners;
  }
}

/** The events of usrloc that others subscribe to, with the names and parameters of OpenSIPS. */
export class PublishedEvents implements DomainPublisher {
  readonly #aorInsert: MiEvent;
  readonly #aorDelete: MiEvent;
  readonly #contact: Readonly<Record<DomainEvent, MiEvent>>;
  readonly #firstFlag: string | undefined;

  /** @param firstFlag name of the branch flag that is bit 0 */
  constructor(events: Events, firstFlag: string | undefined) {
    this.#aorInsert = events.declare('E_UL_AOR_INSERT');
    this.#aorDelete = events.declare('E_UL_AOR_DELETE');
    const insert = events.declare('E_UL_CONTACT_INSERT');
    const update = events.declare('E_UL_CONTACT_UPDATE');
    const gone = events.declare('E_UL_CONTACT_DELETE');
    events.declareForeign(['E_UL_CONTACT_REFRESH', 'E_UL_LATENCY_UPDATE']);
    this.#contact = { insert, update, delete: gone, expire: gone };
    this.#firstFlag = firstFlag;
  }

  onSubscribed(run: () => void): void {
    const all = [this.#aorInsert, this.#aorDelete, ...Object.values(this.#contact)];
    for (const event of new Set(all)) onSubscribed(event, run);
  }

  aor(what: 'insert' | 'delete', domain: string, aor: string): void {
    const event = what === 'insert' ? this.#aorInsert : this.#aorDelete;
    if (event.isWanted) event.raise({ domain, aor });
  }

  contact(what: DomainEvent, domain: string, aor: string, contact: () => Contact): void {
    const event = this.#contact[what];
    if (event.isWanted) event.raise(this.#parametersOf(domain, aor, contact()));
  }

  #parametersOf(domain: string, aor: string, contact: Contact): EventParameters {
    const { cflags = [], q } = contact;
    return {
      domain,
      aor,
      uri: contact.contact,
      received: contact.received ?? '',
      path: contact.path ?? '',
      // In tenths, -1 when it is unset.
      qval: q === undefined ? -1 : Math.round(q * 10),
      user_agent: contact.userAgent ?? '',
      socket: contact.socket ?? '',
      bflags: this.#firstFlag !== undefined && cflags.includes(this.#firstFlag) ? 1 : 0,
      expires: contact.expiresAt,
      callid: contact.callId ?? '',
      cseq: contact.cseq ?? 0,
      attr: contact.attr ?? '',
      latency: contact.pingLatency ?? 0,
      shtag: '',
    };
  }
}
