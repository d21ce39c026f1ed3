import { closeSync, openSync, readFileSync } from 'node:fs';
import { devNull } from 'node:os';
import type { CodedLog } from '../../base/log.js';

/** Descriptors that are left for everything else: logs, the engine, files that are read again, a few at once for the system. */
const reserve = 64;

const remedy = 'raise the limit of open files (ulimit -n)';

/** Milliseconds between two looks at whether there are free descriptors. */
const interval = 1000;

/** Descriptors that are kept open for nothing else than to be given up. */
const spares = 4;

/** Numbers of descriptors, by whom they are for. */
export interface FileShares {
  /** Connections of clients by TCP. */
  readonly connections: number;
  /** Connections by Unix sockets when all others are given away. */
  readonly unix: number;
  /** Connections to subscribers of events. */
  readonly subscribers: number;
}

/**
 * How many descriptors each may have, so that all of them together fit into the limit of open files: what is wanted, or less
 * with a warning. When there are too few, subscribers get half of what Unix sockets leave, and connections the rest.
 */
export function shareOpenFiles(wanted: FileShares, log: CodedLog): FileShares {
  const limit = openFilesLimit();
  const free = Math.max(0, limit - reserve);
  const unix = Math.floor(Math.min(wanted.unix, free / 2));
  const rest = free - unix;
  const connections = Math.max(
    1,
    Math.min(wanted.connections, Math.ceil(rest - Math.min(wanted.subscribers, rest / 2))),
  );
  const subscribers = Math.max(0, Math.min(wanted.subscribers, rest - connections));
  const tell = (name: string, most: number, possible: number): void => {
    if (most <= possible) return;
    log.warn(
      { code: 'limit-lowered', [name]: most, openFiles: limit },
      `${name} ${most} lowered to ${possible}: the limit of open files is ${limit}; raise it (ulimit -n)`,
    );
  };
  tell('max_connections', wanted.connections, connections);
  tell('max_subscribers', wanted.subscribers, subscribers);
  return { connections, unix, subscribers };
}

/** True if this many more descriptors can be opened now; each costs a few microseconds to try. */
export function canOpen(count: number): boolean {
  const opened: number[] = [];
  try {
    for (let i = 0; i < count; i++) opened.push(open());
    return true;
  } catch (error) {
    return !isExhaustion(error);
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}

/**
 * Descriptors kept for when there are no others. A process without any is told of the next client over and over, and accepts
 * it in vain, with all its time. Then one of them is given up: the client is accepted with it, told, and closed, after
 * which the next one has it. Connections and subscribers leave the last one free, however few there are, see
 * {@link canOpen}.
 */
export class SpareDescriptors {
  readonly #log: CodedLog;
  readonly #kept: number[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isShort = false;

  constructor(log: CodedLog) {
    this.#log = log;
  }

  start(): void {
    this.#take();
    this.#timer ??= setInterval(() => this.#look(), interval);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const descriptor of this.#kept.splice(0)) closeSync(descriptor);
  }

  #look(): void {
    if (!canOpen(1)) {
      // The one that was opened last may be above a limit that has been lowered since.
      const descriptor = this.#kept.shift();
      if (descriptor !== undefined) closeSync(descriptor);
      if (!this.#isShort)
        this.#log.error({ code: 'files-exhausted' }, `${exhausted}: new connections are refused; ${remedy}`);
      this.#isShort = true;
      return;
    }
    this.#take();
    if (!this.#isShort || this.#kept.length < spares) return;
    this.#isShort = false;
    this.#log.warn({ code: 'files-available' }, 'files can be opened again: new connections are taken');
  }

  /** Takes what there is, but for the last. */
  #take(): void {
    while (this.#kept.length < spares && canOpen(2)) this.#kept.push(open());
  }
}

/** Why something is refused for want of descriptors. */
export const exhausted = 'no file can be opened any more (EMFILE)';

function open(): number {
  return openSync(devNull, 'r');
}

function isExhaustion(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EMFILE' || code === 'ENFILE';
}

/** How many descriptors this process may have open; infinite where that is not known. */
export function openFilesLimit(): number {
  try {
    const match = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
    return match?.[1] === undefined ? Infinity : Number(match[1]);
  } catch {
    // Only Linux has this file.
    return Infinity;
  }
}
