import { isObject } from '../base/json.js';
import { reasonOf } from '../base/text.js';
import type { LoadLine } from './load-lanes.js';

// The lines that `dump` writes and `load` reads: {"dumped_at":SECONDS}, {"domain":…,"aor":…,"contact":…,"expires":…,…} for each
// contact, {"dumped":CONTACTS}. A file by hand has those of contacts alone, and needs no domain.

/** The first line of a dump. @param time seconds since 1970 */
export function dumpHead(time: number): string {
  return JSON.stringify({ dumped_at: time });
}

/** The line of a contact. */
export function dumpLine({ domain, text }: LoadLine): string {
  return `{"domain":${JSON.stringify(domain)},${text.slice(1)}`;
}

/** The last line of a dump. */
export function dumpEnd(contacts: number): string {
  return JSON.stringify({ dumped: contacts });
}

/** What a line is: a contact, an expired one, a first or last line of a dump, or wrong. */
export type ReadLine =
  | { readonly kind: 'contact'; readonly line: LoadLine }
  | { readonly kind: 'other' }
  | { readonly kind: 'expired' }
  | { readonly kind: 'wrong'; readonly problem: string };

/** Reads the lines of one file. */
export class LineReader {
  readonly #domain: string | undefined;
  /** When the dump was made that lines are of, seconds since 1970. */
  #dumpedAt: number | undefined;
  #contacts = 0;
  #isOpen = false;
  /** Number of the last line of a dump, which says how many contacts it has, where that is another number. */
  #problem: string | undefined;

  /** @param domain the one that lines without are for; of those that have one, only lines of it are taken */
  constructor(domain: string | undefined) {
    this.#domain = domain;
  }

  /** Why the file is no whole dump; undefined if it is one, or none. */
  get problem(): string | undefined {
    return this.#problem ?? (this.#isOpen ? 'the dump is not complete; make another one' : undefined);
  }

  /** @param now seconds since 1970 */
  read(number: number, text: string, now: number): ReadLine {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      return { kind: 'wrong', problem: `line is not JSON: ${reasonOf(error).replaceAll(/\s+/g, ' ')}` };
    }
    if (!isObject(value)) return { kind: 'wrong', problem: 'line is not a JSON object' };
    if (typeof value.dumped_at === 'number') {
      // Several dumps may stand one behind the other.
      this.#dumpedAt = value.dumped_at;
      this.#isOpen = true;
      this.#contacts = 0;
      return { kind: 'other' };
    }
    if (typeof value.dumped === 'number') {
      if (value.dumped !== this.#contacts)
        this.#problem ??= `the dump has ${this.#contacts} contacts where its last line tells of ${value.dumped}; make another one`;
      this.#isOpen = false;
      this.#dumpedAt = undefined;
      return { kind: 'other' };
    }
    this.#contacts += 1;
    return this.#contact(number, text, value, now);
  }

  #contact(number: number, text: string, value: Readonly<Record<string, unknown>>, now: number): ReadLine {
    const { domain = this.#domain ?? 'location', ...rest } = value;
    const contact: Record<string, unknown> = rest;
    if (typeof domain !== 'string') return { kind: 'wrong', problem: 'domain is not a string' };
    if (!('aor' in value)) return { kind: 'wrong', problem: 'aor is missing' };
    const { aor } = value;
    if (typeof aor !== 'string') return { kind: 'wrong', problem: 'aor is not a string' };
    if (this.#domain !== undefined && domain !== this.#domain) return { kind: 'other' };
    const { expires } = contact;
    const age = this.#dumpedAt === undefined ? 0 : Math.max(0, now - this.#dumpedAt);
    if (age > 0 && typeof expires === 'number' && expires !== 0) {
      if (expires <= age) return { kind: 'expired' };
      contact.expires = Math.ceil(expires - age);
    } else if (value.domain === undefined) {
      return { kind: 'contact', line: { number, domain, aor, text } };
    }
    return { kind: 'contact', line: { number, domain, aor, text: JSON.stringify(contact) } };
  }
}
