import type { Log } from '../log.js';
import type { UwsResponse } from './engine.js';
import type { ReplyHeaders } from './exchange.js';
import { html } from './markup.js';
import { checkReplyHeaders, writeReplyHead } from './reply-head.js';
import type { Refusal, RefusedRequest, Root } from './roots.js';
import { statusLine } from './status.js';

/** Content-Type of a page. */
export const pageType = 'text/html; charset=utf-8';

/** A short reply in the root's way; its own `refuse` may not be what makes a request fail. */
export function refusalOf(root: Root, status: number, reason: string, log: Log, request: RefusedRequest): Refusal {
  const { declaration } = root;
  try {
    const refusal = declaration.refuse?.(status, reason, request);
    if (typeof refusal === 'string') return { body: refusal };
    if (refusal !== undefined) {
      checkReplyHeaders(refusal.headers ?? {});
      return refusal;
    }
  } catch (error) {
    log.error({ err: error, root: declaration.root }, `refuse of root /${declaration.root} failed`);
  }
  return { body: shortBody(declaration.contentType, status, reason) };
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
  ) {
    this.isHead = method === 'HEAD';
  }
}

/** Sends a refusal; the response has to be corked. */
export function sendRefusal(response: UwsResponse, refusal: HeadRefusal): void {
  const { status, contentType, body, headers, isHead, isClosing, isLastAsked } = refusal;
  writeReplyHead(response, status, statusLine(status), contentType, headers);
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

/** A short body that tells `reason` in the given content type: page, JSON object, or line of text. */
export function shortBody(contentType: string, status: number, reason: string): string {
  if (contentType.startsWith('application/json')) return JSON.stringify({ error: reason });
  if (contentType.startsWith('text/html')) {
    const title = statusLine(status);
    const page = html`<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>${title}</title></head><body>
<h1>${title}</h1><p>${reason}</p></body></html>
`;
    return page.text;
  }
  return `${reason}\n`;
}
