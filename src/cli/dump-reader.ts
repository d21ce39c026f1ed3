import { coded, type ErrorCode } from '../base/codes.js';
import { reasonOf } from '../base/text.js';
import type { LoadLine } from './load-lanes.js';

/** Longest record of a dump in bytes. */
const maxRecord = 1048576;

/** A record of a dump cannot be used. */
export class RecordError extends Error {
  override readonly name = 'RecordError';
  readonly code: ErrorCode = 'ERR_RECORD';
}

/** A record of a dump as its text, or why it cannot be used. */
export interface DumpRecord {
  /** Line on which it begins, from 1. */
  readonly line: number;
  readonly domain: string;
  /** An object `{"AOR":…,"Contacts":[…]}`; undefined where it is too long. */
  readonly text: string | undefined;
}

/** Where the reader is: an object or an array, and what was last named in it. */
interface Level {
  readonly isObject: boolean;
  /** The member whose value comes. */
  member: string;
  isName: boolean;
}

const dumpBegin = /^\s*\{\s*"(jsonrpc|result|id|error|Domains|Dumped at)"\s*:/;

/** True if a text begins as a reply to `ul_dump` or its result does; undefined: more text is needed to tell. */
export function isDump(begin: string): boolean | undefined {
  const text = begin.replace(/^\ufeff/, '');
  if (dumpBegin.test(text)) return true;
  return /^\s*(\{\s*("[^"]{0,10}("\s*)?)?)?$/.test(text) ? undefined : false;
}

/**
 * Finds the records of a dump in bytes that come in pieces; no more than one record is held. What lies around them is
 * not validated: each record is read as JSON by itself.
 */
export class DumpReader {
  readonly #levels: Level[] = [];
  #line = 1;
  #inString = false;
  #isEscaped = false;
  #string: number[] = [];
  #number = '';
  #domain = '';
  #record: Buffer[] | undefined;
  #recordLength = 0;
  #recordLine = 0;
  #recordDepth = 0;
  #isComplete = false;
  /** Seconds since 1970 at which the dump was made, if it says so. */
  dumpedAt: number | undefined;
  /** Text of an error reply's message. */
  error: string | undefined;

  /** True once the outermost value has ended. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** @throws Error for bytes behind the dump */
  *push(piece: Buffer): Generator<DumpRecord, void, undefined> {
    let start = 0;
    for (let at = 0; at < piece.length; at++) {
      const byte = piece[at] ?? 0;
      if (byte === 0x0a) this.#line += 1;
      if (this.#inString) {
        this.#stringByte(byte);
        continue;
      }
      switch (byte) {
        case 0x22:
          this.#inString = true;
          this.#string = [];
          break;
        case 0x7b:
        case 0x5b:
          if (this.#isComplete) throw coded('ERR_DUMP', new Error('something follows the dump'));
          if (byte === 0x7b && this.#record === undefined && this.#isRecordPlace()) {
            this.#record = [];
            this.#recordLength = 0;
            this.#recordLine = this.#line;
            this.#recordDepth = this.#levels.length;
            start = at;
          }
          this.#levels.push({ isObject: byte === 0x7b, member: '', isName: byte === 0x7b });
          break;
        case 0x7d:
        case 0x5d:
          this.#endNumber();
          this.#levels.pop();
          if (this.#record !== undefined && this.#levels.length === this.#recordDepth) {
            this.#keep(piece.subarray(start, at + 1));
            const isShort = this.#recordLength <= maxRecord;
            const text = isShort ? Buffer.concat(this.#record).toString('utf8') : undefined;
            this.#record = undefined;
            yield { line: this.#recordLine, domain: this.#domain, text };
          }
          if (this.#levels.length === 0) this.#isComplete = true;
          break;
        case 0x2c: {
          this.#endNumber();
          const level = this.#levels.at(-1);
          if (level !== undefined) level.isName = level.isObject;
          break;
        }
        case 0x3a: {
          const level = this.#levels.at(-1);
          if (level !== undefined) level.isName = false;
          break;
        }
        default:
          if (this.#number.length < 20 && byte >= 0x30 && byte <= 0x39) this.#number += String.fromCharCode(byte);
      }
    }
    if (this.#record !== undefined) this.#keep(piece.subarray(start));
  }

  #keep(part: Buffer): void {
    this.#recordLength += part.length;
    // A copy: the piece is the stream's.
    if (this.#recordLength <= maxRecord) this.#record?.push(Buffer.from(part));
    else this.#record?.splice(0);
  }

  #stringByte(byte: number): void {
    if (this.#isEscaped) this.#isEscaped = false;
    else if (byte === 0x5c) this.#isEscaped = true;
    else if (byte === 0x22) {
      this.#inString = false;
      if (this.#record === undefined) this.#endString(Buffer.from(this.#string).toString('utf8'));
      return;
    }
    if (this.#record === undefined && this.#string.length < 1024) this.#string.push(byte);
  }

  #endString(text: string): void {
    const level = this.#levels.at(-1);
    if (level?.isName === true) {
      level.member = text;
      return;
    }
    const path = this.#levels.map(({ member }) => member).join('/');
    if (/(^|\/)Domains\/\/name$/.test(path)) this.#domain = text;
    if (path === 'error/message') this.error = text;
  }

  #endNumber(): void {
    const level = this.#levels.at(-1);
    if (this.#number !== '' && level?.member === 'Dumped at' && this.#levels.length === 1) {
      this.dumpedAt = Number(this.#number);
    }
    this.#number = '';
  }

  #isRecordPlace(): boolean {
    const path = this.#levels.map(({ member }) => member).join('/');
    return /(^|\/)Domains\/\/AORs\/$/.test(path);
  }
}

/** Members of a contact in a dump, and what `add_many` calls them. */
const names = {
  Contact: 'contact',
  Callid: 'callid',
  Cseq: 'cseq',
  'User-agent': 'user_agent',
  Received: 'received',
  Path: 'path',
  Flags: 'flags',
  Cflags: 'cflags',
  Socket: 'socket',
  Methods: 'methods',
  Attr: 'attr',
  SIP_instance: 'sip_instance',
} as const;

/** The contacts of a record as lines to be sent; those that have expired since are left out. */
export interface RecordLines {
  readonly lines: readonly LoadLine[];
  readonly expired: number;
}

/**
 * @param age seconds since the dump was made
 * @throws RecordError when the record is none
 */
export function linesOf({ line: number, domain, text }: DumpRecord, age: number): RecordLines {
  if (text === undefined) throw new RecordError(`record is longer than ${maxRecord} bytes`);
  const { AOR: aor, Contacts } = parsed(text) as { AOR?: unknown; Contacts?: unknown };
  if (typeof aor !== 'string') throw new RecordError('AOR is not a string');
  if (!Array.isArray(Contacts)) throw new RecordError('record has no contacts; dump without brief');
  let expired = 0;
  const lines: LoadLine[] = [];
  for (const contact of Contacts as readonly Record<string, unknown>[]) {
    const expires = expiryOf(contact.Expires, age);
    if (expires === undefined) {
      expired += 1;
      continue;
    }
    const given: Record<string, unknown> = { aor, expires };
    for (const [from, to] of Object.entries(names)) if (contact[from] !== undefined) given[to] = contact[from];
    if (contact.Q !== undefined && contact.Q !== '') given.q = contact.Q;
    const pairs = contact['KV-Store'];
    if (typeof pairs === 'string') given.kv_store = parsed(pairs);
    lines.push({ number, domain, aor, text: JSON.stringify(given) });
  }
  return { lines, expired };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new RecordError(`record is not JSON: ${reasonOf(error)}`);
  }
}

/** Seconds from now, 0 for ever; undefined: it has expired. */
function expiryOf(shown: unknown, age: number): number | undefined {
  if (shown === 'permanent') return 0;
  const left = Number(shown) - age;
  return left > 0 ? Math.ceil(left) : undefined;
}
