import { addon, type NativeScanner } from './addon.js';
import { BatchField, Field, IdSlot, type ReplyKind, Size } from './layout.js';

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
  readonly #batch = new Uint32Array(Object.keys(BatchField).length);

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

  /**
   * Byte at which the last body stopped being JSON, 0 without a parse error; of an element of a batch, where the next
   * one begins.
   */
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
    return this.#batch[BatchField.elements] ?? 0;
  }

  /** Elements of the last batch that get a reply: all but notifications. */
  get batchReplies(): number {
    return this.#batch[BatchField.replies] ?? 0;
  }

  /** Byte at which the first element of the last batch begins. */
  get batchStart(): number {
    return this.#batch[BatchField.start] ?? 0;
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
