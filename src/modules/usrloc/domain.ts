import { randomInt } from 'node:crypto';
import { currentSecond } from '../../base/clock.js';
import { coded, type ErrorCode } from '../../base/codes.js';
import type { CodedLog } from '../../base/log.js';
import { Slice } from '../../base/slice.js';
import type { RecordDatabase } from '../../mi/results/record-database.js';
import {
  deleteUnchanged,
  type FindOptions,
  type Found,
  keepIn,
  marksOf,
  RecordLimitError,
  type RecordTable,
  setUnchanged,
  sharedNumberOf,
  type TableDump,
  versionOf,
  writeAgain,
} from '../../mi/results/record-table.js';
import type { Statistic } from '../../mi/statistics.js';
import {
  type Contact,
  type ContactInput,
  contactOf,
  expiresAt,
  expiresHole,
  expiryOf,
  isExpired,
  type OriginalMembers,
  qRank,
  type ReadContact,
  type StoredContact,
  storedContact,
} from './contact.js';
import type { DomainEvent, DomainEvents, DomainListener } from './events.js';

/** Longest address of record in characters; one is three bytes of UTF-8 at most, so it fits every table. */
const maxAorLength = 4096;

/** Longest record of an address of record in bytes: reading, changing and writing one takes well under a millisecond. */
export const maxRecordBytes = 65536;

/** The stored form of an address of record, as `ul_dump` shows it. */
export interface AorRecord {
  readonly AOR: string;
  readonly Contacts: readonly ReadContact[];
}

/** How the domains of a server keep their contacts. */
export interface DomainOptions {
  /** True if addresses of record keep their domain. */
  readonly useDomain: boolean;
  readonly newestFirst: boolean;
  readonly keyValues: boolean;
}

/** The parts of a domain. */
interface DomainParts {
  readonly table: RecordTable<AorRecord>;
  readonly options: DomainOptions;
  readonly events: DomainEvents;
  /** Counts the contacts that expired; undefined where none does. */
  readonly expired: Statistic | undefined;
  /** Limits that all domains of the server share. */
  readonly room: Room;
  /** Those of all threads; left out, this one alone adds contacts. */
  readonly ids?: ContactIds;
}

/** The contacts of an address of record as they were read, with absolute times. */
interface ReadAor {
  readonly contacts: readonly StoredContact[];
  readonly now: number;
  /** As it has to be when what was made of them is written. */
  readonly version: number;
}

/** An address of record is not one that the server can keep. */
export class AorError extends Error {
  override readonly name: string = 'AorError';
  readonly code: ErrorCode = 'ERR_AOR';
}

/** With `use_domain`, an address of record has to have one. The message is the one that clients of OpenSIPS know. */
export class DomainMissingError extends AorError {
  override readonly name = 'DomainMissingError';

  constructor() {
    super('Domain missing in AOR');
  }
}

/** There is no room for a contact: its address of record, or the server, has as many as it can have. */
export class ContactLimitError extends Error {
  override readonly name = 'ContactLimitError';
  readonly code: ErrorCode = 'ERR_CONTACT_LIMIT';
}

/** Loads the contacts of a domain from a database, and keeps all changes there; how many were loaded. */
export let keepDomain: (domain: Domain, database: RecordDatabase) => Promise<number>;

/** Has an address of record written to its database again; returns whether there is one. */
export let writeAorAgain: (domain: Domain, aor: string) => boolean;

/** The number by which other threads open the table of a domain. */
export let numberOfDomain: (domain: Domain) => number;

/**
 * A table of addresses of record and their contacts. All of it lives outside of the JavaScript heap, encoded as the
 * JSON that a dump shows.
 */
export class Domain {
  readonly #parts: DomainParts;
  readonly #ids: ContactIds;

