import { availableParallelism } from 'node:os';
import { mostThreads } from './protocol.js';

/** Threads for all cores but the one of this thread. */
export function threadsOfCores(): number {
  return Math.min(mostThreads, Math.max(1, availableParallelism() - 1));
}

/** What else decides whether there are threads: nothing, but for tests. */
interface WhereToListen {
  readonly app?: object | undefined;
  readonly listen?: boolean | undefined;
  readonly engine?: object | string | undefined;
}

/** The number of threads that have the listeners. */
export function servingThreads(asked: number | 'auto', _: WhereToListen): number {
  return asked === 'auto' ? threadsOfCores() : asked;
}
