import type { JsonValue } from '../../base/json.js';

/** Units of a value that is parsed in one go. */
const piece = 4096;

const code = { quote: 0x22, backslash: 0x5c, openArray: 0x5b, closeArray: 0x5d, open: 0x7b, close: 0x7d, comma: 0x2c };

/** Parses a long JSON text, which has to be valid, piece by piece, as `JSON.parse` does in one go. */
export class JsonPieces {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Pauses after each piece. */
  *parse(): Generator<void, JsonValue> {
    this.#skipBlanks();
    const end = this.#endWithin(piece);
    if (end !== -1) {
      const value = JSON.parse(this.#text.slice(this.#at, end)) as JsonValue;
      this.#at = end;
      yield;
      return value;
    }
    const first = this.#text.charCodeAt(this.#at);
    if (first === code.openArray) return yield* this.#array();
    if (first === code.open) return yield* this.#object();
    return this.#string();
  }

  *#array(): Generator<void, JsonValue> {
    const items: JsonValue[] = [];
    this.#at += 1;
    do items.push(yield* this.parse());
    while (this.#goesOn());
    return items;
  }

  *#object(): Generator<void, JsonValue> {
    const object: Record<string, JsonValue> = {};
    this.#at += 1;
    do {
      this.#skipBlanks();
      const name = this.#string();
      this.#skipBlanks();
      // The colon.
      this.#at += 1;
      const value = yield* this.parse();
      // A plain store would set the prototype.
      if (name === '__proto__') {
        Object.defineProperty(object, name, { value, configurable: true, enumerable: true, writable: true });
      } else {
        object[name] = value;
      }
    } while (this.#goesOn());
    return object;
  }

  /** Passes the comma or the end behind an item or a member. */
  #goesOn(): boolean {
    this.#skipBlanks();
    const found = this.#text.charCodeAt(this.#at);
    this.#at += 1;
    return found === code.comma;
  }

  #string(): string {
    const start = this.#at;
    this.#at = this.#stringEnd(start, Infinity);
    return JSON.parse(this.#text.slice(start, this.#at)) as string;
  }

  #skipBlanks(): void {
    while (this.#text.charCodeAt(this.#at) <= 0x20) this.#at += 1;
  }

  /** Where the value that begins here ends; -1 when that is further away than `units`. */
  #endWithin(units: number): number {
    const limit = this.#at + units;
    let depth = 0;
    let at = this.#at;
    while (at < this.#text.length && at <= limit) {
      const unit = this.#text.charCodeAt(at);
      if (unit === code.quote) {
        at = this.#stringEnd(at, limit);
        if (depth === 0) return at > limit ? -1 : at;
        continue;
      }
      if (unit === code.openArray || unit === code.open) depth += 1;
      const isClosing = unit === code.closeArray || unit === code.close;
      // A number or a word ends in front of what follows it.
      if (depth === 0 && (isClosing || unit === code.comma || unit <= 0x20)) return at;
      at += 1;
      if (!isClosing) continue;
      depth -= 1;
      if (depth === 0) return at;
    }
    return at > limit ? -1 : at;
  }

  /** Behind the closing quote of the string that begins at `start`; beyond `limit` as soon as that is sure. */
  #stringEnd(start: number, limit: number): number {
    let at = start + 1;
    for (; at <= limit; at++) {
      const unit = this.#text.charCodeAt(at);
      if (unit === code.quote) return at + 1;
      if (unit === code.backslash) at += 1;
    }
    return at;
  }
}
