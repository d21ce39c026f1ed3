import { Piecewise } from './piecewise.js';
import { SecondsLeft } from './seconds-left.js';

/** Binary logarithm of the characters of a text that take as long to print as a number does. */
const unitsShift = 5;

/** Deepest nesting that is looked into by recursion. */
const deepest = 100;

/** These give something short, whatever they belong to. */
const shortTexts: ReadonlySet<unknown> = new Set([
  Piecewise.prototype.toJSON,
  SecondsLeft.prototype.toJSON,
  Date.prototype.toJSON,
]);

/** Names that are kept, so that the next value finds room for its own. */
const mostKept = 4096;

/** Values that may still be counted. */
let left = 0;

/** The members of the objects that are being counted, and where those of the next one begin. */
const members: string[] = [];
let top = 0;

/** The members of objects that turned out to be long: an object gives them all at once, which takes it long. */
let counted: Map<object, readonly string[]> | undefined;

/**
 * How many values an object or array has in it, the characters of texts counted in; `Infinity` when these are more than `limit`.
 * The result of a `toJSON` of others is not known before it is called, and counts as infinite.
 */
export function weightOf(value: object, limit: number): number {
  if (counted !== undefined) {
    if (counted.has(value)) return Number.POSITIVE_INFINITY;
    counted = undefined;
  }
  const outerLeft = left;
  const outerTop = top;
  left = limit;
  try {
    return fits(value, 0) ? limit - left : Number.POSITIVE_INFINITY;
  } finally {
    // A getter may have a value printed while another one is counted.
    left = outerLeft;
    top = outerTop;
    if (members.length > mostKept) members.length = mostKept;
  }
}

/** As {@link weightOf}, for the characters of a text. */
export function weightOfText(text: string): number {
  return text.length >> unitsShift;
}

/** As {@link weightOf}, for what an object or array has in it. */
export function weightOfItem(item: unknown, limit: number): number {
  if (typeof item === 'string') return 1 + weightOfText(item);
  return typeof item === 'object' && item !== null ? 1 + weightOf(item, limit) : 1;
}

/** The names of the members of an object, with less ado when it was counted last; some may be inherited. */
export function memberNames(value: object): readonly string[] {
  const names = counted?.get(value) ?? Object.keys(value);
  counted = undefined;
  return names;
}

function fits(value: object, depth: number): boolean {
  if (depth > deepest) return false;
  const { toJSON } = value as { readonly toJSON?: unknown };
  if (toJSON !== undefined && typeof toJSON === 'function') return shortTexts.has(toJSON);
  return Array.isArray(value) ? fitsItems(value, depth) : fitsMembers(value as Record<string, unknown>, depth);
}

function fitsItems(items: readonly unknown[], depth: number): boolean {
  const { length } = items;
  left -= length;
  if (left < 0) return false;
  for (let index = 0; index < length; index += 1) {
    const item = items[index];
    if (typeof item === 'string') left -= item.length >> unitsShift;
    else if (typeof item === 'object' && item !== null && !fits(item, depth + 1)) return false;
  }
  return left >= 0;
}

/** Not by `Object.keys`, which makes an array for each object. */
function fitsMembers(value: Record<string, unknown>, depth: number): boolean {
  const start = top;
  let isWithin = true;
  for (const name in value) {
    members[top] = name;
    top += 1;
    // Once it is too long, its names alone are gathered: to begin anew would take as long as this did.
    if (!isWithin) continue;
    const item = value[name];
    if (typeof item === 'string') left -= item.length >> unitsShift;
    else if (typeof item === 'object' && item !== null) isWithin = fits(item, depth + 1);
    left -= 1 + (name.length >> unitsShift);
    if (left < 0) isWithin = false;
  }
  if (!isWithin) note(value, members.slice(start, top));
  top = start;
  return isWithin;
}

function note(value: object, names: readonly string[]): void {
  counted ??= new Map();
  counted.set(value, names);
}
