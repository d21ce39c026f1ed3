import { printEvent } from './event-lines.js';
import { Raw } from './json.js';

export type Version = '2.4' | '3.4' | '4.0';

/** An error of a command. */
export class CommandError extends Error {
  constructor(
    readonly code: number,
    message: string,
    readonly data?: string,
  ) {
    super(message);
  }
}

export interface Contact {
  readonly id: number;
  /** Where it is, unless in `location`. */
  readonly domain?: string;
  readonly aor: string;
  readonly contact: string;
  readonly expires: number;
  readonly callid: string;
  readonly userAgent: string;
  /** As text. */
  readonly keyValues?: string;
}

export interface Subscription {
  readonly event: string;
  readonly socket: string;
  readonly expires: number;
}

let lastPid = 4700;

function nextPid(): number {
  lastPid += 11;
  return lastPid;
}

/** What the commands work with. */
export class State {
  readonly contacts: Contact[] = [];
  #lastId = 0;
  readonly subscriptions: Subscription[] = [];
  readonly caches = new Map<string, string>();
  /** Each command that was run, with its params. */
  readonly ran: { readonly method: string; readonly params: unknown }[] = [];
  started = Date.now();
  /** Number of the first process; others follow. */
  readonly pid = nextPid();
  /** Names of commands, as `which` lists them, that it does not have. */
  readonly lacks = new Set<string>();
  /** Results of commands that are in no documentation, by their names. */
  readonly others = new Map<string, unknown>();
  /** Statistics beside the usual ones. */
  statistics: Readonly<Record<string, number>> = {};
  requests = 0;
  dialogs = 0;
  /** Sends an event to a socket of a subscriber; set by the double. */
  deliver: (socket: string, payload: string) => void = () => {};

  constructor(readonly version: Version) {}

  /** Registers so many contacts, one for each AOR. */
  addContacts(count: number, change: (index: number) => Partial<Contact> = () => ({})): void {
    for (let index = 0; index < count; index++) {
      const number = String(this.contacts.length).padStart(6, '0');
      this.#lastId += 1;
      this.contacts.push({
        id: this.#lastId,
        aor: `user${number}`,
        contact: `sip:user${number}@192.0.2.1:5060;transport=udp`,
        expires: 3600,
        callid: `${number}-4711@192.0.2.1`,
        userAgent: 'double/1.0',
        ...change(index),
      });
    }
  }

  raise(event: string, params: unknown): void {
    for (const subscription of this.subscriptions) {
      if (subscription.event !== event) continue;
      if (this.version === '2.4') {
        this.deliver(subscription.socket, printEvent(event, params));
        continue;
      }
      const [, , method] = /^(tcp:[^/]*)\/(.*)$/.exec(subscription.socket) ?? [];
      const fields = params === undefined ? {} : { params };
      this.deliver(subscription.socket, JSON.stringify({ jsonrpc: '2.0', method: method ?? event, ...fields }));
    }
  }
}

export interface Command {
  /** Full name of 4.0. */
  readonly name: string;
  /** Name of 3.4, and of 2.4. */
  readonly alias: string;
  readonly recipes: readonly (readonly string[])[];
  readonly help?: string;
  /** Answers later, from another process. */
  readonly isAsynchronous?: boolean;
  readonly isNamedOnly?: boolean;
  run(params: Readonly<Record<string, unknown>>, state: State): unknown;
}

const ctime = (time: number): string => new Date(time).toUTCString();

const statistics = (state: State): Record<string, number> => ({
  'core:rcv_requests': state.requests,
  'core:rcv_replies': 7,
  'core:drop_requests': 0,
  'shmem:total_size': 67108864,
  'shmem:used_size': 4194304,
  'usrloc:registered_users': new Set(state.contacts.map(({ domain, aor }) => `${domain} ${aor}`)).size,
  'usrloc:location-contacts': state.contacts.length,
  'dialog:active_dialogs': state.dialogs,
  ...state.statistics,
});

/** The domains of `ul_dump`, newest first. */
function domainsOf(contacts: readonly Contact[]): string[] {
  return [...new Set(['location', ...contacts.map(({ domain = 'location' }) => domain)])].reverse();
}

