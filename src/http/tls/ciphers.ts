import { suggestNames } from '../../base/nearest.js';
import type { TlsAbilities } from '../engine/engine.js';
import { type CipherList, engineSuites, isOpensslList, readOpensslList, type Suite, tls13Ciphers } from './suites.js';

/** The meaning of a level of a GnuTLS priority string; lists are in order of preference. */
interface Level {
  readonly versions: readonly string[];
  readonly keyExchanges: readonly string[];
  readonly ciphers: readonly string[];
  readonly macs: readonly string[];
  /** True when it narrows groups and signature algorithms. */
  readonly isNarrow: boolean;
}

const everyTls = ['TLS1.3', 'TLS1.2', 'TLS1.1', 'TLS1.0'];
const fourKeyExchanges = ['ECDHE-ECDSA', 'ECDHE-RSA', 'RSA', 'DHE-RSA'];

const normal: Level = {
  versions: everyTls,
  keyExchanges: fourKeyExchanges,
  ciphers: [
    'AES-256-GCM',
    'CHACHA20-POLY1305',
    'AES-256-CCM',
    'AES-256-CBC',
    'AES-128-GCM',
    'AES-128-CCM',
    'AES-128-CBC',
  ],
  macs: ['SHA1', 'AEAD'],
  isNarrow: false,
};

const secure256: Level = {
  versions: everyTls,
  keyExchanges: fourKeyExchanges,
  ciphers: ['AES-256-GCM', 'CHACHA20-POLY1305', 'AES-256-CBC', 'AES-256-CCM'],
  macs: ['AEAD'],
  isNarrow: true,
};

const suiteB = (...ciphers: readonly string[]): Level => ({
  versions: ['TLS1.2'],
  keyExchanges: ['ECDHE-ECDSA'],
  ciphers,
  macs: ['AEAD'],
  isNarrow: true,
});

/** The levels by name, as GnuTLS 3.7 has them. */
const levels: ReadonlyMap<string, Level> = new Map([
  ['NORMAL', normal],
  ['LEGACY', normal],
  ['PFS', { ...normal, keyExchanges: ['ECDHE-ECDSA', 'ECDHE-RSA', 'DHE-RSA'] }],
  [
    'SECURE128',
    {
      ...normal,
      ciphers: [
        'AES-256-GCM',
        'CHACHA20-POLY1305',
        'AES-256-CBC',
        'AES-256-CCM',
        'AES-128-GCM',
        'AES-128-CBC',
        'AES-128-CCM',
      ],
      isNarrow: true,
    },
  ],
  ['SECURE192', secure256],
  ['SECURE256', secure256],
  [
    'PERFORMANCE',
    {
      ...normal,
      keyExchanges: ['RSA', 'ECDHE-ECDSA', 'ECDHE-RSA', 'DHE-RSA'],
      ciphers: [
        'AES-128-GCM',
        'AES-256-GCM',
        'CHACHA20-POLY1305',
        'AES-128-CCM',
        'AES-256-CCM',
        'AES-128-CBC',
        'AES-256-CBC',
      ],
    },
  ],
  ['SUITEB128', suiteB('AES-256-GCM', 'AES-128-GCM')],
  ['SUITEB192', suiteB('AES-256-GCM')],
  ['NONE', { versions: [], keyExchanges: [], ciphers: [], macs: [], isNarrow: false }],
]);

/** Every protocol version, without its prefix VERS-. */
const versions: readonly string[] = [...everyTls, 'SSL3.0', 'DTLS1.2', 'DTLS1.0', 'DTLS0.9'];

/** Key exchanges in which nobody proves who they are. */
const anonymous: readonly string[] = ['ANON-DH', 'ANON-ECDH'];

const keyExchanges: readonly string[] = [
  ...fourKeyExchanges,
  ...anonymous,
  'DHE-DSS',
  'PSK',
  'DHE-PSK',
  'ECDHE-PSK',
  'RSA-PSK',
  'SRP',
  'SRP-RSA',
  'SRP-DSS',
];

const ciphers: readonly string[] = [
  ...normal.ciphers,
  'AES-192-GCM',
  'AES-192-CBC',
  'AES-256-CCM-8',
  'AES-128-CCM-8',
  '3DES-CBC',
  'CAMELLIA-256-GCM',
  'CAMELLIA-128-GCM',
  'CAMELLIA-256-CBC',
  'CAMELLIA-192-CBC',
  'CAMELLIA-128-CBC',
  'ARCFOUR-128',
  'ARCFOUR-40',
  'SALSA20-256',
  'ESTREAM-SALSA20-256',
  'RC2-40',
  'DES-CBC',
  'GOST28147-TC26Z-CNT',
  'NULL',
];

