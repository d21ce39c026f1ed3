import { coded } from '../../base/codes.js';
import type { Level } from '../../mi/commands/command.js';
import { commandPattern } from '../../mi/commands/command-table.js';
import type { CallParameters } from '../../mi/commands/parameters.js';

/**
 * The effect of a command on the SIP server: `read` tells, `operate` changes what it serves, `admin` changes the server itself,
 * `destructive` ends it, or ends or deletes much at once.
 */
const classes = ['read', 'operate', 'admin', 'destructive'] as const;

type Class = (typeof classes)[number];

/** The commands of a module: of each class the names, parted by blanks. */
type ModuleCommands = Partial<Readonly<Record<Class, string>>>;

/**
 * All MI commands of OpenSIPS 2.4 to 4.0, as the documentation of its modules lists them. A name is that of 2.x and 3.x; where
 * 4.0 has another local name, it follows behind `=`. Marks follow behind the name of 2.x and 3.x:
 *
 * - `*`: the reply may be long, so that no datagram asks for it;
 * - `~`: it answers later, when SIP has;
 * - `?2`: with up to two parameters it only reads; `?status`: by name, without `status`, or with no parameters, it only reads.
 */
const commandsByModule: Readonly<Record<string, ModuleCommands>> = {
  aaa_diameter: { admin: 'fd_log_level' },
  auth_aka: { operate: 'aka_av_add=av_add aka_av_drop=av_drop aka_av_drop_all=av_drop_all aka_av_fail=av_fail' },
  b2b_entities: {
    read: 'b2be_list*=list ua_session_list*',
    operate: 'ua_session_client_start ua_session_update ua_session_reply ua_session_terminate',
  },
  b2b_logic: {
    read: 'b2b_list*=list',
    operate: 'b2b_trigger_scenario=trigger_scenario b2b_bridge=bridge b2b_terminate_call=terminate_call',
  },
  b2b_sca: { read: 'sca_list*=list' },
  benchmark: {
    operate: 'bm_poll_results=poll_results',
    admin:
      'bm_enable_global=enable_global bm_enable_timer=enable_timer bm_granularity=granularity bm_loglevel=loglevel',
  },
  blacklists: {
    read: 'list_blacklists*=list check_blacklists=check_all check_blacklist=check',
    operate: 'add_blacklist_rule=add_rule del_blacklist_rule=del_rule',
  },
  cache: { read: 'cache_fetch=fetch', operate: 'cache_store=store cache_remove=remove' },
  cachedb_local: { read: 'cache_fetch_chunk*=fetch_chunk', operate: 'cache_remove_chunk=remove_chunk' },
  cachedb_redis: { read: 'redis_cluster_info redis_ping_nodes', operate: 'redis_cluster_refresh' },
  call_center: {
    read: 'cc_list_queue*=list_queue cc_list_flows*=list_flows cc_list_agents*=list_agents cc_list_calls*=list_calls',
    operate:
      'cc_reload=reload cc_agent_login=agent_login cc_reset_stats=reset_stats ' +
      'cc_dispatch_call_to_agent=dispatch_call_to_agent cc_internal_call_dispatching?0=internal_call_dispatching',
  },
  callops: { operate: 'call_transfer=transfer call_hold=hold call_unhold=unhold' },
  carrierroute: {
    read: 'cr_dump_routes*=dump_routes',
    operate:
      'cr_reload_routes=reload_routes cr_replace_host=replace_host cr_deactivate_host=deactivate_host ' +
      'cr_activate_host=activate_host cr_add_host=add_host cr_delete_host=delete_host',
  },
  cfgutils: {
    read: 'rand_get_prob get_config_hash check_config_hash shv_get*',
    operate: 'rand_set_prob rand_reset_prob shv_set',
  },
  clusterer: {
    read:
      'clusterer_list*=list clusterer_list_topology*=list_topology clusterer_list_cap*=list_cap ' +
      'clusterer_list_shtags=list_shtags',
    admin:
      'clusterer_reload=reload clusterer_set_status=set_status cluster_send_mi=send_mi cluster_broadcast_mi=broadcast_mi ' +
      'clusterer_set_cap_status=set_cap_status clusterer_shtag_set_active=shtag_set_active',
    destructive: 'clusterer_remove_node=remove_node',
  },
  config: {
    read: 'config_list*=list',
    admin: 'config_reload=reload config_push=push config_push_bulk=push_bulk config_flush=flush',
  },
  core: {
    read: 'uptime version pwd arg which* help ps* pi_list*',
    admin:
      'log_level?0 xlog_level?0 log_level_filter?1 log_mute_state?1 reload_routes profiling_proc?level debug?0 pi_reload',
    destructive: 'kill',
  },
  cpl_c: { read: 'GET_CPL*=get', operate: 'LOAD_CPL=load REMOVE_CPL=remove' },
  db_berkeley: { operate: 'bdb_reload=reload' },
  db_flatstore: { operate: 'flat_rotate=rotate' },
  db_text: { operate: 'dbt_dump=dump dbt_reload=reload' },
  db_virtual: { read: 'db_get=get', admin: 'db_set=set' },
  dialog: {
    read: 'dlg_list*=list dlg_list_ctx*=list_ctx profile_get_size profile_list_dlgs* profile_get_values* list_all_profiles*',
    operate:
      'dlg_end_dlg=end_dlg dlg_db_sync=db_sync dlg_cluster_sync=cluster_sync dlg_push_var=push_var ' +
      'dlg_send_sequential~=send_sequential set_profile unset_profile',
    destructive: 'dlg_restore_db=restore_db profile_end_dlgs',
  },
  dialplan: { read: 'dp_translate=translate dp_show_partition*=show_partition', operate: 'dp_reload=reload' },
  dispatcher: {
    read: 'ds_list*=list',
    operate: 'ds_set_state=set_state ds_reload=reload ds_push_script_attrs=push_script_attrs',
  },
  domain: { read: 'domain_dump*=dump', operate: 'domain_reload=reload' },
  drouting: {
    read: 'dr_number_routing=number_routing dr_reload_status=reload_status',
    operate:
      'dr_reload=reload dr_gw_status*?status=gw_status dr_carrier_status*?status=carrier_status ' +
      'dr_enable_probing?0=enable_probing',
  },
  event_flatstore: { operate: 'evi_flat_rotate=rotate' },
  evi: {
    read: 'events_list*=list subscribers_list*=subscribers',
    operate: 'event_subscribe=subscribe raise_event=raise',
  },
  fraud_detection: { read: 'show_fraud_stats=show_stats', operate: 'fraud_reload=reload' },
  freeswitch_scripting: {
    read: 'fs_list=list',
    operate: 'fs_subscribe=subscribe fs_unsubscribe=unsubscribe fs_reload=reload',
  },
  gflags: { read: 'is_gflag=check get_gflags=get', operate: 'set_gflag=set reset_gflag=reset' },
  httpd: { read: 'httpd_list_root_path=list_root_path' },
  imc: { read: 'imc_list_rooms*=list_rooms imc_list_members*=list_members' },
  load_balancer: { read: 'lb_list*=list', operate: 'lb_reload=reload lb_resize=resize lb_status?1=status' },
  lua: { operate: 'watch?0' },
  media_exchange: {
    operate:
      'media_fork_from_call_to_uri=fork_from_call_to_uri media_exchange_from_call_to_uri=from_call_to_uri ' +
      'media_exchange_from_call_to_uri_body=from_call_to_uri_body media_terminate=terminate',
  },
  mem: {
    admin: 'mem_pkg_dump=pkg_dump mem_shm_dump=shm_dump mem_rpm_dump=rpm_dump',
    destructive: 'shm_check mem_shm_check=shm_check',
  },
  mqueue: { read: 'mq_get_sizes=get_sizes mq_get_size=get_size', operate: 'mq_fetch*=fetch' },
  msrp: { admin: 'msrp_trace?0=trace' },
  msrp_gateway: { read: 'msrp_gw_list_sessions*=list_sessions', operate: 'msrp_gw_end_session=end_session' },
  msrp_ua: {
    read: 'msrp_ua_list_sessions*=list_sessions',
    operate: 'msrp_ua_send_message=send_message msrp_ua_end_session=end_session msrp_ua_start_session=start_session',
  },
  nathelper: { operate: 'nh_enable_ping?0=enable_ping' },
  permissions: { read: 'address_dump* subnet_dump* allow_uri', operate: 'address_reload' },
  pi_http: { admin: 'pi_reload_tbls_and_cmds=reload_tbls_and_cmds' },
  pike: { read: 'pike_list*=list', operate: 'pike_rm=rm' },
  presence: {
    read: 'pres_phtable_list*=phtable_list subs_phtable_list*',
    operate: 'refreshWatchers=refresh_watchers refresh_watchers pres_expose=expose',
    destructive: 'cleanup',
  },
  presence_callinfo: {
    read: 'sca_list_lines*=list_lines',
    operate: 'sca_release_line=release_line',
    admin: 'sca_set_log_level?0=set_log_level',
  },
  presence_dfks: { operate: 'dfks_set_feature=set_feature' },
  pua_mi: { operate: 'pua_publish~=publish pua_subscribe=subscribe' },
  qrouting: {
    read: 'qr_status*=status',
    operate: 'qr_reload=reload qr_disable_dst=disable_dst qr_enable_dst=enable_dst',
  },
  rate_cacher: {
    read: 'rc_getVendorPrice=getVendorPrice rc_getClientPrice=getClientPrice',
    operate:
      'rc_addVendor=addVendor rc_deleteVendor=deleteVendor rc_reloadVendorRate=reloadVendorRate ' +
      'rc_deleteVendorRate=deleteVendorRate rc_addClient=addClient rc_deleteClient=deleteClient ' +
      'rc_reloadClientRate=reloadClientRate rc_deleteClientRate=deleteClientRate',
  },
  ratelimit: {
    read: 'rl_list*=list rl_get_pid=get_pid rl_dump_pipe*=dump_pipe rl_bin_status',
    operate: 'rl_reset_pipe=reset_pipe rl_set_pid=set_pid',
  },
  regex: { read: 'regex_match=match regex_match_group=match_group', operate: 'regex_reload=reload' },
  rls: { operate: 'rls_update_subscriptions=update_subscriptions' },
  rtp_relay: {
    read: 'rtp_relay_list*=list',
    operate: 'rtp_relay_update~=update rtp_relay_update_callid~=update_callid',
  },
  rtpengine: {
    read: 'rtpengine_show*=show',
    operate: 'rtpengine_enable=enable rtpengine_reload=reload teardown',
  },
  rtpproxy: { read: 'rtpproxy_show*=show', operate: 'rtpproxy_enable=enable rtpproxy_reload=reload' },
  sipcapture: { admin: 'sip_capture?0=capture' },
  siptrace: { admin: 'sip_trace?1' },
  sockets_mgm: { read: 'sockets_list*=list', operate: 'sockets_reload=reload' },
  sql_cacher: { operate: 'sql_cacher_reload=reload' },
  statistics: {
    read: 'get_statistics*=get list_statistics*=list',
    operate: 'reset_statistics=reset reset_all_statistics=reset_all',
  },
  status_report: {
    read: 'sr_get_status=get sr_list_status*=status sr_list_reports*=reports sr_list_identifiers*=identifiers',
  },
  stir_shaken: { operate: 'stir_shaken_ca_reload=ca_reload stir_shaken_crl_reload=crl_reload' },
  tcp: { read: 'list_tcp_conns*=list', operate: 'tcp_close=close', admin: 'tcp_trace?0=trace' },
  tcp_mgm: { read: 'tcp_list_profiles*', operate: 'tcp_reload=reload' },
  tls: { admin: 'tls_trace?0=trace' },
  tls_mgm: { read: 'tls_list*=list', operate: 'tls_reload=reload' },
  tm: { read: 't_hash*=hash', operate: 't_uac_dlg~=uac_dlg t_uac_cancel=uac_cancel t_reply=reply' },
  tracer: { admin: 'trace?mode trace_start=start trace_stop=stop' },
  trie: {
    read: 'trie_search=search trie_reload_status=reload_status',
    operate: 'trie_reload=reload trie_number_delete=number_delete trie_number_upsert=number_upsert',
  },
  uac_registrant: {
    read: 'reg_list*=list',
    operate:
      'reg_reload=reload reg_enable=enable reg_disable=disable reg_force_register=force_register reg_upsert=upsert ' +
      'reg_delete=delete',
  },
  userblacklist: { operate: 'reload_blacklist=reload' },
  usrloc: {
    read: 'ul_dump*=dump ul_show_contact*=show_contact',
    operate: 'ul_add=add ul_rm=rm ul_rm_contact=rm_contact ul_flush=flush ul_sync=sync ul_cluster_sync=cluster_sync',
  },
  ws: { admin: 'ws_trace?0=trace' },
  wss: { admin: 'wss_trace?0=trace' },
  xcap_client: { operate: 'refreshXcapDoc' },
};

