import type { Log } from '../log.js';

/**
 * For a reply after which nothing may be served on its connection. Given at once, the engine would go on with
 * what follows in the same segment, and then forget to close. While a reply is pending it closes the
 * connection when anything follows, and nothing of it is served.
 */
export function onLaterTurn(log: Log, reply: () => void): void {
  setImmediate(() => {
    try {
      reply();
    } catch (error) {
      log.error({ err: error }, 'a reply failed in the HTTP layer');
    }
  });
}
