import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { coded } from '../../base/codes.js';
import type { CodedLog } from '../../base/log.js';
import { type Persistence, RecordDatabase } from '../../mi/results/record-database.js';
import type { Statistics } from '../../mi/statistics.js';
import type { StatusIdentifier } from '../../mi/status-reports.js';
import { type Domain, keepDomain } from './domain.js';
import { domainNameProblem } from './parameters.js';

/** Status of the database. With `persist_interval` 0 a server that cannot write is not ready: its calls fail. */
const state = { kept: 1, notWritten: 2, loading: -1, failing: -2 } as const;

/** How contacts are kept. */
export interface ContactDatabaseOptions {
  readonly path: string;
  /** Milliseconds; 0: calls wait for the commit. */
  readonly interval: number;
  readonly maxPending: number;
}

const nothing: Persistence = {
  pending: 0,
  pendingBytes: 0,
  commits: 0,
  failures: 0,
  written: 0,
  fileBytes: 0,
  problem: undefined,
};

/** The file that keeps the contacts of all domains. */
export class ContactDatabase {
  readonly #options: ContactDatabaseOptions;
  readonly #log: CodedLog;
  readonly #status: StatusIdentifier;
  #database: RecordDatabase | undefined;
  /** Contacts that the start has loaded. */
  #loaded = 0;
  /** What there was to tell when it was closed. */
  #last = nothing;

  constructor(options: ContactDatabaseOptions, log: CodedLog, status: StatusIdentifier, statistics: Statistics) {
    this.#options = options;
    this.#log = log;
    this.#status = status;
    const add = (name: string, read: () => number, about: { unit?: string; isTotal?: boolean; help: string }): void => {
      statistics.add('persist', name, 'computed', read, about);
    };
    const now = (): Persistence => this.#database?.persistence ?? this.#last;
    add('contacts_unwritten', () => now().pending, {
      help: 'Changes of contacts that are not written to the file yet.',
    });
    add('contacts_unwritten_bytes', () => now().pendingBytes, { unit: 'bytes', help: 'Memory of these changes.' });
    add('contact_commits', () => now().commits, { isTotal: true, help: 'Commits of the database of contacts.' });
    add('contact_commits_failed', () => now().failures, {
      isTotal: true,
      help: 'Commits that failed; their changes are tried again.',
    });
    add('contacts_written', () => now().written, {
      isTotal: true,
      help: 'Addresses of record that were written to the file, or deleted from it.',
    });
    add('contacts_file_bytes', () => now().fileBytes, { unit: 'bytes', help: 'Size of the file.' });
    add('contacts_loaded', () => this.#loaded, { help: 'Contacts that the start has loaded.' });
  }

  /** True if a call waits until its changes are written. */
  get isImmediate(): boolean {
    return this.#options.interval === 0;
  }

  /** @throws Error where the file cannot come to be; what is in it only the start tells */
  check(): void {
    const { path } = this.#options;
    const folder = dirname(path);
    const found = statSync(path, { throwIfNoEntry: false });
    if (found !== undefined && !found.isFile())
      throw coded('ERR_PERSIST', new Error(`parameter persist of usrloc: ${path} is no file; give the path of a file`));
    const around = statSync(folder, { throwIfNoEntry: false }) ?? statSync(dirname(folder), { throwIfNoEntry: false });
    if (around?.isDirectory() !== true) {
      throw coded(
        'ERR_PERSIST',
        new Error(
          `parameter persist of usrloc: ${path} cannot be made: neither its folder nor the one around that is there; make the folder`,
        ),
      );
    }
  }

  /**
   * Opens the file and loads what it has.
   *
   * @param domainOf makes a domain that there is not yet
   * @throws Error naming the file and what to do
   */
  async open(domains: readonly Domain[], domainOf: (name: string) => Domain): Promise<void> {
    const { path, interval, maxPending } = this.#options;
    const began = performance.now();
    this.#status.set(state.loading, 'loading');
    const database = await RecordDatabase.open({ path, interval, maxPending, onChange: (now) => this.#changed(now) });
    this.#last = database.persistence;
    try {
      // Before the database is set: what this makes is loaded here.
      const stored = database.tables.filter((name) => domainNameProblem(name) === undefined).map(domainOf);
      for (const domain of new Set([...domains, ...stored])) this.#loaded += await keepDomain(domain, database);
    } catch (error) {
      await database.close().catch(() => {});
      throw error;
    }
    database.begin();
    this.#database = database;
    this.#status.set(state.kept, 'contacts are kept');
    const seconds = ((performance.now() - began) / 1000).toFixed(2);
    this.#log.info(
      { code: 'contacts-loaded', file: path, contacts: this.#loaded },
      `${this.#loaded} contacts loaded from ${path} in ${seconds} s`,
    );
  }

  /** A domain that was made while the server runs. */
  add(domain: Domain): void {
    const database = this.#database;
    if (database === undefined) return;
    keepDomain(domain, database).catch((error: unknown) => {
      this.#log.error({ code: 'contacts-not-kept', err: error }, `contacts of ${domain.name} are not kept`);
    });
  }

  /** @throws Error why changes could not be written */
  async flush(): Promise<void> {
    await this.#database?.flush();
  }

  /** Writes all contacts anew. */
  async rewrite(): Promise<void> {
    await this.#database?.rewrite();
  }

  /** @throws Error how many changes are lost, and why */
  async close(): Promise<void> {
    const database = this.#database;
    if (database === undefined) return;
    await database.close();
    this.#last = database.persistence;
    this.#database = undefined;
  }

  #changed({ problem, pending }: Persistence): void {
    const { path } = this.#options;
    if (problem === undefined) {
      this.#status.set(state.kept, 'contacts are kept');
      this.#status.report('contacts are written again');
      this.#log.warn({ code: 'contacts-written-again', file: path }, `contacts are written to ${path} again`);
      return;
    }
    const told = `contacts are not written: ${problem}`;
    this.#status.set(this.isImmediate ? state.failing : state.notWritten, told);
    this.#status.report(told);
    this.#log.error(
      { code: 'contacts-not-written', file: path, pending },
      `contacts are not written, and would be lost with the process: ${problem}; it is tried again`,
    );
  }
}
