import { constants } from 'node:buffer';
import { coded } from '../../base/codes.js';
import { finishedJson } from '../../base/json.js';

/** Deepest nesting of a result that V8 cannot print by itself; the same limit holds for requests. */
const maxDepth = 128;

/**
 * Prints a result as compact JSON, or returns `undefined` when there is nothing to print
 * (`undefined`, a function, a symbol).
 *
 * V8's printer does the work. It refuses `bigint`, so a value that holds one is printed a second
 * time by the slow path below: rare, and the common case pays nothing for it.
 *
 * @throws RangeError when the value contains itself, or is nested too deep to be printed; TypeError naming what it holds that
 *   JSON does not have, and what prints as an empty object
 */
export function printJson(value: unknown): string | undefined {
  const text = printUnchecked(value);
  // Few results have an empty object, and those are looked through: nothing else costs anything.
  if (text?.includes('{}') === true) refuseOpaque(value, '');
  return text;
}

let printing = 0;

/** True while the result of a command is printed for a reply, not while the command prints JSON itself. */
export function isPrintingResult(): boolean {
  return printing > 0;
}

/** Calls what prints a value for a reply, or asks its `toJSON`. */
export function asResult<A, R>(print: (value: A) => R, value: A): R {
  printing += 1;
  try {
    return print(value);
  } finally {
    printing -= 1;
  }
}

/** As {@link printJson}, but objects that only look empty are left to {@link refuseOpaque}. */
export function printUnchecked(value: unknown): string | undefined {
  const printed = asResult(printAnyhow, value);
  return printed === undefined ? undefined : finishedJson(printed);
}

/** UTF-16 units of the longest text that there is. */
export const mostUnits = constants.MAX_STRING_LENGTH;

/** The error for a value whose text there cannot be. */
export function tooLong(): RangeError {
  return coded(
    'ERR_RESULT',
    new RangeError(`result is longer than ${mostUnits} characters, the longest text of Node.js: give it with stream()`),
  );
}

/** The error for a value without end. */
export function endless(): RangeError {
  return coded('ERR_RESULT', new RangeError(`result is nested deeper than ${maxDepth} levels, or contains itself`));
}

function printAnyhow(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    // The slow path would come to the same end, after minutes.
    if (error.message === 'Invalid string length') throw tooLong();
    return printExactly(value, '', 0);
  }
}

/** @param isMade whether it is what a `toJSON` gave, whose own is not asked any more */
function printExactly(value: unknown, member: string, depth: number, isMade = false): string | undefined {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (depth >= maxDepth) {
    throw endless();
  }
  if (!isMade && 'toJSON' in value && typeof value.toJSON === 'function') {
    return printExactly(value.toJSON(member), member, depth + 1, true);
  }
  if (value instanceof Number || value instanceof String || value instanceof Boolean || value instanceof BigInt) {
    return printExactly(value.valueOf(), member, depth);
  }
  if (Array.isArray(value)) {
    // Not by map(), which leaves out the holes of an array.
    const items = Array.from(value, (item, index) => printExactly(item, String(index), depth + 1) ?? 'null');
    return `[${items.join(',')}]`;
  }
  const members: string[] = [];
  for (const [name, item] of Object.entries(value)) {
    const text = printExactly(item, name, depth + 1);
    if (text !== undefined) members.push(`${JSON.stringify(name)}:${text}`);
  }
  return `{${members.join(',')}}`;
}

/** By what they are, how to give them. */
const remedies: readonly (readonly [is: (value: object) => boolean, name: string, remedy: string])[] = [
  [(value) => value instanceof Map, 'Map', 'give Object.fromEntries(map), or streamObject(map)'],
  [(value) => value instanceof Set, 'Set', 'give [...set], or stream(set)'],
  [(value) => value instanceof Error, 'Error', 'give its message, or throw it'],
  [(value) => value instanceof Promise, 'promise', 'await it'],
  [(value) => value instanceof RegExp, 'regular expression', 'give its source'],
  [
    (value) => value instanceof WeakMap || value instanceof WeakSet || value instanceof WeakRef,
    'weak collection',
    'give what it holds',
  ],
  [
    (value) => Symbol.iterator in value || Symbol.asyncIterator in value,
    'generator or iterable',
    'give stream(it), or [...it]',
  ],
];

/** Gives the name of an object that is a part of the server, and prints as next to nothing. */
export const opaque = Symbol('mi-httpd opaque');

/** Of objects that print as JSON has them. */
const plainTags: ReadonlySet<string> = new Set(['Object', 'Arguments', 'Number', 'String', 'Boolean', 'BigInt']);

/** @throws TypeError naming the place of a value that prints as an empty object although it is none */
export function refuseOpaque(value: unknown, place: string, depth = 0): void {
  if (typeof value !== 'object' || value === null || depth > maxDepth) return;
  if ('toJSON' in value && typeof value.toJSON === 'function') return;
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) refuseOpaque(item, `${place}[${index}]`, depth + 1);
    return;
  }
  if (opaque in value) {
    throw coded(
      'ERR_RESULT',
      new TypeError(`result holds the ${String(value[opaque])}${at(place)}: give what you want to tell of it`),
    );
  }
  const members = Object.entries(value);
  for (const [name, item] of members) refuseOpaque(item, `${place}.${name}`, depth + 1);
  if (members.length > 0) return;
  const found = remedies.find(([is]) => is(value));
  const tag = Object.prototype.toString.call(value).slice('[object '.length, -1);
  // A wrapped value prints as it is; an object of an unnamed class prints as a plain one.
  if (found === undefined && plainTags.has(tag)) return;
  const [, name, remedy] = found ?? [undefined, tag, 'give what it holds'];
  throw coded('ERR_RESULT', new TypeError(`result holds a ${name}${at(place)}, which JSON does not have: ${remedy}`));
}

function at(place: string): string {
  return place === '' ? '' : ` at ${place}`;
}
