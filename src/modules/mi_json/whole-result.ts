import { ReplyChunks } from '../../gateway/chunks.js';
import { type FirstPart, pullFirstPart } from '../../gateway/first-part.js';
import type { Result } from '../../mi/commands/command.js';
import { MiError } from '../../mi/errors.js';
import { openParts } from '../../mi/results/open-parts.js';
import { printResult } from '../../mi/results/print-parts.js';
import { StatisticsSelection } from '../../mi/statistics.js';

const chunkSize = 65536;

/** A result does not fit where it has to be whole. */
export class TooLongError extends Error {
  override readonly name = 'TooLongError';

  constructor(limit: number) {
    super(
      `result is longer than buf_size, ${limit} bytes, which a reply of mi_json has to fit; use JSON-RPC, or raise it`,
    );
  }
}

/**
 * Reads a result whole, dumps and streams in it included, as JSON.
 *
 * @param limit bytes of its JSON at most
 * @param signal when nobody waits any more
 * @throws TooLongError; MiError -32000 for no result, 404 for no statistics; what printing it throws
 */
export function wholeResult(result: Result, limit: number, signal: AbortSignal): string | Promise<string> {
  if (result instanceof StatisticsSelection) {
    // OpenSIPS 2.4, whose replies these are; later ones answer with nothing.
    if (result.statistics.length === 0) throw new MiError(404, 'Statistics Not Found');
    return JSON.stringify(result.toJSON());
  }
  const printed = printResult(result);
  if (typeof printed === 'string') return within(printed, limit);
  const source = ReplyChunks.own(openParts(printed), chunkSize, () => {});
  let isReleased = false;
  const release = (): void => {
    if (!isReleased) source.release();
    isReleased = true;
  };
  const read = ({ bytes, isWhole }: FirstPart): string => {
    release();
    if (!isWhole) throw new TooLongError(limit);
    return within(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'), limit);
  };
  try {
    const first = pullFirstPart(source, limit);
    if (!(first instanceof Promise)) return read(first);
    signal.addEventListener('abort', release, { once: true });
    return first.then(read).finally(() => {
      signal.removeEventListener('abort', release);
      release();
    });
  } catch (error) {
    release();
    throw error;
  }
}

function within(text: string, limit: number): string {
  if (text.length > limit) throw new TooLongError(limit);
  return text;
}