  static {
    keepDomain = (domain, database) => domain.#keepIn(database);
    numberOfDomain = (domain) => sharedNumberOf(domain.#parts.table);
    writeAorAgain = (domain, aor) => writeAgain(domain.#parts.table, aor);
  }

  /** For {@link Usrloc}. */
  constructor(
    readonly name: string,
    parts: DomainParts,
  ) {
    this.#parts = parts;
    this.#ids = parts.ids ?? new ContactIds();
  }

  /** Addresses of record that have contacts. */
  get users(): number {
    return this.#parts.table.size;
  }

  /** Bytes of memory that the contacts use, as `max_bytes` counts them. */
  get usedBytes(): number {
    return this.#parts.table.usedBytes;
  }

  /** Contacts, those that have expired but have not been deleted yet included. */
  get contacts(): number {
    // Each has one time.
    return marksOf(this.#parts.table);
  }

  /** Calls `listener` for each contact that is inserted, updated, deleted or expired, by a program or by a command. */
  on(event: DomainEvent, listener: DomainListener): this {
    this.#parts.events.add(event, listener);
    return this;
  }

  off(event: DomainEvent, listener: DomainListener): this {
    this.#parts.events.remove(event, listener);
    return this;
  }

  /**
   * Adds a contact. One that has expired is not there, though replacing it is an update to listeners.
   *
   * @throws Error when the address of record has this contact already; as {@link save}
   */
  insert(aor: string, input: ContactInput): Contact {
    const key = this.key(aor);
    for (;;) {
      const read = this.#read(key);
      const { contacts, now } = read;
      if (contacts.some(({ Contact, Expires }) => Contact === input.contact && !isExpired(Expires, now))) {
        throw coded(
          'ERR_CONTACT',
          new Error(`contact ${input.contact} of ${key} is there already; update it, or save it either way`),
        );
      }
      const stored = this.#put(key, read, input, expiryOf(input.expires, now));
      if (stored !== undefined) return contactOf(stored, now);
    }
  }

  /**
   * Changes members of a contact; those that are not given stay as they are. One that has expired is not there.
   *
   * @returns undefined when the address of record has no such contact
   * @throws RangeError or TypeError as {@link save}
   */
  update(aor: string, contact: string, changes: Partial<Omit<ContactInput, 'contact'>>): Contact | undefined {
    const key = this.key(aor);
    const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
    for (;;) {
      const read = this.#read(key);
      const { contacts, now } = read;
      const found = contacts.find((one) => one.Contact === contact);
      if (found === undefined || isExpired(found.Expires, now)) return undefined;
      const at = changes.expires === undefined ? found.Expires : expiryOf(changes.expires, now);
      const stored = this.#put(key, read, { ...contactOf(found, now), ...given, contact }, at);
      if (stored !== undefined) return contactOf(stored, now);
    }
  }

  /**
   * Adds a contact, or replaces the one with this URI, which keeps its id.
   *
   * @throws RangeError or TypeError that names a wrong member; {@link AorError}, {@link ContactLimitError}
   */
  save(aor: string, input: ContactInput): Contact {
    const now = currentSecond();
    return contactOf(this.put(aor, input, expiryOf(input.expires, now)), now);
  }

  /**
   * As {@link save}, with the time of expiry as a second of {@link currentSecond}, past ones too; 0: permanent.
   *
   * @param original members of a contact that is mirrored
   */
  put(aor: string, input: Omit<ContactInput, 'expires'>, at: number, original: OriginalMembers = {}): StoredContact {
    const key = this.key(aor);
    for (;;) {
      const stored = this.#put(key, this.#read(key), input, at, original);
      if (stored !== undefined) return stored;
    }
  }

  /** @returns undefined when the address of record has changed since it was read; then nothing has been done */
  #put(
    key: string,
    { contacts, version }: ReadAor,
    input: Omit<ContactInput, 'expires'>,
    at: number,
    original: OriginalMembers = {},
  ): StoredContact | undefined {
    const { options, events } = this.#parts;
    if (key === '') throw new AorError('address of record is empty; give user@domain or user');
    if (input.keyValues !== undefined && !options.keyValues) {
      throw coded('ERR_CONTACT', new RangeError('keyValues are not kept; set mi_dump_kv_store to 1'));
    }
    const index = contacts.findIndex(({ Contact }) => Contact === input.contact);
    const before = contacts[index];
    if (before === undefined && contacts.length >= maxContacts) {
      throw new ContactLimitError(`${key} has ${maxContacts} contacts, the most that one can have; remove some`);
    }
    const taken = contacts.map(({ ContactID }) => ContactID);
    const id =
      original.contactId ?? before?.ContactID ?? (taken.length === 0 ? this.#ids.first(key) : this.#ids.next(taken));
    const stored = storedContact(input, id, at, original);
    const placing = placed(contacts, index, stored, options.newestFirst);
    if (!this.#fit(key, placing, contacts.length, version)) return undefined;
    if (contacts.length === 0) events.emitAor('insert', key);
    events.emit(before === undefined ? 'insert' : 'update', key, () => contactOf(stored, currentSecond()));
    return stored;
  }

  /**
   * Deletes a contact, or all contacts of an address of record.
   *
   * @returns how many were deleted
   */
  remove(aor: string, contact?: string): number {
    const key = this.key(aor);
    const { before, kept, now } = this.#keep(key, ({ Contact }) => contact !== undefined && Contact !== contact);
    this.#tell('delete', key, before, kept, now);
    return before.length - kept.length;
  }

  /** Deletes all contacts of an address of record but some. */
  #keep(
    key: string,
    isKept: (contact: StoredContact, now: number) => boolean,
  ): { readonly before: readonly StoredContact[]; readonly kept: readonly StoredContact[]; readonly now: number } {
    for (;;) {
      const { contacts, now, version } = this.#read(key);
      const kept = contacts.filter((one) => isKept(one, now));
      const isDone = kept.length === contacts.length || this.#write(key, kept, version);
      if (isDone) return { before: contacts, kept, now };
    }
  }

  /** The contacts of an address of record that have not expired, in the order in which they are to be tried. */
  lookup(aor: string): readonly Contact[] {
    const { contacts, now } = this.#read(this.key(aor));
    return contacts.filter(({ Expires }) => !isExpired(Expires, now)).map((one) => contactOf(one, now));
  }

  /** The record of an address of record as `ul_show_contact` shows it; undefined when there is none. */
  record(aor: string): AorRecord | undefined {
    return this.#parts.table.get(this.key(aor));
  }

  has(aor: string): boolean {
    return this.#parts.table.has(this.key(aor));
  }

  /** All addresses of record, or their names alone, for the result of a command. */
  dump(brief: boolean): TableDump {
    return this.#parts.table.dump(brief ? { as: 'keys', member: 'AOR' } : {});
  }

  /** Addresses of record that have a text; see {@link RecordTable.find}. */
  find(text: string, options?: FindOptions): Promise<Found<AorRecord>> {
    return this.#parts.table.find(text, options);
  }

  /** The key of the address of record that a text names, as it is or as a SIP URI, if it has contacts. */
  named(text: string): string | undefined {
    const address = addressOf(text);
    for (const aor of [text, address]) {
      try {
        const key = this.key(aor);
        if (key !== '' && this.#parts.table.has(key)) return key;
      } catch (error) {
        if (!(error instanceof AorError)) throw error;
      }
    }
    return undefined;
  }

  /** The addresses of record that have contacts which expired, in batches; see {@link RecordTable.due}. */
  due(now: number): Generator<readonly string[], void, undefined> {
    return this.#parts.table.due(now);
  }

  /**
   * Loads the contacts that a database has of this domain, and keeps all changes there from now on. Those that have expired are
   * deleted without a word.
   *
   * @returns how many were loaded
   */
  async #keepIn(database: RecordDatabase): Promise<number> {
    const { table } = this.#parts;
    // Each contact has one time.
    const { marks } = await keepIn(database, this.name, table, true);
    let expired = 0;
    const slice = new Slice();
    for (const keys of this.due(currentSecond())) {
      for (const key of keys) {
        const { before, kept } = this.#keep(key, isLasting);
        expired += before.length - kept.length;
        if (slice.isOver) await slice.rest();
      }
      if (slice.isOver) await slice.rest();
    }
    return marks - expired;
  }

  /** Deletes the expired contacts of an address of record as {@link due} names it; returns how many there were. */
  expire(key: string): number {
    const { before, kept, now } = this.#keep(key, isLasting);
    const gone = before.length - kept.length;
    if (gone > 0) {
      this.#parts.expired?.add(gone);
      this.#tell('expire', key, before, kept, now);
    }
    return gone;
  }

  /**
   * The key of an address of record: its user part, or all of it with `use_domain`.
   *
   * @throws AorError when the domain is missing, or for a text that is too long or not well-formed
   */
  key(aor: string): string {
    const at = aor.indexOf('@');
    if (this.#parts.options.useDomain && at < 0) throw new DomainMissingError();
    const key = this.#parts.options.useDomain || at < 0 ? aor : aor.slice(0, at);
    if (key.length > maxAorLength) {
      throw new AorError(`address of record has ${key.length} characters; give ${maxAorLength} at most`);
    }
    if (/\p{Cc}/u.test(key)) throw new AorError('address of record has control characters; give text without');
    if (/\p{Surrogate}/u.test(key)) throw new AorError('address of record has half of a surrogate pair; give text');
    return key;
  }

  #read(key: string): ReadAor {
    const { table } = this.#parts;
    for (;;) {
      const now = currentSecond();
      const version = versionOf(table, key);
      const record = table.get(key);
      if (record === undefined) return { contacts: [], now, version };
      // A remaining time is valid only within the second in which it was read.
      if (currentSecond() !== now) continue;
      const contacts = record.Contacts.map((one) => ({ ...one, Expires: expiresAt(one.Expires, now) }));
      return { contacts, now, version };
    }
  }

  /** As {@link #write}, within the limits. @throws ContactLimitError naming the limit; then nothing has changed */
  #fit(key: string, contacts: readonly StoredContact[], before: number, version: number): boolean {
    const { room, table } = this.#parts;
    const refused = (reason: string): never => {
      room.refused(reason);
      throw new ContactLimitError(reason);
    };
    if (contacts.length > before && room.contacts >= room.maxContacts) {
      refused(`usrloc is full: it has ${room.contacts} contacts, the limit max_contacts; remove some or raise it`);
    }
    const maxBytes = room.bytesFor(this.usedBytes);
    if (maxBytes !== table.limits.maxBytes) table.limits = { ...table.limits, maxBytes };
    let isWritten = false;
    try {
      isWritten = this.#write(key, contacts, version);
    } catch (error) {
      if (!(error instanceof RecordLimitError)) throw error;
      if (error.limit === 'maxRecordBytes') {
        throw new ContactLimitError(
          `the contacts of ${key.slice(0, 64)} would have more than ${maxRecordBytes} bytes together; remove some or shorten them`,
        );
      }
      if (error.limit === 'memory') refused('the server gets no more memory; remove contacts or lower max_bytes');
      refused(
        `usrloc is full: it uses ${room.bytes} of ${room.maxBytes} bytes of memory; remove contacts or raise max_bytes (-m)`,
      );
    }
    if (isWritten) room.taken();
    return isWritten;
  }

  /** @returns false when the address of record has changed since it was read; then nothing has been done */
  #write(key: string, contacts: readonly StoredContact[], version: number): boolean {
    const { table } = this.#parts;
    if (contacts.length === 0) return deleteUnchanged(table, key, version);
    const Contacts = contacts.map((one) => ({ ...one, Expires: expiresHole(one.Expires) }));
    const deadline = contacts.reduce((first, { Expires }) => Math.min(first, Expires || Infinity), Infinity);
    return setUnchanged(table, key, { AOR: key, Contacts }, { deadline }, version);
  }

  #tell(
    event: DomainEvent,
    key: string,
    before: readonly StoredContact[],
    after: readonly StoredContact[],
    now: number,
  ): void {
    const kept = new Set(after);
    for (const one of before) {
      if (!kept.has(one)) this.#parts.events.emit(event, key, () => contactOf(one, now));
    }
    if (after.length === 0 && before.length > 0) this.#parts.events.emitAor('delete', key);
  }
}

