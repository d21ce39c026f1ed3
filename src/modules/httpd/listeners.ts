import { resolve } from 'node:path';
import { coded } from '../../base/codes.js';
import type { CodedLog, Notice } from '../../base/log.js';
import type { ParameterValues } from '../../config/parameter.js';
import type { EngineChoice } from '../../http/engine/engine.js';
import { type InheritedSocket, inheritSockets } from '../../http/listen/inherited.js';
import type { ListenerOptions } from '../../http/listen/listener.js';
import {
  joinListeners,
  type ListenSetting,
  parseListenSetting,
  settingName,
  tcpSetting,
} from '../../http/listen/setting.js';
import type { HttpServer } from '../../http/server.js';
import type { TlsSetting } from '../../http/tls/certificate.js';
import type { AccessControl } from './access-control.js';
import type { parameters } from './parameters.js';

type Values = ParameterValues<typeof parameters>;

const loopback = '127.0.0.1';

/**
 * The listeners that the parameters ask for: those of `listen`, else the one of `ip` and `port`, which speaks TLS when
 * it has a certificate and a key.
 *
 * @param engine of listeners that do not choose one themselves
 * @throws Error in one line when two listeners collide, a certificate or a key is missing, or an option is wrong
 */
export function listeners(
  values: Values,
  control: AccessControl,
  sockets: readonly InheritedSocket[],
  engine: EngineChoice,
): readonly ListenerOptions[] {
  if (values.client_crl !== undefined && values.client_ca === undefined) {
    throw coded(
      'ERR_LISTENER',
      new Error('parameter client_crl is set without client_ca: name the file of the CA that signs clients'),
    );
  }
  const settings = values.listen.length > 0 ? values.listen.map(parseListenSetting) : [onlySetting(values, control)];
  const joined = joinListeners(settings.map((setting) => withClientOptions(setting, values)));
  const inherited = inheritSockets(joined, sockets);
  return joined.map((setting, place) => {
    const name = settingName(setting);
    const { kind, address, port, options } = setting;
    const access = control.accessOf({ name, kind, address, port, options, engine });
    const common = { setting, access, inherited: inherited[place] };
    return setting.kind === 'https' ? { ...common, tls: tlsOf(setting, name, values) } : common;
  });
}

/** Notices about the parameters, one line each. */
export function listenerNotices(values: Values, listeners: readonly ListenerOptions[]): readonly Notice[] {
  const notices: Notice[] = [];
  if (values.tls_cert_file !== undefined && !listeners.some(({ tls }) => tls !== undefined)) {
    const text = 'tls_cert_file is set, but no listener speaks TLS: give one as "https:ADDRESS:PORT"';
    notices.push({ code: 'certificate-unused', text });
  }
  const asking = listeners.filter(({ tls }) => tls?.clients !== undefined);
  if (values.client_users !== undefined && asking.length === 0) {
    const text = 'client_users is set, but no listener asks for certificates: add ;client_ca=FILE to one of https';
    notices.push({ code: 'client-users-unused', text });
  } else if (values.client_users !== undefined && !asking.some(({ access }) => access?.needsLogin === true)) {
    const text =
      'client_users is set, but where certificates are asked for, auth=off lets in every one of client_ca, without a user: ' +
      'remove client_users or auth=off';
    notices.push({ code: 'client-users-passed-over', text });
  }
  if (values.client_ca !== undefined && !listeners.some(({ setting }) => setting.kind === 'https')) {
    const text = 'client_ca is set, but no listener speaks TLS: give one as "https:ADDRESS:PORT"';
    notices.push({ code: 'client-ca-unused', text });
  }
  return notices;
}

/** The options about certificates of clients that a listener has itself, or from the parameters of the same names. */
function withClientOptions(setting: ListenSetting, values: Values): ListenSetting {
  if (setting.kind !== 'https') return setting;
  const options = new Map(setting.options);
  if (options.get('client_cert') === 'off') {
    const useless = ['client_ca', 'client_crl'].find((name) => options.has(name));
    if (useless !== undefined) {
      throw coded(
        'ERR_LISTENER',
        new Error(`listener ${settingName(setting)} has client_cert=off and ${useless}; remove one of them`),
      );
    }
    options.delete('client_cert');
    return { ...setting, options };
  }
  if (!options.has('client_ca')) {
    if (values.client_ca !== undefined) options.set('client_ca', values.client_ca);
    // A list is one of the CAs beside it.
    if (values.client_crl !== undefined && !options.has('client_crl')) options.set('client_crl', values.client_crl);
  }
  const lone = ['client_cert', 'client_crl'].find((name) => options.has(name));
  if (lone !== undefined && !options.has('client_ca')) {
    throw coded(
      'ERR_LISTENER',
      new Error(
        `listener ${settingName(setting)}: option ${lone} is given without client_ca: name the file of the CA that signs clients`,
      ),
    );
  }
  if (options.has('client_ca') && !options.has('client_cert')) options.set('client_cert', values.client_cert);
  return { ...setting, options };
}

