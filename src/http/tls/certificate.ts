import { createHash, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { LogCode } from '../../base/codes.js';
import type { Notice } from '../../base/log.js';
import type { ClientTrustSetting } from './client-trust.js';
import { otherForm, readPemFile } from './pem-file.js';
import type { CipherList } from './suites.js';

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
  /** Undefined where clients are not asked for certificates. */
  readonly clients?: ClientTrustSetting | undefined;
}

/** A certificate with its key, found to be good. The key itself is not kept. */
export interface Certificate {
  /** Milliseconds since 1970 after which it is not valid. */
  readonly expiresAt: number;
  readonly passphrase: string | undefined;
  /** The chain in place of what is in the file, where the engine could not read that. */
  readonly mended: string | undefined;
  /** Tells whether files have changed, without keeping what is in them. */
  readonly digest: string;
  /** Warnings, one clause each. */
  readonly warnings: readonly Notice[];
}

/** Milliseconds of a day. */
const day = 86_400_000;

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
  const warnings = [...keyWarnings(keyFile, key, ciphers)];
  const warn = (code: LogCode, text: string): void => void warnings.push({ code, text });
  if (keyPem.isPublic) warn('key-readable', `key ${keyFile} can be read by every user of this machine: chmod o-r it`);
  if (passphrasePem?.isPublic === true) {
    warn('key-readable', `passphrase ${passphraseFile} can be read by every user of this machine: chmod o-r it`);
  }
  if (expiresAt - now < soon * day) {
    const text = `certificate ${certFile} expires on ${certificate.validTo}, in ${daysLeft(expiresAt, now)} days`;
    warn('certificate-expires', text);
  }
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
    // The message of OpenSSL may repeat the content of the file.
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

function keyWarnings(file: string, key: KeyObject, { suites }: CipherList): readonly Notice[] {
  const isRsa = key.asymmetricKeyType === 'rsa';
  const warnings: Notice[] = [];
  const bits = key.asymmetricKeyDetails?.modulusLength ?? shortestRsa;
  if (isRsa && bits < shortestRsa) {
    const text = `the RSA key ${file} has ${bits} bits, and many clients refuse less than ${shortestRsa}`;
    warnings.push({ code: 'key-weak', text });
  }
  if (suites.length > 0 && !suites.some(({ keyExchange }) => (keyExchange === 'ECDHE-ECDSA') !== isRsa)) {
    const wanted = isRsa ? 'ECDSA' : 'RSA';
    const text = `every chosen suite of TLS 1.2 needs a key for ${wanted}, which ${file} is not, so that TLS 1.3 alone is served`;
    warnings.push({ code: 'tls-1.3-only', text });
  }
  return warnings;
}

/**
 * The certificates of a file as the engine can read them, where it would read the file as it is otherwise than Node.js: a
 * byte order mark hides the certificate behind it, as does the end of another one on the same line. Undefined where the
 * file itself will do.
 */
function mendedChain(text: string, chain: readonly X509Certificate[]): string | undefined {
  const begins = text.match(/^-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[ \t]*\r?\n/gm) ?? [];
  const ends = text.match(/\n-----END (?:X509 |TRUSTED )?CERTIFICATE-----[ \t]*(?=\r?\n|$)/g) ?? [];
  if (begins.length === chain.length && ends.length === chain.length) return undefined;
  return chain.map((certificate) => certificate.toString()).join('');
}

/** OIDs as they stand in DER, what they are of, and in place of what. */
const encryptions: readonly (readonly [der: string, name: string])[] = [
  ['2b06010401da47040b', 'scrypt'],
  ['2a864886f70d0208', 'hmacWithSHA224'],
  ['2a864886f70d020a', 'hmacWithSHA384'],
  ['2a864886f70d020b', 'hmacWithSHA512'],
  ['2a83088c9a4b3d0101', 'Camellia'],
];

const explicitField = Buffer.from('2a8648ce3d0101', 'hex');

/** Says why the engine cannot read a key that Node.js can, undefined where it can. Nothing of the key is in it. */
function keyFault(text: string, key: KeyObject): string | undefined {
  if (/^\ufeff-----BEGIN [A-Z ]*PRIVATE/.test(text))
    return 'begins with a byte order mark, which the engine does not skip: save it without one';
  if (!/(?:^|\n)-----BEGIN [A-Z ]*PRIVATE KEY-----[ \t]*\r?\n/.test(text)) {
    return 'has its BEGIN on one line with something else: give it a line of its own, and end lines by line feeds';
  }
  const encryption = encryptionOf(text);
  if (encryption !== undefined) {
    return (
      `is encrypted with ${encryption}, which the engine has not: encrypt it anew with ` +
      'openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256'
    );
  }
  const isExplicit =
    key.asymmetricKeyType === 'ec' && key.export({ type: 'pkcs8', format: 'der' }).includes(explicitField);
  return isExplicit ? explicitParameters : undefined;
}

/** Says why the engine cannot read a certificate that Node.js can, undefined where it can. */
function certificateFault({ publicKey }: X509Certificate): string | undefined {
  if (publicKey.asymmetricKeyType !== 'ec') return undefined;
  return publicKey.export({ type: 'spki', format: 'der' }).includes(explicitField) ? explicitParameters : undefined;
}

const explicitParameters =
  'has explicit EC parameters, and the engine knows curves by their names only: make key and certificate anew, the key ' +
  'with openssl ecparam -name prime256v1 -genkey -param_enc named_curve';

function encryptionOf(text: string): string | undefined {
  const [, cipher] = /^DEK-Info: (CAMELLIA|ARIA|SEED|IDEA)/m.exec(text) ?? [];
  if (cipher !== undefined) return cipher;
  const [, body] = /-----BEGIN ENCRYPTED PRIVATE KEY-----([^-]*)/.exec(text) ?? [];
  if (body === undefined) return undefined;
  // How it is encrypted stands before the encrypted octets, which might hold anything.
  const head = Buffer.from(body, 'base64').subarray(0, 160).toString('hex');
  return encryptions.find(([der]) => head.includes(der))?.[1];
}
