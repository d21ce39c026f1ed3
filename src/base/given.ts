import { inspect } from 'node:util';
import { coded } from './codes.js';
import { suggestNames } from './nearest.js';
import { shorten } from './text.js';

/** The kinds of value that an option may have; undefined counts as left out. */
export interface Wanted {
  /** `a number from 0 on`, to stand behind "give". */
  readonly text: string;
  /** Left out: anything. */
  readonly is?: (value: unknown) => boolean;
  readonly isRequired?: boolean;
}

/** The kind of each member. */
export type Members<T extends object = object> = Readonly<Record<keyof T, Wanted>>;

export const aText: Wanted = { text: 'a text', is: (value) => typeof value === 'string' };
export const aNumber: Wanted = { text: 'a number', is: (value) => typeof value === 'number' };
export const aBoolean: Wanted = { text: 'true or false', is: (value) => typeof value === 'boolean' };
export const aCount: Wanted = {
  text: 'a whole number from 0 on',
  is: (value) => Number.isSafeInteger(value) && Number(value) >= 0,
};
export const aFunction: Wanted = { text: 'a function', is: (value) => typeof value === 'function' };
export const anObject: Wanted = { text: 'an object', is: isPlain };
export const texts = listOf('an array of texts', (one) => typeof one === 'string');

/** RFC 9110 §5.6.2. */
const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

export const headerNames = listOf(
  'an array of names of headers',
  (one) => typeof one === 'string' && headerName.test(one),
);

export function listOf(text: string, is: (one: unknown) => boolean): Wanted {
  return { text, is: (value) => Array.isArray(value) && value.every(is) };
}

export function oneOf(words: readonly unknown[]): Wanted {
  return { text: words.map((word) => JSON.stringify(word)).join(', '), is: (value) => words.includes(value) };
}

export function required(wanted: Wanted): Wanted {
  return { ...wanted, isRequired: true };
}

/** A given value as text, for an error of one line. */
export function shown(value: unknown): string {
  try {
    const text = inspect(value, {
      depth: 0,
      maxStringLength: 64,
      maxArrayLength: 3,
      breakLength: Number.POSITIVE_INFINITY,
    });
    return shorten(text.replace(/\s+/g, ' '), 100, '…');
  } catch {
    return `a ${typeof value} that cannot be shown`;
  }
}

/** @throws TypeError naming the value and what to give in its place */
export function checkGiven(what: string, value: unknown, wanted: Wanted): void {
  if (wanted.is?.(value) === false)
    throw coded('ERR_ARGUMENT', new TypeError(`${what} is ${shown(value)}; give ${wanted.text}`));
}

/**
 * Checks an object of options that a program gave: in JavaScript no compiler tells of a slip, and an option that nobody
 * reads may be one that protects. Instances of classes have members of their own, so that no name is unknown in these.
 *
 * @param what names the object: `command dump`
 * @throws TypeError naming the first member that is unknown, with the nearest known one, missing, or of a wrong type
 */
export function checkMembers(what: string, given: unknown, members: Readonly<Record<string, Wanted>>): void {
  checkGiven(what, given, anObject);
  const object = given as Readonly<Record<string, unknown>>;
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype === null || Object.getPrototypeOf(prototype) === null) {
    const known = Object.keys(members);
    const unknown = Object.keys(object).find((name) => !Object.hasOwn(members, name));
    if (unknown !== undefined)
      throw coded(
        'ERR_ARGUMENT',
        new TypeError(`${what} has no option "${unknown}": ${suggestNames(unknown, 'known', known)}`),
      );
  }
  checkParts(what, given, members);
}

/**
 * As {@link checkMembers}, for an object that may have more members: one with functions that are called, and whatever
 * these need.
 */
export function checkParts(what: string, given: unknown, members: Readonly<Record<string, Wanted>>): void {
  checkGiven(what, given, anObject);
  const object = given as Readonly<Record<string, unknown>>;
  for (const [name, wanted] of Object.entries(members)) {
    const value = object[name];
    if (value !== undefined) checkGiven(`${name} of ${what}`, value, wanted);
    else if (wanted.isRequired === true)
      throw coded('ERR_ARGUMENT', new TypeError(`${what} has no ${name}; give ${wanted.text}`));
  }
}

function isPlain(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
