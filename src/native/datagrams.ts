import { addon } from './addon.js';

export const {
  /** Makes a FIFO. @throws Error when there is something of that name, or the folder does not let */
  makeFifo,
  /** A socket of UDP beside that of Node.js, of the same port. */
  udpSocket,
} = addon;

/** Bytes of the longest datagram of the file system that Linux sends with its default settings. */
const longest = 256 << 10;

let window: Buffer | undefined;

/** Datagrams are received into it, the longest too; all sockets share it, since none keeps anything there. */
export function datagramWindow(): Buffer {
  window ??= Buffer.allocUnsafeSlow(longest);
  return window;
}

/** A socket of datagrams of the file system, which Node.js lacks. It keeps no event loop alive. */
export class UnixDatagrams {
  readonly #native;

  /**
   * @param name a path, or an abstract name behind `@`
   * @param received gets a datagram, lent until it returns, and the name of its sender; never throws
   * @throws Error when the name is taken
   */
  constructor(
    name: string,
    private readonly received: (datagram: Buffer, sender: () => string) => void,
  ) {
    this.#native = addon.unixDatagrams(name, () => this.#receive());
  }

  /** True once it is closed. */
  #isClosed = false;

  /** Binds it to another socket: datagrams of others are not received from now on. @throws Error when there is none */
  connect(name: string): void {
    this.#native.connect(name);
  }

  /** Sends to the socket that it is bound to. @returns false when that has as many as it takes. @throws Error when it has gone */
  send(datagram: Uint8Array): boolean {
    return this.#native.send(datagram);
  }

  /** As {@link send}, to another socket. */
  sendTo(datagram: Uint8Array, name: string): boolean {
    return this.#native.sendTo(datagram, name);
  }

  /** Harmless when it was called before. */
  close(): void {
    this.#isClosed = true;
    this.#native.close();
  }

  #receive(): void {
    const received = datagramWindow();
    while (!this.#isClosed) {
      const length = this.#native.take(received);
      if (length < 0) return;
      this.received(received.subarray(0, length), this.#native.sender);
    }
  }
}
