import { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { coded, withCode } from '../base/codes.js';
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
  return coded('ERR_OPTION', new Error(`${reason}; mi-httpd ${verb} --help tells how`));
}

/** Milliseconds that a reader gets to take what a process says at its end. */
const patience = 2000;

/**
 * Ends the process although a module of the user's own may hold a timer or a socket, once a text is written. A reader
 * that has left, or that reads nothing for two seconds, or a full disk, changes nothing of the status.
 */
export function exitWith(status: number, name: 'stdout' | 'stderr', text: string): void {
  const exit = (): never => process.exit(status);
  const stream: Writable = process[name];
  setTimeout(exit, patience);
  // Node.js waits for a full pipe without end, and no timer ends that. Where the addon is not there, it is all there is.
  if (stream instanceof Socket) writeByThread(name, text).then(exit, () => stream.write(text, exit));
  else stream.write(text, exit);
}

async function writeByThread(name: 'stdout' | 'stderr', text: string): Promise<void> {
  const { openStandardOutput } = await import('../native/addon.js');
  const output = openStandardOutput(name === 'stdout' ? 1 : 2, 2 * Buffer.byteLength(text), '');
  output.write(text);
  output.finish(patience);
}

/** Ends the process for an error. One with a message made for people is told in one line, with its code; a defect keeps its stack. */
export function exitWithError(error: unknown): void {
  exitWith(1, 'stderr', `mi-httpd: ${described(error)}\n`);
}

function described(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isDefect = error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
  return (isDefect ? error.stack : undefined) ?? withCode(error.message, 'code' in error ? error.code : undefined);
}

/** Lets a reader leave early, as `head` does. */
export function allowLeaving(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
}
