import { StringDecoder } from 'node:string_decoder';
import { currentSecond, secondOf } from '../../base/clock.js';
import { coded } from '../../base/codes.js';
import { isObject, type JsonObject, type JsonValue } from '../../base/json.js';
import { type CodedLog, LineRate } from '../../base/log.js';
import { Slice } from '../../base/slice.js';
import { reasonOf, shorten } from '../../base/text.js';
import { explained, MiError } from '../../mi/errors.js';
import type { EventParameters } from '../../mi/events/events.js';
import type { StatusIdentifier } from '../../mi/status-reports.js';
import { type ContactInput, type OriginalMembers, parseQ, type ReadContact } from '../usrloc/contact.js';
import type { Domain } from '../usrloc/domain.js';
import type { Usrloc } from '../usrloc/usrloc.js';
import { DumpSplitter } from './dump-splitter.js';
import type { NodeEvents } from './events.js';
import type { OpensipsNode } from './node.js';
import { nodesOf, recordOf } from './tree.js';

/** The events that change contacts. */
const followed = ['E_UL_CONTACT_INSERT', 'E_UL_CONTACT_UPDATE', 'E_UL_CONTACT_DELETE', 'E_UL_AOR_DELETE'] as const;

/** Bytes of a dump that are read at once. */
const pieceSize = 65536;

/** Events that are kept while a dump is read. */
const mostEvents = 100_000;

/** Addresses of record that wait to be asked for. */
const mostAsked = 10_000;

/** Seconds by which the end of a contact may differ without being another: times are whole seconds at both ends. */
const tolerance = 2;

/** The error of OpenSIPS for an address of record that is not there. */
const notFound = 404;
/** Domains that a mirror makes. */
const mostDomains = 64;

/** Contacts of one address of record that cannot be kept, behind which no more of it are tried. */
const mostFailures = 16;

/** UTF-16 units of what a node tells that a line of the log repeats. */
const longestShown = 256;
const longestReason = 1024;

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
  /** Addresses of record that wait to be asked for, unless it is 10,000. */
  readonly mostAsked?: number;
}

/** An address of record that OpenSIPS is asked for, since its events do not tell all. */
interface Asked {
  /** As OpenSIPS names it. */
  readonly domain: string;
  readonly aor: string;
  /** True if its contacts are not known but from the answer: without one there are none. */
  readonly isBlind: boolean;
}

/**
 * The contacts of an OpenSIPS in the record tables of usrloc: loaded by `ul_dump`, and kept in step by its events. When an
 * event may have been lost, all of them are loaded anew, which changes nothing that is as it was.
 *
 * Events do not have all members of a contact. The address of record of a contact that is new is asked for, one after the other,
 * so that its contacts are what a dump would have.
 */
export class ContactMirror {
  readonly #parts: MirrorParts;
  readonly #mostEvents: number;
  readonly #mostAsked: number;
  readonly #prefix: string;
  /** Addresses of record that are mirrored, by domain. */
  readonly #known = new Map<string, Set<string>>();
  /** Events that came while a dump is read; undefined: none is read. */
  #queue: (readonly [name: string, parameters: EventParameters])[] | undefined;
  #loading: Promise<void> | undefined;
  /** Domains of the last dump, as OpenSIPS names them. */
  #domains: readonly string[] = [];
  /** By domain and address of record. */
  readonly #asked = new Map<string, Asked>();
  /** The one that OpenSIPS was asked for; undefined: none, or an event has told of another state meanwhile. */
  #asking: string | undefined;
  #isAsking = false;
  /** True when contacts have changed in a way that neither events nor answers told. */
  #isBehind = false;
  #timer: NodeJS.Timeout | undefined;
  /** By {@link currentSecond}, when it was last known to be in step; undefined: never. */
  #provedAt: number | undefined;
  #wasOff = false;
  #problem = '';
  #isClosed = false;
  readonly #lines = new LineRate();
  /** Domains that it has made. */
  #domainCount = 0;

