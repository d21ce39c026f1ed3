import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net';

/** Bytes that are read at once. */
const size = 65_536;

let memory: Buffer | undefined;

/**
 * Makes a socket that reads into the same memory as all others of this kind: replies of 100 MB in memory of their own are
 * collected late.
 *
 * @param take gets what was read, lent until it returns
 */
export function lendingSocket(options: SocketConstructorOpts, take: (piece: Buffer) => void): Socket {
  memory ??= Buffer.allocUnsafeSlow(size);
  const buffer = memory;
  const onread: OnReadOpts = {
    buffer,
    callback: (length) => {
      take(buffer.subarray(0, length));
      return true;
    },
  };
  // An option of each socket, which the types know of connections alone.
  const all: SocketConstructorOpts & { readonly onread: OnReadOpts } = { ...options, onread };
  return new Socket(all);
}
