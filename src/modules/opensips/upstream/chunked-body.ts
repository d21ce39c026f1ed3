/** Bytes of the line in front of a chunk, and of all fields behind the last one. */
const longestLine = 1024;
const longestTrailer = 16_384;

/** Takes apart a body in chunks (RFC 9112 §7.1), as a proxy sends it. */
export class ChunkedBody {
  readonly #data: (piece: Buffer) => void;
  #state: 'size' | 'data' | 'behind' | 'trailer' = 'size';
  /** Of a chunk. */
  #left = 0;
  #line = '';
  #trailer = 0;
  #isOver = false;

  /** @param data gets the pieces of the body, lent as those that are pushed */
  constructor(data: (piece: Buffer) => void) {
    this.#data = data;
  }

  /** True once it is whole. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /**
   * Takes the next bytes.
   * @returns how many of them are of the body; -1: it is none
   */
  push(piece: Buffer): number {
    let at = 0;
    while (at < piece.length && !this.#isOver) {
      if (this.#state === 'data') {
        const own = piece.subarray(at, at + this.#left);
        this.#left -= own.length;
        at += own.length;
        if (this.#left === 0) this.#state = 'behind';
        this.#data(own);
        continue;
      }
      const end = piece.indexOf(lineFeed, at);
      const room = this.#state === 'trailer' ? longestTrailer - this.#trailer : longestLine;
      const next = end < 0 ? piece.length : end + 1;
      if (this.#line.length + next - at > room) return -1;
      this.#line += piece.toString('latin1', at, next);
      at = next;
      if (end >= 0 && !this.#takeLine()) return -1;
    }
    return at;
  }

  #takeLine(): boolean {
    const line = this.#line;
    this.#line = '';
    if (!line.endsWith('\r\n')) return false;
    if (this.#state === 'trailer') {
      this.#trailer += line.length;
      this.#isOver = line === '\r\n';
      return true;
    }
    if (this.#state === 'behind') {
      this.#state = 'size';
      return line === '\r\n';
    }
    const [, size] = /^([0-9A-Fa-f]{1,8})[\t ]*(?:;|\r\n$)/.exec(line) ?? [];
    if (size === undefined) return false;
    this.#left = Number.parseInt(size, 16);
    this.#state = this.#left === 0 ? 'trailer' : 'data';
    return true;
  }
}

const lineFeed = '\n'.charCodeAt(0);
