import { packageFile } from '../base/package.js';

/** What a scan found; see {@link RequestScanner.scan}. */
export const Outcome = { call: 0, notification: 1, parseError: 2, invalidRequest: 3, batch: 4, tooManyIds: 5 } as const;

/** What `params` holds. Empty arrays and objects are `none`, as if absent (docs/compatibility.md). */
export const ParamsKind = { none: 0, array: 1, object: 2 } as const;

/** Which member of a reply a value is (JSON-RPC 2.0 §5). */
export const Reply = { result: 0, error: 1 } as const;
export type ReplyKind = (typeof Reply)[keyof typeof Reply];

/** What crate/node exports. Its objects hold their state and free it when they are collected. */
interface Addon {
  requestScanner(methods: readonly string[], numbers: Int32Array, maxValues: number): NativeScanner;
  statisticNames(): NativeStatisticNames;
  prettyPrinter(): { push(input: Uint8Array, output: Uint8Array, progress: Uint32Array): void };
  htmlEscaper(): { push(input: Uint8Array, output: Uint8Array, progress: Uint32Array): void };
  bodyPool(slotSize: number, maxBody: number, maxTotal: number): NativeBodyPool;
  replyHead(kind: number): Uint8Array;
  addresses(): { of(memory: ArrayBuffer): number };
  recordTable(nonce: string): NativeRecordTable;
  firstHeadLimit(variable: string): number;
  standardOutput(descriptor: number, limit: number, notice: string): StandardOutput;
  notifyService(socket: string, message: string): void;
  dumpsOpen(): number;
}

/** Standard output (1) or standard error (2), written from a thread that nothing waits for. */
export interface StandardOutput {
  /** Takes lines. Never waits, never fails: what cannot be written is dropped. */
  write(text: string): void;
  /** Lines that were dropped. */
  dropped(): number;
  /** Lines that were dropped and not yet told of. */
  untold(): number;
  /** Waits for what was taken, but no longer than this: what is left then counts as dropped. For the end of the process. */
  finish(milliseconds: number): void;
}

interface NativeScanner {
  scan(body: Uint8Array, fields: Int32Array): number;
  scanBuffer(body: ArrayBuffer, fields: Int32Array): number;
  holdShortId(fields: Int32Array): number;
  reason(): string;
  scanBatch(body: Uint8Array, limit: number, found: Uint32Array): number;
  scanElement(body: Uint8Array, position: number, fields: Int32Array): number;
  release(idSlot: number): void;
  tail(idSlot: number): Uint8Array;
  idsHeld(): number;
  finish(window: Uint8Array, start: number, kind: number, end: number, idSlot: number): number;
  finishPretty(window: Uint8Array, indented: Uint8Array, kind: number, end: number, idSlot: number): number;
}

interface NativeStatisticNames {
  add(name: string): number;
  print(values: Float64Array, selection: Uint32Array, window: Uint8Array, at: number): number;
  printAll(values: Float64Array, selection: Uint32Array): Uint8Array;
}

interface NativeBodyPool {
  open(): number;
  push(slot: number, piece: Uint8Array): number;
  take(slot: number): Uint8Array;
  copyOut(slot: number, out: Uint8Array): number;
  free(slot: number): void;
  slotsInUse(): number;
  bytesHeld(): number;
}

const addon = await load();

async function load(): Promise<Addon> {
  try {
    return (await import(packageFile('native/binding.js').href)) as Addon;
  } catch (cause) {
    const platform = `${process.platform}-${process.arch}`;
    const remedy =
      'where it is a dependency, install it again with optional dependencies (not with --omit=optional, and on the ' +
      'machine that runs it); from a clone, run npm run build there, with Rust, and npm install the path of the clone';
    throw new Error(`mi-httpd has no native addon for ${platform} here: ${remedy}`, { cause });
  }
}

/** Indexes into the memory where a scan leaves what it found: `Fields` in crate/core/src/request/scanner.rs. */
const field = {
  command: 0,
  idSlot: 1,
  paramsKind: 2,
  paramsStart: 3,
  paramsEnd: 4,
  paramsCount: 5,
  methodStart: 6,
  methodEnd: 7,
  position: 8,
  shortIdLength: 9,
  shortId: 10,
} as const;

/** Bytes of the longest id that takes no slot. */
const longestShortId = 64;

/** In place of a slot: a short id, known until the next scan; see {@link RequestScanner.hold}. */
const shortIdSlot = -3;

