import type { ServingApp, UwsResponse } from './app.js';

/**
 * Every close of a connection by the server goes through here.
 *
 * The engine frees a socket in the check phase of libuv, and what it needs for that in the phase after it. A connection
 * that is closed in between, by a callback of `setImmediate` or a promise that such a callback resolves, is never freed:
 * some 450 bytes for good. It may be closed within callbacks of the engine and of timers. Node.js does not tell which
 * phase it is in, so that only what is known to run in a good one closes at once; all else waits for a timer.
 */
let isClosable = false;

/** Whether a connection may be closed now, also by a reply after which the engine closes it. */
export function mayClose(): boolean {
  return isClosable;
}

/**
 * Begins a callback of the engine or of a timer, in which connections may be closed. Two functions, since the callbacks
 * of the engine are on the way of every request: nothing is allocated.
 *
 * @returns what {@link leaveClosable} takes
 */
export function enterClosable(): boolean {
  const before = isClosable;
  isClosable = true;
  return before;
}

/** Ends what {@link enterClosable} began; in a `finally`. */
export function leaveClosable(before: boolean): void {
  isClosable = before;
}

/**
 * Runs something in a later turn, in which connections may be closed.
 *
 * For a reply after which nothing may be served on its connection, too. Given at once, the engine would go on with
 * what follows in the same segment, and then forget to close. While a reply is pending it closes the
 * connection when anything follows, and nothing of it is served.
 *
 * @param cut what is done when the reply fails, or where there is no later turn to be had
 */
export function onLaterTurn(reply: () => void, cut: (error: unknown) => void): void {
  try {
    setTimeout(() => {
      const before = enterClosable();
      try {
        reply();
      } catch (error) {
        cut(error);
      } finally {
        leaveClosable(before);
      }
    }, 0);
  } catch (error) {
    cut(error);
  }
}

/** Closes a connection without another word, now or in a later turn. Never fails. */
export function closeConnection(response: UwsResponse): void {
  const close = (): void => {
    try {
      response.close();
    } catch {
      // It has been closed already.
    }
  };
  if (isClosable) close();
  else onLaterTurn(close, close);
}

/**
 * Closes apps with all their connections, now or in a later turn.
 */
export function closeApps(apps: readonly ServingApp[]): Promise<void> {
  return new Promise((resolve) => {
    const close = (): void => {
      for (const { app, forget } of apps) {
        app.close();
        forget();
      }
      resolve();
    };
    if (isClosable) close();
    else onLaterTurn(close, close);
  });
}
