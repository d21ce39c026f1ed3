import { createConnection, type Socket } from 'node:net';
import { coded } from '../../base/codes.js';
import { canOpen, exhausted } from '../../http/limits/open-files.js';
import type { EventDeliveryCounts } from '../../mi/events/events.js';
import type { Writer, WriteTurns } from '../evi/write-turns.js';

/** Milliseconds before a connection is tried again: doubled each time, from the first to the last. */
const firstDelay = 100;
const lastDelay = 10_000;

/** Bytes of the longest event: writing one is a copy, which keeps all others waiting. */
const longestEvent = 65536;

/** Bytes of memory that an event takes beside its text. */
const overhead = 256;

/** Milliseconds that a connection has to send what the operating system was not given yet when it is closed. */
const lastWords = 1000;

/** Makes a socket that connects. */
export type Opening = (to: { readonly host: string; readonly port: number }) => {
  readonly socket: Socket;
  /** The event that tells that it may be written to. */
  readonly ready: 'connect' | 'secureConnect';
};

const openTcp: Opening = ({ host, port }) => ({
  socket: createConnection({ host, port, noDelay: true }),
  ready: 'connect',
});

/** Settings of connections. */
export interface ConnectionOptions {
  /** Milliseconds that connecting may take. */
  readonly timeout: number;
  /** Bytes that may wait. */
  readonly queueSize: number;
  readonly counts: EventDeliveryCounts;
  /** Shared by all connections of a transport. */
  readonly turns: WriteTurns;
  /** Left out, TCP. */
  readonly open?: Opening;
  /** Told once that the other end cannot be reached, until it is back. */
  readonly down: (error: unknown) => void;
  readonly back: () => void;
}

/** Where to connect. */
export interface Target {
  /** Finds the address anew for each connection, for names that move. */
  readonly address: () => string | Promise<string>;
  readonly port: number;
}

/**
 * A connection by TCP or TLS to one subscriber or capture server, made with the first text and kept. What cannot be sent waits, up
 * to a number of bytes, while it is made again, at growing intervals. It keeps no process alive.
 */
export class Connection implements Writer {
  readonly #target: Target;
  readonly #options: ConnectionOptions;
  readonly #queue: Buffer[] = [];
  /** Bytes of events that are neither sent nor dropped. */
  #waiting = 0;
  #socket: Socket | undefined;
  #isConnecting = false;
  #isConnected = false;
  #isClosed = false;
  #isDown = false;
  #delay = firstDelay;
  /** Milliseconds of a clock that never goes back. */
  #connectedAt = 0;
  #retry: NodeJS.Timeout | undefined;
  #ended: (() => void) | undefined;

  constructor(target: Target, options: ConnectionOptions) {
    this.#target = target;
    this.#options = options;
  }

  /** True if even a short text would be dropped. */
  get isFull(): boolean {
    return this.#isClosed || !this.#hasRoom(overhead);
  }

  /** Sends a text, or lets it wait, or drops it when it is too long, or too much waits already. */
  send(bytes: Buffer): void {
    const size = bytes.length + overhead;
    if (this.#isClosed || bytes.length > longestEvent || !this.#hasRoom(size)) {
      this.#options.counts.dropped(1);
      return;
    }
    this.#queue.push(bytes);
    this.#waiting += size;
    if (this.#isConnected) this.#options.turns.add(this);
    else if (!this.#isConnecting && this.#retry === undefined) this.#connect();
  }

  /** For {@link WriteTurns}. */
  writeOne(): boolean {
    const bytes = this.#isConnected ? this.#queue.shift() : undefined;
    if (bytes === undefined) return false;
    const { counts } = this.#options;
    this.#socket?.write(bytes, (error) => {
      this.#waiting -= bytes.length + overhead;
      if (error === undefined || error === null) counts.sent();
      else counts.dropped(1);
    });
    return this.#queue.length > 0;
  }

