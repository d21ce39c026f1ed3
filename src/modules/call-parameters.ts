import { defineParameters } from '../config/parameter.js';
import { isRootName } from '../http/roots.js';
import type { ManagementInterface } from '../mi/management-interface.js';

/** Parameters of every module that takes MI calls over HTTP. */
export const callParameters = defineParameters({
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
    help: 'calls of asynchronous commands of mi-httpd that may run at once on this root; the next one gets 503. Those of an OpenSIPS behind it have max_pending of module opensips',
  },
  trace_destination: {
    type: 'string',
    default: undefined,
    help: 'capture server that every call and its reply are copied to, by the name that `hep_id` of module proto_hep gives it; not set: none',
    check: (text) => (text.trim() === '' ? 'it is empty: give the name of a hep_id, or remove the line' : undefined),
  },
  trace_bwlist: {
    type: 'string',
    default: undefined,
    help: 'commands that are traced: `w:` and names parted by commas, these alone; `b:` and names, all but these; not set: all',
    check: (text) => (text.trim() === '' ? 'it is empty: give b: or w:, and commands, or remove the line' : undefined),
  },
});

/** The limit of the streams of events that pages and programs follow. */
export const streamLimit = defineParameters({
  max_streams: {
    type: 'int',
    default: 50,
    min: 0,
    max: 10000,
    help: 'replies with events as they are raised (`/live`) that may be open at once; the next one gets 503',
  },
});

/** The limit of the time that a page gives to what it leaves out. */
export const countLimit = defineParameters({
  count_time: {
    type: 'int',
    default: 3,
    min: 0,
    max: 86400,
    unit: 's',
    help: 'time in which a page that shows the first part of a long result counts the rest; a longer one is told as "more than"',
  },
});

/** The limit of the values of one request, where they may have any form. */
export const valueLimit = defineParameters({
  max_values: {
    type: 'int',
    default: 8192,
    min: 16,
    max: 10000000,
    help: 'JSON values and member names, or words of a form (of those 1024 at most), of one request, those of a batch each by itself; more is refused, since making them keeps all others waiting',
  },
});

/** The headers that commands ask for, in lower case. */
export function headersOf(mi: ManagementInterface): readonly string[] {
  const asked = [...mi.commands.entries.flatMap(({ command }) => command.headers), ...mi.headers];
  return [...new Set(asked.map((header) => header.toLowerCase()))];
}

/** The fault of the name of a root; undefined without one. */
export function rootProblem(root: string): string | undefined {
  return isRootName(root) ? undefined : 'it is one segment of a path; give one or more of letters, digits and "_"';
}
