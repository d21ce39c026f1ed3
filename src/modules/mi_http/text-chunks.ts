/**
 * A long text as a source of UTF-8 chunks for a streamed reply: encoded piece by piece into one
 * buffer, so that the text is never held a second time.
 */
export class TextChunks {
  #position = 0;

  /**
   * @param before bytes that come first
   * @param after bytes that come last
   * @param buffer where pieces are encoded; the engine has copied what it could not send by the time
   *   the next piece is asked for, so all streams of a server may share it
   * @param released told once, when the reply has ended or was given up
   */
  constructor(
    readonly before: Uint8Array,
    readonly text: string,
    readonly after: Uint8Array,
    readonly buffer: Buffer,
    readonly released: () => void,
  ) {}

  next(): Uint8Array | null {
    if (this.#position === -1) return null;
    if (this.#position >= this.text.length) {
      this.#position = -1;
      return this.after;
    }
    const start = this.#position === 0 ? this.before.length : 0;
    this.buffer.set(this.before.subarray(0, start));
    const end = pieceEnd(this.text, this.#position, Math.floor((this.buffer.length - start) / 3));
    const length = this.buffer.write(this.text.slice(this.#position, end), start, 'utf8');
    this.#position = end;
    return this.buffer.subarray(0, start + length);
  }

  release(): void {
    this.#position = -1;
    this.released();
  }
}

/** A code unit takes at most three bytes of UTF-8; a surrogate pair stays together. */
function pieceEnd(text: string, start: number, units: number): number {
  const end = start + units;
  if (end >= text.length) return text.length;
  const last = text.charCodeAt(end - 1);
  return last >= 0xd800 && last <= 0xdbff ? end - 1 : end;
}
