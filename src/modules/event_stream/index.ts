import type { CodedLog } from '../../base/log.js';
import { shorten } from '../../base/text.js';
import { defineParameters, type IntParameter, type StringParameter } from '../../config/parameter.js';
import {
  type EventDeliveryCounts,
  type EventParameters,
  EventSocketError,
  type EventTransport,
} from '../../mi/events/events.js';
import { defineBuiltIn } from '../../module.js';
import {
  Destinations,
  formatHostPort,
  type HostPort,
  notification,
  parseHostPort,
  subscriberParameters,
} from '../evi/destinations.js';
import { WriteTurns } from '../evi/write-turns.js';
import { Connection } from './connection.js';

type Parameters = typeof subscriberParameters & {
  readonly [Name in 'timeout' | 'queue_size']: IntParameter;
} & {
  readonly event_param: StringParameter & { readonly default: undefined };
};

/** Parameters that event_stream and event_jsonrpc share, the first two with the names of OpenSIPS. */
export const streamParameters: Parameters = {
  timeout: {
    type: 'int',
    default: 1000,
    min: 10,
    max: 600000,
    unit: 'ms',
    help: 'time that a connection to a subscriber may take; then it is tried again later',
  },
  event_param: {
    type: 'string',
    default: undefined,
    help: 'name of a parameter that tells the event, for sockets with a method of their own; not set: none',
  },
  ...subscriberParameters,
  max_subscribers: {
    ...subscriberParameters.max_subscribers,
    help:
      'sockets that may be subscribed at once, each with a connection; the next one is refused; lowered when the limit ' +
      'of open files is lower',
  },
  queue_size: {
    type: 'int',
    default: 1048576,
    min: 1024,
    max: 1073741824,
    unit: 'bytes',
    help: 'events that may wait for one subscriber; further ones are dropped',
  },
};

/** The parameter that makes OpenSIPS wait for replies, which has another name in each of the two modules. */
export function awaitingReplies(): IntParameter {
  return {
    type: 'int',
    default: 0,
    min: 0,
    max: 1,
    help: '0: notifications; 1, requests whose replies are waited for, has no effect but a warning',
    isShared: true,
    check: (value) =>
      value === 0
        ? undefined
        : 'requests whose replies are waited for are not available, and 0, notifications, is what there is',
  };
}

/** Parameters of event_stream. */
const parameters = defineParameters({ ...streamParameters, reliable_mode: awaitingReplies() });

/** Events over TCP, sockets `tcp:HOST:PORT[/METHOD]`: OpenSIPS 3.1 and later. */
export const eventStreamModule = defineBuiltIn({
  name: 'event_stream',
  parameters,
  load({ parameters: values, events, log }) {
    events.addTransport(streamTransport('tcp', values, { counts: events.counts, log }));
    return undefined;
  },
});

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
  { counts, log }: { readonly counts: EventDeliveryCounts; readonly log: CodedLog },
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
        { port, address: () => destinations.resolve(host) },
        {
          timeout: options.timeout,
          queueSize: options.queue_size,
          counts,
          turns,
          down: (error) =>
            log.warn(
              { code: 'subscriber-unreachable', err: error, socket },
              `event subscriber ${socket} cannot be reached; its events wait, up to ${options.queue_size} bytes`,
            ),
          back: () => log.info({ code: 'subscriber-back', socket }, `event subscriber ${socket} is back`),
        },
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
