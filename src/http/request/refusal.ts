import type { Log } from '../../base/log.js';
import { stringify } from '../../base/text.js';
import type { UwsResponse } from '../engine/app.js';
import { closeConnection, onLaterTurn } from '../engine/closing.js';
import type { ReplyHeaders } from '../exchange.js';
import type { Connections } from '../limits/connections.js';
import { Counter, type HttpCounters } from '../limits/counters.js';
import { type Admission, Denial } from '../login/access.js';
import { pageHeaders, pageType } from '../pages/document.js';
import { html } from '../pages/markup.js';
import type { Refusal, RefusedRequest, Root } from '../roots.js';
import { checkReplyHeaders, type StandingHeaders, statusLine, writeReplyHead } from './reply-head.js';

const jsonType = 'application/json';
const lineType = 'text/plain; charset=utf-8';

/** A short reply to a refused request, and its Content-Type unless its headers have another. */
interface ShortReply extends Refusal {
  readonly contentType: string;
}

/**
 * Decides the form of every refusal: JSON for a request that is JSON or asks for it, else that of the root it leads to.
 */
export class Refusals {
  readonly #json: (status: number, reason: string) => string;
  readonly #log: Log;

  /** @param json body of a refusal in JSON where the root has no other */
  constructor(json: ((status: number, reason: string) => string) | undefined, log: Log) {
    this.#json = json ?? ((_status, reason) => stringify({ error: reason }));
    this.#log = log;
  }

  /** @param root undefined where the path leads nowhere */
  of(root: Root | undefined, status: number, reason: string, request: RefusedRequest): ShortReply {
    // A missing login gets the same answer wherever it is missing: nobody learns from it which paths there are.
    if (status === 401 || root === undefined) {
      if (request.wantsJson) return { contentType: jsonType, body: this.#json(status, reason) };
      return shortReply(status === 401 ? pageType : lineType, status, reason);
    }
    const { contentType } = root.declaration;
    const own = this.#ofRoot(root, status, reason, request);
    if (own !== undefined) return { contentType, ...own };
    if (request.wantsJson && !contentType.startsWith(jsonType)) {
      return { contentType: jsonType, body: this.#json(status, reason) };
    }
    return shortReply(contentType, status, reason);
  }

  /** The root's own way, which may not be what makes a request fail. */
  #ofRoot({ declaration }: Root, status: number, reason: string, request: RefusedRequest): Refusal | undefined {
    try {
      const refusal = declaration.refuse?.(status, reason, request);
      if (typeof refusal === 'string') return { body: refusal };
      if (refusal !== undefined) checkReplyHeaders(refusal.headers ?? {});
      return refusal;
    } catch (error) {
      this.#log.error({ err: error, root: declaration.root }, `refuse of root /${declaration.root} failed`);
      return undefined;
    }
  }
}

/**
 * A refusal by the head of a request alone, before there is an exchange. A class, since V8 came to make objects of a literal
 * in old space here, where each kept its texts until everything was collected.
 */
class HeadRefusal {
  readonly isHead: boolean;

  /**
   * @param method of the request
   * @param isLastAsked whether the client asks that the connection closes, RFC 9112 §9.6; the engine then closes by itself
   */
  constructor(
    readonly status: number,
    method: string,
    readonly isLastAsked: boolean,
    readonly isClosing: boolean,
    readonly contentType: string,
    readonly body: string,
    readonly headers: ReplyHeaders | undefined,
    readonly standing: StandingHeaders,
  ) {
    this.isHead = method === 'HEAD';
  }
}

/** Sends a refusal; the response has to be corked. */
function sendRefusal(response: UwsResponse, refusal: HeadRefusal): void {
  const { status, contentType, body, headers, standing, isHead, isClosing, isLastAsked } = refusal;
  writeReplyHead(response, status, statusLine(status), contentType, headers, standing);
  if (isLastAsked && !isClosing) response.writeHeader('Connection', 'close');
  if (!isHead) {
    response.end(body, isClosing);
  } else if (isClosing) {
    // The engine cannot close after a reply without a body; one of no bytes it can.
    response.end('', true);
  } else {
    response.writeHeader('Content-Length', String(Buffer.byteLength(body))).endWithoutBody();
  }
}

/** A short reply that tells `reason` in the given content type: page, JSON object, or line of text. */
function shortReply(contentType: string, status: number, reason: string): ShortReply {
  if (contentType.startsWith(jsonType)) return { contentType, body: stringify({ error: reason }) };
  if (!contentType.startsWith('text/html')) return { contentType, body: `${reason}\n` };
  const title = statusLine(status);
  const page = html`<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>${title}</title></head><body>
<h1>${title}</h1><p>${reason}</p></body></html>
`;
  return { contentType, body: page.text, headers: pageHeaders };
}

/** A request that is refused by its head, before there is an exchange. */
interface RefusedHead extends RefusedRequest {
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
