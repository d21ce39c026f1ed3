import { stringify } from '../../base/json.js';
import type { CodedLog } from '../../base/log.js';
import type { FixedHead, RefusalReply } from '../engine/engine.js';
import { checkReplyHeaders } from '../exchange.js';
import { notePage, pageHeaders, pageType } from '../pages/html.js';
import { nowhere, type Refusal, type RefusedRequest, type Root } from '../roots.js';
import { type ReplyHead, statusLine } from './reply-head.js';

const jsonType = 'application/json';

/** A short reply to a refused request, and its Content-Type unless its headers have another. */
interface ShortReply extends Refusal {
  readonly contentType: string;
}

/**
 * Decides the form of every refusal: JSON for a request that is JSON or asks for it, else that of the root it leads to.
 */
export class Refusals {
  readonly #json: (status: number, reason: string) => string;
  readonly #log: CodedLog;

  /** @param json body of a refusal in JSON where the root has no other */
  constructor(json: ((status: number, reason: string) => string) | undefined, log: CodedLog) {
    this.#json = json ?? ((_status, reason) => stringify({ error: reason }));
    this.#log = log;
  }

  /** @param wantsPage true where the request names pages as what it takes: one that leads nowhere gets a page then, with a way back */
  of(root: Root, status: number, reason: string, request: RefusedRequest, wantsPage = false): ShortReply {
    // A missing login gets the same answer wherever it is missing: nobody learns from it which paths there are.
    if (status === 401) {
      if (request.wantsJson) return { contentType: jsonType, body: this.#json(status, reason) };
      return shortReply(pageType, status, reason);
    }
    const { contentType } = root.declaration;
    const own = this.#ofRoot(root, status, reason, request);
    if (own !== undefined) return { contentType, ...own };
    if (request.wantsJson && !contentType.startsWith(jsonType)) {
      return { contentType: jsonType, body: this.#json(status, reason) };
    }
    return shortReply(wantsPage && root === nowhere ? pageType : contentType, status, reason);
  }

  /** The root's own way, which may not be what makes a request fail. */
  #ofRoot({ declaration }: Root, status: number, reason: string, request: RefusedRequest): Refusal | undefined {
    try {
      const refusal = declaration.refuse?.(status, reason, request);
      if (typeof refusal === 'string') return { body: refusal };
      if (refusal !== undefined) checkReplyHeaders(refusal.headers ?? {});
      return refusal;
    } catch (error) {
      this.#log.error(
        { code: 'root-refusal-failed', err: error, root: declaration.root },
        `refuse of root /${declaration.root} failed`,
      );
      return undefined;
    }
  }
}

/** A reply to what reached no exchange, in the form that all refusals have; the engine sends it. */
export function engineRefusal(
  refusals: Refusals,
  replyHead: ReplyHead,
  status: number,
  reason: string,
  wantsJson: boolean,
): RefusalReply {
  const request = { method: '', mediaType: '', wantsJson };
  const { contentType, body, headers } = refusals.of(nowhere, status, reason, request);
  const head = new KeptHead();
  const retry = status === 503 ? { 'Retry-After': '1' } : {};
  const all = { 'Content-Type': contentType, ...headers, ...retry };
  replyHead.write(head, status, statusLine(status), contentType, all);
  return { statusLine: head.statusLine, headers: head.headers, body };
}

/** Keeps the head of a reply that the engine writes later. */
class KeptHead {
  statusLine = '200 OK';
  readonly headers: (readonly [name: string, value: string])[] = [];

  writeStatus(line: string): void {
    this.statusLine = line;
  }

  writeHeader(name: string, value: string): void {
    this.headers.push([name, value]);
  }

  writeFixedHead({ headers }: FixedHead): void {
    this.headers.push(...headers);
  }
}

/** A short reply that tells `reason` in the given content type: page, JSON object, or line of text. */
function shortReply(contentType: string, status: number, reason: string): ShortReply {
  if (contentType.startsWith(jsonType)) return { contentType, body: stringify({ error: reason }) };
  if (!contentType.startsWith('text/html')) return { contentType, body: `${reason}\n` };
  // Those who have to log in get nowhere before.
  const page = notePage(statusLine(status), reason, status !== 401);
  return { contentType, body: page.text, headers: pageHeaders };
}
