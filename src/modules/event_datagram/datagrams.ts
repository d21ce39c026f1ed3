import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:dgram';
import { isIP } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import type { EventDeliveryCounts } from '../../mi/events/events.js';
import { UnixDatagrams } from '../../native/datagrams.js';
import { type Writer, WriteTurns } from '../evi/write-turns.js';

/** Bytes of the longest event in a datagram, that of OpenSIPS. */
const longestDatagram = 65457;

/** Bytes of memory that a datagram takes beside its text. */
const overhead = 256;

/** Milliseconds that datagrams have to leave when the server stops. */
const lastWords = 100;

type Family = 'udp4' | 'udp6';

interface Datagram {
  readonly text: Buffer;
  /** Or a path. */
  readonly address: string;
  readonly port: number;
}

/** Sends datagrams. A socket per address family serves all destinations, and keeps no process alive. */
export class Datagrams implements Writer {
  readonly #turns = new WriteTurns();
  readonly #queue: Datagram[] = [];
  readonly #sockets = new Map<Family, Socket>();
  /** For sockets of the file system. */
  #unix: UnixDatagrams | undefined;
  readonly #counts: EventDeliveryCounts;
  readonly #queueSize: number;
  readonly #failed: (family: Family, error: Error) => void;
  #waiting = 0;
  #isClosed = false;

  /**
   * @param queueSize bytes that may wait to be sent
   * @param failed told that a socket failed; the next datagram gets a new one
   */
  constructor(counts: EventDeliveryCounts, queueSize: number, failed: (family: Family, error: Error) => void) {
    this.#counts = counts;
    this.#queueSize = queueSize;
    this.#failed = failed;
  }

  /** True if even a short datagram would be dropped. */
  get isFull(): boolean {
    return this.#isClosed || this.#waiting + overhead > this.#queueSize;
  }

  /** Sends a datagram; drops one that is too long, or that comes while too many wait. */
  send(text: Buffer, address: string, port: number): void {
    const { length } = text;
    const size = length + overhead;
    if (this.#isClosed || length > longestDatagram || this.#waiting + size > this.#queueSize) {
      this.#counts.dropped(1);
      return;
    }
    this.#waiting += size;
    this.#queue.push({ text, address, port });
    this.#turns.add(this);
  }

  /** For {@link WriteTurns}. */
  writeOne(): boolean {
    const datagram = this.#queue.shift();
    if (datagram === undefined) return false;
    const { text, address, port } = datagram;
    if (address.startsWith('/')) {
      this.#waiting -= text.length + overhead;
      if (this.#sendToPath(text, address)) this.#counts.sent();
      else this.#counts.dropped(1);
      return this.#queue.length > 0;
    }
    // A failure to send (no route, a host that refuses) is not logged: UDP promises nothing.
    this.#socket(isIP(address) === 6 ? 'udp6' : 'udp4').send(text, port, address, (error) => {
      this.#waiting -= text.length + overhead;
      if (error === null) this.#counts.sent();
      else this.#counts.dropped(1);
    });
    return this.#queue.length > 0;
  }

  /** Sends nothing more; datagrams on their way get a moment to leave. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const end = performance.now() + lastWords;
    while (this.#waiting > 0 && performance.now() < end) await setImmediate();
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
    this.#unix?.close();
  }

  /** @returns false when nothing is there, or it takes no more */
  #sendToPath(text: Buffer, path: string): boolean {
    try {
      // What is sent to it is not read.
      this.#unix ??= new UnixDatagrams(`@mi-httpd-events-${randomBytes(8).toString('hex')}`, () => {});
      return this.#unix.sendTo(text, path);
    } catch {
      return false;
    }
  }

  #socket(family: Family): Socket {
    const existing = this.#sockets.get(family);
    if (existing !== undefined) return existing;
    // There are addresses only. Looked up as names are, all would be sent in one go, later.
    // Loaded late, as few servers send datagrams.
    const socket = process.getBuiltinModule('node:dgram').createSocket({
      type: family,
      lookup: (address, _options, callback) => callback(null, address, family === 'udp6' ? 6 : 4),
    });
    socket.on('error', (error) => {
      this.#failed(family, error);
      if (this.#sockets.get(family) === socket) this.#sockets.delete(family);
      socket.close();
    });
    socket.unref();
    this.#sockets.set(family, socket);
    return socket;
  }
}
