import { formatAddress } from '../../../base/address.js';
import {
  type Connection,
  type EngineHandlers,
  type EngineResponse,
  type FixedHead,
  leastChunk,
  type Receiver,
  type Taken,
} from '../engine.js';
import { shortestPipeline } from '../offenders.js';
import { Pipelining } from './pipelining.js';
import { ReadProbe } from './read-probe.js';
import type { UwsRequest, UwsResponse } from './types.js';

/**
 * Every close of a connection by the server goes by this.
 *
 * The engine frees a socket in the check phase of libuv, and what it needs for that in the phase after it. A connection
 * that is closed in between, by a callback of `setImmediate` or a promise that such a callback resolves, is never freed:
 * some 450 bytes for good. It may be closed within callbacks of the engine and of timers. Node.js does not tell which
 * phase it is in, so that only what is known to run in a good one closes at once; all else waits for a timer.
 */
let isClosable = false;

/** Runs something in a later turn, see {@link EngineResponse.later}. */
export function onLaterTurn(run: () => void, cut: (error: unknown) => void): void {
  try {
    setTimeout(() => whileClosable(run, cut), 0);
  } catch (error) {
    cut(error);
  }
}

/** Runs something in a turn in which connections may be closed: a callback of the engine or of a timer. */
export function whileClosable(run: () => void, failed: (error: unknown) => void): void {
  const before = isClosable;
  isClosable = true;
  try {
    run();
  } catch (error) {
    failed(error);
  } finally {
    isClosable = before;
  }
}

/** Closes something of the engine, now or in a later turn. */
export function whenClosable(close: () => void): void {
  if (isClosable) close();
  else onLaterTurn(close, close);
}

/** Closes something as its thread ends: there is no later turn. */
export function closeForExit(close: () => void): void {
  whileClosable(close, () => {});
}

export function closeConnection(raw: UwsResponse): void {
  whenClosable(() => {
    try {
      raw.close();
    } catch {
      // It has been closed already.
    }
  });
}

/** The engine gives an address as 4 or 16 bytes, or none, as when a reset has followed the request. */
export function addressOf(raw: UwsResponse): string {
  return formatAddress(new Uint8Array(raw.getRemoteAddress()));
}

/**
 * Drops a request of a connection that the reply before it has closed. Where a client asks for a reply to be the last and the
 * engine has it corked no more, as behind a long one, it closes at once, hands over what the client has sent behind all the
 * same, and tells of no end of that. A closed socket has no address; from 20.69 on it keeps that, and has no port.
 *
 * A Unix socket has none either: there any request of such a turn is dropped, and the client of another connection sees it closed.
 */
export function dropsOfClosed(pace: Pace, raw: UwsResponse): boolean {
  if (!pace.hasClosed || hasPeer(raw)) return false;
  // The engine ends the process when a request has neither reply nor callback.
  raw.onAborted(() => {});
  raw.close();
  return true;
}

/** 32 bits, all set, stand for no port. */
const highestPort = 65535;

function hasPeer(raw: UwsResponse): boolean {
  return raw.getRemoteAddress().byteLength > 0 && (raw.getRemotePort?.() ?? 0) <= highestPort;
}

/** How much of a body is written at once. */
export interface WriteSizes {
  /** Bytes that the engine keeps for certain when the kernel does not take them. */
  readonly part: number;
  /** Bytes in one turn of the event loop. */
  readonly chunk: number;
}

/** What the engine corks, 16 KiB: of a longer write that the kernel refuses some versions lose all. */
const corked: WriteSizes = { part: 16320, chunk: leastChunk };

/** In one write twice as much costs the turn what it does in parts. */
const atOnce: WriteSizes = { part: 2 * leastChunk, chunk: 2 * leastChunk };

/** The first version that loses no write, of April 2026. */
const keepsWritesFrom = [20, 69] as const;

/** @param version of the engine; one that does not tell counts as old */
export function writeSizesOf(version: string): WriteSizes {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [fromMajor, fromMinor] = keepsWritesFrom;
  return major > fromMajor || (major === fromMajor && minor >= fromMinor) ? atOnce : corked;
}

/** Bytes of a body that are corked beside a head. */
const corkedWithHeadSize = 14336;

/** Bytes of replies that the engine keeps back until it has handed over all requests of a piece. */
const keptBack = 16384;

/** Keeps clients of an app from sending more than is served, and from reading less than they asked for. */
export class Pace {
  readonly pipelining = new Pipelining();
  readonly probe = new ReadProbe();
  /** True in a turn in which a connection was closed from within: what the engine hands over next may be a request of that. */
  hasClosed = false;
  readonly #turnEnds = (): void => {
    this.hasClosed = false;
  };

  constructor(readonly sizes: WriteSizes) {}

  closedFromWithin(): void {
    try {
      if (!this.hasClosed) setImmediate(this.#turnEnds);
      this.hasClosed = true;
    } catch {
      // Without it the turn would never end.
    }
  }
}

