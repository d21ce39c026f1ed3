import { coded } from '../../base/codes.js';
import { shorten } from '../../base/text.js';
import { mostFound } from '../../mi/results/record-table.js';
import { contactMembers, type ReadContact } from './contact.js';
import type { AorRecord, Domain } from './domain.js';

/** What is looked for in contacts. */
export interface ContactQuery {
  /** A text that an address of record or a member of a contact has; an empty one finds all. */
  readonly text: string;
  /** Name of the member that has it, as dumps show it. */
  readonly by?: string | undefined;
  /** Addresses of record to give at most: 1 to 1000. */
  readonly limit: number;
  /** The cursor of the page before. */
  readonly after?: string | undefined;
  /** False to end where the page is full. */
  readonly count: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** An address of record that was found, with those of its contacts that have the text; with all where they do not tell. */
interface FoundAor extends AorRecord {
  readonly table: string;
}

/** A page of addresses of record. */
export interface FoundAors {
  readonly records: readonly FoundAor[];
  /** For the next page; null if there is none. */
  readonly cursor: string | null;
  /** Addresses of record that have the text, on all pages. */
  readonly matched: number;
  /** Addresses of record that were looked at for this page. */
  readonly scanned: number;
  /** Addresses of record in all of the tables. */
  readonly total: number;
  readonly tables: readonly string[];
}

/** Where a page begins. */
interface Start {
  /** Name of the domain; '' for the addresses of record that the text names. */
  readonly domain: string;
  /** Addresses of record on the pages before, and in the domains that these have finished. */
  readonly before: number;
  /** Cursor of its table. */
  readonly place: string;
}

/**
 * Finds addresses of record by a part of what is known about them. The one that the text names comes first: as it is, without
 * blanks around it, and as a SIP URI.
 *
 * @throws RangeError for a wrong limit, or a cursor that no search gave; what the signal is aborted with
 */
export async function findAors(domains: readonly Domain[], query: ContactQuery): Promise<FoundAors> {
  const { by, limit, after, count, signal } = query;
  if (!(limit >= 1 && limit <= mostFound)) {
    throw coded('ERR_ARGUMENT', new RangeError(`limit is ${limit}; give 1 to ${mostFound}`));
  }
  checkMember('by', by);
  const text = query.text.trim();
  const named = (domain: Domain): string | undefined =>
    text === '' || (by !== undefined && by !== 'AOR') ? undefined : domain.named(text);
  const start = after === undefined ? undefined : readStart(after);
  const first = start === undefined || start.domain === '' ? 0 : domains.findIndex(({ name }) => name === start.domain);
  if (first < 0) throw wrongCursor();
  const records: FoundAor[] = [];
  let matched = start?.before ?? 0;
  let scanned = 0;
  let cursor: string | null = null;
  if (start === undefined || start.domain === '') {
    const exact = domains.filter((domain) => named(domain) !== undefined);
    const given = Number(start?.place ?? 0);
    for (const domain of exact.slice(given, given + limit)) {
      const record = domain.record(named(domain) ?? '');
      if (record !== undefined) records.push({ table: domain.name, ...record });
    }
    if (given + limit < exact.length) cursor = `:0:${given + limit}`;
    matched = exact.length;
    scanned = exact.length;
  }
  for (const [index, domain] of domains.slice(first).entries()) {
    const found = await domain.find(text, {
      by,
      except: named(domain),
      limit: limit - records.length,
      after: index === 0 && start?.domain === domain.name ? start.place : undefined,
      count,
      signal,
    });
    for (const [, { AOR, Contacts }] of found.records) {
      records.push({ table: domain.name, AOR, Contacts: contactsWith(AOR, Contacts, text, by) });
    }
    if (found.cursor !== undefined) cursor ??= `${domain.name}:${matched + found.records.length}:${found.cursor}`;
    matched += found.matched;
    scanned += found.scanned;
    if (cursor !== null && !count) break;
  }
  const total = domains.reduce((sum, { users }) => sum + users, 0);
  return { records, cursor, matched, scanned, total, tables: domains.map(({ name }) => name) };
}

/** @throws RangeError for a member that no contact has */
export function checkMember(parameter: string, name: string | undefined): void {
  if (name === undefined || name === 'AOR' || (contactMembers as readonly string[]).includes(name)) return;
  const known = ['AOR', ...contactMembers].join(', ');
  throw coded(
    'ERR_ARGUMENT',
    new RangeError(`${parameter} is ${JSON.stringify(shorten(name, 64))}; give one of ${known}`),
  );
}

/** The contacts that have a text themselves; all where the address of record has it, or what is printed by time. */
function contactsWith(
  aor: string,
  contacts: readonly ReadContact[],
  text: string,
  by?: string,
): readonly ReadContact[] {
  const wanted = text.toLowerCase();
  const has = (value: unknown): boolean => String(value).toLowerCase().includes(wanted);
  if ((by === undefined || by === 'AOR') && has(aor)) return contacts;
  const found = contacts.filter((contact) =>
    Object.entries(contact).some(([name, value]) => name !== 'Expires' && (by ?? name) === name && has(value)),
  );
  return found.length === 0 ? contacts : found;
}

/** @throws RangeError */
function readStart(cursor: string): Start {
  const [domain = '', before = '', place = '', ...rest] = cursor.split(':');
  const numbers = domain === '' ? [before, place] : [before];
  const isRight = numbers.every((text) => String(Math.abs(Number.parseInt(text, 10))) === text);
  if (!isRight || rest.length > 0) throw wrongCursor();
  return { domain, before: Number(before), place };
}

function wrongCursor(): RangeError {
  return coded('ERR_ARGUMENT', new RangeError('the cursor is of another search; search anew'));
}
