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
