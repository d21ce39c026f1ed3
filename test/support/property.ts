// The one way in which tests assert a property: seeds that once found a fault are run again each time, before new ones.
import fc from 'fast-check';

export interface Runs {
  /** 100 if left out. */
  readonly runs?: number;
  /** Seeds that failed within 100 runs once; the report of a failure tells its seed. */
  readonly found?: readonly number[];
}

/** Fails with the seed and the shortest counterexample unless the property holds. */
export function holds<T>(property: fc.IProperty<T>, runs?: Runs): void;
export function holds<T>(property: fc.IAsyncProperty<T>, runs?: Runs): Promise<void>;
export function holds<T>(
  property: fc.IProperty<T> | fc.IAsyncProperty<T>,
  { runs = 100, found = [] }: Runs = {},
): Promise<void> | void {
  const kept = found.map((seed) => ({ numRuns: 100, seed }));
  const series = [...kept, { numRuns: runs }].map((one) => ({ ...one, includeErrorInReport: true }));
  if (property.isAsync()) return inTurn(series, (parameters) => fc.assert(property, parameters));
  for (const parameters of series) fc.assert(property, parameters);
}

async function inTurn<T>(list: readonly T[], run: (one: T) => Promise<void> | void): Promise<void> {
  for (const one of list) await run(one);
}
