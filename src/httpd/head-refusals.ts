import type { Log } from '../log.js';
import { type Admission, Denial } from './access.js';
import { closeConnection, onLaterTurn } from './closing.js';
import type { Connections } from './connections.js';
import { Counter, type HttpCounters } from './counters.js';
import type { UwsResponse } from './engine.js';
import type { ReplyHeaders } from './exchange.js';
import { HeadRefusal, type Refusals, sendRefusal } from './refusal.js';
import type { StandingHeaders } from './reply-head.js';
import type { RefusedRequest, Root } from './roots.js';

/** A request that is refused by its head, before there is an exchange. */
export interface RefusedHead extends RefusedRequest {
  /** Where it leads; undefined: nowhere. */
  readonly root: Root | undefined;
  readonly status: number;
  readonly reason: string;
  readonly headers?: ReplyHeaders | undefined;
  /** Whether its connection closes because of it, such as when its body is not waited for. */
  readonly isLast: boolean;
  /** Whether the client asks that it closes. */
  readonly isLastAsked: boolean;
  /** While the caller is not known, it is not told why: a login that fails comes first. */
  readonly admission: Admission;
  readonly standing: StandingHeaders;
}

/** Replies to requests that are refused by their head alone. */
export class HeadRefusals {
  readonly #connections: Connections;
  readonly #counters: HttpCounters;
  readonly #refusals: Refusals;
  readonly #log: Log;

  constructor(connections: Connections, counters: HttpCounters, refusals: Refusals, log: Log) {
    this.#connections = connections;
    this.#counters = counters;
    this.#refusals = refusals;
    this.#log = log;
  }

  send(response: UwsResponse, refused: RefusedHead): void {
    const { isLast, admission } = refused;
    let refusal = this.#refusal(refused, isLast || this.#connections.isStopping);
    let isGone = false;
    let isTold = false;
    const end = (): void => {
      if (isGone) return;
      isGone = true;
      this.#connections.exchangeEnded(refusal.isClosing, isTold);
    };
    const cut = (error: unknown): void => {
      this.#log.error({ err: error }, 'a refusal could not be sent; its connection is cut');
      closeConnection(response);
      end();
    };
    const send = (): void => {
      if (isGone) return;
      this.#counters.addReply(refusal.status);
      if (!refusal.isHead) this.#counters.add(Counter.bytesOut, Buffer.byteLength(refusal.body));
      try {
        response.cork(() => sendRefusal(response, refusal));
        isTold = !refusal.isHead;
        end();
      } catch (error) {
        cut(error);
      }
    };
    response.onAborted(end);
    this.#counters.add(Counter.refused, 1);
    this.#connections.exchangeBegan();
    if (admission instanceof Promise) {
      admission.then((checked) => {
        if (checked instanceof Denial) refusal = this.#refusal({ ...refused, ...checked }, true);
        onLaterTurn(send, cut);
      });
    } else if (isLast) {
      onLaterTurn(send, cut);
    } else {
      send();
    }
  }

  #refusal(refused: RefusedHead, isClosing: boolean): HeadRefusal {
    const { root, status, reason, headers, method, isLastAsked, standing } = refused;
    const { contentType, body, headers: own } = this.#refusals.of(root, status, reason, refused);
    const all = own === undefined ? headers : { ...own, ...headers };
    return new HeadRefusal(status, method, isLastAsked, isClosing, contentType, body, all, standing);
  }
}
