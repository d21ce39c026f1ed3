import { type DerElement, membersOf, readDer, readOid, readText, Tag } from '../../base/der.js';
import { decodeStrictly } from '../../base/text.js';

/** One attribute of a name. */
interface Attribute {
  /** Its object identifier, as numbers and dots. */
  readonly type: string;
  /** Undefined for a value that is not read for sure: it equals no other. */
  readonly value: string | undefined;
}

/** A name in a certificate: its parts from the widest to the narrowest, each with one attribute or more. */
export type DistinguishedName = readonly (readonly Attribute[])[];

/** The object identifier of a common name. */
const commonName = '2.5.4.3';

/** Attributes by the names that OpenSSL prints, and RFC 4514. */
const types: Readonly<Record<string, string>> = {
  CN: commonName,
  SN: '2.5.4.4',
  serialNumber: '2.5.4.5',
  C: '2.5.4.6',
  L: '2.5.4.7',
  ST: '2.5.4.8',
  street: '2.5.4.9',
  O: '2.5.4.10',
  OU: '2.5.4.11',
  title: '2.5.4.12',
  description: '2.5.4.13',
  businessCategory: '2.5.4.15',
  postalCode: '2.5.4.17',
  name: '2.5.4.41',
  GN: '2.5.4.42',
  initials: '2.5.4.43',
  generationQualifier: '2.5.4.44',
  dnQualifier: '2.5.4.46',
  pseudonym: '2.5.4.65',
  organizationIdentifier: '2.5.4.97',
  UID: '0.9.2342.19200300.100.1.1',
  DC: '0.9.2342.19200300.100.1.25',
  emailAddress: '1.2.840.113549.1.9.1',
};

const typesByName = new Map(Object.entries(types).map(([name, oid]) => [name.toLowerCase(), oid]));
const namesByType = new Map(Object.entries(types).map(([name, oid]) => [oid, name]));

/** @throws RangeError for what is no name */
export function readName(element: DerElement | undefined): DistinguishedName {
  return membersOf(element).map((part) => {
    const attributes = membersOf(part, Tag.set).map((attribute) => {
      const [type, value, ...rest] = membersOf(attribute);
      if (value === undefined || rest.length > 0) throw new RangeError('an attribute of a name is damaged');
      return { type: readOid(type), value: readText(value) };
    });
    if (attributes.length === 0) throw new RangeError('a part of a name is empty');
    return attributes;
  });
}

/**
 * A text that two names have in common only where they are the same: all attributes with equal values, in equal parts, in
 * the same order. Undefined for a name that no other equals: one that is empty, or has a value that is not read for sure.
 */
export function nameKey(name: DistinguishedName): string | undefined {
  if (name.length === 0 || name.some((part) => part.some(({ value }) => value === undefined))) return undefined;
  // Within a part there is no order.
  return JSON.stringify(name.map((part) => part.map(({ type, value }) => `${type}=${value}`).sort()));
}

/** The common name, where there is one only. */
export function commonNameOf(name: DistinguishedName): string | undefined {
  const [only, ...others] = name.flat().filter(({ type }) => type === commonName);
  return others.length === 0 ? only?.value : undefined;
}

const form = 'give it as openssl x509 -noout -subject -nameopt RFC2253 -in CERTIFICATE prints it';

/**
 * Reads a name as RFC 4514 writes it, `CN=alice,O=Example,C=DE`: the narrowest part first.
 * @throws RangeError telling what is wrong
 */
export function parseName(text: string): DistinguishedName {
  const reader = new NameReader(text);
  const parts: Attribute[][] = [];
  for (;;) {
    const part = [reader.attribute()];
    while (reader.takes('+')) part.push(reader.attribute());
    parts.push(part);
    if (reader.isAtEnd) return parts.reverse();
    if (!reader.takes(',')) throw reader.wrong(`the character ${JSON.stringify(reader.next)} needs a \\ before it`);
  }
}

/** Characters that a value has with a backslash before them (RFC 4514 §2.4). */
const special = ' "#+,;<=>\\';

