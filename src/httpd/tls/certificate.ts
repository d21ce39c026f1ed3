import { createHash, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { certificateFault, keyFault, mendedChain } from './pem-faults.js';
import { readPemFile } from './pem-file.js';
import type { TlsSetting } from './setting.js';
import type { CipherList } from './suites.js';

/** A certificate with its key, found to be good. The key itself is not kept. */
export interface Certificate {
  /** Milliseconds since 1970 after which it is not valid. */
  readonly expiresAt: number;
  readonly passphrase: string | undefined;
  /** The chain in place of what is in the file, where the engine could not read that. */
  readonly mended: string | undefined;
  /** Tells whether files have changed, without keeping what is in them. */
  readonly digest: string;
  /** What is not wrong but should be known, one clause each. */
  readonly warnings: readonly string[];
}

/** Milliseconds of a day. */
export const day = 86_400_000;

/** Days before the end of a certificate from which its end is warned of. */
const soon = 14;

const shortestRsa = 2048;
const curves = ['prime256v1', 'secp384r1', 'secp521r1'];

/**
 * Reads the files of a setting and finds out all that the engine would only answer with "failed".
 *
 * @param now milliseconds since 1970
 * @throws Error in one line that names the file and the reason; nothing of a key or a passphrase is in it
 */
export function readCertificate(setting: TlsSetting, ciphers: CipherList, now = Date.now()): Certificate {
  const { certFile, keyFile, passphraseFile } = setting;
  const certText = readPemFile('certificate', certFile).text;
  const keyPem = readPemFile('key', keyFile);
  const passphrasePem = passphraseFile === undefined ? undefined : readPemFile('passphrase', passphraseFile);
  const passphrase = passphrasePem?.text.replace(/^\ufeff/, '').split(/\r?\n/, 1)[0];
  const chain = readChain(certFile, certText);
  const [certificate] = chain;
  const key = readKey(keyFile, keyPem.text, passphraseFile, passphrase);
  if (!certificate.checkPrivateKey(key)) {
    const place = chain.findIndex((other) => other.checkPrivateKey(key));
    throw new Error(
      place === -1
        ? `key ${keyFile} does not belong to certificate ${certFile}: give the key that it was made with`
        : `certificate ${certFile}: the one of key ${keyFile} is number ${place + 1} in the file: put it first`,
    );
  }
  const unreadable = certificateFault(certificate);
  if (unreadable !== undefined) throw new Error(`certificate ${certFile} ${unreadable}`);
  const expiresAt = Date.parse(certificate.validTo);
  checkValidity(certFile, certificate, now);
  const warnings = [
    ...keyWarnings(keyFile, key, ciphers),
    ...(keyPem.isPublic ? [`key ${keyFile} can be read by every user of this machine: chmod o-r it`] : []),
    ...(passphrasePem?.isPublic === true
      ? [`passphrase ${passphraseFile} can be read by every user of this machine: chmod o-r it`]
      : []),
    ...(expiresAt - now < soon * day
      ? [`certificate ${certFile} expires on ${certificate.validTo}, in ${daysLeft(expiresAt, now)} days`]
      : []),
  ];
  const digest = createHash('sha256')
    .update(JSON.stringify([certText, keyPem.text, passphrase ?? null]))
    .digest('base64');
  return { expiresAt, passphrase, mended: mendedChain(certText, chain), digest, warnings };
}

/** Whole days until a certificate expires; negative once it has. By the date of the machine, as clients judge by theirs. */
export function daysLeft(expiresAt: number, now = Date.now()): number {
  return Math.floor((expiresAt - now) / day);
}

function readChain(file: string, text: string): [X509Certificate, ...X509Certificate[]] {
  const blocks = text.match(/-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[^-]*-----END [A-Z0-9 ]*-----/g) ?? [];
  const chain = blocks.map((block, index) => {
    try {
      // By its octets, so that no matter how its lines are broken.
      return new X509Certificate(Buffer.from(block.replace(/-----[^-]*-----/g, ''), 'base64'));
    } catch {
      throw new Error(`certificate ${file}: number ${index + 1} in it is damaged`);
    }
  });
  const [first, ...rest] = chain;
  if (first !== undefined) return [first, ...rest];
  const hint = text.includes('PRIVATE KEY-----')
    ? ' but a private key: are certificate and key swapped?'
    : otherForm(text);
  throw new Error(`certificate ${file}: there is no certificate in PEM format in it${hint}`);
}

/** What else a file may be: text of Windows, or the binary form of what is wanted. */
function otherForm(text: string): string {
  if (/^\0?-\0-|^\ufffd\ufffd-?\0/.test(text)) return ', but UTF-16: save it as UTF-8';
  return text.startsWith('0') && text.charCodeAt(1) === 0xfffd
    ? ', but DER, it seems: turn it into PEM with openssl'
    : '';
}

function readKey(
  file: string,
  text: string,
  passphraseFile: string | undefined,
  passphrase: string | undefined,
): KeyObject {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    const hint = text.includes('CERTIFICATE-----')
      ? ' but a certificate: are certificate and key swapped?'
      : otherForm(text);
    throw new Error(`key ${file}: there is no private key in PEM format in it${hint}`);
  }
  const isEncrypted = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(text);
  if (isEncrypted && passphrase === undefined) {
    throw new Error(
      `key ${file} is encrypted: name a file with its passphrase, tls_key_passphrase_file, in a file of its own where OpenSIPS reads the present one`,
    );
  }
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: text, format: 'pem', ...(passphrase === undefined ? {} : { passphrase }) });
  } catch {
    // What OpenSSL says may hold what is in the file.
    if (!/(?:^|\n)-----BEGIN [A-Z ]*PRIVATE KEY-----[ \t]*\r?\n/.test(text)) {
      throw new Error(`key ${file} is damaged, or its BEGIN stands on one line with something else`);
    }
    throw new Error(
      isEncrypted
        ? `key ${file}: the passphrase in ${passphraseFile} does not decrypt it, or it is damaged`
        : `key ${file} is damaged`,
    );
  }
  const { asymmetricKeyType: type = 'none', asymmetricKeyDetails: details } = key;
  const isServed =
    type === 'rsa' || type === 'ed25519' || (type === 'ec' && curves.includes(details?.namedCurve ?? ''));
  if (isServed) {
    const unreadable = keyFault(text, key);
    if (unreadable !== undefined) throw new Error(`key ${file} ${unreadable}`);
    return key;
  }
  const kind = type === 'ec' ? `curve ${details?.namedCurve}` : `type ${type}`;
  throw new Error(`key ${file} is of ${kind}, which the engine has not: use RSA, P-256, P-384, P-521 or Ed25519`);
}