/** When a command that changes something only reads. */
type Reading = { readonly upTo: number } | { readonly without: string };

/** A command as it is known before OpenSIPS is asked. */
export interface KnownCommand {
  readonly module: string;
  /** Of 2.x and 3.x: an alias in 4.0. */
  readonly flat: string;
  /** Of 4.0, `module:command`. */
  readonly full: string;
  readonly level: Level;
  /** True if it changes nothing, whatever its parameters. */
  readonly isReadOnly: boolean;
  /** True if what it ends or deletes does not come back. */
  readonly isDestructive: boolean;
  readonly reading: Reading | undefined;
  readonly isLarge: boolean;
  readonly isAsynchronous: boolean;
}

const known = new Map<string, KnownCommand>();

for (const [module, commands] of Object.entries(commandsByModule)) {
  for (const effect of classes) {
    for (const word of commands[effect]?.split(' ') ?? []) {
      const one = read(module, effect, word);
      known.set(one.flat, one);
      known.set(one.full, one);
    }
  }
}

function read(module: string, effect: Class, word: string): KnownCommand {
  const [marked = '', local] = word.split('=', 2);
  const [named = '', when] = marked.split('?', 2);
  const isLarge = named.endsWith('*');
  const isAsynchronous = named.endsWith('~');
  const flat = isLarge || isAsynchronous ? named.slice(0, -1) : named;
  const isDestructive = effect === 'destructive';
  const level = isDestructive ? 'admin' : effect;
  const upTo = Number(when);
  const reading = when === undefined ? undefined : Number.isNaN(upTo) ? { without: when } : { upTo };
  const full = `${module}:${local ?? flat}`;
  return { module, flat, full, level, isReadOnly: effect === 'read', isDestructive, reading, isLarge, isAsynchronous };
}

