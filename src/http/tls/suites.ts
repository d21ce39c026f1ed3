import { suggestNames } from '../../base/nearest.js';

/** A suite of TLS 1.2 that is served. */
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
  /** Wishes that no engine fulfils, one clause each. */
  readonly unmet: readonly string[];
  /** True when the order of the suites is to decide, not that of the client. */
  readonly wantsOwnOrder: boolean;
}

const ciphers: readonly (readonly [cipher: string, name: string, mac: Suite['mac']])[] = [
  ['AES-256-GCM', 'AES256-GCM-SHA384', 'AEAD'],
  ['CHACHA20-POLY1305', 'CHACHA20-POLY1305', 'AEAD'],
  ['AES-128-GCM', 'AES128-GCM-SHA256', 'AEAD'],
  ['AES-256-CBC', 'AES256-SHA', 'SHA1'],
  ['AES-128-CBC', 'AES128-SHA', 'SHA1'],
];

/** Every suite of TLS 1.2 that is served, in the order of uWebSockets.js, which has all of them. */
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

type Predicate = (suite: Suite) => boolean;

const isEcdhe: Predicate = ({ keyExchange }) => keyExchange !== 'RSA';
const isRsaKeyExchange: Predicate = ({ keyExchange }) => keyExchange === 'RSA';
const isEcdsa: Predicate = ({ keyExchange }) => keyExchange === 'ECDHE-ECDSA';
const isStrong: Predicate = ({ cipher }) => cipher !== '3DES-CBC';
const has =
  (part: RegExp): Predicate =>
  ({ cipher }) =>
    part.test(cipher);
const isSha1: Predicate = ({ mac }) => mac === 'SHA1';
const never: Predicate = () => false;

/** Keywords of ciphers(1) that some suite of the engine answers to. */
const keywords: ReadonlyMap<string, Predicate> = new Map<string, Predicate>([
  ['ALL', () => true],
  ['DEFAULT', isStrong],
  ['HIGH', isStrong],
  ['FIPS', has(/^AES/)],
  ['kRSA', isRsaKeyExchange],
  ['RSA', isRsaKeyExchange],
  ...['kECDHE', 'kEECDH', 'EECDH', 'ECDHE'].map((name) => [name, isEcdhe] as const),
  ['aRSA', (suite) => !isEcdsa(suite)],
  ['aECDSA', isEcdsa],
  ['ECDSA', isEcdsa],
  ['AES', has(/^AES/)],
  ['AES128', has(/^AES-128/)],
  ['AES256', has(/^AES-256/)],
  ['AESGCM', has(/GCM$/)],
  ['CHACHA20', has(/^CHACHA20/)],
  ['3DES', has(/^3DES/)],
  ['SHA', isSha1],
  ['SHA1', isSha1],
  ['SSLv3', isSha1],
  ['TLSv1', isSha1],
  ['TLSv1.0', isSha1],
  ['TLSv1.2', ({ mac }) => mac === 'AEAD'],
  // Keywords that no suite of the engine answers to.
  ...(
    'aNULL eNULL NULL COMPLEMENTOFALL COMPLEMENTOFDEFAULT MEDIUM LOW EXP EXPORT DH DHE EDH kDHE kEDH ADH AECDH ' +
    'ECDH kECDH kPSK kECDHEPSK kDHEPSK kRSAPSK PSK aPSK ECDHEPSK DHEPSK RSAPSK SRP kSRP aSRP aDSS DSS aGOST kGOST ' +
    'AESCCM AESCCM8 ARIA ARIAGCM ARIA128 ARIA256 CAMELLIA CAMELLIA128 CAMELLIA256 SEED IDEA RC4 RC2 DES MD5 SHA256 ' +
    'SHA384 GOST89 TLSv1.1'
  )
    .split(' ')
    .map((name) => [name, never] as const),
]);

/** Tells whether the text begins as a list of OpenSSL does, not as a GnuTLS priority string. */
export function isOpensslList(text: string): boolean {
  const [first = ''] = text.split(/[:, ]|(?!^)@/, 1);
  return /^@(STRENGTH|SECLEVEL)/.test(first) || meaningOf(first.replace(/^[-!]/, '')) !== undefined;
}

/**
 * Reads a list of suites as OpenSSL has it (ciphers(1)): names and keywords parted by `:`, `+` within one for both,
 * `-` to remove, `!` to remove for good, `+` in front to move to the end.
 *
 * @throws RangeError that names the word which is unknown, or says that no suite is left
 */
export function readOpensslList(text: string): CipherList {
  let suites: readonly Suite[] = [];
  const killed = new Set<Suite>();
  const missing: string[] = [];
  const unmet: string[] = [];
  for (const token of text.split(/[:, ]+|(?=@)/).filter((one) => one !== '')) {
    if (token === '@STRENGTH') {
      suites = suites.toSorted((a, b) => strength(b) - strength(a));
    } else if (/^@SECLEVEL=[0-5]$/.test(token)) {
      unmet.push(`${token} has no effect`);
    } else {
      const [, sign = '', words = ''] = /^([-+!]?)(.*)$/s.exec(token) ?? [];
      const meaning = meaningOf(words);
      if (meaning === undefined) throw unknown(token, words);
      if (meaning === never && sign === '') missing.push(token);
      const found = engineSuites.filter((suite) => meaning(suite) && !killed.has(suite));
      if (sign === '!') for (const suite of found) killed.add(suite);
      const others = suites.filter((suite) => !found.includes(suite));
      if (sign === '') suites = [...suites, ...found.filter((suite) => !suites.includes(suite))];
      else suites = sign === '+' ? [...others, ...found.filter((suite) => suites.includes(suite))] : others;
    }
  }
  if (suites.length === 0) {
    throw new RangeError(
      'it leaves no suite that has encryption and a certificate and that is served: add some, such as ECDHE+AESGCM',
    );
  }
  unmet.push('TLS 1.3 is offered too, with all of its suites');
  if (missing.length > 0) unmet.push(`no suite for ${missing.join(', ')} is served`);
  return { suites, unmet, wantsOwnOrder: false };
}

/** The suites that a name, a keyword, or keywords joined by `+` select; undefined when one of them is unknown. */
function meaningOf(words: string): Predicate | undefined {
  const predicates = words.split('+').map(wordMeaning);
  if (predicates.includes(undefined)) return undefined;
  if (predicates.includes(never)) return never;
  return (suite) => predicates.every((predicate) => predicate?.(suite) === true);
}

function wordMeaning(word: string): Predicate | undefined {
  const keyword = keywords.get(word);
  if (keyword !== undefined) return keyword;
  const suite = engineSuites.find(({ name }) => name === word);
  if (suite !== undefined) return (other) => other === suite;
  return word === word.toUpperCase() && isCipherOfNode(word.toLowerCase()) ? never : undefined;
}

/** The TLS of Node.js is loaded for words alone that nothing here knows: it takes milliseconds of the start. */
function isCipherOfNode(name: string): boolean {
  return process.getBuiltinModule('node:tls').getCiphers().includes(name);
}

function strength({ cipher }: Suite): number {
  return cipher === '3DES-CBC' ? 112 : cipher.startsWith('AES-128') ? 128 : 256;
}

function unknown(token: string, words: string): RangeError {
  const word = words.split('+').find((one) => wordMeaning(one) === undefined) ?? words;
  const known = [...keywords.keys(), ...engineSuites.map(({ name }) => name)];
  return new RangeError(
    `${JSON.stringify(token)} is no suite and no keyword of OpenSSL: ${suggestNames(word, 'known', known)}`,
  );
}
