import { addon, type StatisticsTable } from './addon.js';
import { IdSlot, Reply, type ReplyKind, Size } from './layout.js';
import type { RequestScanner } from './scanner.js';

const heads = [addon.replyHead(Reply.result), addon.replyHead(Reply.error)] as const;

/** The text in front of the value in a reply. */
export function replyHead(kind: ReplyKind): Uint8Array {
  return heads[kind];
}

/** The text behind the value in a reply, without the id, whose place is before its last byte. */
const tail = addon.replyTail();
const idAt = tail.length - 1;
const lastByte = tail[idAt] ?? 0;

/**
 * Ends a reply of which all but the id is in `memory`, up to `end`, with the short id of the last scan. Not in Rust: so few
 * bytes cost less than to cross over.
 *
 * @returns its length; -1 when it does not fit
 */
function endWithShortId(memory: Uint8Array, end: number, { shortId, shortIdLength }: RequestScanner): number {
  const idStart = end + idAt;
  const length = idStart + shortIdLength + 1;
  if (length > memory.length) return -1;
  for (let at = 0; at < idAt; at++) memory[end + at] = tail[at] ?? 0;
  for (let at = 0; at < shortIdLength; at++) memory[idStart + at] = shortId[at] ?? 0;
  memory[length - 1] = lastByte;
  return length;
}

/** Bytes of a reply beside its value and its id. */
export function frameSize(kind: ReplyKind): number {
  return heads[kind].length + tail.length;
}

/** Views of the start of some memory, kept for each length: a new one costs more than the rest of a short reply. */
class Prefixes {
  /** Views are kept of replies shorter than this, bytes. */
  static readonly #longestKept = 1024;
  readonly #memory: ArrayBufferLike;
  readonly #offset: number;
  readonly #views: (Uint8Array | undefined)[] = [];

  constructor({ buffer, byteOffset }: Uint8Array) {
    this.#memory = buffer;
    this.#offset = byteOffset;
  }

  /** @param base length that every reply has; only `length - base` decides about caching */
  of(length: number, base = 0): Uint8Array {
    const index = length - base;
    if (index >= Prefixes.#longestKept) return new Uint8Array(this.#memory, this.#offset, length);
    this.#views[index] ??= new Uint8Array(this.#memory, this.#offset, length);
    return this.#views[index];
  }
}

/** A reply with a result that never changes: all but the id is written once. */
export class ConstantReply {
  readonly #memory: Uint8Array;
  /** Where the value ends. */
  readonly #end: number;
  readonly #prefixes: Prefixes;

  /** @param text the result, as compact JSON */
  constructor(text: string) {
    const [head] = heads;
    const value = Buffer.from(text);
    this.#end = head.length + value.length;
    this.#memory = new Uint8Array(this.#end + tail.length + Size.shortId);
    this.#memory.set(head);
    this.#memory.set(value, head.length);
    this.#prefixes = new Prefixes(this.#memory);
  }

  /** Bytes of the longest reply. */
  get size(): number {
    return this.#memory.length;
  }

  /** The reply to the request that was scanned last, valid until the next call; undefined when its id has a slot. */
  print(scanner: RequestScanner, idSlot: number): Uint8Array | undefined {
    if (idSlot !== IdSlot.short) return undefined;
    return this.#prefixes.of(endWithShortId(this.#memory, this.#end, scanner), this.#end);
  }
}

/** Bytes behind a window: writing text stops before a character that does not fit, which takes up to 4 of them. */
const slack = 4;

/** Bytes of the longest error that is written into a window; a longer one is streamed. */
const longestError = 65536;

/**
 * The preallocated memory for replies of one kind. The head is written once; a value is only ever written behind it, so
 * that no reply can spoil the next one.
 */
class ReplyMemory {
  readonly headLength: number;
  /** Bytes of the longest value, frame of its reply not counted. */
  readonly room: number;
  /** The window and its slack. */
  readonly text: Buffer;
  readonly window: Uint8Array;
  readonly prefixes: Prefixes;

  constructor(
    readonly kind: ReplyKind,
    size: number,
  ) {
    const head = heads[kind];
    this.headLength = head.length;
    this.room = size - head.length;
    this.text = Buffer.from(new ArrayBuffer(size + slack));
    this.window = new Uint8Array(this.text.buffer, 0, size);
    this.window.set(head.subarray(0, size));
    this.prefixes = new Prefixes(this.window);
  }
}

/** The preallocated memory that replies are written into. One serves all replies of a root, one after the other. */
export class ReplyWindow {
  readonly #results: ReplyMemory;
  readonly #errors: ReplyMemory;
  readonly #indented: Uint8Array | undefined;

  /**
   * @param size bytes of the longest reply that fits; of an error, 64 KiB at most
   * @param pretty whether replies are indented, which takes another buffer of `size`
   */
  constructor(
    readonly size: number,
    pretty: boolean,
  ) {
    this.#results = new ReplyMemory(Reply.result, size);
    this.#errors = new ReplyMemory(Reply.error, Math.min(size, longestError));
    this.#indented = pretty ? new Uint8Array(size) : undefined;
  }

  /**
   * Frames a value with the id of `idSlot` and gives the slot back.
   *
   * @param text the value of the result or error member, as compact JSON
   * @returns the whole reply, valid until the next call; undefined, the slot still held, when it does not fit
   */
  print(scanner: RequestScanner, kind: ReplyKind, text: string, idSlot: number): Uint8Array | undefined {
    const memory = kind === Reply.result ? this.#results : this.#errors;
    if (text.length > memory.room) return undefined;
    // V8 writes the text. Compared in a trial addon (Node 20; "OK", 3 fields, 10 KB, with the frame in Rust): this way 149,
    // 145 and 929 ns; the string read through napi 129, 172 and 3739; read into the window by unsafe code 92, 90 and
    // 825, too small a part of a call to be worth it.
    const written = memory.text.write(text, memory.headLength, 'utf8');
    return written > memory.room ? undefined : this.#finish(scanner, memory, memory.headLength + written, idSlot);
  }

  /** As {@link print}: the result is the object of the selected statistics, in that order. */
  printStatistics(
    scanner: RequestScanner,
    statistics: StatisticsTable,
    selection: Uint32Array,
    idSlot: number,
  ): Uint8Array | undefined {
    const end = statistics.print(selection, this.#results.window, this.#results.headLength);
    return end < 0 ? undefined : this.#finish(scanner, this.#results, end, idSlot);
  }

  #finish(scanner: RequestScanner, memory: ReplyMemory, end: number, idSlot: number): Uint8Array | undefined {
    const indented = this.#indented;
    if (indented !== undefined) return this.#finishPretty(scanner, memory, indented, end, idSlot);
    const length =
      idSlot === IdSlot.short
        ? endWithShortId(memory.window, end, scanner)
        : scanner.finish(memory.window, memory.kind, end, idSlot);
    return length < 0 ? undefined : memory.prefixes.of(length);
  }

  #finishPretty(
    scanner: RequestScanner,
    { window, kind }: ReplyMemory,
    indented: Uint8Array,
    end: number,
    idSlot: number,
  ): Uint8Array | undefined {
    const held = scanner.hold(idSlot);
    const length = scanner.finishPretty(window, indented, kind, end, held);
    if (length >= 0) return indented.subarray(0, length);
    if (held !== idSlot) scanner.release(held);
    return undefined;
  }
}
