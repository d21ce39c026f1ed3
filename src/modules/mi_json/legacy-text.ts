import { type LongWork, workInTurns } from '../../mi/results/turns.js';
import { JsonPieces } from './json-pieces.js';
import { printTree, treeOf } from './tree.js';
import { TooLongError } from './whole-result.js';

/** Units of a result that are read and printed in one go. */
const shortResult = 16384;

/** Pieces that are joined to one, before a text of many small ones gets slow to read. */
const joinedAtOnce = 1024;

/**
 * The reply to a result, as mi_json of OpenSIPS 2.x prints it. A long one is read and printed in turns.
 *
 * @param command full name of the command
 * @param json the result, as JSON of this server
 * @param limit bytes of the reply at most
 * @param signal when nobody waits any more; the reply is '' then
 * @throws TooLongError
 */
export function legacyText(
  command: string,
  json: string,
  limit: number,
  signal: AbortSignal,
): string | Promise<string> {
  if (json.length <= shortResult) {
    const text = [...printTree(treeOf(command, JSON.parse(json)))].join('');
    if (Buffer.byteLength(text) > limit) throw new TooLongError(limit);
    return text;
  }
  return new Promise((resolve, reject) => {
    const steps = printSteps(command, json, limit);
    const work: LongWork = {
      work: (until) => {
        try {
          do {
            const step = signal.aborted ? { done: true as const, value: '' } : steps.next();
            if (step.done === true) {
              resolve(step.value);
              return false;
            }
          } while (performance.now() < until);
          return true;
        } catch (error) {
          reject(error);
          return false;
        }
      },
    };
    workInTurns(work);
  });
}

function* printSteps(command: string, json: string, limit: number): Generator<void, string> {
  const value = yield* new JsonPieces(json).parse();
  const texts: string[] = [];
  let pieces: string[] = [];
  let bytes = 0;
  for (const piece of printTree(treeOf(command, value))) {
    bytes += Buffer.byteLength(piece);
    if (bytes > limit) throw new TooLongError(limit);
    pieces.push(piece);
    if (pieces.length === joinedAtOnce) {
      texts.push(pieces.join(''));
      pieces = [];
    }
    yield;
  }
  return texts.join('') + pieces.join('');
}
