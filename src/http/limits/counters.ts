import { coded } from '../../base/codes.js';

/** A counter only grows; a gauge goes up and down. */
type CounterKind = 'counter' | 'gauge';

/** The counters of the HTTP layer by name, and the slot of each, from 0 in order; {@link help} says what each means. */
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

export type CounterSlot = (typeof Counter)[keyof typeof Counter];

const repliesOf = (kind: string): string =>
  `Replies ${kind} begun; those that the engine makes by itself (400, 431, 505) are not seen.`;

const help: Readonly<Record<keyof typeof Counter, string>> = {
  requests: 'Heads of requests received, whatever became of them.',
  replies_2xx: repliesOf('2xx'),
  replies_3xx: repliesOf('3xx'),
  replies_4xx: repliesOf('4xx'),
  replies_5xx: repliesOf('5xx'),
  bytes_in: 'Bodies received, without heads and transfer coding.',
  bytes_out: 'Bodies sent, without heads and transfer coding.',
  connections: 'Open connections.',
  connections_total: 'Connections since the start.',
  refused: 'Replies that no root made (400, 401, 403, 404, 405, 413, 415, 429, 500, 503).',
  refused_connections:
    'Connections refused on arrival: over max_connections or max_connections_address, of addresses not allowed, or ' +
    'when the process has no descriptors left (ulimit -n).',
  timeouts:
    'Requests answered 504, such as calls over mi_timeout, and replies cut because their client did not read them in time.',
  aborted: 'Clients that left before their reply had ended.',
  stream_errors: 'Replies cut because their source failed, or outgrew max_reply_size.',
  engine_refusals:
    'Connections that ended without a request, about: the engine answers HTTP/1.0 and broken or too long heads by ' +
    'itself (400, 431, 505); those on which nothing came, such as TCP checks, count too; the log tells of them, once a ' +
    'minute at most.',
};

/** A {@link Counter} as people and monitoring systems are told of it. */
interface HttpCounter {
  readonly name: string;
  readonly kind: CounterKind;
  readonly unit?: string;
  readonly help: string;
}

/** Each {@link Counter}, in the order of their slots. */
export const httpCounterNames: readonly HttpCounter[] = (Object.keys(Counter) as readonly (keyof typeof Counter)[]).map(
  (name) => ({
    name,
    kind: name === 'connections' ? 'gauge' : 'counter',
    ...(name.startsWith('bytes_') ? { unit: 'bytes' } : {}),
    help: help[name],
  }),
);

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