/** An expired certificate is refused where it is new: no client that checks it would go on. */
function checkValidity(file: string, { validFrom, validTo }: X509Certificate, now: number): void {
  if (Date.parse(validTo) <= now) throw new Error(`certificate ${file} expired on ${validTo}: renew it`);
  if (Date.parse(validFrom) > now) {
    throw new Error(`certificate ${file} is not valid before ${validFrom}: check the clock of this machine`);
  }
}

function keyWarnings(file: string, key: KeyObject, { suites }: CipherList): readonly string[] {
  const isRsa = key.asymmetricKeyType === 'rsa';
  const warnings: string[] = [];
  const bits = key.asymmetricKeyDetails?.modulusLength ?? shortestRsa;
  if (isRsa && bits < shortestRsa) {
    warnings.push(`the RSA key ${file} has ${bits} bits, and many clients refuse less than ${shortestRsa}`);
  }
  if (suites.length > 0 && !suites.some(({ keyExchange }) => (keyExchange === 'ECDHE-ECDSA') !== isRsa)) {
    const wanted = isRsa ? 'ECDSA' : 'RSA';
    warnings.push(
      `every chosen suite of TLS 1.2 needs a key for ${wanted}, which ${file} is not, so that TLS 1.3 alone is served`,
    );
  }
  return warnings;
}
