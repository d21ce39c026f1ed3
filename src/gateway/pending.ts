import type { Call } from '../mi/calls/call.js';
import type { CommandEntry } from '../mi/commands/command-table.js';

/** What becomes of a pending call; `result`, `failure` or `givenUp` is called, once, unless the client leaves first. */
export interface PendingOutcome<T> {
  result(value: T): void;
  failure(error: unknown): void;
  /** The result of a call that nobody waits for any more. */
  late(value: T): void;
  /** Nobody waits any more: 504 because the deadline passed, 503 because the server stops. */
  givenUp(status: 503 | 504, reason: string): void;
}

/** Ends the wait for a call; see {@link PendingCalls.follow}. */
export type Leave = (reason?: Error) => boolean;

/**
 * The calls of asynchronous commands that still run. One counts until its handler settles, also when
 * its client has left or its deadline has passed: what runs holds memory, whoever waits for it.
 */
export class PendingCalls {
  /** Commands that are known to answer later: refused before they run when too many are pending. */
  readonly later = new Set<CommandEntry>();
  readonly #running = new Map<Call, (reason: string) => void>();

  /**
   * @param limit calls that may run at once
   * @param timeout deadline of one call, seconds
   */
  constructor(
    readonly limit: number,
    readonly timeout: number,
  ) {}

  /** Why no call of this command may begin now: it would be one too many. */
  refusal(entry: CommandEntry): string | undefined {
    if (this.#running.size < this.limit || !this.later.has(entry)) return undefined;
    return `${this.limit} calls are pending, which is the limit max_pending; try again`;
  }

  /**
   * Waits for what the handler of `call` promised, up to the deadline of the call, whatever it was waited for before.
   *
   * @returns a function to call when the client leaves; it aborts the call and tells whether anybody still waited
   */
  follow<T>(call: Call, result: PromiseLike<T>, outcome: PendingOutcome<T>): Leave {
    let waiting = true;
    const stopWaiting = (): boolean => {
      const waited = waiting;
      waiting = false;
      clearTimeout(deadline);
      return waited;
    };
    const giveUp = (status: 503 | 504, reason: string): void => {
      if (!stopWaiting()) return;
      call.abort(new Error(reason));
      outcome.givenUp(status, reason);
    };
    const now = performance.now();
    call.waitedSince ??= now;
    const left = this.timeout * 1000 - (now - call.waitedSince);
    let deadline: NodeJS.Timeout | undefined;
    try {
      deadline = setTimeout(() => {
        giveUp(504, `${call.command} gave no result within ${this.timeout} s, the limit mi_timeout`);
      }, Math.floor(left));
    } catch (error) {
      // Nothing is waited for that has no deadline.
      waiting = false;
      call.abort(error instanceof Error ? error : new Error(String(error)));
      result.then(outcome.late, () => {});
      // Not at once: the caller does not hold what it gets from here yet.
      queueMicrotask(() => outcome.failure(error));
      return () => false;
    }
    this.#running.set(call, (reason) => giveUp(503, reason));
    result.then(
      (value) => {
        this.#running.delete(call);
        if (stopWaiting()) outcome.result(value);
        else outcome.late(value);
      },
      (error: unknown) => {
        this.#running.delete(call);
        if (stopWaiting()) outcome.failure(error);
      },
    );
    return (reason = new Error('the client left')) => {
      if (!stopWaiting()) return false;
      call.abort(reason);
      return true;
    };
  }

  /** Gives up every call that is still waited for. */
  giveUpAll(reason: string): void {
    for (const giveUp of this.#running.values()) giveUp(reason);
  }
}
