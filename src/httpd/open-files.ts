import { readFileSync } from 'node:fs';
import type { Log } from '../log.js';

/** Descriptors that are left for everything else: logs, modules, the engine, a few at once for the system. */
const reserve = 64;

/**
 * Largest number of connections that the limit of open files allows. At that limit the engine would
 * spin, accepting in vain.
 *
 * @returns `wanted`, or less with a warning
 */
export function withinOpenFiles(wanted: number, log: Log): number {
  const limit = openFilesLimit();
  const possible = Math.max(1, limit - reserve);
  if (wanted <= possible) return wanted;
  log.warn(
    { maxConnections: wanted, openFiles: limit },
    `max_connections ${wanted} lowered to ${possible}: the limit of open files is ${limit}; raise it (ulimit -n)`,
  );
  return possible;
}

function openFilesLimit(): number {
  try {
    const match = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
    return match?.[1] === undefined ? Infinity : Number(match[1]);
  } catch {
    // Only Linux has this file.
    return Infinity;
  }
}