  /** Closes it behind what waits, which gets a moment to leave, also where the connection is being made. */
  async finish(): Promise<void> {
    const socket = this.#socket;
    if (this.#isClosed || socket === undefined || (!this.#isConnected && this.#queue.length === 0)) {
      this.close();
      return;
    }
    await new Promise<void>((resolve) => {
      const deadline = setTimeout(resolve, lastWords);
      this.#ended = () => {
        clearTimeout(deadline);
        resolve();
      };
      // From now on it keeps the process alive.
      socket.ref();
      if (this.#isConnected) this.#end(socket);
    });
    this.#ended = undefined;
    this.close();
    socket.destroy();
  }

  /** Writes all that waits, and ends the connection behind it. */
  #end(socket: Socket): void {
    this.#flush();
    socket.end();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#flush();
    this.#options.counts.dropped(this.#queue.length);
    this.#queue.length = 0;
    const socket = this.#socket;
    if (!this.#isConnected) {
      socket?.destroy();
      return;
    }
    socket?.destroySoon();
    setTimeout(() => socket?.destroy(), lastWords).unref();
  }

  /** True if this many more bytes may wait. Bytes that only wait for their turn are written first: they are no reason to drop others. */
  #hasRoom(size: number): boolean {
    const { queueSize } = this.#options;
    if (this.#unsent + size <= queueSize) return true;
    this.#flush();
    return this.#unsent + size <= queueSize;
  }

  /** Bytes that the operating system has taken do not count as waiting, even before their callback: a burst is not cut short. */
  get #unsent(): number {
    return this.#isConnected && this.#queue.length === 0 && this.#socket?.writableLength === 0 ? 0 : this.#waiting;
  }

  #connect(): void {
    this.#retry = undefined;
    this.#isConnecting = true;
    Promise.resolve()
      .then(() => this.#target.address())
      .then((address) => this.#open(address))
      .catch((error: unknown) => this.#failed(error));
  }

  #open(host: string): void {
    if (this.#isClosed) return;
    // The last descriptor is kept: it serves to report that there are no more.
    if (!canOpen(2)) throw coded('ERR_FILES_EXHAUSTED', new Error(exhausted));
    const { socket, ready } = (this.#options.open ?? openTcp)({ host, port: this.#target.port });
    this.#socket = socket;
    socket.unref();
    const deadline = setTimeout(() => {
      socket.destroy(coded('ERR_TIMEOUT', new Error(`no connection within ${this.#options.timeout} ms`)));
    }, this.#options.timeout);
    deadline.unref();
    let reason: Error | undefined;
    socket.on(ready, () => {
      clearTimeout(deadline);
      this.#connected();
      if (this.#ended !== undefined) this.#end(socket);
    });
    // A half-closed connection is closed: text sent on it is lost.
    socket.on('end', () => socket.destroy());
    socket.on('error', (error) => {
      reason = error;
    });
    socket.on('close', () => {
      clearTimeout(deadline);
      this.#failed(reason ?? coded('ERR_GONE', new Error('the other end closed the connection')));
    });
    // A subscriber that answers notifications is not listened to.
    socket.resume();
  }

  #connected(): void {
    this.#isConnecting = false;
    this.#isConnected = true;
    this.#connectedAt = performance.now();
    if (this.#isDown) {
      this.#isDown = false;
      this.#options.back();
    }
    this.#options.turns.add(this);
  }

  /** Writes all that waits, if there is a connection. */
  #flush(): void {
    while (this.writeOne());
    this.#options.turns.remove(this);
  }

  /** A subscriber that is not there is told of once, until it is back. */
  #failed(error: unknown): void {
    const wasConnected = this.#isConnected;
    this.#socket = undefined;
    this.#isConnecting = false;
    this.#isConnected = false;
    if (this.#ended !== undefined) {
      this.#ended();
      return;
    }
    if (this.#isClosed) return;
    if (!this.#isDown && (!wasConnected || this.#queue.length > 0)) {
      this.#isDown = true;
      this.#options.down(error);
    }
    // One that lasted is made again at once. One that is accepted and closed is no better than one that is refused.
    if (wasConnected && performance.now() - this.#connectedAt >= lastDelay) this.#delay = firstDelay;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      // Without anything to send, the next event connects.
      if (this.#queue.length > 0) this.#connect();
    }, this.#delay);
    this.#retry.unref();
    this.#delay = Math.min(this.#delay * 2, lastDelay);
  }
}
