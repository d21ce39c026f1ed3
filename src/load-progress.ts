const width = 30;
/** Milliseconds between two drawings. */
const pace = 100;

/** A bar on a terminal: how much of the input has been read, and how fast contacts are added. */
export class LoadProgress {
  readonly #terminal: NodeJS.WriteStream | undefined;
  readonly #size: number | undefined;
  readonly #started = performance.now();
  #drawnAt = Number.NEGATIVE_INFINITY;
  #bytes = 0;
  #added = 0;

  /**
   * @param output nothing is drawn unless it is a terminal
   * @param size bytes of the input, if known
   */
  constructor(output: NodeJS.WriteStream, size: number | undefined) {
    this.#terminal = output.isTTY === true ? output : undefined;
    this.#size = size;
  }

  read(bytes: number): void {
    this.#bytes += bytes;
    this.#draw();
  }

  added(count: number): void {
    this.#added += count;
    this.#draw();
  }

  /** Takes the bar away, so that a line can be written. */
  clear(): void {
    this.#terminal?.write('\r\u001b[K');
  }

  #draw(): void {
    const now = performance.now();
    if (this.#terminal === undefined || now - this.#drawnAt < pace) return;
    this.#drawnAt = now;
    const rate = Math.round(this.#added / Math.max(0.001, (now - this.#started) / 1000));
    this.#terminal.write(`\r\u001b[K${this.#bar()}${this.#added} contacts, ${rate} per second`);
  }

  #bar(): string {
    if (this.#size === undefined || this.#size === 0) return '';
    const share = Math.min(1, this.#bytes / this.#size);
    const full = Math.round(share * width);
    return `[${'='.repeat(full)}${' '.repeat(width - full)}] ${String(Math.floor(share * 100)).padStart(3)} %  `;
  }
}