function aorsOf(contacts: readonly Contact[]): (readonly [aor: string, contacts: readonly Contact[]])[] {
  const found = new Map<string, Contact[]>();
  for (const contact of contacts) {
    const there = found.get(contact.aor);
    if (there === undefined) found.set(contact.aor, [contact]);
    else there.push(contact);
  }
  return [...found];
}

/** The ContactID of a contact. */
export function idOf(id: number): string {
  return String(3617797875662073857n + BigInt(id));
}

function contactOf({ id, contact, expires, callid, userAgent, keyValues }: Contact): Record<string, unknown> {
  return {
    Contact: contact,
    ContactID: idOf(id),
    Expires: expires,
    Q: '',
    Callid: callid,
    Cseq: 1,
    'User-agent': userAgent,
    State: 'CS_SYNC',
    Flags: 0,
    Cflags: '',
    Socket: 'udp:192.0.2.9:5060',
    Methods: 4294967295,
    ...(keyValues === undefined ? {} : { 'KV-Store': keyValues }),
  };
}

const commands: readonly Command[] = [
  {
    name: 'core:uptime',
    alias: 'uptime',
    recipes: [[]],
    run: (_params, { started }) => ({
      Now: ctime(Date.now()),
      'Up since': ctime(started),
      'Up time': `${Math.floor((Date.now() - started) / 1000)} [sec]`,
    }),
  },
  {
    name: 'core:version',
    alias: 'version',
    recipes: [[], ['revision']],
    run: ({ revision }, { version }) => {
      const full = version === '4.0' ? '4.0.1' : version === '3.4' ? '3.4.18' : '2.4.11';
      const server = { Server: `OpenSIPS (${full} (x86_64/linux))` };
      return revision === undefined ? server : { ...server, git: '448fdf959' };
    },
  },
  {
    name: 'core:which',
    alias: 'which',
    recipes: [[], ['command']],
    run: ({ command }, { version, lacks, others }) => {
      const own = commands.map((one) => nameIn(version, one)).filter((name) => !lacks.has(name));
      const names = [...own, ...others.keys()];
      if (command === undefined) return names;
      const text = String(command);
      if (version === '4.0' && text.endsWith(':')) return names.filter((name) => name.startsWith(text));
      if (others.has(text)) return [[]];
      const found = find(version, text);
      if (found === undefined) throw new CommandError(404, 'unknown MI command');
      return found.recipes;
    },
  },
  {
    name: 'core:help',
    alias: 'help',
    recipes: [[], ['mi_cmd']],
    run: (params, { version }) => {
      if (params.mi_cmd === undefined) return 'help mi_cmd - returns information about "mi_cmd"';
      const found = find(version, String(params.mi_cmd));
      if (found === undefined) throw new CommandError(404, 'unknown MI command');
      return { Help: found.help ?? 'not available for this command', 'Exported by': found.name.split(':')[0] };
    },
  },
  {
    name: 'core:ps',
    alias: 'ps',
    recipes: [[]],
    run: (_params, { pid }) => ({
      Processes: [
        { ID: 0, PID: pid, Type: 'attendant' },
        { ID: 1, PID: pid + 1, Type: 'MI FIFO' },
        { ID: 2, PID: pid + 2, Type: 'MI Datagram' },
        { ID: 3, PID: pid + 3, Type: 'HTTPD 127.0.0.1:8888' },
        { ID: 4, PID: pid + 4, Type: 'SIP receiver udp:192.0.2.9:5060' },
      ],
    }),
  },
  {
    name: 'core:log_level',
    alias: 'log_level',
    recipes: [[], ['level'], ['level', 'pid']],
    run: ({ level, pid }) => {
      if (level === undefined) return { Processes: [{ PID: 4711, 'Log level': 3, Type: 'attendant' }] };
      // Integers may come as texts, as opensips-cli sends them.
      return { [pid === undefined ? 'New global log level' : 'Log level']: Number(level) };
    },
  },
  {
    name: 'statistics:get',
    alias: 'get_statistics',
    recipes: [['statistics']],
    run: (params, state) => {
      const wanted = [params.statistics ?? []].flat().map(String);
      const found = Object.entries(statistics(state)).filter(([name]) =>
        wanted.some((one) => one === 'all' || name.startsWith(one) || name.endsWith(`:${one}`)),
      );
      if (found.length === 0) throw new CommandError(404, 'Statistics Not Found');
      return Object.fromEntries(found);
    },
  },
  {
    name: 'statistics:list',
    alias: 'list_statistics',
    recipes: [[], ['statistics']],
    run: (_params, state) =>
      Object.fromEntries(
        Object.keys(statistics(state)).map((name) => [name, name.includes('rcv') ? 'incremental' : 'non-incremental']),
      ),
  },
  {
    name: 'usrloc:dump',
    alias: 'ul_dump',
    recipes: [[], ['brief']],
    help: 'dumps the contents of usrloc',
    run: ({ brief }, { contacts }) => ({
      Domains: domainsOf(contacts).map((name) => ({
        name,
        hash_size: 512,
        AORs: aorsOf(contacts.filter(({ domain = 'location' }) => domain === name)).map(([aor, found]) =>
          brief === undefined ? { AOR: aor, Contacts: found.map((one) => contactOf(one)) } : { AOR: aor },
        ),
      })),
    }),
  },
  {
    name: 'usrloc:show_contact',
    alias: 'ul_show_contact',
    recipes: [['table_name', 'aor']],
    run: ({ table_name: table, aor }, { contacts }) => {
      const found = contacts.filter((one) => one.aor === String(aor) && (one.domain ?? 'location') === table);
      if (found.length === 0) throw new CommandError(404, 'AOR not found');
      return { AOR: String(aor), Contacts: found.map((one) => contactOf(one)) };
    },
  },
  {
    name: 'usrloc:rm',
    alias: 'ul_rm',
    recipes: [['table_name', 'aor']],
    run: ({ aor }, state) => {
      const at = state.contacts.findIndex((contact) => contact.aor === String(aor));
      if (at < 0) throw new CommandError(404, 'AOR not found');
      const [gone] = state.contacts.splice(at, 1);
      state.raise('E_UL_CONTACT_DELETE', {
        domain: 'location',
        aor: gone?.aor,
        uri: gone?.contact,
        callid: gone?.callid,
      });
      state.raise('E_UL_AOR_DELETE', { domain: 'location', aor: gone?.aor });
      return 'OK';
    },
  },
  {
    name: 'usrloc:add',
    alias: 'ul_add',
    recipes: [['table_name', 'aor', 'contact', 'expires', 'q', 'unused', 'flags', 'cflags', 'methods']],
    run: ({ aor, contact, expires }, state) => {
      const added = { aor: String(aor), contact: String(contact), expires: Number(expires) };
      state.addContacts(1, () => added);
      state.raise('E_UL_AOR_INSERT', { domain: 'location', aor: added.aor });
      state.raise('E_UL_CONTACT_INSERT', {
        domain: 'location',
        aor: added.aor,
        uri: added.contact,
        received: null,
        path: null,
        qval: '',
        user_agent: 'n/a',
        socket: null,
        bflags: 0,
        expires: added.expires,
        callid: 'dfjrewr12386fd6-343@opensips.mi',
        cseq: 1,
        attr: null,
        latency: 0,
        shtag: null,
      });
      return 'OK';
    },
  },
  {
    name: 'dialog:list',
    alias: 'dlg_list',
    recipes: [[], ['callid'], ['callid', 'from_tag'], ['index', 'counter']],
    isNamedOnly: true,
    run: (_params, { dialogs }) => ({
      Dialogs: Array.from({ length: dialogs }, (_, index) => ({
        hash: `${index}:4711`,
        ID: String(index),
        state: 4,
        callid: `call-${index}@192.0.2.1`,
        from_uri: 'sip:a@example.org',
        to_uri: 'sip:b@example.org',
      })),
    }),
  },
  {
    name: 'evi:subscribe',
    alias: 'event_subscribe',
    recipes: [
      ['event', 'socket'],
      ['event', 'socket', 'expire'],
    ],
    run: ({ event, socket, expire }, state) => {
      const [name, address] = [String(event), String(socket)];
      if (!events.includes(name) || !/^(?:udp|unix|tcp):/.test(address))
        throw new CommandError(400, 'Bad parameter value');
      const at = state.subscriptions.findIndex((one) => one.event === name && one.socket === address);
      if (at >= 0) state.subscriptions.splice(at, 1);
      const seconds = expire === undefined ? 3600 : Number(expire);
      if (seconds > 0) state.subscriptions.push({ event: name, socket: address, expires: seconds });
      return 'OK';
    },
  },
  {
    name: 'evi:subscribers',
    alias: 'subscribers_list',
    recipes: [[], ['event'], ['event', 'socket']],
    run: (_params, { subscriptions }) => ({
      Events: events.map((name, id) => ({
        name,
        id,
        Subscribers: subscriptions
          .filter(({ event }) => event === name)
          .map(({ socket, expires }) => ({ socket, expire: expires, ttl: expires })),
      })),
    }),
  },
  {
    name: 'evi:list',
    alias: 'events_list',
    recipes: [[]],
    run: () => ({ Events: events.map((name, id) => ({ name, id })) }),
  },
  {
    name: 'evi:raise_event',
    alias: 'raise_event',
    recipes: [['event'], ['event', 'params']],
    run: ({ event, params }, state) => {
      const name = String(event);
      if (!events.includes(name)) throw new CommandError(404, 'Unknown event');
      // 4.0 gives each item an empty name.
      const given =
        Array.isArray(params) && state.version === '4.0'
          ? new Raw(`{${params.map((item) => `"":${JSON.stringify(String(item))}`).join(',')}}`)
          : Array.isArray(params)
            ? params.map(String)
            : params;
      if (given instanceof Raw) {
        for (const { socket } of state.subscriptions.filter((one) => one.event === name)) {
          state.deliver(socket, `{"jsonrpc":"2.0","method":${JSON.stringify(name)},"params":${given.text}}`);
        }
      } else state.raise(name, given);
      return 'OK';
    },
  },
  {
    name: 'cache:store',
    alias: 'cache_store',
    recipes: [
      ['system', 'attr', 'value'],
      ['system', 'attr', 'value', 'expire'],
    ],
    run: ({ attr, value }, { caches }) => {
      caches.set(String(attr), String(value));
      return 'OK';
    },
  },
  {
    name: 'cache:fetch',
    alias: 'cache_fetch',
    recipes: [['system', 'attr']],
    run: ({ attr }, { caches }) => {
      const value = caches.get(String(attr));
      if (value === undefined) throw new CommandError(404, 'Attribute not found');
      return { key: String(attr), value };
    },
  },
  {
    name: 'tm:uac_dlg',
    alias: 't_uac_dlg',
    recipes: [['method', 'ruri', 'headers']],
    isAsynchronous: true,
    isNamedOnly: true,
    run: ({ headers }) => ({ Status: '200 OK', Message: typeof headers === 'string' ? headers : '' }),
  },
];

