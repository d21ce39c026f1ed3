import type { CommandEntry } from '../../mi/command-table.js';
import { codes, explained, type MiError } from '../../mi/errors.js';
import { fromWords, type Submitted } from '../mi_http/web/arguments.js';

/**
 * The parameters of `?params=A,B,C`, by position. A comma cannot be escaped; an empty last value is none. Where the
 * last parameter is a list, it takes those that are left over.
 */
export function legacyParameters({ command, fullName }: CommandEntry, params: string): Submitted {
  const values = params.split(',');
  if (values.at(-1) === '') values.pop();
  return fromWords(command, asNow(fullName, values));
}

/** Parameters of 2.x that 3.x dropped or renamed. */
function asNow(command: string, values: readonly string[]): readonly string[] {
  // An unused one, sixth of nine.
  if (command === 'usrloc:add' && values.length === 9) return values.toSpliced(5, 1);
  if (command === 'usrloc:dump' && values[0] === 'brief') return ['1'];
  return values;
}

/** What a failed command told in 2.x; undefined for codes below 400, which were none of a failure. */
export function legacyError(error: MiError): { code: number; message: string } | undefined {
  const { code, message } = error;
  switch (code) {
    case codes.methodNotFound:
      return { code: 500, message: 'Command not found' };
    case codes.methodAmbiguous:
      return { code: 500, message: `Command ambiguous, ${explained(error)}` };
    case codes.permissionDenied:
      return { code: 403, message: explained(error) };
    case codes.invalidParams: {
      const isCount = explained(error).startsWith('Too few or too many parameters');
      return { code: 400, message: isCount ? 'Too few or too many arguments' : explained(error) };
    }
  }
  if (code < 0) return internalError;
  return code < 400 ? undefined : { code, message };
}

/** A command that gave nothing, or more than fits. */
export const internalError = { code: 500, message: 'Internal server error' } as const;
