import type { Log } from '../base/log.js';
import { printError, toldOf } from '../mi/calls/failure.js';
import type { MiError } from '../mi/errors.js';

/** What clients are told of the failures of calls, and what the log is. */
export class Failures {
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  /** An MiError as it is. Anything else is logged with its stack, and no detail of it is told. */
  errorOf(error: unknown, command = 'request'): MiError {
    return toldOf(error, command, this.#log);
  }

  /** An error reply failed, of which nothing but the log can tell. */
  ofReply(error: unknown): void {
    this.#log.error({ err: error }, 'an error reply failed');
  }

  /** The error member of a reply. */
  print(error: MiError, command = 'request'): string {
    return printError(error, command, this.#log);
  }
}
