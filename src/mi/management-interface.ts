import { type CodedLog, LineRate, quietLog } from '../base/log.js';
import { Latencies, type SharedLatencies } from '../native/latencies.js';
import type { Around } from './calls/around.js';
import type { Audit } from './calls/audit.js';
import type { Client } from './calls/call.js';
import { Guard, type GuardOptions } from './calls/guard.js';
import { type CommandEntry, CommandList, CommandTable, tellUnknownCommands } from './commands/command-table.js';
import type { MiError } from './errors.js';
import { History } from './history.js';
import { type ForeignStatistics, type Statistic, Statistics } from './statistics.js';

/** Counts of one command. */
export interface CommandCounts {
  /** Undefined of a command of another server. */
  readonly calls: Statistic | undefined;
  readonly time: Statistic | undefined;
  /** Of its latencies. */
  readonly slot: number;
  /** True once the command has answered later: then each of its calls is timed. */
  isLater: boolean;
  /** True if the call that was timed last took long: then the next one is timed. */
  isSlow: boolean;
  /** Calls that were not timed since. */
  skipped: number;
}

/** What one thread has counted for, as another one that counts with it can be given it. */
export interface SharedCounts {
  readonly statistics: Statistics['shared'];
  readonly latencies: SharedLatencies;
  /** Slots of latencies, by the full names of commands. */
  readonly slots: ReadonlyMap<string, number>;
  /** The number of the other thread, from 1 on. */
  readonly thread: number;
}

/** Commands whose latencies are counted. */
const latencyCapacity = 256;

/** Permissions and limits of the calls from the network; see {@link ManagementInterface.protect}. */
export interface Protection extends Omit<GuardOptions, 'allowed' | 'denied'> {
  /** Patterns of commands parted by commas, see {@link CommandList}; '': all may be called. */
  readonly allowCommands?: string | undefined;
  /** '': none is denied. */
  readonly denyCommands?: string | undefined;
  readonly audit?: Audit | undefined;
}

/** The management interface of one server: its commands, its statistics, and what protects them. */
export class ManagementInterface {
  readonly commands = new CommandTable();
  readonly statistics: Statistics;
  readonly calls: Statistic;
  readonly errors: Statistic;
  readonly pending: Statistic;
  readonly denied: Statistic;
  readonly rateLimited: Statistic;
  readonly log: CodedLog;
  /** Of lines about commands, whatever root their calls come by. */
  readonly lineRate = new LineRate();
  /** By the number of a command. */
  readonly counts: CommandCounts[] = [];
  /** How long calls took, by the slot of their {@link CommandCounts}. */
  readonly latencies: Latencies;
  /** Statistics over time. */
  readonly history: History;
  /** Of commands of other servers, by their full names, once they were called. */
  readonly #foreignCounts = new Map<string, CommandCounts>();
  /** Slots of latencies that the first thread has given to commands; undefined in that thread. */
  readonly #slots: ReadonlyMap<string, number> | undefined;
  /** Undefined: every call is run. */
  guard: Guard | undefined;
  /** What the program has around every call. */
  around: Around | undefined;
  /** Headers that {@link around} asks for, beside those of commands. */
  headers: readonly string[] = [];
  audit: Audit | undefined;
  /** The statistics of other servers; undefined: there are none. */
  foreignStatistics: ForeignStatistics | undefined;
  /** Why no call begins any more; undefined while calls do. */
  stopReason: string | undefined;
  #protection: Protection | undefined;
  /** By the grant of callers, on which alone it depends; '': a caller that is not known. */
  readonly #visible = new Map<string, readonly CommandEntry[]>();
  /** Of the table, when {@link #visible} was filled. */
  #version = 0;
  #all: readonly CommandEntry[] | undefined;

  /**
   * @param log where mistakes of handlers are told
   * @param counting how many threads count, with this one, or what the first of them has for this one
   */
  constructor(log: CodedLog = quietLog, counting: number | SharedCounts = 1) {
    this.log = log;
    if (typeof counting === 'number') {
      this.statistics = new Statistics(log, counting);
      this.latencies = new Latencies(latencyCapacity, counting);
    } else {
      this.statistics = new Statistics(log, counting.statistics, counting.thread);
      this.latencies = new Latencies(latencyCapacity, counting.latencies, counting.thread);
      this.#slots = counting.slots;
    }
    this.history = new History(this.statistics, this.latencies);
    const { statistics } = this;
    this.calls = statistics.add('mi', 'calls', 'counter', { help: 'Calls run.' });
    this.errors = statistics.add('mi', 'errors', 'counter', { help: 'Calls that failed.' });
    this.pending = statistics.add('mi', 'pending', 'gauge', { help: 'Calls of asynchronous commands that run now.' });
    this.denied = statistics.add('mi', 'denied', 'counter', { help: 'Calls refused with -32003.' });
    this.rateLimited = statistics.add('mi', 'rate_limited', 'counter', { help: 'Calls refused with -32004.' });
  }

