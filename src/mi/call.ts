import { LazyAbort } from '../lazy-abort.js';

/** Who called. */
export interface Client {
  /** Address of the other end of the connection. */
  readonly remoteAddress: string;
}

/**
 * One MI command being run. Its signal is aborted when nobody waits for the result any more: the client left, the
 * deadline passed or the server stops.
 */
export class Call extends LazyAbort {
  /** When the time for its result began, by `performance.now()`; undefined while nobody had to wait. */
  waitedSince: number | undefined = undefined;

  /**
   * @param command full name of the command
   * @param client who called; `undefined` within the process
   */
  constructor(
    readonly command: string,
    readonly client?: Client,
  ) {
    super();
  }
}
