import { AsyncLocalStorage } from 'node:async_hooks';
import type { Result } from '../commands/command.js';
import type { Call } from './call.js';

/**
 * Runs around every call that is run: `next` runs the command, and gives what its handler gives. What `around` gives is the
 * result.
 *
 * ```ts
 * const around: Around = async (call, next) => {
 *   const begun = performance.now();
 *   try {
 *     return await next();
 *   } finally {
 *     call.log.info({ ms: performance.now() - begun }, 'called');
 *   }
 * };
 * ```
 *
 * @throws MiError in place of the command; anything else is answered -32000 and logged
 */
export type Around = (call: Call, next: () => Result | Promise<Result>) => Result | Promise<Result>;

/** Enabled by the first call that runs in it: it makes every promise slower. */
const calls = new AsyncLocalStorage<Call>();

/**
 * The call whose handler runs now, also behind an `await`; undefined elsewhere. Of servers with the option `callContext`.
 *
 * ```ts
 * const log = (text: string) => currentCall()?.log.info({}, text);
 * ```
 */
export function currentCall(): Call | undefined {
  return calls.getStore();
}

/** What runs around calls in which {@link currentCall} knows them. */
export function withContext(around: Around | undefined): Around {
  return (call, next) => calls.run(call, around === undefined ? next : () => around(call, next));
}
