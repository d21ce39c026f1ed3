import { type CheckedConfig, checkConfig, createConfiguredServer } from '#src/cli/configured-server.js';
import { parseConfig } from '#src/config/statements.js';
import type { Server } from '#src/server.js';
import type { Recording } from './recording.js';

/** The modules of the recorded servers, in their load order; those that are none of ours are ignored. */
const modules: Readonly<Record<Recording['version'], readonly string[]>> = {
  '2.4': ['usrloc', 'cachedb_local', 'event_datagram', 'httpd', 'mi_http', 'mi_json'],
  '3.4': ['usrloc', 'cachedb_local', 'event_datagram', 'httpd', 'mi_http', 'mi_html', 'prometheus'],
  '4.0': ['usrloc', 'cachedb_local', 'event_datagram', 'httpd', 'mi_http', 'mi_html', 'prometheus'],
};

type Parameters = readonly (readonly [module: string, name: string, value: string | number])[];

const metrics = ['prometheus', 'statistics', 'load: core: processes_number registered_users active_dialogs'] as const;

const usual: Readonly<Record<Recording['version'], Parameters>> = {
  '2.4': [
    ['mi_http', 'mi_http_root', 'mi_html'],
    ['mi_json', 'mi_json_root', 'json'],
  ],
  '3.4': [['mi_html', 'root', 'mi_html'], metrics],
  '4.0': [['mi_html', 'root', 'mi_html'], metrics, ['usrloc', 'use_domain', 1]],
};

/** The parameters that the recorded configurations set beside the usual ones. */
function parametersOf(config: string, files: TlsFiles | undefined): Parameters {
  switch (config) {
    case 'default':
    case 'cli':
      return [];
    case 'pretty':
      return [['mi_http', 'pretty_printing', 1]];
    case 'post4k':
      return [['httpd', 'post_buf_size', 4096]];
    case 'post64k':
      return [['httpd', 'post_buf_size', 65536]];
    case 'recv1k':
      return [['httpd', 'receive_buf_size', 1024]];
    case 'recv1m':
      return [['httpd', 'receive_buf_size', 1048576]];
    case 'buf1k':
      return [['httpd', 'buf_size', 1024]];
    case 'buf4k':
      return [['httpd', 'buf_size', 4096]];
    case 'roots':
      return [
        ['mi_http', 'root', 'json_rpc'],
        ['mi_html', 'root', 'web1'],
      ];
    case 'tls':
      return [
        ['httpd', 'tls_cert_file', files?.certificate ?? 'certificate.pem'],
        ['httpd', 'tls_key_file', files?.key ?? 'key.pem'],
      ];
    case 'auth':
    case 'authrealm':
      return [
        ['httpd', 'auth_username', 'admin'],
        ['httpd', 'auth_password', 's3cret:x'],
        ...(config === 'authrealm' ? ([['httpd', 'auth_realm', 'My Realm']] as const) : []),
      ];
    case 'timeout2':
      return [['httpd', 'conn_timeout', 2]];
    default:
      throw new Error(`the configuration "${config}" of the recordings is not known here`);
  }
}

export interface TlsFiles {
  readonly certificate: string;
  readonly key: string;
  /** Directory of both, to be removed in the end. */
  readonly place: string;
}

/** A server as the recorded one was set, or the part that this build lacks for it. */
export interface Prepared {
  readonly checked: CheckedConfig;
  /** Modules of the recorded server that this build has not. */
  readonly missing: readonly string[];
  /** Why the configuration is refused; empty where it is good. */
  readonly refused: readonly string[];
}

/** Reads the configuration that an operator of the recorded server has. */
export async function prepare(version: Recording['version'], config: string, files?: TlsFiles): Promise<Prepared> {
  const quoted = (value: string | number): string => (typeof value === 'number' ? String(value) : `"${value}"`);
  const lines = [
    'log_level = 1',
    'mpath = "/usr/lib/opensips/modules/"',
    ...modules[version].map((name) => `loadmodule "${name}.so"`),
    'modparam("httpd", "ip", "127.0.0.1")',
    'modparam("httpd", "port", 0)',
    ...[...usual[version], ...parametersOf(config, files)].map(
      ([module, name, value]) => `modparam("${module}", "${name}", ${quoted(value)})`,
    ),
  ];
  const checked = await checkConfig(parseConfig(lines.join('\n')));
  return {
    checked,
    missing: checked.ignored.map(({ name }) => name),
    refused: checked.errors.map(({ text }) => text),
  };
}

/** Starts a prepared server that keeps to itself: it logs nothing, and `kill` does nothing. */
export async function startPrepared({ checked }: Prepared): Promise<Server> {
  const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  return createConfiguredServer(checked, { log: silent, kill: () => {} }).start();
}
