import { StringDecoder } from 'node:string_decoder';
import { currentSecond, secondOf } from '../../base/clock.js';
import { coded } from '../../base/codes.js';
import { isObject, type JsonObject, type JsonValue } from '../../base/json.js';
import type { CodedLog } from '../../base/log.js';
import { Slice } from '../../base/slice.js';
import { reasonOf } from '../../base/text.js';
import { explained, MiError } from '../../mi/errors.js';
import type { EventParameters } from '../../mi/events/events.js';
import type { StatusIdentifier } from '../../mi/status-reports.js';
import { type ContactInput, type OriginalMembers, parseQ } from '../usrloc/contact.js';
import type { Usrloc } from '../usrloc/usrloc.js';
import { DumpSplitter } from './dump-splitter.js';
import type { NodeEvents } from './events.js';
import type { OpensipsNode } from './node.js';

/** The events that change contacts. */
const followed = ['E_UL_CONTACT_INSERT', 'E_UL_CONTACT_UPDATE', 'E_UL_CONTACT_DELETE', 'E_UL_AOR_DELETE'] as const;

/** Bytes of a dump that are read at once. */
const pieceSize = 65536;

/** Events that are kept while a dump is read. */
const mostEvents = 100_000;

/** Seconds by which the end of a contact may differ without being another: times are whole seconds at both ends. */
const tolerance = 2;

/** Status of the mirror. */
const state = { inStep: 1, loading: -1, lost: -2 } as const;

/** The parts that a mirror works with. */
export interface MirrorParts {
  readonly node: OpensipsNode;
  readonly events: NodeEvents;
  readonly usrloc: Usrloc;
  /** In front of the names of its domains; '' for none. */
  readonly prefix?: string;
  readonly status: StatusIdentifier;
  readonly log: CodedLog;
  /** Milliseconds between two comparisons of the number of addresses of record. */
  readonly interval: number;
  /** Milliseconds that a dump may take. */
  readonly timeout: number;
  /** Events that are kept while a dump is read, unless it is 100,000. */
  readonly mostEvents?: number;
}

/**
 * The contacts of an OpenSIPS in the record tables of usrloc: loaded by `ul_dump`, and kept in step by its events. When an
 * event may have been lost, all of them are loaded anew, which changes nothing that is as it was.
 */
export class ContactMirror {
  readonly #parts: MirrorParts;
  readonly #mostEvents: number;
  readonly #prefix: string;
  /** Addresses of record that are mirrored, by domain. */
  readonly #known = new Map<string, Set<string>>();
  /** Events that came while a dump is read; undefined: none is read. */
  #queue: (readonly [name: string, parameters: EventParameters])[] | undefined;
  #loading: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** By {@link currentSecond}, when it was last known to be in step; undefined: never. */
  #provedAt: number | undefined;
  #wasOff = false;
  #problem = '';
  #isClosed = false;

