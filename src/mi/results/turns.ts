/** Milliseconds of a turn of the event loop that are worked in, by all together, before others get their turn. */
const slice = 0.5;

/** Something that takes long, done in steps. */
export interface LongWork {
  /** Works until that time of `performance.now()`; tells whether there is more to do. Never throws. */
  work(until: number): boolean;
}

/** Each gets a slice in turn. */
const waiting: LongWork[] = [];

function takeTurn(): void {
  const next = waiting.shift();
  if (next?.work(performance.now() + slice) === true) waiting.push(next);
  if (waiting.length > 0) setImmediate(takeTurn);
}

/** Does some work in later turns of the event loop, between which everybody else is served. */
export function workInTurns(work: LongWork): void {
  if (waiting.push(work) === 1) setImmediate(takeTurn);
}
