import { isAscii } from 'node:buffer';
import { Slice } from '../base/slice.js';
import { beginReply, type FirstPart, pullFirstPart, ReplyChunks, sendChunks, streamChunks } from '../gateway/chunks.js';
import { type Chunk, type ChunkSource, chunkLimit, type Exchange, type ReplyHeaders } from '../http/exchange.js';
import { html, type Insertion, type Markup, pageHeaders } from '../http/pages/html.js';
import { tellReply } from '../http/request/state-machine.js';
import { type Call, takeEnd } from '../mi/calls/call.js';
import type { LaterAnswer } from '../mi/calls/run.js';
import type { Result } from '../mi/commands/command.js';
import { codes, explained, type MiError } from '../mi/errors.js';
import { type Cursor, Parts, TextCursor } from '../mi/results/cursor.js';
import { openResult, openResultLines } from '../mi/results/result.js';
import { escapeHtmlBytes, PrettyPrinter } from '../native/addon.js';
import { withEscapes } from './hidden.js';
import type { PageParts } from './page.js';
import { grouped, valueText } from './quantities.js';
import { RecordCounter, type Records, recordsIn } from './record-count.js';
import { visible } from './visible.js';

/** Where a result is shown: the page around it, and what leads to it again. */
export interface Frame extends PageParts {
  /** The form in one line, above a result. */
  readonly folded: Markup;
  /** The form below an error, to be mended. */
  readonly opened: (error: MiError) => Markup;
  /** Milliseconds that the command took. */
  readonly time: number;
  /** Links to all of the result, where a page shows its first part. */
  readonly all: Insertion;
  /** The same call as a JSON-RPC request, and the path that takes it; undefined when there is none to copy. */
  readonly call: { readonly path: string; readonly request: string; readonly url: string } | undefined;
  /** Told when the result fails behind the part that is shown. */
  readonly failed: (error: unknown) => void;
}

/** Shows results in pages, and sends them as JSON. */
export class Results {
  readonly #bound: number;
  readonly #countTime: number;
  #streams = 0;

  /**
   * @param bound bytes of JSON that a page shows
   * @param countTime milliseconds after which counting the rest is given up: a stream may have no end
   */
  constructor(bound: number, countTime: number) {
    this.#bound = bound;
    this.#countTime = countTime;
  }

  /** Replies that are being streamed. */
  get streaming(): number {
    return this.#streams;
  }

  /**
   * Replies with the page of a result: the first part of it, and how much there is.
   * @throws what printing it does, and then nothing has been replied
   */
  show(exchange: Exchange, result: Result, call: Call, frame: Frame): LaterAnswer<FirstPart> | undefined {
    const source = this.#source(result, call);
    return beginReply(
      () => pullFirstPart(source, this.#bound),
      (part) => this.#showFirst(exchange, part, frame),
      () => source.release(),
    );
  }

  /** Replies with the page of an error: 200, for the command was run, or 500 when it is the server that failed. @param text the error as JSON */
  showError(exchange: Exchange, error: MiError, text: string, frame: Frame): void {
    const { code, message, data } = error;
    const json = Buffer.from(text);
    const alert = html`<p role="alert" class="error">${code} ${visible(message)}${data !== undefined && html` (${visible(explained(error))})`}</p>\n`;
    const told = facts(frame.time, `, ${valueText(json.length, 'bytes')}`);
    const head = html`${frame.head}${this.#sectionHead(frame, 'error', html`${alert}${told}`)}`;
    const status = code === codes.serverError ? 500 : 200;
    tellReply(exchange, status, json);
    const end = tail(frame, frame.opened(error));
    this.#send(exchange, status, [new TextCursor(head.text), new JsonHtmlCursor(json), end]);
  }

  /**
   * Replies with the result as JSON, whatever its size.
   * @throws what printing the beginning of it does, and then nothing has been replied
   */
  raw(exchange: Exchange, result: Result, call: Call, headers: ReplyHeaders): LaterAnswer<Chunk> | undefined {
    const source = exchange.wantsLines
      ? this.#chunks(openResultLines(result, takeEnd(call)))
      : this.#source(result, call);
    return beginReply(
      () => source.next(),
      (chunk) => streamChunks(exchange, 200, chunk, source, headers),
      () => source.release(),
    );
  }

  /**
   * Replies with texts that come one after the other, at the pace of the reader.
   * @param ended told once, when all is sent or given up
   */
  texts(exchange: Exchange, texts: AsyncGenerator<string>, ended: () => void, headers: ReplyHeaders): void {
    const chunks = this.#chunks(new Parts([new TextsCursor(texts, ended)]));
    streamChunks(exchange, 200, chunks.next(), chunks, headers);
  }

  #showFirst(exchange: Exchange, first: FirstPart, frame: Frame): void {
    const { bytes, isWhole, pulled, source } = first;
    const size = isWhole
      ? `, ${valueText(pulled.length, 'bytes')}`
      : html`<span class="part">, more than ${valueText(pulled.length - 1, 'bytes')}, of which the first are shown; <a href="#rest">the rest</a></span>`;
    const head = html`${frame.head}${frame.folded}${this.#sectionHead(frame, 'ok', facts(frame.time, size))}`;
    const parts: Cursor[] = [new TextCursor(head.text), new JsonHtmlCursor(bytes)];
    if (isWhole) {
      source.release();
      parts.push(tail(frame));
    } else {
      const records = recordsIn(bytes);
      const print: PrintRest = (rest) =>
        html`</pre>
${cutText(bytes.length, records, rest, frame.all)}</section>
${lineToCopy(frame)}${frame.tail}`.text;
      parts.push(new RestCursor(source, pulled, records, this.#countTime, print, frame.failed));
    }
    // Of each page the beginning would be the same.
    tellReply(exchange, 200, bytes);
    this.#send(exchange, 200, parts);
  }

  #sectionHead({ call }: Frame, status: 'ok' | 'error', before: Markup): Markup {
    const copied = call === undefined ? undefined : html` data-path="${call.path}" data-call="${call.request}"`;
    return html`<section class="result" aria-label="Result" data-status="${status}"${copied}>
${before}<pre class="json" id="result">`;
  }

  #send(exchange: Exchange, status: number, parts: Cursor[]): void {
    const chunks = this.#chunks(new Parts(parts));
    try {
      sendChunks(exchange, status, chunks.next(), chunks, pageHeaders);
    } catch (error) {
      chunks.release();
      throw error;
    }
  }

