import type { Engine } from './engine.js';
import { loadUws } from './uws/loader.js';

/**
 * Loads the engine that serves.
 *
 * @param given uWebSockets.js as an embedder brings it, taken as it is
 * @throws Error in one line, naming this platform and what is supported, when none loads
 */
export function loadEngine(given?: object): Promise<Engine> {
  return loadUws(given);
}
