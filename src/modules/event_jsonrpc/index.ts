import { defineParameters } from '../../config/parameter.js';
import { defineBuiltIn } from '../../module.js';
import { awaitingReplies, streamParameters, streamTransport } from '../event_stream/index.js';

/** Parameters of event_jsonrpc. */
const parameters = defineParameters({ ...streamParameters, sync_mode: awaitingReplies() });

/** Events over TCP, sockets `jsonrpc:HOST:PORT[/METHOD]`: the name that OpenSIPS 2.x and 3.0 have for event_stream. */
export const eventJsonrpcModule = defineBuiltIn({
  name: 'event_jsonrpc',
  parameters,
  load({ parameters: values, events, log }) {
    events.addTransport(streamTransport('jsonrpc', values, { counts: events.counts, log }));
    return undefined;
  },
});
