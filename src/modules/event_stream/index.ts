import { defineParameters } from '../../config/parameter.js';
import { defineBuiltIn } from '../../module.js';
import { awaitingReplies, streamParameters } from './parameters.js';
import { streamTransport } from './transport.js';

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
