import type { ParameterValues } from '../../config/parameter.js';
import { type ListenSetting, parseListenSetting, settingName, tcpSetting } from '../../httpd/listen-setting.js';
import type { ListenerOptions } from '../../httpd/listener.js';
import type { TlsSetting } from '../../httpd/tls/setting.js';
import type { AccessControl } from './access-control.js';
import type { parameters } from './parameters.js';

type Values = ParameterValues<typeof parameters>;

/**
 * The listeners that the parameters ask for: those of `listen`, else the one of `ip` and `port`, which speaks TLS when
 * it has a certificate and a key.
 *
 * @throws Error in one line when two listeners are the same, a certificate or a key is missing, or an option is wrong
 */
export function listeners(values: Values, control: AccessControl): readonly ListenerOptions[] {
  const settings = values.listen.length > 0 ? values.listen.map(parseListenSetting) : [onlySetting(values)];
  const names = new Set<string>();
  return settings.map((setting) => {
    const name = settingName(setting);
    if (names.has(name) && (setting.port !== 0 || setting.kind === 'unix')) {
      throw new Error(`listener ${name} is given twice: remove one`);
    }
    names.add(name);
    const access = control.accessOf({ name, kind: setting.kind, options: setting.options });
    return setting.kind === 'https' ? { setting, access, tls: tlsOf(setting, name, values) } : { setting, access };
  });
}

/** What should be known of the parameters, one line each. */
export function listenerNotices(values: Values, listeners: readonly ListenerOptions[]): readonly string[] {
  if (values.tls_cert_file === undefined || listeners.some(({ tls }) => tls !== undefined)) return [];
  return ['tls_cert_file is set, but no listener speaks TLS: give one as "https:ADDRESS:PORT"'];
}

function onlySetting({ ip, port, tls_cert_file: cert, tls_key_file: key }: Values): ListenSetting {
  return tcpSetting(cert === undefined && key === undefined ? 'http' : 'https', ip, port);
}

function tlsOf({ options }: ListenSetting, name: string, values: Values): TlsSetting {
  const certFile = options.get('cert') ?? values.tls_cert_file;
  const keyFile = options.get('key') ?? values.tls_key_file;
  if (certFile === undefined || keyFile === undefined) {
    const [what, parameter, option] =
      certFile === undefined ? ['certificate', 'tls_cert_file', 'cert'] : ['key', 'tls_key_file', 'key'];
    const place = values.listen.length > 0 ? `${parameter}, or ;${option}=FILE on the listener` : parameter;
    throw new Error(`listener ${name} has no ${what}, and TLS needs both certificate and key: set ${place}`);
  }
  return {
    certFile,
    keyFile,
    passphraseFile: options.get('passphrase_file') ?? values.tls_key_passphrase_file,
    ciphers: options.get('ciphers') ?? values.tls_ciphers,
  };
}
