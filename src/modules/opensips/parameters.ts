import { isIP } from 'node:net';
import { splitHostPort } from '../../base/address.js';
import { coded } from '../../base/codes.js';
import { reasonOf } from '../../base/text.js';
import { defineParameters } from '../../config/parameter.js';
import type { EventAddress } from './events.js';
import { levelRules } from './levels.js';
import { type FoundPlaces, findPlaces, httpPlace } from './places.js';
import { parseTransport, withoutLogin } from './upstream/setting.js';

/** Bare names that find the command of this server, unless the operator says otherwise: they tell of both. */
const localByDefault = 'which, help, get_statistics, list_statistics, event_subscribe, events_list, subscribers_list';

/** Parameters of opensips. */
export const parameters = defineParameters({
  nodes: {
    type: 'list',
    aliases: ['node'],
    secret: true,
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
    check: (text) => (text.trim() === '' ? 'give names parted by commas, or none' : undefined),
  },
  levels: {
    type: 'string',
    default: undefined,
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
    help: 'calls of one node that may run or wait at once, from all roots together; the next one gets 503. They do not count for max_pending of a root, so that a node that hangs keeps no others waiting',
  },
  max_lines: {
    type: 'int',
    default: 64 << 20,
    min: 65536,
    max: 1 << 30,
    unit: 'bytes',
    help:
      'bytes of replies of one OpenSIPS 2.x by FIFO and datagram that are held at once, from their first line until they are sent, where ' +
      'each line counts for 32 at least; as values they take several times that. The next one is an error. Other replies wait in files',
  },
  statistics_interval: {
    type: 'int',
    default: 10,
    min: 0,
    max: 3600,
    unit: 's',
    help: 'time that statistics of OpenSIPS serve all callers; it is asked at most once within',
  },
  event_socket: {
    type: 'string',
    default: '127.0.0.1:0',
    help: 'address and UDP port to which OpenSIPS sends the events that clients of this server have subscribed; port 0 is one that is free',
    check: (text) => problemOf(() => eventAddress(text)),
  },
  mirror: {
    type: 'string',
    default: undefined,
    help:
      'usrloc: the contacts of the first node are kept in module usrloc of this server, too, where usrloc:dump and usrloc:show_contact ' +
      'answer at once; usrloc=NODE, or usrloc=NODE,NODE: those of these nodes, where the domains of all but the first have the node in front, ' +
      'as sip-2.location. OpenSIPS needs event_datagram',
    check: (text) => problemOf(() => mirroredNodes(text)),
  },
  mirror_interval: {
    type: 'int',
    default: 30,
    min: 1,
    max: 86400,
    unit: 's',
    help: 'time between two comparisons of the mirror with OpenSIPS; where they differ twice, all contacts are loaded anew',
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

/**
 * The nodes that are mirrored; none named: the first one.
 * @throws Error for what is no mirror
 */
export function mirroredNodes(text: string): readonly string[] {
  if (text === 'usrloc') return [];
  const names = text.startsWith('usrloc=') ? text.slice('usrloc='.length).split(',') : [''];
  const nodes = names.map((name) => name.trim());
  if (nodes.every((name) => nodeName.test(name)) && new Set(nodes).size === nodes.length) return nodes;
  throw coded('ERR_PARAMETER', new Error('give usrloc, which is all that can be mirrored, or usrloc=NODE,NODE'));
}

/** @throws Error for what is no address with a port */
export function eventAddress(text: string): EventAddress {
  const { host, port } = splitHostPort(text) ?? {};
  const number = Number(port);
  if (
    host === undefined ||
    isIP(host) === 0 ||
    port === '' ||
    !(Number.isInteger(number) && number >= 0 && number < 65536)
  ) {
    throw coded('ERR_PARAMETER', new Error('it is ADDRESS:PORT, as 127.0.0.1:0 or [::1]:0'));
  }
  return { host, port: number };
}

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
  /** As they are written. */
  readonly transports: readonly string[];
  /** Where something was found that is not taken without being named. */
  readonly passedOver: FoundPlaces['passedOver'];
  /** True if it names no transport, and no FIFO was found: HTTP is taken as it is. */
  readonly isAssumed: boolean;
}

/** A space between the scheme of a URL and its last `@`, unless another transport begins behind it. */
const spacedLogin = /:\/\/[^@ ]* (?!(?:fifo|datagram|https?):).*@/;

const nodeName = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/;

/** @throws Error telling what is wrong */
export function nodeSetting(line: string): NodeSetting {
  const [name = '', ...transports] = line.split(' ').filter((word) => word !== '');
  if (!nodeName.test(name)) {
    throw coded(
      'ERR_PARAMETER',
      new Error(
        `${JSON.stringify(withoutLogin(name))} is no name of a node; give 1 to 32 letters, digits, "_", "." and "-", then its transports`,
      ),
    );
  }
  if (spacedLogin.test(line)) {
    throw coded('ERR_PARAMETER', new Error('the login of a URL has a space; write %20 in place of it'));
  }
  for (const transport of transports) parseTransport(transport);
  if (transports.length > 0) return { name, transports, passedOver: [], isAssumed: false };
  const found = findPlaces();
  return { name, ...found, isAssumed: found.transports.includes(httpPlace) };
}
