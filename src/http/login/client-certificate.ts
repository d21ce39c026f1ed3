import { createHash } from 'node:crypto';
import { contentOf, type DerElement, membersOf, readDer, readOid, readTime, Tag } from '../../base/der.js';
import { shorten } from '../../base/text.js';
import {
  commonNameOf,
  type DistinguishedName,
  formatName,
  nameKey,
  parseName,
  readName,
} from './distinguished-name.js';

/** The certificate of a client, as far as it says which user it is. */
export interface ClientCertificate {
  /** What may be told of it, in the form that {@link parseIdentity} gives. */
  readonly identities: readonly string[];
  /** False where what it says cannot be told; then it counts as expired. */
  readonly isReadable: boolean;
  /** Milliseconds since 1970 after which it is not valid. */
  readonly expiresAt: number;
  /** Its subject for the log: ASCII without control characters. */
  readonly subject: string;
  /** SHA-256 of its DER, in hexadecimal digits. */
  readonly fingerprint: string;
}

/** Characters of a subject that the log repeats. */
const shownSubject = 200;

const alternativeName = '2.5.29.17';

/** Tags of the forms of an alternative name. */
const emailTag = 0x81;
const dnsTag = 0x82;
const uriTag = 0x86;

/** Tag of the extensions of a certificate. */
const extensionsTag = 0xa3;

/** What stands in every text of an alternative name that is compared. */
const visible = /^[\x21-\x7e]+$/;

const hostName = /^(?:[a-z0-9_-]+\.)*[a-z0-9_-]+$/;

/**
 * Reads what a certificate tells. That it is valid has been found out before.
 *
 * Names are read from its DER. Each text of them stays one text, whatever is in it, so that none becomes two names. A
 * certificate that cannot be read counts as expired.
 */
export function readClientCertificate(der: Uint8Array): ClientCertificate {
  const fingerprint = createHash('sha256').update(der).digest('hex');
  try {
    return { ...readFields(der, fingerprint), isReadable: true, fingerprint };
  } catch {
    return { identities: [], isReadable: false, expiresAt: -Infinity, subject: '(unreadable)', fingerprint };
  }
}

/** @throws RangeError for what is no certificate */
function readFields(der: Uint8Array, fingerprint: string): Omit<ClientCertificate, 'fingerprint' | 'isReadable'> {
  const [certificate] = readDer(der);
  const [signed] = membersOf(certificate);
  const fields = membersOf(signed);
  // The version is left out of the first one.
  const [validity, subjectField] = fields.slice(fields[0]?.tag === Tag.integer ? 3 : 4);
  const subject = readName(subjectField);
  const [, notAfter] = membersOf(validity);
  return {
    identities: [
      `sha256=${fingerprint}`,
      ...subjectIdentities(subject),
      ...alternativeNames(fields).flatMap(alternativeIdentity),
    ],
    expiresAt: readTime(notAfter),
    subject: shorten(formatName(subject) || '(empty)', shownSubject, '...'),
  };
}

function subjectIdentities(subject: DistinguishedName): readonly string[] {
  const [name, common] = [nameKey(subject), commonNameOf(subject)];
  return [...(name === undefined ? [] : [`subject=${name}`]), ...(common === undefined ? [] : [`cn=${common}`])];
}

/** The alternative names; none where the extension is there twice. */
function alternativeNames(fields: readonly DerElement[]): readonly DerElement[] {
  const field = fields.find(({ tag }) => tag === extensionsTag);
  if (field === undefined) return [];
  const [list] = readDer(field.content);
  const found = membersOf(list)
    .map((extension) => membersOf(extension))
    .filter(([type]) => readOid(type) === alternativeName);
  const [names, ...others] = found.map((extension) => contentOf(extension.at(-1), Tag.octetString));
  if (names === undefined || others.length > 0) return [];
  const [sequence] = readDer(names);
  return membersOf(sequence);
}

function alternativeIdentity({ tag, content }: DerElement): readonly string[] {
  const text = Buffer.from(content).toString('latin1');
  const kind = tag === emailTag ? 'email' : tag === dnsTag ? 'dns' : tag === uriTag ? 'uri' : undefined;
  const value = kind === undefined ? undefined : canonicalOf[kind](text);
  return value === undefined ? [] : [`${kind}=${value}`];
}

/** Values in the one form in which they are compared; undefined for those that are none. */
const canonicalOf = {
  dns(text: string): string | undefined {
    const name = text.toLowerCase();
    return visible.test(text) && hostName.test(name) ? name : undefined;
  },
  email(text: string): string | undefined {
    const at = text.lastIndexOf('@');
    const host = text.slice(at + 1).toLowerCase();
    return at > 0 && visible.test(text) && hostName.test(host) ? `${text.slice(0, at)}@${host}` : undefined;
  },
  uri(text: string): string | undefined {
    return /^[A-Za-z][A-Za-z0-9+.-]*:/.test(text) && visible.test(text) ? text : undefined;
  },
} as const;

/** What a line of `client_users` may say of a certificate. */
const kinds: Readonly<Record<string, (value: string) => string>> = {
  cn: (value) => {
    if (value === '' || /\p{Cc}/u.test(value))
      throw new RangeError('the common name is empty, or has control characters');
    return value;
  },
  subject: (value) => {
    const key = nameKey(parseName(value));
    if (key === undefined) throw new RangeError('the subject is empty');
    return key;
  },
  dns: (value) => known(canonicalOf.dns(value), 'a host name without wildcard, such as dns=client.example.org'),
  email: (value) => known(canonicalOf.email(value), 'an address such as email=alice@example.org'),
  uri: (value) => known(canonicalOf.uri(value), 'an absolute URI such as uri=spiffe://example.org/alice'),
  sha256: (value) => {
    const digits = value.replaceAll(':', '').toLowerCase();
    return known(/^[0-9a-f]{64}$/.test(digits) ? digits : undefined, 'the 64 hexadecimal digits of its fingerprint');
  },
};

/**
 * Reads which certificates are meant: `cn=alice`, `subject=CN=alice,O=Example`, `dns=…`, `email=…`, `uri=…`, `sha256=…`.
 *
 * @returns one text for all ways to write the same; no certificate of another one has it
 * @throws RangeError telling what is wrong
 */
export function parseIdentity(text: string): string {
  const equals = text.indexOf('=');
  const kind = text.slice(0, Math.max(0, equals));
  const read = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
  if (read === undefined) {
    const shown = JSON.stringify(shorten(text, 40, '...'));
    throw new RangeError(`${shown} tells no certificate; give ${Object.keys(kinds).join('=, ')}= with its value`);
  }
  return `${kind}=${read(text.slice(equals + 1))}`;
}

function known(value: string | undefined, wanted: string): string {
  if (value === undefined) throw new RangeError(`the value is none; give ${wanted}`);
  return value;
}
