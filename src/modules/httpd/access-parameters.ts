import { defineParameters } from '../../config/parameter.js';
import { AddressList } from '../../httpd/access/address-list.js';
import { passwordProblem } from '../../httpd/access/password.js';

/** Most calls a second that a limit can be set to. */
const highestRate = 1_000_000;

/** Parameters of httpd that say who may do what; the first three are those of OpenSIPS 4.0. */
export const accessParameters = defineParameters({
  auth_realm: {
    type: 'string',
    default: 'OpenSIPS MI',
    help: 'realm that browsers show when they ask for the password',
    check: (realm) =>
      emptyProblem('a text', realm) ?? (/^[\x20-\x7e]*$/.test(realm) ? undefined : 'give printable ASCII characters'),
  },
  auth_username: {
    type: 'string',
    default: undefined,
    help: 'name of one user of level `admin`; set together with `auth_password`; not set: see `auth_file`, `auth_tokens`',
    check: (name) =>
      name.trim() === '' || /[:\p{Cc}]/u.test(name)
        ? 'a name has one character or more, no colon and no control characters'
        : undefined,
  },
  auth_password: {
    type: 'string',
    default: undefined,
    secret: true,
    help: 'password of `auth_username`, in plain text: keep the file from others, or use `auth_file`',
    check: passwordProblem,
  },
  auth_password_file: {
    type: 'string',
    default: undefined,
    help: 'file whose first line is the password of `auth_username`, in place of `auth_password`; read again on SIGHUP',
    excludes: { names: ['auth_password'], remedy: 'there is one password; remove one of the two' },
    check: fileProblem,
  },
  auth_file: {
    type: 'string',
    default: undefined,
    help: 'file of users, lines of `mi-httpd passwd NAME`: `name:level:hash`; read again on SIGHUP',
    check: fileProblem,
  },
  auth_tokens: {
    type: 'string',
    default: undefined,
    help: 'file of bearer tokens, lines of `mi-httpd token NAME`: `name:level:hash`; read again on SIGHUP',
    check: fileProblem,
  },
  allow_from: {
    type: 'string',
    default: undefined,
    help: 'addresses and networks, parted by commas, that are let in (`192.0.2.0/24, ::1`); others get 403; left out: all',
    check: (text) => emptyProblem('addresses or networks', text) ?? problemOf(() => new AddressList(text)),
  },
  allow_unauthenticated: {
    type: 'int',
    default: 0,
    min: 0,
    max: 1,
    help: '1: start even where other machines can reach a listener that asks for no password; 0: refuse to',
  },
  allow_commands: {
    type: 'string',
    default: undefined,
    help: 'MI commands, parted by commas, that may be called, others not (`usrloc:*, which, get_statistics`); left out: all',
    check: (text) => emptyProblem('names of commands', text),
  },
  deny_commands: {
    type: 'string',
    default: undefined,
    help: 'MI commands, parted by commas, that nobody may call, whatever the level (`kill, *:reset*`)',
    check: (text) => emptyProblem('names of commands', text),
  },
  audit_file: {
    type: 'string',
    default: undefined,
    help: 'file that gets one JSON line for each call: who, from where, which command, outcome; opened again on SIGHUP',
    check: fileProblem,
  },
  rate_limit_address: {
    type: 'int',
    default: 0,
    min: 0,
    max: highestRate,
    unit: 'calls/s',
    help: 'MI calls that one address (IPv6: one /64) may make a second, and at once; more get 429; 0: no limit',
  },
  rate_limit_user: {
    type: 'int',
    default: 0,
    min: 0,
    max: highestRate,
    unit: 'calls/s',
    help: 'the same for one user or token, from wherever',
  },
});

/** Says that a value is empty: a protection that is set to nothing does not count as set. */
export function emptyProblem(wanted: string, text: string): string | undefined {
  return text.trim() === '' ? `it is empty: give ${wanted}, or remove the line` : undefined;
}

/** The same of the path of a file. */
export function fileProblem(file: string): string | undefined {
  return emptyProblem('the path of a file', file);
}

function problemOf(attempt: () => unknown): string | undefined {
  try {
    attempt();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
