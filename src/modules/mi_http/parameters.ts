import { defineParameters } from '../../config/parameter.js';
import { isRootName } from '../../httpd/roots.js';

const tracing = 'MI tracing over HEP is not available; remove the line';

/** Parameters of mi_http, with the names of 3.x/4.0 and, as aliases, of 2.x. */
export const parameters = defineParameters({
  root: {
    type: 'string',
    default: 'mi',
    aliases: ['mi_http_root'],
    help: 'root path: JSON-RPC is served at http://ip:port/[root]',
    check: (root) =>
      isRootName(root) ? undefined : 'it is one segment of a path; give one or more of letters, digits and "_"',
  },
  pretty_printing: {
    type: 'int',
    default: 0,
    min: 0,
    max: 1,
    help: '1: replies are indented, for people; 0: compact',
  },
  mi_http_method: {
    type: 'int',
    default: 0,
    min: 0,
    max: 1,
    help: 'method of the forms of the web interface: 0 GET, 1 POST',
  },
  html: {
    type: 'int',
    default: 1,
    min: 0,
    max: 1,
    help: '1: GET and forms give the pages of the web interface; 0: JSON-RPC alone',
  },
  mi_timeout: {
    type: 'int',
    default: 240,
    min: 1,
    max: 86400,
    unit: 's',
    help: 'deadline of one call; the client of a command that takes longer gets 504',
  },
  max_pending: {
    type: 'int',
    default: 1024,
    min: 1,
    max: 1000000,
    help: 'calls of asynchronous commands that may run at once; the next one gets 503',
  },
  trace_destination: { type: 'string', refused: tracing, help: 'HEP destination of MI traces' },
  trace_bwlist: { type: 'string', refused: tracing, help: 'commands that are traced, or not' },
});
