import type { Presence } from './messages.js';

/** Which members are meant. What is left out does not matter. */
export interface Selection {
  /** Names, with `*` for any characters. */
  readonly nodes?: readonly string[] | undefined;
  /** Tags, with `*`; one of them is enough. */
  readonly group?: readonly string[] | undefined;
  /** A version, with `*`. */
  readonly version?: string | undefined;
}

/**
 * True if a pattern fits a text, `*` being any characters. Clients give patterns, so that it is no regular expression: the time is the
 * product of the lengths at most.
 */
export function fits(pattern: string, text: string): boolean {
  let at = 0;
  let place = 0;
  let star = -1;
  let resumed = 0;
  while (place < text.length) {
    if (pattern[at] === '*') {
      star = at++;
      resumed = place;
    } else if (pattern[at] === text[place]) {
      at++;
      place++;
    } else if (star >= 0) {
      at = star + 1;
      place = ++resumed;
    } else return false;
  }
  while (pattern[at] === '*') at++;
  return at === pattern.length;
}

/** A test for texts that are one of several names, or that one of several patterns fits. */
function fitsOne(given: readonly string[]): (text: string) => boolean {
  const names = new Set(given.filter((one) => !isPattern(one)));
  const patterns = [...new Set(given.filter(isPattern))];
  return (text) => names.has(text) || patterns.some((pattern) => fits(pattern, text));
}

/** True for what stands for more than one name. */
export function isPattern(text: string): boolean {
  return text.includes('*');
}

/** A test for members that are meant, by their presence; undefined: nothing is known of one but its name. */
export function selecting({ nodes, group, version }: Selection): (name: string, told: Presence | undefined) => boolean {
  const named = nodes === undefined ? () => true : fitsOne(nodes);
  const tagged = group === undefined ? undefined : fitsOne(group);
  const versioned = version === undefined ? undefined : fitsOne([version]);
  return (one, told) =>
    named(one) &&
    (tagged === undefined || (told?.tags ?? []).some(tagged)) &&
    (versioned === undefined || (told !== undefined && versioned(told.version)));
}

/** The names of a selection that no known member has, which may be those of members that nobody has seen yet. */
export function unseen({ nodes = [] }: Selection, known: ReadonlySet<string>): readonly string[] {
  return [...new Set(nodes)].filter((one) => !isPattern(one) && !known.has(one));
}
