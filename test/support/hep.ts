// Reads HEP version 3 as its specification has it, and nothing of the code that writes it.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Lifetime } from './lifetime.js';
import { listenUntilEnd } from './tcp-listener.js';
import type { TestCertificate } from './tls-files.js';

/** A packet, with what it says. */
export interface HepPacket {
  readonly bytes: Buffer;
  /** Types of its chunks, in their order. */
  readonly types: readonly number[];
  readonly family: number;
  readonly protocol: number;
  readonly kind: number;
  readonly captureId: number;
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly payload: string;
  readonly correlation: string;
}

/** Reads the packet at the beginning of some bytes; undefined while it is not whole. */
function readHep(bytes: Buffer): HepPacket | undefined {
  if (bytes.length < 6) return undefined;
  if (bytes.toString('latin1', 0, 4) !== 'HEP3') throw new Error(`no packet: ${bytes.toString('hex', 0, 16)}`);
  const length = bytes.readUInt16BE(4);
  if (bytes.length < length) return undefined;
  const chunks = new Map<number, Buffer>();
  let at = 6;
  while (at < length) {
    if (bytes.readUInt16BE(at) !== 0) throw new Error('a chunk of another vendor');
    const size = bytes.readUInt16BE(at + 4);
    if (size < 6 || at + size > length) throw new Error(`a chunk of ${size} bytes`);
    chunks.set(bytes.readUInt16BE(at + 2), bytes.subarray(at + 6, at + size));
    at += size;
  }
  const chunk = (type: number, size?: number): Buffer => {
    const data = chunks.get(type);
    if (data === undefined || (size !== undefined && data.length !== size)) throw new Error(`chunk ${type}`);
    return data;
  };
  const family = chunk(1, 1).readUInt8();
  const address = (four: number, six: number): string =>
    family === 2 ? chunk(four, 4).join('.') : chunk(six, 16).toString('hex');
  return {
    bytes: bytes.subarray(0, length),
    types: [...chunks.keys()],
    family,
    protocol: chunk(2, 1).readUInt8(),
    kind: chunk(0x0b, 1).readUInt8(),
    captureId: chunk(0x0c, 4).readUInt32BE(),
    source: address(3, 5),
    sourcePort: chunk(7, 2).readUInt16BE(),
    destination: address(4, 6),
    destinationPort: chunk(8, 2).readUInt16BE(),
    time: chunk(9, 4).readUInt32BE() * 1000 + chunk(0x0a, 4).readUInt32BE() / 1000,
    payload: chunk(0x0f).toString('utf8'),
    correlation: chunk(0x11).toString('latin1'),
  };
}

/** A capture server. */
export interface HepReceiver {
  readonly port: number;
  /** The next packet, in the order in which they come. */
  next(): Promise<HepPacket>;
  /** Packets that came and were not taken. */
  readonly waiting: number;
  close(): Promise<void>;
}

class Packets {
  readonly #waiting: ((packet: HepPacket) => void)[] = [];
  readonly arrived: HepPacket[] = [];

  add(packet: HepPacket): void {
    const taker = this.#waiting.shift();
    if (taker === undefined) this.arrived.push(packet);
    else taker(packet);
  }

  next(): Promise<HepPacket> {
    const first = this.arrived.shift();
    return first === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(first);
  }
}

export async function udpCapture(t: Lifetime, host = '127.0.0.1'): Promise<HepReceiver> {
  const packets = new Packets();
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  socket.on('message', (message) => {
    const packet = readHep(message);
    if (packet === undefined || packet.bytes.length !== message.length) throw new Error('not one packet');
    packets.add(packet);
  });
  socket.bind(0, host);
  await once(socket, 'listening');
  let isOpen = true;
  const close = async (): Promise<void> => {
    if (isOpen) socket.close();
    isOpen = false;
  };
  t.onTestFinished(close);
  return {
    port: socket.address().port,
    next: () => packets.next(),
    get waiting() {
      return packets.arrived.length;
    },
    close,
  };
}

/** How a capture server takes connections. */
interface StreamOptions {
  /** 0: a free one. */
  readonly port?: number;
  readonly host?: string;
  readonly tls?: TestCertificate;
  /** False: it reads nothing. */
  readonly reads?: boolean;
}

export async function streamCapture(
  t: Lifetime,
  { port = 0, host = '127.0.0.1', tls, reads = true }: StreamOptions = {},
): Promise<HepReceiver> {
  const packets = new Packets();
  const take = (socket: Socket): void => {
    socket.on('error', () => {});
    if (!reads) {
      socket.pause();
      return;
    }
    let rest = Buffer.alloc(0);
    socket.on('data', (piece: Buffer) => {
      rest = Buffer.concat([rest, piece]);
      for (let packet = readHep(rest); packet !== undefined; packet = readHep(rest)) {
        packets.add(packet);
        rest = rest.subarray(packet.bytes.length);
      }
    });
  };
  const server: Server =
    tls === undefined
      ? createServer({ pauseOnConnect: !reads }, take)
      : createTlsServer({ cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile) }, take);
  const { close, ...listener } = await listenUntilEnd(t, server, { port, host });
  return {
    port: listener.port,
    next: () => packets.next(),
    get waiting() {
      return packets.arrived.length;
    },
    close,
  };
}
