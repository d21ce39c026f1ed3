import { type JsonValue, stringify } from '../../../base/json.js';
import { type LongWork, type Slice, workFromNow } from '../../../base/slice.js';
import { MiAnswer } from '../../../mi/errors.js';
import { openParts, Parts } from '../../../mi/results/cursor.js';
import { printLong } from '../../../mi/results/long-printer.js';
import type { Reply } from './envelope.js';
import type { ReplySink } from './reply-reader.js';
import type { Allowance } from './spool.js';
import type { UpstreamCall, UpstreamStream } from './transport.js';
import { Utf8Mender } from './utf8.js';

/** A request of the FIFO and the datagrams of OpenSIPS 2.x. */
export interface LineRequest {
  /** `:command:reply`, then a line for each value. */
  readonly text: string;
  /** Why it has no such form; '' if it has. */
  readonly misfit: string;
}

/**
 * Prints a call as OpenSIPS 2.x reads it. Values are lines by position.
 *
 * @param replyName name of the reply FIFO; '' of a datagram
 */
export function printLines({ method, params }: UpstreamCall, replyName: string): LineRequest {
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(method)) return none('OpenSIPS 2.x has no command of that name');
  const values = params === undefined ? [] : valuesOf(params);
  if (values === undefined) return none('OpenSIPS 2.x takes values by position, and no names');
  const lines: string[] = [];
  for (const value of values) {
    const line = lineOf(value);
    if (line === undefined)
      return none(
        'OpenSIPS 2.x takes texts of one line and numbers as values, none of them empty or with a blank in front',
      );
    lines.push(line);
  }
  return { text: `:${method}:${replyName}\n${lines.map((line) => `${line}\n`).join('')}\n`, misfit: '' };
}

function none(misfit: string): LineRequest {
  return { text: '', misfit };
}

function valuesOf(params: NonNullable<UpstreamCall['params']>): readonly (JsonValue | undefined)[] | undefined {
  if (Array.isArray(params)) return params as readonly JsonValue[];
  return Object.keys(params).length === 0 ? [] : undefined;
}