  constructor(parts: MirrorParts) {
    this.#parts = parts;
    this.#mostEvents = parts.mostEvents ?? mostEvents;
    this.#mostAsked = parts.mostAsked ?? mostAsked;
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
    if (this.#provedAt === undefined) status.set(state.loading, 'loading contacts');
    // First the events, so that none falls between them and the dump.
    this.#queue = [];
    this.#asked.clear();
    this.#asking = undefined;
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
        const steps = this.#mirrorSteps(this.#prefix + domain, record);
        for (let step = steps.next(); ; step = steps.next()) {
          if (this.#isClosed) return;
          if (step.value === true) added(seen, this.#prefix + domain, String(record.AOR));
          if (slice.isOver) await slice.rest();
          if (step.done === true) break;
        }
      }
    }
    if (!splitter.isComplete) throw coded('ERR_NODE', new Error('the dump has no end, or no list of domains'));
    for (const [domain, aors] of this.#known) {
      for (const aor of aors) {
        if (seen.get(domain)?.has(aor) === true) continue;
        this.#parts.usrloc.find(domain)?.remove(aor);
        if (slice.isOver) await slice.rest();
      }
    }
    this.#known.clear();
    for (const [domain, aors] of seen) this.#known.set(domain, aors);
    this.#domains = [...splitter.domains];
    this.#isBehind = false;
    const queue = this.#queue ?? [];
    // More may come while these are done.
    for (let at = 0; at < queue.length && queue.length <= this.#mostEvents; at += 1) {
      const [name, parameters] = queue[at] ?? ['', {}];
      this.#apply(name, parameters);
      if (slice.isOver) await slice.rest();
      if (this.#isClosed) return;
    }
    if (queue.length > this.#mostEvents) {
      throw coded('ERR_NODE', new Error(`more than ${this.#mostEvents} events came while contacts were loaded`));
    }
    this.#proved();
    status.report(`${this.#count} addresses of record loaded`);
  }

  /** Makes an address of record what a record of OpenSIPS has. @returns false where that has no contact */
  #mirror(domain: string, record: JsonObject): boolean {
    const steps = this.#mirrorSteps(domain, record);
    for (let step = steps.next(); ; step = steps.next()) if (step.done === true) return step.value;
  }

  /** {@link #mirror} contact by contact: an address of record may have many, and each one is encoded with those before it. */
  *#mirrorSteps(domain: string, record: JsonObject): Generator<undefined, boolean> {
    const { AOR: aor, Contacts: contacts } = record;
    if (typeof aor !== 'string' || !Array.isArray(contacts)) return false;
    const kept = new Set<string>();
    let failures = 0;
    for (const one of contacts as readonly JsonValue[]) {
      const contact = isObject(one) ? dumped(one) : undefined;
      if (contact === undefined) continue;
      kept.add(contact.input.contact);
      // Each attempt reads all contacts of the address anew.
      if (!this.#put(domain, aor, contact)) failures += 1;
      if (failures === mostFailures) break;
      yield;
    }
    const there = this.#parts.usrloc.find(domain)?.lookup(aor) ?? [];
    for (const { contact } of there) if (!kept.has(contact)) this.#parts.usrloc.find(domain)?.remove(aor, contact);
    return kept.size > 0;
  }

  /** @returns false for one that cannot be kept */
  #put(domain: string, aor: string, { input, at, original }: Mirrored): boolean {
    try {
      const table = this.#parts.usrloc.find(domain) ?? this.#newDomain(domain);
      const now = currentSecond();
      const before = table.lookup(aor).find(({ contact }) => contact === input.contact);
      if (before !== undefined) {
        const end = before.expires === 'permanent' ? 0 : now + before.expires;
        const isSame =
          before.callId === input.callId &&
          before.cseq === input.cseq &&
          before.socket === input.socket &&
          (original.contactId ?? before.contactId) === before.contactId;
        if (isSame && Math.abs(end - at) <= tolerance) return true;
      }
      table.put(aor, input, at, original);
      return true;
    } catch (error) {
      // There may be one in each line of a dump, and a dump may be loaded often.
      if (this.#lines.isDue('contact')) {
        const shown = shorten(aor, longestShown, '…');
        this.#parts.log.warn(
          { code: 'opensips-contact-not-mirrored', node: this.#parts.node.name, aor: shown },
          `a contact of ${shown} in OpenSIPS ${this.#parts.node.name} is not mirrored, of which one a minute is told: ` +
            shorten(reasonOf(error), longestShown, '…'),
        );
      }
      return false;
    }
  }

