import type { MiEvent } from '../../mi/event.js';
import type { EventParameters } from '../../mi/event-transport.js';
import type { Events } from '../../mi/events.js';
import type { Contact } from './contact.js';
import type { DomainEvent, DomainPublisher } from './events.js';

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

  aor(what: 'insert' | 'delete', domain: string, aor: string): void {
    const event = what === 'insert' ? this.#aorInsert : this.#aorDelete;
    if (event.hasSubscribers) event.raise({ domain, aor });
  }

  contact(what: DomainEvent, domain: string, aor: string, contact: () => Contact): void {
    const event = this.#contact[what];
    if (event.hasSubscribers) event.raise(this.#parametersOf(domain, aor, contact()));
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
