import { coded } from '../../base/codes.js';
import { isObject, type JsonObject, type JsonValue } from '../../base/json.js';

/** An address of record of a dump. */
export interface DumpedAor {
  readonly domain: string;
  readonly record: JsonObject;
}

const [quote, backslash] = ['"'.charCodeAt(0), '\\'.charCodeAt(0)];
const [openObject, closeObject] = ['{'.charCodeAt(0), '}'.charCodeAt(0)];
const [openArray, closeArray] = ['['.charCodeAt(0), ']'.charCodeAt(0)];

/** Characters of one address of record, or of the members of a domain, that are held at most. */
const longestHeld = 16 << 20;

/** Levels of `{"Domains":[{"name":"location","AORs":[{"AOR":…}]}]}` that begin an object of a domain, its list, and an address of record. */
const [domainLevel, listLevel, recordLevel] = [3, 4, 5];

/** Takes `ul_dump` apart while it comes, one address of record at a time: all of it may be more than is good to hold. */
export class DumpSplitter {
  #text = '';
  #at = 0;
  #depth = 0;
  #isString = false;
  /** Where the object of a domain, or an address of record, began in {@link #text}; -1: in none. */
  #start = -1;
  #domain = '';
  readonly #longest: number;

  /** @param longest characters that are held at most */
  constructor(longest = longestHeld) {
    this.#longest = longest;
  }

  /** True once the dump has come to its end. */
  get isComplete(): boolean {
    return this.#depth === 0 && this.#at > 0;
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
    if (this.#depth === 0) this.#at = 1;
    if (this.#text.length > this.#longest) {
      throw coded('ERR_NODE', new Error(`an address of record of the dump has more than ${this.#longest} characters`));
    }
  }

  #step(character: number): DumpedAor | undefined {
    if (this.#isString) {
      // The character behind a backslash ends nothing.
      if (character === backslash) this.#at += 1;
      else if (character === quote) this.#isString = false;
    } else if (character === quote) {
      this.#isString = true;
    } else if (character === openObject || character === openArray) {
      this.#depth += 1;
      if (this.#depth === listLevel && character === openArray) this.#begunList();
      else if (this.#depth === domainLevel || this.#depth === recordLevel) this.#start = this.#at;
    } else if (character === closeObject || character === closeArray) {
      this.#depth -= 1;
      if (this.#depth === recordLevel - 1) return this.#record();
    }
    return undefined;
  }

  /** The members of a domain in front of its list have its name. */
  #begunList(): void {
    if (this.#start === -1) return;
    const domain: JsonValue = JSON.parse(`${this.#text.slice(this.#start, this.#at)}[]}`);
    this.#domain = isObject(domain) && typeof domain.name === 'string' ? domain.name : '';
    this.#start = -1;
  }

  #record(): DumpedAor | undefined {
    if (this.#start === -1) return undefined;
    const record: JsonValue = JSON.parse(this.#text.slice(this.#start, this.#at + 1));
    this.#start = -1;
    return isObject(record) ? { domain: this.#domain, record } : undefined;
  }
}
