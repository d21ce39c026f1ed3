import { reasonOf } from '../../base/text.js';
import { defineParameters } from '../../config/parameter.js';
import { levelRules } from './levels.js';

/** Bare names that find the command of this server, unless the operator says otherwise: they tell of both. */
const localByDefault = 'which, help, get_statistics, list_statistics, event_subscribe, events_list, subscribers_list';

/** Parameters of opensips. */
export const parameters = defineParameters({
  nodes: {
    type: 'list',
    aliases: ['node'],
    help:
      'an OpenSIPS and the ways to it: NAME TRANSPORT TRANSPORT…, where a transport is fifo:/path, datagram:udp:host:port, ' +
      'datagram:/path or http://host:port/mi; without a transport, the default places of OpenSIPS. The first node is the ' +
      'one that names without a node mean',
    check: nodeProblem,
  },
  local: {
    type: 'string',
    default: localByDefault,
    help:
      'names without a module that find the command of mi-httpd where OpenSIPS has one of the same name; `*` stands for any ' +
      'characters. All others find that of OpenSIPS',
  },
  levels: {
    type: 'string',
    default: '',
    help:
      'levels of commands of OpenSIPS, where they are not to be those of the table: NAME=LEVEL, parted by commas, where LEVEL ' +
      'is read, operate, admin or destructive, which is admin; `*` stands for any characters in NAME',
    check: (text) => problemOf(() => levelRules(text)),
  },
  timeout: {
    type: 'int',
    default: 10,
    min: 1,
    max: 3600,
    unit: 's',
    help: 'time that OpenSIPS has for a command, waiting for its turn included',
  },
  dump_timeout: {
    type: 'int',
    default: 180,
    min: 1,
    max: 3600,
    unit: 's',
    help: 'the same for commands that answer with much, such as ul_dump, and for those that answer when SIP has, such as t_uac_dlg',
  },
  max_pending: {
    type: 'int',
    default: 256,
    min: 1,
    max: 1000000,
    help: 'calls of one node that may run or wait at once; the next one gets 503. Less than max_pending of mi_http, so that a node that hangs keeps no others waiting',
  },
  watch_interval: {
    type: 'int',
    default: 10,
    min: 1,
    max: 3600,
    unit: 's',
    help: 'time between two looks whether OpenSIPS was started anew; then its commands are asked for',
  },
  retry_interval: {
    type: 'int',
    default: 2,
    min: 1,
    max: 3600,
    unit: 's',
    help: 'time between two attempts to reach what is down',
  },
});

/** The fault of a node; undefined without one. */
function nodeProblem(line: string): string | undefined {
  return problemOf(() => nodeSetting(line));
}

function problemOf(read: () => unknown): string | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

/** A node as it is configured. */
export interface NodeSetting {
  readonly name: string;
  /** As they are written; none: those in the default places. */
  readonly transports: readonly string[];
}

const nodeName = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/;

/** @throws Error telling what is wrong */
export function nodeSetting(line: string): NodeSetting {
  const [name = '', ...transports] = line.split(' ').filter((word) => word !== '');
  if (!nodeName.test(name)) {
    throw new Error(
      `${JSON.stringify(name)} is no name of a node; give 1 to 32 letters, digits, "_", "." and "-", then its transports`,
    );
  }
  return { name, transports };
}