  #source(result: Result, call: Call): ReplyChunks {
    return this.#chunks(openResult(result, takeEnd(call)));
  }

  #chunks(parts: Parts): ReplyChunks {
    const chunks = ReplyChunks.own(parts, chunkLimit, () => {
      this.#streams -= 1;
    });
    this.#streams += 1;
    return chunks;
  }
}

function facts(time: number, size: Insertion): Markup {
  const took = time < 1000 ? `${time.toFixed(1)} ms` : valueText(time * 1000, 'microseconds');
  return html`<p class="facts">${took}${size}</p>\n`;
}

function tail(frame: Frame, below?: Markup): Cursor {
  return new TextCursor(html`</pre>\n</section>\n${below}${lineToCopy(frame)}${frame.tail}`.text);
}

/** The call as a line for a shell. The script of the page has a button in its place, which knows the address better. */
function lineToCopy({ call }: Frame): Markup | undefined {
  if (call === undefined) return undefined;
  const { request, url } = call;
  return html`<details class="line"><summary>As curl</summary>
<pre>curl -H ${shellText('Content-Type: application/json')} -d ${shellText(withEscapes(request))} ${shellText(url)}</pre></details>
`;
}

/** Within single quotes a shell takes everything as it is, save the quote itself. */
function shellText(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** What is shown of a result, and how much there is: `885 of 100,000 contacts, 30 MB in all`. */
function cutText(shown: number, records: Records | undefined, rest: Rest, all: Insertion): Markup {
  const more = rest.end === 'far' ? 'more than ' : '';
  const failed = rest.end === 'failed' ? ' before it failed' : '';
  const size = valueText(rest.bytes, 'bytes');
  const told =
    records === undefined
      ? `${valueText(shown, 'bytes')} of ${more}${size}${failed} shown`
      : `${grouped(records.count)} of ${more}${grouped(rest.records)} ${records.noun}, ${more}${size} in all${failed}`;
  return html`<p class="cut" id="rest" data-shown="${shown}" data-bytes="${rest.bytes}">${told}; ${all}</p>
`;
}

/** Prints texts of a generator, one after the other. */
class TextsCursor implements Cursor {
  readonly isSlow = true;
  readonly #texts: AsyncGenerator<string>;
  readonly #ended: () => void;
  #text = new TextCursor('');

  constructor(texts: AsyncGenerator<string>, ended: () => void) {
    this.#texts = texts;
    this.#ended = ended;
  }

  async fill(buffer: Buffer): Promise<number> {
    for (;;) {
      const written = this.#text.fill(buffer);
      if (written > 0) return written;
      const next = await this.#texts.next();
      if (next.done === true) return 0;
      this.#text = new TextCursor(next.value);
    }
  }

  release(): void {
    this.#ended();
    // What it waits for may fail, which the reader has been told, or does not wait for any more.
    this.#texts.return(undefined).catch(() => {});
  }
}

const stageSize = 16384;
const noBytes = new Uint8Array(0);

/** Prints compact JSON indented and escaped for HTML; what nobody would see in its texts is an escape of JSON. */
class JsonHtmlCursor implements Cursor {
  readonly #printer = new PrettyPrinter();
  readonly #indented = Buffer.alloc(stageSize);
  readonly #escaped = Buffer.alloc(stageSize);
  /** The rest of each stage. */
  #json: Uint8Array;
  #toEscape: Uint8Array = noBytes;
  #toCopy: Uint8Array = noBytes;

  constructor(json: Uint8Array) {
    this.#json = isAscii(json) ? json : Buffer.from(withEscapes(Buffer.from(json).toString()));
  }

  fill(buffer: Buffer): number {
    let at = 0;
    while (at < buffer.length && this.#refill()) {
      const piece = this.#toCopy.subarray(0, buffer.length - at);
      buffer.set(piece, at);
      this.#toCopy = this.#toCopy.subarray(piece.length);
      at += piece.length;
    }
    return at;
  }

  /** Makes something to copy; false at the end. */
  #refill(): boolean {
    while (this.#toCopy.length === 0) {
      if (this.#toEscape.length > 0) {
        const [consumed, produced] = escapeHtmlBytes(this.#toEscape, this.#escaped);
        this.#toEscape = this.#toEscape.subarray(consumed);
        this.#toCopy = this.#escaped.subarray(0, produced);
      } else if (this.#json.length > 0) {
        this.#printer.push(this.#json, this.#indented);
        this.#json = this.#json.subarray(this.#printer.consumed);
        this.#toEscape = this.#indented.subarray(0, this.#printer.produced);
      } else {
        return false;
      }
    }
    return true;
  }

  release(): void {
    this.#json = noBytes;
    this.#toEscape = noBytes;
    this.#toCopy = noBytes;
  }
}

/** Milliseconds that counting may hold up others at once. */
const longestSlice = 2;

/** A whole result, as far as it was counted. */
interface Rest {
  readonly bytes: number;
  readonly records: number;
  /** `reached`: all was counted; `far`: counting took too long; `failed`: the source failed. */
  readonly end: 'reached' | 'far' | 'failed';
}

/** Prints the sentence about the rest of a result. */
type PrintRest = (rest: Rest) => string;

/** Counts the rest of a result, which is left out of the page, and then prints what `print` makes of the count. */
class RestCursor implements Cursor {
  readonly isSlow = true;
  readonly #source: ChunkSource;
  readonly #countTime: number;
  readonly #print: PrintRest;
  readonly #failed: (error: unknown) => void;
  readonly #records: RecordCounter | undefined;
  #text: TextCursor | undefined;
  #bytes: number;

  /**
   * @param pulled what was pulled before
   * @param records the kind that is counted; undefined: none
   * @param countTime milliseconds after which counting is given up
   * @param failed told when the source fails
   */
  constructor(
    source: ChunkSource,
    pulled: Uint8Array,
    records: Records | undefined,
    countTime: number,
    print: PrintRest,
    failed: (error: unknown) => void,
  ) {
    this.#source = source;
    this.#bytes = pulled.length;
    this.#records = records && new RecordCounter(records.mark);
    this.#records?.push(pulled);
    this.#countTime = countTime;
    this.#print = print;
    this.#failed = failed;
  }

  fill(buffer: Buffer): number | Promise<number> {
    if (this.#text !== undefined) return this.#text.fill(buffer);
    const told = (end: Rest['end']): number => {
      const rest = { bytes: this.#bytes, records: this.#records?.count ?? 0, end };
      this.#text = new TextCursor(this.#print(rest));
      return this.#text.fill(buffer);
    };
    // The shown part stays: the page ends well, and says that the result does not.
    return this.#countRest().then(
      (isAtEnd) => told(isAtEnd ? 'reached' : 'far'),
      (error: unknown) => {
        this.#failed(error);
        return told('failed');
      },
    );
  }

  async #countRest(): Promise<boolean> {
    const giveUp = performance.now() + this.#countTime;
    const slice = new Slice(longestSlice);
    for (;;) {
      const next = this.#source.next();
      const chunk = next instanceof Promise ? await within(next, giveUp - performance.now()) : next;
      if (chunk === undefined) return false;
      if (chunk === null) return true;
      this.#bytes += chunk.length;
      this.#records?.push(chunk);
      if (performance.now() > giveUp) return false;
      if (slice.isOver || chunk.length === 0) await slice.rest();
    }
  }

  release(): void {
    this.#source.release();
  }
}

/** The value of a promise; undefined when it takes longer. */
async function within<T>(promise: Promise<T>, milliseconds: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), Math.max(0, milliseconds));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