const macs: readonly string[] = [
  'SHA1',
  'AEAD',
  'SHA256',
  'SHA384',
  'SHA512',
  'SHA224',
  'MD5',
  'UMAC-96',
  'UMAC-128',
  'GOST28147-TC26Z-IMIT',
];

/** Names, after the sign, of what is known and cannot be set here: groups, signatures, compression, certificates. */
const unsettable: readonly (readonly [what: 'groups' | 'signatures' | 'nothing', pattern: RegExp])[] = [
  ['groups', /^(GROUP|CURVE)-(ALL|EC-ALL|DH-ALL|SECP(192|224|256|384|521)R1|X25519|X448|GC(256|512)[A-D])$/],
  ['groups', /^GROUP-FFDHE(2048|3072|4096|6144|8192)$/],
  ['signatures', /^SIGN-ALL$/],
  ['signatures', /^SIGN-(RSA|DSA|ECDSA|RSA-PSS|RSA-PSS-RSAE)-(MD5|SHA1|SHA(3-)?(224|256|384|512))$/],
  ['signatures', /^SIGN-(ECDSA-SECP(256R1-SHA256|384R1-SHA384|521R1-SHA512)|EDDSA-ED(25519|448)|GOSTR[0-9-]+)$/],
  ['nothing', /^COMP-(ALL|NULL|DEFLATE|BROTLI|ZLIB|ZSTD)$/],
  ['nothing', /^CTYPE-((CLI|SRV)-)?(ALL|X\.?509|RAWPK|OPENPGP)$/],
];

const ownOrder = 'SERVER_PRECEDENCE';

/** Keywords behind a percent sign, which have no effect here, and the remark about each where there is one. */
const flags: ReadonlyMap<string, string | undefined> = new Map([
  [ownOrder, undefined],
  ['NO_TICKETS', 'session tickets are given'],
  ['NO_TICKETS_TLS12', 'session tickets are given'],
  ['FORCE_ETM', 'encrypt-then-MAC is not forced'],
  ['UNSAFE_RENEGOTIATION', 'renegotiation is refused'],
  ['FORCE_SESSION_HASH', 'clients without extended master secret are served'],
  ...[
    'COMPAT',
    'DUMBFW',
    'NO_EXTENSIONS',
    'NO_STATUS_REQUEST',
    'NO_SESSION_HASH',
    'NO_ETM',
    'NO_SHUFFLE_EXTENSIONS',
    'SSL3_RECORD_VERSION',
    'LATEST_RECORD_VERSION',
    'STATELESS_COMPRESSION',
    'SAFE_RENEGOTIATION',
    'PARTIAL_RENEGOTIATION',
    'DISABLE_SAFE_RENEGOTIATION',
    'FALLBACK_SCSV',
    'DISABLE_WILDCARDS',
    'DISABLE_TLS13_COMPAT_MODE',
    'ALLOW_SMALL_RECORDS',
    'VERIFY_ALLOW_BROKEN',
    'VERIFY_ALLOW_SIGN_RSA_MD5',
    'VERIFY_ALLOW_SIGN_WITH_SHA1',
    'VERIFY_ALLOW_X509_V1_CA_CRT',
    'VERIFY_DISABLE_CRL_CHECKS',
  ].map((name) => [name, undefined] as const),
  ...['VERY_WEAK', 'LOW', 'LEGACY', 'MEDIUM', 'HIGH', 'ULTRA', 'FUTURE', 'SUITEB128', 'SUITEB192'].map(
    (name) => [`PROFILE_${name}`, 'profiles do not limit the sizes of keys'] as const,
  ),
]);

/** The default of OpenSIPS: TLS 1.2 with the strong suites. */
export const defaultCiphers = 'SECURE256:+SECURE192:-VERS-ALL:+VERS-TLS1.2';

/**
 * Reads what TLS is to be served with: a GnuTLS priority string, as OpenSIPS takes it, or a list as OpenSSL has it.
 *
 * @throws RangeError in one line that says what is wrong with it
 */
export function readCiphers(text: string): CipherList {
  const trimmed = text.trim();
  if (trimmed === '') {
    throw new RangeError(`it is empty: give a GnuTLS priority string, such as ${defaultCiphers}, or leave it out`);
  }
  // A level is no name of OpenSSL; to find that out would load the TLS of Node.js, at every start with the default.
  const [first = ''] = trimmed.split(':', 1);
  return !levels.has(first) && isOpensslList(trimmed) ? readOpensslList(trimmed) : readPriority(trimmed);
}

