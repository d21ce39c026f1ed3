/** Bytes of replies after which the next one probes. */
const probeInterval = 1 << 20;

/** Bytes of replies that cannot probe after which a connection is closed: it costs its client more. */
const closeInterval = 64 << 20;

/** About what the head of a reply takes. */
const headSize = 160;

/**
 * Finds clients that send requests and read no replies.
 *
 * The engine takes a reply whole and keeps what the kernel does not, so that requests which follow each other without
 * waiting could make it keep any amount. It tells how much a client has read only of a reply that is handed over as a
 * stream. Such a reply stays pending until it is read, and the engine closes a connection on which a request follows a
 * pending reply. So now and then a reply is sent that way: who reads notices nothing, and one who does not is found,
 * sooner the more is kept for him. Replies without a body cannot be streams: after many of them the next request is the
 * last one of its connection.
 */
export class ReadProbe {
  #sent = 0;
  #sentUnprobed = 0;

  /** Tells whether a reply with a body of so many bytes is to be sent as a stream. */
  isDue(length: number): boolean {
    this.#sent += length + headSize;
    if (this.#sent < probeInterval) return false;
    this.#sent = 0;
    return true;
  }

  /** Counts a reply that cannot be a stream. */
  count(length: number): void {
    this.#sentUnprobed += length + headSize;
  }

  /** Tells whether the connection of the request that begins is to be closed after its reply. */
  isLastDue(): boolean {
    if (this.#sentUnprobed < closeInterval) return false;
    this.#sentUnprobed = 0;
    return true;
  }
}
