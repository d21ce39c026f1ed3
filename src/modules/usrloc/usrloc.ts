import { currentSecond } from '../../base/clock.js';
import { coded } from '../../base/codes.js';
import type { CodedLog } from '../../base/log.js';
import { Slice } from '../../base/slice.js';
import { RecordTable, sharedNumberOf } from '../../mi/results/record-table.js';
import type { Statistics } from '../../mi/statistics.js';
import type { ContactDatabase } from './contact-database.js';
import {
  type AorRecord,
  ContactIds,
  Domain,
  type DomainOptions,
  maxRecordBytes,
  numberOfDomain,
  Room,
  type RoomLimits,
} from './domain.js';
import { DomainEvents, type DomainPublisher } from './events.js';
import { domainNameProblem } from './parameters.js';

/** Words that the threads share: whether home has to see each change, and the last number of a record. */
export const SharedWord = { isWatched: 0, record: 1 } as const;

/** The domains, as a thread is told of them. */
export interface SharedDomains {
  /** Number of the table of {@link SharedDomain}, by name. */
  readonly directory: number;
  readonly words: SharedArrayBuffer;
  readonly options: DomainOptions & RoomLimits;
}

/** A domain in the directory: the number of its table, and its place among all. */
export type SharedDomain = readonly [table: number, place: number];

let setDatabase: (usrloc: Usrloc, database: ContactDatabase) => void;

/** Has the contacts of a service kept in a database. */
export function keepContacts(usrloc: Usrloc, database: ContactDatabase): void {
  setDatabase(usrloc, database);
}

/** For threads that run commands about contacts. */
export let sharedDomains: (usrloc: Usrloc) => SharedDomains;

/** The user location service: domains of contacts, for the MI commands and for a registrar in the same process. */
export class Usrloc {
  readonly #domains = new Map<string, Domain>();
  readonly #statistics: Statistics;
  readonly #log: CodedLog;
  readonly #options: DomainOptions & RoomLimits;
  readonly #publisher: DomainPublisher | undefined;
  readonly #room: Room;
  #keeping: ContactDatabase | undefined;
  readonly #words = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  readonly #ids = new ContactIds(ContactIds.begin(this.#words.subarray(SharedWord.record)));
  /** Of all domains; undefined until another thread is told of them. */
  #directory: RecordTable<SharedDomain> | undefined;

  static {
    setDatabase = (usrloc, database) => {
      usrloc.#keeping = database;
      usrloc.#watch();
    };
    sharedDomains = (usrloc) => ({
      directory: usrloc.#share(),
      words: usrloc.#words.buffer as SharedArrayBuffer,
      options: usrloc.#options,
    });
  }

