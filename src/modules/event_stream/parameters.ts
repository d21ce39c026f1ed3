import type { IntParameter, StringParameter } from '../../config/parameter.js';
import { destinationsHelp, destinationsProblem, loopbackOnly } from '../evi/destinations.js';

type Parameters = {
  readonly [Name in 'timeout' | 'max_subscribers' | 'queue_size']: IntParameter;
} & {
  readonly event_param: StringParameter & { readonly default: undefined };
  readonly destinations: StringParameter & { readonly default: string };
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
  destinations: { type: 'string', default: loopbackOnly, help: destinationsHelp, check: destinationsProblem },
  max_subscribers: {
    type: 'int',
    default: 100,
    min: 0,
    max: 10000,
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
