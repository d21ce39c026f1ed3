import { createHash, verify, X509Certificate } from 'node:crypto';
import { contentOf, type DerElement, membersOf, readDer, readOid, readTime, Tag } from '../../base/der.js';
import { othersWrite } from '../../base/files.js';
import type { Notice } from '../../base/log.js';
import type { ClientTrust } from '../engine/engine.js';
import { otherForm, type PemFile, readPemFile } from './pem-file.js';

/** Which clients a listener asks for certificates, and whose it takes. */
export interface ClientTrustSetting {
  /** PEM file: the CAs, up to their roots, that sign the certificates of clients. */
  readonly caFile: string;
  /** PEM file: the list of revoked certificates of each of them. */
  readonly crlFile?: string | undefined;
  /** True when a client without a certificate gets no connection. */
  readonly isRequired: boolean;
}

/** What is trusted, found to be good. */
export interface ReadTrust {
  readonly trust: ClientTrust;
  /** Tells whether files have changed. */
  readonly digest: string;
  /** Warnings, one clause each. */
  readonly warnings: readonly Notice[];
}

/** Bytes of the longest file of lists: half a million of revoked certificates. */
const longestList = 16_777_216;

/** Milliseconds before the end of a list from which its end is warned of. */
const soon = 86_400_000;

/**
 * Reads CAs and lists of revoked certificates, and finds out all for which every client would be refused.
 *
 * @param now milliseconds since 1970
 * @throws Error in one line that names the file and the reason
 */
export function readClientTrust({ caFile, crlFile, isRequired }: ClientTrustSetting, now = Date.now()): ReadTrust {
  const caPem = readPemFile('client_ca', caFile);
  const crlPem = crlFile === undefined ? undefined : readPemFile('client_crl', crlFile, longestList);
  const authorities = readAuthorities(caFile, caPem.text, now);
  const isRoot = (one: X509Certificate): boolean => one.subject === one.issuer && one.checkIssued(one);
  if (!authorities.some(isRoot)) {
    throw new Error(
      `client_ca ${caFile}: there is no root in it, a certificate signed by itself, so that no client would be let in: ` +
        'append the CA that signed the last one',
    );
  }
  const lists = crlFile === undefined || crlPem === undefined ? [] : readLists(crlFile, crlPem.text, authorities, now);
  const warnings: Notice[] = [];
  for (const { validTo } of authorities.filter((authority) => Date.parse(authority.validTo) <= now)) {
    const text = `client_ca ${caFile}: a CA in it expired on ${validTo}, and its clients are refused`;
    warnings.push({ code: 'client-ca-expired', text });
  }
  for (const { endsAt } of lists) {
    if (endsAt === undefined || endsAt - now >= soon) continue;
    const text = `client_crl ${crlFile} ends on ${shown(endsAt)}, and then no certificate is taken`;
    warnings.push({ code: 'client-crl-ends', text });
  }
  if (caPem.text.includes(' PRIVATE KEY-----')) {
    const text =
      `client_ca ${caFile}: there is a private key in it, by which a reader of the file could sign clients: leave the ` +
      'certificates alone in it';
    warnings.push({ code: 'client-ca-key', text });
  }
  warnings.push(...writable(`client_ca ${caFile}`, caPem, 'let themselves in'));
  if (crlPem !== undefined) warnings.push(...writable(`client_crl ${crlFile}`, crlPem, 'let revoked clients in'));
  const trust = {
    authorities: authorities.map((authority) => authority.toString()),
    revoked: crlFile === undefined ? undefined : lists.map(({ pem }) => pem),
    isRequired,
  };
  const digest = createHash('sha256').update(JSON.stringify(trust)).digest('base64');
  return { trust, digest, warnings };
}

function readAuthorities(file: string, text: string, now: number): readonly X509Certificate[] {
  const found = blocksOf(text, /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----([^-]*)-----END [A-Z0-9 ]*-----/g);
  checkWhole(`client_ca ${file}`, text, authorityLabels, found.length);
  if (found.length === 0) {
    throw new Error(`client_ca ${file}: there is no certificate in PEM format in it${otherForm(text)}`);
  }
  const authorities = found.map((der, index) => {
    try {
      return new X509Certificate(der);
    } catch {
      throw new Error(`client_ca ${file}: number ${index + 1} in it is damaged`);
    }
  });
  if (authorities.every(({ validTo }) => Date.parse(validTo) <= now)) {
    throw new Error(`client_ca ${file} expired on ${authorities[0]?.validTo}: renew it`);
  }
  return authorities;
}

/** A list of revoked certificates. */
interface RevocationList {
  readonly pem: string;
  /** Milliseconds since 1970; undefined without an end. */
  readonly endsAt: number | undefined;
}

