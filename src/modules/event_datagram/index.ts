import type { Socket } from 'node:dgram';
import { isIP } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import type { CodedLog } from '../../base/log.js';
import { defineParameters } from '../../config/parameter.js';
import {
  type EventDeliveryCounts,
  type EventSink,
  EventSocketError,
  type EventTransport,
} from '../../mi/events/events.js';
import { defineBuiltIn } from '../../module.js';
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

/** Events as UDP datagrams, a JSON-RPC notification in each: sockets `udp:HOST:PORT`. */
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
    events.addTransport({
      protocol: 'unix',
      maxSubscribers: 0,
      canonical: () => {
        throw new EventSocketError('Node.js has no datagram sockets of the file system; give udp:HOST:PORT');
      },
      open: () => ({ send: () => {}, close: () => {} }),
    });
    return { stop: () => datagrams.close() };
  },
});

function addressOf(socket: string): ReturnType<typeof parseHostPort> {
  const address = parseHostPort(protocol, socket.slice(protocol.length + 1));
  if (address.rest !== '') throw new EventSocketError(`socket ${protocol}:HOST:PORT takes no method`);
  return address;
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
  readonly address: string;
  readonly port: number;
}

/** Sends datagrams. A socket per address family serves all subscribers, and keeps no process alive. */
class Datagrams implements Writer {
  readonly #turns = new WriteTurns();
  readonly #queue: Datagram[] = [];
  readonly #sockets = new Map<Family, Socket>();
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
