import { currentSecond } from '../../../base/clock.js';
import { Roster } from '../../../base/roster.js';
import { Attempt } from './attempt.js';
import type { Reply } from './envelope.js';
import type { ReplySink } from './reply-reader.js';
import { Request } from './request.js';
import { formatTransport } from './setting.js';
import type { Allowance, SpillRoom } from './spool.js';
import {
  type TransportHealth,
  type TransportSetting,
  type UpstreamCall,
  UpstreamFailure,
  type UpstreamLimits,
} from './transport.js';

/** What the transports of a node share. */
export interface LaneContext {
  readonly limits: UpstreamLimits;
  readonly room: SpillRoom;
  /** For replies of 2.x, which are held whole. */
  readonly lines: Allowance;
  /** Told when a transport went down, or came back. */
  changed(lane: Lane): void;
  /** Told when any user may write to the replies of a transport. */
  exposed(lane: Lane): void;
}

/** Small calls that pass a large one that waits. */
const smallsInARow = 16;

/** Calls in a row without an answer after which a transport is asked whether it lives. */
const missesBeforeProbe = 2;

const largestId = 0x7fffffff;

/** Retry intervals for which the same probe of a FIFO is waited for: one asked again would wait behind it. */
const longRetries = 30;

/** A command that every OpenSIPS has, that takes nothing and changes nothing. */
const probeCall: UpstreamCall = { method: 'version', isReadOnly: true, isLarge: false, timeout: 0 };

/** One transport with the calls that wait for it: small ones first. Subclasses send, and say what came. */
export abstract class Lane {
  readonly name: string;
  readonly #small: Attempt[] = [];
  readonly #large: Attempt[] = [];
  /** Sent, and not yet over. */
  readonly #underWay = new Roster<Attempt>();
  #smallInARow = 0;
  #state: TransportHealth['state'] = 'unknown';
  #reason = '';
  #needsRestart = false;
  #since = currentSecond();
  #sent = 0;
  #failed = 0;
  #misses = 0;
  #wasAnswered = false;
  #isPumping = false;
  #probe: Attempt | undefined;
  /** Told when it is known whether the transport lives. */
  #probed: (() => void)[] = [];
  #retry: NodeJS.Timeout | undefined;
  protected isClosed = false;
  #nextId = 1 + Math.floor(Math.random() * (largestId - 1));

  constructor(
    readonly setting: TransportSetting,
    protected readonly context: LaneContext,
    private readonly window: number,
  ) {
    this.name = formatTransport(setting);
  }

  /** Why a request does not go by this transport; '' if it does. */
  abstract misfit(request: Request, call: UpstreamCall): string;

  /** Sends an attempt, which has its id. What becomes of it is told to the attempt, and its end to {@link over}. */
  protected abstract send(attempt: Attempt): void;

  /** An attempt that was sent has lost its caller. */
  protected abstract forget(attempt: Attempt): void;

  /** Frees what it holds. */
  protected abstract release(): void;

  /** True while nothing is sent: {@link pump} is to be called when that changes. */
  protected get isPaused(): boolean {
    return false;
  }

  /** Milliseconds after which a call that may be repeated counts as lost. */
  abstract readonly patience: number;

  /** True if no answer means that OpenSIPS has to be restarted. */
  protected get diesForGood(): boolean {
    return false;
  }

  get isDown(): boolean {
    return this.#state === 'down';
  }

  /** True while something is under way, be it a reply whose beginning was given on. */
  get isBusy(): boolean {
    return this.#underWay.size > 0;
  }

  get reason(): string {
    return this.#reason;
  }

  health(): TransportHealth {
    return {
      kind: this.setting.kind,
      name: this.name,
      state: this.#state,
      reason: this.#reason,
      needsRestart: this.#needsRestart,
      since: this.#since,
      waiting: this.#small.length + this.#large.length,
      underWay: this.#underWay.size,
      sent: this.#sent,
      failed: this.#failed,
    };
  }