/** Says that only this machine is listened to, and what to set for more; undefined where the parameters say where. */
export function loopbackNotice(
  values: Values,
  control: AccessControl,
  configFiles: readonly string[],
): string | undefined {
  if (!staysOnMachine(values, control)) return undefined;
  return (
    `no ip is set and nobody has to log in, so only this machine is served, on ${loopback}:${values.port}; for other ` +
    `machines let users log in: modparam("httpd", "auth_file", "FILE") ${ownFile(configFiles)}`
  );
}

/** Without `ip`, `listen`, accounts and `allow_unauthenticated` the server listens on 127.0.0.1 only. */
function staysOnMachine({ ip, listen, allow_unauthenticated: isOpen }: Values, control: AccessControl): boolean {
  return ip === undefined && listen.length === 0 && !control.hasAccounts && isOpen === 0;
}

function onlySetting(values: Values, control: AccessControl): ListenSetting {
  const {
    ip = staysOnMachine(values, control) ? loopback : '*',
    port,
    tls_cert_file: cert,
    tls_key_file: key,
  } = values;
  return tcpSetting(cert === undefined && key === undefined ? 'http' : 'https', ip, port);
}

function tlsOf({ options }: ListenSetting, name: string, values: Values): TlsSetting {
  const certFile = options.get('cert') ?? values.tls_cert_file;
  const keyFile = options.get('key') ?? values.tls_key_file;
  if (certFile === undefined || keyFile === undefined) {
    const [what, parameter, option] =
      certFile === undefined ? ['certificate', 'tls_cert_file', 'cert'] : ['key', 'tls_key_file', 'key'];
    const place = values.listen.length > 0 ? `${parameter}, or ;${option}=FILE on the listener` : parameter;
    throw coded(
      'ERR_LISTENER',
      new Error(`listener ${name} has no ${what}, and TLS needs both certificate and key: set ${place}`),
    );
  }
  const caFile = options.get('client_ca');
  return {
    certFile,
    keyFile,
    passphraseFile: options.get('passphrase_file') ?? values.tls_key_passphrase_file,
    ciphers: options.get('ciphers') ?? values.tls_ciphers,
    clients:
      caFile === undefined
        ? undefined
        : { caFile, crlFile: options.get('client_crl'), isRequired: options.get('client_cert') !== 'optional' },
  };
}

/**
 * Refuses to be open to everybody: a listener that other machines can reach and where nobody has to log in.
 * @throws Error naming the listener and the lines to add
 */
export function refuseExposure(
  httpd: HttpServer,
  values: ParameterValues<typeof parameters>,
  configFiles: readonly string[],
): void {
  if (values.allow_unauthenticated === 1) return;
  const exposed = httpd.exposed.find(({ options }) => options.access?.needsLogin !== true);
  if (exposed === undefined) return;
  const { kind, port } = exposed.options.setting;
  const local = values.listen.length > 0 ? `"listen", "${kind}:127.0.0.1:${port}"` : '"ip", "127.0.0.1"';
  throw coded(
    'ERR_LISTENER',
    new Error(
      `listener ${settingName(exposed.options.setting)} can be reached by other machines, and nobody has to log in ` +
        `there: keep it on this machine, modparam("httpd", ${local}); or let users log in, modparam("httpd", ` +
        '"auth_file", "FILE") with lines of mi-httpd passwd (or auth_tokens, or auth_username and auth_password); or, ' +
        `where a firewall or proxy guards it, modparam("httpd", "allow_unauthenticated", 1); the last two ${ownFile(configFiles)}`,
    ),
  );
}

/** Warns of what other machines can do or see, once the server listens. */
export function warnOfExposure(httpd: HttpServer, log: CodedLog, configFiles: readonly string[]): void {
  for (const { bound, options } of httpd.exposed) {
    const { access, setting } = options;
    if (access?.needsLogin !== true) {
      log.warn(
        { code: 'unauthenticated-listener', address: bound },
        `LISTENING ON ${bound} WITHOUT AUTHENTICATION: whoever reaches this port runs MI commands, kill included ` +
          'unless a level or list forbids it; if no firewall or proxy guards it, set modparam("httpd", "ip", ' +
          `"127.0.0.1"), or modparam("httpd", "auth_file", "FILE") ${ownFile(configFiles)}`,
      );
    } else if (setting.kind === 'http') {
      log.warn(
        { code: 'unencrypted-login', address: bound },
        `listening on ${bound} without TLS: passwords and tokens can be read on the way; use an https listener, or a ` +
          'proxy that encrypts',
      );
    }
  }
}

/**
 * Where lines belong that only mi-httpd knows. OpenSIPS before 4.0 does not start with a parameter that it does not know, so
 * that no advice may lead into a file that both read.
 *
 * @param configFiles files that the configuration was read from, the top one first
 */
function ownFile([read]: readonly string[]): string {
  const path = read === undefined || read.startsWith('<') ? '/etc/opensips/opensips.cfg' : resolve(read);
  return (
    `in a file of its own, /etc/mi-httpd/mi-httpd.cfg; if OpenSIPS reads ${path}, which it would not with such a line, ` +
    `let the new file begin with the line include_file "${path}"`
  );
}