const events = [
  'E_CORE_THRESHOLD',
  'E_UL_AOR_INSERT',
  'E_UL_AOR_DELETE',
  'E_UL_CONTACT_INSERT',
  'E_UL_CONTACT_DELETE',
  'E_UL_CONTACT_UPDATE',
  'E_DLG_STATE_CHANGED',
  'E_SCRIPT_EVENT',
];

export function nameIn(version: Version, { name, alias }: Command): string {
  return version === '4.0' ? name : alias;
}

/** A command by what a request calls it. */
export function find(version: Version, text: string): Command | undefined {
  if (version !== '4.0') return commands.find(({ alias }) => alias === text);
  return commands.find(({ name, alias }) => name === text || alias === text || name.split(':')[1] === text);
}

/** Binds params to a recipe, as OpenSIPS selects it. @throws CommandError -32602 */
export function bind(command: Command, params: unknown): Readonly<Record<string, unknown>> {
  const invalid = (data: string): CommandError => new CommandError(-32602, 'Invalid params', data);
  const isList = Array.isArray(params);
  const values: readonly unknown[] = isList ? params : Object.values((params as object | undefined) ?? {});
  if (isList && values.length > 0 && command.isNamedOnly === true) {
    throw invalid('Command only supports named parameters');
  }
  const fitting = command.recipes.filter((recipe) => recipe.length === values.length);
  const [first, second] = fitting;
  if (first === undefined) throw invalid('Too few or too many parameters');
  if (values.length === 0) return {};
  if (isList) {
    if (second !== undefined) throw invalid('Ambiguous call, use named parameters instead');
    return Object.fromEntries(first.map((name, index) => [name, values[index]]));
  }
  const named = params as Readonly<Record<string, unknown>>;
  if (!fitting.some((recipe) => recipe.every((name) => Object.hasOwn(named, name)))) {
    throw invalid('Named parameters do not match');
  }
  return named;
}
