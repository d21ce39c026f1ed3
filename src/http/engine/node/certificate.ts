import type { SecureContextOptions } from 'node:tls';
import type { LoadedCertificate } from '../engine.js';

/** A certificate that Node.js has read. */
export class NodeCertificate implements LoadedCertificate {
  constructor(readonly options: SecureContextOptions) {}

  drop(): void {}
}

/** @throws TypeError for one of another engine */
export function optionsOf(certificate: LoadedCertificate): SecureContextOptions {
  if (certificate instanceof NodeCertificate) return certificate.options;
  throw new TypeError('the certificate is of another engine');
}