/** Free responses that are kept: one is enough, unless a handler makes something of its own happen. */
const mostIdle = 16;

/** A response of the engine, with what has to be minded about it. It serves one request after the other. */
export class UwsReply implements EngineResponse {
  readonly tellsEveryReply: boolean = false;
  isCorked = false;
  readonly #receiver: Receiver;
  readonly #idle: UwsReply[];
  readonly #pipelining: Pipelining;
  readonly #probe: ReadProbe;
  readonly #pace: Pace;
  #raw: UwsResponse;
  /** True when the connection was found gone, or was closed. */
  #isGone = false;

  // Allocated once: the engine gets no closure per request.
  readonly #aborted = (): void => {
    this.#isGone = true;
    this.#receiver.gone();
  };
  readonly #data = (piece: ArrayBuffer, isLast: boolean): void => {
    const before = isClosable;
    isClosable = true;
    this.isCorked = true;
    try {
      const run = this.#pipelining.runLength(piece);
      if (run <= shortestPipeline || !this.#isTooMany(run)) this.#receiver.bodyPiece(piece, isLast);
    } finally {
      this.isCorked = false;
      isClosable = before;
    }
  };

  /** @param idle where it goes when it is free */
  constructor(receiver: (response: EngineResponse) => Receiver, idle: UwsReply[], pace: Pace, raw: UwsResponse) {
    this.#raw = raw;
    this.#idle = idle;
    this.#pace = pace;
    this.#pipelining = pace.pipelining;
    this.#probe = pace.probe;
    this.#receiver = receiver(this);
  }

  /** Serves a request. Called by the engine: a callback of its own is corked, and may close. */
  serve(raw: UwsResponse, request: UwsRequest, method: string, path: string, route: object | undefined): void {
    this.#raw = raw;
    this.#isGone = false;
    this.#pipelining.count();
    const before = isClosable;
    isClosable = true;
    this.isCorked = true;
    try {
      this.#receiver.request(request, method, path, route);
    } finally {
      this.isCorked = false;
      isClosable = before;
    }
  }

  /** The engine ends the process when a handler returns without reply or callback for this. */
  watch(): void {
    this.#raw.onAborted(this.#aborted);
  }

  awaitBody(): void {
    this.#raw.onData(this.#data);
  }

  /** The engine asks for none. */
  get certificate(): undefined {
    return undefined;
  }

  get remoteAddress(): string {
    return addressOf(this.#raw);
  }

  get remotePort(): number {
    const port = this.#raw.getRemotePort?.() ?? 0;
    return port <= highestPort ? port : 0;
  }

  /** The engine parses chunks leniently, and takes a field without a name for the end of the head. */
  isLastDue(isEndDoubtful: boolean): boolean {
    return isEndDoubtful || this.#probe.isLastDue();
  }

  isTurnLong(): boolean {
    return this.#pipelining.isTurnLong();
  }

  get chunkSize(): number {
    return this.#pace.sizes.chunk;
  }

  takesWhole(length: number, isClosing: boolean): boolean {
    return isClosing || (length <= corkedWithHeadSize && !this.#probe.isDue(length));
  }

  /**
   * One that is too many is refused, and the connection closed when another one follows. The engine keeps short replies
   * back until it has handed over all requests of a piece, and loses them when the connection is closed before; a long one
   * pushes them out, so that whoever sent the requests knows which were served. It may not be told to close by itself:
   * it would hand over the next one all the same, and never its end.
   */
  #isTooMany(run: number): boolean {
    const { offenders } = this.#pipelining;
    const limit = offenders.limitOf(this);
    if (run <= limit) return false;
    offenders.remember(this);
    this.#receiver.tooMany(limit, run > limit + 1 ? undefined : keptBack);
    return true;
  }

  cork(write: () => void): void {
    this.#raw.cork(write);
  }

  get mayClose(): boolean {
    return isClosable;
  }

  later(run: () => void, cut: (error: unknown) => void): void {
    onLaterTurn(run, cut);
  }

  writeStatus(line: string): void {
    this.#raw.writeStatus(line);
  }

  writeHeader(name: string, value: string): void {
    this.#raw.writeHeader(name, value);
  }

  /** The engine takes a status line with more lines behind it. One call, and bytes: each costs as much as a short reply. */
  writeFixedHead({ bytes }: FixedHead): void {
    this.#raw.writeStatus(bytes);
  }

  /** Where the client asks for it the engine closes by itself, and leaves the header out. */
  end(body: string | Uint8Array, isClosing: boolean, isLastAsked: boolean): void {
    if (body.length === 0) this.#probe.count(0);
    if (isLastAsked && !isClosing) this.#raw.writeHeader('Connection', 'close');
    this.#raw.end(body, isClosing);
  }

  /**
   * The engine can neither close after a reply without a body nor give it a length (it writes a wrong one): the length is
   * written as a header, and the client asked to close; where the engine has to close, the body is one of no bytes.
   */
  endHead(length: number | undefined, isClosing: boolean, isLastAsked: boolean): void {
    this.#probe.count(0);
    if (isClosing) {
      this.#raw.end('', true);
      return;
    }
    if (length !== undefined) this.#raw.writeHeader('Content-Length', String(length));
    if (isLastAsked) this.#raw.writeHeader('Connection', 'close');
    this.#raw.endWithoutBody();
  }

  /** The engine takes what the kernel takes, and tells of the rest by an offset. */
  writeOf(total: number, offset: number, piece: Uint8Array, writeHead: (() => void) | undefined): Taken {
    let bytes = piece.length;
    let isFree = true;
    let isComplete = false;
    this.#raw.cork(() => {
      writeHead?.();
      [isFree, isComplete] = this.#raw.tryEnd(piece, total);
      if (!isComplete) bytes = this.#raw.getWriteOffset() - offset;
    });
    return { bytes, isFree, isComplete };
  }

  /**
   * Written in parts that the engine keeps. Of an old one they are those that it can cork: where a write does not fit behind what is corked, the line of its chunk
   * among it, and the kernel refuses that, the engine loses the write. A part that is corked whole is kept. That the
   * kernel is full shows at the part behind it.
   */
  write(piece: Uint8Array, writeHead: (() => void) | undefined): Taken {
    let bytes = 0;
    let isFree = true;
    let head = writeHead;
    while (isFree && bytes < piece.length) {
      const size = head === undefined ? this.#pace.sizes.part : corkedWithHeadSize;
      const part = bytes === 0 && piece.length <= size ? piece : piece.subarray(bytes, bytes + size);
      this.#raw.cork(() => {
        head?.();
        isFree = this.#raw.write(part);
      });
      // Within the cork the engine may have found the client gone.
      if (this.#isGone) break;
      head = undefined;
      bytes += part.length;
    }
    return { bytes, isFree, isComplete: false };
  }

  endBody(writeHead: (() => void) | undefined): void {
    this.#raw.cork(() => {
      writeHead?.();
      // Never with the flag to close: after a body has begun the engine would write a header into it.
      this.#raw.end();
    });
  }

  onWritable(writable: () => void): void {
    this.#raw.onWritable(() => {
      writable();
      return true;
    });
  }

  /** The engine cuts a connection 8 to 12 s after the last event it saw. As a pair these only make that time start anew. */
  keepAlive(): void {
    this.#raw.pause();
    this.#raw.resume();
  }

  holdReading(): void {
    this.#raw.pause();
  }

  readOn(): void {
    this.#raw.resume();
  }

  close(): void {
    this.#isGone = true;
    closeConnection(this.#raw);
  }

  reuse(): void {
    if (this.#idle.length < mostIdle) this.#idle.push(this);
  }
}

/** A connection that has just come. */
class UwsConnection implements Connection {
  readonly tellsEveryReply = false;
  readonly #raw: UwsResponse;
  readonly #refusal: EngineHandlers['refusal'];

  constructor(raw: UwsResponse, refusal: EngineHandlers['refusal']) {
    this.#raw = raw;
    this.#refusal = refusal;
  }

  get remoteAddress(): string {
    return addressOf(this.#raw);
  }

  refuse(reason: string): void {
    const { statusLine, headers, body } = this.#refusal(503, reason, false);
    this.#raw.cork(() => {
      this.#raw.writeStatus(statusLine);
      for (const [name, value] of headers) this.#raw.writeHeader(name, value);
      this.#raw.end(body, true);
    });
  }

  close(): void {
    closeConnection(this.#raw);
  }

  /** The first request replaces the callback. */
  onGone(gone: () => void): void {
    this.#raw.onAborted(gone);
  }
}

/** Tells of connections that come and go, in a turn in which they may be closed. */
export function tellOfConnection(
  raw: UwsResponse,
  delta: number,
  { opened, closed, refusal }: Pick<EngineHandlers, 'opened' | 'closed' | 'refusal'>,
  pace: Pace,
): void {
  const before = isClosable;
  if (delta < 0 && isClosable) pace.closedFromWithin();
  isClosable = true;
  try {
    // Of one that has gone the engine still tells how much of a body the last reply had.
    if (delta < 0) closed(raw.getWriteOffset() > 0);
    else opened(new UwsConnection(raw, refusal));
  } finally {
    isClosable = before;
  }
}
