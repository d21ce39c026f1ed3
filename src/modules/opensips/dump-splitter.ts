import { coded } from '../../base/codes.js';
import { isObject, type JsonObject, type JsonValue } from '../../base/json.js';
import { recordOf } from './tree.js';

/** An address of record of a dump, as 3.x shows it. */
export interface DumpedAor {
  readonly domain: string;
  readonly record: JsonObject;
}

const [quote, backslash, colon, comma] = ['"', '\\', ':', ','].map((text) => text.charCodeAt(0));
const [openObject, closeObject, openArray, closeArray] = ['{', '}', '[', ']'].map((text) => text.charCodeAt(0));

/** Characters of one address of record, or of a text outside of them, that are held at most. */
const longestHeld = 1 << 20;

/** Domains whose names are kept. */
const mostDomains = 1024;

/** Names of addresses of record, and of what they are in: of 3.x, and of 2.x, where one alone is no array. */
const recordNames: ReadonlySet<string> = new Set(['AORs', 'AOR']);
const domainNames: ReadonlySet<string> = new Set(['Domains', 'Domain']);
/** Those of the members of a domain that have its name. */
const nameNames: ReadonlySet<string> = new Set(['name', 'value']);

/** An object or array that has begun and not ended. */
interface Open {
  /** Its name; that of its array for what is in one. */
  readonly name: string;
  readonly isArray: boolean;
}

/**
 * Takes `ul_dump` apart while it comes, one address of record at a time: all of it may be more than is good to hold. It is
 * `{"Domains":[{"name":"location","AORs":[{"AOR":…}]}]}` of 3.x, or a tree of 2.x (tree.ts).
 */
export class DumpSplitter {
  #text = '';
  #at = 0;
  #isString = false;
  readonly #open: Open[] = [];
  /** Where the string or the address of record that is read began in {@link #text}; -1: none is. */
  #start = -1;
  /** Objects and arrays that are open in the address of record that is read; 0: none is. */
  #recordDepth = 0;
  /** The name of the next value of an object; undefined: a name comes. */
  #name: string | undefined;
  /** A string that may turn out to be a name. */
  #string = '';
  #domain = '';
  readonly #domains = new Set<string>();
  #hasDomains = false;
  readonly #longest: number;

  /** @param longest characters that are held at most */
  constructor(longest = longestHeld) {
    this.#longest = longest;
  }

  /** True once the dump has come to its end. Without a list of domains it is none: nothing is known of contacts then. */
  get isComplete(): boolean {
    return this.#hasDomains && this.#open.length === 0;
  }

  /** The domains that it has told of, those without an address of record included. */
  get domains(): ReadonlySet<string> {
    return this.#domains;
  }

  /**
   * The addresses of record that are whole with this piece.
   * @throws SyntaxError for one that is no JSON, Error for one that is too long
   */
  *push(piece: string): Generator<DumpedAor> {
    this.#text += piece;
    for (; this.#at < this.#text.length; this.#at += 1) {
      const found = this.#step(this.#text.charCodeAt(this.#at));
      if (found !== undefined) yield found;
    }
    // The text that was read is let go, so that a long dump is never held whole.
    const kept = this.#start === -1 ? this.#at : this.#start;
    this.#text = this.#text.slice(kept);
    this.#at -= kept;
    if (this.#start !== -1) this.#start = 0;
    if (this.#text.length > this.#longest) {
      throw coded('ERR_NODE', new Error(`an address of record of the dump has more than ${this.#longest} characters`));
    }
  }

  #step(character: number): DumpedAor | undefined {
    if (this.#isString) {
      this.#skipString();
      return undefined;
    }
    if (character === quote) {
      this.#isString = true;
      if (this.#recordDepth === 0) this.#start = this.#at;
    } else if (character === openObject || character === openArray) {
      this.#begin(character === openArray);
    } else if (character === closeObject || character === closeArray) {
      return this.#end();
    } else if (this.#recordDepth === 0) {
      if (character === colon) this.#name = this.#string;
      else if (character === comma && this.#open.at(-1)?.isArray === false) this.#name = undefined;
    }
    return undefined;
  }

  /** Goes to the quote that ends the string, or to the end of the text. */
  #skipString(): void {
    const end = this.#text.indexOf('"', this.#at);
    this.#at = end === -1 ? this.#text.length - 1 : end;
    if (end === -1) return;
    // Of backslashes in front of it, which are never cut off, the first one escapes the second, and so on.
    let first = end;
    while (this.#text.charCodeAt(first - 1) === backslash) first -= 1;
    if ((end - first) % 2 === 0) this.#endString();
  }

  #endString(): void {
    this.#isString = false;
    if (this.#recordDepth > 0) return;
    const string: JsonValue = JSON.parse(this.#text.slice(this.#start, this.#at + 1));
    this.#start = -1;
    this.#string = String(string);
    const open = this.#open.at(-1);
    if (open === undefined || open.isArray || this.#name === undefined) return;
    if (domainNames.has(open.name) && nameNames.has(this.#name)) {
      this.#domain = this.#string;
      if (this.#domains.size < mostDomains) this.#domains.add(this.#domain);
    }
  }

  #begin(isArray: boolean): void {
    if (this.#recordDepth > 0) {
      this.#recordDepth += 1;
      return;
    }
    const above = this.#open.at(-1);
    const name = above === undefined ? '' : above.isArray ? above.name : (this.#name ?? '');
    if (!isArray && recordNames.has(name)) {
      this.#start = this.#at;
      this.#recordDepth = 1;
      return;
    }
    // Of 2.x a single domain is an object.
    if (this.#open.length === 1 && domainNames.has(name) && (isArray || name === 'Domain')) this.#hasDomains = true;
    this.#open.push({ name, isArray });
    this.#name = undefined;
  }

  #end(): DumpedAor | undefined {
    if (this.#recordDepth === 0) {
      this.#open.pop();
      return undefined;
    }
    this.#recordDepth -= 1;
    if (this.#recordDepth > 0) return undefined;
    const record: JsonValue = JSON.parse(this.#text.slice(this.#start, this.#at + 1));
    this.#start = -1;
    if (!isObject(record)) return undefined;
    return { domain: this.#domain, record: record.AOR === undefined ? recordOf(record) : record };
  }
}
