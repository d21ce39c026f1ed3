import type { Log } from '../../log.js';
import { MiError, serverError } from '../../mi/errors.js';
import { printJson } from '../../mi/json.js';
import { printAtOnce } from '../../mi/long-printer.js';

/** What clients are told of the failures of calls, and what the log is. */
export class Failures {
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  /** An MiError as it is. Anything else is logged with its stack, and no detail of it is told. */
  errorOf(error: unknown, command = 'request'): MiError {
    if (error instanceof MiError) return error;
    this.#log.error({ err: error, command }, `MI command ${command} failed`);
    return serverError(`${command} failed; the log of the server tells why`);
  }

  /** An error reply failed, of which nothing but the log can tell. */
  ofReply(error: unknown): void {
    this.#log.error({ err: error }, 'an error reply failed');
  }

  /** The error member of a reply. Commands in JavaScript put all sorts of things into an error. */
  print(error: MiError): string {
    try {
      const text = typeof error.data === 'object' ? printAtOnce(error) : printJson(error);
      if (text !== undefined) return text;
    } catch (cause) {
      this.#log.error({ err: cause }, 'the error of an MI command cannot be printed');
    }
    return JSON.stringify(serverError('the error of the command cannot be printed as JSON'));
  }
}
