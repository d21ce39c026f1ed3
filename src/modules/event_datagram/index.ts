import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:dgram';
import { isIP } from 'node:net';
import { normalize } from 'node:path/posix';
import { setImmediate } from 'node:timers/promises';
import type { CodedLog } from '../../base/log.js';
import { shorten } from '../../base/text.js';
import { defineParameters } from '../../config/parameter.js';
import {
  type EventDeliveryCounts,
  type EventSink,
  EventSocketError,
  type EventTransport,
} from '../../mi/events/events.js';
import { defineBuiltIn } from '../../module.js';
import { UnixDatagrams } from '../../native/datagrams.js';
import {
  Destinations,
  formatHostPort,
  notification,
  parseHostPort,
  subscriberParameters,
} from '../evi/destinations.js';
import { type Writer, WriteTurns } from '../evi/write-turns.js';

/** Parameters of event_datagram; OpenSIPS' module of that name has none. */
const parameters = defineParameters({
  ...subscriberParameters,
  folders: {
    type: 'string',
    default: '/tmp/, /run/opensips/, /var/run/opensips/',
    help:
      'folders, parted by commas, whose sockets events may be sent to, those below them included, for whoever may subscribe chooses the ' +
      'path; / is every socket of this machine',
    check: foldersProblem,
  },
  queue_size: {
    type: 'int',
    default: 8388608,
    min: 1024,
    max: 1073741824,
    unit: 'bytes',
    help: 'datagrams that may wait for the operating system at once, all together; further ones are dropped',
  },
});

const protocol = 'udp';
const unixProtocol = 'unix';

/** Events as datagrams, a JSON-RPC notification in each: sockets `udp:HOST:PORT` and `unix:/PATH`. */
export const eventDatagramModule = defineBuiltIn({
  name: 'event_datagram',
  parameters,
  load({ parameters: values, events, log }) {
    const destinations = new Destinations(values.destinations);
    const datagrams = new Datagrams(events.counts, log, values.queue_size);
    const udp: EventTransport = {
      protocol,
      maxSubscribers: values.max_subscribers,
      canonical: (socket) => `${protocol}:${formatHostPort(addressOf(socket))}`,
      open: (socket) => {
        const { host, port } = addressOf(socket);
        const sinkTo = (address: string): EventSink => ({
          send: (event, params) => {
            if (datagrams.isFull) events.counts.dropped(1);
            else datagrams.send(notification(params, { method: event }), address, port);
          },
          close: () => {},
        });
        const address = destinations.resolve(host);
        return typeof address === 'string' ? sinkTo(address) : address.then(sinkTo);
      },
    };
    events.addTransport(udp);
    const folders = foldersOf(values.folders);
    events.addTransport({
      protocol: unixProtocol,
      maxSubscribers: values.max_subscribers,
      canonical: (socket) => `${unixProtocol}:${pathOf(socket, folders)}`,
      open: (socket) => {
        const path = pathOf(socket, folders);
        return {
          send: (event, params) => {
            if (datagrams.isFull) events.counts.dropped(1);
            else datagrams.send(notification(params, { method: event }), path, 0);
          },
          close: () => {},
        };
      },
    });
    return { stop: () => datagrams.close() };
  },
});

function addressOf(socket: string): ReturnType<typeof parseHostPort> {
  const address = parseHostPort(protocol, socket.slice(protocol.length + 1));
  if (address.rest !== '') throw new EventSocketError(`socket ${protocol}:HOST:PORT takes no method`);
  return address;
}

/** Bytes of the longest path of a socket. */
const longestPath = 107;

function foldersOf(list: string): readonly string[] {
  return list
    .split(',')
    .map((folder) => folder.trim())
    .filter((folder) => folder !== '');
}

function foldersProblem(list: string): string | undefined {
  const wrong = foldersOf(list).find((folder) => !folder.startsWith('/') || !folder.endsWith('/'));
  return wrong === undefined ? undefined : `"${wrong}" is no folder with a slash at both ends`;
}

/** @throws EventSocketError for a path that is none, or outside of the folders */
function pathOf(socket: string, folders: readonly string[]): string {
  const path = socket.slice(unixProtocol.length + 1);
  const shown = JSON.stringify(shorten(socket, 100));
  if (!path.startsWith('/') || path.includes('\0') || Buffer.byteLength(path) > longestPath) {
    throw new EventSocketError(`socket ${shown} is not unix:/PATH of at most ${longestPath} bytes`);
  }
  if (normalize(path) !== path) throw new EventSocketError(`socket ${shown} is not the shortest way to its path`);
  if (folders.some((folder) => path.startsWith(folder))) return path;
  throw new EventSocketError(
    `${shown} is in none of the folders of sockets of events, ${folders.join(', ')}; add its folder to the parameter folders`,
  );
}

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

/** Sends datagrams. A socket per address family serves all subscribers, and keeps no process alive. */
class Datagrams implements Writer {
  readonly #turns = new WriteTurns();
  readonly #queue: Datagram[] = [];
  readonly #sockets = new Map<Family, Socket>();
  /** For sockets of the file system. */
  #unix: UnixDatagrams | undefined;
  readonly #counts: EventDeliveryCounts;
  readonly #log: CodedLog;
  readonly #queueSize: number;
  #waiting = 0;
  #isClosed = false;

  /** @param queueSize bytes that may wait to be sent */
  constructor(counts: EventDeliveryCounts, log: CodedLog, queueSize: number) {
    this.#counts = counts;
    this.#log = log;
    this.#queueSize = queueSize;
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
      this.#log.warn(
        { code: 'event-socket-failed', err: error },
        `the ${family} socket of events failed; the next event gets a new one`,
      );
      if (this.#sockets.get(family) === socket) this.#sockets.delete(family);
      socket.close();
    });
    socket.unref();
    this.#sockets.set(family, socket);
    return socket;
  }
}
