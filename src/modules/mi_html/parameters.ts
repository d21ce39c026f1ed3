import { defineParameters } from '../../config/parameter.js';

const tracing = 'MI tracing over HEP is not available; remove the line';

/** Parameters of mi_html. */
export const parameters = defineParameters({
  root: { type: 'string', default: 'mi', help: 'root path of the pages; mi_http needs another one' },
  http_method: { type: 'int', default: 0, min: 0, max: 1, help: 'method of the forms: 0 GET, 1 POST' },
  mi_timeout: { type: 'int', default: 240, min: 1, max: 86400, unit: 's', help: 'deadline of one call, as in mi_http' },
  max_pending: {
    type: 'int',
    default: 1024,
    min: 1,
    max: 1000000,
    help: 'calls of asynchronous commands from these pages that may run at once; the next one gets 503',
  },
  trace_destination: { type: 'string', refused: tracing, help: 'HEP destination of MI traces' },
  trace_bwlist: { type: 'string', refused: tracing, help: 'commands that are traced, or not' },
});
