import type { Call } from './call.js';
import type { Result } from './command.js';
import { type CommandEntry, CommandTable } from './command-table.js';
import { type CallParameters, selectParameters } from './select.js';
import { type Statistic, Statistics } from './statistics.js';

/** Counts of one command. */
interface CommandCounts {
  readonly calls: Statistic;
  readonly time: Statistic;
}

/** The management interface of one server: its commands, its statistics, and the running of calls. */
export class ManagementInterface {
  readonly commands = new CommandTable();
  readonly statistics = new Statistics();
  readonly calls = this.statistics.add('mi', 'calls', 'counter');
  readonly errors = this.statistics.add('mi', 'errors', 'counter');
  readonly pending = this.statistics.add('mi', 'pending', 'gauge');
  readonly #counts: CommandCounts[] = [];

  /** Registers the counts of every command; call it once, after the last command was added. */
  seal(): void {
    for (const entry of this.commands.entries) {
      const name = this.commands.flatName(entry).replace(':', '_');
      this.#counts.push({
        calls: this.statistics.add('mi', `${name}-calls`, 'counter'),
        time: this.statistics.add('mi', `${name}-time_us`, 'counter'),
      });
    }
  }

  /**
   * Runs one call: chooses the recipe, converts the parameters, runs the handler, counts.
   *
   * @throws MiError for wrong parameters; whatever the handler throws. A promise that the handler
   *   returned is handed on, and its time is counted when it settles.
   */
  run(entry: CommandEntry, given: CallParameters, count: number, call: Call): Result | Promise<Result> {
    const started = performance.now();
    this.calls.add(1);
    let result: Result | Promise<Result>;
    let isLater: boolean;
    try {
      result = entry.command.run(selectParameters(entry.command, given, count), call);
      // Asking may fail too: a proxy, or a getter.
      isLater = isPromise(result);
    } catch (error) {
      this.#finished(entry, started);
      this.errors.add(1);
      throw error;
    }
    if (!isLater) {
      this.#finished(entry, started);
      return result;
    }
    this.pending.add(1);
    return Promise.resolve(result).then(
      (value) => {
        this.pending.add(-1);
        this.#finished(entry, started);
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

  #finished(entry: CommandEntry, started: number): void {
    const counts = this.#counts[entry.number];
    if (counts === undefined) return;
    counts.calls.add(1);
    counts.time.add(Math.round((performance.now() - started) * 1000));
  }
}

/** Whether a handler answers later; a promise of another realm or library counts too. */
export function isPromise(result: Result | PromiseLike<Result> | undefined): result is PromiseLike<Result> {
  return typeof result === 'object' && result !== null && 'then' in result && typeof result.then === 'function';
}
