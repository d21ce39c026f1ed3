import { closeSync, openSync, readFileSync } from 'node:fs';
import { devNull } from 'node:os';
import type { Log } from '../log.js';

/** Descriptors that are left for everything else: logs, the engine, files that are read again, a few at once for the system. */
const reserve = 64;

/** Milliseconds between two looks at whether there are free descriptors. */
const interval = 1000;

/** Free descriptors that are needed to begin again: fewer would be gone with the next clients. */
const enough = 8;

/**
 * Largest number of connections that the limit of open files allows.
 *
 * @param others descriptors that modules may open; they get half of what there is at most
 * @returns `wanted`, or less with a warning
 */
export function withinOpenFiles(wanted: number, others: number, log: Log): number {
  const limit = openFilesLimit();
  const free = limit - reserve;
  const possible = Math.max(1, Math.floor(free - Math.min(others, Math.max(0, free / 2))));
  if (wanted <= possible) return wanted;
  log.warn(
    { maxConnections: wanted, openFiles: limit },
    `max_connections ${wanted} lowered to ${possible}: the limit of open files is ${limit}; raise it (ulimit -n)`,
  );
  return possible;
}

/**
 * Watches whether the process can still open files. Where it cannot, however that came about, the engine would be told of
 * the next client over and over, and would accept in vain: it has to stop listening until it can.
 */
export class DescriptorWatch {
  readonly #exhausted: () => void;
  readonly #available: () => void;
  #timer: NodeJS.Timeout | undefined;
  #isShort = false;

  /**
   * @param exhausted told once when there are none left
   * @param available told once when there are some again
   */
  constructor(exhausted: () => void, available: () => void) {
    this.#exhausted = exhausted;
    this.#available = available;
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#look(), interval);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const isShort = !canOpen(this.#isShort ? enough : 1);
    if (isShort === this.#isShort) return;
    this.#isShort = isShort;
    if (isShort) this.#exhausted();
    else this.#available();
  }
}

function canOpen(count: number): boolean {
  const opened: number[] = [];
  try {
    for (let i = 0; i < count; i++) opened.push(openSync(devNull, 'r'));
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code !== 'EMFILE' && code !== 'ENFILE';
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
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
