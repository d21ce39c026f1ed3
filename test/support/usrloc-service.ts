// A user location service without a server around it, at a time that the test sets.

import { vi } from 'vitest';
import { monotonicTime } from '#src/base/clock.js';
import type { Log } from '#src/base/log.js';
import { Statistics } from '#src/mi/statistics.js';
import type { Domain, DomainOptions, RoomLimits } from '#src/modules/usrloc/domain.js';
import { Usrloc } from '#src/modules/usrloc/usrloc.js';
import type { Lifetime } from './lifetime.js';

/** The second in which tests begin. */
export const start = 1_800_000_000;

export interface Service {
  readonly usrloc: Usrloc;
  readonly location: Domain;
  /** Messages of errors that were logged. */
  readonly errors: string[];
  readonly log: Log;
  statistic(name: string): number;
}

export function service(given: Partial<DomainOptions & RoomLimits> = {}): Service {
  const errors: string[] = [];
  const quiet = (): void => {};
  const log: Log = {
    debug: quiet,
    info: quiet,
    warn: quiet,
    error: (_fields: object, message: string) => void errors.push(message),
  };
  const statistics = new Statistics();
  const usrloc = new Usrloc(statistics, log, {
    useDomain: false,
    newestFirst: false,
    keyValues: false,
    maxContacts: Number.POSITIVE_INFINITY,
    maxBytes: Number.POSITIVE_INFINITY,
    ...given,
  });
  const location = usrloc.domain('location');
  return {
    usrloc,
    location,
    errors,
    log,
    statistic: (name) => Object.values(statistics.select(statistics.find([name], { all: false })).toJSON())[0] ?? -1,
  };
}

/**
 * Stops the clocks at {@link start}, at the begin of a second; immediate callbacks run on, and `performance` does for the
 * slices of long work, but never so far that the date of the machine, which stands still, would count as set.
 */
export function stopClock(t: Lifetime): { advance(seconds: number): void; set(seconds: number): void } {
  const now = performance.now.bind(performance);
  const began = now();
  let base = began + 1001 - (monotonicTime() % 1000);
  vi.spyOn(performance, 'now').mockImplementation(() => base + Math.min(now() - began, 400));
  vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'], now: start * 1000 });
  t.onTestFinished(() => vi.useRealTimers());
  return {
    advance: (seconds) => {
      base += seconds * 1000;
      vi.advanceTimersByTime(seconds * 1000);
    },
    /** Somebody sets the clock of the machine, and no time passes. */
    set: (seconds) => vi.setSystemTime(Date.now() + seconds * 1000),
  };
}

/** The values that a dump prints. */
export function dumped(domain: Domain, brief = false): { AOR: string; Contacts?: Record<string, unknown>[] }[] {
  return JSON.parse(JSON.stringify(domain.dump(brief)));
}
