import type { Lifetime } from '../lifetime.js';
/** Collects the errors that would end the process. */
export function collectUncaught(t: Lifetime): unknown[] {
  const uncaught: unknown[] = [];
  const note = (error: unknown): void => void uncaught.push(error);
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, note);
    t.onTestFinished(() => process.off(event, note));
  }
  return uncaught;
}
