import { isUtf8 } from 'node:buffer';

/** Mends UTF-8 that comes in pieces: bytes that are none become U+FFFD, and a character that is cut waits for its rest. */
export class Utf8Mender {
  #cut: Buffer = Buffer.alloc(0);

  /** @returns the sound text as far as it is complete; most often the piece itself */
  push(piece: Buffer): Buffer {
    const given = this.#cut.length === 0 ? piece : Buffer.concat([this.#cut, piece]);
    const end = given.length - cutLength(given);
    this.#cut = Buffer.from(given.subarray(end));
    return sound(given.subarray(0, end));
  }

  /** What is left: U+FFFD for a character that has no rest. */
  end(): Buffer {
    const rest = sound(this.#cut);
    this.#cut = Buffer.alloc(0);
    return rest;
  }
}

function sound(bytes: Buffer): Buffer {
  return isUtf8(bytes) ? bytes : Buffer.from(bytes.toString('utf8'));
}

/** Bytes at the end that begin a character without completing it. */
function cutLength(bytes: Buffer): number {
  for (let length = 1; length <= 3 && length <= bytes.length; length++) {
    const byte = bytes[bytes.length - length] ?? 0;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) {
      const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return needed > length ? length : 0;
    }
  }
  return 0;
}
