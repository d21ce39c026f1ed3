// Requests of the corpus that an engine build does not serve as it serves all others, one by one.

/** A request that a build does not serve when it is split in two at certain bytes. */
export interface SplitException {
  /** Version of the engine, as `server.engine` names it. */
  readonly engine: string;
  /** Offsets of the first byte of the second piece that the build refuses, in a request that begins with `POST /mi`. */
  readonly offsets: readonly number[];
  readonly reason: string;
}

/**
 * Builds 20.51.4 and 20.69.0 take a request line that is split anywhere. Older builds, which an embedder may bring,
 * answer 505 when it is split within the line.
 */
export const splitExceptions: readonly SplitException[] = [];

/** The exceptions that hold on every build, and why the corpus has them instead of expecting more. */
export const exceptions = {
  behindPending:
    'the engine closes a connection on which a request arrives while the reply to the one before is pending',
  halfClosedPending: 'the engine closes a connection at once when its client stops sending; a reply to come is lost',
} as const;
