import { addon, type NativeScanner } from './addon.js';
import { BatchField, ElementField, Field, IdSlot, type ReplyKind, Size } from './layout.js';

/** How far a batch is read, and what it holds as far as that. */
export class BatchReading {
  readonly fields = new Uint32Array(Object.keys(BatchField).length);

  get elements(): number {
    return this.fields[BatchField.elements] ?? 0;
  }

  /** Elements that get a reply: all but notifications. */
  get replies(): number {
    return this.fields[BatchField.replies] ?? 0;
  }

  /** Byte at which the first element begins. */
  get start(): number {
    return this.fields[BatchField.start] ?? 0;
  }

  /** Byte at which it goes on. */
  get position(): number {
    return this.fields[BatchField.position] ?? 0;
  }
}

/** Numbers that {@link RequestScanner.scanElements} finds about one element. */
export const elementSize = Object.keys(ElementField).length;

/**
 * Validates JSON-RPC 2.0 requests strictly (RFC 8259, nesting up to 128) and says where their parts lie. Ranges are
 * bytes of the scanned body. The id never becomes a JavaScript value: its bytes wait until a reply echoes them. Those of
 * a short one need no slot while nothing else is scanned; every slot, of 0 or above, has to end in a reply, in
 * {@link tail} or in {@link release}.
 */
export class RequestScanner {
  readonly #native: NativeScanner;
  readonly #fields = new Int32Array(Field.shortId + Size.shortId / 4);
  /** The id of the last scan, where its slot is {@link IdSlot.short}. */
  readonly shortId = new Uint8Array(this.#fields.buffer, 4 * Field.shortId, Size.shortId);

  /**
   * @param methods method text to number of the command, 0 or above
   * @param maxValues values and names of members that one request may have
   */
  constructor(methods: ReadonlyMap<string, number>, maxValues: number) {
    this.#native = addon.requestScanner([...methods.keys()], Int32Array.from(methods.values()), maxValues);
  }

  /** Number of the command that the last scan named, -1 for an unknown method. */
  get command(): number {
    return this.#fields[Field.command] ?? -1;
  }

  /**
   * Slot that holds the id of the last scan; {@link IdSlot.none} for errors without a sound id. With
   * {@link IdSlot.short} it has none: to be answered before the next scan, or held.
   */
  get idSlot(): number {
    return this.#fields[Field.idSlot] ?? IdSlot.none;
  }

  /** Bytes of {@link shortId}. */
  get shortIdLength(): number {
    return this.#fields[Field.shortIdLength] ?? 0;
  }

  /**
   * Gives the id of the last scan a slot, for a reply that comes later; one that has a slot keeps it.
   *
   * @throws Error when 1048576 ids are held
   */
  hold(idSlot: number): number {
    return idSlot === IdSlot.short ? this.#native.holdShortId(this.#fields) : idSlot;
  }

  /** One of {@link ParamsKind}. */
  get paramsKind(): number {
    return this.#fields[Field.paramsKind] ?? 0;
  }

  /** First byte of the params, brackets included; 0 when there are none. */
  get paramsStart(): number {
    return this.#fields[Field.paramsStart] ?? 0;
  }

  /** Byte behind the params. */
  get paramsEnd(): number {
    return this.#fields[Field.paramsEnd] ?? 0;
  }

  /** Items or members of the params, repeated names counted. */
  get paramsCount(): number {
    return this.#fields[Field.paramsCount] ?? 0;
  }

  /** First byte of the method's JSON string: its quote. */
  get methodStart(): number {
    return this.#fields[Field.methodStart] ?? 0;
  }

  /** Byte behind the closing quote of the method. */
  get methodEnd(): number {
    return this.#fields[Field.methodEnd] ?? 0;
  }

  /** Byte at which the last body stopped being JSON, 0 without a parse error. */
  get position(): number {
    return this.#fields[Field.position] ?? 0;
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
   * Reads on in a batch (JSON-RPC 2.0 §6), after {@link scan} has told that a body is one. Of a batch with more than
   * `limit` elements nothing is read behind them.
   *
   * @param pause reads up to the first element that begins here, or behind it
   * @returns {@link Outcome.batch} when it is read whole, batchGoesOn when it is not yet; parseError or invalidRequest,
   *   with a {@link reason}, when it is refused as a whole
   */
  readBatch(body: Uint8Array, limit: number, reading: BatchReading, pause: number): number {
    return this.#native.readBatch(body, limit, reading.fields, pause);
  }

  /**
   * Scans elements of a batch that is read whole. What it finds about each are {@link elementSize} numbers, in the
   * order of `ElementField`; ids are ranges.
   *
   * @returns the byte at which the next element begins
   */
  scanElements(body: Uint8Array, position: number, count: number, elements: Int32Array): number {
    return this.#native.scanElements(body, position, count, elements);
  }

  /** Why the element of a batch at a position is invalidRequest. */
  reasonOfElement(body: Uint8Array, position: number): string {
    return this.#native.reasonOfElement(body, position);
  }

  /**
   * Gives the id at a range of a body a slot.
   *
   * @throws Error when 1048576 ids are held
   */
  holdId(body: Uint8Array, start: number, end: number): number {
    return this.#native.holdId(body, start, end);
  }

  /** Gives back the slot of an id that no reply will echo; without effect for one that is not held. */
  release(idSlot: number): void {
    if (idSlot >= 0) this.#native.release(idSlot);
  }

  /** The text behind the value in a streamed reply, `,"id":…}`, as bytes of the caller's own. Gives the slot back. */
  tail(idSlot: number): Uint8Array {
    return this.#native.tail(idSlot);
  }

  /** Ids that wait for their reply. */
  get idsHeld(): number {
    return this.#native.idsHeld();
  }

  /**
   * Completes a reply whose value, behind room for {@link replyHead}, ends at `end` of a window.
   *
   * @returns its length; -1, the slot still held, when it does not fit
   */
  finish(window: Uint8Array, kind: ReplyKind, end: number, idSlot: number): number {
    return this.#native.finish(window, kind, end, idSlot);
  }

  /**
   * Writes replies to elements of a batch, a comma in front of each, and gives back the slots of their ids.
   *
   * @param fields for each reply its numbers in the order of `ReplyField`
   * @param texts their values, one behind the other
   * @param body the memory that their ids are ranges of
   * @returns the byte behind them; -1, the slots still held, when they do not fit
   */
  printReplies(
    window: Uint8Array,
    at: number,
    fields: Int32Array,
    count: number,
    texts: Uint8Array,
    length: number,
    body: Uint8Array,
  ): number {
    return this.#native.printReplies(window, at, fields, count, texts, length, body);
  }

  /** As {@link finish}, and indents the reply into `indented`, whose length is returned. */
  finishPretty(window: Uint8Array, indented: Uint8Array, kind: ReplyKind, end: number, idSlot: number): number {
    return this.#native.finishPretty(window, indented, kind, end, idSlot);
  }
}
