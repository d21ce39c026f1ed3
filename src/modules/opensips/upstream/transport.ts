import type { JsonObject, JsonValue } from '../../../base/json.js';
import { codes, MiAnswer, type MiError } from '../../../mi/errors.js';
import type { Cursor } from '../../../mi/results/cursor.js';

/** A command of OpenSIPS to be run, in parts: what is sent is written anew from them. */
export interface UpstreamCall {
  /** As OpenSIPS names it: `ul_dump`, or `usrloc:dump` of 4.0. */
  readonly method: string;
  /** By position or by name; empty or left out: none. Values are printed here, so that no text of a client passes. */
  readonly params?: readonly JsonValue[] | JsonObject | undefined;
  /** True if the command changes nothing: it alone is asked a second time where the first attempt has no answer. */
  readonly isReadOnly: boolean;
  /** True if the reply may pass 60 KB: then no datagram asks for it. */
  readonly isLarge: boolean;
  /** True for a command that answers later, such as `t_uac_dlg`: then HTTP and the FIFO ask for it last. */
  readonly isAsynchronous?: boolean;
  /** Milliseconds that the call may take, waiting in queues included. */
  readonly timeout: number;
}

/** Is told how a call ended: one of the two, once, also while it begins. It never throws. */
export interface UpstreamOwner {
  answered(result: UpstreamResult): void;
  /** With the error as OpenSIPS answered it, or an {@link UpstreamFailure} without an answer. */
  failed(error: MiError): void;
}

/** A call that has begun. */
export interface PendingCall {
  /** Nobody waits for the answer any more: one that waits is not sent, of one that is under way the reply is dropped. Its owner is told. */
  giveUp(): void;
}

/** Compact JSON of a `result`, as OpenSIPS printed it, bytes that are no UTF-8 mended to U+FFFD. */
type UpstreamText = string;

/**
 * A long `result`, cut out of its reply while it comes; compact JSON, as {@link UpstreamText}. The reader's pace never reaches
 * OpenSIPS: what is not read yet waits in memory, and beyond that in a file without a name.
 *
 * {@link Cursor.fill} rejects with an {@link UpstreamFailure} when the reply has no sound end, however late that turns out.
 * {@link Cursor.release} drops the rest.
 */
export interface UpstreamStream extends Cursor {
  readonly isSlow: true;
}

/** What OpenSIPS gave: a text when it is there whole and short, else a stream. */
export type UpstreamResult = UpstreamText | UpstreamStream;

/** Why a call has no answer of OpenSIPS. */
export type FailureKind =
  /** It does not fit any transport of the node, or cannot be written for it. */
  | 'refused'
  /** `max_pending` calls are under way, or wait. */
  | 'busy'
  /** Its time passed. */
  | 'timeout'
  /** No transport of the node works. */
  | 'down'
  /** The reply is no JSON-RPC, broken, or too long to be held. */
  | 'broken'
  /** The node was closed, or the caller gave the call up. */
  | 'closed';

/** A call has no answer of OpenSIPS; `data` is the reason, and says so where the command may have run. */
export class UpstreamFailure extends MiAnswer {
  /** @param mayHaveRun true if OpenSIPS may have run the command, or may still run it */
  constructor(
    readonly kind: FailureKind,
    readonly reason: string,
    readonly mayHaveRun: boolean,
  ) {
    super(codes.serverError, undefined, mayHaveRun ? `${reason}; the command may have run` : reason);
  }
}

/** The ways into OpenSIPS. */
export type TransportKind = 'fifo' | 'udp' | 'unix' | 'http';

/** How a way into OpenSIPS does. */
export interface TransportHealth {
  readonly kind: TransportKind;
  /** As it is configured: `fifo:/run/opensips/fifo`. */
  readonly name: string;
  /** `unknown` until it has answered, or failed, for the first time. */
  readonly state: 'unknown' | 'up' | 'down';
  /** Why it is down; '' when it is not. */
  readonly reason: string;
  /** True if it will not work again before OpenSIPS is restarted, as a FIFO that answers nothing. */
  readonly needsRestart: boolean;
  /** Second of `currentSecond` since which it is in this state. */
  readonly since: number;
  /** Calls that wait for their turn. */
  readonly waiting: number;
  /** Calls that are sent and not answered. */
  readonly underWay: number;
  /** Calls sent, and those of them without an answer in time, or with a broken one, since the start. */
  readonly sent: number;
  readonly failed: number;
}

