/** A share of one turn of the event loop. Long work rests between slices, so that everybody else is served. */
export class Slice {
  readonly #length: number;
  #until: number;

  /** Begins a slice. @param length milliseconds */
  constructor(length = 0.5) {
    this.#length = length;
    this.#until = performance.now() + length;
  }

  /** True if others should get their turn. */
  get isOver(): boolean {
    return performance.now() >= this.#until;
  }

  /** Begins the next slice on the next turn of the event loop. */
  async rest(): Promise<void> {
    await new Promise(setImmediate);
    this.#until = performance.now() + this.#length;
  }
}

/** Something that takes long, done in steps. */
export interface LongWork {
  /** Works until the slice is over; tells whether there is more to do. Never throws. */
  work(slice: Slice): boolean;
}

/** All long work shares one slice of a turn: each has it in turn. */
const waiting: LongWork[] = [];

function takeTurn(): void {
  const next = waiting.shift();
  if (next?.work(new Slice()) === true) waiting.push(next);
  if (waiting.length > 0) setImmediate(takeTurn);
}

/** Does some work in later turns of the event loop, between which everybody else is served. */
export function workInTurns(work: LongWork): void {
  if (waiting.push(work) === 1) setImmediate(takeTurn);
}
