import { coded } from '../../base/codes.js';

/** A counter only grows; a gauge goes up and down. */
type CounterKind = 'counter' | 'gauge';

/**
 * The counters of the HTTP layer by name, and the slot of each, from 0 in order. Bytes are those of bodies, without heads
 * and transfer coding.
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
export const Counter = {
  requests: 0,
  replies_2xx: 1,
  replies_3xx: 2,
  replies_4xx: 3,
  replies_5xx: 4,
  bytes_in: 5,
  bytes_out: 6,
  connections: 7,
  connections_total: 8,
  refused: 9,
  refused_connections: 10,
  timeouts: 11,
  aborted: 12,
  stream_errors: 13,
  engine_refusals: 14,
} as const;

type CounterSlot = (typeof Counter)[keyof typeof Counter];

/** Name and kind of each {@link Counter}, in the order of their slots. */
export const httpCounterNames: readonly { readonly name: string; readonly kind: CounterKind }[] = Object.keys(
  Counter,
).map((name) => ({ name, kind: name === 'connections' ? 'gauge' : 'counter' }));

/** The counters of one HTTP server, over memory that its owner also reads. */
export class HttpCounters {
  /**
   * @param values one slot for each {@link Counter}
   * @throws RangeError when there are fewer
   */
  constructor(readonly values: Float64Array = new Float64Array(httpCounterNames.length)) {
    if (values.length < httpCounterNames.length) {
      throw coded(
        'ERR_ARGUMENT',
        new RangeError(`${values.length} slots are too few for ${httpCounterNames.length} HTTP counters`),
      );
    }
  }

  add(slot: CounterSlot, amount: number): void {
    this.values[slot] = (this.values[slot] ?? 0) + amount;
  }

  /** Counts a reply by the class of its status, 200 to 599, and a 504 as a timeout, too. */
  addReply(status: number): void {
    if (status === 504) this.add(Counter.timeouts, 1);
    const slot = Counter.replies_2xx - 2 + Math.floor(status / 100);
    this.values[slot] = (this.values[slot] ?? 0) + 1;
  }
}
