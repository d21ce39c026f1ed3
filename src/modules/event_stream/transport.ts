import { shorten } from '../../base/text.js';
import { type EventParameters, EventSocketError, type EventTransport } from '../../mi/events/event-transport.js';
import { Destinations, formatHostPort, type HostPort, notification, parseHostPort } from '../evi/destinations.js';
import { WriteTurns } from '../evi/write-turns.js';
import { Connection, type ConnectionOptions } from './connection.js';

/** Settings of a transport of events over TCP. */
export interface StreamOptions {
  readonly timeout: number;
  readonly event_param: string | undefined;
  readonly destinations: string;
  readonly max_subscribers: number;
  readonly queue_size: number;
}

const methodName = /^\/[^\s/]{1,200}$/;

/**
 * Events over TCP, a JSON-RPC notification and a line feed for each: sockets `PROTOCOL:HOST:PORT[/METHOD]`. Without a
 * method, the event is the method.
 */
export function streamTransport(
  protocol: string,
  options: StreamOptions,
  { counts, log }: Pick<ConnectionOptions, 'counts' | 'log'>,
): EventTransport {
  const destinations = new Destinations(options.destinations);
  const turns = new WriteTurns();
  const addressOf = (socket: string): HostPort => {
    const address = parseHostPort(protocol, socket.slice(protocol.length + 1));
    if (address.rest === '' || methodName.test(address.rest)) return address;
    throw new EventSocketError(`method ${JSON.stringify(shorten(address.rest, 100))} is not one word of up to 200`);
  };
  return {
    protocol,
    maxSubscribers: options.max_subscribers,
    isConnected: true,
    canonical: (socket) => `${protocol}:${formatHostPort(addressOf(socket))}`,
    open: (socket) => {
      const { host, port, rest } = addressOf(socket);
      const method = rest.slice(1);
      const connection = new Connection(
        { socket, port, address: () => destinations.resolve(host) },
        { timeout: options.timeout, queueSize: options.queue_size, counts, turns, log },
      );
      const sink = {
        send: (event: string, params: EventParameters) => {
          if (connection.isFull) {
            counts.dropped(1);
            return;
          }
          const form =
            method === ''
              ? { method: event, end: '\n' }
              : { method, key: JSON.stringify([event, options.event_param]), end: '\n' };
          const told = () => (method === '' ? params : withEvent(options.event_param, event, params));
          connection.send(notification(params, form, told));
        },
        close: () => connection.close(),
      };
      // The subscriber gets the error; the log does not get it with the first event.
      const address = destinations.resolve(host);
      return typeof address === 'string' ? sink : address.then(() => sink);
    },
  };
}

/** The parameters with the name of the event: a member more, or the first item. */
function withEvent(name: string | undefined, event: string, params: EventParameters): EventParameters {
  if (name === undefined || name === '') return params;
  return Array.isArray(params) ? [event, ...params] : { [name]: event, ...(params as Record<string, string | number>) };
}
