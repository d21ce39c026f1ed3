import { tmpdir } from 'node:os';
import type { CodedLog } from '../../../base/log.js';
import { Roster } from '../../../base/roster.js';
import type { MiError } from '../../../mi/errors.js';
import { Attempt, type AttemptOwner } from './attempt.js';
import { DatagramLane, tooLongReason } from './datagram.js';
import { FifoLane } from './fifo.js';
import { HttpLane } from './http.js';
import type { Lane, LaneContext } from './lane.js';
import { type Request, requestOf } from './request.js';
import { Allowance, SpillRoom } from './spool.js';
import {
  type HealthListener,
  type PendingCall,
  type TransportKind,
  type TransportSetting,
  type Upstream,
  type UpstreamCall,
  UpstreamFailure,
  type UpstreamHealth,
  type UpstreamLimits,
  type UpstreamOwner,
  type UpstreamResult,
} from './transport.js';

/** Limits of a node unless they are given. */
const defaultLimits: UpstreamLimits = {
  maxPending: 1000,
  window: 16,
  probeTimeout: 3000,
  retryInterval: 2000,
  probeInterval: 15_000,
  standstill: 10_000,
  memory: 1 << 20,
  onTheWay: 7 << 20,
  spill: 1 << 30,
  spillFolder: tmpdir(),
  lines: 64 << 20,
};

/** Milliseconds between two looks at what has waited too long. */
const lookInterval = 50;

/** Attempts of one call at most: a datagram may be lost. */
const mostAttempts = 4;

/** Commands that are known to have long replies. */
const mostLongReplies = 256;

/**
 * The order in which transports are asked for a kind of call, by what OpenSIPS does with it (docs/guide/opensips.md). A Unix
 * socket loses nothing, and costs less than UDP.
 */
const preferences = {
  small: ['unix', 'udp', 'http', 'fifo'],
  large: ['fifo', 'http', 'unix', 'udp'],
  asynchronous: ['unix', 'udp', 'http', 'fifo'],
} as const satisfies Record<string, readonly TransportKind[]>;

export interface UpstreamOptions {
  readonly name: string;
  readonly transports: readonly TransportSetting[];
  readonly log: CodedLog;
  readonly limits?: Partial<UpstreamLimits>;
}

/** Opens a node. Nothing is sent before the first call or {@link Upstream.probe}. */
export function openUpstream(options: UpstreamOptions): Upstream {
  return new Node(options);
}