/** Says what is wrong with such a text, undefined when nothing is. */
export function ciphersProblem(text: string): string | undefined {
  try {
    readCiphers(text);
    return undefined;
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
}

/** Tells in one line which part of such a text an engine cannot do; undefined when it can do all. */
export function ciphersNotice(text: string, engine: TlsAbilities): string | undefined {
  const { unmet, suites, wantsOwnOrder } = readCiphers(text);
  const clauses = [...unmet];
  if (wantsOwnOrder && !engine.hasOwnOrder)
    clauses.push(`the order of the client decides, not that of the server (%${ownOrder})`);
  const missing = suites.filter(({ name }) => !engine.hasSuite(name));
  if (missing.length > 0) clauses.push(`this engine has no suite ${missing.map(({ name }) => name).join(', ')}`);
  return clauses.length === 0 ? undefined : `tls_ciphers ${JSON.stringify(text)}: ${clauses.join('; ')}`;
}

/** The selection so far, each list in order of preference. */
interface Wanted {
  versions: readonly string[];
  keyExchanges: readonly string[];
  ciphers: readonly string[];
  macs: readonly string[];
}

interface ClassNames {
  readonly key: keyof Wanted;
  readonly prefix: string;
  readonly names: readonly string[];
  /** Stands for all of them. */
  readonly all: RegExp;
}

const classes: readonly ClassNames[] = [
  { key: 'versions', prefix: 'VERS-', names: versions, all: /^VERS-(TLS-)?ALL$/ },
  { key: 'keyExchanges', prefix: '', names: keyExchanges, all: /^KX-ALL$/ },
  { key: 'ciphers', prefix: '', names: ciphers, all: /^CIPHER-ALL$/ },
  { key: 'macs', prefix: '', names: macs, all: /^MAC-ALL$/ },
];

/** Names that `+KX-ALL` and `+CIPHER-ALL` leave out: they give no authentication, or no encryption. */
const neverAll: readonly string[] = [...anonymous, 'NULL'];

const nothing: Wanted = { versions: [], keyExchanges: [], ciphers: [], macs: [] };

/**
 * Reads a GnuTLS priority string (GnuTLS manual, "Priority strings") as what can be served of it. Keywords may be
 * in any case; tokens apply from left to right.
 *
 * @throws RangeError that names the token which is unknown, or says that no suite is left
 */
function readPriority(text: string): CipherList {
  const unmet = new Set<string>();
  let wanted = nothing;
  for (const token of text.split(':')) wanted = apply(wanted, token.trim().toUpperCase(), unmet);
  return outcome(wanted, unmet, text.toUpperCase().includes(`%${ownOrder}`));
}

function apply(wanted: Wanted, token: string, unmet: Set<string>): Wanted {
  const level = levels.get(token);
  if (level !== undefined) {
    noteNarrow(level, unmet);
    return level;
  }
  const [sign = ''] = token;
  const name = token.slice(1);
  if (sign === '%') {
    if (!flags.has(name))
      throw unknown(
        token,
        [...flags.keys()].map((flag) => `%${flag}`),
      );
    const clause = flags.get(name);
    if (clause !== undefined) unmet.add(`${clause} (${token})`);
    return wanted;
  }
  if (token === 'SYSTEM' || sign === '@') {
    throw new RangeError(
      `token ${JSON.stringify(token)} refers to priorities of the system, which are not read: write them out`,
    );
  }
  if (sign === '+') return changed(wanted, token, unmet, added);
  if (sign === '-' || sign === '!') return changed(wanted, token, unmet, removed);
  throw unknown(token, [...levels.keys()]);
}

type Change = (list: readonly string[], names: readonly string[]) => readonly string[];

const added: Change = (list, names) => [...list, ...names.filter((name) => !list.includes(name))];
const removed: Change = (list, names) => list.filter((name) => !names.includes(name));

function changed(wanted: Wanted, token: string, unmet: Set<string>, change: Change): Wanted {
  const name = token.slice(1);
  const level = levels.get(name);
  if (level !== undefined) {
    if (change === added) noteNarrow(level, unmet);
    return {
      versions: change(wanted.versions, level.versions),
      keyExchanges: change(wanted.keyExchanges, level.keyExchanges),
      ciphers: change(wanted.ciphers, level.ciphers),
      macs: change(wanted.macs, level.macs),
    };
  }
  for (const { key, prefix, names, all } of classes) {
    if (all.test(name)) {
      const meant = change === added ? names.filter((one) => !neverAll.includes(one)) : names;
      return { ...wanted, [key]: change(wanted[key], meant) };
    }
    const own = name.startsWith(prefix) ? name.slice(prefix.length) : '';
    if (names.includes(own)) return { ...wanted, [key]: change(wanted[key], [own]) };
  }
  const found = unsettable.find(([, pattern]) => pattern.test(name));
  if (found === undefined) {
    const known = [
      ...versions.map((version) => `VERS-${version}`),
      ...keyExchanges,
      ...ciphers,
      ...macs,
      ...levels.keys(),
    ];
    throw unknown(
      token,
      known.map((one) => `${token.slice(0, 1)}${one}`),
    );
  }
  const [what] = found;
  if (what !== 'nothing') unmet.add(limits[what]);
  return wanted;
}

const limits = {
  groups: 'key exchange groups are X25519, P-256 and P-384, whatever is asked for',
  signatures: 'signature algorithms are not limited',
} as const;

function noteNarrow(level: Level, unmet: Set<string>): void {
  if (level.isNarrow) unmet.add(limits.groups).add(limits.signatures);
}

function outcome(wanted: Wanted, unmet: Set<string>, wantsOwnOrder: boolean): CipherList {
  const has12 = wanted.versions.includes('TLS1.2');
  const has13 = wanted.versions.includes('TLS1.3');
  if (!has12 && !has13) {
    throw new RangeError('it asks for neither TLS 1.2 nor TLS 1.3, and nothing older is served: add +VERS-TLS1.2');
  }
  const suites = has12 ? suitesOf(wanted) : [];
  const usable13 = has13 && isUsable13(wanted);
  if (suites.length === 0 && !usable13) {
    throw new RangeError(
      'it leaves no suite that has encryption and a certificate and that is served: ' +
        'add some, such as +ECDHE-RSA:+ECDHE-ECDSA:+AES-256-GCM:+AEAD',
    );
  }
  const clauses = [...versionClauses(wanted, suites), ...unmet];
  const missing = [
    ...wanted.keyExchanges.filter((name) => !engineSuites.some(({ keyExchange }) => keyExchange === name)),
    ...wanted.ciphers.filter((name) => !engineSuites.some(({ cipher }) => cipher === name)),
    ...wanted.macs.filter((name) => !engineSuites.some(({ mac }) => mac === name)),
  ];
  if (has12 && missing.length > 0) clauses.push(`no suite with ${missing.join(', ')} is served`);
  return { suites, unmet: clauses, wantsOwnOrder };
}

function suitesOf({ keyExchanges, ciphers, macs }: Wanted): readonly Suite[] {
  return keyExchanges.flatMap((keyExchange) =>
    ciphers.flatMap((cipher) =>
      engineSuites.filter(
        (suite) => suite.keyExchange === keyExchange && suite.cipher === cipher && macs.includes(suite.mac),
      ),
    ),
  );
}

/** Suites of TLS 1.3 have no key exchange; a wish for anonymous ones alone gets no TLS 1.3 all the same. */
function isUsable13({ keyExchanges, ciphers, macs }: Wanted): boolean {
  const isAnonymous = keyExchanges.length > 0 && keyExchanges.every((name) => anonymous.includes(name));
  return !isAnonymous && macs.includes('AEAD') && ciphers.some((name) => tls13Ciphers.includes(name));
}

function versionClauses({ versions, ciphers }: Wanted, suites: readonly Suite[]): string[] {
  const clauses: string[] = [];
  if (!versions.includes('TLS1.3')) {
    clauses.push('TLS 1.3 cannot be switched off and is offered too, with all of its suites');
  } else {
    const extra = tls13Ciphers.filter((name) => !ciphers.includes(name));
    if (extra.length > 0) clauses.push(`TLS 1.3 has ${extra.join(' and ')} too: its suites cannot be chosen`);
    if (suites.length === 0 && versions.includes('TLS1.2')) clauses.push('TLS 1.2 is off, for it has no suite left');
  }
  const old = versions.filter((name) => name !== 'TLS1.2' && name !== 'TLS1.3');
  if (old.length > 0) clauses.push(`${old.join(', ')} are not served`);
  return clauses;
}

function unknown(token: string, known: readonly string[]): RangeError {
  const remedy = token === '' ? 'remove the colon' : suggestNames(token, 'known', known);
  return new RangeError(`token ${JSON.stringify(token)} is none of a GnuTLS priority string: ${remedy}`);
}
