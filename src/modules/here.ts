// Commands that run anywhere: what modules make of them in each thread that has listeners.
import type { CodedLog } from '../base/log.js';
import type { Command } from '../mi/commands/command.js';
import type { CallParameters } from '../mi/commands/parameters.js';
import type { ManagementInterface } from '../mi/management-interface.js';
import type { ServerFacts } from '../module.js';

/** The facts about the server that every thread has. */
export type CommonFacts = Pick<ServerFacts, 'name' | 'version' | 'startedAt' | 'upTime'>;

/** The thread that commands are made in. */
export interface ThreadContext {
  /** Counts with home, and has no statistics but those of home. */
  readonly mi: ManagementInterface;
  readonly log: CodedLog;
  readonly facts: CommonFacts;
  /** True for the name of a command of which only home can tell all. */
  readonly isToldAtHome: (command: string) => boolean;
  /** What `forThreads` of modules at home has given, by their names. */
  readonly given: Readonly<Record<string, unknown>>;
}

/** A command that a thread runs by itself. */
export interface CommandHere {
  readonly command: Command;
  /**
   * Tells by the parameters whether a call runs here; left out: each one does. Asked in the turn in which the call begins then. Home
   * has all others.
   */
  readonly takes?: ((given: CallParameters) => boolean) | undefined;
  /** True if what {@link takes} tells may be wrong a turn later: then home has the batches with such calls, which may begin later. */
  readonly isOfTurn?: boolean;
}

/** Commands that a module of the user's own has in a thread, beside those of the same names at home. */
export interface OwnCommands {
  readonly module: string;
  readonly commands: readonly Command[];
}

/** Makes the commands of a module that are declared to run anywhere; others that it makes are left out. */
export type CommandsHere = (thread: ThreadContext) => readonly CommandHere[];

/** The one parameter of a call that has one. */
export function only(given: CallParameters, name: string): unknown {
  return Array.isArray(given) ? given[0] : (given as Readonly<Record<string, unknown>> | undefined)?.[name];
}