  /** Takes an attempt, and sends it when it is its turn. */
  add(attempt: Attempt): void {
    (attempt.call.isLarge ? this.#large : this.#small).push(attempt);
    this.pump();
  }

  /** Takes the reply to an attempt as a reader has found it. */
  protected sinkOf(attempt: Attempt): ReplySink {
    return {
      whole: (reply) => this.settle(attempt, reply),
      stream: (result) => {
        this.isAlive();
        if (attempt.isSettled) result.release();
        else attempt.answered(result);
      },
    };
  }

  /** Tells an attempt what was replied to it. */
  protected settle(attempt: Attempt, reply: Reply): void {
    if (reply.kind !== 'broken') this.isAlive();
    if (reply.kind === 'result') attempt.answered(reply.text);
    else if (reply.kind === 'error') attempt.refused(reply.error);
    else {
      this.countFailure();
      attempt.failed(new UpstreamFailure('broken', reply.reason, true));
    }
  }

  /** Forgets an attempt that its owner has abandoned. */
  remove(attempt: Attempt): void {
    attempt.abandon();
    if (this.#underWay.has(attempt)) {
      this.forget(attempt);
      this.over(attempt);
      return;
    }
    this.#unqueue(attempt);
  }

  #unqueue(attempt: Attempt): void {
    const queue = attempt.call.isLarge ? this.#large : this.#small;
    const at = queue.indexOf(attempt);
    if (at >= 0) queue.splice(at, 1);
  }

