import { defineParameters } from '../../config/parameter.js';
import { isRootName } from '../../http/roots.js';

const noTracing = { refused: 'MI tracing over HEP is not available', isShared: true } as const;

/** Parameters of OpenSIPS' modules for MI calls that this server has no use for. */
export const tracingParameters = defineParameters({
  trace_destination: { type: 'string', help: 'HEP destination of MI traces', ...noTracing },
  trace_bwlist: { type: 'string', help: 'commands that are traced, or not', ...noTracing },
});

/** Parameters of every module that takes MI calls over HTTP. */
export const callParameters = defineParameters({
  max_values: {
    type: 'int',
    default: 8192,
    min: 16,
    max: 10000000,
    help: 'JSON values and member names, or words of a form (of those 1024 at most), of one request, those of a batch each by itself; more is refused, since making them keeps all others waiting',
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
    help: 'calls of asynchronous commands that may run at once on this root; the next one gets 503',
  },
  ...tracingParameters,
});

/** The fault of the name of a root; undefined without one. */
export function checkRoot(root: string): string | undefined {
  return isRootName(root) ? undefined : 'it is one segment of a path; give one or more of letters, digits and "_"';
}

/** Parameters of mi_http, with the names of 3.x/4.0 and, as aliases, of 2.x. */
export const parameters = defineParameters({
  root: {
    type: 'string',
    default: 'mi',
    aliases: ['mi_http_root'],
    help: 'root path: JSON-RPC is served at http://ip:port/[root]',
    check: checkRoot,
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
  max_batch: {
    type: 'int',
    default: 1000,
    min: 0,
    max: 100000,
    help: 'requests of one batch; a longer one is refused before any of it runs. 0: batches are refused',
  },
  ...callParameters,
});