  constructor(parts: MirrorParts) {
    this.#parts = parts;
    this.#mostEvents = parts.mostEvents ?? mostEvents;
    this.#prefix = parts.prefix ?? '';
    parts.events.follow(followed, (name, parameters) => this.#told(name, parameters));
  }

  /** Seconds since it was last known to be in step. */
  get age(): number {
    return this.#provedAt === undefined ? Number.NaN : currentSecond() - this.#provedAt;
  }

  /** Loads all contacts. Calls while they are loaded join that. */
  load(): Promise<void> {
    this.#loading ??= this.#load()
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#loading = undefined;
        this.#queue = undefined;
        this.#checkLater();
      });
    return this.#loading;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  async #load(): Promise<void> {
    const { node, events, status, timeout } = this.#parts;
    clearTimeout(this.#timer);
    if (node.hasLines)
      throw coded('ERR_NODE', new Error('dumps of OpenSIPS 2.x have another form, which is not mirrored'));
    if (this.#provedAt === undefined) status.set(state.loading, 'loading contacts');
    // First the events, so that none falls between them and the dump.
    this.#queue = [];
    await events.subscribeFollowed();
    const result = await node.upstream.call({
      method: node.nameOf('ul_dump') ?? 'ul_dump',
      isReadOnly: true,
      isLarge: true,
      timeout,
    });
    const seen = new Map<string, Set<string>>();
    const slice = new Slice();
    const splitter = new DumpSplitter();
    for await (const piece of typeof result === 'string' ? [result] : textsOf(result)) {
      for (const { domain, record } of splitter.push(piece)) {
        if (this.#isClosed) return;
        this.#mirror(this.#prefix + domain, record, seen);
        if (slice.isOver) await slice.rest();
      }
    }
    if (!splitter.isComplete) throw coded('ERR_NODE', new Error('the dump has no end'));
    for (const [domain, aors] of this.#known) {
      for (const aor of aors) {
        if (seen.get(domain)?.has(aor) === true) continue;
        this.#parts.usrloc.find(domain)?.remove(aor);
        if (slice.isOver) await slice.rest();
      }
    }
    this.#known.clear();
    for (const [domain, aors] of seen) this.#known.set(domain, aors);
    const queue = this.#queue ?? [];
    if (queue.length > this.#mostEvents) {
      throw coded('ERR_NODE', new Error(`more than ${this.#mostEvents} events came while contacts were loaded`));
    }
    for (const [name, parameters] of queue) this.#apply(name, parameters);
    this.#proved();
    status.report(`${this.#count} addresses of record loaded`);
  }

  #mirror(domain: string, record: JsonObject, seen: Map<string, Set<string>>): void {
    const { AOR: aor, Contacts: contacts } = record;
    if (typeof aor !== 'string' || !Array.isArray(contacts)) return;
    const kept = new Set<string>();
    for (const one of contacts as readonly JsonValue[]) {
      const contact = isObject(one) ? dumped(one) : undefined;
      if (contact === undefined) continue;
      kept.add(contact.input.contact);
      this.#put(domain, aor, contact);
    }
    const there = this.#parts.usrloc.find(domain)?.lookup(aor) ?? [];
    for (const { contact } of there) if (!kept.has(contact)) this.#parts.usrloc.find(domain)?.remove(aor, contact);
    if (kept.size > 0) added(seen, domain, aor);
  }

  #put(domain: string, aor: string, { input, at, original }: Mirrored): void {
    try {
      const table = this.#parts.usrloc.domain(domain);
      const now = currentSecond();
      const before = table.lookup(aor).find(({ contact }) => contact === input.contact);
      if (before !== undefined) {
        const end = before.expires === 'permanent' ? 0 : now + before.expires;
        const isSame =
          before.callId === input.callId &&
          before.cseq === input.cseq &&
          before.socket === input.socket &&
          (original.contactId ?? before.contactId) === before.contactId;
        if (isSame && Math.abs(end - at) <= tolerance) return;
      }
      table.put(aor, input, at, original);
    } catch (error) {
      this.#parts.log.warn(
        { code: 'opensips-contact-not-mirrored', node: this.#parts.node.name, aor },
        `a contact of ${aor} in OpenSIPS ${this.#parts.node.name} is not mirrored: ${reasonOf(error)}`,
      );
    }
  }

  #told(name: string, parameters: EventParameters): void {
    if (this.#queue !== undefined) {
      // One more than are kept says that some were not.
      if (this.#queue.length <= this.#mostEvents) this.#queue.push([name, parameters]);
    } else if (this.#provedAt !== undefined) {
      this.#apply(name, parameters);
      this.#proved();
    }
  }

  #apply(name: string, parameters: EventParameters): void {
    if (Array.isArray(parameters)) return;
    const told = parameters as Readonly<Record<string, JsonValue>>;
    const { domain: table, aor } = told;
    if (typeof table !== 'string' || typeof aor !== 'string') return;
    const domain = this.#prefix + table;
    const kept = this.#parts.usrloc.find(domain);
    const uri = told.uri ?? told.address;
    if (name === 'E_UL_AOR_DELETE') kept?.remove(aor);
    else if (typeof uri !== 'string') return;
    else if (name === 'E_UL_CONTACT_DELETE') kept?.remove(aor, uri);
    else this.#put(domain, aor, raised(uri, told));
    if (this.#parts.usrloc.find(domain)?.has(aor) === true) added(this.#known, domain, aor);
    else this.#known.get(domain)?.delete(aor);
  }

  get #count(): number {
    return [...this.#known.values()].reduce((sum, { size }) => sum + size, 0);
  }

