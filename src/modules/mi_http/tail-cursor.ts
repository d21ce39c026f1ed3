import { BytesCursor, type Cursor } from '../../mi/results/cursor.js';
import type { RequestScanner } from '../../native/native.js';

/** Prints what follows the value. It holds the id until then, so that it is given back when the client leaves. */
export class TailCursor implements Cursor {
  readonly #scanner: RequestScanner;
  readonly #idSlot: number;
  #bytes: BytesCursor | undefined;
  #hasId = true;

  constructor(scanner: RequestScanner, idSlot: number) {
    this.#scanner = scanner;
    this.#idSlot = idSlot;
  }

  /** Bytes it will print; asking takes the id. */
  get length(): number {
    return this.#take().bytes.length;
  }

  fill(buffer: Buffer): number {
    return this.#take().fill(buffer);
  }

  #take(): BytesCursor {
    this.#bytes ??= new BytesCursor(this.#scanner.tail(this.#idSlot));
    this.#hasId = false;
    return this.#bytes;
  }

  /** Leaves the id to the caller. */
  keepId(): number {
    this.#hasId = false;
    return this.#idSlot;
  }

  release(): void {
    if (this.#hasId && this.#idSlot >= 0) this.#scanner.release(this.#idSlot);
    this.#hasId = false;
  }
}
