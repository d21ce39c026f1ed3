/**
 * For a reply after which nothing may be served on its connection. Given at once, the engine would go on with
 * what follows in the same segment, and then forget to close. While a reply is pending it closes the
 * connection when anything follows, and nothing of it is served.
 *
 * @param cut what is done when the reply fails, or where there is no later turn to be had
 */
export function onLaterTurn(reply: () => void, cut: (error: unknown) => void): void {
  try {
    setImmediate(() => {
      try {
        reply();
      } catch (error) {
        cut(error);
      }
    });
  } catch (error) {
    cut(error);
  }
}