  #proved(): void {
    this.#provedAt = currentSecond();
    this.#problem = '';
    this.#parts.status.set(state.inStep, `${this.#count} addresses of record`);
  }

  #failed(error: unknown): void {
    if (this.#isClosed) return;
    const { node, status, log } = this.#parts;
    const reason = error instanceof MiError ? explained(error) : reasonOf(error);
    status.set(state.lost, reason);
    if (reason === this.#problem) return;
    this.#problem = reason;
    status.report(reason);
    log.warn(
      { code: 'opensips-mirror-lost', node: node.name },
      `the contacts of OpenSIPS ${node.name} are not mirrored, which is tried again: ${reason}`,
    );
  }

  #checkLater(): void {
    clearTimeout(this.#timer);
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.#check(), this.#parts.interval);
  }

  /** Compares the numbers of addresses of record. Registrations go on meanwhile, so that it is off when it is twice. */
  async #check(): Promise<void> {
    const { node } = this.#parts;
    try {
      const told = await node.ask(node.nameOf('get_statistics') ?? 'get_statistics', [['registered_users']], {
        isReadOnly: true,
        isLarge: false,
      });
      const users = isObject(told) ? Number(told['usrloc:registered_users']) : Number.NaN;
      const isOff = this.#provedAt === undefined || this.#parts.status.status < 0 || users !== this.#count;
      if (!isOff) this.#proved();
      const isGap = isOff && (this.#wasOff || this.#provedAt === undefined);
      this.#wasOff = isOff && !isGap;
      if (isGap) return await this.load();
    } catch {
      // A node that is down is told of elsewhere, and loads all anew when it is back.
    }
    this.#checkLater();
  }
}

/** A contact to be kept, and the second at which it ends; 0: never. */
interface Mirrored {
  readonly input: Omit<ContactInput, 'expires'>;
  readonly at: number;
  /** Events tell none. */
  readonly original: OriginalMembers;
}

/** A contact of a dump; undefined for one that is over. */
function dumped(contact: JsonObject): Mirrored | undefined {
  const { Contact: uri, Expires: expires, Cflags: cflags } = contact;
  if (typeof uri !== 'string') return undefined;
  if (typeof expires !== 'number' && expires !== 'permanent') return undefined;
  return {
    at: expires === 'permanent' ? 0 : currentSecond() + expires,
    original: {
      contactId: text(contact.ContactID),
      state: text(contact.State),
      keyValues: text(contact['KV-Store']),
    },
    input: {
      contact: uri,
      q: typeof contact.Q === 'string' && contact.Q !== '' ? parseQ(contact.Q) : undefined,
      callId: text(contact.Callid),
      cseq: number(contact.Cseq),
      userAgent: text(contact['User-agent']),
      received: text(contact.Received),
      path: text(contact.Path),
      flags: number(contact.Flags),
      cflags: typeof cflags === 'string' && cflags !== '' ? cflags.split(' ') : undefined,
      socket: text(contact.Socket),
      methods: number(contact.Methods),
      attr: text(contact.Attr),
      sipInstance: text(contact.SIP_instance),
      pingLatency: number(contact['Ping-Latency']),
    },
  };
}

/** A contact of an event, whose end is a date. */
function raised(uri: string, told: Readonly<Record<string, JsonValue>>): Mirrored {
  const { expires, qval } = told;
  return {
    at: typeof expires === 'number' && expires !== 0 ? secondOf(expires) : 0,
    original: {},
    input: {
      contact: uri,
      // In tenths, and below 0 when it is unset.
      q: typeof qval === 'number' && qval >= 0 ? qval / 10 : undefined,
      callId: text(told.callid),
      cseq: number(told.cseq),
      userAgent: text(told.user_agent),
      received: text(told.received),
      path: text(told.path),
      socket: text(told.socket),
      attr: text(told.attr),
      pingLatency: number(told.latency),
    },
  };
}

function text(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function number(value: JsonValue | undefined): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

function added(sets: Map<string, Set<string>>, domain: string, aor: string): void {
  const aors = sets.get(domain) ?? new Set<string>();
  sets.set(domain, aors.add(aor));
}

async function* textsOf(cursor: { fill(buffer: Buffer): number | Promise<number>; release(): void }) {
  const decoder = new StringDecoder('utf8');
  try {
    for (;;) {
      const buffer = Buffer.allocUnsafe(pieceSize);
      const written = await cursor.fill(buffer);
      if (written === 0) return;
      yield decoder.write(buffer.subarray(0, written));
    }
  } finally {
    cursor.release();
  }
}
