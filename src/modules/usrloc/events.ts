import type { Log } from '../../log.js';
import type { Contact } from './contact.js';

/** What a domain tells its listeners; each gets the contact as it is now, or was last. */
export type DomainEvent = 'insert' | 'update' | 'delete' | 'expire';

/** A listener; what it throws, or rejects with later, is logged and changes nothing. */
export type DomainListener = (aor: string, contact: Contact) => void;

/** Who is told of what happens in all domains. */
export interface DomainPublisher {
  /** An address of record has got its first contact, or lost its last one. */
  aor(what: 'insert' | 'delete', domain: string, aor: string): void;
  /** @param contact only called when somebody wants it */
  contact(what: DomainEvent, domain: string, aor: string, contact: () => Contact): void;
}

/** The listeners of a domain. */
export class DomainEvents {
  readonly #listeners: Readonly<Record<DomainEvent, Set<DomainListener>>> = {
    insert: new Set(),
    update: new Set(),
    delete: new Set(),
    expire: new Set(),
  };

  /** @param publisher told too, of everything; left out, nobody is */
  constructor(
    readonly log: Log,
    readonly domain = '',
    readonly publisher?: DomainPublisher | undefined,
  ) {}

  add(event: DomainEvent, listener: DomainListener): void {
    this.#of(event).add(listener);
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
        // An asynchronous function is a listener, too, and a rejection that nobody handles ends the process.
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
    this.log.error({ err: error, event }, `listener of usrloc for "${event}" failed`);
  }

  #of(event: DomainEvent): Set<DomainListener> {
    const listeners = Object.hasOwn(this.#listeners, event) ? this.#listeners[event] : undefined;
    if (listeners === undefined) {
      throw new TypeError(`event ${JSON.stringify(event)} is none of insert, update, delete and expire`);
    }
    return listeners;
  }
}
