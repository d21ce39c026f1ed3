import type { ChunkSource, Exchange } from '../../../httpd/exchange.js';
import { html, type Markup } from '../../../httpd/markup.js';
import type { Result } from '../../../mi/command.js';
import { BytesCursor, type Cursor, TextCursor } from '../../../mi/cursor.js';
import { type MiError, serverError } from '../../../mi/errors.js';
import { printParts } from '../../../mi/print-parts.js';
import { StatisticsSelection } from '../../../mi/statistics.js';
import { BegunChunks, ReplyChunks } from '../reply-chunks.js';
import { type FirstPart, pullFirstPart } from './first-part.js';
import { JsonHtmlCursor, type PrintRest, RestCursor } from './html-cursors.js';
import { type PageParts, pageHeaders, rawHeaders } from './page.js';

/** Where a result is shown: the page around it, and what leads to it again. */
export interface Frame extends PageParts {
  /** Milliseconds that the command took. */
  readonly time: number;
  /** Link to the result as JSON; undefined when the parameters are too long for one. */
  readonly rawLink: string | undefined;
  /** The same call as a line for a shell. */
  readonly curl: string | undefined;
}

const chunkSize = 65536;

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
  show(exchange: Exchange, result: Result, frame: Frame): void | Promise<void> {
    const source = this.#source(result);
    let first: FirstPart | Promise<FirstPart>;
    try {
      first = pullFirstPart(source, this.#bound);
    } catch (error) {
      source.release();
      throw error;
    }
    if (!(first instanceof Promise)) {
      this.#showFirst(exchange, first, frame);
      return undefined;
    }
    // Whoever gives up first: the client by leaving, the deadline, or the server by stopping.
    const release = once(() => source.release());
    exchange.signal.addEventListener('abort', release, { once: true });
    return first.then(
      (part) => {
        exchange.signal.removeEventListener('abort', release);
        if (!exchange.finished) this.#showFirst(exchange, part, frame);
        else if (!exchange.signal.aborted) release();
      },
      (error: unknown) => {
        release();
        throw error;
      },
    );
  }

  /** Replies with the page of an error. */
  showError(exchange: Exchange, error: MiError, frame: Frame): void {
    const { code, message, data } = error;
    const json = Buffer.from(JSON.stringify(error));
    const alert = html`<p role="alert" class="error">${code} ${message}${data !== undefined && html` (${data})`}</p>\n`;
    const head = html`${frame.head}${this.#sectionHead(frame, 'error', html`${alert}${facts(frame.time, `${json.length} bytes`)}`)}`;
    this.#send(exchange, [new TextCursor(head.text), new JsonHtmlCursor(json), tail(frame)]);
  }

  /** Replies with the result as JSON, whatever its size. */
  raw(exchange: Exchange, result: Result, fileName: string | undefined): void {
    const headers =
      fileName === undefined
        ? rawHeaders
        : { ...rawHeaders, 'Content-Disposition': `attachment; filename="${fileName}.json"` };
    const source = this.#source(result);
    let first: ReturnType<ChunkSource['next']>;
    try {
      first = source.next();
    } catch (error) {
      source.release();
      throw error;
    }
    exchange.stream(200, new BegunChunks(first, source), headers);
  }

  #showFirst(exchange: Exchange, first: FirstPart, frame: Frame): void {
    const { bytes, isWhole, pulled, source } = first;
    const size = isWhole ? `${pulled} bytes` : `more than ${pulled - 1} bytes`;
    const head = html`${frame.head}${this.#sectionHead(frame, 'ok', facts(frame.time, size))}`;
    const parts: Cursor[] = [new TextCursor(head.text), new JsonHtmlCursor(bytes)];
    if (isWhole) {
      source.release();
      parts.push(tail(frame));
    } else {
      const print: PrintRest = (count, end) => {
        const all = { reached: `${count}`, far: `more than ${count}`, failed: `${count} before it failed` }[end];
        const link =
          frame.rawLink === undefined
            ? 'all of it comes by JSON-RPC'
            : html`<a href="${frame.rawLink}">all of it as JSON</a>, <a href="${frame.rawLink}&amp;download=1" download>as a file</a>`;
        return html`</pre>
<p class="cut">${bytes.length} bytes of ${all} shown; ${link}</p>
</section>
${frame.tail}`.text;
      };
      parts.push(new RestCursor(source, pulled, print));
    }
    this.#send(exchange, parts);
  }

  #sectionHead({ curl }: Frame, status: 'ok' | 'error', before: Markup): Markup {
    const line = curl === undefined ? undefined : html` data-curl="${curl}"`;
    return html`<section class="result" aria-label="Result" data-status="${status}"${line}>
${before}<pre class="json" id="result">`;
  }

  #send(exchange: Exchange, parts: readonly Cursor[]): void {
    const chunks = this.#chunks(parts);
    const first = chunks.next();
    if (first instanceof Uint8Array && chunks.isComplete) {
      exchange.reply(200, first, pageHeaders);
      chunks.release();
    } else {
      exchange.stream(200, new BegunChunks(first, chunks), pageHeaders);
    }
  }

  #source(result: Result): ReplyChunks {
    return this.#chunks(cursorsOf(result));
  }

  #chunks(parts: readonly Cursor[]): ReplyChunks {
    this.#streams += 1;
    return new ReplyChunks(parts, Buffer.allocUnsafe(chunkSize), () => {
      this.#streams -= 1;
    });
  }
}

function cursorsOf(result: Result): readonly Cursor[] {
  if (result instanceof StatisticsSelection) {
    result.refresh();
    return [new BytesCursor(result.table.printText(result.slots))];
  }
  const printed = printParts(result);
  if (printed === undefined) throw serverError('Command handler returned null');
  if (typeof printed === 'string') return [new TextCursor(printed)];
  const now = Math.floor(Date.now() / 1000);
  return printed.map((part) => (typeof part === 'string' ? new TextCursor(part) : part.open(now)));
}

function facts(time: number, size: string): Markup {
  return html`<p class="facts">${time.toFixed(1)} ms, ${size}</p>\n`;
}

function tail(frame: Frame): Cursor {
  return new TextCursor(html`</pre>\n</section>\n${frame.tail}`.text);
}

function once(action: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) action();
    isDone = true;
  };
}
