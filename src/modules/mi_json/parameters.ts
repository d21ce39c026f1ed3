import { defineParameters } from '../../config/parameter.js';
import { isRootName } from '../../http/roots.js';
import { tracingParameters } from '../mi_http/parameters.js';

/** Parameters of mi_json, with the names of OpenSIPS 2.x as aliases. */
export const parameters = defineParameters({
  root: {
    type: 'string',
    default: 'json',
    aliases: ['mi_json_root'],
    help: 'root path: commands are run by GET /[root]/COMMAND?params=A,B',
    check: (root) =>
      isRootName(root) ? undefined : 'it is one segment of a path; give one or more of letters, digits and "_"',
  },
  mi_timeout: { type: 'int', default: 240, min: 1, max: 86400, unit: 's', help: 'deadline of one call, as in mi_http' },
  max_pending: {
    type: 'int',
    default: 1024,
    min: 1,
    max: 1000000,
    help: 'calls of asynchronous commands on this root that may run at once; the next one gets 503',
  },
  ...tracingParameters,
});
