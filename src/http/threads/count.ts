import { availableParallelism } from 'node:os';
import { mostThreads } from './protocol.js';

/** Threads for all cores but the one of this thread. */
export function threadsOfCores(): number {
  return Math.min(mostThreads, Math.max(1, availableParallelism() - 1));
}

/** The settings of a server that tell how many threads have its listeners. */
interface ThreadSettings {
  readonly threads?: number | 'auto' | undefined;
}

/**
 * The number of threads that have the listeners.
 *
 * @param ofFile as the parameter of httpd has it, which the settings overrule
 */
export function servingThreads({ threads }: ThreadSettings, ofFile: number): number {
  return threads === 'auto' ? threadsOfCores() : (threads ?? ofFile);
}
