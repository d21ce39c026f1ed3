import type { Chunk, ChunkSource } from '../http/exchange.js';

/** The beginning of a result, and the source of what follows it. */
export interface FirstPart {
  /** Whole characters of UTF-8. */
  readonly bytes: Uint8Array;
  /** Bytes that were pulled, those left out of {@link bytes} among them. */
  readonly pulled: number;
  /** True if this is all. */
  readonly isWhole: boolean;
  readonly source: ChunkSource;
}

/** Pulls from a source until `bound` bytes are there, or it ends; at once if the source gives at once. */
export function pullFirstPart(source: ChunkSource, bound: number): FirstPart | Promise<FirstPart> {
  const pieces: Uint8Array[] = [];
  let pulled = 0;
  /** True if there may be more. */
  const take = (chunk: Chunk): boolean => {
    if (chunk === null) return false;
    pieces.push(Uint8Array.from(chunk));
    pulled += chunk.length;
    return true;
  };
  const made = (isAtEnd: boolean): FirstPart => {
    const all = Buffer.concat(pieces);
    const isWhole = isAtEnd && pulled <= bound;
    return { bytes: isWhole ? all : all.subarray(0, characterEnd(all, bound)), pulled, isWhole, source };
  };
  const pullLater = async (first: Promise<Chunk>): Promise<FirstPart> => {
    let isMore = take(await first);
    while (isMore && pulled <= bound) isMore = take(await source.next());
    return made(!isMore);
  };
  while (pulled <= bound) {
    const chunk = source.next();
    if (chunk instanceof Promise) return pullLater(chunk);
    if (!take(chunk)) return made(true);
  }
  return made(false);
}

/** The end of the last whole character of UTF-8 that ends at `bound` or before. */
function characterEnd(bytes: Uint8Array, bound: number): number {
  let end = Math.min(bound, bytes.length);
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return end;
}