/** Those that end a value, or are not to stand in one, without a backslash. */
const ends = '"+,;<>';

class NameReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#text.length;
  }

  get next(): string {
    return this.#text.charAt(this.#at);
  }

  takes(character: string): boolean {
    if (this.next !== character) return false;
    this.#at += 1;
    return true;
  }

  wrong(what: string): RangeError {
    return new RangeError(`the subject is wrong at character ${this.#at + 1}: ${what}; ${form}`);
  }

  attribute(): Attribute {
    const begin = this.#at;
    while (/[A-Za-z0-9.-]/.test(this.next)) this.#at += 1;
    const name = this.#text.slice(begin, this.#at);
    const type = /^\d+(?:\.\d+)+$/.test(name) ? name : typesByName.get(name.toLowerCase());
    if (type === undefined) {
      this.#at = begin;
      throw this.wrong(
        name === '' ? 'an attribute such as CN= is missing' : `there is no attribute ${JSON.stringify(name)}`,
      );
    }
    if (!this.takes('=')) throw this.wrong(`a = belongs behind ${name}`);
    const value = this.next === '#' ? this.#encoded() : this.#plain();
    if (value === '') throw this.wrong(`${name} has no value`);
    return { type, value };
  }

  /** A value as the hexadecimal digits of its DER. */
  #encoded(): string {
    const [, digits = ''] = /^#((?:[0-9A-Fa-f]{2})+)/.exec(this.#text.slice(this.#at)) ?? [];
    let value: string | undefined;
    try {
      const [element, ...rest] = readDer(Buffer.from(digits, 'hex'));
      value = element === undefined || rest.length > 0 ? undefined : readText(element);
    } catch {
      value = undefined;
    }
    if (value === undefined) throw this.wrong('behind # there is no text that can be compared');
    this.#at += 1 + digits.length;
    return value;
  }

  #plain(): string {
    const bytes: Buffer[] = [];
    let blanks = this.next === ' ';
    while (!this.isAtEnd && !ends.includes(this.next)) {
      const { next } = this;
      blanks ||= next === ' ' && (this.#at + 1 === this.#text.length || ends.includes(this.#text.charAt(this.#at + 1)));
      if (next === '\\') bytes.push(this.#escaped());
      else {
        const character = String.fromCodePoint(this.#text.codePointAt(this.#at) ?? 0);
        bytes.push(Buffer.from(character));
        this.#at += character.length;
      }
    }
    if (blanks) throw this.wrong('there is a blank beside the value');
    let value: string;
    try {
      value = decodeStrictly(Buffer.concat(bytes));
    } catch {
      throw this.wrong('the value is not UTF-8');
    }
    if (/\p{Cc}/u.test(value)) throw this.wrong('a value with control characters is never compared');
    return value;
  }

  #escaped(): Buffer {
    const [first = '', second = ''] = this.#text.slice(this.#at + 1, this.#at + 3);
    if (first !== '' && special.includes(first)) {
      this.#at += 2;
      return Buffer.from(first);
    }
    if (!/^[0-9A-Fa-f]{2}$/.test(first + second)) throw this.wrong('a \\ has no character behind it that needs one');
    this.#at += 3;
    return Buffer.from(first + second, 'hex');
  }
}

/** A name for the log, as RFC 4514 writes it, in ASCII without control characters. */
export function formatName(name: DistinguishedName): string {
  return name
    .toReversed()
    .map((part) =>
      part.map(({ type, value }) => `${namesByType.get(type) ?? type}=${escaped(value ?? '(unreadable)')}`).join('+'),
    )
    .join(',');
}

function escaped(value: string): string {
  const characters = [...value];
  const last = characters.length - 1;
  return characters
    .map((character, at) => {
      if (character > '~' || character < ' ') return [...Buffer.from(character)].map(hexEscape).join('');
      const isBare = (character === ' ' || character === '#') && at > 0 && at < last;
      return special.includes(character) && !isBare ? `\\${character}` : character;
    })
    .join('');
}

function hexEscape(byte: number): string {
  return `\\${byte.toString(16).padStart(2, '0').toUpperCase()}`;
}
