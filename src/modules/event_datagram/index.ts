import { type EventSink, EventSocketError, type EventTransport } from '../../mi/events/event-transport.js';
import { defineBuiltIn } from '../../module.js';
import { Destinations, formatHostPort, notification, parseHostPort } from '../evi/destinations.js';
import { Datagrams } from './datagrams.js';
import { parameters } from './parameters.js';

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
