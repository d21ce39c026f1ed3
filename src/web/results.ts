import { BegunChunks, ReplyChunks } from '../gateway/chunks.js';
import { type FirstPart, pullFirstPart } from '../gateway/first-part.js';
import { type Chunk, type ChunkSource, chunkLimit, type Exchange, type ReplyHeaders } from '../http/exchange.js';
import { pageHeaders, replyPage } from '../http/pages/document.js';
import { html, type Insertion, type Markup } from '../http/pages/markup.js';
import type { LaterAnswer } from '../mi/calls/run.js';
import type { Result } from '../mi/commands/command.js';
import { codes, explained, type MiError } from '../mi/errors.js';
import { type Cursor, TextCursor } from '../mi/results/cursor.js';
import { openResult } from '../mi/results/print-parts.js';
import { JsonHtmlCursor, type PrintRest, RestCursor } from './html-cursors.js';
import type { PageParts } from './page.js';

/** Where a result is shown: the page around it, and what leads to it again. */
export interface Frame extends PageParts {
  /** Milliseconds that the command took. */
  readonly time: number;
  /** What leads to all of the result, where a page shows its first part. */
  readonly all: Insertion;
  /** The same call as a JSON-RPC request, and the path that takes it; undefined when there is none to copy. */
  readonly call: { readonly path: string; readonly request: string } | undefined;
}

/** Shows results in pages, and sends them as JSON. */
export class Results {
  readonly #bound: number;
  #streams = 0;

  /** @param bound bytes of JSON that a page shows */
  constructor(bound: number) {
    this.#bound = bound;
  }

  /** Replies that are being streamed. */
  get streaming(): number {
    return this.#streams;
  }

  /**
   * Replies with the page of a result: the first part of it, and how much there is.
   * @throws what printing it does, and then nothing has been replied
   */
  show(exchange: Exchange, result: Result, frame: Frame): LaterAnswer<FirstPart> | undefined {
    const source = this.#source(result);
    return begin(
      source,
      () => pullFirstPart(source, this.#bound),
      (part) => this.#showFirst(exchange, part, frame),
    );
  }

  /** Replies with the page of an error: 200, for the command was run, or 500 when it is the server that failed. @param text the error as JSON */
  showError(exchange: Exchange, error: MiError, text: string, frame: Frame): void {
    const { code, message, data } = error;
    const json = Buffer.from(text);
    const alert = html`<p role="alert" class="error">${code} <bdi>${message}</bdi>${data !== undefined && html` (<bdi>${explained(error)}</bdi>)`}</p>\n`;
    const head = html`${frame.head}${this.#sectionHead(frame, 'error', html`${alert}${facts(frame.time, `${json.length} bytes`)}`)}`;
    const status = code === codes.serverError ? 500 : 200;
    this.#send(exchange, status, [new TextCursor(head.text), new JsonHtmlCursor(json), tail(frame)]);
  }

  /**
   * Replies with the result as JSON, whatever its size.
   * @throws what printing the beginning of it does, and then nothing has been replied
   */
  raw(exchange: Exchange, result: Result, headers: ReplyHeaders): LaterAnswer<Chunk> | undefined {
    const source = this.#source(result);
    return begin(
      source,
      () => source.next(),
      (chunk) => exchange.stream(200, new BegunChunks(chunk, source), headers),
    );
  }

  #showFirst(exchange: Exchange, first: FirstPart, frame: Frame): void {
    const { bytes, isWhole, pulled, source } = first;
    const size = isWhole
      ? `${pulled} bytes`
      : html`more than ${pulled - 1} bytes<span class="part">, of which the first ${bytes.length} are shown; <a href="#rest">the rest</a></span>`;
    const head = html`${frame.head}${this.#sectionHead(frame, 'ok', facts(frame.time, size))}`;
    const parts: Cursor[] = [new TextCursor(head.text), new JsonHtmlCursor(bytes)];
    if (isWhole) {
      source.release();
      parts.push(tail(frame));
    } else {
      const print: PrintRest = (count, end) => {
        const more = end === 'far' ? 'more than ' : '';
        const failed = end === 'failed' ? ' before it failed' : '';
        const left = `${more}${count - bytes.length}`;
        return html`</pre>
<p class="cut" id="rest">${bytes.length} bytes of ${more}${count}${failed} shown, ${left} left out; ${frame.all}</p>
</section>
${frame.tail}`.text;
      };
      parts.push(new RestCursor(source, pulled, print));
    }
    this.#send(exchange, 200, parts);
  }

  #sectionHead({ call }: Frame, status: 'ok' | 'error', before: Markup): Markup {
    const copied = call === undefined ? undefined : html` data-path="${call.path}" data-call="${call.request}"`;
    return html`<section class="result" aria-label="Result" data-status="${status}"${copied}>
${before}<pre class="json" id="result">`;
  }

  #send(exchange: Exchange, status: number, parts: Cursor[]): void {
    const chunks = this.#chunks(parts);
    let first: ReturnType<ChunkSource['next']>;
    try {
      first = chunks.next();
    } catch (error) {
      chunks.release();
      throw error;
    }
    if (first instanceof Uint8Array && chunks.isComplete) {
      replyPage(exchange, status, first);
      chunks.release();
    } else {
      exchange.stream(status, new BegunChunks(first, chunks), pageHeaders);
    }
  }

  #source(result: Result): ReplyChunks {
    return this.#chunks(openResult(result));
  }

  #chunks(parts: Cursor[]): ReplyChunks {
    const chunks = ReplyChunks.own(parts, chunkLimit, () => {
      this.#streams -= 1;
    });
    this.#streams += 1;
    return chunks;
  }
}

/** Replies once the beginning of a result is there; a source of which nothing is sent is released. */
function begin<T>(
  source: ChunkSource,
  pull: () => T | Promise<T>,
  reply: (first: T) => void,
): LaterAnswer<T> | undefined {
  const send = (first: T): void => {
    try {
      reply(first);
    } catch (error) {
      source.release();
      throw error;
    }
  };
  let first: T | Promise<T>;
  try {
    first = pull();
  } catch (error) {
    source.release();
    throw error;
  }
  if (first instanceof Promise) return { first, send, giveUp: () => source.release() };
  send(first);
  return undefined;
}

function facts(time: number, size: Insertion): Markup {
  return html`<p class="facts">${time.toFixed(1)} ms, ${size}</p>\n`;
}

function tail(frame: Frame): Cursor {
  return new TextCursor(html`</pre>\n</section>\n${frame.tail}`.text);
}
