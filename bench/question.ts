// A question of the benchmark is a list of cases, each put to every peer that can answer it.
import type { Call, Command, Need } from './peers/peer.js';
import type { Usage } from './process/usage.js';

/** All that can be measured, in the order of the tables. */
export const metrics = {
  rate: { title: 'requests/s', digits: 0, better: 'more' },
  calls: { title: 'calls/s', digits: 0, better: 'more' },
  megabytesPerSecond: { title: 'MB/s', digits: 0, better: 'more' },
  start: { title: 'first answer ms', digits: 0, better: 'less' },
  firstByte: { title: 'first byte ms', digits: 2, better: 'less' },
  p50: { title: 'p50 ms', digits: 3, better: 'less' },
  p99: { title: 'p99 ms', digits: 3, better: 'less' },
  idleP99: { title: 'idle p99 ms', digits: 3, better: 'less' },
  timesIdle: { title: 'p99 ×idle', digits: 2, better: 'less' },
  max: { title: 'max ms', digits: 2, better: 'less' },
  lateP50: { title: 'timers late, p50 ms', digits: 2, better: 'less' },
  lateP99: { title: 'timers late, p99 ms', digits: 2, better: 'less' },
  lateMax: { title: 'timers late, max ms', digits: 1, better: 'less' },
  aboveIdle: { title: 'p99 above idle ms', digits: 2, better: 'less' },
  cpu: { title: 'CPU µs/request', digits: 1, better: 'less' },
  cpuCall: { title: 'CPU µs/call', digits: 2, better: 'less' },
  userCpu: { title: 'of it in user µs', digits: 2, better: 'less' },
  cpuPerGigabyte: { title: 'CPU s/GB', digits: 2, better: 'less' },
  sent: { title: 'KB sent/reply', digits: 1, better: 'less' },
  resident: { title: 'resident MB', digits: 1, better: 'less' },
  growth: { title: 'growth MB', digits: 1, better: 'less' },
  peak: { title: 'peak MB', digits: 1, better: 'less' },
} as const;

export type Metric = keyof typeof metrics;

/** The figures of one measurement. */
export type Sample = Partial<Record<Metric, number>>;

/** How long and how often is measured. */
export interface Effort {
  readonly quick: boolean;
  /** True when the machine has an OpenSIPS that is measured too. */
  readonly hasOriginal?: boolean;
  /** Of one measurement of a rate. */
  readonly seconds: number;
  readonly repeats: number;
  /** True when as many rounds are wanted of every case, however long it takes. */
  readonly isExact?: boolean;
}

/** A peer that answers. */
export interface RunningPeer {
  readonly name: string;
  readonly port: number;
  /** @param amount calls of a batch, or bytes of a body */
  call(command: Command, amount?: number): Call;
  usage(): Usage;
}

/** One row of a table for each peer. */
export interface Case {
  readonly name: string;
  /** The command that is called; peers that refuse it are skipped with their reason. */
  readonly command: Command;
  readonly need: Need;
  /** True for a case that most readers look for: a quick run measures it as often as asked too, and all else once. */
  readonly headline?: boolean;
  /** Calls of a batch, or bytes of a body. */
  readonly amount?: number;
  /** Rounds at most, unless more are asked for: it takes long, or varies little. */
  readonly rounds?: number;
  /** Roughly the seconds that one measurement takes; left out, a little more than those of the effort. */
  readonly lasts?: number;
  /** True when its figures begin with the start, so that a server that runs already has none. */
  readonly isStart?: boolean;
  /** Measures a peer that was started for this case or one before it with the same need. */
  readonly measure?: (peer: RunningPeer) => Promise<Sample>;
  /** Instead of `measure`: starts the peer itself, which it measures with that. */
  readonly measureStart?: (start: () => Promise<{ peer: RunningPeer; startMs: number }>) => Promise<Sample>;
}

/** One file of bench/questions. */
export interface Question {
  /** As `--only` has it. */
  readonly name: string;
  readonly title: string;
  /** The measure and its method, in a sentence or two. */
  readonly method: string;
  /** In the chart, and in what ratio to the baseline is given. */
  readonly chart: Metric;
  /** The peer that others are compared with, where that is not the baseline. */
  readonly base?: string;
  cases(effort: Effort): readonly Case[];
}

export const plain: Need = { contacts: 0, tls: false };