/**
 * Validates JSON-RPC 2.0 requests strictly (RFC 8259, nesting up to 128) and says where their parts lie. Ranges are
 * bytes of the scanned body. The id never becomes a JavaScript value: its bytes wait until a reply echoes them. Those of
 * a short one need no slot while nothing else is scanned; every slot, of 0 or above, has to end in a reply, in
 * {@link tail} or in {@link release}.
 */
export class RequestScanner {
  readonly #native: NativeScanner;
  readonly #fields = new Int32Array(field.shortId + longestShortId / 4);
  /** The id of the last scan, where its slot is {@link shortIdSlot}. */
  readonly shortId = new Uint8Array(this.#fields.buffer, 4 * field.shortId, longestShortId);
  readonly #batch = new Uint32Array(3);

  /**
   * @param methods method text to number of the command, 0 or above
   * @param maxValues values and names of members that one request may have
   */
  constructor(methods: ReadonlyMap<string, number>, maxValues: number) {
    this.#native = addon.requestScanner([...methods.keys()], Int32Array.from(methods.values()), maxValues);
  }

  /** Number of the command that the last scan named, -1 for an unknown method. */
  get command(): number {
    return this.#fields[field.command] ?? -1;
  }

  /**
   * Slot that holds the id of the last scan; -1 stands for `null`, and is what errors without a sound id get. Below that,
   * it has none: to be answered before the next scan, or held.
   */
  get idSlot(): number {
    return this.#fields[field.idSlot] ?? -1;
  }

  /** Bytes of {@link shortId}. */
  get shortIdLength(): number {
    return this.#fields[field.shortIdLength] ?? 0;
  }

  /**
   * Gives the id of the last scan a slot, for a reply that comes later; one that has a slot keeps it.
   *
   * @throws Error when 1048576 ids are held
   */
  hold(idSlot: number): number {
    return idSlot === shortIdSlot ? this.#native.holdShortId(this.#fields) : idSlot;
  }

  /** One of {@link ParamsKind}. */
  get paramsKind(): number {
    return this.#fields[field.paramsKind] ?? 0;
  }

  /** First byte of the params, brackets included; 0 when there are none. */
  get paramsStart(): number {
    return this.#fields[field.paramsStart] ?? 0;
  }

  /** Byte behind the params. */
  get paramsEnd(): number {
    return this.#fields[field.paramsEnd] ?? 0;
  }

  /** Items or members of the params, repeated names counted. */
  get paramsCount(): number {
    return this.#fields[field.paramsCount] ?? 0;
  }

  /** First byte of the method's JSON string: its quote. */
  get methodStart(): number {
    return this.#fields[field.methodStart] ?? 0;
  }

  /** Byte behind the closing quote of the method. */
  get methodEnd(): number {
    return this.#fields[field.methodEnd] ?? 0;
  }

  /**
   * Byte at which the last body stopped being JSON, 0 without a parse error; of an element of a batch, where the next
   * one begins.
   */
  get position(): number {
    return this.#fields[field.position] ?? 0;
  }

  /**
   * Scans one request; the getters tell about it until the next scan. Of a batch it only tells that it is one.
   *
   * @returns one of {@link Outcome}
   * @throws Error when 1048576 ids are held
   */
  scan(body: Uint8Array | ArrayBuffer): number {
    return body instanceof Uint8Array
      ? this.#native.scan(body, this.#fields)
      : this.#native.scanBuffer(body, this.#fields);
  }

  /** Why the last scan ended in parseError or invalidRequest, e.g. `expected ',' or '}' at byte 17`; otherwise ''. */
  reason(): string {
    return this.#native.reason();
  }

  /**
   * Reads a batch (JSON-RPC 2.0 §6) whole, after {@link scan} has told that a body is one. Of a batch with more than
   * `limit` elements nothing is read behind them.
   *
   * @returns {@link Outcome.batch}; parseError or invalidRequest, with a {@link reason}, when it is refused as a whole
   */
  scanBatch(body: Uint8Array, limit: number): number {
    return this.#native.scanBatch(body, limit, this.#batch);
  }

  /** Elements of the last batch. */
  get batchElements(): number {
    return this.#batch[0] ?? 0;
  }

  /** Elements of the last batch that get a reply: all but notifications. */
  get batchReplies(): number {
    return this.#batch[1] ?? 0;
  }

  /** Byte at which the first element of the last batch begins. */
  get batchStart(): number {
    return this.#batch[2] ?? 0;
  }

  /**
   * As {@link scan}, for the element at a position of a body that {@link scanBatch} has read.
   *
   * @returns one of {@link Outcome}; tooManyIds when 1048576 ids are held
   */
  scanElement(body: Uint8Array, position: number): number {
    return this.#native.scanElement(body, position, this.#fields);
  }

  /** Gives back the slot of an id that no reply will echo; without effect for one that is not held. */
  release(idSlot: number): void {
    this.#native.release(idSlot);
  }

  /** What follows the value in a streamed reply, `,"id":…}`, as bytes of the caller's own. Gives the slot back. */
  tail(idSlot: number): Uint8Array {
    return this.#native.tail(idSlot);
  }

  /** Ids that wait for their reply. */
  get idsHeld(): number {
    return this.#native.idsHeld();
  }

  /**
   * Completes a reply that begins at `start` of a window and whose value, behind room for {@link replyHead}, ends at `end`.
   *
   * @returns the byte behind the reply; -1, the slot still held, when it does not fit
   */
  finish(window: Uint8Array, start: number, kind: ReplyKind, end: number, idSlot: number): number {
    return this.#native.finish(window, start, kind, end, idSlot);
  }

  /** As {@link finish} at the start of a window, and indents the reply into `indented`, whose length is returned. */
  finishPretty(window: Uint8Array, indented: Uint8Array, kind: ReplyKind, end: number, idSlot: number): number {
    return this.#native.finishPretty(window, indented, kind, end, idSlot);
  }
}

const addresses = addon.addresses();

/** Where memory lies. Only good for telling what lies behind what. */
export function addressOf(memory: ArrayBuffer): number {
  return addresses.of(memory);
}

const heads = [addon.replyHead(Reply.result), addon.replyHead(Reply.error)] as const;

/** What precedes the value in a reply. */
export function replyHead(kind: ReplyKind): Uint8Array {
  return heads[kind];
}

const idName = Buffer.from(',"id":');
const closingBrace = 0x7d;

/**
 * Ends a reply of which all but the id is in `memory`, up to `end`, with the short id of the last scan. Not in Rust: so few
 * bytes cost less than to cross over.
 *
 * @returns its length; -1 when it does not fit
 */
function endWithShortId(memory: Uint8Array, end: number, { shortId, shortIdLength }: RequestScanner): number {
  const idStart = end + idName.length;
  const length = idStart + shortIdLength + 1;
  if (length > memory.length) return -1;
  for (let at = 0; at < idName.length; at++) memory[end + at] = idName[at] ?? 0;
  for (let at = 0; at < shortIdLength; at++) memory[idStart + at] = shortId[at] ?? 0;
  memory[length - 1] = closingBrace;
  return length;
}

/** Views of the start of some memory, made once for each length: they cost more than the rest of a short reply. */
class Views {
  /** Views are kept of replies shorter than this, bytes. */
  static readonly #longestKept = 1024;
  readonly #memory: ArrayBufferLike;
  readonly #offset: number;
  readonly #views: (Uint8Array | undefined)[] = [];

