/** Bytes of a stream that are given to Node.js at once. */
export const pieceSize = 65536;

/** Bytes from which a piece gets a buffer of its own: clients that stall hold one for each that waits. */
const leastPiece = 16384;

/** Free buffers that are kept. */
const mostFree = 16;

const free: Buffer[] = [];

/** A piece of a stream, copied: Node.js keeps what the kernel does not take. */
export interface CopiedPiece {
  readonly bytes: Uint8Array;
  /** Node.js is done with it. */
  readonly sent: (error?: Error | null) => void;
}

/**
 * Copies a piece into a buffer that is used again: of one that is left to the garbage collector the memory comes back late,
 * since V8 lets some 64 MB of them gather.
 */
export function copyPiece(piece: Uint8Array): CopiedPiece {
  if (piece.length < leastPiece) return { bytes: Buffer.from(piece), sent: () => {} };
  const buffer = free.pop() ?? Buffer.allocUnsafeSlow(pieceSize);
  buffer.set(piece);
  return {
    bytes: buffer.subarray(0, piece.length),
    sent: (error) => {
      // After a failure it may still be on its way.
      if ((error === undefined || error === null) && free.length < mostFree) free.push(buffer);
    },
  };
}