  /** For module usrloc. */
  constructor(statistics: Statistics, log: CodedLog, options: DomainOptions & RoomLimits, publisher?: DomainPublisher) {
    publisher?.onSubscribed?.(() => this.#watch());
    this.#statistics = statistics;
    this.#log = log;
    this.#options = options;
    this.#publisher = publisher;
    const registered = (): number => this.domains.reduce((sum, domain) => sum + domain.users, 0);
    statistics.add('usrloc', 'registered_users', 'computed', registered, {
      help: 'Addresses of record in all domains.',
    });
    const refused = statistics.add('mem', 'usrloc_refused', 'counter', {
      help: 'Contacts that were refused for lack of room.',
    });
    const room = new Room(options, () => this.#domains.values(), refused, log);
    statistics.add('mem', 'usrloc_used', 'computed', () => room.bytes, {
      unit: 'bytes',
      help: 'Memory that contacts use.',
    });
    statistics.add('mem', 'usrloc_max', 'computed', () => room.maxBytes, {
      unit: 'bytes',
      help: 'Memory that contacts may use.',
    });
    this.#room = room;
  }

  /** All domains, newest first, as `ul_dump` lists them. */
  get domains(): readonly Domain[] {
    return [...this.#domains.values()].reverse();
  }

  /**
   * The domain of a name; made on first use, with statistics of its own.
   *
   * @throws RangeError for a name that is not 1 to 64 letters, digits, `_`, `.` and `-`; Error when another domain
   *   has the name in other case, for statistics make no difference
   */
  domain(name: string): Domain {
    const existing = this.find(name);
    if (existing !== undefined) return existing;
    const problem = domainNameProblem(name);
    if (problem !== undefined) throw coded('ERR_CONTACT', new RangeError(problem));
    const statistics = this.#statistics;
    statistics.add('usrloc', `${name}-users`, 'computed', () => domain.users, {
      help: 'Addresses of record of one domain.',
    });
    statistics.add('usrloc', `${name}-contacts`, 'computed', () => domain.contacts, {
      help: 'Contacts of one domain.',
    });
    const table = new RecordTable<AorRecord>({ maxRecordBytes });
    // In group mem, for clients know what group usrloc has.
    statistics.add('mem', `${name}-table_bytes`, 'computed', () => table.bytes, {
      unit: 'bytes',
      help: 'Memory of the records of one domain.',
    });
    statistics.add('mem', `${name}-table_held`, 'computed', () => table.heldBytes, {
      unit: 'bytes',
      help: 'Memory that the table of one domain holds.',
    });
    statistics.add('mem', `${name}-table_fragmentation`, 'computed', () => table.fragmentation, {
      unit: 'ratio',
      help: 'Share of the memory of the table of one domain that is not records, 0 to 1.',
    });
    const domain: Domain = new Domain(name, {
      table,
      options: this.#options,
      events: new DomainEvents(this.#log, name, this.#publisher, () => this.#watch()),
      room: this.#room,
      ids: this.#ids,
      expired: statistics.add('usrloc', `${name}-expires`, 'counter', {
        help: 'Contacts of one domain that have expired.',
      }),
    });
    this.#domains.set(name, domain);
    if (this.#directory !== undefined) this.#list(this.#directory, domain);
    this.#keeping?.add(domain);
    return domain;
  }

  /**
   * With the parameter `persist`: waits until all changes so far are in its file. All who ask within a turn of the event loop share
   * one commit. Without, it has nothing to wait for.
   *
   * @throws Error why they could not be written; they are kept, and tried again
   */
  async flush(): Promise<void> {
    await this.#keeping?.flush();
  }

  /** The number of the directory. */
  #share(): number {
    const directory = this.#directory ?? new RecordTable<SharedDomain>();
    if (this.#directory === undefined) for (const domain of this.#domains.values()) this.#list(directory, domain);
    this.#directory = directory;
    return sharedNumberOf(directory);
  }

  #list(directory: RecordTable<SharedDomain>, domain: Domain): void {
    directory.set(domain.name, [numberOfDomain(domain), [...this.#domains.keys()].indexOf(domain.name)]);
  }

  /** From now on home has to see each change: it is told to others, or written to a file. */
  #watch(): void {
    Atomics.store(this.#words, SharedWord.isWatched, 1);
  }

  /** The domain of a name if there is one. */
  find(name: string): Domain | undefined {
    return this.#domains.get(name);
  }
}

/** Deletes the contacts that have expired, every few seconds, in slices between which other work has its turn. */
export class ExpiryTimer {
  readonly #domains: () => Iterable<Domain>;
  readonly #interval: number;
  readonly #atOnce: number;
  readonly #log: CodedLog;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #isStopped = false;

  /**
   * @param domains the domains that there are when a search begins
   * @param interval seconds between two searches
   * @param atOnce contacts that one slice deletes at most; the contacts of one address of record leave together
   */
  constructor(domains: () => Iterable<Domain>, interval: number, atOnce: number, log: CodedLog) {
    this.#domains = domains;
    this.#interval = interval;
    this.#atOnce = atOnce;
    this.#log = log;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.run().catch((error: unknown) => {
        this.#log.error(
          { code: 'contact-expiry-failed', err: error },
          'search for expired contacts failed; it is tried again',
        );
      });
    }, this.#interval * 1000);
    // Contacts in memory are no reason for a process to stay.
    this.#timer.unref();
  }

  /** Ends the searches; one that is under way ends with its slice. */
  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#timer);
  }

  /** Searches now, unless a search is under way: then waits for that. */
  run(): Promise<void> {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #run(): Promise<void> {
    const now = currentSecond();
    let deleted = 0;
    const slice = new Slice();
    const rest = (): Promise<void> => {
      deleted = 0;
      return slice.rest();
    };
    for (const domain of [...this.#domains()]) {
      for (const keys of domain.due(now)) {
        for (const key of keys) {
          if (this.#isStopped) return;
          deleted += domain.expire(key);
          if (deleted >= this.#atOnce || slice.isOver) await rest();
        }
        if (slice.isOver) await rest();
        if (this.#isStopped) return;
      }
    }
  }
}