  constructor({ buffer, byteOffset }: Uint8Array) {
    this.#memory = buffer;
    this.#offset = byteOffset;
  }

  /** @param base what is not counted where a length is short or not */
  of(length: number, base = 0): Uint8Array {
    const index = length - base;
    if (index >= Views.#longestKept) return new Uint8Array(this.#memory, this.#offset, length);
    this.#views[index] ??= new Uint8Array(this.#memory, this.#offset, length);
    return this.#views[index];
  }
}

/** A reply with a result that never changes: all but the id is written once. */
export class ConstantReply {
  readonly #memory: Uint8Array;
  /** Where the value ends. */
  readonly #end: number;
  readonly #views: Views;

  /** @param text the result, as compact JSON */
  constructor(text: string) {
    const [head] = heads;
    const value = Buffer.from(text);
    this.#end = head.length + value.length;
    this.#memory = new Uint8Array(this.#end + idName.length + longestShortId + 1);
    this.#memory.set(head);
    this.#memory.set(value, head.length);
    this.#views = new Views(this.#memory);
  }

  /** Bytes of the longest reply. */
  get size(): number {
    return this.#memory.length;
  }

  /** The reply to the request that was scanned last, valid until the next call; undefined when its id has a slot. */
  print(scanner: RequestScanner, idSlot: number): Uint8Array | undefined {
    if (idSlot !== shortIdSlot) return undefined;
    return this.#views.of(endWithShortId(this.#memory, this.#end, scanner), this.#end);
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
  readonly views: Views;

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
    this.views = new Views(this.window);
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
      idSlot === shortIdSlot
        ? endWithShortId(memory.window, end, scanner)
        : scanner.finish(memory.window, 0, memory.kind, end, idSlot);
    return length < 0 ? undefined : memory.views.of(length);
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

/**
 * Indents compact, valid JSON as a stream: members on lines of their own behind one tab for each container around
 * them, name and value parted by a tab, arrays on one line.
 */
export class PrettyPrinter {
  readonly #native = addon.prettyPrinter();
  readonly #progress = new Uint32Array(2);

  /**
   * Continues with `input` into `output`, which must not share memory. Input that is not {@link consumed} has to be
   * pushed again; the text is complete once all of it is.
   */
  push(input: Uint8Array, output: Uint8Array): void {
    this.#native.push(input, output, this.#progress);
  }

  /** Bytes of input that the last push is done with. */
  get consumed(): number {
    return this.#progress[0] ?? 0;
  }

  /** Bytes that the last push wrote to the start of its output. */
  get produced(): number {
    return this.#progress[1] ?? 0;
  }
}

const escaper = addon.htmlEscaper();
const escapeProgress = new Uint32Array(2);

/**
 * Copies UTF-8 from `input` to `output`, which must not share memory, such that HTML shows it literally. Input may be
 * cut anywhere. An output of 6 bytes or more always makes progress.
 *
 * @returns bytes of input that are done with, and bytes of output that were written
 */
export function escapeHtmlBytes(input: Uint8Array, output: Uint8Array): readonly [consumed: number, produced: number] {
  escaper.push(input, output, escapeProgress);
  return [escapeProgress[0] ?? 0, escapeProgress[1] ?? 0];
}

/** Names of statistics, encoded once, and their values, which JavaScript changes with plain stores. */
export class StatisticsTable {
  readonly #names = addon.statisticNames();
  #size = 0;
  /** Value of each slot; one that is not finite is printed as null. */
  readonly values: Float64Array;

  /** @param capacity statistics that can be added */
  constructor(readonly capacity: number) {
    this.values = new Float64Array(capacity);
  }

  /**
   * Adds a statistic by its full name, `group:name`.
   *
   * @returns its slot
   * @throws RangeError when the table is full
   */
  add(name: string): number {
    if (this.#size >= this.capacity) {
      throw new RangeError(`statistic ${name} is one more than the ${this.capacity} a table was made for`);
    }
    this.#size += 1;
    return this.#names.add(name);
  }

  /** For {@link ReplyWindow}: writes `{"group:name":value,…}` at a position; the one behind it, -1 if it does not fit. */
  print(selection: Uint32Array, window: Uint8Array, at: number): number {
    return this.#names.print(this.values, selection, window, at);
  }

  /** The same object as bytes of the caller's own, for replies larger than a window. */
  printText(selection: Uint32Array): Uint8Array {
    return this.#names.printAll(this.values, selection);
  }
}

/** Bytes of the largest body that is copied to be lent. */
const largestLent = 1 << 20;

/** Collects bodies that arrive in pieces, in slots of native memory that are used again and again. */
export class BodyPool {
  readonly #native: NativeBodyPool;
  #lent = new Uint8Array(0);

  /**
   * @param slotSize bytes that a slot is allocated with and shrinks back to
   * @param maxBody bytes of the largest body
   * @param maxTotal bytes that all bodies together may hold
   */
  constructor(slotSize: number, maxBody: number, maxTotal: number) {
    this.#native = addon.bodyPool(slotSize, maxBody, maxTotal);
  }

  /** Begins a body and returns its slot; -1, for which every push answers 2, when 1048576 are open. */
  open(): number {
    return this.#native.open();
  }

  /**
   * Appends a piece, or refuses it and leaves the body as it was.
   *
   * @returns 0 when taken, 1 when the body would pass `maxBody`, 2 when all bodies would pass `maxTotal`
   */
  push(slot: number, chunk: Uint8Array): 0 | 1 | 2 {
    return this.#native.push(slot, chunk) as 0 | 1 | 2;
  }

  /** Hands a body over, without copying it, and closes its slot. Empty for a slot that is not open. */
  take(slot: number): Uint8Array {
    return this.#native.take(slot);
  }

  /**
   * As {@link take}, but the body is only lent until the next call: where bodies come fast, the memory of those that are
   * handed over keeps the collector busy for longer than it takes to copy them.
   */
  lend(slot: number): Uint8Array {
    let length = this.#native.copyOut(slot, this.#lent);
    if (-length > largestLent) return this.take(slot);
    if (length < 0) {
      this.#lent = new Uint8Array(Math.min(largestLent, Math.max(-2 * length, 4096)));
      length = this.#native.copyOut(slot, this.#lent);
    }
    return this.#lent.subarray(0, length);
  }

  /** Drops a body and closes its slot; without effect for a slot that is not open. */
  free(slot: number): void {
    this.#native.free(slot);
  }

  /** Bodies that are open. */
  get slotsInUse(): number {
    return this.#native.slotsInUse();
  }

  /** Bytes in open bodies. */
  get bytesHeld(): number {
    return this.#native.bytesHeld();
  }
}

/**
 * Records by key. Keys and records pass through a `memory` that the caller brings: a key lies at its start, a text
 * right behind it, up to `end`.
 */
export interface NativeRecordTable {
  /** Adds a way to print what depends on time; markers name them from 0 on. The texts are JSON, '' for none. */
  addStyle(permanent: string, expired: string): void;
  /** The most that is taken from now on; Infinity for no limit. Bytes are counted as {@link usedBytes} does. */
  setLimits(records: number, bytes: number, recordBytes: number): void;
  /**
   * 1 for a new key, 0 for one that was there. The text is compact JSON with at most so many markers. Without room it
   * is -1 for one record too many, -2 for too many bytes, -3 for a record that is too long, -4 for lack of memory.
   */
  set(memory: Uint8Array, keyLength: number, end: number, marks: number, deadline: number): number;
  /** As {@link set}, for any text, which is validated. */
  setJson(memory: Uint8Array, keyLength: number, end: number, deadline: number): number;
  /** Length of the record, which lies at the start of the memory then if it fits; -1 for none. */
  get(memory: Uint8Array, keyLength: number, now: number): number;
  has(memory: Uint8Array, keyLength: number): boolean;
  delete(memory: Uint8Array, keyLength: number): boolean;
  clear(): void;
  size(): number;
  bytes(): number;
  usedBytes(): number;
  heldBytes(): number;
  /** Writes the next entry, the end and the generation of a walk, which is over when the first two are equal. */
  beginWalk(walk: Uint32Array): void;
  /** Writes keys that are due, each behind its length in four bytes, least first; how much that was. */
  walk(memory: Uint8Array, walk: Uint32Array, due: number): number;
  /** Slot of a new dump, -1 when too many are open. Shapes: 0 records, 1 keys, 2 objects with the key as a member. */
  openDump(shape: number, member: string, now: number): number;
  /** Bytes of a dump of records if nothing changes; -1 when that depends on time. */
  dumpLength(): number;
  fill(slot: number, window: Uint8Array): number;
  release(slot: number): void;
  dumpsOpen(): number;
}

/** @param nonce what markers begin with, see src/mi/results/seconds-left.ts */
export function openRecordTable(nonce: string): NativeRecordTable {
  return addon.recordTable(nonce);
}

/**
 * What the process had in a variable of its environment when any of its threads first asked: a number above 0, or 0 for none.
 * The environment of a worker thread is a copy; this is the one that native code sees.
 */
export function firstHeadLimit(variable: string): number {
  return addon.firstHeadLimit(variable);
}

/**
 * @param limit bytes that may wait to be written; more are dropped
 * @param notice the line that tells of dropped ones once writing works again, with `{time}`, `{lines}` and `{reason}`
 */
export function openStandardOutput(descriptor: 1 | 2, limit: number, notice: string): StandardOutput {
  return addon.standardOutput(descriptor, limit, notice);
}

/**
 * Sends a message to a service manager, as sd_notify(3) describes.
 *
 * @throws Error when the socket cannot be reached
 */
export function notifyService(socket: string, message: string): void {
  addon.notifyService(socket, message);
}

/** Dumps of record tables that are open, of all tables of this thread. */
export function dumpsOpen(): number {
  return addon.dumpsOpen();
}