  /** Gives up what has waited too long. @param now `performance.now()` */
  expire(now: number): void {
    for (const queue of [this.#small, this.#large]) {
      for (const attempt of queue.filter(({ expires }) => expires <= now)) {
        queue.splice(queue.indexOf(attempt), 1);
        attempt.failed(this.#tooLate());
      }
    }
    for (const attempt of [...this.#underWay.items]) {
      if (attempt.expires > now) continue;
      this.#miss(attempt);
    }
  }

  /** As {@link probe}, if nothing was answered since the last time. */
  probeIfSilent(): void {
    if (!this.#wasAnswered && !this.isDown) this.#startProbe();
    this.#wasAnswered = false;
  }

  /** Asks whether the transport lives, unless it is being asked already. Settles when that is known. */
  probe(): Promise<void> {
    return new Promise((resolve) => {
      this.#probed.push(resolve);
      this.#startProbe();
    });
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.#retry);
    this.#endProbe();
    this.#tellProbed();
    this.#failAll(new UpstreamFailure('closed', 'the server stops', false), true);
    this.release();
  }

  /** Sends what waits, as far as it may. */
  protected pump(): void {
    // Sending may end an attempt at once, whose owner adds another.
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      while (this.#underWay.size < this.window && !this.isPaused && !this.isClosed) {
        const attempt = this.#next();
        if (attempt === undefined) return;
        if (attempt.expires <= performance.now()) {
          attempt.failed(this.#tooLate());
          continue;
        }
        this.#begin(attempt);
      }
    } finally {
      this.#isPumping = false;
    }
  }

  /** Those that are under way, the probe among them; to be read at once. */
  protected get underWay(): readonly Attempt[] {
    return this.#underWay.items;
  }

  /** An attempt needs its transport no more. */
  protected over(attempt: Attempt): void {
    if (this.#underWay.delete(attempt)) this.pump();
  }

  /** Puts an attempt that could not be sent yet in front of all that wait. */
  protected putBack(attempt: Attempt): void {
    this.#underWay.delete(attempt);
    this.#sent -= 1;
    (attempt.call.isLarge ? this.#large : this.#small).unshift(attempt);
  }

  /** Something was answered: the transport lives. */
  protected isAlive(): void {
    this.#misses = 0;
    this.#wasAnswered = true;
    if (this.#state !== 'up') this.#change('up', '', false);
    if (this.#probe !== undefined) {
      this.#endProbe();
      this.pump();
    }
    this.#tellProbed();
  }

  protected countFailure(): void {
    this.#failed += 1;
  }

  /** The transport does not work. What waits is failed, and also, if it is lost, what was sent. */
  protected fail(reason: string, isSentLost: boolean): void {
    this.#down(reason, false, isSentLost);
  }

  #down(reason: string, needsRestart: boolean, isSentLost: boolean): void {
    if (this.isClosed) return;
    if (this.#state !== 'down' || this.#reason !== reason) this.#change('down', reason, needsRestart);
    this.#retryLater();
    this.#tellProbed();
    this.#failAll(new UpstreamFailure('down', `${this.name} does not work: ${reason}`, false), isSentLost);
  }

  #failAll(failure: UpstreamFailure, isSentLost: boolean): void {
    const waiting = [...this.#small.splice(0), ...this.#large.splice(0)];
    if (isSentLost) {
      const lost = new UpstreamFailure(failure.kind, failure.reason, true);
      for (const attempt of [...this.#underWay.items]) {
        this.#underWay.delete(attempt);
        this.forget(attempt);
        this.#failed += 1;
        if (attempt === this.#probe) this.#probe = undefined;
        attempt.failed(lost);
      }
    }
    for (const attempt of waiting) attempt.failed(failure);
  }

  #change(state: TransportHealth['state'], reason: string, needsRestart: boolean): void {
    this.#state = state;
    this.#reason = reason;
    this.#needsRestart = needsRestart;
    this.#since = currentSecond();
    if (state === 'up') {
      clearTimeout(this.#retry);
      this.#retry = undefined;
    }
    this.context.changed(this);
  }

  #next(): Attempt | undefined {
    if (this.#large.length > 0 && (this.#small.length === 0 || this.#smallInARow >= smallsInARow)) {
      this.#smallInARow = 0;
      return this.#large.shift();
    }
    this.#smallInARow += 1;
    return this.#small.shift();
  }

  #begin(attempt: Attempt): void {
    attempt.id = this.#nextId;
    this.#nextId = this.#nextId >= largestId ? 1 : this.#nextId + 1;
    if (attempt.patience > 0) attempt.expires = Math.min(attempt.expires, performance.now() + attempt.patience);
    this.#underWay.add(attempt);
    this.#sent += 1;
    this.send(attempt);
  }

  #miss(attempt: Attempt): void {
    this.#take(attempt);
    this.#failed += 1;
    this.#misses += 1;
    if (this.diesForGood || this.#misses >= missesBeforeProbe) this.#startProbe();
    attempt.failed(new UpstreamFailure('timeout', `${this.name} did not answer in time`, true));
    this.pump();
  }

  #tooLate(): UpstreamFailure {
    return new UpstreamFailure('timeout', `${this.name} was busy for the whole time of the call`, false);
  }

  #take(attempt: Attempt): void {
    this.#underWay.delete(attempt);
    this.forget(attempt);
  }

  /** True while a probe has not been answered. */
  protected get isProbing(): boolean {
    return this.#probe !== undefined;
  }

  #startProbe(): void {
    if (this.isClosed) {
      this.#tellProbed();
      return;
    }
    if (this.#probe !== undefined) return;
    const { probeTimeout, retryInterval } = this.context.limits;
    const probe = new Attempt(probeCall, new Request(probeCall), Number.POSITIVE_INFINITY, 0, {
      answered: () => this.isAlive(),
      refused: () => this.isAlive(),
      failed: ({ reason }) => {
        this.#probe = undefined;
        // As the transport itself tells it: else each attempt would tell two reasons by turns.
        const prefix = `${this.name} does not work: `;
        this.#down(reason.startsWith(prefix) ? reason.slice(prefix.length) : reason, false, false);
      },
    });
    this.#probe = probe;
    const after = (milliseconds: number, act: () => void): void => {
      setTimeout(() => {
        if (this.#probe === probe) act();
      }, milliseconds).unref();
    };
    after(probeTimeout, () => {
      const reason = `it has not answered "version" for ${probeTimeout} ms`;
      // What is late there comes behind a dump, and what is asked again waits behind all that was asked before.
      if (!this.diesForGood) this.#endProbe();
      const remedy = this.diesForGood ? '; if no dump is under way, OpenSIPS has to be restarted' : '';
      this.#down(reason + remedy, this.diesForGood, false);
    });
    if (this.diesForGood) {
      after(probeTimeout + longRetries * retryInterval, () => {
        this.#endProbe();
        this.#retryLater();
      });
    }
    this.#begin(probe);
  }

  /** The probe is not waited for any more. */
  #endProbe(): void {
    const probe = this.#probe;
    this.#probe = undefined;
    if (probe === undefined || probe.isSettled) return;
    probe.abandon();
    // One that was put back waits: sent later, it would have no end.
    if (this.#underWay.has(probe)) this.#take(probe);
    else this.#unqueue(probe);
  }

  #tellProbed(): void {
    if (this.#probed.length > 0) for (const told of this.#probed.splice(0)) told();
  }

  #retryLater(): void {
    if (this.#retry !== undefined || this.isClosed) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#startProbe();
    }, this.context.limits.retryInterval);
    this.#retry.unref();
  }
}
