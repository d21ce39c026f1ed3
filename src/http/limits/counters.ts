/** A counter only grows; a gauge goes up and down. */
export type CounterKind = 'counter' | 'gauge';

/**
 * The counters of the HTTP layer, in the order of their slots: the slot of a counter is its
 * index here. Bytes are those of bodies, without heads and transfer coding.
 *
 * - `requests`: heads received, whatever became of them
 * - `replies_2xx` to `replies_5xx`: replies begun, by class of status
 * - `refused`: replies 400, 401, 403, 404, 405, 413, 415, 429, 500 and 503 that this layer made itself
 * - `refused_connections`: connections refused on arrival: over `max_connections` or `max_connections_address`, or of an address that is not allowed
 * - `timeouts`: exchanges answered 504, and replies cut because the client read nothing
 * - `aborted`: clients that left before their reply had ended
 * - `stream_errors`: replies cut because their source failed
 * - `engine_refusals`: connections that ended without a request of theirs having come here; see Connections
 */
export const httpCounterNames: readonly { readonly name: string; readonly kind: CounterKind }[] = [
  { name: 'requests', kind: 'counter' },
  { name: 'replies_2xx', kind: 'counter' },
  { name: 'replies_3xx', kind: 'counter' },
  { name: 'replies_4xx', kind: 'counter' },
  { name: 'replies_5xx', kind: 'counter' },
  { name: 'bytes_in', kind: 'counter' },
  { name: 'bytes_out', kind: 'counter' },
  { name: 'connections', kind: 'gauge' },
  { name: 'connections_total', kind: 'counter' },
  { name: 'refused', kind: 'counter' },
  { name: 'refused_connections', kind: 'counter' },
  { name: 'timeouts', kind: 'counter' },
  { name: 'aborted', kind: 'counter' },
  { name: 'stream_errors', kind: 'counter' },
  { name: 'engine_refusals', kind: 'counter' },
];

/** Slots of the counters, see {@link httpCounterNames}. */
export const Counter = {
  requests: 0,
  replies2xx: 1,
  bytesIn: 5,
  bytesOut: 6,
  connections: 7,
  connectionsTotal: 8,
  refused: 9,
  refusedConnections: 10,
  timeouts: 11,
  aborted: 12,
  streamErrors: 13,
  engineRefusals: 14,
} as const;

export type CounterSlot = (typeof Counter)[keyof typeof Counter];

/** The counters of one HTTP server, over memory that its owner also reads. */
export class HttpCounters {
  /**
   * @param values one slot for each of {@link httpCounterNames}
   * @throws RangeError when there are fewer
   */
  constructor(readonly values: Float64Array = new Float64Array(httpCounterNames.length)) {
    if (values.length < httpCounterNames.length) {
      throw new RangeError(`${values.length} slots are too few for ${httpCounterNames.length} HTTP counters`);
    }
  }

  add(slot: CounterSlot, amount: number): void {
    this.values[slot] = (this.values[slot] ?? 0) + amount;
  }

  /** Counts a reply by the class of its status, 200 to 599, and a 504 as a timeout, too. */
  addReply(status: number): void {
    if (status === 504) this.add(Counter.timeouts, 1);
    const slot = Counter.replies2xx - 2 + Math.floor(status / 100);
    this.values[slot] = (this.values[slot] ?? 0) + 1;
  }
}
