import { coded } from '../../base/codes.js';
import type { CodedLog } from '../../base/log.js';
import { nearestNames, suggestNames } from '../../base/nearest.js';
import { shorten } from '../../base/text.js';
import { codes, MiAnswer, type MiError } from '../errors.js';
import type { Command } from './command.js';
import type { CallParameters } from './parameters.js';

/** Client text in a message stays short, whatever the client sent. */
const longestShown = 64;

/** A command with the module that exports it and its number in the table. */
export interface CommandEntry {
  readonly number: number;
  readonly command: Command;
  readonly module: string;
  /** `module:command`; of a foreign command `node:NAME/command` */
  readonly fullName: string;
  /** Foreign commands alone: the one that certain parameters mean. */
  readonly route?: Route | undefined;
  /** Foreign commands alone: the module of the other server that exports it. */
  readonly exportedBy?: string | undefined;
}

/**
 * Chooses the command that a call means by its parameters.
 * @throws MiError where they name a server that does not exist
 */
type Route = (given: CallParameters, count: number) => Routed;

/** What a call means. */
interface Routed {
  readonly entry: CommandEntry;
  readonly given: CallParameters;
  readonly count: number;
}

/** Commands that other servers run and this one offers. They come and go while it runs. */
export interface ForeignCommands {
  /** All that are known. The numbers of their entries are none of this server's. */
  readonly entries: readonly CommandEntry[];
  /** Another number after each change. */
  readonly version: number;
  /** True if what a text finds among the commands of this server is found whatever others have. */
  isOurs(text: string): boolean;
  /**
   * The commands that a text finds.
   * @param ours tells what a text finds among the commands of this server
   */
  candidates(text: string, ours: (text: string) => readonly CommandEntry[]): readonly CommandEntry[];
  /** True if a name of a command that they may have fits, whether they are known yet or not. */
  mayHave(name: RegExp): boolean;
  /**
   * Why a text finds no command although it may well be one; undefined: there is none.
   * @param ours tells what the text finds among the commands of this server that the caller is told of
   */
  missing(text: string, ours: () => readonly CommandEntry[]): MiError | undefined;
}

const noEntries: readonly CommandEntry[] = [];

/**
 * All MI commands of a server, in registration order, and the rules by which a method text finds one
 * (docs/compatibility.md, "Names"): `module:command` exactly; a bare local name that only one module
 * has; an alias. A text that fits several commands is ambiguous, -32001.
 */
export class CommandTable {
  readonly #entries: CommandEntry[] = [];
  readonly #full = new Map<string, CommandEntry>();
  readonly #local = new Map<string, CommandEntry[]>();
  readonly #aliases = new Map<string, CommandEntry[]>();
  #foreign: ForeignCommands | undefined;

