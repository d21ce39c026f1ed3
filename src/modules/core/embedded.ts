import { codes, MiError } from '../../mi/errors.js';

/** Refuses what would lay hands on the process that the server is embedded in. */
export function embedded(command: string, option: string): MiError {
  const reason = `${command} is off: the server is part of a program, which did not give createServer the option ${option}`;
  return new MiError(codes.permissionDenied, undefined, reason);
}
