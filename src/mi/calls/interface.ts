import { performance } from 'node:perf_hooks';
import { type Log, quietLog } from '../../base/log.js';
import { OwnContext } from '../../base/own-context.js';
import type { Result } from '../commands/command.js';
import { type CommandEntry, CommandList, CommandTable } from '../commands/command-table.js';
import { type CallParameters, selectParameters } from '../commands/parameters.js';
import { type MiError, serverError } from '../errors.js';
import { type Statistic, Statistics } from '../statistics.js';
import { type Audit, type AuditedCall, outcomeOf } from './audit.js';
import { Call, type Client, clientOf } from './call.js';
import { Guard, type GuardOptions } from './guard.js';

/** Counts of one command. */
interface CommandCounts {
  readonly calls: Statistic;
  readonly time: Statistic;
  /** Whether it has answered later before: then each call of it is timed, since it takes its time. */
  isLater: boolean;
}

/** So many calls of a command are timed, and from then on one of {@link timedShare}, which counts for all of these. */
const timedCalls = 1024;
/** A power of two. To look at the clock twice costs a small command a tenth of its time. */
const timedShare = 16;

/** In place of a time: the call is not timed. */
const untimed = -1;

/** What protects the commands of a server; see {@link ManagementInterface.protect}. */
export interface Protection extends Omit<GuardOptions, 'allowed' | 'denied'> {
  /** Patterns of commands parted by commas, see {@link CommandList}; '': all may be called. */
  readonly allowCommands?: string | undefined;
  /** '': none is denied. */
  readonly denyCommands?: string | undefined;
  readonly audit?: Audit | undefined;
}

/** The management interface of one server: its commands, its statistics, and the running of calls. */
export class ManagementInterface {
  readonly commands = new CommandTable();
  readonly statistics: Statistics;
  readonly calls: Statistic;
  readonly errors: Statistic;
  readonly pending: Statistic;
  readonly denied: Statistic;
  readonly rateLimited: Statistic;
  readonly #counts: CommandCounts[] = [];
  /** Handlers run in it, each call apart. */
  readonly #context = new OwnContext();
  #stopReason: string | undefined;
  readonly #log: Log;
  #protection: Protection | undefined;
  #guard: Guard | undefined;
  #audit: Audit | undefined;
  /** By the grant of callers, on which alone it depends; '': a caller that is not known. */
  readonly #visible = new Map<string, readonly CommandEntry[]>();

  /** @param log where mistakes of handlers are told */
  constructor(log: Log = quietLog) {
    this.#log = log;
    this.statistics = new Statistics(log);
    this.calls = this.statistics.add('mi', 'calls', 'counter');
    this.errors = this.statistics.add('mi', 'errors', 'counter');
    this.pending = this.statistics.add('mi', 'pending', 'gauge');
    this.denied = this.statistics.add('mi', 'denied', 'counter');
    this.rateLimited = this.statistics.add('mi', 'rate_limited', 'counter');
  }

  /** Why no call may begin any more: the server stops. Whoever runs calls asks before, and answers 503. */
  get stopReason(): string | undefined {
    return this.#stopReason;
  }