function readLists(
  file: string,
  text: string,
  authorities: readonly X509Certificate[],
  now: number,
): readonly RevocationList[] {
  const found = blocksOf(text, /-----BEGIN X509 CRL-----([^-]*)-----END X509 CRL-----/g);
  checkWhole(`client_crl ${file}`, text, listLabels, found.length);
  if (found.length === 0) {
    const hint = text.startsWith('0') ? ', but DER, it seems: turn it into PEM with openssl crl -inform DER' : '';
    throw new Error(`client_crl ${file}: there is no list of revoked certificates in PEM format in it${hint}`);
  }
  const issued = new Set<X509Certificate>();
  const lists = found.map((der, index) => {
    const at = `client_crl ${file}: number ${index + 1} in it`;
    const list = readList(der, at);
    if (list.beginsAt > now)
      throw new Error(`${at} is not valid before ${shown(list.beginsAt)}: check the clock of this machine`);
    if (list.endsAt !== undefined && list.endsAt <= now) {
      throw new Error(`${at} ended on ${shown(list.endsAt)}: make a new one with openssl ca -gencrl`);
    }
    const issuers = authorities.filter((authority) => list.isBy(authority));
    if (issuers.length === 0)
      throw new Error(`${at} is by no CA of client_ca: give the one that the CA there has signed`);
    for (const issuer of issuers) issued.add(issuer);
    return { pem: list.pem, endsAt: list.endsAt };
  });
  const open = authorities.find((authority) => authority.ca && !issued.has(authority));
  if (open !== undefined) {
    throw new Error(
      `client_crl ${file}: there is no list of CA ${JSON.stringify(open.subject)} in it, so that none of its clients would ` +
        'be let in: append it',
    );
  }
  return lists;
}

function shown(time: number): string {
  return new Date(time).toISOString();
}

/** Algorithms of signatures, and the hash of each; others are left to the engine. */
const hashes: Readonly<Record<string, string | undefined>> = {
  '1.2.840.113549.1.1.5': 'sha1',
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
};

const ed25519 = '1.3.101.112';

function readList(der: Buffer, at: string) {
  try {
    const [list] = readDer(der);
    const [signed, algorithm, signature] = membersOf(list);
    const fields = membersOf(signed);
    const [issuer, begin, end] = fields.slice(fields[0]?.tag === Tag.integer ? 2 : 1);
    const [type] = membersOf(algorithm);
    const oid = readOid(type);
    const hasEnd = end?.tag === Tag.utcTime || end?.tag === Tag.generalizedTime;
    // The first byte counts bits that are left over.
    const bits = contentOf(signature, Tag.bitString).subarray(1);
    const isBy = (authority: X509Certificate): boolean => {
      if (issuer === undefined || signed === undefined || !subjectOf(authority).equals(issuer.whole)) return false;
      const hash = oid === ed25519 ? null : hashes[oid];
      if (hash === undefined) return true;
      try {
        return verify(hash, signed.whole, authority.publicKey, bits);
      } catch {
        // Its key is of another kind.
        return false;
      }
    };
    const lines = der.toString('base64').replace(/.{64}/g, '$&\n').trimEnd();
    return {
      pem: `-----BEGIN X509 CRL-----\n${lines}\n-----END X509 CRL-----\n`,
      beginsAt: readTime(begin),
      endsAt: hasEnd ? readTime(end) : undefined,
      isBy,
    };
  } catch {
    throw new Error(`${at} is damaged`);
  }
}

/** The subject of a certificate, as it stands there. */
function subjectOf({ raw }: X509Certificate): Buffer {
  const [certificate] = readDer(raw);
  const [signed] = membersOf(certificate);
  const fields: readonly DerElement[] = membersOf(signed);
  const subject = fields[fields[0]?.tag === Tag.integer ? 4 : 5];
  return Buffer.from(subject?.whole ?? []);
}

function blocksOf(text: string, form: RegExp): readonly Buffer[] {
  return [...text.matchAll(form)].map(([, body = '']) => Buffer.from(body, 'base64'));
}

const authorityLabels = ['CERTIFICATE', 'X509 CERTIFICATE', 'TRUSTED CERTIFICATE'];
const listLabels = ['X509 CRL'];

/**
 * A file that is being written has some of its blocks only.
 * @throws Error where one has begun that has no end
 */
function checkWhole(what: string, text: string, labels: readonly string[], found: number): void {
  const begun = labels.reduce((sum, label) => sum + text.split(`-----BEGIN ${label}-----`).length - 1, 0);
  if (begun > found) throw new Error(`${what}: ${found} of ${begun} in it are whole: write it anew`);
}

function writable(what: string, { mode }: PemFile, danger: string): readonly Notice[] {
  const others = othersWrite(mode);
  if (others === undefined) return [];
  const text = `${what} is writable by ${others.who}, who could ${danger}; run chmod ${others.remedy} on it`;
  return [{ code: 'client-ca-writable', text }];
}
