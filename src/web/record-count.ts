// How many records a long result has, of which a page shows the first ones: they are counted by how they begin.

/** The objects of a list, as the beginning of a result has them. */
export interface Records {
  /** What they are called: `contacts`. */
  readonly noun: string;
  /** Those that are whole there. */
  readonly count: number;
  /** How each begins: `{"Contact":`. In JSON it can be nothing else, since a quote within a text has a backslash. */
  readonly mark: Buffer;
}

/** Bytes of the first member's name that a mark may have. */
const longestName = 64;

const [quote, backslash, colon] = [0x22, 0x5c, 0x3a];
const [openObject, closeObject, openArray, closeArray] = [0x7b, 0x7d, 0x5b, 0x5d];

/** What is open at a place: an object or an array, and the name that it has. */
interface Open {
  readonly isArray: boolean;
  readonly name: string;
  /** Of the objects in an array. */
  readonly group: Group | undefined;
}

/** The objects of all arrays of one name and depth. */
interface Group {
  readonly depth: number;
  readonly name: string;
  begun: number;
  ended: number;
  /** The name of the first member of each; undefined before there is one. */
  first: string | undefined;
  /** True where some begin in another way. */
  isMixed: boolean;
}

/** The records of a result: the most numerous objects in arrays, the innermost of those. Undefined where they do not begin alike. */
export function recordsIn(json: Uint8Array): Records | undefined {
  const [most] = groupsOf(json).sort((one, other) => other.ended - one.ended || other.depth - one.depth);
  if (most?.first === undefined || most.isMixed || most.first.length > longestName || most.ended < 2) return undefined;
  const mark = Buffer.from(`{"${most.first}":`);
  if (occurrences(json, mark) !== most.begun) return undefined;
  const { name } = most;
  const noun = name.endsWith('s') && name.length <= longestName ? name.toLowerCase() : 'records';
  return { noun, count: most.ended, mark };
}

/** Goes over the beginning of a JSON text as this server prints it, without blanks. */
function groupsOf(json: Uint8Array): Group[] {
  const groups = new Map<string, Group>();
  const stack: Open[] = [];
  const text = Buffer.from(json.buffer, json.byteOffset, json.byteLength);
  let name = '';
  /** The group whose object has just begun. */
  let begun: Group | undefined;
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at];
    if (byte === quote) {
      const end = endOfText(json, at + 1);
      if (json[end + 1] === colon) {
        name = text.toString('utf8', at + 1, Math.min(end, at + 1 + longestName + 1));
        if (begun !== undefined) begin(begun, name);
        begun = undefined;
      }
      at = end;
    } else if (byte === openObject) {
      begun = stack.at(-1)?.group;
      if (begun !== undefined) begun.begun += 1;
      stack.push({ isArray: false, name, group: undefined });
    } else if (byte === openArray) {
      const key = `${stack.length} ${name}`;
      const group = groups.get(key) ?? {
        depth: stack.length,
        name,
        begun: 0,
        ended: 0,
        first: undefined,
        isMixed: false,
      };
      groups.set(key, group);
      stack.push({ isArray: true, name, group });
    } else if (byte === closeObject || byte === closeArray) {
      // One without members begins in no way.
      if (begun !== undefined) begun.isMixed = true;
      begun = undefined;
      stack.pop();
      const group = byte === closeObject ? stack.at(-1)?.group : undefined;
      if (group !== undefined) group.ended += 1;
    }
  }
  // An object at the very end whose first name is cut off is not begun.
  if (begun !== undefined) begun.begun -= 1;
  return [...groups.values()].filter(({ ended }) => ended > 0);
}

function begin(group: Group, name: string): void {
  group.first ??= name;
  if (group.first !== name) group.isMixed = true;
}

/** Where the quote that closes a text is; behind the end where there is none. */
function endOfText(json: Uint8Array, start: number): number {
  let at = start;
  while (at < json.length && json[at] !== quote) at += json[at] === backslash ? 2 : 1;
  return at;
}

function occurrences(bytes: Uint8Array, mark: Buffer): number {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let count = 0;
  for (let at = text.indexOf(mark); at >= 0; at = text.indexOf(mark, at + mark.length)) count += 1;
  return count;
}

/** Counts the records of a result while its bytes pass. */
export class RecordCounter {
  count = 0;
  readonly #mark: Buffer;
  /** The end of the bytes before, in which a mark may begin. */
  #end: Buffer = Buffer.alloc(0);

  constructor(mark: Buffer) {
    this.#mark = mark;
  }

  push(bytes: Uint8Array): void {
    const overlap = this.#mark.length - 1;
    const joint = Buffer.concat([this.#end, bytes.subarray(0, overlap)]);
    this.count += occurrences(joint, this.#mark) + occurrences(bytes, this.#mark);
    const kept = bytes.length >= overlap ? bytes : Buffer.concat([this.#end, bytes]);
    this.#end = Buffer.from(kept.subarray(Math.max(0, kept.length - overlap)));
  }
}
