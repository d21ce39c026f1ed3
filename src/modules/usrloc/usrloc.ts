import { currentSecond } from '../../base/clock.js';
import { coded } from '../../base/codes.js';
import type { CodedLog } from '../../base/log.js';
import { Slice } from '../../base/slice.js';
import { RecordTable } from '../../mi/results/record-table.js';
import type { Statistics } from '../../mi/statistics.js';
import type { ContactDatabase } from './contact-database.js';
import { type AorRecord, Domain, type DomainOptions, maxRecordBytes, Room, type RoomLimits } from './domain.js';
import { DomainEvents, type DomainPublisher } from './events.js';
import { domainNameProblem } from './parameters.js';

let setDatabase: (usrloc: Usrloc, database: ContactDatabase) => void;

/** Has the contacts of a service kept in a database. */
export function keepContacts(usrloc: Usrloc, database: ContactDatabase): void {
  setDatabase(usrloc, database);
}

/** The user location service: domains of contacts, for the MI commands and for a registrar in the same process. */
export class Usrloc {
  readonly #domains = new Map<string, Domain>();
  readonly #statistics: Statistics;
  readonly #log: CodedLog;
  readonly #options: DomainOptions;
  readonly #publisher: DomainPublisher | undefined;
  readonly #room: Room;
  #keeping: ContactDatabase | undefined;

  static {
    setDatabase = (usrloc, database) => {
      usrloc.#keeping = database;
    };
  }

  /** For module usrloc. */
  constructor(statistics: Statistics, log: CodedLog, options: DomainOptions & RoomLimits, publisher?: DomainPublisher) {
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
      events: new DomainEvents(this.#log, name, this.#publisher),
      room: this.#room,
      expired: statistics.add('usrloc', `${name}-expires`, 'counter', {
        help: 'Contacts of one domain that have expired.',
      }),
    });
    this.#domains.set(name, domain);
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
