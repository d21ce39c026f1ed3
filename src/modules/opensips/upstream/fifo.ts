import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  openSync,
  type Stats,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import type { Socket } from 'node:net';
import { coded } from '../../../base/codes.js';
import { reasonOf } from '../../../base/text.js';
import { makeFifo } from '../../../native/datagrams.js';
import type { Attempt } from './attempt.js';
import { jsonRpc } from './envelope.js';
import { Lane, type LaneContext } from './lane.js';
import { lendingSocket } from './lending-socket.js';
import { LinesReader, printLines } from './lines.js';
import { replyName, replyNameLength } from './reply-names.js';
import { ReplyReader } from './reply-reader.js';
import type { Request } from './request.js';
import { type TransportSetting, type UpstreamCall, UpstreamFailure } from './transport.js';

/** Bytes that mi_fifo reads at once; what is beyond may be lost, and the rest run with a hole. Linux mixes no writes up to it. */
const longestWrite = 4096;

/** Milliseconds after which a request is written again that found the pipe full. */
const fullPipePause = 10;

/** The bit of the mode of a folder by which users that are neither its owner nor of its group reach what is in it. */
const othersEnter = 0o001;

type FifoSetting = Extract<TransportSetting, { kind: 'fifo' }>;

/** mi_fifo: a request is one write to its FIFO, and the reply comes by a FIFO that is made for it. */
export class FifoLane extends Lane {
  /** A call that is not answered here waits behind another, and would wait there again. */
  readonly patience = 0;
  readonly #exchanges = new Map<Attempt, Exchange>();
  readonly #fifo: FifoSetting;

  constructor(setting: FifoSetting, context: LaneContext) {
    super(setting, context, 1);
    this.#fifo = setting;
  }

  misfit(request: Request, call: UpstreamCall): string {
    if (call.isAsynchronous === true) {
      return 'its answer comes later, which OpenSIPS 4.0 may not survive by FIFO; give the node a datagram transport or HTTP';
    }
    const { text, misfit } = this.#print(call, request, 0x7fffffff, sampleName);
    if (misfit !== '') return misfit;
    const length = Buffer.byteLength(text);
    return length > longestWrite ? `it has ${length} bytes, and a FIFO takes ${longestWrite}` : '';
  }

  protected override get isPaused(): boolean {
    return this.isProbing;
  }

  protected override get diesForGood(): boolean {
    return true;
  }

  protected send(attempt: Attempt): void {
    const name = replyName();
    let exchange: Exchange;
    try {
      const { text } = this.#print(attempt.call, attempt.request, attempt.id, name);
      const events = this.setting.dialect === '2.4' ? this.#linesOf(attempt) : this.#replyOf(attempt);
      exchange = new Exchange(this.#fifo, name, Buffer.from(text), events);
      if (exchange.isExposed) this.context.exposed(this);
    } catch (error) {
      this.#failUnsent(attempt, problemOf(error));
      return;
    }
    this.#exchanges.set(attempt, exchange);
    exchange.send();
  }

  protected forget(attempt: Attempt): void {
    this.#exchanges.get(attempt)?.cut(new UpstreamFailure('timeout', 'the reply comes too slowly', true));
    this.#exchanges.delete(attempt);
  }

  protected release(): void {
    for (const exchange of this.#exchanges.values())
      exchange.cut(new UpstreamFailure('closed', 'the server stops', true));
    this.#exchanges.clear();
  }

  #print(call: UpstreamCall, request: Request, id: number, name: string): { text: string; misfit: string } {
    if (this.setting.dialect === '2.4') return printLines(call, name);
    return { text: `:${name}:${request.text(id)}`, misfit: '' };
  }

  #failUnsent(attempt: Attempt, reason: string): void {
    this.#exchanges.delete(attempt);
    attempt.failed(new UpstreamFailure('down', `${this.name} does not work: ${reason}`, false));
    this.over(attempt);
    this.fail(reason, false);
  }

  #replyOf(attempt: Attempt): ExchangeEvents {
    const end = (): void => {
      this.#exchanges.get(attempt)?.close();
      this.#exchanges.delete(attempt);
      this.over(attempt);
    };
    const reader = new ReplyReader(jsonRpc(attempt.id), this.context.room, this.sinkOf(attempt), end);
    return {
      failed: (reason) => this.#failUnsent(attempt, reason),
      data: (piece) => {
        reader.push(piece);
        if (reader.isStream) attempt.comes(piece.length, this.context.limits.standstill);
      },
      end: () => {
        reader.end();
        end();
      },
      cut: (failure) => {
        reader.fail(failure);
      },
    };
  }

  #linesOf(attempt: Attempt): ExchangeEvents {
    const reader = new LinesReader(this.context.lines, this.sinkOf(attempt));
    return {
      failed: (reason) => this.#failUnsent(attempt, reason),
      data: (piece) => reader.push(piece),
      end: () => {
        this.#exchanges.get(attempt)?.close();
        this.#exchanges.delete(attempt);
        // What has come is read on while the next one is under way.
        reader.end();
        this.over(attempt);
      },
      cut: () => reader.cancel(),
    };
  }
}

