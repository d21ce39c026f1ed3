import { statSync } from 'node:fs';
import { realPath } from '../../base/real-path.js';
import type { ParameterValues } from '../../config/parameter.js';
import type { ListenerOptions } from '../../http/listen/listener.js';
import { settingName } from '../../http/listen/setting.js';
import type { parameters } from './parameters.js';

/**
 * Refuses to write the audit log into a file that is there for something else, by whatever path.
 * @throws Error naming both
 */
export function refuseSharedFile(
  values: ParameterValues<typeof parameters>,
  listeners: readonly ListenerOptions[],
  configFiles: readonly string[],
): void {
  const { audit_file: audit } = values;
  if (audit === undefined) return;
  const identity = identityOf(audit);
  const other = knownFiles(values, listeners, configFiles).find(([, file]) => {
    return file !== undefined && identityOf(file) === identity;
  });
  if (other === undefined) return;
  const [what, file] = other;
  throw new Error(`audit_file ${audit} and ${what} ${file} are one file: give the audit log a file of its own`);
}

/** Every file that the server reads, or makes, by the name of what sets it. */
function knownFiles(
  values: ParameterValues<typeof parameters>,
  listeners: readonly ListenerOptions[],
  configFiles: readonly string[],
): readonly (readonly [what: string, file: string | undefined])[] {
  return [
    ...configFiles.map((file) => ['the configuration', file] as const),
    ['auth_password_file', values.auth_password_file],
    ['auth_file', values.auth_file],
    ['auth_tokens', values.auth_tokens],
    ['tls_cert_file', values.tls_cert_file],
    ['tls_key_file', values.tls_key_file],
    ['tls_key_passphrase_file', values.tls_key_passphrase_file],
    ...listeners.flatMap(({ setting, tls }) => {
      const name = settingName(setting);
      return [
        [`the certificate of listener ${name},`, tls?.certFile],
        [`the key of listener ${name},`, tls?.keyFile],
        [`the passphrase of listener ${name},`, tls?.passphraseFile],
        ['listener', setting.kind === 'unix' ? setting.path : undefined],
      ] as const;
    }),
  ];
}

/** Equal for all paths of one file, also by links of either kind. */
function identityOf(file: string): string {
  try {
    const { dev, ino } = statSync(file);
    return `${dev}:${ino}`;
  } catch {
    return realPath(file);
  }
}
