import { defineParameters } from '../../config/parameter.js';
import { callParameters, checkRoot } from './call-parameters.js';

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
