import { type Cursor, Parts, Piecewise, TextCursor } from './cursor.js';

/** A part of a text: what this server has printed, or what others have, as it came. */
export type Splice = string | Uint8Array;

/** Prints parts one after the other. What others have printed is copied once, into the reply. */
class SpliceCursor implements Cursor {
  #parts: readonly Uint8Array[];
  readonly #released: () => void;
  #index = 0;
  #offset = 0;

  constructor(parts: readonly Splice[], released: () => void) {
    this.#parts = parts.map(bytesOf);
    this.#released = released;
  }

  fill(buffer: Buffer): number {
    let at = 0;
    for (let part = this.#parts[this.#index]; part !== undefined && at < buffer.length; ) {
      const end = Math.min(part.length, this.#offset + buffer.length - at);
      buffer.set(part.subarray(this.#offset, end), at);
      at += end - this.#offset;
      this.#offset = end;
      if (end < part.length) break;
      this.#index += 1;
      this.#offset = 0;
      part = this.#parts[this.#index];
    }
    return at;
  }

  release(): void {
    this.#parts = [];
    this.#released();
  }
}

/** Compact JSON that is put together of what other servers have printed, and of what stands between. It is printed once. */
export class SplicedJson extends Piecewise {
  readonly length: number;
  readonly #parts: readonly Splice[];
  readonly #released: () => void;

  /** @param released told when it is sent, or given up */
  constructor(parts: readonly Splice[], released: () => void) {
    super();
    this.length = parts.reduce((sum, part) => sum + part.length, 0);
    this.#parts = parts;
    this.#released = released;
  }

  open(): Cursor {
    return new SpliceCursor(this.#parts, this.#released);
  }

  /** It is one line. */
  openLines(): Cursor {
    return new Parts([this.open(), new TextCursor('\n')]);
  }

  override discard(): void {
    this.#released();
  }

  /** All of it, which it holds no longer. */
  text(): string {
    this.#released();
    return Buffer.concat(this.#parts.map(bytesOf)).toString('utf8');
  }

  protected whole(): unknown {
    return JSON.parse(this.text());
  }
}

function bytesOf(part: Splice): Uint8Array {
  return typeof part === 'string' ? Buffer.from(part) : part;
}
