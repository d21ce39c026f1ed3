import { networkOf } from '../../base/address.js';
import type { Log } from '../../base/log.js';
import type { ParameterValues } from '../../config/parameter.js';
import { Audit } from '../../mi/calls/audit.js';
import { RateLimit } from '../../mi/calls/guard.js';
import type { ManagementInterface } from '../../mi/management-interface.js';
import { AuditFile } from './audit-file.js';
import type { accessParameters } from './parameters.js';

/**
 * Protects the MI commands by lists, rate limits and the audit log. Without any of them, and where no
 * listener knows its callers, calls cost nothing more.
 *
 * @returns the file of the audit log, to be opened when the server starts; undefined without one
 */
export function protectCommands(
  mi: ManagementInterface,
  parameters: ParameterValues<typeof accessParameters>,
  hasCallers: boolean,
  log: Log,
): AuditFile | undefined {
  const {
    allow_commands: allowCommands,
    deny_commands: denyCommands,
    audit_file: auditFile,
    rate_limit_address: addressRate,
    rate_limit_user: userRate,
  } = parameters;
  const dropped = mi.statistics.add('mi', 'audit_dropped', 'counter');
  const isPlain = (allowCommands ?? denyCommands ?? auditFile) === undefined && addressRate + userRate === 0;
  if (isPlain && !hasCallers) return undefined;
  const file = auditFile === undefined ? undefined : new AuditFile(auditFile, log, () => dropped.add(1));
  mi.protect({
    allowCommands,
    denyCommands,
    audit: file === undefined ? undefined : new Audit(file),
    addressRate: addressRate === 0 ? undefined : new RateLimit(addressRate),
    userRate: userRate === 0 ? undefined : new RateLimit(userRate),
    networkOf,
  });
  return file;
}
