import { reasonOf } from '../../base/text.js';
import { defineParameters } from '../../config/parameter.js';
import { rootProblem } from '../call-parameters.js';
import { labelRule } from './label-rules.js';

const noScript = {
  refused: 'there is no script here whose route it could run; module statistics of OpenSIPS counts in a script',
  isShared: true,
} as const;

/** Parameters of prometheus, with the names and defaults of OpenSIPS, but for `openmetrics`. */
export const parameters = defineParameters({
  root: {
    type: 'string',
    default: 'metrics',
    help: 'root path: metrics are served at http://ip:port/[root]',
    check: rootProblem,
  },
  prefix: {
    type: 'string',
    default: 'opensips',
    help: 'text in front of the names of all metrics of statistics',
    isShared: true,
    check: (text) =>
      /^([A-Za-z_:][A-Za-z0-9_:]*)?$/.test(text) ? undefined : 'give letters, digits, "_" and ":", no digit first',
  },
  delimiter: {
    type: 'string',
    default: '_',
    help: 'text between prefix, group and name',
    isShared: true,
    check: partProblem,
  },
  group_prefix: {
    type: 'string',
    default: '',
    help: 'text in front of the group, where that is sent',
    isShared: true,
    check: partProblem,
  },
  group_label: {
    type: 'string',
    default: 'group',
    help: 'label that has the group where `group_mode` is 2',
    isShared: true,
    check: (text) =>
      /^(?!__)[A-Za-z_][A-Za-z0-9_]*$/.test(text) && !ownLabels.has(text)
        ? undefined
        : 'give letters, digits and "_", no digit and no "__" first, and neither node nor command nor le',
  },
  group_mode: {
    type: 'int',
    default: 0,
    min: 0,
    max: 2,
    help: 'where the group of a statistic is: 0 nowhere, 1 in the name of the metric, 2 in a label',
  },
  statistics: {
    type: 'list',
    help:
      'what is sent, parted by spaces: `all`, groups with a colon (`core:`), and bare names (`timestamp`). `process:` has the ' +
      'process, `latency:` how long commands take. Without this parameter everything is sent',
    check: (text) => (text.trim() === '' ? 'give all, groups or names' : undefined),
  },
  labels: {
    type: 'list',
    help:
      'a rule that makes labels out of the names of a group, `group: /expression/name:labels/`, as ' +
      '`tm: /^(.*)_(.*)$/\\1:side="\\2"/`; the first one that fits a name counts',
    isShared: true,
    check: (text) => {
      try {
        labelRule(text);
        return undefined;
      } catch (error) {
        return reasonOf(error);
      }
    },
  },
  openmetrics: {
    type: 'int',
    default: 1,
    min: 0,
    max: 1,
    help:
      '1: clients that ask for OpenMetrics get it, Prometheus among them; there the names of counters end with `_total`. ' +
      '0: all get the text format, with the names of OpenSIPS',
  },
  script_route: { type: 'string', help: 'route that adds metrics', ...noScript },
  script_route_avp_result: { type: 'string', help: 'variable with the metrics of that route', ...noScript },
});

/** Labels that are made here. */
const ownLabels: ReadonlySet<string> = new Set(['node', 'command', 'le']);

function partProblem(text: string): string | undefined {
  return /^[A-Za-z0-9_:]*$/.test(text) ? undefined : 'names of metrics have letters, digits, "_" and ":" only';
}
