import { type ParseArgsConfig, parseArgs } from 'node:util';
import { firstSentenceOf, reasonOf } from '../base/text.js';

/**
 * The options and names after a verb of the command line.
 *
 * @throws Error in one line that says what is wrong and where the verb is explained
 */
export function parseVerb<const Options extends NonNullable<ParseArgsConfig['options']>>(
  verb: string,
  args: readonly string[],
  options: Options,
): ReturnType<typeof parseArgs<{ args: string[]; options: Options; strict: true; allowPositionals: true }>> {
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: true });
  } catch (error) {
    throw usageError(verb, firstSentenceOf(reasonOf(error)));
  }
}

/** An error of one line that ends with the way to the explanation of a verb. */
export function usageError(verb: string, reason: string): Error {
  return new Error(`${reason}; mi-httpd ${verb} --help tells how`);
}
