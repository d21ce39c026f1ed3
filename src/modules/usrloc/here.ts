// The commands about contacts in a thread that has listeners: the same commands, over the tables that home has made.
import type { CodedLog } from '../../base/log.js';
import { openShared, type RecordTable } from '../../mi/results/record-table.js';
import type { Statistics } from '../../mi/statistics.js';
import type { CommandsHere } from '../here.js';
import { type CommandOptions, type Contacts, usrlocCommands } from './commands.js';
import { type AorRecord, ContactIds, Domain, Room } from './domain.js';
import { DomainEvents } from './events.js';
import { type SharedDomain, type SharedDomains, SharedWord } from './usrloc.js';

/** What module usrloc gives to threads. */
export interface ContactsGiven extends SharedDomains {
  readonly answers: Omit<CommandOptions, 'database'>;
}

/** The domains of home, in another thread. */
class SharedContacts implements Contacts {
  readonly #given: SharedDomains;
  readonly #log: CodedLog;
  readonly #directory: RecordTable<SharedDomain>;
  readonly #words: Int32Array;
  readonly #ids: ContactIds;
  readonly #room: Room;
  readonly #domains = new Map<string, readonly [domain: Domain, place: number]>();
  #newestFirst: readonly Domain[] = [];

  /** @throws RangeError when home has the domains no more */
  constructor(given: SharedDomains, statistics: Statistics, log: CodedLog) {
    this.#given = given;
    this.#log = log;
    this.#directory = openShared(given.directory);
    this.#words = new Int32Array(given.words);
    this.#ids = new ContactIds(this.#words.subarray(SharedWord.record));
    const refused = statistics.add('mem', 'usrloc_refused', 'counter');
    this.#room = new Room(given.options, () => this.#newestFirst, refused, log);
  }

  get domains(): readonly Domain[] {
    return this.#newestFirst;
  }

  find(name: string): Domain | undefined {
    return this.#domains.get(name)?.[0];
  }

  /** Opens the domains that have come since. @returns false when it has not all of them: then home has to be asked */
  isCurrent(): boolean {
    // No domain ever goes.
    if (this.#directory.size === this.#domains.size) return true;
    try {
      for (const name of this.#directory.keys()) if (!this.#domains.has(name)) this.#open(name);
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    }
    const inOrder = [...this.#domains.values()].sort(([, one], [, other]) => other - one);
    this.#newestFirst = inOrder.map(([domain]) => domain);
    return true;
  }

  /** False once home has to see each change: events are subscribed to or listened for, or a file keeps the contacts. */
  get takesChanges(): boolean {
    return Atomics.load(this.#words, SharedWord.isWatched) === 0;
  }

  #open(name: string): void {
    const [number, place] = this.#directory.get(name) ?? [0, 0];
    const domain = new Domain(name, {
      table: openShared<AorRecord>(number),
      options: this.#given.options,
      events: new DomainEvents(this.#log, name),
      room: this.#room,
      ids: this.#ids,
      // Home alone searches for them.
      expired: undefined,
    });
    this.#domains.set(name, [domain, place]);
  }
}

export const usrlocHere: CommandsHere = ({ mi, log, given }) => {
  const { usrloc } = given;
  if (usrloc === undefined) return [];
  const { answers, ...shared } = usrloc as ContactsGiven;
  const contacts = new SharedContacts(shared, mi.statistics, log);
  return usrlocCommands(contacts, { ...answers, database: undefined }).map((command) => ({
    command,
    isOfTurn: !command.readOnly,
    takes: () => contacts.isCurrent() && (command.readOnly || contacts.takesChanges),
  }));
};
