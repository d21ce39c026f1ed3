import { printJson } from '../../base/json.js';
import type { Log } from '../../base/log.js';
import { errorMember, MiError, NothingError, serverError } from '../errors.js';
import { printAtOnce } from '../results/long-printer.js';

/** An MiError as it is. Anything else is logged with its stack, and the client is told no detail of it. */
export function toldOf(error: unknown, command: string, log: Log): MiError {
  if (!isMiError(error)) {
    log.error({ err: error, command }, `MI command ${command} failed`);
    return serverError(`${command} failed; the log of the server tells why`);
  }
  if (error instanceof NothingError) {
    log.warn(
      { command },
      `MI command ${command} returned ${error.what}, which is answered as an error: return a value`,
    );
  }
  return error;
}

/** The error member of a reply. Commands in JavaScript put all sorts of things into an error. */
export function printError(error: MiError, command: string, log: Log): string {
  try {
    const member = errorMember(error);
    const text = typeof member.data === 'object' ? printAtOnce(member) : printJson(member);
    if (text !== undefined) return text;
  } catch (cause) {
    log.error({ err: cause, command }, `the error of MI command ${command} cannot be printed`);
  }
  return JSON.stringify(serverError('the error of the command cannot be printed as JSON'));
}

/** Asking may fail too: of a proxy. */
function isMiError(error: unknown): error is MiError {
  try {
    return error instanceof MiError;
  } catch {
    return false;
  }
}
