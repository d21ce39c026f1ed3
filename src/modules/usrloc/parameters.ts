import { defineParameters, fileProblem, type ParameterValues } from '../../config/parameter.js';
import { longestInterval, usualInterval, usualPending } from '../../mi/results/record-database.js';

const domainName = /^[A-Za-z0-9_.-]{1,64}$/;

/** Names of a list such as `location, contacts`. */
export function listedNames(list: string): readonly string[] {
  return list
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

/** The fault of the name of a domain; undefined if there is none. */
export function domainNameProblem(name: string): string | undefined {
  return domainName.test(name)
    ? undefined
    : `"${name}" is no name of a domain; give 1 to 64 letters, digits, "_", "." and "-"`;
}

const inert = 'for a SIP server; accepted without effect';
const elsewhere =
  'contacts are kept in no database of another program, see persist; accepted without effect, with a warning';

const noReplication = { refused: 'contacts are not shared with other servers', isShared: true } as const;

/** Parameters of usrloc, with the names of OpenSIPS 2.x to 4.0, and `domains`. */
export const parameters = defineParameters({
  use_domain: {
    type: 'int',
    default: 0,
    min: 0,
    max: 1,
    help: '1: addresses of record are user@domain, and one without domain is refused; 0: the user part alone',
  },
  domains: {
    type: 'string',
    default: 'location',
    help: 'domains (tables) that are there from the start, separated by commas; OpenSIPS finds them in its script',
    check: (list) => {
      const names = listedNames(list);
      if (new Set(names.map((name) => name.toLowerCase())).size < names.length) return 'a domain is named twice';
      return names.map(domainNameProblem).find((problem) => problem !== undefined);
    },
  },
  desc_time_order: {
    type: 'int',
    default: 0,
    min: 0,
    max: 1,
    help: '1: the contacts of an address of record are ordered newest first; 0: by q, highest first',
  },
  timer_interval: {
    type: 'int',
    default: 60,
    min: 1,
    max: 86400,
    unit: 's',
    help: 'time between two searches for expired contacts, which leave then',
  },
  max_contact_delete: {
    type: 'int',
    default: 10,
    min: 1,
    max: 1000000,
    help: 'expired contacts that are deleted at once; then other work has its turn. All leave in the end',
  },
  max_contacts: {
    type: 'int',
    default: 10000000,
    min: 1,
    max: 2147483647,
    help: 'contacts of all domains together; a further one is refused with 500',
  },
  max_bytes: {
    type: 'int',
    default: 0,
    min: 0,
    max: 2147483647,
    unit: 'bytes',
    help:
      'memory of the contacts of all domains; a contact that does not fit is refused with 500; 0: the shared memory ' +
      '(-m), and larger sizes are set by that alone',
  },
  persist: {
    type: 'string',
    default: undefined,
    help:
      'path of a file that keeps the contacts, so that they outlive the process: /var/lib/mi-httpd/contacts; it is made where there ' +
      'is none, and its folder if the one around that is there; not given: contacts end with the process',
    check: fileProblem,
  },
  persist_interval: {
    type: 'int',
    default: usualInterval,
    min: 0,
    max: longestInterval,
    unit: 'ms',
    help:
      'time within which a changed contact is written to the file of persist: what a process that is killed may lose; 0: before ' +
      'the command is answered, with an error where that fails',
  },
  persist_pending: {
    type: 'int',
    default: usualPending,
    min: 1048576,
    max: 2147483647,
    unit: 'bytes',
    help:
      'memory of changes that wait to be written; more of them, where the disk is full or slow, are forgotten, and all contacts ' +
      'are written anew when it works again',
  },
  hash_size: {
    type: 'int',
    default: 9,
    min: -2147483648,
    max: 16,
    help: 'ul_dump tells 2^hash_size as the size of a domain, 512 for 1 and less; tables grow by themselves',
  },
  mi_dump_kv_store: {
    type: 'int',
    default: 0,
    min: 0,
    max: 1,
    help: '1: contacts may have key-value pairs, and dumps show them; 0: contacts with such pairs are refused',
  },
  nat_bflag: {
    type: 'string',
    default: undefined,
    takesNumber: true,
    help: 'name of the branch flag that bit 0 of cflags stands for, or a number, as 2.x has it; bits without a name are not kept',
  },
  ...inertInts({
    matching_mode: 0,
    cseq_delay: 20,
    latency_event_min_us: 0,
    latency_event_min_us_delta: 0,
    contact_refresh_timer: 0,
    skip_replicated_db_ops: 0,
    regen_broken_contactid: 0,
    shared_pinging: 0,
  }),
  ...inertInts({ location_cluster: 0, ha_cluster: 0, db_mode: 0 }, elsewhere),
  db_url: { type: 'string', default: undefined, secret: true, help: elsewhere },
  cachedb_url: { type: 'string', default: undefined, secret: true, help: elsewhere },
  ...inertStrings(['working_mode_preset', 'cluster_mode', 'restart_persistency', 'sql_write_mode'], elsewhere),
  ...inertStrings(['pinging_mode', 'ha_shtag'], inert),
  accept_replicated_contacts: { type: 'int', help: 'contacts come from other servers (2.x)', ...noReplication },
  replicate_contacts_to: { type: 'string', help: 'other servers that get the contacts (2.x)', ...noReplication },
  ...inertStrings(
    [
      'contact_id_column',
      'user_column',
      'domain_column',
      'contact_column',
      'expires_column',
      'q_column',
      'callid_column',
      'cseq_column',
      'flags_column',
      'cflags_column',
      'user_agent_column',
      'received_column',
      'path_column',
      'socket_column',
      'methods_column',
      'sip_instance_column',
      'kv_store_column',
      'attr_column',
    ],
    inert,
  ),
});

/** Values of all parameters. */
export type Parameters = ParameterValues<typeof parameters>;

/** Notices for the start about parameters that are set and have no effect. */
export interface InertParameters {
  /** Parameters of a database or a cluster: operators who set them expect contacts to outlive the process. */
  readonly elsewhere: readonly string[];
  readonly inert: readonly string[];
}

/** Finds the parameters that are set to another value than their default, and have no effect. */
export function inertParameters(values: Parameters): InertParameters {
  const given: Readonly<Record<string, string | number | undefined>> = values;
  const found = (help: string): readonly string[] =>
    Object.entries(parameters)
      .filter(
        ([name, declared]) =>
          'default' in declared && declared.help === help && isSet(name, given[name], declared.default),
      )
      .map(([name]) => name);
  return { elsewhere: found(elsewhere), inert: found(inert) };
}

/** Values that ask for what there is: contacts in memory. */
const memoryOnly: Readonly<Record<string, readonly string[]>> = {
  working_mode_preset: ['single-instance-no-db'],
  cluster_mode: ['none'],
  restart_persistency: ['none'],
  sql_write_mode: ['none'],
};

function isSet(name: string, value: string | number | undefined, unset: string | number | undefined): boolean {
  return value !== undefined && value !== unset && memoryOnly[name]?.includes(String(value)) !== true;
}

type InertInt = { readonly type: 'int'; readonly default: number; readonly min: number; readonly max: number } & {
  readonly help: string;
};
type InertString = { readonly type: 'string'; readonly default: undefined; readonly help: string };

function inertInts<const D extends Record<string, number>>(defaults: D, help = inert): { [Name in keyof D]: InertInt } {
  const declared = Object.entries(defaults).map(([name, value]) => {
    return [name, { type: 'int', default: value, min: -2147483648, max: 2147483647, help }] as const;
  });
  return Object.fromEntries(declared) as { [Name in keyof D]: InertInt };
}

function inertStrings<const N extends string>(names: readonly N[], help: string): { [Name in N]: InertString } {
  const declared = names.map((name) => [name, { type: 'string', default: undefined, help }] as const);
  return Object.fromEntries(declared) as { [Name in N]: InertString };
}
