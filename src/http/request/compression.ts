import type { CodingName, Compressor } from '../../native/compression.js';
import { type Chunk, type ChunkSource, chunkLimit, heldBodySize, type ReplyHeaders } from '../exchange.js';
import { isJsonType, mediaTypeOf, weigher } from './head.js';
import { checkNoMore, checkWhole } from './stream.js';

/** Which replies are compressed, and how well. */
export interface CompressionSettings {
  /** 1, the fastest, to 6. */
  readonly level: number;
  /** True when those by Unix sockets are, too. */
  readonly isForUnix: boolean;
}

/** A reply that can be compressed, as it goes to its client. */
export interface Negotiated {
  /** Of the reply as it is: they tell that it depends on what the client takes. */
  readonly headers: ReplyHeaders;
  /** Undefined: the client takes only the uncoded reply, or prefers it. */
  readonly coding: CodingName | undefined;
}

/** Types of text that neither begin with `text/` nor are JSON. */
const textTypes: ReadonlySet<string> = new Set([
  'application/javascript',
  'application/openmetrics-text',
  'application/x-ndjson',
  'application/xml',
  'image/svg+xml',
]);

/** Decides about a reply that is long enough; undefined when it is sent as it is to every client. */
export function negotiate(
  acceptEncoding: string,
  contentType: string,
  headers: ReplyHeaders = {},
): Negotiated | undefined {
  const named = new Map(Object.keys(headers).map((name) => [name.toLowerCase(), headers[name] ?? '']));
  if (named.has('content-encoding') || !isText(mediaTypeOf(named.get('content-type') ?? contentType))) return undefined;
  const vary = named.get('vary');
  const varying = without(headers, 'vary');
  varying.Vary = vary === undefined ? 'Accept-Encoding' : `${vary}, Accept-Encoding`;
  return { headers: varying, coding: codingOf(acceptEncoding) };
}

/** The headers of the same reply when it is compressed. */
export function codedHeaders(headers: ReplyHeaders, coding: CodingName): ReplyHeaders {
  return { ...weaklyTagged(headers), 'Content-Encoding': coding };
}

/** With an entity tag that is weak: a strong one stands for the bytes as they were (RFC 9110 §8.8.3). */
export function weaklyTagged(headers: ReplyHeaders): ReplyHeaders {
  const tagName = Object.keys(headers).find((name) => name.toLowerCase() === 'etag');
  const tag = tagName === undefined ? '' : (headers[tagName] ?? '');
  return tag === '' || tag.startsWith('W/') ? headers : { ...without(headers, 'etag'), ETag: `W/${tag}` };
}

function without(headers: ReplyHeaders, lowerCaseName: string): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== lowerCaseName));
}

function isText(mediaType: string): boolean {
  // Its events are few and far between, and it would keep a place for hours.
  if (mediaType === 'text/event-stream') return false;
  return mediaType.startsWith('text/') || isJsonType(mediaType) || textTypes.has(mediaType);
}

/**
 * The coding that a client likes best; zstd where it has no wish (RFC 9110 §12.5.3). Without the header any would do, but
 * clients that know none leave it out.
 */
function codingOf(acceptEncoding: string): CodingName | undefined {
  if (acceptEncoding === '') return undefined;
  const weightOf = weigher(acceptEncoding);
  const zstd = weightOf('zstd', '*');
  const gzip = weightOf('gzip', 'x-gzip', '*');
  const best = Math.max(zstd, gzip);
  // The uncoded reply is always possible: it is sent even where the client refuses every coding.
  if (best === 0 || weightOf('identity') > best) return undefined;
  return zstd === best ? 'zstd' : 'gzip';
}

/** Bytes that are compressed at once, of one or two chunks: 0.1 to 0.4 ms of a thread. */
const pieceSize = 2 * chunkLimit;

const nothingYet = new Uint8Array(0);

/**
 * The body that another source gives, compressed. While one piece is compressed the next one is pulled, and none beyond: a
 * client that does not read holds these two. While the source has nothing more, what it has given is sent.
 */
