/** A bar on a terminal; elsewhere a line for each tenth of the way. */
export class Progress {
  readonly #out: { readonly isTTY?: boolean; readonly columns?: number; write(text: string): unknown };
  readonly #now: () => number;
  #total = 0;
  #done = 0;
  #begun = 0;
  #told = 0;

  constructor(
    out: typeof process.stderr | { write(text: string): unknown },
    now: () => number = () => performance.now(),
  ) {
    this.#out = out;
    this.#now = now;
  }

  /** @param total number of steps to come */
  begin(total: number): void {
    this.#total = total;
    this.#begun = this.#now();
  }

  /** @param what the step that begins now */
  step(what: string): void {
    const share = this.#total === 0 ? 1 : this.#done / this.#total;
    const elapsed = this.#now() - this.#begun;
    const left = this.#done === 0 ? '' : `, ${clock((elapsed / this.#done) * (this.#total - this.#done))} left`;
    this.#done += 1;
    if (this.#out.isTTY === true) {
      const width = 20;
      const bar = '#'.repeat(Math.floor(share * width)).padEnd(width, '.');
      const line = `[${bar}] ${Math.floor(share * 100)} %${left}  ${what}`;
      this.#out.write(`\r\x1b[K${line.slice(0, (this.#out.columns ?? 80) - 1)}`);
    } else if (share >= this.#told) {
      this.#told = Math.floor(share * 10) / 10 + 0.1;
      this.#out.write(`${Math.floor(share * 100)} %${left}: ${what}\n`);
    }
  }

  end(): void {
    if (this.#out.isTTY === true) this.#out.write('\r\x1b[K');
  }
}

function clock(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
