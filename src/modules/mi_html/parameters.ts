import { defineParameters } from '../../config/parameter.js';
import { callParameters, checkRoot } from '../mi_http/parameters.js';

/** Parameters of mi_html. */
export const parameters = defineParameters({
  root: {
    type: 'string',
    default: 'mi',
    help: 'root path of the pages; mi_http needs another one',
    check: checkRoot,
  },
  http_method: { type: 'int', default: 0, min: 0, max: 1, help: 'method of the forms: 0 GET, 1 POST' },
  ...callParameters,
});
