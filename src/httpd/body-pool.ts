/** Where bodies that arrive in pieces are joined; `BodyPool` of the native addon is one. */
export interface BodyPoolLike {
  /** Number of slots open now. */
  readonly slotsInUse: number;
  /** Bytes of all bodies together. */
  readonly bytesHeld: number;
  open(): number;
  /** @returns 0: taken, 1: this body is over its limit, 2: all bodies together are over theirs */
  push(slot: number, chunk: Uint8Array): 0 | 1 | 2;
  /** Gives the body away and frees the slot. */
  take(slot: number): Uint8Array;
  free(slot: number): void;
}