/** How a node does. */
export interface UpstreamHealth {
  readonly name: string;
  /** True unless every transport is down. */
  readonly isUp: boolean;
  readonly transports: readonly TransportHealth[];
}

/** Bytes of replies, by where they wait. */
export interface WaitingBytes {
  /** On the way to a file, too. */
  readonly inMemory: number;
  readonly inFiles: number;
}

/** Told when a transport of a node went down, or came back. */
export type HealthListener = (transport: TransportHealth, node: Upstream) => void;

/** One OpenSIPS with the set of transports that lead to it. */
export interface Upstream {
  readonly name: string;

  /**
   * Runs a command. Small calls go before large ones, and by datagram where there is one; the others by FIFO or HTTP. With a
   * transport down, the next one is taken.
   *
   * @returns undefined when its owner has been told already
   */
  begin(call: UpstreamCall, owner: UpstreamOwner): PendingCall | undefined;

  /**
   * As {@link begin}.
   *
   * @throws MiError as OpenSIPS answered it; {@link UpstreamFailure} without an answer
   */
  call(call: UpstreamCall): Promise<UpstreamResult>;

  health(): UpstreamHealth;

  /** Bytes of long replies that wait for their readers. */
  readonly waiting: WaitingBytes;

  /** @returns ends the listening */
  onHealth(listener: HealthListener): () => void;

  /** Asks every transport for `version` now, to be waited for where a start should fail early; and from then on again and again. */
  probe(): Promise<UpstreamHealth>;

  /** Sends nothing more, fails what waits, and frees sockets, pipes and files. */
  close(): Promise<void>;
}

/** What of OpenSIPS speaks at the other end. */
export type Dialect =
  /** JSON-RPC of 3.x and 4.0. */
  | 'jsonrpc'
  /** Lines of the FIFO and the datagrams of 2.x, `mi_json` by HTTP. */
  | '2.4';

/** A transport as it is configured. */
export type TransportSetting =
  | {
      readonly kind: 'fifo';
      readonly dialect: Dialect;
      readonly path: string;
      /** Where reply FIFOs are made: `reply_dir` of mi_fifo, a slash at its end. */
      readonly replyFolder: string;
      /** The user that it has to be of; undefined: any. */
      readonly owner: number | undefined;
    }
  | { readonly kind: 'udp'; readonly dialect: Dialect; readonly host: string; readonly port: number }
  | {
      readonly kind: 'unix';
      readonly dialect: Dialect;
      readonly path: string;
      /**
       * Where the socket is made that replies come to, a slash at its end; '' for one of an abstract name, which needs nothing but
       * one network namespace for both.
       */
      readonly replyFolder: string;
    }
  | {
      readonly kind: 'http';
      readonly dialect: Dialect;
      readonly host: string;
      readonly port: number;
      /** With the root: `/mi`. */
      readonly path: string;
      /** `user:password` of 4.0; '' for none. */
      readonly userInfo: string;
    };

/** Limits of a node. */
export interface UpstreamLimits {
  /** Calls that may wait or be under way at once, all transports together. */
  readonly maxPending: number;
  /** Calls that may be under way at once by datagram; more than 16 are lost by OpenSIPS. */
  readonly window: number;
  /** Milliseconds after which `version` counts as unanswered. */
  readonly probeTimeout: number;
  /** Milliseconds between two attempts to reach a transport that is down. */
  readonly retryInterval: number;
  /** Milliseconds between two looks at a transport that nothing was asked of, once {@link Upstream.probe} was called. */
  readonly probeInterval: number;
  /** Milliseconds that a long reply may bring next to nothing. */
  readonly standstill: number;
  /** Bytes of one reply that wait in memory for its reader; more go to a file. */
  readonly memory: number;
  /** Bytes of all replies that are on the way to files; a disk that takes them too slowly fails them. */
  readonly onTheWay: number;
  /** Bytes of all replies that wait in files; one that finds no room fails. */
  readonly spill: number;
  /** Folder of these files. */
  readonly spillFolder: string;
  /** Bytes of all replies of 2.x by FIFO and datagram that are held at once, until they are sent. As values they take several times that. */
  readonly lines: number;
}