/** A command by its name of 2.x, 3.x or 4.0. */
export function knownCommand(name: string): KnownCommand | undefined {
  return known.get(name);
}

/** All names of 2.x, 3.x and 4.0. */
export const knownNames: readonly string[] = [...known.keys()];

/** True if a call of a command that changes something only reads. */
export function onlyReads(reading: Reading, given: CallParameters, count: number): boolean {
  if ('upTo' in reading) return count <= reading.upTo;
  if (given === undefined || count === 0) return true;
  return !Array.isArray(given) && !Object.hasOwn(given, reading.without);
}

const levelNames: Readonly<Record<string, Level>> = {
  read: 'read',
  operate: 'operate',
  admin: 'admin',
  destructive: 'admin',
};

/** Levels that the operator sets. */
export interface LevelRule {
  /** As it is written. */
  readonly pattern: string;
  readonly fits: RegExp;
  readonly level: Level;
  /** True for commands that are declared to change nothing. */
  readonly isReading: boolean;
  readonly isDestructive: boolean;
}

/**
 * Reads the parameter `levels`: `dlg_end_dlg=admin, my_*=read`.
 * @throws Error naming the item that is none
 */
export function levelRules(text: string): readonly LevelRule[] {
  const items = text.split(',').map((item) => item.trim());
  return items.map((item) => {
    const [pattern = '', word = '', more] = item.split('=').map((part) => part.trim());
    const level = levelNames[word];
    if (pattern === '' || level === undefined || more !== undefined) {
      throw coded(
        'ERR_PARAMETER',
        new Error(
          `${JSON.stringify(item)} is no level of commands; give NAME=LEVEL, where LEVEL is read, operate, admin or destructive`,
        ),
      );
    }
    const fits = commandPattern(pattern);
    return { pattern, fits, level, isReading: word === 'read', isDestructive: word === 'destructive' };
  });
}