  /** A domain has statistics, which stay, and its name comes from a dump, or from whatever program sends an event. */
  #newDomain(name: string): Domain {
    if (this.#domainCount >= mostDomains) {
      throw coded('ERR_NODE', new Error(`${mostDomains} domains are mirrored, as many as may`));
    }
    const domain = this.#parts.usrloc.domain(name);
    this.#domainCount += 1;
    return domain;
  }

  #told(name: string, parameters: EventParameters): void {
    if (this.#queue !== undefined) {
      // One more than are kept says that some were not.
      if (this.#queue.length <= this.#mostEvents) this.#queue.push([name, parameters]);
    } else if (this.#provedAt !== undefined) {
      this.#apply(name, parameters);
      if (!this.#isBehind) this.#proved();
    }
  }

  #apply(name: string, parameters: EventParameters): void {
    if (Array.isArray(parameters)) return;
    const told = parameters as Readonly<Record<string, JsonValue>>;
    const { aor } = told;
    if (typeof aor !== 'string' || aor === '') return;
    // Events of 2.x name no domain.
    const table = text(told.domain) ?? (this.#domains.length === 1 ? this.#domains[0] : undefined);
    if (table === undefined) {
      for (const one of this.#domains) this.#ask({ domain: one, aor, isBlind: true });
      if (this.#domains.length === 0) this.#isBehind = true;
      return;
    }
    const key = keyOf(table, aor);
    if (this.#asking === key) this.#asking = undefined;
    const domain = this.#prefix + table;
    const kept = this.#parts.usrloc.find(domain);
    const uri = told.uri ?? told.address;
    if (name === 'E_UL_AOR_DELETE') kept?.remove(aor);
    else if (typeof uri !== 'string') return;
    else if (name === 'E_UL_CONTACT_DELETE') kept?.remove(aor, uri);
    else if (this.#putRaised(domain, aor, uri, told)) this.#ask({ domain: table, aor, isBlind: false });
    this.#note(domain, aor);
  }

  /** @returns true for a contact that was not there, of which the event does not tell all */
  #putRaised(domain: string, aor: string, uri: string, told: Readonly<Record<string, JsonValue>>): boolean {
    const contacts = this.#parts.usrloc.find(domain)?.record(aor)?.Contacts;
    const before = contacts?.find(({ Contact }) => Contact === uri);
    this.#put(domain, aor, raised(uri, told, before));
    return before === undefined;
  }

  #note(domain: string, aor: string): void {
    if (this.#parts.usrloc.find(domain)?.has(aor) === true) added(this.#known, domain, aor);
    else this.#known.get(domain)?.delete(aor);
  }

  /** Asks OpenSIPS for an address of record, behind those that it is asked for already. */
  #ask(asked: Asked): void {
    const key = keyOf(asked.domain, asked.aor);
    // What was asked for is older than the event.
    if (this.#asking === key) this.#asking = undefined;
    const isBlind = asked.isBlind || this.#asked.get(key)?.isBlind === true;
    if (this.#asked.size >= this.#mostAsked && !this.#asked.has(key)) {
      this.#isBehind ||= isBlind;
      return;
    }
    this.#asked.set(key, { ...asked, isBlind });
    if (!this.#isAsking) void this.#askAll();
  }

  async #askAll(): Promise<void> {
    this.#isAsking = true;
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      const [key, asked] = next;
      this.#asked.delete(key);
      this.#asking = key;
      const told = await this.#show(asked);
      if (this.#isClosed) break;
      const isCurrent = this.#asking === key;
      this.#asking = undefined;
      if (told === undefined) this.#isBehind ||= asked.isBlind;
      else if (isCurrent) this.#answered(asked, told);
      else if (this.#queue === undefined) this.#asked.set(key, asked);
    }
    this.#isAsking = false;
  }

  #next(): readonly [key: string, asked: Asked] | undefined {
    const [next] = this.#isClosed ? [] : this.#asked;
    return next;
  }

  /** @returns undefined without an answer, `null` where there is no such address of record */
  async #show({ domain, aor }: Asked): Promise<JsonValue | undefined> {
    const { node } = this.#parts;
    try {
      const method = node.nameOf('ul_show_contact') ?? 'ul_show_contact';
      return await node.ask(method, [domain, aor], { isReadOnly: true, isLarge: false });
    } catch (error) {
      return error instanceof MiError && error.code === notFound ? null : undefined;
    }
  }

  #answered({ domain: table, aor, isBlind }: Asked, told: JsonValue): void {
    const domain = this.#prefix + table;
    const [record] = isObject(told) && told.Contacts === undefined ? nodesOf(told.AOR).map(recordOf) : [told];
    if (isObject(record)) this.#mirror(domain, record);
    else if (isBlind) this.#parts.usrloc.find(domain)?.remove(aor);
    this.#note(domain, aor);
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
    const reason = shorten(error instanceof MiError ? explained(error) : reasonOf(error), longestReason, '…');
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
      const wanted = node.hasLines ? 'registered_users' : ['registered_users'];
      const told = await node.ask(node.nameOf('get_statistics') ?? 'get_statistics', [wanted], {
        isReadOnly: true,
        isLarge: false,
      });
      const users = isObject(told) ? Number(told['usrloc:registered_users']) : Number.NaN;
      const isLost = this.#provedAt === undefined || this.#isBehind;
      const isOff = isLost || this.#parts.status.status < 0 || users !== this.#count;
      if (!isOff) this.#proved();
      const isGap = isOff && (this.#wasOff || isLost);
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
  /** Members that a registrar makes by itself. */
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

/** A contact of an event, whose end is a date. Events do not tell all members: the others are what they were before. */
function raised(uri: string, told: Readonly<Record<string, JsonValue>>, before: Partial<ReadContact> = {}): Mirrored {
  const expires = number(told.expires) ?? 0;
  const qval = number(told.qval) ?? -1;
  const cflags = before.Cflags ?? '';
  return {
    at: expires === 0 ? 0 : secondOf(expires),
    original: { contactId: before.ContactID, state: before.State, keyValues: before['KV-Store'] },
    input: {
      contact: uri,
      // In tenths. One that is unset is -1, which 2.x prints as a number without a sign.
      q: qval >= 0 && qval <= 10 ? qval / 10 : undefined,
      callId: text(told.callid),
      cseq: number(told.cseq),
      // 2.x does not tell it.
      userAgent: told.user_agent === undefined ? before['User-agent'] : text(told.user_agent),
      received: text(told.received),
      path: text(told.path),
      flags: before.Flags,
      cflags: cflags === '' ? undefined : cflags.split(' '),
      socket: text(told.socket),
      methods: before.Methods,
      attr: text(told.attr),
      sipInstance: before.SIP_instance,
      pingLatency: number(told.latency),
    },
  };
}

function text(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** A number, or a text of one: events of 2.x have texts alone. */
function number(value: JsonValue | undefined): number | undefined {
  if (typeof value !== 'string') return typeof value === 'number' ? value : undefined;
  return value === '' || !Number.isFinite(Number(value)) ? undefined : Number(value);
}

function keyOf(domain: string, aor: string): string {
  return `${domain}\n${aor}`;
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