  /** Permissions and limits of calls from the network; undefined: there are none. */
  get protection(): Protection | undefined {
    return this.#protection;
  }

  /** True if other threads may count with this one. */
  get isShared(): boolean {
    return this.statistics.shared.rows.threads > 1;
  }

  /** From now on no call begins. */
  stop(reason: string): void {
    this.stopReason = reason;
  }

  /** Holds all calls from the network to permissions, lists and limits. Left out, everything is run. */
  protect(protection: Protection): void {
    this.#protection = protection;
  }

  /**
   * Registers the counts of every command and looks up those that are protected; call it once, after the last command
   * was added.
   * @throws Error naming a pattern of commands that fits none
   */
  seal(): void {
    if (this.#protection !== undefined) this.#seal(this.#protection);
    for (const entry of this.commands.entries) {
      const name = this.commands.ownFlatName(entry).replace(':', '_');
      const calls = this.statistics.add('mi', `${name}-calls`, 'counter', { help: 'Calls of one command.' });
      const time = this.statistics.add('mi', `${name}-time_us`, 'counter', {
        unit: 'microseconds',
        help:
          'Time in one command, of a dump or stream until its end; after 1024 calls, of a command that answers within 20 ' +
          'microseconds, one of 16 is timed and counts for all of these.',
      });
      const slot = this.#slots?.get(entry.fullName) ?? this.latencies.add() ?? -1;
      this.counts.push({ calls, time, slot, isLater: false, isSlow: false, skipped: 0 });
    }
  }

  /** For another thread that counts with this one, once all commands are there. */
  sharedWith(thread: number): SharedCounts {
    const slots = new Map(this.timedCommands.map(([fullName, { slot }]) => [fullName, slot]));
    return { statistics: this.statistics.shared, latencies: this.latencies.shared, slots, thread };
  }

  /** The counts of a command, whichever server runs it. */
  countsOf({ number, fullName }: CommandEntry): CommandCounts {
    const known = this.counts[number] ?? this.#foreignCounts.get(fullName);
    if (known !== undefined) return known;
    const slot = this.latencies.add() ?? -1;
    const counts = { calls: undefined, time: undefined, slot, isLater: true, isSlow: false, skipped: 0 };
    this.#foreignCounts.set(fullName, counts);
    return counts;
  }

  /** The commands whose latencies are counted, by their full names. */
  get timedCommands(): readonly (readonly [fullName: string, counts: CommandCounts])[] {
    const own = this.commands.entries.flatMap(({ fullName, number }) => {
      const counts = this.counts[number];
      return counts === undefined ? [] : [[fullName, counts] as const];
    });
    return [...own, ...this.#foreignCounts].filter(([, { slot }]) => slot !== -1);
  }

  #seal(protection: Protection): void {
    const { allowCommands, denyCommands, audit } = protection;
    const list = (parameter: string, text: string | undefined): CommandList | undefined =>
      text === undefined
        ? undefined
        : new CommandList(`parameter ${parameter}`, text, this.commands, (pattern) =>
            tellUnknownCommands(this.log, parameter, pattern),
          );
    this.guard = new Guard({
      ...protection,
      allowed: list('allow_commands', allowCommands),
      denied: list('deny_commands', denyCommands),
    });
    this.audit = audit;
  }

  /** Why a client may not run a command, -32003; undefined: it may. */
  denial(entry: CommandEntry, client: Client | undefined): MiError | undefined {
    return this.guard?.denial(entry, client);
  }

  /**
   * The commands that a client may run, in registration order: what listings show to it. The same array each time, until
   * commands come or go.
   */
  visibleTo(client: Client | undefined): readonly CommandEntry[] {
    const { guard } = this;
    const { version } = this.commands;
    if (this.#all === undefined || version !== this.#version) {
      this.#version = version;
      this.#all = this.commands.all;
      this.#visible.clear();
    }
    const entries = this.#all;
    if (guard === undefined || client === undefined) return entries;
    const grant = client.caller?.grant ?? '';
    const visible = this.#visible.get(grant) ?? entries.filter((entry) => guard.denial(entry, client) === undefined);
    this.#visible.set(grant, visible);
    return visible;
  }

  /**
   * The command that a client calls by a text. An error names no command that this client may not run.
   * @throws MiError as {@link CommandTable.find} does
   */
  find(method: string, client: Client | undefined): CommandEntry {
    return this.commands.find(method, () => this.visibleTo(client));
  }
}
