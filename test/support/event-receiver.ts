import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UnixDatagrams } from '#src/native/datagrams.js';
import type { Lifetime } from './lifetime.js';
import { listenUntilEnd } from './tcp-listener.js';

/** A socket that events come to. */
export interface EventReceiver {
  readonly port: number;
  /** Resolves with the next event, in the order in which they come; each is given once. */
  next(): Promise<unknown>;
}

class Arrivals {
  readonly #waiting: ((event: unknown) => void)[] = [];
  readonly #arrived: unknown[] = [];

  add(text: string): void {
    const event: unknown = JSON.parse(text);
    const taker = this.#waiting.shift();
    if (taker === undefined) this.#arrived.push(event);
    else taker(event);
  }

  next(): Promise<unknown> {
    if (this.#arrived.length > 0) return Promise.resolve(this.#arrived.shift());
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

/** Receives datagrams on a free port of 127.0.0.1 until the test ends. */
export async function udpReceiver(t: Lifetime): Promise<EventReceiver> {
  const socket = createSocket('udp4');
  const arrivals = new Arrivals();
  socket.on('message', (message) => arrivals.add(message.toString()));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.onTestFinished(() => socket.close());
  return { port: socket.address().port, next: () => arrivals.next() };
}

/** Receives datagrams on a socket of the file system until the test ends. */
export function unixReceiver(t: Lifetime): Omit<EventReceiver, 'port'> & { readonly path: string } {
  const folder = mkdtempSync(join(tmpdir(), 'mi-httpd-events-'));
  const path = join(folder, 'socket');
  const arrivals = new Arrivals();
  const socket = new UnixDatagrams(path, (datagram) => arrivals.add(datagram.toString()));
  t.onTestFinished(() => {
    socket.close();
    rmSync(folder, { recursive: true });
  });
  return { path, next: () => arrivals.next() };
}

/** Receives lines by TCP on a port of 127.0.0.1. */
export interface TcpReceiver extends EventReceiver {
  /** Connections that were ever made. */
  readonly connections: number;
  /** Ends when the last open connection has been closed. */
  allClosed(): Promise<void>;
  /** Closes all connections and listens no more. */
  close(): Promise<void>;
}

/** @param port 0: a free one */
export async function tcpReceiver(t: Lifetime, port = 0): Promise<TcpReceiver> {
  const arrivals = new Arrivals();
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    let rest = '';
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      const lines = `${rest}${text}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) arrivals.add(line);
    });
  });
  const { open, close, ...listener } = await listenUntilEnd(t, server, { port });
  return {
    port: listener.port,
    next: () => arrivals.next(),
    get connections() {
      return connections;
    },
    allClosed: async () => {
      await Promise.all([...open].map((socket) => once(socket, 'close')));
    },
    close,
  };
}
