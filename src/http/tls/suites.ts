/** A suite of TLS 1.2 that the engine has. */
export interface Suite {
  /** OpenSSL's name, which the engine takes. */
  readonly name: string;
  /** GnuTLS' names of its parts. */
  readonly keyExchange: 'ECDHE-ECDSA' | 'ECDHE-RSA' | 'RSA';
  readonly cipher: string;
  readonly mac: 'AEAD' | 'SHA1';
}

/** The suites that TLS is served with. */
export interface CipherList {
  /** Suites of TLS 1.2 in order of preference; empty: TLS 1.3 alone. */
  readonly suites: readonly Suite[];
  /** Wishes that the engine cannot fulfil, one clause each. */
  readonly unmet: readonly string[];
}

const ciphers: readonly (readonly [cipher: string, name: string, mac: Suite['mac']])[] = [
  ['AES-256-GCM', 'AES256-GCM-SHA384', 'AEAD'],
  ['CHACHA20-POLY1305', 'CHACHA20-POLY1305', 'AEAD'],
  ['AES-128-GCM', 'AES128-GCM-SHA256', 'AEAD'],
  ['AES-256-CBC', 'AES256-SHA', 'SHA1'],
  ['AES-128-CBC', 'AES128-SHA', 'SHA1'],
];

/** Every suite of TLS 1.2 that the engine has, in its own order. */
export const engineSuites: readonly Suite[] = [
  ...withKeyExchange('ECDHE-ECDSA'),
  ...withKeyExchange('ECDHE-RSA'),
  ...withKeyExchange('RSA').filter(({ cipher }) => cipher !== 'CHACHA20-POLY1305'),
  { name: 'DES-CBC3-SHA', keyExchange: 'RSA', cipher: '3DES-CBC', mac: 'SHA1' },
];

/** Ciphers of the suites of TLS 1.3: they are always offered, all three. */
export const tls13Ciphers: readonly string[] = ['AES-128-GCM', 'AES-256-GCM', 'CHACHA20-POLY1305'];

/** A suite that the engine accepts and nobody can use, for it needs a key that is shared in advance. */
const noSuite = 'ECDHE-PSK-CHACHA20-POLY1305';

/** The list as the engine takes it. */
export function engineList({ suites }: CipherList): string {
  return suites.length === 0 ? noSuite : suites.map(({ name }) => name).join(':');
}

function withKeyExchange(keyExchange: Suite['keyExchange']): readonly Suite[] {
  const prefix = keyExchange === 'RSA' ? '' : `${keyExchange}-`;
  return ciphers.map(([cipher, name, mac]) => ({ name: `${prefix}${name}`, keyExchange, cipher, mac }));
}

/** The certificate of a listener, and what it may be served with. */
export interface TlsSetting {
  /** PEM file: the certificate, then those that lead to a root. */
  readonly certFile: string;
  /** PEM file: the private key. */
  readonly keyFile: string;
  /** File whose first line decrypts the key; undefined for a key in the clear. */
  readonly passphraseFile?: string | undefined;
  /** A GnuTLS priority string, or a list of suites as OpenSSL has it. */
  readonly ciphers: string;
}
