/** Milliseconds in which many steps were short. */
const shortLook = 0.02;
const longestStride = 16;

/** A share of one turn of the event loop. Long work rests between slices, so that everybody else is served. */
export class Slice {
  readonly #length: number;
  #until: number;
  /** When a step was last looked at. */
  #looked: number;
  /** Steps up to the next look, and between two. */
  #left = 1;
  #stride = 1;

  /** Begins a slice. @param length milliseconds */
  constructor(length = 0.5) {
    this.#length = length;
    this.#looked = performance.now();
    this.#until = this.#looked + length;
  }

  /** True if others should get their turn. */
  get isOver(): boolean {
    return performance.now() >= this.#until;
  }

  /** As {@link isOver}, to be asked after each of many steps. While these are short, few of them look at the clock. */
  isOverAfterStep(): boolean {
    this.#left -= 1;
    if (this.#left > 0) return false;
    const now = performance.now();
    this.#stride = now - this.#looked < shortLook ? Math.min(2 * this.#stride, longestStride) : 1;
    this.#left = this.#stride;
    this.#looked = now;
    return now >= this.#until;
  }

  /** Begins the next slice on the next turn of the event loop. */
  async rest(): Promise<void> {
    await new Promise(setImmediate);
    this.begin();
  }

  /** Begins the next slice, in a turn that another event began. */
  begin(): void {
    this.#until = performance.now() + this.#length;
  }
}

/** Something that takes long, done in steps. */
export interface LongWork {
  /** Works until the slice is over; tells whether there is more to do. Never throws. */
  work(slice: Slice): boolean;
}

/** All long work shares one slice of a turn: each has it in turn, and leaves what it does not need to the next. */
const waiting: LongWork[] = [];

function takeTurn(): void {
  const slice = new Slice();
  do {
    const next = waiting.shift();
    if (next?.work(slice) === true) waiting.push(next);
  } while (waiting.length > 0 && !slice.isOver);
  if (waiting.length > 0) goOn();
}

function goOn(): void {
  try {
    setImmediate(takeTurn);
  } catch {
    // Others wait rather than the work, which nobody else would go on with.
    queueMicrotask(takeTurn);
  }
}

/** Does some work in later turns of the event loop, between which everybody else is served. */
export function workInTurns(work: LongWork): void {
  // Immediates that are set in the poll phase run in the same turn, of which new work has had its share.
  if (waiting.length === 0) setImmediate(present === undefined ? takeTurn : goOn);
  waiting.push(work);
}

/** What new work may take of the present turn; undefined: nothing of it has begun yet. */
let present: Slice | undefined;

/**
 * As {@link workInTurns}, but begins now if nothing waits and the turn has time left for new work.
 *
 * @returns true if the work is done
 */
export function workFromNow(work: LongWork): boolean {
  if (waiting.length === 0) {
    if (present === undefined) {
      setImmediate(endPresent);
      present = new Slice(longestPresent);
    }
    if (!present.isOver && !work.work(present)) return true;
  }
  workInTurns(work);
  return false;
}

/** Milliseconds that new work may take of a turn, all of it together. */
const longestPresent = 0.25;

function endPresent(): void {
  present = undefined;
}
