import type { Log } from '../log.js';
import { stringify } from '../text.js';
import { pageHeaders, pageType } from './document.js';
import type { UwsResponse } from './engine.js';
import type { ReplyHeaders } from './exchange.js';
import { html } from './markup.js';
import { checkReplyHeaders, type StandingHeaders, writeReplyHead } from './reply-head.js';
import type { Refusal, RefusedRequest, Root } from './roots.js';
import { statusLine } from './status.js';

const jsonType = 'application/json';
const lineType = 'text/plain; charset=utf-8';

/** A short reply to a refused request, and its Content-Type unless its headers have another. */
export interface ShortReply extends Refusal {
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
export class HeadRefusal {
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
export function sendRefusal(response: UwsResponse, refusal: HeadRefusal): void {
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
