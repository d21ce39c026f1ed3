// Properties of a running server: seeds that once found a fault are run again each time, before new ones.
import fc from 'fast-check';

export interface Runs {
  readonly runs: number;
  /** Seeds that failed within 100 runs once; `fc.assert` prints the seed of a failure. */
  readonly found?: readonly number[];
}

/** Fails with the seed and the shortest counterexample unless the property holds. */
export async function holds<T>(property: fc.IAsyncProperty<T>, { runs, found = [] }: Runs): Promise<void> {
  for (const seed of found) await fc.assert(property, { numRuns: 100, seed, includeErrorInReport: true });
  await fc.assert(property, { numRuns: runs, includeErrorInReport: true });
}
