import type { describe, test } from 'vitest';

/** `test` or `describe`, or one that skips and has the reason in its title. */
export function unless<T extends typeof describe | typeof test>(lacking: string | boolean, register: T): T {
  if (lacking === false) return register;
  const reason = lacking === true ? 'not for this platform' : lacking;
  return ((title: string, ...rest: unknown[]) => {
    (register.skip as (title: string, ...rest: unknown[]) => void)(`${title} (${reason})`, ...rest);
  }) as T;
}