/** User and domain of a SIP URI, also of one in angle brackets; another text as it is, without parameters. */
function addressOf(text: string): string {
  const bare = text.startsWith('<') ? text.slice(1).split('>', 1).join('') : text;
  const colon = bare.indexOf(':');
  const isUri = ['sip', 'sips'].includes(bare.slice(0, Math.max(0, colon)).toLowerCase());
  const address = isUri ? bare.slice(colon + 1) : bare;
  return address.split(';', 1).join('').split('?', 1).join('');
}

function isLasting({ Expires }: StoredContact, now: number): boolean {
  return !isExpired(Expires, now);
}

/**
 * The contacts with a new or changed one in its place: the newest first, or by q with the highest first, where one
 * whose q did not change keeps its place and any other comes behind its equals.
 */
function placed(
  contacts: readonly StoredContact[],
  index: number,
  stored: StoredContact,
  newestFirst: boolean,
): readonly StoredContact[] {
  if (!newestFirst && contacts[index]?.Q === stored.Q) return contacts.with(index, stored);
  const others = index < 0 ? contacts : contacts.toSpliced(index, 1);
  if (newestFirst) return [stored, ...others];
  const rank = qRank(stored.Q);
  const lower = others.findIndex(({ Q }) => qRank(Q) < rank);
  return others.toSpliced(lower < 0 ? others.length : lower, 0, stored);
}