  /** From now on no call begins. */
  stop(reason: string): void {
    this.#stopReason = reason;
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
      const name = this.commands.flatName(entry).replace(':', '_');
      this.#counts.push({
        calls: this.statistics.add('mi', `${name}-calls`, 'counter'),
        time: this.statistics.add('mi', `${name}-time_us`, 'counter'),
        isLater: false,
      });
    }
  }

  #seal(protection: Protection): void {
    const { allowCommands, denyCommands, audit } = protection;
    const list = (parameter: string, text: string | undefined): CommandList | undefined =>
      text === undefined ? undefined : new CommandList(`parameter ${parameter}`, text, this.commands);
    this.#guard = new Guard({
      ...protection,
      allowed: list('allow_commands', allowCommands),
      denied: list('deny_commands', denyCommands),
    });
    this.#audit = audit;
  }

  /** Why a client may not run a command, -32003; undefined: it may. */
  refusal(entry: CommandEntry, client: Client | undefined): MiError | undefined {
    return this.#guard?.refusal(entry, client);
  }

  /** The commands that a client may run, in registration order: what listings show to it. The same array each time. */
  visibleTo(client: Client | undefined): readonly CommandEntry[] {
    const guard = this.#guard;
    const { entries } = this.commands;
    if (guard === undefined || client === undefined) return entries;
    const grant = client.caller?.grant ?? '';
    const visible = this.#visible.get(grant) ?? entries.filter((entry) => guard.refusal(entry, client) === undefined);
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

  /** The call that a command of the table is run with when nobody waits for it yet. */
  callOf(entry: CommandEntry, client: Client): Call {
    return entry.command.withoutCall && this.#guard === undefined ? Call.none : new Call(entry.fullName, client);
  }

  /**
   * Runs one call: checks whether its client may, chooses the recipe, converts the parameters, runs the handler, counts.
   *
   * @throws MiError for wrong parameters, a missing permission, or too many calls; whatever the handler throws. A promise that the handler
   *   returned is handed on, and its time is counted when it settles.
   */
  run(entry: CommandEntry, given: CallParameters, count: number, call: Call): Result | Promise<Result> {
    if (this.#stopReason !== undefined) throw serverError(this.#stopReason);
    return this.#guard === undefined
      ? this.#run(entry, given, count, call)
      : this.#runGuarded(this.#guard, entry, given, count, call);
  }

  #runGuarded(
    guard: Guard,
    entry: CommandEntry,
    given: CallParameters,
    count: number,
    call: Call,
  ): Result | Promise<Result> {
    const client = clientOf(call);
    const excess = guard.excess(client);
    if (excess !== undefined) {
      // Not audited: a log that everybody can fill tells nothing.
      this.rateLimited.add(1);
      throw excess;
    }
    const audited = this.#audit?.begin(entry, given, call);
    const refusal = guard.refusal(entry, client);
    if (refusal !== undefined) {
      this.denied.add(1);
      audited?.end(refusal.code);
      throw refusal;
    }
    if (audited === undefined) return this.#run(entry, given, count, call);
    let result: Result | Promise<Result>;
    try {
      result = this.#run(entry, given, count, call);
    } catch (error) {
      audited.end(outcomeOf(error));
      throw error;
    }
    if (result instanceof Promise) return endAudited(audited, call, result);
    audited.end('ok');
    return result;
  }

  #run(entry: CommandEntry, given: CallParameters, count: number, call: Call): Result | Promise<Result> {
    const started = this.#begun(entry);
    this.calls.add(1);
    let result: Result | Promise<Result>;
    let isLater: boolean;
    try {
      const { command } = entry;
      const parameters = selectParameters(command, given, count);
      result = command.withoutContext
        ? command.run(parameters, call)
        : this.#context.run(command.run, parameters, call);
      // Asking may fail too: a proxy, or a getter.
      isLater = isPromise(result);
    } catch (error) {
      this.#finished(entry, started);
      this.errors.add(1);
      throw error;
    }
    if (isLater) return this.#await(entry, started, result as PromiseLike<Result>);
    this.#finished(entry, started);
    if (result === undefined) this.#tellNothing(entry);
    return result;
  }

  /** Not within {@link #run}: what its functions see would be made for every call. */
  #await(entry: CommandEntry, started: number, result: PromiseLike<Result>): Promise<Result> {
    this.pending.add(1);
    const counts = this.#counts[entry.number];
    if (counts !== undefined) counts.isLater = true;
    return Promise.resolve(result).then(
      (value) => {
        this.pending.add(-1);
        this.#finished(entry, started);
        if (value === undefined) this.#tellNothing(entry);
        return value;
      },
      (error: unknown) => {
        this.pending.add(-1);
        this.errors.add(1);
        this.#finished(entry, started);
        throw error;
      },
    );
  }

  /** The client gets OpenSIPS' error for it; whoever wrote the command has to know, too. */
  #tellNothing({ fullName }: CommandEntry): void {
    const remedy = "return a value; a plain success is 'OK'";
    this.#log.warn(
      { command: fullName },
      `MI command ${fullName} returned nothing, which is answered as an error: ${remedy}`,
    );
  }

  /** When a call of the command began, {@link untimed} for one that is only counted. */
  #begun({ number }: CommandEntry): number {
    const counts = this.#counts[number];
    if (counts === undefined) return untimed;
    const calls = counts.calls.value;
    const isTimed = calls < timedCalls || counts.isLater || (calls & (timedShare - 1)) === 0;
    return isTimed ? performance.now() : untimed;
  }

  #finished({ number }: CommandEntry, started: number): void {
    const counts = this.#counts[number];
    if (counts === undefined) return;
    const calls = counts.calls.value;
    counts.calls.add(1);
    if (started === untimed) return;
    const share = calls < timedCalls || counts.isLater ? 1 : timedShare;
    counts.time.add(Math.round((performance.now() - started) * 1000 * share));
  }
}

/** Whether a handler answers later; a promise of another realm or library counts too. */
export function isPromise(result: Result | PromiseLike<Result> | undefined): result is PromiseLike<Result> {
  return typeof result === 'object' && result !== null && 'then' in result && typeof result.then === 'function';
}

/** What never ends would never be told: then giving up is. */
async function endAudited(audited: AuditedCall, { signal }: Call, result: Promise<Result>): Promise<Result> {
  const givenUp = (): void => audited.end('given_up');
  if (signal.aborted) givenUp();
  else signal.addEventListener('abort', givenUp, { once: true });
  const settled = (outcome: 'ok' | number): void => {
    signal.removeEventListener('abort', givenUp);
    if (!signal.aborted) audited.end(outcome);
  };
  try {
    const value = await result;
    settled('ok');
    return value;
  } catch (error) {
    settled(outcomeOf(error));
    throw error;
  }
}
