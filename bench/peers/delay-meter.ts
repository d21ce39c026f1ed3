// How late the timers of an event loop are: the command `delay` of servers whose loop is watched.
import type * as Library from 'mi-httpd';
import { percentile } from '../figures.js';

/** Milliseconds. */
export interface Delays {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

const interval = 2;
/** More than are asked for in one measurement. */
const mostKept = 1 << 17;

export class DelayMeter {
  readonly #late = new Float64Array(mostKept);
  #count = 0;
  #due = 0;
  #runs = false;

  /** The delays since it was called last; the first call begins, and has none. */
  take(): Delays {
    const sorted = this.#late.slice(0, this.#count).sort();
    this.#count = 0;
    if (!this.#runs) this.#begin();
    if (sorted.length === 0) return { p50: 0, p99: 0, max: 0 };
    const at = (share: number): number => percentile(sorted, share);
    return { p50: at(0.5), p99: at(0.99), max: at(1) };
  }

  #begin(): void {
    this.#runs = true;
    const tick = (): void => {
      const now = performance.now();
      if (this.#due > 0 && this.#count < mostKept) this.#late[this.#count++] = Math.max(0, now - this.#due);
      this.#due = now + interval;
      setTimeout(tick, interval).unref();
    };
    tick();
  }
}

/** The command that tells them. @param command of the library that is measured */
export function delayCommand(command: (typeof Library)['command']) {
  const meter = new DelayMeter();
  return command({
    name: 'delay',
    help: 'How late timers were since it was called last.',
    run: () => ({ ...meter.take() }),
  });
}
