import { addon, type NativeBodyPool } from './addon.js';
import type { Pushed } from './layout.js';

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

  /** Begins a body and returns its slot; one for which the pool is full when 1048576 are open. */
  open(): number {
    return this.#native.open();
  }

  /** Appends a piece, or rejects it and leaves the body as it was. */
  push(slot: number, chunk: Uint8Array): Pushed {
    return this.#native.push(slot, chunk) as Pushed;
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
