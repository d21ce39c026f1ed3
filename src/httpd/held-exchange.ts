import { Denial } from './access.js';
import type { Caller } from './caller.js';
import { onLaterTurn } from './closing.js';
import type { HttpExchange } from './http-exchange.js';

/**
 * Keeps an exchange from its root until its caller is known; its body is received meanwhile.
 *
 * @param dispatch hands it to its root, when it is whole by then
 */
export function holdUntilAdmitted(
  exchange: HttpExchange,
  admission: Promise<Caller | Denial>,
  dispatch: (exchange: HttpExchange) => void,
): void {
  exchange.isHeld = true;
  admission.then((checked) => {
    onLaterTurn(
      () => {
        if (exchange.finished) return;
        exchange.isHeld = false;
        if (checked instanceof Denial) {
          deny(exchange, checked);
          return;
        }
        exchange.caller = checked;
        if (exchange.isWhole) dispatch(exchange);
      },
      (error) => exchange.cut(error),
    );
  });
}

function deny(exchange: HttpExchange, { status, reason, headers }: Denial): void {
  exchange.mustClose = true;
  exchange.isBodyRefused = true;
  exchange.refuseItself(status, reason, headers);
}