  /** @throws Error when the module has this command already */
  add(module: string, command: Command): CommandEntry {
    const fullName = `${module}:${command.name}`;
    if (this.#full.has(fullName))
      throw coded(
        'ERR_COMMAND',
        new Error(`MI command ${fullName} is registered twice; give one of them another name`),
      );
    const entry = entryOf(this.#entries.length, command, module);
    this.#entries.push(entry);
    this.#full.set(fullName, entry);
    push(this.#local, command.name, entry);
    for (const alias of command.aliases) push(this.#aliases, alias, entry);
    return entry;
  }

  /**
   * @param modules those whose aliases have to find their command
   * @throws Error naming an alias that another command has too, or is named like: nobody could call it
   */
  checkAliases(modules: ReadonlySet<string>): void {
    for (const entry of this.#entries) {
      if (!modules.has(entry.module)) continue;
      for (const alias of entry.command.aliases) {
        if (this.finds(alias, entry)) continue;
        const other = this.#candidates(alias).find((one) => one !== entry);
        const whose = other === undefined ? 'finds nothing' : `is a name of ${other.fullName}`;
        throw coded(
          'ERR_COMMAND',
          new Error(`alias "${alias}" of MI command ${entry.fullName} ${whose}; leave it out or give another`),
        );
      }
    }
  }

  /** The commands of this server: the index of each is its number. */
  get entries(): readonly CommandEntry[] {
    return this.#entries;
  }

  /** Offers the commands of other servers, too. @throws Error when others are offered already */
  offer(foreign: ForeignCommands): void {
    if (this.#foreign !== undefined)
      throw coded('ERR_COMMAND', new Error('commands of other servers are offered already'));
    this.#foreign = foreign;
  }

  /** True if commands may come that are not there yet. */
  get isOpen(): boolean {
    return this.#foreign !== undefined;
  }

  /** True if a command of others may come to be that fits by its name. */
  mayCome(name: RegExp): boolean {
    return this.#foreign?.mayHave(name) === true;
  }

  /** The commands of this server, then those of others. */
  get all(): readonly CommandEntry[] {
    return this.#foreign === undefined ? this.#entries : [...this.#entries, ...this.#foreign.entries];
  }

  /** Another number after each change of {@link all}. */
  get version(): number {
    return this.#foreign?.version ?? 0;
  }

  /** The full names, then the flat names, each in registration order and each once. */
  get names(): readonly string[] {
    return this.namesOf(this.all);
  }

  /** The same of some commands. Those of others are listed by the name that finds them. */
  namesOf(entries: readonly CommandEntry[]): readonly string[] {
    const ours = entries.filter(({ command }) => !command.isForeign);
    const names = [...ours.map(({ fullName }) => fullName), ...entries.map((entry) => this.flatName(entry))];
    return [...new Set(names)];
  }

  /**
   * The name without a module that finds this command, as those of OpenSIPS 3.x did: its alias, else its local
   * name, else, where that is another's too, the full name.
   */
  flatName(entry: CommandEntry): string {
    if (entry.command.isForeign) return this.finds(entry.command.name, entry) ? entry.command.name : entry.fullName;
    const name = this.ownFlatName(entry);
    return this.finds(name, entry) ? name : entry.fullName;
  }

  /** As {@link flatName}, among the commands of this server alone. */
  ownFlatName({ command, fullName }: CommandEntry): string {
    const name = command.aliases[0] ?? command.name;
    return this.#ours(name).length === 1 ? name : fullName;
  }

  /** Every text that finds exactly one command of this server, with its number. */
  methods(): ReadonlyMap<string, number> {
    const methods = new Map<string, number>();
    for (const text of [...this.#full.keys(), ...this.#local.keys(), ...this.#aliases.keys()]) {
      const [entry, another] = this.#candidates(text);
      if (entry !== undefined && another === undefined && !entry.command.isForeign) methods.set(text, entry.number);
    }
    return methods;
  }

  /** Those of {@link methods} that find the same for as long as the server runs: what the request scanner is given. */
  lastingMethods(): ReadonlyMap<string, number> {
    const foreign = this.#foreign;
    const methods = this.methods();
    return foreign === undefined ? methods : new Map([...methods].filter(([text]) => foreign.isOurs(text)));
  }

  /**
   * @param visible gives the commands that the caller is told of; it is only asked when there is something to tell
   * @throws MiError -32601 with the nearest names, or -32001 with the full names that fit
   */
  find(method: string, visible: () => readonly CommandEntry[]): CommandEntry {
    const [entry, another] = this.#candidates(method);
    if (entry === undefined) {
      const missing = this.#foreign?.missing(method, () => {
        const told = visible();
        return this.#ours(method).filter((one) => told.includes(one));
      });
      throw missing ?? new MiAnswer(codes.methodNotFound, undefined, this.#explainUnknown(method, visible()));
    }
    if (another === undefined) return entry;
    const told = visible();
    const names = this.#candidates(method)
      .filter((one) => told.includes(one))
      .map(({ fullName }) => fullName);
    const hint = names.length === 0 ? '`which` lists all commands' : `supported names: ${names.join(', ')}`;
    throw new MiAnswer(codes.methodAmbiguous, undefined, hint);
  }

  /** True if a text finds this command. */
  finds(method: string, entry: CommandEntry): boolean {
    const [found, another] = this.#candidates(method);
    return found === entry && another === undefined;
  }

  #candidates(method: string): readonly CommandEntry[] {
    return this.#foreign === undefined ? this.#ours(method) : this.#foreign.candidates(method, this.#ours);
  }

  readonly #ours = (method: string): readonly CommandEntry[] => {
    const colon = method.indexOf(':', 1);
    if (colon !== -1 && colon < method.length - 1) {
      const entry = this.#full.get(method);
      return entry === undefined ? (this.#aliases.get(method) ?? noEntries) : [entry];
    }
    return this.#local.get(method) ?? this.#aliases.get(method) ?? noEntries;
  };

  #explainUnknown(method: string, visible: readonly CommandEntry[]): string {
    const [module] = method.split(':', 1);
    const known = opensipsCommand(method);
    if (
      known !== undefined &&
      this.#foreign === undefined &&
      !this.#entries.some((entry) => method.includes(':') && entry.module === module)
    ) {
      return known;
    }
    if (method.includes(':') && !this.#entries.some((entry) => entry.module === module)) {
      return `no module "${shorten(module ?? '', longestShown, '…')}" is loaded`;
    }
    const near = nearestNames(method, this.namesOf(visible));
    const hint = near.length === 0 ? '`which` lists all commands' : `nearest: ${near.join(', ')}`;
    return `no MI command "${shorten(method, longestShown, '…')}"; ${hint}`;
  }
}

/** The entry of a command of this server. One that only tells without parameters is chosen by them. */
function entryOf(number: number, command: Command, module: string): CommandEntry {
  const fullName = `${module}:${command.name}`;
  const plain: CommandEntry = { number, command, module, fullName, route: undefined };
  const { reading } = command;
  if (reading === undefined) return plain;
  const reader = { ...plain, command: reading.reader };
  const route: Route = (given, count) => ({ entry: count === 0 ? reader : plain, given, count });
  return { ...plain, command: reading.listed, route };
}

function push(map: Map<string, CommandEntry[]>, name: string, entry: CommandEntry): void {
  const entries = map.get(name);
  if (entries === undefined) map.set(name, [entry]);
  else if (!entries.includes(entry)) entries.push(entry);
}

/**
 * Commands named by patterns, `usrloc:*, ul_dump, core:log_*`: full names, local names or aliases, `*` for any characters.
 */
export class CommandList {
  readonly #numbers = new Set<number>();
  readonly #expressions: readonly RegExp[];
  /** Commands of other servers come later. */
  readonly #foreign = new WeakMap<CommandEntry, boolean>();

  /**
   * @param unknown told of a pattern that fits no command that is known, where others may come
   * @throws Error naming the pattern that fits no command, which would otherwise protect nothing
   */
  constructor(what: string, text: string, table: CommandTable, unknown: (pattern: string) => void = () => {}) {
    const { entries, names, isOpen } = table;
    const expressions: RegExp[] = [];
    this.#expressions = expressions;
    for (const pattern of text.split(',').map((item) => item.trim())) {
      const expression = commandPattern(pattern);
      expressions.push(expression);
      const found = entries.filter((entry) => namesOf(entry).some((name) => expression.test(name)));
      if (found.length === 0 && isOpen) {
        if (!table.mayCome(expression)) unknown(pattern);
      } else if (found.length === 0) {
        throw coded(
          'ERR_COMMAND',
          new Error(
            `${what} has ${JSON.stringify(pattern)}, which fits no MI command: ${suggestNames(pattern, 'known', names)}`,
          ),
        );
      }
      for (const { number } of found) this.#numbers.add(number);
    }
  }

  has(entry: CommandEntry): boolean {
    if (!entry.command.isForeign) return this.#numbers.has(entry.number);
    const known = this.#foreign.get(entry);
    if (known !== undefined) return known;
    const names = namesOf(entry);
    const isListed = this.#expressions.some((expression) => names.some((name) => expression.test(name)));
    this.#foreign.set(entry, isListed);
    return isListed;
  }
}

/** Tells of a pattern that fits no command that is known, where others may come. */
export function tellUnknownCommands(log: CodedLog, parameter: string, pattern: string): void {
  log.warn(
    { code: 'commands-unknown', parameter, pattern },
    `parameter ${parameter} has ${JSON.stringify(pattern)}, which fits no command that is known; it counts for one that comes`,
  );
}

/** The names that a pattern fits, with `*` for any characters. */
export function commandPattern(pattern: string): RegExp {
  return new RegExp(`^${pattern.split('*').map(escapeText).join('.*')}$`);
}

function namesOf({ fullName, command }: CommandEntry): readonly string[] {
  return [fullName, command.name, ...command.aliases];
}

function escapeText(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** Commands of OpenSIPS' modules that are not always there, by the names that they have without a module; of usrloc, which may be loaded, by all. */
const byModule: Readonly<Record<string, string>> = {
  aaa_diameter: 'fd_log_level',
  auth_aka: 'aka_av_add aka_av_drop aka_av_drop_all aka_av_fail',
  b2b_entities:
    'b2be_list ua_session_client_start ua_session_list ua_session_reply ua_session_terminate ua_session_update',
  b2b_logic: 'b2b_bridge b2b_list b2b_terminate_call b2b_trigger_scenario',
  b2b_sca: 'sca_list',
  benchmark: 'bm_enable_global bm_enable_timer bm_granularity bm_loglevel bm_poll_results',
  blacklists: 'add_blacklist_rule check_blacklist check_blacklists del_blacklist_rule list_blacklists',
  cachedb_local: 'cache_fetch_chunk cache_remove_chunk',
  cachedb_redis: 'redis_cluster_info redis_cluster_refresh redis_ping_nodes',
  call_center:
    'cc_agent_login cc_dispatch_call_to_agent cc_internal_call_dispatching cc_list_agents cc_list_calls cc_list_flows cc_list_queue cc_reload cc_reset_stats',
  callops: 'call_hold call_transfer call_unhold',
  carrierroute:
    'cr_activate_host cr_add_host cr_deactivate_host cr_delete_host cr_dump_routes cr_reload_routes cr_replace_host',
  cfgutils: 'check_config_hash get_config_hash rand_get_prob rand_reset_prob rand_set_prob shv_get shv_set',
  clusterer:
    'cluster_broadcast_mi cluster_send_mi clusterer_list clusterer_list_cap clusterer_list_shtags clusterer_list_topology clusterer_reload clusterer_remove_node clusterer_set_cap_status clusterer_set_status clusterer_shtag_set_active',
  config: 'config_flush config_list config_push config_push_bulk config_reload',
  core: 'reload_routes xlog_level',
  cpl_c: 'GET_CPL LOAD_CPL REMOVE_CPL',
  db_berkeley: 'bdb_reload',
  db_flatstore: 'flat_rotate',
  db_text: 'dbt_dump dbt_reload',
  db_virtual: 'db_get db_set',
  dialog:
    'dlg_cluster_sync dlg_db_sync dlg_end_dlg dlg_list dlg_list_ctx dlg_push_var dlg_restore_db dlg_send_sequential list_all_profiles profile_end_dlgs profile_get_size profile_get_values profile_list_dlgs',
  dialplan: 'dp_reload dp_show_partition dp_translate',
  dispatcher: 'ds_list ds_push_script_attrs ds_reload ds_set_state',
  domain: 'domain_dump domain_reload',
  drouting: 'dr_carrier_status dr_enable_probing dr_gw_status dr_number_routing dr_reload dr_reload_status',
  event_flatstore: 'evi_flat_rotate',
  fraud_detection: 'fraud_reload show_fraud_stats',
  freeswitch_scripting: 'fs_list fs_reload fs_subscribe fs_unsubscribe',
  gflags: 'get_gflags is_gflag reset_gflag set_gflag',
  imc: 'imc_list_members imc_list_rooms',
  load_balancer: 'lb_list lb_reload lb_resize lb_status',
  lua: 'watch',
  media_exchange:
    'media_exchange_from_call_to_uri media_exchange_from_call_to_uri_body media_fork_from_call_to_uri media_terminate',
  mem: 'mem_pkg_dump mem_rpm_dump mem_shm_check mem_shm_dump shm_check',
  mqueue: 'mq_fetch mq_get_size mq_get_sizes',
  msrp: 'msrp_trace',
  msrp_gateway: 'msrp_gw_end_session msrp_gw_list_sessions',
  msrp_ua: 'msrp_ua_end_session msrp_ua_list_sessions msrp_ua_send_message msrp_ua_start_session',
  nathelper: 'nh_enable_ping',
  permissions: 'address_dump address_reload allow_uri subnet_dump',
  pi_http: 'pi_reload_tbls_and_cmds',
  pike: 'pike_list pike_rm',
  presence: 'cleanup pres_expose pres_phtable_list refresh_watchers subs_phtable_list',
  presence_callinfo: 'sca_list_lines sca_release_line sca_set_log_level',
  presence_dfks: 'dfks_set_feature',
  pua_mi: 'pua_publish pua_subscribe',
  qrouting: 'qr_disable_dst qr_enable_dst qr_reload qr_status',
  rate_cacher:
    'rc_addClient rc_addVendor rc_deleteClient rc_deleteClientRate rc_deleteVendor rc_deleteVendorRate rc_getClientPrice rc_getVendorPrice rc_reloadClientRate rc_reloadVendorRate',
  ratelimit: 'rl_dump_pipe rl_get_pid rl_list rl_reset_pipe rl_set_pid',
  regex: 'regex_match regex_match_group regex_reload',
  rls: 'rls_update_subscriptions',
  rtp_relay: 'rtp_relay_list rtp_relay_update rtp_relay_update_callid',
  rtpengine: 'rtpengine_enable rtpengine_reload rtpengine_show teardown',
  rtpproxy: 'rtpproxy_enable rtpproxy_reload rtpproxy_show',
  sipcapture: 'sip_capture',
  sockets_mgm: 'sockets_list sockets_reload',
  sql_cacher: 'sql_cacher_reload',
  stir_shaken: 'stir_shaken_ca_reload stir_shaken_crl_reload',
  tcp: 'list_tcp_conns tcp_trace',
  tcp_mgm: 'tcp_list_profiles tcp_reload',
  tls: 'tls_trace',
  tls_mgm: 'tls_list tls_reload',
  tm: 't_hash t_reply t_uac_cancel t_uac_dlg',
  tracer: 'trace trace_start trace_stop',
  trie: 'trie_number_delete trie_number_upsert trie_reload trie_reload_status trie_search',
  uac_registrant: 'reg_delete reg_disable reg_enable reg_force_register reg_list reg_reload reg_upsert',
  userblacklist: 'reload_blacklist',
  usrloc:
    'ul_add ul_cluster_sync ul_dump ul_flush ul_rm ul_rm_contact ul_show_contact ul_sync add add_many cluster_sync dump find flush rm rm_contact show_contact sync',
  ws: 'ws_trace',
  wss: 'wss_trace',
  xcap_client: 'refreshXcapDoc',
};

const modules: ReadonlyMap<string, string> = new Map(
  Object.entries(byModule).flatMap(([module, names]) => names.split(' ').map((name) => [name, module] as const)),
);

/** Modules of these that this server has, if it is told to load them. */
const loadable: ReadonlySet<string> = new Set(['usrloc']);

/** True for the name of a command that OpenSIPS has, and this server may not have. */
export function isOfOpensips(name: string): boolean {
  return opensipsCommand(name) !== undefined;
}

/**
 * Tells of a command that this server does not have, and OpenSIPS does; undefined: OpenSIPS has no such command either.
 *
 * @param method a name with or without its module
 */
function opensipsCommand(method: string): string | undefined {
  const [module = '', local] = method.split(':', 2);
  if (local !== undefined) return Object.hasOwn(byModule, module) ? explained(module, method) : undefined;
  const found = modules.get(method);
  return found === undefined ? undefined : explained(found, method);
}

function explained(module: string, given: string): string {
  const method = shorten(given, 64, '…');
  if (loadable.has(module))
    return `${method} is of module ${module}, which is not loaded; add loadmodule "${module}.so"`;
  return `${method} is a command of OpenSIPS (${module}), which only a SIP server has; \`which\` lists those served here`;
}
