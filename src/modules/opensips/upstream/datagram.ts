import type { Socket } from 'node:dgram';
import { chmodSync, closeSync, constants, fstatSync, openSync, rmSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { coded } from '../../../base/codes.js';
import { reasonOf } from '../../../base/text.js';
import { datagramWindow, UnixDatagrams, udpSocket } from '../../../native/datagrams.js';
import type { Attempt } from './attempt.js';
import { decode, endOf, readReply } from './envelope.js';
import { Lane, type LaneContext } from './lane.js';
import { LinesReader, printLines } from './lines.js';
import { replyName } from './reply-names.js';
import type { Request } from './request.js';
import { type TransportSetting, type UpstreamCall, UpstreamFailure } from './transport.js';

/** Bytes of the longest request that mi_datagram reads whole. */
const longestDatagram = 65457;

/** The texts that it answers without an id. */
const tooLong = '500 Internal error';
const parseError = '400 Parse_error';

/** Calls by a Unix socket that may be under way: its queue takes ten, and OpenSIPS waits for no place in ours. */
const unixWindow = 8;

/** Milliseconds after which a datagram is sent again that found the queue of OpenSIPS full. */
const fullQueuePause = 2;

/** Milliseconds after which a datagram that may be repeated counts as lost. */
const patience = 2000;

type DatagramSetting = Extract<TransportSetting, { kind: 'udp' | 'unix' }>;

/** A socket that is bound to that of OpenSIPS: what others send it is not received. */
interface Peer {
  /** @returns false when the other side takes no more at present. @throws Error when it has gone */
  send(datagram: Buffer): boolean;
  close(): void;
}

/** What a {@link Peer} tells. */
interface PeerEvents {
  /** Gets a datagram, lent until it returns. */
  received(datagram: Buffer): void;
  /** True while something may come. */
  isAwaiting(): boolean;
  ready(): void;
  failed(reason: string): void;
}

/** mi_datagram: a call is a datagram, and so is its reply. */
export class DatagramLane extends Lane {
  readonly patience = patience;
  readonly #peerSetting: DatagramSetting;
  #peer: Peer | undefined;
  #isReady = false;
  /** Replies without an id that have come, and the calls that each of them may belong to. */
  #nameless = 0;
  #namelessText = '';
  readonly #suspects = new Set<Attempt>();
  #pause: NodeJS.Timeout | undefined;

  constructor(setting: DatagramSetting, context: LaneContext) {
    const { window } = context.limits;
    // Replies of 2.x have no id.
    const most = setting.dialect === '2.4' ? 1 : setting.kind === 'unix' ? Math.min(unixWindow, window) : window;
    super(setting, context, most);
    this.#peerSetting = setting;
  }

  misfit(request: Request, call: UpstreamCall): string {
    if (this.setting.dialect === '2.4') return printLines(call, '').misfit;
    if (request.mostBytes <= longestDatagram) return '';
    const length = Buffer.byteLength(request.text(0x7fffffff));
    return length > longestDatagram ? `it has ${length} bytes, and a datagram takes ${longestDatagram}` : '';
  }

  protected override get isPaused(): boolean {
    return this.#pause !== undefined || this.#suspects.size > 0 || (this.#peer !== undefined && !this.#isReady);
  }

  protected send(attempt: Attempt): void {
    try {
      const peer = this.#peer ?? this.#open();
      if (!this.#isReady) {
        this.putBack(attempt);
        return;
      }
      if (!peer.send(Buffer.from(this.#textOf(attempt)))) {
        this.putBack(attempt);
        this.#pauseForQueue();
        return;
      }
    } catch (error) {
      // Nothing has left: another transport may take it.
      attempt.failed(new UpstreamFailure('down', `${this.name} does not work: ${reasonOf(error)}`, false));
      this.over(attempt);
      this.#lose(reasonOf(error));
    }
  }

  protected forget(attempt: Attempt): void {
    this.#clear(attempt);
    // What comes late is not to be taken for the reply to the next call.
    if (this.setting.dialect === '2.4') this.#closePeer();
  }

  protected release(): void {
    clearTimeout(this.#pause);
    this.#closePeer();
  }

  #textOf({ call, request, id }: Attempt): string {
    return this.setting.dialect === '2.4' ? printLines(call, '').text : request.text(id);
  }

  #open(): Peer {
    const events: PeerEvents = {
      received: (datagram) => this.#receive(datagram),
      isAwaiting: () => this.isBusy,
      ready: () => {
        this.#isReady = true;
        this.pump();
      },
      failed: (reason) => this.#lose(reason),
    };
    this.#isReady = false;
    const setting = this.#peerSetting;
    if (setting.kind === 'udp') {
      this.#peer = new UdpPeer(setting.host, setting.port, events);
    } else {
      this.#peer = new UnixPeer(setting.path, setting.replyFolder, events);
      this.#isReady = true;
    }
    return this.#peer;
  }

  #closePeer(): void {
    this.#peer?.close();
    this.#peer = undefined;
    this.#isReady = false;
  }

  /** Nothing listens there: what was sent is lost. */
  #lose(reason: string): void {
    this.#closePeer();
    this.#suspects.clear();
    this.#nameless = 0;
    this.fail(reason, true);
  }

  #pauseForQueue(): void {
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      this.pump();
    }, fullQueuePause);
  }

  #receive(datagram: Buffer): void {
    if (this.setting.dialect === '2.4') {
      // It is of the one that was sent; to settle it sends the next.
      const [attempt] = this.underWay;
      if (attempt !== undefined) this.#receiveLines(attempt, datagram);
      return;
    }
    const text = decode(datagram);
    const end = endOf(text);
    const attempt = this.#sentAs(end.id);
    if (attempt !== undefined) {
      this.#settle(attempt, readReply(text, end.id, end));
      return;
    }
    if (text === tooLong || text === parseError) this.#receiveNameless(text);
  }

  #receiveLines(attempt: Attempt, datagram: Buffer): void {
    const reader = new LinesReader(this.context.lines, {
      ...this.sinkOf(attempt),
      whole: (reply) => this.#settle(attempt, reply),
    });
    reader.push(Buffer.from(datagram));
    reader.end();
  }

  /** Few are under way at once. */
  #sentAs(id: number): Attempt | undefined {
    for (const attempt of this.underWay) if (attempt.id === id) return attempt;
    return undefined;
  }

  #settle(attempt: Attempt, reply: ReturnType<typeof readReply>): void {
    this.isAlive();
    if (reply.kind === 'result') attempt.answered(reply.text);
    else if (reply.kind === 'error') attempt.refused(reply.error);
    else {
      this.countFailure();
      attempt.failed(new UpstreamFailure('broken', `${this.name}: ${reply.reason}`, true));
    }
    this.#clear(attempt);
    this.over(attempt);
  }

  /** A text without an id belongs to one of the calls that were under way; the replies of the others tell which. */
  #receiveNameless(text: string): void {
    if (this.underWay.length === 0) return;
    this.#nameless += 1;
    this.#namelessText = text;
    for (const attempt of this.underWay) this.#suspects.add(attempt);
    this.#judge();
  }

  #clear(attempt: Attempt): void {
    if (this.#suspects.delete(attempt)) this.#judge();
  }

  #judge(): void {
    if (this.#suspects.size === 0) this.#nameless = 0;
    if (this.#nameless === 0 || this.#suspects.size > this.#nameless) return;
    const isTooLong = this.#namelessText === tooLong;
    const found = [...this.#suspects];
    this.#suspects.clear();
    this.#nameless = 0;
    this.isAlive();
    for (const attempt of found) {
      this.countFailure();
      attempt.failed(
        isTooLong
          ? new UpstreamFailure('broken', tooLongReason, true)
          : new UpstreamFailure('refused', `${this.name} could not read the request`, false),
      );
      this.over(attempt);
    }
    this.pump();
  }
}

/** The reason of a failure that a transport without that limit is asked about. */
export const tooLongReason = 'the reply is longer than a datagram, about 65,400 bytes; a FIFO or HTTP takes it';

/** Datagrams that are taken in one turn of the event loop, as many as Node.js takes. */
const mostTaken = 32;

/**
 * A socket of UDP. Node.js waits for what comes, and reads the first of it; all else goes past it, which costs less than half, where the
 * system lets two have one socket.
 */
class UdpPeer implements Peer {
  readonly #socket: Socket;
  readonly #events: PeerEvents;
  /** Undefined: Node.js does all. */
  #native: ReturnType<typeof udpSocket> | undefined;
  #isClosed = false;

  constructor(host: string, port: number, events: PeerEvents) {
    this.#events = events;
    const { createSocket } = process.getBuiltinModule('node:dgram');
    const family = isIPv6(host) ? 6 : 4;
    const socket = createSocket(`udp${family}`);
    this.#socket = socket;
    const ready = (): void => {
      try {
        socket.setRecvBufferSize(receiveBuffer);
      } catch {
        // The system gives less: it is a matter of speed alone.
      }
      events.ready();
    };
    socket.on('message', (datagram) => this.#received(datagram));
    socket.on('error', (error) => events.failed(reasonOf(error)));
    socket.unref();
    // Windows shares no socket so, and an address with a zone is one of Node.js alone.
    if (process.platform === 'win32' || host.includes('%')) {
      socket.on('connect', ready);
      socket.connect(port, host);
      return;
    }
    socket.on('listening', ready);
    process.getBuiltinModule('node:dns').lookup(host, { family }, (error, address) => {
      if (this.#isClosed) return;
      try {
        if (error !== null) throw error;
        const native = udpSocket(address, port);
        this.#native = native;
        socket.bind({ fd: native.second(), exclusive: true });
      } catch (cause) {
        events.failed(reasonOf(cause));
      }
    });
  }

  send(datagram: Buffer): boolean {
    if (this.#native !== undefined) return this.#native.send(datagram);
    this.#socket.send(datagram);
    return true;
  }

  close(): void {
    this.#isClosed = true;
    this.#native?.close();
    this.#socket.removeAllListeners();
    this.#socket.on('error', () => {});
    this.#socket.close();
  }

  #received(datagram: Buffer): void {
    this.#events.received(datagram);
    const native = this.#native;
    if (native === undefined) return;
    const window = datagramWindow();
    for (let taken = 1; taken < mostTaken && !this.#isClosed && this.#events.isAwaiting(); taken++) {
      let length: number;
      try {
        length = native.take(window);
      } catch (error) {
        this.#events.failed(reasonOf(error));
        return;
      }
      if (length < 0) return;
      this.#events.received(window.subarray(0, length));
    }
  }
}

/** Bytes of replies that may wait to be read: as many as may be under way. */
const receiveBuffer = 4 << 20;

/** Opens a file for no more than to name it; Linux has it, Node.js no name for it. */
const pathOnly = 0x20_0000;

/**
 * Lets all users write to a socket that was made under this name, and to nothing else: in a folder that others write to, the name
 * may stand for another file by now.
 *
 * @throws Error where it does
 */
function letAllWrite(path: string): void {
  if (process.platform !== 'linux') {
    chmodSync(path, 0o622);
    return;
  }
  const file = openSync(path, pathOnly | constants.O_NOFOLLOW);
  try {
    const found = fstatSync(file);
    if (!found.isSocket() || found.uid !== process.geteuid?.()) {
      throw coded('ERR_NODE', new Error('another program has put something in the place of the socket for replies'));
    }
    chmodSync(`/proc/self/fd/${file}`, 0o622);
  } finally {
    closeSync(file);
  }
}

class UnixPeer implements Peer {
  readonly #socket: UnixDatagrams;
  readonly #file: string;

  constructor(path: string, replyFolder: string, events: PeerEvents) {
    const name = replyName();
    this.#file = replyFolder === '' ? '' : replyFolder + name;
    const socket = new UnixDatagrams(this.#file === '' ? `@${name}` : this.#file, (datagram) =>
      events.received(datagram),
    );
    this.#socket = socket;
    try {
      socket.connect(path);
      // OpenSIPS may be another user; what others send is not received.
      if (this.#file !== '') letAllWrite(this.#file);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  send(datagram: Buffer): boolean {
    return this.#socket.send(datagram);
  }

  close(): void {
    this.#socket.close();
    if (this.#file !== '') rmSync(this.#file, { force: true });
  }
}
