import { isObject, type JsonValue, stringify } from '../../../base/json.js';
import { MiError } from '../../../mi/errors.js';
import type { Reply } from './envelope.js';
import type { UpstreamCall } from './transport.js';

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

/**
 * Reads a reply of OpenSIPS 2.x: a line `200 OK`, then a tree of lines `name:: value attribute=value`, a tab in front for each
 * level. Nodes of one name beside each other become an array, as all that has attributes or nodes below it.
 */
export function readLines(text: string): Reply {
  const [status = '', ...lines] = text.split('\n');
  const found = /^([0-9]{3}) (.*)$/.exec(status);
  if (found === null) return { kind: 'broken', reason: 'what came has no line with a status' };
  const [, code, reason] = found;
  if (Number(code) >= 300) return { kind: 'error', error: new MiError(Number(code), reason) };
  const tree = treeOf(lines.filter((line) => line.trim() !== ''));
  return { kind: 'result', text: tree === undefined ? stringify(reason) : stringify(tree) };
}

type Tree = { [name: string]: JsonValue };

function treeOf(lines: readonly string[]): Tree | undefined {
  if (lines.length === 0) return undefined;
  const root: Tree = Object.create(null) as Tree;
  const path: Tree[] = [root];
  for (const line of lines) {
    const text = line.trimStart();
    const depth = Math.min(line.length - text.length, path.length - 1, maxDepth);
    path.length = depth + 1;
    const parent = path[depth] ?? root;
    const { name, node } = nodeOf(text);
    addTo(parent, name, node);
    path.push(node);
  }
  return simplified(root) as Tree;
}

/** Levels of a tree: what is deeper is put there. */
const maxDepth = 128;

/** Marks the value of a node that has more than it. */
const valueName = 'value';

function nodeOf(line: string): { readonly name: string; readonly node: Tree } {
  const node: Tree = Object.create(null) as Tree;
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
  return { name, node };
}

function addTo(parent: Tree, name: string, node: Tree): void {
  const existing = parent[name];
  if (Array.isArray(existing)) (existing as JsonValue[]).push(node);
  else if (existing !== undefined && isObject(existing)) parent[name] = [existing, node];
  else parent[name] = node;
}

/** A node with a value alone is its value. */
function simplified(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(simplified);
  if (!isObject(value)) return value;
  const names = Object.keys(value);
  if (names.length === 1 && names[0] === valueName && typeof value[valueName] === 'string') return value[valueName];
  return Object.fromEntries(names.map((name) => [name, simplified(value[name] ?? null)]));
}
