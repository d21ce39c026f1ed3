import { normalize } from 'node:path/posix';
import { shorten } from '../../base/text.js';
import { defineParameters } from '../../config/parameter.js';
import { type EventSink, EventSocketError, type EventTransport } from '../../mi/events/events.js';
import { defineBuiltIn } from '../../module.js';
import {
  Destinations,
  formatHostPort,
  notification,
  parseHostPort,
  subscriberParameters,
} from '../evi/destinations.js';
import { Datagrams } from './datagrams.js';

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
    const datagrams = new Datagrams(events.counts, values.queue_size, (family, error) =>
      log.warn(
        { code: 'event-socket-failed', err: error },
        `the ${family} socket of events failed; the next event gets a new one`,
      ),
    );
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
