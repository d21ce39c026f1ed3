import { coded } from '../../base/codes.js';
import { readSmallFile } from '../../base/files.js';
import { reasonOf } from '../../base/text.js';
import { defineParameters, fileProblem } from '../../config/parameter.js';
import { isLevel, levels } from '../../mi/commands/command.js';
import { callParameters, rootProblem } from '../call-parameters.js';
import { peerSetting } from './http.js';
import { isFleetName, isMemberName } from './names.js';

const roles = ['both', 'member', 'gather'];

/** Parameters of fleet. */
export const parameters = defineParameters({
  server: {
    type: 'list',
    aliases: ['servers'],
    help: 'a NATS server that members meet at: nats://HOST:PORT, or tls://HOST:PORT; several are of one cluster. Left out, members are asked by HTTP',
    check: serverProblem,
    excludes: { names: ['peer'], remedy: 'members are reached by a broker, or by a list; leave one of them out' },
  },
  peer: {
    type: 'list',
    aliases: ['peers'],
    help: 'a member that is asked by HTTP, without a broker: NAME URL, or a URL, as sip-01 http://192.0.2.1:8888/fleet',
    check: (line) => problemOf(() => peerSetting(line)),
  },
  fleet: {
    type: 'string',
    default: 'default',
    help: 'the name of the fleet: servers of others are not seen',
    check: (text) => (isFleetName(text) ? undefined : 'give 1 to 32 letters, digits, "_" and "-"'),
  },
  name: {
    type: 'string',
    default: undefined,
    help: 'the name of this member, which no other has; left out: server_name of httpd, or the name of the machine',
    check: nameProblem,
  },
  tags: {
    type: 'string',
    default: '',
    help: 'groups that this member is in, parted by commas, as edge, berlin',
    check: (text) =>
      tagsOf(text).length > 32
        ? 'give 32 at most'
        : tagsOf(text)
            .map(nameProblem)
            .find((one) => one !== undefined),
  },
  role: {
    type: 'string',
    default: 'both',
    help: '`member`: it is asked; `gather`: it asks others, by the commands of this module; `both`',
    check: (text) => (roles.includes(text) ? undefined : `give ${roles.join(', ')}`),
  },
  level: {
    type: 'string',
    default: 'admin',
    help: 'the highest level that calls of the fleet have on this member: read, operate or admin',
    check: (text) => (isLevel(text) ? undefined : `give ${levels.join(', ')}`),
  },
  nkey_file: {
    type: 'string',
    default: undefined,
    help: 'file with the seed of the NKEY by which the broker lets this server in',
    check: fileProblem,
    excludes: { names: ['creds_file', 'login_file'], remedy: 'one login is enough' },
  },
  creds_file: {
    type: 'string',
    default: undefined,
    help: 'file with a JWT and its seed, as `nsc` makes them, for the same',
    check: fileProblem,
    excludes: { names: ['login_file'], remedy: 'one login is enough' },
  },
  login_file: {
    type: 'string',
    default: undefined,
    help: 'file whose first line is NAME:PASSWORD, or a token: the login at the broker, or at the members of `peer`',
    check: fileProblem,
  },
  tls_ca: {
    type: 'string',
    default: undefined,
    help: 'file with the certificates that those of the broker, and of members by HTTPS, may be signed by; left out: those that Node.js trusts',
    check: fileProblem,
  },
  tls_cert: {
    type: 'string',
    default: undefined,
    help: 'file with the certificate that this server shows to the broker; with tls_key',
    check: fileProblem,
  },
  tls_key: { type: 'string', default: undefined, help: 'file with its key', check: fileProblem },
  inbox_prefix: {
    type: 'string',
    default: undefined,
    help: 'the beginning of the subjects that answers come to; left out: mi.v1.FLEET.inbox.NAME',
    check: (text) =>
      /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(text) ? undefined : 'give tokens of a subject, parted by dots',
  },
  own_url: {
    type: 'string',
    default: undefined,
    help:
      'where others reach this server by HTTP, as http://192.0.2.1:8888: long results are fetched there by links that serve once. Left out, ' +
      'they go by the broker',
    check: (text) =>
      /^https?:\/\/[^/?#@\s]+\/?$/.test(text) && URL.canParse(text)
        ? undefined
        : 'give http://HOST:PORT or https://HOST:PORT',
  },
  root: {
    type: 'string',
    default: 'fleet',
    help: 'root path at which this member is asked by HTTP; without `server` alone',
    check: rootProblem,
  },
  fleet_required: {
    type: 'int',
    default: 0,
    min: 0,
    max: 1,
    help: '1: while the broker is away, /readyz tells that this server is not ready',
  },
  timeout: {
    type: 'int',
    default: 5,
    min: 1,
    max: 3600,
    unit: 's',
    help: 'time that members have to answer a call that says nothing else',
  },
  rolling_time: {
    type: 'int',
    default: 200,
    min: 1,
    max: 86400,
    unit: 's',
    help: 'time within which the turns of a rolling call begin; it has to be less than mi_timeout, and by `timeout`',
  },
  presence_interval: {
    type: 'int',
    default: 2,
    min: 1,
    max: 60,
    unit: 's',
    help: 'time between two messages by which members tell that they are there; one that misses three is away',
  },
  retry_interval: {
    type: 'int',
    default: 1,
    min: 1,
    max: 60,
    unit: 's',
    help: 'time between two attempts to reach the broker',
  },
  remember: {
    type: 'int',
    default: 600,
    min: 0,
    max: 86400,
    unit: 's',
    help: 'time that a member is named as missing that has gone without telling',
  },
  link_lifetime: {
    type: 'int',
    default: 60,
    min: 1,
    max: 3600,
    unit: 's',
    help: 'time within which a long result is to be fetched',
  },
  max_result: {
    type: 'int',
    default: 262144,
    min: 1024,
    max: 67108864,
    unit: 'bytes',
    help: 'bytes of a result within an answer, as far as the broker takes them; a longer one is fetched by a link',
  },
  max_dump: {
    type: 'int',
    default: 2147483647,
    min: 65536,
    max: 2147483647,
    unit: 'bytes',
    help: 'bytes of the long result of one member',
  },
  max_answers: {
    type: 'int',
    default: 67108864,
    min: 1048576,
    max: 2147483647,
    unit: 'bytes',
    help: 'bytes of answers that all calls hold at once; what comes beyond is an error of its member',
  },
  max_members: {
    type: 'int',
    default: 1000,
    min: 1,
    max: 100000,
    help: 'members that are known at once',
  },
  max_calls: {
    type: 'int',
    default: 64,
    min: 1,
    max: 10000,
    help: 'calls of the fleet that this server makes at once; the next one gets 503',
  },
  max_pending: callParameters.max_pending,
});

/** Tags as they are configured. */
export function tagsOf(text: string): readonly string[] {
  return [
    ...new Set(
      text
        .split(',')
        .map((tag) => tag.trim())
        .filter((tag) => tag !== ''),
    ),
  ];
}

/** The fault of a name; undefined without one. */
export function nameProblem(text: string): string | undefined {
  return isMemberName(text)
    ? undefined
    : `"${text}" is none: give 1 to 64 letters, digits, "_" and "-", and "." between them`;
}

/** The content of a small file. @throws Error naming it */
export function readFile(parameter: string, file: string): string {
  try {
    return readSmallFile(file, 65536).text;
  } catch (error) {
    const text = `parameter ${parameter} of module fleet: ${file} cannot be read: ${reasonOf(error)}`;
    throw coded('ERR_FILE', new Error(text));
  }
}

function serverProblem(text: string): string | undefined {
  if (text.includes('@')) return 'it has a login; give login_file, nkey_file or creds_file in place of it';
  const isUrl = /^(nats|tls):\/\/[^/?#\s]+\/?$/.test(text) && URL.canParse(text);
  return isUrl ? undefined : 'give nats://HOST:PORT or tls://HOST:PORT';
}

function problemOf(read: () => unknown): string | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}
