import { defineParameters } from '../../config/parameter.js';
import { destinationsHelp, destinationsProblem, loopbackOnly } from '../evi/destinations.js';

/** Parameters of event_datagram; OpenSIPS' module of that name has none. */
export const parameters = defineParameters({
  destinations: { type: 'string', default: loopbackOnly, help: destinationsHelp, check: destinationsProblem },
  max_subscribers: {
    type: 'int',
    default: 100,
    min: 0,
    max: 10000,
    help: 'sockets that may be subscribed at once; the next one is refused',
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
