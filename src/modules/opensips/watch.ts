import type { CodedLog } from '../../base/log.js';
import { reasonOf, shorten } from '../../base/text.js';
import { explained, MiError } from '../../mi/errors.js';
import type { StatusIdentifier, StatusReports } from '../../mi/status-reports.js';
import type { OpensipsNode } from './node.js';
import { type TransportHealth, UpstreamFailure } from './upstream/transport.js';

/** The group of status reports, and of statistics. */
export const group = 'opensips';

/** Status of a node, and of each of its transports. */
const state = { up: 1, down: -1, unknown: -2, needsRestart: -3 } as const;

/** UTF-16 units of what a node tells that a line of the log, and a report, repeat. */
const longestTold = 1024;

/** How often nodes are looked at, milliseconds. */
export interface WatchIntervals {
  /** While a node is known. */
  readonly watch: number;
  /** Until it is. */
  readonly retry: number;
}

/** Keeps the commands of a node as they are, and tells in status reports how it does. */
export class NodeWatch {
  readonly #node: OpensipsNode;
  readonly #log: CodedLog;
  readonly #intervals: WatchIntervals;
  readonly #status: StatusReports;
  readonly #own: StatusIdentifier;
  readonly #transports = new Map<string, StatusIdentifier>();
  readonly #endListening: () => void;
  /** Told when OpenSIPS was started, or is met for the first time. */
  readonly #started: () => Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #problem = '';
  /** Those that were told of: calls may have met another one meanwhile. */
  #starts = 0;
  #isLooking = false;
  #isDue = false;
  #isStopped = false;

  constructor(
    node: OpensipsNode,
    status: StatusReports,
    log: CodedLog,
    intervals: WatchIntervals,
    started: () => Promise<void> | undefined,
  ) {
    this.#started = started;
    this.#node = node;
    this.#log = log;
    this.#intervals = intervals;
    this.#status = status;
    this.#own = status.add(group, {
      identifier: node.name,
      status: state.unknown,
      details: 'has not told its commands yet',
    });
    for (const transport of node.upstream.health().transports) this.#tell(transport);
    this.#endListening = node.upstream.onHealth((transport) => {
      this.#tell(transport);
      const isUp = transport.state === 'up';
      // A look that is under way has brought the transport up.
      if (isUp ? this.#own.status !== state.up && !this.#isLooking : !node.upstream.health().isUp) this.#lookNow();
    });
  }

  /** Looks for the first time. */
  start(): Promise<void> {
    return this.#look();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#endListening();
  }

  /** Looks at once, or behind the look that is under way: that may have begun before what is to be seen. */
  #lookNow(): void {
    if (this.#isLooking) this.#isDue = true;
    else this.#lookSoon(0);
  }

  async #look(): Promise<void> {
    clearTimeout(this.#timer);
    this.#isLooking = true;
    const node = this.#node;
    try {
      const before = this.#starts;
      await node.watch();
      const { starts } = node;
      const isOther = before !== 0 && before !== starts;
      this.#starts = starts;
      // A node without events, or without the module for them, has all else.
      if (before !== starts) await this.#started()?.catch(() => {});
      this.#answered(isOther ? `was started anew ${node.upSince}: ${node.version}` : node.version);
    } catch (error) {
      // One that has much to do is there.
      const isBusy = error instanceof UpstreamFailure && error.kind === 'busy';
      if (!isBusy)
        this.#failed(shorten(error instanceof MiError ? explained(error) : reasonOf(error), longestTold, '…'));
    }
    this.#isLooking = false;
    const isDue = this.#isDue;
    this.#isDue = false;
    const interval = node.isKnown && this.#problem === '' ? this.#intervals.watch : this.#intervals.retry;
    this.#lookSoon(isDue ? 0 : interval);
  }

  #lookSoon(milliseconds: number): void {
    clearTimeout(this.#timer);
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => void this.#look(), milliseconds);
  }

  #answered(text: string): void {
    const wasDown = this.#problem !== '' || this.#own.status !== state.up;
    this.#problem = '';
    this.#own.set(state.up, `${this.#node.version}, ${this.#node.entries.length} commands`);
    if (!wasDown) return;
    this.#own.report(text);
    this.#log.info({ code: 'opensips-answers', node: this.#node.name }, `OpenSIPS ${this.#node.name} answers: ${text}`);
  }

  #failed(problem: string): void {
    if (this.#isStopped) return;
    this.#own.set(this.#node.isKnown ? state.down : state.unknown, problem);
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.#own.report(problem);
    this.#log.warn(
      { code: 'opensips-unreachable', node: this.#node.name },
      `OpenSIPS ${this.#node.name} does not answer: ${problem}`,
    );
  }

  #tell({ name, kind, state: is, reason, needsRestart }: TransportHealth): void {
    const known = this.#transports.get(name);
    const identifier = known ?? this.#add(name, kind);
    const before = identifier.details;
    const status = is === 'down' ? (needsRestart ? state.needsRestart : state.down) : state.up;
    const details = is === 'down' ? `${name}: ${reason}` : name;
    identifier.set(status, details);
    if (known !== undefined && before !== details) identifier.report(is === 'down' ? details : `${name} works`);
  }

  #add(name: string, kind: string): StatusIdentifier {
    const same = [...this.#transports.values()].filter((one) => one.name.startsWith(`${this.#node.name}:${kind}`));
    const identifier = `${this.#node.name}:${kind}${same.length === 0 ? '' : same.length + 1}`;
    const added = this.#status.add(group, { identifier, details: name });
    this.#transports.set(name, added);
    return added;
  }
}