function lineOf(value: JsonValue | undefined): string | undefined {
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  // A quote in front begins a text of several lines.
  // A blank in front would be a level of a tree, and blanks alone an empty line: what follows it is another request.
  return typeof value === 'string' && /^[^"\s\0][^\r\n\0]*$/.test(value) ? value : undefined;
}

/** Bytes of a reply that is answered as a text. */
const longestText = 65536;

/** Characters of a line: one is read at once. */
const longestLine = 65536;

/** Bytes that a line counts for at least: as values, short lines take many times the bytes that they have. */
const leastLine = 32;

/**
 * Reads a reply of OpenSIPS 2.x, in turns of the event loop: a line `200 OK`, then a tree of lines `name:: value attribute=value`, a
 * tab in front for each level. Nodes of one name below another become an array, as all that has attributes or nodes below it.
 */
export class LinesReader implements LongWork {
  readonly #room: Allowance;
  readonly #sink: ReplySink;
  readonly #mender = new Utf8Mender();
  readonly #pieces: Buffer[] = [];
  /** Bytes that it holds of the room: those that came, and what short lines count for besides. */
  #length = 0;
  /** Bytes that came. */
  #came = 0;
  #text = '';
  #at = 0;
  #status: string | undefined;
  readonly #tree = new Tree();
  #isEnded = false;
  #isOver = false;
  #isWorking = false;

  /** @param room bytes of such replies that may be held, together with those of others */
  constructor(room: Allowance, sink: ReplySink) {
    this.#room = room;
    this.#sink = sink;
  }

  /** Takes the next bytes, which are lent. */
  push(piece: Buffer): void {
    if (this.#isOver) return;
    if (!this.#hold(piece.length)) return;
    this.#came += piece.length;
    this.#pieces.push(Buffer.from(piece));
    this.#goOn();
  }

  /** @returns false where there is no room for so many bytes: the reply has ended then */
  #hold(bytes: number): boolean {
    if (this.#room.take(bytes)) {
      this.#length += bytes;
      return true;
    }
    this.#finish({
      kind: 'broken',
      reason: `replies of OpenSIPS 2.x hold ${this.#room.most} bytes, the limit max_lines`,
    });
    return false;
  }

  /** All has come. */
  end(): void {
    this.#isEnded = true;
    this.#goOn();
  }

  /** The rest does not come, or nobody waits for it. */
  cancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#drop();
  }

  work(slice: Slice): boolean {
    do {
      if (this.#step()) continue;
      this.#isWorking = false;
      return false;
    } while (!slice.isOverAfterStep());
    return true;
  }

  #goOn(): void {
    if (this.#isWorking || this.#isOver) return;
    this.#isWorking = true;
    workFromNow(this);
  }

  /** Reads a line. @returns false when there is nothing to do at present */
  #step(): boolean {
    if (this.#isOver) return false;
    const end = this.#text.indexOf('\n', this.#at);
    if (end >= 0) {
      this.#line(this.#text.slice(this.#at, end));
      this.#at = end + 1;
      return true;
    }
    const rest = this.#text.slice(this.#at);
    if (rest.length > longestLine) {
      this.#finish({ kind: 'broken', reason: `what came has a line of more than ${longestLine} characters` });
      return false;
    }
    const piece = this.#pieces.shift();
    if (piece !== undefined) {
      this.#text = rest + this.#mender.push(piece).toString();
      this.#at = 0;
      return true;
    }
    if (!this.#isEnded) return false;
    this.#line(rest + this.#mender.end().toString());
    if (!this.#isOver) this.#conclude();
    return false;
  }

  #line(line: string): void {
    if (this.#status === undefined) this.#status = line;
    else if (line.trim() !== '' && this.#hold(Math.max(0, leastLine - line.length))) this.#tree.add(line);
  }

  #conclude(): void {
    const found = /^([0-9]{3}) (.*)$/.exec(this.#status ?? '');
    if (found === null) {
      this.#finish({ kind: 'broken', reason: 'what came has no line with a status' });
      return;
    }
    const [, code, reason = ''] = found;
    if (Number(code) >= 300) {
      this.#finish({ kind: 'error', error: new MiAnswer(Number(code), reason) });
      return;
    }
    const value = this.#tree.end() ?? reason;
    if (this.#came <= longestText) {
      this.#finish({ kind: 'result', text: stringify(value) });
      return;
    }
    this.#isOver = true;
    this.#sink.stream(new HeldValue(value, () => this.#drop()));
  }

  #finish(reply: Reply): void {
    this.#isOver = true;
    this.#drop();
    this.#sink.whole(reply);
  }

  #drop(): void {
    this.#pieces.length = 0;
    this.#text = '';
    this.#room.giveBack(this.#length);
    this.#length = 0;
  }
}

/** A long value that is there already, printed in turns while it is sent. */
class HeldValue implements UpstreamStream {
  readonly isSlow = true;
  readonly #released: () => void;
  readonly #parts: Parts;
  #isReleased = false;

  /** @param released told once */
  constructor(value: JsonValue, released: () => void) {
    this.#released = released;
    this.#parts = new Parts(openParts(printLong(value) ?? 'null'));
  }

  fill(buffer: Buffer): number | Promise<number> {
    return this.#parts.fill(buffer);
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#parts.release();
    this.#released();
  }
}

type Members = { [name: string]: JsonValue };

/** A node to which nodes may be added. */
interface OpenNode {
  readonly name: string;
  readonly members: Members;
  /** Names of the nodes below it; others are its attributes. */
  readonly below: Set<string>;
}

/** A tree of lines. A node is complete with the first line that is not below it. */
class Tree {
  readonly #root = openNode('', noMembers());
  /** From the root to the last line. */
  readonly #path: OpenNode[] = [this.#root];

  add(line: string): void {
    const text = line.trimStart();
    const depth = Math.min(line.length - text.length, this.#path.length - 1, maxDepth);
    this.#close(depth + 1);
    const { name, members } = nodeOf(text);
    this.#path.push(openNode(name, members));
  }

  /** @returns undefined without a line */
  end(): JsonValue | undefined {
    this.#close(1);
    return this.#root.below.size === 0 ? undefined : simplified(this.#root);
  }

  #close(length: number): void {
    while (this.#path.length > length) {
      const node = this.#path.pop();
      const parent = this.#path.at(-1);
      if (node === undefined || parent === undefined) return;
      const { members, below } = parent;
      const value = simplified(node);
      const existing = members[node.name];
      if (!below.has(node.name) || existing === undefined) members[node.name] = value;
      else if (Array.isArray(existing)) existing.push(value);
      else members[node.name] = [existing, value];
      below.add(node.name);
    }
  }
}

function openNode(name: string, members: Members): OpenNode {
  return { name, members, below: new Set() };
}

/** An object that has no names but its own. */
function noMembers(): Members {
  return Object.create(null) as Members;
}

/** A node with a value alone is its value. */
function simplified({ members, below }: OpenNode): JsonValue {
  if (below.size > 0) return members;
  const names = Object.keys(members);
  return names.length === 1 && names[0] === valueName ? (members[valueName] ?? '') : members;
}

/** Levels of a tree: what is deeper is put there. */
const maxDepth = 128;

/** Marks the value of a node that has more than it. */
const valueName = 'value';

function nodeOf(line: string): { readonly name: string; readonly members: Members } {
  const node = noMembers();
  const at = line.indexOf(':: ');
  const name = at < 0 ? (line.endsWith('::') ? line.slice(0, -2) : '') : line.slice(0, at);
  const rest = at < 0 ? (name === '' ? line : '') : line.slice(at + 3);
  const words = rest.split(' ');
  // Attributes stand behind the value, and either may have blanks; the name of an attribute has none.
  const isAttribute = (word: string): boolean => /^[A-Za-z][A-Za-z0-9_-]*=/.test(word);
  const found = words.findIndex(isAttribute);
  const from = found < 0 ? words.length : found;
  let last = '';
  for (const word of words.slice(from)) {
    const equals = word.indexOf('=');
    if (isAttribute(word)) {
      last = word.slice(0, equals);
      node[last] = word.slice(equals + 1);
    } else node[last] = `${String(node[last])} ${word}`;
  }
  const value = words.slice(0, from).join(' ').trimEnd();
  if (value !== '' || from === words.length) node[valueName] = value;
  return { name, members: node };
}
