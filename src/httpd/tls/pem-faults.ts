import type { KeyObject, X509Certificate } from 'node:crypto';

/**
 * The certificates of a file as the engine can read them, where it would read the file as it is otherwise than Node.js: a
 * byte order mark hides the certificate behind it, as does the end of another one on the same line. Undefined where the
 * file itself will do.
 */
export function mendedChain(text: string, chain: readonly X509Certificate[]): string | undefined {
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
export function keyFault(text: string, key: KeyObject): string | undefined {
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
export function certificateFault({ publicKey }: X509Certificate): string | undefined {
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
