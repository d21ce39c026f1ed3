import { channel } from 'node:diagnostics_channel';
import type { Call } from './call.js';

/**
 * What the channels `mi-httpd:call:start`, `mi-httpd:call:error` and `mi-httpd:call:end` of `node:diagnostics_channel` publish: the
 * same object for all that is told of one call.
 *
 * `start` is told before the command runs, and stores that are bound to it hold while it does; `error` when the command or its
 * reply fails; `end` always, when the reply has been printed. Calls that are denied or refused are not run, and not told.
 *
 * ```ts
 * const { subscribe } = process.getBuiltinModule('node:diagnostics_channel');
 * subscribe('mi-httpd:call:error', (message) => {
 *   const { call, error } = message as CallMessage;
 *   console.error(call.command, call.trace?.traceId, error);
 * });
 * ```
 */
export interface CallMessage {
  readonly call: Call;
  /** The module of the command. */
  readonly module: string;
  /** What was thrown; undefined while nothing failed, and where the reply was given up. */
  error: unknown;
}

const start = channel('mi-httpd:call:start');
const failure = channel('mi-httpd:call:error');
const end = channel('mi-httpd:call:end');

/** True if calls are told: else nothing is made for them. */
export function isWatched(): boolean {
  return start.hasSubscribers || end.hasSubscribers || failure.hasSubscribers;
}

/** Tells of a call that begins, and runs it. */
export function tellStart<R>(message: CallMessage, run: () => R): R {
  return start.runStores(message, run);
}

export function tellEnd(message: CallMessage, hasFailed: boolean): void {
  if (hasFailed) failure.publish(message);
  end.publish(message);
}