const labelBits = 14n;
const recordBits = 46n;
const labels = 2 ** 14;

/** Most contacts of one address of record: changing one encodes all of them again. */
const maxContacts = 128;

/**
 * Gives contacts their ids: bits 0 to 13 tell the contacts of a record apart, 14 to 45 the records, 46 to 61 are a
 * hash of the address of record. Ids begin somewhere, so that those of another run are hardly met again.
 */
export class ContactIds {
  #label = randomInt(labels);
  readonly #records: Int32Array;

  /** @param records memory of one number, in which all threads count the records */
  constructor(records = ContactIds.begin(new Int32Array(1))) {
    this.#records = records;
  }

  static begin(records: Int32Array): Int32Array {
    records[0] = randomInt(2 ** 32);
    return records;
  }

  /** An id for a contact of a record that has none yet. */
  first(aor: string): string {
    const record = (Atomics.add(this.#records, 0, 1) + 1) >>> 0;
    return this.#compose((BigInt(hash16(aor)) << 32n) | BigInt(record));
  }

  /** An id for another contact of the record that has the `taken` ones, of which there is one at least. */
  next(taken: readonly string[]): string {
    const record = BigInt(taken[0] ?? 0) >> labelBits;
    const ids = new Set(taken);
    for (;;) {
      const id = this.#compose(record);
      if (!ids.has(id)) return id;
    }
  }

  #compose(record: bigint): string {
    this.#label = (this.#label + 1) % labels;
    return BigInt.asUintN(Number(recordBits) + 16, (record << labelBits) | BigInt(this.#label)).toString();
  }
}

/** FNV-1a, folded to 16 bits. */
function hash16(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return ((hash >>> 16) ^ hash) & 0xffff;
}

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
  readonly #log: CodedLog;
  #isFull = false;

  constructor(
    readonly limits: RoomLimits,
    domains: () => Iterable<Occupant>,
    refused: Statistic,
    log: CodedLog,
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
    this.#log.error(
      { code: 'contacts-refused', contacts: this.contacts, bytes: this.bytes },
      `contacts are refused: ${reason}`,
    );
  }

  /** A contact found room. */
  taken(): void {
    this.#isFull = false;
  }
}
