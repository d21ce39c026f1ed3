import { suggestNames } from '../../base/nearest.js';
import {
  anonymous,
  ciphers,
  flags,
  keyExchanges,
  type Level,
  levels,
  macs,
  unsettable,
  versions,
} from './priority-names.js';
import { type CipherList, engineSuites, type Suite, tls13Ciphers } from './suites.js';

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
 * Reads a GnuTLS priority string (GnuTLS manual, "Priority strings") as what the engine can do of it. Keywords may be
 * in any case; tokens apply from left to right.
 *
 * @throws RangeError that names the token which is unknown, or says that no suite is left
 */
export function readPriority(text: string): CipherList {
  const unmet = new Set<string>();
  let wanted = nothing;
  for (const token of text.split(':')) wanted = apply(wanted, token.trim().toUpperCase(), unmet);
  return outcome(wanted, unmet);
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

function outcome(wanted: Wanted, unmet: Set<string>): CipherList {
  const has12 = wanted.versions.includes('TLS1.2');
  const has13 = wanted.versions.includes('TLS1.3');
  if (!has12 && !has13) {
    throw new RangeError('it asks for neither TLS 1.2 nor TLS 1.3, and nothing older is served: add +VERS-TLS1.2');
  }
  const suites = has12 ? suitesOf(wanted) : [];
  const usable13 = has13 && isUsable13(wanted);
  if (suites.length === 0 && !usable13) {
    throw new RangeError(
      'it leaves no suite that has encryption and a certificate and that the engine has: ' +
        'add some, such as +ECDHE-RSA:+ECDHE-ECDSA:+AES-256-GCM:+AEAD',
    );
  }
  const clauses = [...versionClauses(wanted, suites), ...unmet];
  const missing = [
    ...wanted.keyExchanges.filter((name) => !engineSuites.some(({ keyExchange }) => keyExchange === name)),
    ...wanted.ciphers.filter((name) => !engineSuites.some(({ cipher }) => cipher === name)),
    ...wanted.macs.filter((name) => !engineSuites.some(({ mac }) => mac === name)),
  ];
  if (has12 && missing.length > 0) clauses.push(`the engine has no suite with ${missing.join(', ')}`);
  return { suites, unmet: clauses };
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

/** Key exchanges are none of the suite in TLS 1.3; but whoever asks for anonymous ones alone does not get others. */
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
