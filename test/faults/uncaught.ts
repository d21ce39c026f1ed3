import type { TestContext } from 'node:test';

/** Collects what would end the process. */
export function collectUncaught(t: TestContext): unknown[] {
  const uncaught: unknown[] = [];
  const note = (error: unknown): void => void uncaught.push(error);
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, note);
    t.after(() => process.off(event, note));
  }
  return uncaught;
}