class Node implements Upstream {
  readonly name: string;
  readonly limits: UpstreamLimits;
  /** Where long replies wait. */
  readonly waiting: SpillRoom;
  readonly #log: CodedLog;
  readonly #lanes: readonly Lane[];
  /** By the kinds of {@link preferences}. */
  readonly #ordered: Readonly<Record<keyof typeof preferences, readonly Lane[]>>;
  readonly #listeners = new Set<HealthListener>();
  readonly #pending = new Roster<Pending>();
  /** Methods of which a reply was too long for a datagram. */
  readonly #longReplies = new Set<string>();
  /** Transports whose replies any user may write to. */
  readonly #told = new Set<Lane>();
  #look: NodeJS.Timeout | undefined;
  #rounds: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor({ name, transports, log, limits }: UpstreamOptions) {
    this.name = name;
    this.#log = log;
    this.limits = { ...defaultLimits, ...limits };
    const { memory, onTheWay, spill, spillFolder, lines } = this.limits;
    this.waiting = new SpillRoom(memory, onTheWay, spill, spillFolder);
    const context: LaneContext = {
      limits: this.limits,
      room: this.waiting,
      lines: new Allowance(lines),
      changed: (lane) => this.#changed(lane),
      exposed: (lane) => this.#exposed(lane),
    };
    this.#lanes = transports.map((setting) => laneOf(setting, context));
    const ordered = (kinds: readonly TransportKind[]): readonly Lane[] =>
      kinds.flatMap((kind) => this.#lanes.filter(({ setting }) => setting.kind === kind));
    this.#ordered = {
      small: ordered(preferences.small),
      large: ordered(preferences.large),
      asynchronous: ordered(preferences.asynchronous),
    };
  }

  begin(call: UpstreamCall, owner: UpstreamOwner): PendingCall | undefined {
    if (this.#isClosed) {
      owner.failed(new UpstreamFailure('closed', 'the server stops', false));
      return undefined;
    }
    const { size } = this.#pending;
    if (size >= this.limits.maxPending) {
      const reason = `${size} calls of OpenSIPS ${this.name} are pending, as many as may`;
      owner.failed(new UpstreamFailure('busy', reason, false));
      return undefined;
    }
    let request: Request;
    try {
      request = requestOf(call);
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) throw error;
      owner.failed(error);
      return undefined;
    }
    const pending = new Pending(this, call, request, owner);
    this.#pending.add(pending);
    this.#lookLater();
    pending.begin();
    return pending.isOver ? undefined : pending;
  }

  call(call: UpstreamCall): Promise<UpstreamResult> {
    return new Promise((resolve, reject) => {
      this.begin(call, { answered: resolve, failed: reject });
    });
  }

  health(): UpstreamHealth {
    return {
      name: this.name,
      isUp: this.#lanes.some(({ isDown }) => !isDown),
      transports: this.#lanes.map((lane) => lane.health()),
    };
  }

  onHealth(listener: HealthListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async probe(): Promise<UpstreamHealth> {
    // From now on it is known how the node does, also while nobody asks it anything.
    if (this.#rounds === undefined && !this.#isClosed) {
      this.#rounds = setInterval(() => {
        for (const lane of this.#lanes) lane.probeIfSilent();
      }, this.limits.probeInterval);
      this.#rounds.unref();
    }
    await Promise.all(this.#lanes.map((lane) => lane.probe()));
    return this.health();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const lane of this.#lanes) lane.close();
    for (const pending of [...this.#pending.items]) {
      pending.fail(new UpstreamFailure('closed', 'the server stops', false));
    }
    clearTimeout(this.#look);
    clearInterval(this.#rounds);
  }

  /** Transports in the order in which a call asks them. */
  lanesFor({ method, isLarge, isAsynchronous }: UpstreamCall): readonly Lane[] {
    if (isAsynchronous === true) return this.#ordered.asynchronous;
    return isLarge || this.#longReplies.has(method) ? this.#ordered.large : this.#ordered.small;
  }

  /** A reply was too long for a datagram: the next ones are asked for in another way at once. */
  learnLongReply(method: string): void {
    if (this.#longReplies.size < mostLongReplies) this.#longReplies.add(method);
  }

  over(pending: Pending): void {
    this.#pending.delete(pending);
  }

  #changed(lane: Lane): void {
    const health = lane.health();
    const where = { node: this.name, transport: lane.name };
    if (health.state === 'down') {
      this.#log.warn(
        { code: 'transport-down', ...where, reason: health.reason },
        `OpenSIPS ${this.name} is not reached by ${lane.name}: ${health.reason}`,
      );
    } else this.#log.info({ code: 'transport-up', ...where }, `OpenSIPS ${this.name} is reached by ${lane.name}`);
    for (const listener of [...this.#listeners]) listener(health, this);
  }

  #exposed(lane: Lane): void {
    if (this.#told.has(lane)) return;
    this.#told.add(lane);
    this.#log.warn(
      { code: 'transport-replies-open', node: this.name, transport: lane.name },
      `every user of this system may write to the replies of OpenSIPS ${this.name} by ${lane.name}: the server has neither its ` +
        'user nor its group; give the transport a reply_dir of its own, which these two alone may enter',
    );
  }

  #lookLater(): void {
    if (this.#look !== undefined) return;
    this.#look = setTimeout(() => {
      this.#look = undefined;
      const now = performance.now();
      for (const lane of this.#lanes) lane.expire(now);
      if (!this.#isClosed && (this.#pending.size > 0 || this.#lanes.some((lane) => lane.isBusy))) this.#lookLater();
    }, lookInterval);
    this.#look.unref();
  }
}

function laneOf(setting: TransportSetting, context: LaneContext): Lane {
  switch (setting.kind) {
    case 'fifo':
      return new FifoLane(setting, context);
    case 'http':
      return new HttpLane(setting, context);
    default:
      return new DatagramLane(setting, context);
  }
}

/** A call until it is answered, whichever transports it takes. */
class Pending implements AttemptOwner, PendingCall {
  /** For the roster of its node. */
  place = -1;
  readonly #node: Node;
  readonly #call: UpstreamCall;
  readonly #request: Request;
  readonly #owner: UpstreamOwner;
  readonly #expires: number;
  #isOver = false;
  #lane: Lane | undefined;
  #attempt: Attempt | undefined;
  #attempts = 0;
  /** Those that failed; undefined: none. */
  #tried: Set<Lane> | undefined;
  #mayHaveRun = false;
  #failure: UpstreamFailure | undefined;

  constructor(node: Node, call: UpstreamCall, request: Request, owner: UpstreamOwner) {
    this.#node = node;
    this.#call = call;
    this.#request = request;
    this.#owner = owner;
    this.#expires = performance.now() + call.timeout;
  }

  /** True once its owner knows how it ended. */
  get isOver(): boolean {
    return this.#isOver;
  }

  begin(): void {
    const lane = this.#choose();
    if (lane === undefined) return;
    this.#lane = lane;
    this.#attempts += 1;
    // A dump takes as long as it takes: asked for again, it would take twice as long.
    const { isReadOnly, isLarge } = this.#call;
    const patience = isReadOnly && !isLarge ? lane.patience : 0;
    this.#attempt = new Attempt(this.#call, this.#request, this.#expires, patience, this);
    lane.add(this.#attempt);
  }

  answered(result: UpstreamResult): void {
    this.#end();
    this.#owner.answered(result);
  }

  refused(error: MiError): void {
    this.#end();
    this.#owner.failed(error);
  }

  failed(failure: UpstreamFailure): void {
    if (failure.reason === tooLongReason) this.#node.learnLongReply(this.#call.method);
    this.#failure = failure;
    this.#mayHaveRun ||= failure.mayHaveRun;
    const isLate = performance.now() >= this.#expires;
    const isRepeatable = !failure.mayHaveRun || this.#call.isReadOnly;
    if (failure.kind === 'closed' || isLate || !isRepeatable || this.#attempts >= mostAttempts) {
      this.fail(failure);
      return;
    }
    // Of all failures only a lost datagram is worth the same way again, when no other is left.
    if (this.#lane !== undefined) {
      this.#tried ??= new Set();
      this.#tried.add(this.#lane);
    }
    this.begin();
  }

  fail(failure: UpstreamFailure): void {
    if (this.#isOver) return;
    this.#end();
    const { kind, reason, mayHaveRun } = failure;
    // What was asked for again and again and only reads has done no harm.
    const tellsRun = (mayHaveRun || this.#mayHaveRun) && !this.#call.isReadOnly;
    this.#owner.failed(new UpstreamFailure(kind, reason, tellsRun));
  }

  #choose(): Lane | undefined {
    const lanes = this.#node.lanesFor(this.#call);
    let reasons = '';
    let down: Lane | undefined;
    for (const lane of lanes) {
      if (this.#tried?.has(lane) === true) continue;
      const misfit = lane.misfit(this.#request, this.#call);
      if (misfit === '' && !lane.isDown) return lane;
      if (misfit === '') down ??= lane;
      else reasons += `${reasons === '' ? '' : '; '}${lane.name}: ${misfit}`;
    }
    if (this.#failure?.kind === 'timeout') {
      const lane = lanes.find((one) => one.patience > 0 && !one.isDown && this.#tried?.has(one) === true);
      if (lane !== undefined) return lane;
    }
    if (this.#failure !== undefined) this.fail(this.#failure);
    else if (down !== undefined) {
      this.fail(new UpstreamFailure('down', `${down.name} does not work: ${down.reason}`, false));
    } else
      this.fail(new UpstreamFailure('refused', `no transport takes the call: ${reasons || 'there is none'}`, false));
    return undefined;
  }

  giveUp(): void {
    if (this.#isOver) return;
    const mayHaveRun = this.#mayHaveRun || (this.#attempt?.id ?? 0) !== 0;
    if (this.#attempt !== undefined) this.#lane?.remove(this.#attempt);
    this.fail(new UpstreamFailure('closed', 'the call was given up', mayHaveRun));
  }

  #end(): void {
    this.#isOver = true;
    this.#node.over(this);
  }
}
