import { constants } from 'node:crypto';
import type { SecureContextOptions, TLSSocket, TlsOptions } from 'node:tls';
import type { ClientTrust, LoadedCertificate } from '../engine.js';

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

/** What Node.js is told of the clients that it asks for certificates. */
export function trustOptions(clients: ClientTrust | undefined): TlsOptions {
  // Each handshake costs the server more than the client, and one within a connection is counted nowhere.
  if (clients === undefined) return { secureOptions: constants.SSL_OP_NO_RENEGOTIATION };
  const { authorities, revoked, isRequired } = clients;
  return {
    ca: [...authorities],
    ...(revoked === undefined ? {} : { crl: [...revoked] }),
    requestCert: true,
    rejectUnauthorized: isRequired,
    // By a session of before, or by another handshake within the connection, a certificate would pass unseen.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  };
}

const unknownAuthority = 'no CA of client_ca has signed it';

const faults: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'it has expired, or the certificate of its CA has',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  CERT_REVOKED: 'it is revoked',
  CERT_SIGNATURE_FAILURE: 'its CA has a name of client_ca and another key',
  CRL_HAS_EXPIRED: 'the list of client_crl has ended; make a new one with openssl ca -gencrl',
  DEPTH_ZERO_SELF_SIGNED_CERT: unknownAuthority,
  INVALID_CA: 'what has signed it is no CA',
  INVALID_PURPOSE: 'it is not made for clients, or what has signed it is no CA',
  SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
  UNABLE_TO_GET_CRL: 'client_crl has no list of its CA',
  UNABLE_TO_GET_ISSUER_CERT: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownAuthority,
  // Node.js has no name for most of what OpenSSL finds.
  UNSPECIFIED: 'OpenSSL rejects it, or what has signed it; openssl verify -purpose sslclient tells why',
};

/** The code of OpenSSL for what is wrong with the certificate of a client; undefined when nothing is, or there is none. */
export function faultCode({ authorizationError }: TLSSocket): string | undefined {
  const code: unknown = authorizationError;
  return typeof code === 'string' ? code : undefined;
}

/** Says what is wrong with the certificate of a client. */
export function certificateFault(socket: TLSSocket): string {
  const code = faultCode(socket);
  return code === undefined ? 'it was not verified' : (faults[code] ?? code);
}