const sampleName = 'x'.repeat(replyNameLength);

/** What an {@link Exchange} tells. */
interface ExchangeEvents {
  /** The request cannot be written. */
  failed(reason: string): void;
  /** @param piece is lent */
  data(piece: Buffer): void;
  /** OpenSIPS closed its end. */
  end(): void;
  /** It is closed from here. */
  cut(failure: UpstreamFailure): void;
}

/** A request with its reply FIFO, which is open for reading before the request is written: OpenSIPS waits for no reader. */
class Exchange {
  readonly #fifo: string;
  readonly #owner: number | undefined;
  readonly #reply: string;
  readonly #request: Buffer;
  readonly #events: ExchangeEvents;
  readonly #reader: Socket;
  /** True if any user may write to the reply FIFO. */
  readonly isExposed: boolean;
  #pause: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** @throws Error when the reply FIFO cannot be made */
  constructor({ path, replyFolder, owner }: FifoSetting, name: string, request: Buffer, events: ExchangeEvents) {
    this.#fifo = path;
    this.#owner = owner;
    this.#reply = replyFolder + name;
    this.#request = request;
    this.#events = events;
    makeFifo(this.#reply, 0o600);
    let file = -1;
    try {
      file = openSync(this.#reply, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
      this.isExposed = !shareFifo(path, file) && (statSync(replyFolder).mode & othersEnter) !== 0;
      this.#reader = lendingSocket({ fd: file, readable: true, writable: false }, (piece) => {
        if (!this.#isClosed) events.data(piece);
      });
    } catch (error) {
      if (file !== -1) closeSync(file);
      this.#remove();
      throw error;
    }
    this.#reader.unref();
    this.#reader.on('end', () => {
      if (!this.#isClosed) events.end();
    });
    this.#reader.on('error', () => {
      if (!this.#isClosed) events.end();
    });
  }

  /** Writes the request, whole, as soon as the pipe has room for it. */
  send(): void {
    try {
      this.#write();
    } catch (error) {
      if (codeOf(error) === 'EAGAIN') {
        this.#pause = setTimeout(() => this.send(), fullPipePause);
        return;
      }
      this.close();
      this.#events.failed(problemOf(error));
    }
  }

  cut(failure: UpstreamFailure): void {
    if (this.#isClosed) return;
    this.close();
    this.#events.cut(failure);
  }

  /** A request that OpenSIPS has not come to is not run from now on: its reply FIFO has gone. Harmless when it was called before. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#pause);
    this.#reader.destroy();
    this.#remove();
  }

  #write(): void {
    // Without O_CREAT: a regular file in place of a FIFO is not made, and not written to.
    const file = openSync(this.#fifo, constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      const found = fstatSync(file);
      if (!found.isFIFO()) throw coded('ERR_NODE', new Error('it is no FIFO'));
      if (this.#owner !== undefined && found.uid !== this.#owner) {
        throw coded(
          'ERR_NODE',
          new Error(`its owner is user ${found.uid} now, and was user ${this.#owner}: it may not be that of OpenSIPS`),
        );
      }
      writeSync(file, this.#request);
    } finally {
      closeSync(file);
    }
  }

  #remove(): void {
    try {
      unlinkSync(this.#reply);
    } catch {
      // It has gone already.
    }
  }
}

/**
 * Lets OpenSIPS write to a reply FIFO, and nobody else where that is possible: another one that writes could forge a reply, or keep
 * it without an end. The user of both needs nothing, and a folder may have given it the group of the FIFO of OpenSIPS.
 *
 * @param reply the open file: in a folder that others write to, its name may stand for another file by now
 * @returns false if all users may write to it, as far as they reach it
 */
function shareFifo(fifo: string, reply: number): boolean {
  const made = fstatSync(reply);
  if (!made.isFIFO() || made.uid !== process.geteuid?.()) {
    throw coded('ERR_NODE', new Error('another program has put something in the place of the reply FIFO'));
  }
  const file = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
  let owner: Stats;
  try {
    owner = fstatSync(file);
  } finally {
    closeSync(file);
  }
  if (made.uid === owner.uid) return true;
  try {
    if (made.gid !== owner.gid) fchownSync(reply, made.uid, owner.gid);
    fchmodSync(reply, 0o620);
    return true;
  } catch {
    fchmodSync(reply, 0o622);
    return false;
  }
}

function problemOf(error: unknown): string {
  const code = codeOf(error);
  if (code === 'ENXIO') return 'no OpenSIPS reads it';
  if (code === 'ENOENT') return 'there is no such FIFO';
  return reasonOf(error);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
