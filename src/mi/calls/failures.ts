import { printJson } from '../../base/json.js';
import type { Log } from '../../base/log.js';
import { OwnContext } from '../../base/own-context.js';
import { errorMember, MiError, NothingError, serverError } from '../errors.js';
import { printAtOnce } from '../results/long-printer.js';

/** Errors are printed in it: a store that a `toJSON` in one enters is not seen by other calls. */
const context = new OwnContext();

/** Maps the failures of calls to the errors that clients are told, and logs the rest. */
export class Failures {
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  /** An MiError as it is. Anything else is logged with its stack, and the client is told no detail of it. */
  errorOf(error: unknown, command = 'request'): MiError {
    if (!isMiError(error)) {
      this.#log.error({ err: error, command }, `MI command ${command} failed`);
      return serverError(`${command} failed; the log of the server tells why`);
    }
    if (error instanceof NothingError) {
      this.#log.warn(
        { command },
        `MI command ${command} returned ${error.what}, which is answered as an error: return a value`,
      );
    }
    return error;
  }

  /** Logs that an error reply failed. */
  ofReply(error: unknown): void {
    this.#log.error({ err: error }, 'an error reply failed');
  }

  /** The error member of a reply. Commands in JavaScript put all sorts of things into an error. */
  print(error: MiError, command = 'request'): string {
    try {
      const member = errorMember(error);
      const text = typeof member.data === 'object' ? context.run(printAtOnce, member, undefined) : printJson(member);
      if (text !== undefined) return text;
    } catch (cause) {
      this.#log.error({ err: cause, command }, `the error of MI command ${command} cannot be printed`);
    }
    return JSON.stringify(serverError('the error of the command cannot be printed as JSON'));
  }
}

/** Asking may fail too: of a proxy. */
function isMiError(error: unknown): error is MiError {
  try {
    return error instanceof MiError;
  } catch {
    return false;
  }
}