export class CompressedBody implements ChunkSource {
  readonly #source: ChunkSource;
  readonly #compressor: Compressor;
  readonly #window = Buffer.allocUnsafeSlow(chunkLimit);
  /** `busy`: a piece is being compressed; `full`: what it became is to be taken. */
  #state: 'free' | 'busy' | 'full' | 'released' = 'free';
  /** Bytes that the source has announced, and that it has given. */
  readonly #length: number | undefined;
  #total = 0;
  /** Bytes of the next piece. */
  #given = 0;
  /** The part of a long chunk that has not been given; it stays as it is until the source is asked again. */
  #rest: Uint8Array | undefined;
  /** True while the source has promised a chunk. */
  #isAsked = false;
  /** True when the source has nothing yet. */
  #isIdle = false;
  #isAtEnd = false;
  #isLastBegun = false;
  #failure: { readonly error: unknown } | undefined;
  #waiting: { readonly resolve: (chunk: Chunk) => void; readonly reject: (error: unknown) => void } | undefined;

  /** @param compressor released by this, as is the source */
  constructor(source: ChunkSource, compressor: Compressor) {
    this.#source = source;
    this.#compressor = compressor;
    this.#length = source.length;
    compressor.onCompressed = () => {
      this.#state = 'full';
      this.#answer();
    };
  }

  next(): Chunk | Promise<Chunk> {
    this.#isIdle = false;
    const chunk = this.#go();
    if (chunk !== undefined) return chunk;
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  release(): void {
    if (this.#state === 'released') return;
    this.#state = 'released';
    this.#waiting = undefined;
    this.#rest = undefined;
    try {
      this.#compressor.release();
    } finally {
      this.#source.release();
    }
  }

  /** Gives the one who waits what there is, if there is any. */
  #answer(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    try {
      const chunk = this.#go();
      if (chunk === undefined) return;
      this.#waiting = undefined;
      waiting.resolve(chunk);
    } catch (error) {
      this.#waiting = undefined;
      waiting.reject(error);
    }
  }

  /** Takes what is compressed, and has the next piece compressed; undefined when that has to be waited for. */
  #go(): Chunk | undefined {
    this.#throwFailure();
    let chunk: Uint8Array | undefined;
    if (this.#state === 'full') chunk = this.#take();
    // A piece that is there is begun before another one is pulled.
    this.#begin();
    this.#pull();
    this.#begin();
    this.#pull();
    if (chunk !== undefined) return chunk;
    this.#throwFailure();
    if (this.#state === 'busy' || this.#isAsked) return undefined;
    return this.#isLastBegun ? null : nothingYet;
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #take(): Uint8Array | undefined {
    const length = this.#compressor.take(this.#window);
    if (length < this.#window.length) this.#state = 'free';
    return length === 0 ? undefined : this.#window.subarray(0, length);
  }

  #begin(): void {
    const isWhole = this.#given >= pieceSize || this.#isAsked || this.#isIdle || this.#isAtEnd;
    if (this.#state !== 'free' || !isWhole || this.#isLastBegun || (this.#given === 0 && !this.#isAtEnd)) return;
    this.#isLastBegun = this.#isAtEnd;
    this.#state = 'busy';
    this.#given = 0;
    this.#compressor.begin(this.#isLastBegun);
  }

  /** Pulls the next piece, as far as the source gives it at once. */
  #pull(): void {
    try {
      while (this.#given < pieceSize && !this.#isAsked && !this.#isIdle && !this.#isAtEnd) {
        const next = this.#rest ?? this.#source.next();
        this.#rest = undefined;
        if (next === null || next instanceof Uint8Array) this.#give(next);
        else this.#await(next);
      }
    } catch (error) {
      this.#failure = { error };
    }
  }

  #await(next: Promise<Chunk>): void {
    this.#isAsked = true;
    const came = (take: () => void): void => {
      this.#isAsked = false;
      if (this.#state === 'released') return;
      try {
        take();
      } catch (error) {
        this.#failure = { error };
      }
      this.#answer();
    };
    next.then(
      (chunk) => came(() => this.#give(chunk)),
      (error: unknown) =>
        came(() => {
          throw error;
        }),
    );
  }

  /** A chunk that is not held for long is given whole. */
  #give(chunk: Chunk): void {
    if (chunk === null) {
      checkWhole(this.#total, this.#length);
      this.#isAtEnd = true;
      return;
    }
    this.#isIdle = chunk.length === 0;
    const piece = chunk.length > heldBodySize ? chunk.subarray(0, pieceSize - this.#given) : chunk;
    this.#total += piece.length;
    checkNoMore(this.#total, this.#length);
    this.#compressor.give(piece);
    this.#given += piece.length;
    if (piece.length < chunk.length) this.#rest = chunk.subarray(piece.length);
  }
}
